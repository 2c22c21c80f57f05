/* classify/known_parts.h - what known.c and known_find.c share. */
#ifndef CUSTODY_CLASSIFY_KNOWN_PARTS_H
#define CUSTODY_CLASSIFY_KNOWN_PARTS_H

#include "classify/known.h"

struct known_piece {
    uint32_t after; /* 1 + the next of the same slot; 0: none */
    uint8_t len;
    uint8_t class;
    bool is_number; /* digits only: part of a longer number is something else */
    uint8_t at[KNOWN_PIECE_BYTES_MAX]; /* as it is in the file */
};

struct known_index;

struct known {
    struct known_piece *pieces;
    size_t count, room;
    uint32_t *slots; /* 1 + a piece; 0: free */
    size_t slot_count;
    struct known_index *index; /* of so many pieces as `indexed`; made when it is first needed */
    size_t indexed;
};

void known_index_free(struct known_index *index); /* NULL is fine */

#endif
