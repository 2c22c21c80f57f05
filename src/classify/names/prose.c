/* classify/names/prose.c - what in code reads like sentences. Most bytes are seen only by
 * line_counts, sixteen at a time. */
#include "classify/names/features.h"
#include "classify/names/find.h"

#define PIECE_MAX 512U /* a longer line is judged in pieces */
#define PAIRS_MIN 2U

typedef uint8_t lanes __attribute__((vector_size(16)));

struct counts {
    size_t pairs;    /* letter, space, letter */
    size_t capitals; /* Capitalised words */
    size_t marks;    /* what code has and sentences do not */
};

static lanes load(const uint8_t *at)
{
    lanes ret;

    memcpy(&ret, at, sizeof(ret));
    return ret;
}

static lanes within(lanes bytes, uint8_t least, uint8_t most)
{
    return (lanes)((bytes - least) <= (lanes){0} + (uint8_t)(most - least));
}

static size_t sum(lanes lane)
{
    size_t ret = 0;

    for (size_t i = 0; i < sizeof(lane); i++)
        ret += lane[i];
    return ret;
}

/* Counts over [at + 1, at + len - 1): the bytes beside it are looked at, too. */
static struct counts line_counts(const uint8_t *at, size_t len)
{
    lanes pairs = {0}, capitals = {0}, marks = {0};
    uint8_t tail[16 + 2] = {0};
    size_t i = 1;

    _Static_assert(PIECE_MAX / 16 + 1 < 256, "a lane counts a whole piece");
    while (i + 1 < len) {
        const uint8_t *now = at + i;
        lanes before, here, after, letter_after;

        if (i + 17 > len) { /* fewer than sixteen and one after: as if NULs followed */
            memcpy(tail, at + i - 1, len - i + 1);
            now = tail + 1;
        }
        before = load(now - 1);
        here = load(now);
        after = load(now + 1);
        letter_after = within(after | 0x20, 'a', 'z');
        pairs -= within(before | 0x20, 'a', 'z') & (lanes)(here == ' ') & letter_after;
        capitals -= within(here, 'A', 'Z') & within(after, 'a', 'z') &
                    ((lanes)(before <= '(') | (lanes)(before == ':'));
        marks -= within(here, '(', '+') | within(here, ';', '>') | within(here, '[', '_') |
                 within(here, '{', '}') | within(here, '#', '&');
        i += 16;
    }
    return (struct counts){sum(pairs), sum(capitals), sum(marks)};
}

/* Is there a word in it that may be somebody's name? */
static bool holds_name(const struct model *model, struct slice piece)
{
    struct token_reader reader = {.text = piece};
    struct token token;
    bool titled = false;

    while (token_next(&reader, &token)) {
        bool capital = token.shape == SHAPE_CAPITAL || token.shape == SHAPE_MIXED ||
                       token.shape == SHAPE_UPPER;
        unsigned class = token.shape < SHAPE_IDENTIFIER ? model_word(model, token.word) : 0;

        if (!capital)
            titled &= token.shape >= SHAPE_MARK;
        else if (titled || ((class & (WORD_GIVEN | WORD_FAMILY)) != 0 &&
                            (class & WORD_COMMON) == 0 && token.shape != SHAPE_UPPER))
            return true;
        else
            titled = (class & WORD_TITLE) != 0;
    }
    return false;
}

static bool may_name(const struct model *model, struct slice text, size_t start, size_t end)
{
    /* One byte more on either side where there is one: a line end. */
    size_t from = start > 0 ? start - 1 : 0, to = end < text.len ? end + 1 : end;
    struct counts counts = line_counts(text.at + from, to - from);

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
