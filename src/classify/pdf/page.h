/*
 * classify/pdf/page.h - the text of a page, in the order in which it is drawn (ISO 32000-1, 9.4).
 *
 * Where the next string does not go on where the last one ended there is a blank, a tab or a new
 * line, by the distance in sizes of the font. Nothing is sorted: columns come as the file has
 * them.
 */
#ifndef CUSTODY_CLASSIFY_PDF_PAGE_H
#define CUSTODY_CLASSIFY_PDF_PAGE_H

#include "classify/pdf/font.h"

#define PDF_FORM_DEPTH_MAX 12      /* forms drawn within forms */
#define PDF_WORDS_MAX (64UL << 20) /* of all content streams of a file */

struct pdf_matrix {
    double a, b, c, d, e, f;
};

struct pdf_page {
    struct buf text;
    struct buf said; /* what marked content says of itself, a line each */
    size_t unread;   /* codes that nobody knows, pictures, what a limit kept out */
    size_t *words;   /* what is left of PDF_WORDS_MAX, for all pages */
    unsigned depth;  /* of the form that is drawn */
    bool has_pen;
    double x, y; /* where the last text ended */
};

struct pdf_resources {
    /* NULL: there is no such font. */
    const struct pdf_font *(*font)(void *self, struct slice name);
    /* An XObject: where it is a form, pdf_page_draw of what it says, `place` before all else. */
    void (*paint)(void *self, struct slice name, struct pdf_page *page,
                  const struct pdf_matrix *place);
    void *self;
};

extern const struct pdf_matrix pdf_matrix_none;

/* First `a`, then `b`. */
struct pdf_matrix pdf_matrix_then(const struct pdf_matrix *a, const struct pdf_matrix *b);

/* Appends what a content stream shows to the page's text. */
void pdf_page_draw(struct pdf_page *page, struct slice content, const struct pdf_matrix *place,
                   const struct pdf_resources *resources);

#endif
