/* classify/names/prose.c - what in code reads like sentences. Most bytes are seen only by
 * next_capital, sixteen at a time. */
#include "base/sixteen.h"
#include "classify/names.h"
#include "classify/names/features.h"
#include "classify/names/find.h"

#define PIECE_MAX 480U /* a longer line is judged in pieces */
#define PAIRS_MIN 2U

struct counts {
    size_t pairs; /* letter, space, letter */
    size_t marks; /* what code has and sentences do not */
};

/* Of lanes that are 31 at most. */
static inline size_t sum(sixteen lane)
{
    uint64_t halves[2];

    _Static_assert(PIECE_MAX / SIXTEEN + 1 <= 31, "a lane counts a whole piece");
    memcpy(halves, &lane, sizeof(halves));
    return (halves[0] * 0x0101010101010101U >> 56) + (halves[1] * 0x0101010101010101U >> 56);
}

/* Sixteen bytes of the text, and the ones beside them; beyond the text there are NULs. */
struct view {
    sixteen before, here, after;
};

static inline struct view view_at(struct slice text, size_t at)
{
    const uint8_t *now = text.at + at;
    uint8_t edge[SIXTEEN + 2];

    if (at == 0 || at + SIXTEEN + 1 > text.len) {
        size_t left = text.len - at;

        memset(edge, 0, sizeof(edge));
        if (at > 0)
            edge[0] = now[-1];
        memcpy(edge + 1, now, left < SIXTEEN + 1 ? left : SIXTEEN + 1);
        now = edge + 1;
    }
    return (struct view){sixteen_load(now - 1), sixteen_load(now), sixteen_load(now + 1)};
}

static struct counts line_counts(struct slice text, size_t start, size_t end)
{
    static const sixteen index = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};
    sixteen pairs = {0}, marks = {0};

    for (size_t at = start; at < end; at += SIXTEEN) {
        struct view view = view_at(text, at);
        sixteen own = (sixteen)(index < (uint8_t)(end - at < SIXTEEN ? end - at : SIXTEEN));

        pairs -= own & sixteen_within(view.before | 0x20, 'a', 'z') &
                 sixteen_is(view.here, ' ') & sixteen_within(view.after | 0x20, 'a', 'z');
        marks -=
            own & (sixteen_within(view.here, '(', '+') | sixteen_within(view.here, ';', '>') |
                   sixteen_within(view.here, '[', '_') | sixteen_within(view.here, '{', '}') |
                   sixteen_within(view.here, '#', '&'));
    }
    return (struct counts){sum(pairs), sum(marks)};
}

/* Where the next Capitalised word begins; the text's length: there is none. */
static size_t next_capital(struct slice text, size_t from)
{
    for (size_t at = from; at < text.len; at += SIXTEEN) {
        struct view view = view_at(text, at);
        uint64_t bits = sixteen_bits(
            sixteen_within(view.here, 'A', 'Z') & sixteen_within(view.after, 'a', 'z') &
            ((sixteen)(view.before <= '(') | sixteen_is(view.before, ':')));

        if (bits != 0)
            return at + (size_t)__builtin_ctzll(bits);
    }
    return text.len;
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

    return counts.pairs >= PAIRS_MIN && counts.pairs >= counts.marks &&
           holds_name(model, slice_part(text, start, end));
}

/* Where the piece begins that `at` is in: a line's, and the first line begins at `from`. */
static size_t piece_start(struct slice text, size_t from, size_t at)
{
    const uint8_t *before = memrchr(text.at + from, '\n', at - from);
    size_t line = before != NULL ? (size_t)(before - text.at) + 1 : from;

    return line + (at - line) / PIECE_MAX * PIECE_MAX;
}

bool prose_next(const struct model *model, struct slice text, size_t from, size_t *ret_context,
                struct slice *ret_line)
{
    size_t at = from;

    while ((at = next_capital(text, at)) < text.len) {
        size_t start = piece_start(text, from, at);
        size_t room = text.len - start < PIECE_MAX ? text.len - start : PIECE_MAX;
        const uint8_t *line_end = memchr(text.at + at, '\n', start + room - at);
        size_t end = line_end != NULL ? (size_t)(line_end - text.at) : start + room;

        if (end - start > 8 && may_name(model, text, start, end)) {
            *ret_context = start > from ? piece_start(text, from, start - 1) : from;
            *ret_line = slice_part(text, start, end);
            return true;
        }
        at = end;
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
