#include "lineage/lines.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

#define NUMBER_DIGITS_MAX 8
#define NAME_BYTES_MAX 512

_Static_assert(sizeof(((struct lines_key *)0)->secret) >= XXH3_SECRET_SIZE_MIN,
               "a secret that XXH3 takes");

void lines_key_make(const uint8_t key[LINES_KEY_BYTES], struct lines_key *ret_key)
{
    (void)XXH3_generateSecret(ret_key->secret, sizeof(ret_key->secret), key, LINES_KEY_BYTES);
}

uint64_t lines_piece(const struct lines_key *key, struct slice *line)
{
    struct slice piece = slice_part(*line, 0, LINES_PIECE_BYTES);
    uint64_t hash;

    *line = slice_part(*line, piece.len, line->len);
    hash = XXH3_64bits_withSecret(piece.at, piece.len, key->secret, sizeof(key->secret));
    if (piece.len < LINES_SHORT_BYTES)
        return hash | LINES_SHORT;
    hash &= ~LINES_SHORT;
    return hash == 0 ? 1 : hash;
}

static bool is_digit(uint8_t byte)
{
    return byte >= '0' && byte <= '9';
}

/* The digits at the beginning, or 0. */
static size_t digits(struct slice text)
{
    size_t len = 0;

    while (len < text.len && is_digit(text.at[len]))
        len++;
    return len <= NUMBER_DIGITS_MAX ? len : 0;
}

/* What stands between a number and the line. */
static size_t mark(struct slice text)
{
    static const char *const marks[] = {"\t", "\xE2\x86\x92", "|", ":", "-", ")", " |"};

    for (size_t i = 0; i < COUNT(marks); i++)
        if (slice_starts_with(text, slice_of(marks[i])))
            return slice_of(marks[i]).len;
    return 0;
}

static bool without_number(struct slice line, struct slice *ret_rest)
{
    size_t at = digits(line), len;

    if (at == 0)
        return false;
    len = mark(slice_part(line, at, line.len));
    *ret_rest = slice_part(line, at + len, line.len);
    return len > 0;
}

/* "src/a.c:12:" and "src/a.c-12-", and a name alone */
static bool without_name(struct slice line, struct slice *ret_rest)
{
    struct slice head = slice_part(line, 0, NAME_BYTES_MAX);

    for (size_t at = 0; (at = slice_find_byte(head, ':', at)) != SIZE_MAX; at++)
        if (at > 0)
            return without_number(slice_part(line, at + 1, line.len), ret_rest) ||
                   (*ret_rest = slice_part(line, at + 1, line.len), true);
    return false;
}

bool lines_without_prefix(struct slice line, struct slice *ret_rest)
{
    size_t blanks = 0;

    while (blanks < line.len && (line.at[blanks] == ' ' || line.at[blanks] == '\t'))
        blanks++;
    line = slice_part(line, blanks, line.len); /* the end may be the mark behind a number */
    if (without_number(line, ret_rest))
        return true;
    if (line.len > 1 && (line.at[0] == '+' || line.at[0] == '-' || line.at[0] == '>')) {
        *ret_rest = slice_part(line, 1, line.len);
        return true;
    }
    return without_name(line, ret_rest);
}
