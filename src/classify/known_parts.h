/* classify/known_parts.h - what known*.c share. */
#ifndef CUSTODY_CLASSIFY_KNOWN_PARTS_H
#define CUSTODY_CLASSIFY_KNOWN_PARTS_H

#include "classify/known.h"

#define KNOWN_DIGITS 7U                     /* of base64 that a window has */
#define KNOWN_WINDOW (KNOWN_BYTES_MIN - 1U) /* bytes: at one of KNOWN_PHASES places in a row */
#define KNOWN_PHASES 2U
#define KNOWN_HASH_BITS 25 /* of a filter at most */
#define KNOWN_MIX UINT64_C(0x9e3779b97f4a7c15)
#define KNOWN_MIX_AGAIN UINT64_C(0xc2b2ae3d27d4eb4f)

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
    struct known_index
        *index; /* of so many pieces as `indexed`; made when it is first needed */
    size_t indexed;
};

void known_index_free(struct known_index *index); /* NULL is fine */

enum known_tag { TAG_BYTES, TAG_BASE64, TAG_HEX, TAG_COUNT };

/* A window that a value makes. */
struct known_needle {
    uint64_t key; /* the tag is in its highest bits */
    uint32_t piece;
    uint32_t after; /* 1 + the next of the same slot; 0: none */
    uint8_t
        skip; /* of the value in front of the window: bytes, or bits where it is of digits */
    bool is_backwards;
};

/* Which windows may be of a value: of a few, small enough for the fastest cache. */
struct known_filter {
    uint64_t *bits;
    uint64_t mask; /* how many bits there are, less one */
};

struct known_index {
    struct known_needle *needles;
    size_t count, room;
    uint32_t *slots;
    size_t slot_count;
    struct known_filter filters[TAG_COUNT];
};

/* A search through one text. */
struct known_search {
    const struct known *known;
    const struct known_index *index;
    unsigned found;
    uint64_t work, work_max;
};

#define KNOWN_BETWEEN (-1) /* may stand between two digits */
#define KNOWN_BREAK (-2)

struct known_alphabet {
    enum known_tag tag;
    unsigned bits, window, room; /* of a digit; digits of a window; bits of one in a window */
};

extern const struct known_alphabet known_base64, known_hexadecimal;

/* Of each byte the digit, KNOWN_BETWEEN or KNOWN_BREAK. */
const int8_t *known_digits(enum known_tag tag);
/* The 0 of "0x41" is none. */
bool known_is_prefix(struct slice text, size_t at);
int known_digit_at(const struct known_alphabet *alphabet, struct slice text, size_t at);
/* The digit before or behind a place; SIZE_MAX: something else comes first. */
size_t known_next_digit(struct known_search *search, const struct known_alphabet *alphabet,
                        struct slice text, size_t at, bool is_back);

/* Made where there is none of all pieces. */
const struct known_index *known_index_of(struct known *known);
/* The values that make this window. `alphabet` NULL: it begins at `at`; else its last digit is
 * there. */
void known_look_at(struct known_search *search, uint64_t key,
                   const struct known_alphabet *alphabet, struct slice text, size_t at);
/* All windows of a text, as it stands. */
void known_look(struct known_search *search, struct slice text);

static inline uint64_t known_key(uint64_t window, enum known_tag tag)
{
    return window | (uint64_t)tag << 56;
}

/* Windows are as a processor of small end loads them: the first byte is the lowest. */
static inline uint64_t known_append(uint64_t window, unsigned bits, unsigned count,
                                    unsigned part)
{
    return window >> bits | (uint64_t)part << bits * (count - 1);
}

static inline bool known_has_bit(struct known_filter filter, uint64_t key, uint64_t mix)
{
    uint64_t bit = key * mix >> (64 - KNOWN_HASH_BITS) & filter.mask;

    return (filter.bits[bit / 64] >> bit % 64 & 1) != 0;
}

static inline bool known_is_hit(struct known_filter filter, uint64_t key)
{
    return known_has_bit(filter, key, KNOWN_MIX) &&
           known_has_bit(filter, key, KNOWN_MIX_AGAIN);
}

static inline size_t known_slot(const struct known_index *index, uint64_t key)
{
    return (size_t)(key * KNOWN_MIX >> 16) & (index->slot_count - 1);
}

#endif
