#include "roles/pdf/pdfs.h"

#include <limits.h>
#include <stdlib.h>
#include <sys/resource.h>

#include "roles/pdf/document.h"

#ifdef __has_feature /* clang */
#if __has_feature(address_sanitizer)
#define __SANITIZE_ADDRESS__ 1
#endif
#endif

#define REVISIONS_MAX 8
#define MEMORY_BYTES_MAX (2UL << 30) /* a filter may make a gigabyte of a megabyte */

static const struct pdf_library *library;

/* ---- where objects stand ---- */

static bool is_blank(uint8_t byte)
{
    return byte == ' ' || byte == '\n' || byte == '\r' || byte == '\t' || byte == '\f' ||
           byte == 0;
}

static bool is_digit(uint8_t byte)
{
    return byte >= '0' && byte <= '9';
}

/* "12 0 obj" ends at `end`: gives where it begins and its first number. */
static bool head_of(struct slice bytes, size_t end, size_t *ret_from, size_t *ret_id)
{
    size_t at = end - 3, id = 0, digits;

    for (unsigned numbers = 0; numbers < 2; numbers++) {
        size_t gap = at;

        while (at > 0 && is_blank(bytes.at[at - 1]))
            at--;
        if (at == gap)
            return false;
        for (digits = at; at > 0 && is_digit(bytes.at[at - 1]) && digits - at < 10;)
            at--;
        if (at == digits)
            return false;
    }
    for (size_t i = at; i < digits; i++)
        id = id * 10 + (size_t)(bytes.at[i] - '0');
    *ret_from = at;
    *ret_id = id;
    return true;
}

/* Of two with one number the later one holds. */
static void find_places(struct document *document)
{
    struct slice bytes = document->bytes;
    struct object *last = NULL;
    size_t from, id;

    for (size_t at = slice_find(bytes, SLICE("obj"), 3); at != SIZE_MAX;
         at = slice_find(bytes, SLICE("obj"), at + 3)) {
        if (!head_of(bytes, at + 3, &from, &id) || id == 0 || id >= document->object_count)
            continue;
        if (last != NULL)
            last->to = (uint32_t)from;
        last = &document->objects[id];
        last->from = (uint32_t)from;
        last->to = (uint32_t)bytes.len;
    }
}

/* As many as the file says, and as stand in it: neither alone can be trusted. */
static size_t count_objects(struct document *document)
{
    qpdf_oh trailer = document->calls->trailer(document->pdf);
    double said = document_number_at(document, trailer, "/Size", 0);
    size_t count = said > 0 && said <= PDF_OBJECTS_MAX ? (size_t)said : 0, from, id;
    struct slice bytes = document->bytes;

    document_release(document, trailer);
    if (said > PDF_OBJECTS_MAX)
        document_left_out(document, bytes.len);
    for (size_t at = slice_find(bytes, SLICE("obj"), 3); at != SIZE_MAX;
         at = slice_find(bytes, SLICE("obj"), at + 3))
        if (head_of(bytes, at + 3, &from, &id) && id >= count) {
            if (id > PDF_OBJECTS_MAX)
                document_left_out(document, 1);
            else
                count = id + 1;
        }
    return count == 0 ? 1 : count;
}

/* ---- a file, and what it was before ---- */

static bool is_for_web(struct slice bytes)
{
    return slice_find(slice_part(bytes, 0, 1024), SLICE("/Linearized"), 0) != SIZE_MAX;
}

static bool read_revision(struct slice bytes, size_t *decoded_left,
                          const struct pdf_sink *sink)
{
    struct document document = {.calls = library,
                                .pdf = library->init(),
                                .bytes = bytes,
                                .sink = sink,
                                .is_for_web = is_for_web(bytes),
                                .words = PDF_WORDS_MAX,
                                .decoded_left = *decoded_left};
    bool ok;

    library->silence_errors(document.pdf);
    library->suppress_warnings(document.pdf, 1);
    ok = (library->read_memory(document.pdf, "pdf", (const char *)bytes.at, bytes.len, NULL) &
          QPDF_ERRORS) == 0;
    if (ok) {
        document.object_count = count_objects(&document);
        document.objects = xalloc_array(document.object_count, sizeof(*document.objects));
        find_places(&document);
        document_pages(&document);
        document_objects(&document);
    }
    *decoded_left = document.decoded_left;
    document_fonts_free(&document);
    free(document.objects);
    if (library->has_error(document.pdf))
        (void)library->take_error(document.pdf); /* else it is printed */
    library->cleanup(&document.pdf);
    return ok;
}

/* A changed file has its earlier states in front of what was added (7.5.6), up to each %%EOF. One
 * that is laid out for the web has such an end in front, too, which is no state of it. */
static bool walk(struct slice pdf, const struct pdf_sink *sink)
{
    size_t ends[REVISIONS_MAX], count = 0, decoded_left = PDF_DECODED_MAX;

    for (size_t at = slice_find(pdf, SLICE("%%EOF"), 0); at != SIZE_MAX;
         at = slice_find(pdf, SLICE("%%EOF"), at + 5)) {
        if (count == REVISIONS_MAX) {
            sink->left_out(sink->self, 1);
            break;
        }
        ends[count++] = at + 5;
    }
    if (!read_revision(pdf, &decoded_left, sink))
        return false;
    for (size_t i = is_for_web(pdf) ? 1 : 0; i + 1 < count; i++)
        if (!read_revision(slice_part(pdf, 0, ends[i]), &decoded_left, sink))
            sink->left_out(sink->self, 1);
    return true;
}

/* Under a sanitizer all of the address space is taken from the start. */
static bool bound_memory(struct fault *fault)
{
#ifndef __SANITIZE_ADDRESS__
    struct rlimit limit = {MEMORY_BYTES_MAX, MEMORY_BYTES_MAX};

    if (setrlimit(RLIMIT_AS, &limit) < 0)
        return fault_errno(fault, "bound the memory");
#else
    (void)fault;
#endif
    return true;
}

bool pdfs_use(struct fault *fault)
{
    static const struct pdf_opener opener = {walk};

    if (!pdf_library_load(&library, fault) || !bound_memory(fault))
        return false;
    classify_use_pdfs(&opener);
    return true;
}
