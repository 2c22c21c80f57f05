/* classify/names/prose.c - what in code reads like sentences. Most bytes are seen only by
 * line_counts, sixteen at a time. */
#include "classify/names.h"
#include "classify/names/features.h"
#include "classify/names/find.h"

#define PIECE_MAX 480U /* a longer line is judged in pieces */
#define PAIRS_MIN 2U
#define LANES 16U

typedef uint8_t lanes __attribute__((vector_size(LANES)));

struct counts {
    size_t pairs;    /* letter, space, letter */
    size_t capitals; /* Capitalised words */
    size_t marks;    /* what code has and sentences do not */
};

static inline lanes load(const uint8_t *at)
{
    lanes ret;

    memcpy(&ret, at, sizeof(ret));
    return ret;
}

static inline lanes within(lanes bytes, uint8_t least, uint8_t most)
{
    return (lanes)((bytes - least) <= (lanes){0} + (uint8_t)(most - least));
}

/* Of lanes that are 31 at most. */
static inline size_t sum(lanes lane)
{
    uint64_t halves[2];

    _Static_assert(PIECE_MAX / LANES + 1 <= 31, "a lane counts a whole piece");
    memcpy(halves, &lane, sizeof(halves));
    return (halves[0] * 0x0101010101010101U >> 56) + (halves[1] * 0x0101010101010101U >> 56);
}

/*
 * Counts over [start, end) of the text; the bytes beside each are looked at, too, and beyond the
 * text there are NULs. Where there is no Capitalised word all counts are 0.
 */
static struct counts line_counts(struct slice text, size_t start, size_t end)
{
    static const lanes index = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};
    lanes pairs = {0}, capitals = {0}, marks = {0};
    uint8_t edge[LANES + 2];

    for (size_t at = start; at < end; at += LANES) {
        const uint8_t *now = text.at + at;
        lanes before, here, after, own = {0};

        if (at == 0 || at + LANES + 1 > text.len) {
            size_t left = text.len - at;

            memset(edge, 0, sizeof(edge));
            if (at > 0)
                edge[0] = now[-1];
            memcpy(edge + 1, now, left < LANES + 1 ? left : LANES + 1);
            now = edge + 1;
        }
        own = (lanes)(index < own + (uint8_t)(end - at < LANES ? end - at : LANES));
        before = load(now - 1);
        here = load(now);
        after = load(now + 1);
        pairs -= own & within(before | 0x20, 'a', 'z') & (lanes)(here == ' ') &
                 within(after | 0x20, 'a', 'z');
        capitals -= own & within(here, 'A', 'Z') & within(after, 'a', 'z') &
                    ((lanes)(before <= '(') | (lanes)(before == ':'));
        marks -=
            own & (within(here, '(', '+') | within(here, ';', '>') | within(here, '[', '_') |
                   within(here, '{', '}') | within(here, '#', '&'));
    }
    if (sum(capitals) == 0)
        return (struct counts){0};
    return (struct counts){sum(pairs), sum(capitals), sum(marks)};
}

/* Is there a word in it that may be somebody's name? Only words that begin with a Latin capital
 * are looked at. */
static bool holds_name(const struct model *model, struct slice piece)
{
    size_t titled = 0; /* the end of a title */

    for (size_t at = 0; at + 1 < piece.len; at++) {
        struct token_reader reader = {.text = piece, .at = at, .is_plain = true};
        struct token token;
        unsigned class;

        if (piece.at[at] < 'A' || piece.at[at] > 'Z' ||
            (at > 0 && piece.at[at - 1] > '(' && piece.at[at - 1] != ':'))
            continue;
        if (!token_next(&reader, &token))
            break;
        class = token.shape < SHAPE_IDENTIFIER ? model_word(model, token.word) : 0;
        if (titled > 0 && at <= titled + 2 && token.shape < SHAPE_IDENTIFIER)
            return true;
        if ((class & (WORD_GIVEN | WORD_FAMILY)) != 0 && (class & WORD_COMMON) == 0 &&
            (token.shape == SHAPE_CAPITAL || token.shape == SHAPE_MIXED))
            return true;
        titled = (class & WORD_TITLE) != 0 ? token.end : 0;
        at = token.end - 1;
    }
    return false;
}

static bool may_name(const struct model *model, struct slice text, size_t start, size_t end)
{
    struct counts counts = line_counts(text, start, end);

    return counts.capitals > 0 && counts.pairs >= PAIRS_MIN && counts.pairs >= counts.marks &&
           holds_name(model, slice_part(text, start, end));
}

bool prose_next(const struct model *model, struct slice text, size_t from, size_t *ret_context,
                struct slice *ret_line)
{
    size_t before = from, start = from;

    while (start < text.len) {
        size_t room = text.len - start < PIECE_MAX ? text.len - start : PIECE_MAX;
        const uint8_t *line_end = memchr(text.at + start, '\n', room);
        size_t end = line_end != NULL ? (size_t)(line_end - text.at) : start + room;

        if (end - start > 8 && may_name(model, text, start, end)) {
            *ret_context = before;
            *ret_line = slice_part(text, start, end);
            return true;
        }
        before = start;
        start = line_end != NULL ? end + 1 : end;
    }
    return false;
}

#define SOURCE_LINES_MIN 8

enum line_end { LINE_BEGINS = 1, LINE_ENDS = 2, LINE_SPACE = 4 };

/* How lines of programs begin and end, but for space: "return 0;", "if (a) {", "#include", "// note",
 * "* of a comment", "<p>", "@Override". */
static const uint8_t line_bytes[256] = {['#'] = LINE_BEGINS,
                                        ['/'] = LINE_BEGINS,
                                        ['*'] = LINE_BEGINS,
                                        ['<'] = LINE_BEGINS,
                                        ['@'] = LINE_BEGINS,
                                        ['|'] = LINE_BEGINS | LINE_ENDS,
                                        ['{'] = LINE_BEGINS | LINE_ENDS,
                                        ['}'] = LINE_BEGINS | LINE_ENDS,
                                        [';'] = LINE_ENDS,
                                        ['('] = LINE_ENDS,
                                        [')'] = LINE_ENDS,
                                        ['['] = LINE_ENDS,
                                        [']'] = LINE_ENDS,
                                        ['='] = LINE_ENDS,
                                        ['>'] = LINE_ENDS,
                                        ['\\'] = LINE_ENDS,
                                        ['&'] = LINE_ENDS,
                                        [' '] = LINE_SPACE,
                                        ['\t'] = LINE_SPACE,
                                        ['\r'] = LINE_SPACE};

enum names_source names_source_of(struct slice text)
{
    const uint8_t *at = text.at, *text_end = text.at + text.len;
    size_t lines = 0, programs = 0;

    while (at < text_end) {
        const uint8_t *next = memchr(at, '\n', (size_t)(text_end - at));
        const uint8_t *end = next != NULL ? next : text_end;

        while (at < end && line_bytes[*at] == LINE_SPACE)
            at++;
        while (end > at && line_bytes[end[-1]] == LINE_SPACE)
            end--;
        lines += at < end;
        programs += at < end && ((line_bytes[*at] & LINE_BEGINS) != 0 ||
                                 (line_bytes[end[-1]] & LINE_ENDS) != 0);
        at = next != NULL ? next + 1 : text_end;
    }
    return lines >= SOURCE_LINES_MIN && programs * 2 >= lines ? NAMES_IN_CODE : NAMES_IN_PROSE;
}
