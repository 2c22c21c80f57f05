#include "classify/pdf/cmap.h"

#include <stdlib.h>

#include "base/utf8.h"
#include "classify/pdf/lexer.h"

#define SPACES_MAX 256
#define TEXTS_BYTES_MAX (4UL << 20)
#define TEXT_BYTES_MAX (PDF_CODE_TEXT_MAX / 3 * 2) /* of one code: two become three at most */

/* ---- UTF-16 ---- */

static uint32_t unit_at(struct slice units, size_t at)
{
    return (uint32_t)units.at[at] << 8 | units.at[at + 1];
}

void pdf_add_utf16(struct slice units, uint32_t more, struct buf *text)
{
    struct fault fault;

    for (size_t at = 0; at + 1 < units.len; at += 2) {
        uint32_t point = unit_at(units, at);
        bool is_pair = point >= 0xd800 && point < 0xdc00 && at + 3 < units.len &&
                       units.at[at + 2] >= 0xdc && units.at[at + 2] < 0xe0;

        if (is_pair) {
            point = 0x10000 + ((point & 0x3ff) << 10 | (unit_at(units, at + 2) & 0x3ff));
            at += 2;
        }
        if (at + 3 >= units.len)
            point += more;
        if (point != 0 && (point < 0xd800 || point >= 0xe000) && point < 0x110000)
            (void)!utf8_add(text, point, &fault);
    }
}

/* ---- reading ---- */

static uint32_t code_of(struct slice string)
{
    uint32_t code = 0;

    for (size_t i = 0; i < string.len && i < 4; i++)
        code = code << 8 | string.at[i];
    return code;
}

static void add_range(struct pdf_cmap *cmap, struct pdf_code_range range, struct slice units)
{
    struct fault fault;

    if (cmap->range_count == PDF_CMAP_RANGES_MAX || range.high < range.low ||
        units.len > TEXT_BYTES_MAX ||
        (range.text_len > 0 && !buf_add(&cmap->texts, units, &fault))) {
        cmap->is_cut = true;
        return;
    }
    cmap->ranges =
        xgrow(cmap->ranges, &cmap->range_room, cmap->range_count + 1, sizeof(*cmap->ranges));
    cmap->ranges[cmap->range_count++] = range;
}

static void add_text(struct pdf_cmap *cmap, uint32_t low, uint32_t high, struct slice units)
{
    add_range(cmap,
              (struct pdf_code_range){.low = low,
                                      .high = high,
                                      .value = (uint32_t)cmap->texts.len,
                                      .text_len = (uint16_t)(units.len & 0xfffe)},
              slice_part(units, 0, units.len & ~(size_t)1));
}

/* A string; false: something else, which ends the section. */
static bool take_code(struct pdf_lexer *lexer, uint32_t *ret_code, size_t *ret_len)
{
    struct pdf_word word;

    if (!pdf_lexer_next(lexer, &word) || word.kind != PDF_STRING)
        return false;
    *ret_code = code_of(word.bytes);
    *ret_len = word.bytes.len;
    return true;
}

static void read_spaces(struct pdf_cmap *cmap, struct pdf_lexer *lexer)
{
    struct pdf_code_space space;
    size_t len = 0, again;

    while (take_code(lexer, &space.low, &len) && take_code(lexer, &space.high, &again)) {
        space.bytes = (unsigned)len;
        if (len == 0 || len > 4 || cmap->space_count == SPACES_MAX) {
            cmap->is_cut = true;
            continue;
        }
        cmap->spaces = xgrow(cmap->spaces, &cmap->space_room, cmap->space_count + 1,
                             sizeof(*cmap->spaces));
        cmap->spaces[cmap->space_count++] = space;
    }
}

/* What stands behind one code or two: a text, a text for each code, or a CID. */
static bool read_value(struct pdf_cmap *cmap, struct pdf_lexer *lexer, uint32_t low,
                       uint32_t high)
{
    struct pdf_word word;

    if (!pdf_lexer_next(lexer, &word))
        return false;
    if (word.kind == PDF_STRING) {
        add_text(cmap, low, high, word.bytes);
    } else if (word.kind == PDF_NUMBER) {
        add_range(cmap,
                  (struct pdf_code_range){.low = low,
                                          .high = high,
                                          .value = word.number > 0 && word.number < UINT32_MAX
                                                       ? (uint32_t)word.number
                                                       : 0},
                  (struct slice){0});
    } else if (word.kind == PDF_ARRAY) {
        for (uint32_t code = low; pdf_lexer_next(lexer, &word) && word.kind != PDF_ARRAY_END;
             code++)
            if (word.kind == PDF_STRING && code >= low && code <= high)
                add_text(cmap, code, code, word.bytes);
    }
    return word.kind != PDF_OPERATOR;
}

