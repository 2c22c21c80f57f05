/*
 * lineage/lines.h - the lines of a text as numbers, by which they are known again elsewhere.
 *
 * A line is trimmed (slice_trim) and cut into pieces, so that half of a long one is known, too. A
 * piece that is short tells nothing alone.
 * The numbers are keyed: who does not have the key cannot make two lines alike.
 */
#ifndef CUSTODY_LINEAGE_LINES_H
#define CUSTODY_LINEAGE_LINES_H

#include "base/bytes.h"

#define LINES_KEY_BYTES 32
#define LINES_SHORT_BYTES 8 /* a piece of fewer tells nothing */
#define LINES_PIECE_BYTES 256

struct lines_key {
    uint8_t secret[256]; /* XXH3's; made from the key */
};

void lines_key_make(const uint8_t key[LINES_KEY_BYTES], struct lines_key *ret_key);

#define LINES_SHORT (UINT64_C(1) << 63)

/* Does the piece of this number tell something alone? */
static inline bool lines_tells(uint64_t hash)
{
    return (hash & LINES_SHORT) == 0;
}

/*
 * Takes the next piece off the front of a trimmed line, and gives its number, never 0. An empty line is one
 * piece.
 */
uint64_t lines_piece(const struct lines_key *key, struct slice *line);

/*
 * What tools write before a line of a file: its number ("  12\t", "12: ", "12|"), the file's
 * name and the number ("src/a.c:12:"), or what a difference has ("+", "-").
 *   line      not trimmed
 *   ret_rest  the line without it
 */
bool lines_without_prefix(struct slice line, struct slice *ret_rest);

#endif
