/* What pages show, and drawings beside them. */
#include <stdlib.h>

#include "base/scope.h"
#include "roles/pdf/document.h"

#define PARENTS_MAX 32
#define PAGE_TEXT_MAX (16UL << 20)
#define NAME_ROOM 128

/* Where names of a content stream are looked up. */
struct resources {
    struct document *document;
    qpdf_oh dictionary;
};

/* Object `name` of a kind ("/Font"); to be released. */
static qpdf_oh find_resource(struct resources *resources, const char *kind, struct slice name)
{
    struct document *document = resources->document;
    qpdf_oh all = document_key(document, resources->dictionary, kind), found;
    AUTO_FREE char *key = xformat("/%.*s", SLICE_ARGS(slice_part(name, 0, NAME_ROOM)));

    found = document_key(document, all, key);
    document_release(document, all);
    return found;
}

static const struct pdf_font *find_font(void *self, struct slice name)
{
    struct resources *resources = self;
    qpdf_oh font = find_resource(resources, "/Font", name);
    const struct pdf_font *found = document_font(resources->document, font);

    document_release(resources->document, font);
    return found;
}

static void draw(struct resources *resources, struct pdf_page *page, struct slice content,
                 const struct pdf_matrix *place);

static struct pdf_matrix matrix_of(struct document *document, qpdf_oh dictionary)
{
    qpdf_oh list = document_key(document, dictionary, "/Matrix");
    double numbers[6] = {1, 0, 0, 1, 0, 0};

    for (int i = 0; document_type(document, list) == ot_array && i < 6; i++) {
        qpdf_oh item = document->calls->item(document->pdf, list, i);

        (void)document->calls->as_number(document->pdf, item, &numbers[i]);
        document_release(document, item);
    }
    document_release(document, list);
    return (struct pdf_matrix){numbers[0], numbers[1], numbers[2],
                               numbers[3], numbers[4], numbers[5]};
}

/* A stream with resources of its own, else with those of who draws it. */
static void draw_stream(struct document *document, qpdf_oh stream,
                        const struct resources *outer, struct pdf_page *page,
                        const struct pdf_matrix *place)
{
    qpdf_oh dictionary = document->calls->dictionary(document->pdf, stream);
    qpdf_oh own = document_key(document, dictionary, "/Resources");
    bool has_own = document_type(document, own) == ot_dictionary;
    struct resources resources = {document,
                                  has_own || outer == NULL ? own : outer->dictionary};
    struct pdf_matrix matrix = matrix_of(document, dictionary);
    uint8_t *bytes;
    size_t len;

    matrix = pdf_matrix_then(&matrix, place);
    if (document_stream(document, stream, &bytes, &len)) {
        draw(&resources, page, slice_of_bytes(bytes, len), &matrix);
        free(bytes);
    }
    document_release(document, own);
    document_release(document, dictionary);
}

/* A picture is told where its object is. */
static void paint(void *self, struct slice name, struct pdf_page *page,
                  const struct pdf_matrix *place)
{
    struct resources *resources = self;
    struct document *document = resources->document;
    qpdf_oh found = find_resource(resources, "/XObject", name);
    struct object *object;
    char kind[NAME_ROOM] = "";

    if (document_type(document, found) == ot_stream) {
        qpdf_oh dictionary = document->calls->dictionary(document->pdf, found);

        (void)document_name_at(document, dictionary, "/Subtype", kind, sizeof(kind));
        document_release(document, dictionary);
    }
    if (strcmp(kind, "Form") == 0) {
        if (document_object(document, found, &object))
            object->marks |= OBJECT_DRAWN;
        draw_stream(document, found, resources, page, place);
    }
    document_release(document, found);
}

static void draw(struct resources *resources, struct pdf_page *page, struct slice content,
                 const struct pdf_matrix *place)
{
    const struct pdf_resources names = {find_font, paint, resources};

    pdf_page_draw(page, content, place, &names);
}

/* ---- telling ---- */

static struct pdf_page begin_page(struct document *document)
{
    return (struct pdf_page){.text = buf_with_limit(PAGE_TEXT_MAX),
                             .said = buf_with_limit(PAGE_TEXT_MAX),
                             .words = &document->words};
}

static void end_page(struct document *document, struct pdf_page *page, struct pdf_place place)
{
    const struct pdf_sink *sink = document->sink;

    sink->text(sink->self, place, buf_slice(&page->text));
    sink->text(sink->self, place, buf_slice(&page->said));
    if (page->unread > 0)
        sink->left_out(sink->self, page->unread);
    buf_free_secret(&page->text);
    buf_free_secret(&page->said);
}

