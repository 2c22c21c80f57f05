/* UTF-16 as UTF-8: a whole content of it, and words of it between other bytes. */
#include "classify/read_wide.h"

#include "base/utf8.h"
#include "classify/decode_parts.h"

#define WORD_MIN 8 /* characters: what is shorter is there by chance */

static uint16_t unit_at(struct slice content, size_t at, bool is_big)
{
    return (uint16_t)(content.at[at + !is_big] << 8 | content.at[at + is_big]);
}

static bool is_utf16(struct slice content, bool is_big)
{
    size_t narrow = 0;
    bool marked = content.len >= 2 && unit_at(content, 0, is_big) == 0xfeff;
    bool is_half = false; /* of a pair */

    if (content.len < 2 || content.len % 2 != 0)
        return false;
    for (size_t at = 0; at < content.len; at += 2) {
        uint16_t unit = unit_at(content, at, is_big);
        bool is_low = unit >= 0xdc00 && unit <= 0xdfff;

        if (is_low != is_half || unit >= 0xfffe ||
            (unit < 0x20 && unit != '\t' && unit != '\n' && unit != '\r'))
            return false;
        is_half = unit >= 0xd800 && unit <= 0xdbff;
        narrow += unit < 0x80;
    }
    return !is_half && (marked || narrow * 4 >= content.len); /* half of the characters */
}

bool read_wide_order(struct slice content, bool *ret_is_big)
{
    *ret_is_big = false;
    if (is_utf16(content, false))
        return true;
    *ret_is_big = true;
    return is_utf16(content, true);
}

bool read_wide(struct reading *reading, bool is_big, struct fault *fault)
{
    struct slice content = reading->content;
    size_t at = unit_at(content, 0, is_big) == 0xfeff ? 2 : 0, step;

    for (; at < content.len; at += step) {
        uint32_t point = unit_at(content, at, is_big);
        uint8_t bytes[4];
        struct buf out = {.at = bytes, .room = sizeof(bytes), .limit = sizeof(bytes)};

        step = point >= 0xd800 && point <= 0xdbff ? 4 : 2;
        if (step == 4)
            point = 0x10000 + ((point & 0x3ff) << 10) +
                    (unit_at(content, at + 2, is_big) & 0x3ffU);
        if (!utf8_add(&out, point, fault) ||
            !reading_add_units(reading, buf_slice(&out), at, at + step, FORM_WIDE,
                               (uint8_t)out.len, (uint8_t)step, fault))
            return false;
    }
    return true;
}

/* One piece of what was read from the wide text, as pieces of what that was read from. */
static bool add_through(struct reading *reading, const struct reading *wide,
                        const struct reading *inner, const struct piece *piece,
                        size_t text_end, struct fault *fault)
{
    size_t from, to;
    enum finding_form form;

    if (piece->text_unit == 0 || piece->form != FORM_PLAIN) {
        reading_map(wide, piece->from, piece->to, &from, &to, &form);
        return reading_add_piece(reading, slice_part(inner->text, piece->text_at, text_end),
                                 from, to, form_over((enum finding_form)piece->form, form),
                                 fault);
    }
    for (size_t at = piece->from, i = reading_piece(wide, at); at < piece->to; i++) {
        const struct piece *under = &wide->pieces[i];
        size_t end = i + 1 < wide->piece_count ? under[1].text_at : wide->text.len;

        end = end < piece->to ? end : piece->to;
        reading_map(wide, at, end, &from, &to, &form);
        if (!reading_add_units(reading, slice_part(wide->text, at, end), from, to, FORM_WIDE,
                               under->text_unit, under->content_unit, fault))
            return false;
        at = end;
    }
    return true;
}

bool read_through_wide(struct reading *reading, const struct reading *wide,
                       const struct reading *inner, struct fault *fault)
{
    const struct piece whole = {.to = (uint32_t)inner->text.len,
                                .form = FORM_PLAIN,
                                .text_unit = 1,
                                .content_unit = 1};
    size_t count = inner->pieces == NULL ? 1 : inner->piece_count;

    for (size_t i = 0; i < count; i++) {
        const struct piece *piece = inner->pieces == NULL ? &whole : &inner->pieces[i];
        size_t end = i + 1 < count ? piece[1].text_at : inner->text.len;

        if (!add_through(reading, wide, inner, piece, end, fault))
            return false;
    }
    reading_add_elements(reading, inner, 0);
    return true;
}

/* Characters of ASCII with a NUL behind (or before) each. */
bool decode_wide(struct decoding *decoding, struct fault *fault)
{
    struct slice text = decoding->text;

    for (size_t nul = slice_find_byte(text, 0, 0); nul != SIZE_MAX;) {
        size_t from = nul > 0 ? nul - 1 : 0, to = from, count = 0;

        while (to + 1 < text.len && text.at[to] >= 0x20 && text.at[to] < 0x7f &&
               text.at[to + 1] == 0) {
            to += 2;
            count++;
        }
        for (size_t at = from; count >= WORD_MIN && at < to; at += 2)
            if (!reading_add_units(decoding->inner, slice_part(text, at, at + 1), at, at + 2,
                                   FORM_WIDE, 1, 2, fault))
                return false;
        if (count >= WORD_MIN && !reading_add_break(decoding->inner, SLICE("\n"), to, fault))
            return false;
        nul = slice_find_byte(text, 0, to > nul ? to : nul + 1);
    }
    return true;
}
