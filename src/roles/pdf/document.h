/* roles/pdf/document.h - a PDF file that is being read, and what its parts share. Private to
 * roles/pdf/. */
#ifndef CUSTODY_ROLES_PDF_DOCUMENT_H
#define CUSTODY_ROLES_PDF_DOCUMENT_H

#include "base/bytes.h"
#include "classify/pdf/font.h"
#include "classify/pdf/page.h"
#include "classify/pdfs.h"
#include "roles/pdf/library.h"

#define PDF_OBJECTS_MAX 400000
#define PDF_PAGES_MAX 10000
#define PDF_DECODED_MAX (256UL << 20) /* bytes of all streams, each time they are asked for */

enum object_mark {
    OBJECT_SEEN = 1,    /* its strings were told, or will be */
    OBJECT_DRAWN = 2,   /* a stream that a page has shown */
    OBJECT_NO_TEXT = 4, /* a stream that says how to draw: a font, a profile */
};

struct object {
    uint32_t from, to; /* in the file; 0, 0: not known (it lies within another object) */
    uint32_t page;     /* 0: of none */
    uint8_t marks;
};

struct known_font {
    int id;
    struct pdf_font font;
};

struct document {
    const struct pdf_library *calls;
    qpdf_data pdf;
    struct slice bytes;
    const struct pdf_sink *sink;
    bool is_for_web;        /* laid out so that its first page comes first ("linearized") */
    struct object *objects; /* by number */
    size_t object_count;
    struct known_font **fonts;
    size_t font_count, font_room;
    size_t words;        /* of content streams that may still be read */
    size_t decoded_left; /* of PDF_DECODED_MAX */
};

/* ---- objects; every handle is to be released ---- */

void document_release(struct document *document, qpdf_oh object);
/* A null object where there is no such key, or `object` is no dictionary. */
qpdf_oh document_key(struct document *document, qpdf_oh object, const char *key);
enum qpdf_object_type_e document_type(struct document *document, qpdf_oh object);
/* False: it has no number; else ret_object is where the document notes of it. */
bool document_object(struct document *document, qpdf_oh object, struct object **ret_object);
/* Copies a name without its slash, or a text; false: it is none, or too long. */
bool document_name(struct document *document, qpdf_oh object, char *ret_name, size_t room);
bool document_name_at(struct document *document, qpdf_oh object, const char *key,
                      char *ret_name, size_t room);
/* `otherwise` where there is no number. */
double document_number_at(struct document *document, qpdf_oh object, const char *key,
                          double otherwise);
/* What a stream holds, its filters taken off; the caller frees ret_bytes. False: it cannot be had,
 * and is told as left out. */
bool document_stream(struct document *document, qpdf_oh stream, uint8_t **ret_bytes,
                     size_t *ret_len);
void document_left_out(struct document *document, size_t bytes);
/* Where what is told of this object stands. `page` 0: as the document knows. */
struct pdf_place document_place(struct document *document, const struct object *object,
                                uint32_t page);

/* ---- what a file says ---- */

/* The font of a dictionary; NULL: it is none. */
const struct pdf_font *document_font(struct document *document, qpdf_oh font);
void document_fonts_free(struct document *document);

/* What its pages show; then what a stream shows that no page does, with its own resources. */
void document_pages(struct document *document);
void document_draw_stream(struct document *document, qpdf_oh stream, struct object *object);
/* Strings and streams of all objects. */
void document_objects(struct document *document);

#endif
