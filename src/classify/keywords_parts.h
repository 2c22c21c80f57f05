/* classify/keywords_parts.h - between making and finding. Private to classify/keywords*.c. */
#ifndef CUSTODY_CLASSIFY_KEYWORDS_PARTS_H
#define CUSTODY_CLASSIFY_KEYWORDS_PARTS_H

#include "classify/keywords.h"

/* Compiled in: data/keywords, as tools/count-triples writes it. */
struct keyword_file {
    const char *name;
    const uint8_t *at;
    size_t len;
};
extern const struct keyword_file keyword_files[];
extern const size_t keyword_files_count;

/*
 * A place is looked at where it is an even one of the text, so a literal has two, for each evenness of its beginning
 * one: `shift` bytes behind its first byte, or one in front of it. One window of three bytes begins there, and often a second one
 * two bytes further on. A byte that is not the literal's may be any.
 */
enum keyword_bit {
    KEYWORD_SHORT = 1, /* three bytes: one window */
    KEYWORD_SHORT_2ND = 2, /* from one byte in front of them on: two */
    KEYWORD_MIDDLE = 8,    /* four or five bytes, the same */
    KEYWORD_MIDDLE_2ND = 16,
    KEYWORD_LONG = 64, /* more: two */
};

/* The first window of two has the bit, the second one the next bit. */
#define KEYWORD_TWO (KEYWORD_SHORT_2ND | KEYWORD_MIDDLE_2ND | KEYWORD_LONG)
#define KEYWORD_FIRST (KEYWORD_SHORT | KEYWORD_MIDDLE | KEYWORD_TWO)

#define KEYWORD_WINDOWS (1UL << 16)
#define KEYWORD_KEYS (1UL << 16)
#define KEYWORD_BUCKETS (1UL << 12)
#define KEYWORD_CASE UINT64_C(0x2020202020202020)

/* Of a byte: its low five bits; and whether it is a letter or its like, or a digit or its like. Both cases are one. */
static inline uint32_t keyword_code(uint8_t byte)
{
    return (byte & 31U) | (byte >> 1 & 32U);
}

/* Where three bytes are in the table. */
static inline uint32_t keyword_window(const uint8_t *at)
{
    return (at[0] & 31U) | (at[1] & 31U) << 5 | keyword_code(at[2]) << 10;
}

/* The bytes that candidates of a first bit are looked up by: three or four, all the literal's. */
static inline uint32_t keyword_key(const uint8_t *place, uint32_t bit)
{
    uint32_t key;

    memcpy(&key, place + ((bit & (KEYWORD_SHORT | KEYWORD_MIDDLE)) == 0), sizeof(key));
    key |= (uint32_t)KEYWORD_CASE;
    if ((bit & (KEYWORD_SHORT | KEYWORD_SHORT_2ND)) != 0)
        key &= 0xffffff;
    return (key * UINT32_C(0x9e3779b1)) >> 16;
}

static inline uint32_t keyword_bucket(uint32_t key)
{
    return key / (KEYWORD_KEYS / KEYWORD_BUCKETS);
}

/* A literal at a place. */
struct keyword_entry {
    uint64_t head, mask; /* its first bytes, with KEYWORD_CASE set, and which there are */
    uint32_t keyword;
    int8_t shift;
    uint8_t bit; /* of its first window */
    uint16_t bucket;
};

struct keyword_hit {
    size_t end;
    size_t keyword;
};

#define KEYWORD_CHUNK 2048UL                         /* bytes that are worked on together */
#define KEYWORD_PLACES (KEYWORD_CHUNK / 2)
#define KEYWORD_LANES 16                             /* places at once */
#define KEYWORD_BEHIND KEYWORD_LANES                 /* places behind a chunk that are named, too */
#define KEYWORD_AHEAD (2UL * (KEYWORD_BEHIND + 1))   /* bytes of these */
#define KEYWORD_AT_ONCE 2 /* places that are listed without a look at how many there are */

/* What is worked on. Numbers of places count from the beginning of a chunk. */
struct keyword_chunk {
    uint16_t windows[KEYWORD_PLACES + KEYWORD_BEHIND];
    uint8_t bits[KEYWORD_PLACES + KEYWORD_BEHIND];
    uint16_t list[KEYWORD_PLACES + KEYWORD_AT_ONCE];
    uint8_t padded[KEYWORD_CHUNK + KEYWORD_AHEAD]; /* the end of a text, with zeros behind */
};

struct keywords {
    uint8_t windows[KEYWORD_WINDOWS];    /* bits */
    uint8_t keys[KEYWORD_KEYS / 8];      /* a bit for each that there is */
    uint32_t first[KEYWORD_BUCKETS + 1]; /* entries of bucket n: from first[n] to first[n + 1] */
    struct keyword_entry *entries;       /* two of each literal */
    size_t entry_count;
    struct keyword *all;
    size_t count;
    struct keyword_hit *hits; /* found and not told yet, in order */
    size_t hit_count, hit_room;
    struct keyword_chunk chunk;
};

static inline uint32_t keyword_has_key(const struct keywords *keywords, uint32_t key)
{
    return ((unsigned)keywords->keys[key / 8] >> key % 8 & 1U) != 0;
}

/* The first bytes at a place of a text, at most eight of `len`. */
static inline uint64_t keyword_head(const uint8_t *at, size_t len)
{
    uint64_t head = 0;

    if (len >= sizeof(head))
        memcpy(&head, at, sizeof(head));
    else
        memcpy(&head, at, len);
    return head;
}

#endif
