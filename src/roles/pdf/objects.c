/* Strings and streams of all objects: metadata, forms, notes, outlines, scripts, attachments. What
 * is in a file and nobody refers to counts, too. */
#include <stdlib.h>

#include "base/scope.h"
#include "roles/pdf/document.h"

#define NESTING_MAX 64
#define KEYS_MAX 65536 /* of one dictionary */
#define NAME_ROOM 128

/* An object that is being looked through. */
struct looking {
    struct document *document;
    struct object *object; /* NULL: the trailer */
    unsigned depth;
};

/* ---- streams ---- */

enum stream_kind { STREAM_NO_TEXT, STREAM_PICTURE, STREAM_DRAWING, STREAM_FILE };

/* By the dictionary; the first row that fits. What fits none is a file: it may be anything. */
static const struct stream_rule {
    const char *key, *value; /* NULL: any */
    enum stream_kind kind;
    const char *name; /* of the file */
} stream_rules[] = {
    {"/Subtype", "Image", STREAM_PICTURE, NULL},
    {"/Subtype", "Form", STREAM_DRAWING, NULL},
    {"/PatternType", NULL, STREAM_DRAWING, NULL},
    {"/Type", "XRef", STREAM_NO_TEXT, NULL},
    {"/Type", "ObjStm", STREAM_NO_TEXT, NULL},
    {"/Type", "CMap", STREAM_NO_TEXT, NULL},
    {"/FunctionType", NULL, STREAM_NO_TEXT, NULL},
    {"/ShadingType", NULL, STREAM_NO_TEXT, NULL},
    {"/HalftoneType", NULL, STREAM_NO_TEXT, NULL},
    {"/Type", "Metadata", STREAM_FILE, "metadata.xml"},
};

/* Under these keys a stream says how to draw. */
static const char *const drawing_keys[] = {"FontFile",  "FontFile2",   "FontFile3",
                                           "ToUnicode", "CIDToGIDMap", "CIDSet",
                                           "Encoding",  "ICCBased",    "CharProcs"};

static bool fits(struct document *document, qpdf_oh dictionary, const struct stream_rule *rule)
{
    qpdf_oh value = document_key(document, dictionary, rule->key);
    char name[NAME_ROOM] = "";
    bool is_there = document_type(document, value) != ot_null;

    (void)document_name(document, value, name, sizeof(name));
    document_release(document, value);
    return is_there && (rule->value == NULL || strcmp(name, rule->value) == 0);
}

static void tell_file(struct looking *looking, qpdf_oh stream, const char *name)
{
    struct document *document = looking->document;
    const struct pdf_sink *sink = document->sink;
    uint8_t *bytes;
    size_t len;

    if (!document_stream(document, stream, &bytes, &len))
        return;
    if (name == NULL)
        name = len > 0 && bytes[0] == '<' ? "stream.xml" : "stream";
    sink->file(sink->self, document_place(document, looking->object, 0), slice_of(name),
               slice_of_bytes(bytes, len));
    free(bytes);
}

/* The table of a file that is laid out for the web (annex F). */
static bool is_hint(struct document *document, qpdf_oh dictionary)
{
    return document->is_for_web && document_number_at(document, dictionary, "/S", -1) >= 0;
}

static void look_into_stream(struct looking *looking, qpdf_oh stream, qpdf_oh dictionary)
{
    struct document *document = looking->document;
    const struct stream_rule *rule = NULL;
    uint8_t marks = looking->object == NULL ? 0 : looking->object->marks;

    for (size_t i = 0; rule == NULL && i < COUNT(stream_rules); i++)
        if (fits(document, dictionary, &stream_rules[i]))
            rule = &stream_rules[i];
    if ((marks & (OBJECT_DRAWN | OBJECT_NO_TEXT)) != 0 ||
        (rule == NULL && is_hint(document, dictionary)))
        return;
    if (rule == NULL || rule->kind == STREAM_FILE)
        tell_file(looking, stream, rule == NULL ? NULL : rule->name);
    else if (rule->kind == STREAM_DRAWING)
        document_draw_stream(document, stream, looking->object);
    else if (rule->kind == STREAM_PICTURE)
        document_left_out(document,
                          (size_t)document_number_at(document, dictionary, "/Length", 1));
}

/* ---- strings ---- */

static void look_into(struct looking *looking, qpdf_oh value, const char *key,
                      struct slice name);

/* They are digests and keys, no text. */
static bool is_binary(const char *key)
{
    static const char *const keys[] = {"ID", "O", "U", "OE", "UE", "Perms", "Cert"};

    for (size_t i = 0; i < COUNT(keys); i++)
        if (strcmp(key, keys[i]) == 0)
            return true;
    return false;
}

static void tell_string(struct looking *looking, qpdf_oh value, struct slice name)
{
    struct document *document = looking->document;
    const struct pdf_sink *sink = document->sink;
    const char *text;
    size_t len;

    if (document->calls->as_text(document->pdf, value, &text, &len))
        sink->field(sink->self, document_place(document, looking->object, 0), name,
                    slice_of_bytes(text, len));
}