void document_draw_stream(struct document *document, qpdf_oh stream, struct object *object)
{
    struct pdf_page page = begin_page(document);

    draw_stream(document, stream, NULL, &page, &pdf_matrix_none);
    end_page(document, &page, document_place(document, object, 0));
}

/* ---- pages ---- */

/* A page has the resources of the nodes above it where it has none (7.7.3.4); to be released. */
static qpdf_oh page_resources(struct document *document, qpdf_oh page)
{
    qpdf_oh node = document_key(document, page, "/Parent");
    qpdf_oh found = document_key(document, page, "/Resources");

    for (unsigned i = 0; i < PARENTS_MAX && document_type(document, found) != ot_dictionary;
         i++) {
        qpdf_oh above = document_key(document, node, "/Parent");

        document_release(document, found);
        found = document_key(document, node, "/Resources");
        document_release(document, node);
        node = above;
    }
    document_release(document, node);
    return found;
}

/* The object, and those that it is made of: they are of this page. */
static void mark_page(struct document *document, qpdf_oh object, uint32_t page, uint8_t marks)
{
    bool is_list = document_type(document, object) == ot_array;
    int count = is_list ? document->calls->item_count(document->pdf, object) : 0;
    struct object *known;

    if (document_object(document, object, &known)) {
        known->page = known->page == 0 ? page : known->page;
        known->marks |= marks;
    }
    for (int i = 0; i < count && i < PDF_OBJECTS_MAX; i++) {
        qpdf_oh item = document->calls->item(document->pdf, object, i);

        if (document_object(document, item, &known)) {
            known->page = known->page == 0 ? page : known->page;
            known->marks |= marks;
        }
        document_release(document, item);
    }
}

/* A note's drawings: one, or one for each state. */
static void mark_drawings(struct document *document, qpdf_oh note, uint32_t page)
{
    static const char *const kinds[] = {"/N", "/R", "/D"};
    qpdf_oh all = document_key(document, note, "/AP");

    for (size_t i = 0; i < COUNT(kinds); i++) {
        qpdf_oh drawing = document_key(document, all, kinds[i]);

        mark_page(document, drawing, page, 0);
        document_release(document, drawing);
    }
    document_release(document, all);
}

static void mark_notes(struct document *document, qpdf_oh page, uint32_t number)
{
    qpdf_oh notes = document_key(document, page, "/Annots");
    int count = document_type(document, notes) == ot_array
                    ? document->calls->item_count(document->pdf, notes)
                    : 0;

    mark_page(document, notes, number, 0);
    for (int i = 0; i < count && i < PDF_OBJECTS_MAX; i++) {
        qpdf_oh note = document->calls->item(document->pdf, notes, i);

        mark_drawings(document, note, number);
        document_release(document, note);
    }
    document_release(document, notes);
}

/* The first of the streams that the page is drawn by. */
static const struct object *content_object(struct document *document, qpdf_oh contents)
{
    struct object *found = NULL;

    if (document_type(document, contents) == ot_array) {
        qpdf_oh first = document->calls->item(document->pdf, contents, 0);

        if (!document_object(document, first, &found))
            found = NULL;
        document_release(document, first);
    } else if (!document_object(document, contents, &found)) {
        found = NULL;
    }
    return found;
}

static void read_page(struct document *document, qpdf_oh node, uint32_t number)
{
    qpdf_oh contents = document_key(document, node, "/Contents");
    struct resources resources = {document, page_resources(document, node)};
    struct pdf_page page = begin_page(document);
    unsigned char *bytes = NULL;
    size_t len = 0;
    bool ok = document->decoded_left > 0 &&
              (document->calls->page_content(document->pdf, node, &bytes, &len) &
               QPDF_ERRORS) == 0 &&
              len <= document->decoded_left;

    mark_page(document, node, number, 0);
    mark_page(document, contents, number, OBJECT_DRAWN);
    mark_notes(document, node, number);
    if (ok) {
        document->decoded_left -= len;
        draw(&resources, &page, slice_of_bytes(bytes, len), &pdf_matrix_none);
    } else {
        page.unread += len + 1;
        document->decoded_left = 0;
    }
    free(bytes);
    end_page(document, &page,
             document_place(document, content_object(document, contents), number));
    document_release(document, resources.dictionary);
    document_release(document, contents);
}

void document_pages(struct document *document)
{
    int count = document->calls->page_count(document->pdf);

    if (count < 0 || count > PDF_PAGES_MAX) {
        document_left_out(document, document->bytes.len);
        count = count < 0 ? 0 : PDF_PAGES_MAX;
    }
    for (int i = 0; i < count; i++) {
        qpdf_oh page = document->calls->page(document->pdf, (size_t)i);

        read_page(document, page, (uint32_t)i + 1);
        document_release(document, page);
    }
}
