/* classify/names/trim.c - the field decides word by word, and at the ends of a name it is least sure. */
#include "classify/names/trim.h"

#include "classify/ascii.h"
#include "classify/names/token.h"

#define TOKENS_MAX 24U /* longer spans stay as they are */
#define ABBREVIATION_MAX 4U /* Prof. */
#define TITLE_MAX 2U        /* Dr.Roe */

struct part {
    struct token tokens[TOKENS_MAX];
    unsigned class[TOKENS_MAX];
    size_t from, to; /* of tokens that are left */
    size_t base;     /* of the span in the text */
    bool has_capital;
};

/* Small words that names have in them and may begin with. */
static bool is_particle(struct slice word)
{
    static const char *const particles[] = {
        "van", "der",  "den", "de",  "von", "zu", "la",  "le",  "du",  "di",  "da", "del",
        "dos", "das",  "des", "bin", "ibn", "al", "el",  "ten", "ter", "af",  "av", "della",
        "st",  "ap",   "ben", "abu", "do",  "los", "las", "y",  "e",   "i",   "t",
    };

    for (size_t i = 0; i < COUNT(particles); i++)
        if (slice_equal(word, slice_of(particles[i])))
            return true;
    return false;
}

static bool is_capital(const struct token *token)
{
    return token->shape == SHAPE_CAPITAL || token->shape == SHAPE_UPPER ||
           token->shape == SHAPE_INITIAL || token->shape == SHAPE_MIXED;
}

/* False: too long to be looked at. */
static bool part_read(const struct model *model, struct slice text, const struct name_span *span,
                      struct part *ret_part)
{
    struct token_reader reader = {.text = slice_part(text, span->start, span->end),
                                  .is_plain = true};
    struct token token;

    *ret_part = (struct part){.base = span->start};
    while (token_next(&reader, &token)) {
        if (ret_part->to == TOKENS_MAX)
            return false;
        ret_part->class[ret_part->to] =
            token.shape < SHAPE_IDENTIFIER ? model_word(model, token.word) : 0;
        ret_part->has_capital = ret_part->has_capital || is_capital(&token);
        ret_part->tokens[ret_part->to++] = token;
    }
    return true;
}

static struct slice token_text(struct slice text, const struct part *part, size_t at)
{
    return slice_part(text, part->base + part->tokens[at].start,
                      part->base + part->tokens[at].end);
}

/* Is this token, at an end of the span, no part of a name? */
static bool is_beside(struct slice text, const struct part *part, size_t at)
{
    const struct token *token = &part->tokens[at];
    struct slice word = token_text(text, part, at);

    if (token->shape == SHAPE_MARK) {
        /* J. and Jr. end in one. */
        bool is_short = word.at[0] == '.' && at > part->from &&
                        part->tokens[at - 1].end - part->tokens[at - 1].start <= 3 &&
                        is_capital(&part->tokens[at - 1]);

        return word.at[0] < 0x80 && !is_short;
    }
    if (token->shape != SHAPE_LOWER || is_particle(word))
        return false;
    if (part->has_capital)
        return (part->class[at] & WORD_COMMON) != 0;
    return (part->class[at] & WORD_COMMON) != 0 &&
           (part->class[at] & (WORD_GIVEN | WORD_FAMILY)) == 0;
}

static void ends_trim(struct slice text, struct part *part)
{
    while (part->from < part->to && is_beside(text, part, part->from))
        part->from++;
    while (part->from < part->to && is_beside(text, part, part->to - 1))
        part->to--;
}

/* "and", "or", "&" behind the span: what is in front is a list. */
static bool goes_on_as_list(struct slice text, size_t end)
{
    static const char *const words[] = {"and ", "or ", "& "};

    while (end < text.len && (text.at[end] == ' ' || text.at[end] == ','))
        end++;
    for (size_t i = 0; i < COUNT(words); i++)
        if (slice_starts_with(slice_part(text, end, text.len), slice_of(words[i])))
            return true;
    return false;
}

static bool is_mark(struct slice text, const struct part *part, size_t at, char mark)
{
    return at < part->to && part->tokens[at].shape == SHAPE_MARK &&
           token_text(text, part, at).at[0] == (uint8_t)mark;
}

/* A full stop behind a word that is no initial and no title ends a sentence, and the name with it. */
static void sentence_cut(struct slice text, struct part *part)
{
    for (size_t at = part->from + 1; at + 1 < part->to; at++)
        if (is_mark(text, part, at, '.') &&
            part->tokens[at - 1].end - part->tokens[at - 1].start > ABBREVIATION_MAX &&
            part->tokens[at + 1].start > part->tokens[at].end)
            part->to = at;
}

/* lang.Object, Utils#toObject, and the LANG of the ticket LANG-123. */
static bool is_program_text(struct slice text, const struct part *part)
{
    size_t end = part->base + part->tokens[part->to - 1].end;

    for (size_t at = part->from + 1; at < part->to; at++)
        if (is_mark(text, part, at, '#') ||
            (is_mark(text, part, at, '.') && at + 1 < part->to &&
             part->tokens[at - 1].end - part->tokens[at - 1].start > TITLE_MAX &&
             part->tokens[at + 1].start == part->tokens[at].end))
            return true;
    return end + 1 < text.len &&
           (text.at[end] == '(' || text.at[end] == '#' || text.at[end] == '_' ||
            (text.at[end] == '-' && is_digit(text.at[end + 1]) &&
             part->tokens[part->to - 1].shape == SHAPE_UPPER));
}

/* "a b c" is no name. */
static bool is_letters_only(const struct part *part)
{
    for (size_t at = part->from; at < part->to; at++)
        if (part->tokens[at].shape != SHAPE_MARK &&
            part->tokens[at].end - part->tokens[at].start > 1)
            return false;
    return !part->has_capital;
}

static size_t piece_add(struct slice text, struct part piece, const struct name_span *span,
                        struct name_span *ret_piece)
{
    sentence_cut(text, &piece);
    ends_trim(text, &piece);
    if (piece.from == piece.to || is_letters_only(&piece) || is_program_text(text, &piece))
        return 0;
    *ret_piece = *span;
    ret_piece->start = piece.base + piece.tokens[piece.from].start;
    ret_piece->end = piece.base + piece.tokens[piece.to - 1].end;
    return 1;
}

size_t names_trim(const struct model *model, struct slice text, const struct name_span *span,
                  struct name_span ret_pieces[NAME_PIECES_MAX])
{
    struct part part;
    size_t count = 0, from = 0;
    bool is_list = goes_on_as_list(text, span->end);

    if (!part_read(model, text, span, &part)) {
        ret_pieces[0] = *span;
        return 1;
    }
    for (size_t at = 0; at < part.to && is_list && count + 1 < NAME_PIECES_MAX; at++)
        if (part.tokens[at].shape == SHAPE_MARK && token_text(text, &part, at).at[0] == ',') {
            struct part piece = part;

            piece.from = from;
            piece.to = at;
            count += piece_add(text, piece, span, &ret_pieces[count]);
            from = at + 1;
        }
    part.from = from;
    return count + piece_add(text, part, span, &ret_pieces[count]);
}