/* What is referred to is looked into on its own; here is seen what it is for. */
static void note_reference(struct looking *looking, qpdf_oh value, const char *key)
{
    struct object *object;

    if (!document_object(looking->document, value, &object)) {
        document_left_out(looking->document, 1);
        return;
    }
    for (size_t i = 0; i < COUNT(drawing_keys); i++)
        if (strcmp(key, drawing_keys[i]) == 0)
            object->marks |= OBJECT_NO_TEXT;
}

static void look_into_array(struct looking *looking, qpdf_oh array, const char *key,
                            struct slice name)
{
    struct document *document = looking->document;
    int count = document->calls->item_count(document->pdf, array);
    char first[NAME_ROOM] = "";

    for (int i = 0; i < count; i++) {
        qpdf_oh item = document->calls->item(document->pdf, array, i);

        if (i == 0)
            (void)document_name(document, item, first, sizeof(first)); /* [/ICCBased 7 0 R] */
        look_into(looking, item, strcmp(first, "ICCBased") == 0 ? first : key, name);
        document_release(document, item);
    }
}

/* The keys of a dictionary, copied: qpdf goes through one dictionary at a time. */
static char **keys_of(struct document *document, qpdf_oh dictionary, size_t *ret_count)
{
    char **keys = NULL;
    size_t count = 0, room = 0;

    document->calls->begin_keys(document->pdf, dictionary);
    while (document->calls->more_keys(document->pdf)) {
        const char *key = document->calls->next_key(document->pdf);

        if (count == KEYS_MAX) {
            document_left_out(document, 1);
            break;
        }
        keys = xgrow(keys, &room, count + 1, sizeof(*keys));
        keys[count++] = xstrdup(key);
    }
    *ret_count = count;
    return keys;
}

/* A form's field has a name of its own: it says what its value is. */
static void field_name(struct document *document, qpdf_oh dictionary, struct buf *ret_name)
{
    qpdf_oh title = document_key(document, dictionary, "/T");
    const char *text;
    size_t len;
    struct fault fault;

    if (document->calls->as_text(document->pdf, title, &text, &len))
        (void)!buf_add(ret_name,
                       slice_of_bytes(text, len < ret_name->limit ? len : ret_name->limit),
                       &fault);
    document_release(document, title);
}

static void look_into_dictionary(struct looking *looking, qpdf_oh dictionary,
                                 const char *outer_key)
{
    struct document *document = looking->document;
    AUTO_BUF struct buf title = buf_with_limit(NAME_ROOM);
    bool is_glyphs = strcmp(outer_key, "CharProcs") == 0;
    size_t count;
    char **keys = keys_of(document, dictionary, &count);

    field_name(document, dictionary, &title);
    for (size_t i = 0; i < count; i++) {
        const char *key = keys[i][0] == '/' ? keys[i] + 1 : keys[i];
        bool is_value = title.len > 0 && (strcmp(key, "V") == 0 || strcmp(key, "DV") == 0);
        qpdf_oh value = document_key(document, dictionary, keys[i]);

        if (!is_binary(key))
            look_into(looking, value, is_glyphs ? outer_key : key,
                      is_value ? buf_slice(&title) : slice_of(key));
        document_release(document, value);
        free(keys[i]);
    }
    free(keys);
}

/* A signature holds certificates in binary: not looked at. */
static bool is_signature(struct document *document, qpdf_oh dictionary)
{
    qpdf_oh range = document_key(document, dictionary, "/ByteRange");
    bool is_there = document_type(document, range) == ot_array;

    document_release(document, range);
    return is_there;
}

static void look_into(struct looking *looking, qpdf_oh value, const char *key,
                      struct slice name)
{
    struct document *document = looking->document;

    if (document->calls->is_indirect(document->pdf, value) && looking->depth > 0) {
        note_reference(looking, value, key);
        return;
    }
    if (looking->depth == NESTING_MAX) {
        document_left_out(document, 1);
        return;
    }
    looking->depth++;
    switch ((unsigned)document_type(document, value)) {
    case ot_string:
        tell_string(looking, value, name);
        break;
    case ot_array:
        look_into_array(looking, value, key, name);
        break;
    case ot_dictionary:
        if (is_signature(document, value))
            document_left_out(document, 1);
        else
            look_into_dictionary(looking, value, key);
        break;
    case ot_stream: {
        qpdf_oh dictionary = document->calls->dictionary(document->pdf, value);

        look_into_dictionary(looking, dictionary, key);
        look_into_stream(looking, value, dictionary);
        document_release(document, dictionary);
        break;
    }
    default:
        break;
    }
    looking->depth--;
}

/* Streams come after all that may say what they are for. */
void document_objects(struct document *document)
{
    qpdf_oh trailer = document->calls->trailer(document->pdf);
    struct looking looking = {.document = document, .depth = 1};

    look_into(&looking, trailer, "", (struct slice){0});
    document_release(document, trailer);
    for (unsigned pass = 0; pass < 2; pass++)
        for (size_t id = 1; id < document->object_count; id++) {
            qpdf_oh object = document->calls->object_by_id(document->pdf, (int)id, 0);
            bool is_stream = document_type(document, object) == ot_stream;

            looking = (struct looking){.document = document, .object = &document->objects[id]};
            if (is_stream == (pass == 1))
                look_into(&looking, object, "", (struct slice){0});
            document_release(document, object);
        }
}
