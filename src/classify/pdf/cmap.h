/*
 * classify/pdf/cmap.h - which bytes of a string are a code, and what a code says: ToUnicode and
 * Encoding CMaps (ISO 32000-1, 9.7.5 and 9.10.3; Adobe technical notes 5014, 5411). Private to
 * classify/pdf/.
 */
#ifndef CUSTODY_CLASSIFY_PDF_CMAP_H
#define CUSTODY_CLASSIFY_PDF_CMAP_H

#include "base/bytes.h"

#define PDF_CMAP_RANGES_MAX 131072
#define PDF_CODE_TEXT_MAX 768 /* bytes of UTF-8 that one code says */

struct pdf_code_space {
    unsigned bytes; /* 1 to 4 */
    uint32_t low, high;
};

struct pdf_code_range {
    uint32_t low, high;
    uint32_t value;    /* a CID, or where in `texts` the first code's text begins */
    uint16_t text_len; /* bytes of UTF-16BE; 0 where the value is a CID */
};

struct pdf_cmap {
    struct pdf_code_space *spaces;
    size_t space_count, space_room;
    struct pdf_code_range *ranges; /* by `low` */
    size_t range_count, range_room;
    struct buf texts;
    bool is_cut; /* it has more ranges than are kept */
};

void pdf_cmap_read(struct slice text, struct pdf_cmap *ret_cmap);
void pdf_cmap_free(struct pdf_cmap *cmap); /* NULL is fine */

/* How many bytes at the start of `string` are a code: by the code spaces, else `otherwise`. */
size_t pdf_cmap_code(const struct pdf_cmap *cmap, struct slice string, size_t otherwise,
                     uint32_t *ret_code);
/* Appends what the code says, in UTF-8. False: the CMap does not say. */
bool pdf_cmap_text(const struct pdf_cmap *cmap, uint32_t code, struct buf *text);
bool pdf_cmap_cid(const struct pdf_cmap *cmap, uint32_t code, uint32_t *ret_cid);

/* Appends UTF-16BE as UTF-8; the last unit plus `more`. Half a pair is left out. */
void pdf_add_utf16(struct slice units, uint32_t more, struct buf *text);

#endif
