/*
 * classify/pdf/font.h - what is known of a font: how its codes read, and how wide they are, so
 * that words can be told apart. Private to classify/pdf/ and to who reads the file's objects.
 */
#ifndef CUSTODY_CLASSIFY_PDF_FONT_H
#define CUSTODY_CLASSIFY_PDF_FONT_H

#include "classify/pdf/cmap.h"

struct pdf_cid_width {
    uint32_t low, high;
    float width;
};

struct pdf_font {
    bool is_composite; /* codes of several bytes, CIDs */
    bool is_utf16;     /* its codes are UTF-16BE (a predefined CMap of that kind) */
    bool is_vertical;
    bool has_codes, has_unicode;
    struct pdf_cmap
        codes; /* of a composite one: bytes to CIDs; without it two bytes are one */
    struct pdf_cmap unicode;          /* ToUnicode: before all else */
    uint32_t points[256];             /* of a simple one; 0: nobody knows */
    float widths[256];                /* of a simple one */
    struct pdf_cid_width *cid_widths; /* by `low` */
    size_t cid_width_count, cid_width_room;
    float default_width; /* of a CID */
    float unit;          /* of widths: 0.001 of the size, but in Type 3 */
};

void pdf_font_free(struct pdf_font *font);

/* The widths of the letters of Helvetica, for the fonts that need not bring their own; `name` says
 * which of those it is. */
void pdf_font_standard_widths(struct slice name, float ret_widths[256]);

/*
 * Takes the next code off the front of `string`: appends what it says to `text`, and gives how
 * far it moves on, in parts of the size. False: nobody knows what it says.
 */
bool pdf_font_next(const struct pdf_font *font, struct slice *string, struct buf *text,
                   double *ret_width, bool *ret_blank);

#endif
