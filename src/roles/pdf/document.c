#include "roles/pdf/document.h"

#include <stdlib.h>

#define STREAM_COST                                                                           \
    2048 /* a short stream counts for as many bytes: asking takes its time, too */

void document_release(struct document *document, qpdf_oh object)
{
    document->calls->release(document->pdf, object);
}

qpdf_oh document_key(struct document *document, qpdf_oh object, const char *key)
{
    return document->calls->key(document->pdf, object, key);
}

enum qpdf_object_type_e document_type(struct document *document, qpdf_oh object)
{
    return document->calls->type(document->pdf, object);
}

bool document_object(struct document *document, qpdf_oh object, struct object **ret_object)
{
    int id = document->calls->is_indirect(document->pdf, object)
                 ? document->calls->object_id(document->pdf, object)
                 : 0;

    if (id <= 0 || (size_t)id >= document->object_count)
        return false;
    *ret_object = &document->objects[id];
    return true;
}

bool document_name(struct document *document, qpdf_oh object, char *ret_name, size_t room)
{
    const char *name;
    size_t len;

    if (!document->calls->as_name(document->pdf, object, &name, &len) || len < 1 || len > room)
        return false;
    memcpy(ret_name, name + 1, len - 1); /* behind the slash */
    ret_name[len - 1] = 0;
    return true;
}

bool document_name_at(struct document *document, qpdf_oh object, const char *key,
                      char *ret_name, size_t room)
{
    qpdf_oh value = document_key(document, object, key);
    bool ok = document_name(document, value, ret_name, room);

    document_release(document, value);
    return ok;
}

double document_number_at(struct document *document, qpdf_oh object, const char *key,
                          double otherwise)
{
    qpdf_oh value = document_key(document, object, key);
    double number = otherwise;

    if (!document->calls->as_number(document->pdf, value, &number))
        number = otherwise;
    document_release(document, value);
    return number;
}

void document_left_out(struct document *document, size_t bytes)
{
    document->sink->left_out(document->sink->self, bytes);
}

bool document_stream(struct document *document, qpdf_oh stream, uint8_t **ret_bytes,
                     size_t *ret_len)
{
    QPDF_BOOL is_plain = 0;
    unsigned char *bytes = NULL;
    size_t len = 0, cost;
    bool ok = document->decoded_left > 0 &&
              (document->calls->stream_data(document->pdf, stream, qpdf_dl_specialized,
                                            &is_plain, &bytes, &len) &
               QPDF_ERRORS) == 0 &&
              bytes != NULL && is_plain;

    if (!ok || len > document->decoded_left) {
        document->decoded_left = ok || bytes == NULL ? 0 : document->decoded_left;
        free(bytes);
        document_left_out(document, len);
        return false;
    }
    cost = len < STREAM_COST ? STREAM_COST : len;
    document->decoded_left -= cost < document->decoded_left ? cost : document->decoded_left;
    *ret_bytes = bytes;
    *ret_len = len;
    return true;
}

struct pdf_place document_place(struct document *document, const struct object *object,
                                uint32_t page)
{
    struct pdf_place place = {.to = document->bytes.len < 8 ? document->bytes.len : 8,
                              .page = page != 0        ? page
                                      : object != NULL ? object->page
                                                       : 0};

    if (object != NULL && object->to > object->from) {
        place.from = object->from;
        place.to = object->to;
    }
    return place;
}
