#include "classify/pdf/font.h"

#include <stdlib.h>

#include "base/utf8.h"

#define WIDTH_COURIER 600
#define TIMES_PART 0.9F /* Times is about so wide beside Helvetica */

static const uint16_t helvetica[95] = {
    278,  278, 355, 556, 556, 889, 667, 191, 333, 333, 389, 584, 278, 333, 278, 278,
    556,  556, 556, 556, 556, 556, 556, 556, 556, 556, 278, 278, 584, 584, 584, 556,
    1015, 667, 667, 722, 722, 667, 611, 778, 722, 278, 500, 667, 556, 833, 722, 778,
    667,  778, 722, 667, 611, 722, 667, 944, 667, 667, 611, 278, 278, 278, 469, 556,
    333,  556, 556, 500, 556, 556, 278, 556, 556, 222, 222, 500, 222, 833, 556, 556,
    556,  556, 333, 500, 278, 556, 500, 722, 500, 500, 500, 334, 260, 334, 584};

void pdf_font_free(struct pdf_font *font)
{
    if (font == NULL)
        return;
    pdf_cmap_free(&font->codes);
    pdf_cmap_free(&font->unicode);
    free(font->cid_widths);
    *font = (struct pdf_font){0};
}

void pdf_font_standard_widths(struct slice name, float ret_widths[256])
{
    bool is_courier = slice_find(name, SLICE("Courier"), 0) != SIZE_MAX;
    float part = slice_find(name, SLICE("Times"), 0) != SIZE_MAX ? TIMES_PART : 1;

    for (unsigned i = 0; i < 256; i++)
        ret_widths[i] = is_courier             ? WIDTH_COURIER
                        : i >= ' ' && i <= '~' ? helvetica[i - ' '] * part
                                               : 556 * part;
}

/* A text as it is looked for: a ligature is its letters, blanks of all kinds are one. */
static void add_point(struct buf *text, uint32_t point)
{
    static const char *const ligatures[] = {"ff", "fi", "fl", "ffi", "ffl", "st", "st"};
    struct fault fault;

    if (point >= 0xfb00 && point < 0xfb00 + COUNT(ligatures))
        (void)!buf_add_text(text, ligatures[point - 0xfb00], &fault);
    else if (point == 0xa0 || (point >= 0x2000 && point <= 0x200a) || point < ' ')
        (void)!buf_add_byte(text, ' ', &fault);
    else if (point == 0xad || point == 0x2010 || point == 0x2011)
        (void)!buf_add_byte(text, '-', &fault);
    else
        (void)!utf8_add(text, point, &fault);
}

/* They are by `low`. */
static float cid_width(const struct pdf_font *font, uint32_t cid)
{
    size_t low = 0, high = font->cid_width_count;

    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (font->cid_widths[middle].low <= cid)
            low = middle + 1;
        else
            high = middle;
    }
    return low > 0 && cid <= font->cid_widths[low - 1].high ? font->cid_widths[low - 1].width
                                                            : font->default_width;
}

/* What a CMap says goes through the same table of letters as what an encoding says. */
static bool add_mapped(const struct pdf_font *font, uint32_t code, struct buf *text)
{
    uint8_t room[PDF_CODE_TEXT_MAX];
    struct buf said = {.at = room, .room = sizeof(room), .limit = sizeof(room)};
    struct slice left;
    uint32_t point;

    if (!font->has_unicode || !pdf_cmap_text(&font->unicode, code, &said))
        return false;
    left = buf_slice(&said);
    for (size_t at = 0, len; at < left.len && (len = utf8_next(left, at, &point)) > 0;
         at += len)
        add_point(text, point);
    return true;
}

static bool next_of_composite(const struct pdf_font *font, struct slice *string,
                              struct buf *text, double *ret_width)
{
    uint32_t code, cid;
    size_t len = pdf_cmap_code(font->has_codes ? &font->codes : NULL, *string, 2, &code);
    struct slice written = slice_part(*string, 0, len);

    *string = slice_part(*string, len, string->len);
    cid = code;
    if (font->has_codes && !pdf_cmap_cid(&font->codes, code, &cid))
        cid = 0;
    *ret_width = cid_width(font, cid) * font->unit;
    if (add_mapped(font, code, text))
        return true;
    if (font->is_utf16)
        pdf_add_utf16(written, 0, text);
    return font->is_utf16;
}

bool pdf_font_next(const struct pdf_font *font, struct slice *string, struct buf *text,
                   double *ret_width, bool *ret_blank)
{
    uint8_t code = string->at[0];

    *ret_blank = false;
    if (font->is_composite)
        return next_of_composite(font, string, text, ret_width);
    *string = slice_part(*string, 1, string->len);
    *ret_width = font->widths[code] * font->unit;
    *ret_blank = code == ' ';
    if (add_mapped(font, code, text))
        return true;
    if (font->points[code] != 0)
        add_point(text, font->points[code]);
    return font->points[code] != 0 || code == '\t' || code == '\n' || code == '\r';
}