static void read_chars(struct pdf_cmap *cmap, struct pdf_lexer *lexer)
{
    uint32_t code;
    size_t len;

    while (take_code(lexer, &code, &len) && read_value(cmap, lexer, code, code))
        ;
}

static void read_ranges(struct pdf_cmap *cmap, struct pdf_lexer *lexer)
{
    uint32_t low, high;
    size_t len;

    while (take_code(lexer, &low, &len) && take_code(lexer, &high, &len) &&
           read_value(cmap, lexer, low, high))
        ;
}

static int by_code(const void *a, const void *b)
{
    const struct pdf_code_range *x = a, *y = b;

    return x->low != y->low ? (x->low < y->low ? -1 : 1)
                            : (x->high > y->high) - (x->high < y->high);
}

void pdf_cmap_read(struct slice text, struct pdf_cmap *ret_cmap)
{
    static const struct {
        const char *word;
        void (*read)(struct pdf_cmap *cmap, struct pdf_lexer *lexer);
    } sections[] = {{"begincodespacerange", read_spaces},
                    {"beginbfchar", read_chars},
                    {"begincidchar", read_chars},
                    {"beginbfrange", read_ranges},
                    {"begincidrange", read_ranges}};
    struct pdf_lexer lexer;
    struct pdf_word word;

    *ret_cmap = (struct pdf_cmap){.texts = buf_with_limit(TEXTS_BYTES_MAX)};
    pdf_lexer_begin(&lexer, text);
    while (pdf_lexer_next(&lexer, &word))
        for (size_t i = 0; word.kind == PDF_OPERATOR && i < COUNT(sections); i++)
            if (slice_equal(word.bytes, slice_of(sections[i].word))) {
                sections[i].read(ret_cmap, &lexer);
                break;
            }
    pdf_lexer_end(&lexer);
    if (ret_cmap->range_count > 1)
        qsort(ret_cmap->ranges, ret_cmap->range_count, sizeof(*ret_cmap->ranges), by_code);
}

void pdf_cmap_free(struct pdf_cmap *cmap)
{
    if (cmap == NULL)
        return;
    free(cmap->spaces);
    free(cmap->ranges);
    buf_free(&cmap->texts);
    *cmap = (struct pdf_cmap){0};
}

/* ---- asking ---- */

/* Each byte of the code lies between those of the space's ends. */
static bool is_in_space(const struct pdf_code_space *space, uint32_t code)
{
    for (unsigned shift = 0; shift < 8 * space->bytes; shift += 8) {
        uint32_t byte = code >> shift & 0xff;

        if (byte < (space->low >> shift & 0xff) || byte > (space->high >> shift & 0xff))
            return false;
    }
    return true;
}

size_t pdf_cmap_code(const struct pdf_cmap *cmap, struct slice string, size_t otherwise,
                     uint32_t *ret_code)
{
    for (size_t len = 1; cmap != NULL && len <= 4 && len <= string.len; len++) {
        uint32_t code = code_of(slice_part(string, 0, len));

        for (size_t i = 0; i < cmap->space_count; i++)
            if (cmap->spaces[i].bytes == len && is_in_space(&cmap->spaces[i], code)) {
                *ret_code = code;
                return len;
            }
    }
    if (otherwise > string.len)
        otherwise = string.len;
    *ret_code = code_of(slice_part(string, 0, otherwise));
    return otherwise;
}

/* The last range that begins at or before the code and has it; of ranges that overlap one near
 * by. */
static const struct pdf_code_range *range_of(const struct pdf_cmap *cmap, uint32_t code)
{
    size_t low = 0, high = cmap->range_count;

    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (cmap->ranges[middle].low <= code)
            low = middle + 1;
        else
            high = middle;
    }
    for (size_t back = 0; back < 4 && low > back; back++)
        if (code <= cmap->ranges[low - 1 - back].high)
            return &cmap->ranges[low - 1 - back];
    return NULL;
}

bool pdf_cmap_text(const struct pdf_cmap *cmap, uint32_t code, struct buf *text)
{
    const struct pdf_code_range *range = cmap == NULL ? NULL : range_of(cmap, code);

    if (range == NULL || range->text_len == 0)
        return false;
    pdf_add_utf16(
        slice_part(buf_slice(&cmap->texts), range->value, range->value + range->text_len),
        code - range->low, text);
    return true;
}

bool pdf_cmap_cid(const struct pdf_cmap *cmap, uint32_t code, uint32_t *ret_cid)
{
    const struct pdf_code_range *range = cmap == NULL ? NULL : range_of(cmap, code);

    if (range == NULL || range->text_len > 0)
        return false;
    *ret_cid = range->value + (code - range->low);
    return true;
}
