/* Of literals: the table that they are looked for by. */
#include "classify/keywords.h"

#include <assert.h>
#include <stdlib.h>

#include "classify/keywords_parts.h"

/* What literals of a length are found by. The last row is for all that are longer. */
static const struct kind {
    size_t len;        /* at least */
    size_t span;       /* bytes of it that count */
    size_t seen;       /* of them the windows of one place see */
    int other_shift;   /* from its one place to its other one */
    uint8_t bit, other_bit;
} kinds[] = {
    {3, 3, 3, -1, KEYWORD_SHORT, KEYWORD_SHORT_2ND},
    {4, 4, 3, -1, KEYWORD_MIDDLE, KEYWORD_MIDDLE_2ND},
    {6, 6, 5, 1, KEYWORD_LONG, KEYWORD_LONG},
};

#define LOW 32 /* bytes by their low five bits */
#define LINE (LOW * LOW + 1)
#define BITS_MAX 35
#define OTHERS 4 /* one window in so many (a power of two) is some other literal's, too */

/* How rare pairs of bytes are, in bits of information: by this, and by data/keywords/triples, it is chosen which of its bytes a
 * literal is found by, and nothing else. */
struct rarity {
    uint8_t pairs[LOW][LOW];
};

static unsigned triple_bits(const uint8_t *at)
{
    uint8_t digit = keyword_files[0].at[(at[0] & 31) * LINE + (at[1] & 31) * LOW + (at[2] & 31)];

    return (unsigned)(digit <= '9' ? digit - '0' : digit - 'a' + 10);
}

/* A pair is as often as all triples that begin with it. */
static void count_pairs(struct rarity *ret_rarity)
{
    assert(keyword_files_count == 1 && keyword_files[0].len == LOW * LINE);
    for (uint8_t first = 0; first < LOW; first++)
        for (uint8_t second = 0; second < LOW; second++) {
            uint64_t often = 1;

            for (uint8_t third = 0; third < LOW; third++)
                often += UINT64_C(1) << (BITS_MAX - triple_bits((uint8_t[]){first, second, third}));
            ret_rarity->pairs[first][second] = (uint8_t)(__builtin_clzll(often) - (63 - BITS_MAX));
        }
}

/* Of three bytes or more: each next one as its triple, given that its first two are there. */
static unsigned bits_of(const struct rarity *rarity, const uint8_t *at, size_t len)
{
    unsigned bits = 0;

    for (size_t i = 0; i + 2 < len; i++) {
        unsigned triple = triple_bits(at + i);
        unsigned pair = i == 0 ? 0 : rarity->pairs[at[i] & 31][at[i + 1] & 31];

        bits += triple > pair ? triple - pair : 0;
    }
    return bits < 60 ? bits : 60;
}

/* How often a place is listed: for these bytes, and, where its two windows are each met with another literal's, for each of them. */
static uint64_t often(const struct rarity *rarity, const uint8_t *at, size_t len)
{
    uint64_t sum = UINT64_C(1) << (60 - bits_of(rarity, at, len));

    if (len > 3)
        sum += (UINT64_C(1) << (60 - OTHERS - triple_bits(at))) +
               (UINT64_C(1) << (60 - OTHERS - triple_bits(at + len - 3)));
    return sum;
}

/* Where the bytes are rarest at both places. */
static int best_shift(const struct rarity *rarity, struct slice text, const struct kind *kind)
{
    uint64_t least = UINT64_MAX;
    size_t best = 0;

    for (size_t shift = 0; shift + kind->span <= text.len; shift++) {
        const uint8_t *at = text.at + shift, *other = at + kind->span - kind->seen;
        uint64_t sum = often(rarity, at, kind->seen) + often(rarity, other, kind->seen);

        if (sum < least) {
            least = sum;
            best = shift;
        }
    }
    return (int)best;
}

/* Sets a bit at all windows that there may be at `at`, which may be one byte in front of the literal or one too far. */
static void set_window(struct keywords *keywords, struct slice text, int at, uint8_t bit)
{
    bool is_first_any = at < 0, is_last_any = at + 2 >= (int)text.len;

    for (uint32_t first = 0; first < (is_first_any ? 32 : 1); first++)
        for (uint32_t last = 0; last < (is_last_any ? 64 : 1); last++) {
            const uint8_t bytes[] = {
                is_first_any ? (uint8_t)first : text.at[at], text.at[at + 1],
                is_last_any ? (uint8_t)((last & 31) | (last & 32) << 1) : text.at[at + 2]};

            keywords->windows[keyword_window(bytes)] |= bit;
        }
}

static void add_place(struct keywords *keywords, size_t number, int shift, uint8_t bit)
{
    struct slice text = keywords->all[number].text;
    uint8_t place[8] = {0}; /* what may be there, from the literal on */
    uint64_t mask = text.len >= 8 ? ~UINT64_C(0) : (UINT64_C(1) << 8 * text.len) - 1;
    uint32_t key;

    set_window(keywords, text, shift, bit);
    if ((bit & KEYWORD_TWO) != 0)
        set_window(keywords, text, shift + 2, (uint8_t)(bit << 1));
    for (int i = 0; i < (int)sizeof(place); i++)
        if (shift + i >= 0 && shift + i < (int)text.len)
            place[i] = text.at[shift + i];
    key = keyword_key(place, bit);
    keywords->keys[key / 8] |= (uint8_t)(1U << key % 8);
    keywords->entries[keywords->entry_count++] = (struct keyword_entry){
        .head = (keyword_head(text.at, text.len) | KEYWORD_CASE) & mask,
        .mask = mask,
        .keyword = (uint32_t)number,
        .shift = (int8_t)shift,
        .bit = bit,
        .bucket = (uint16_t)keyword_bucket(key)};
}

static void add(struct keywords *keywords, const struct rarity *rarity,
                const struct keyword *keyword)
{
    const struct kind *kind = &kinds[COUNT(kinds) - 1];
    size_t number = keywords->count++;
    int shift;

    assert(keyword->text.len >= KEYWORD_BYTES_MIN && keyword->text.len <= KEYWORD_BYTES_MAX);
    while (kind->len > keyword->text.len)
        kind--;
    shift = best_shift(rarity, keyword->text, kind);
    keywords->all[number] = *keyword;
    add_place(keywords, number, shift, kind->bit);
    add_place(keywords, number, shift + kind->other_shift, kind->other_bit);
}

static int by_bucket(const void *a, const void *b)
{
    const struct keyword_entry *x = a, *y = b;

    if (x->bucket != y->bucket)
        return x->bucket < y->bucket ? -1 : 1;
    return (x->keyword > y->keyword) - (x->keyword < y->keyword);
}

static void index_entries(struct keywords *keywords)
{
    size_t at = 0;

    if (keywords->entry_count > 0)
        qsort(keywords->entries, keywords->entry_count, sizeof(*keywords->entries), by_bucket);
    for (size_t bucket = 0; bucket < KEYWORD_BUCKETS; bucket++) {
        keywords->first[bucket] = (uint32_t)at;
        while (at < keywords->entry_count && keywords->entries[at].bucket == bucket)
            at++;
    }
    keywords->first[KEYWORD_BUCKETS] = (uint32_t)at;
}

struct keywords *keywords_new(const struct keyword *all, size_t count)
{
    struct keywords *keywords = xalloc(sizeof(*keywords));
    struct rarity rarity;

    count_pairs(&rarity);
    keywords->all = xalloc_array(count + 1, sizeof(*keywords->all));
    keywords->entries = xalloc_array(2 * count + 1, sizeof(*keywords->entries));
    for (size_t i = 0; i < count; i++)
        add(keywords, &rarity, &all[i]);
    index_entries(keywords);
    return keywords;
}

void keywords_free(struct keywords *keywords)
{
    if (keywords == NULL)
        return;
    free(keywords->all);
    free(keywords->entries);
    free(keywords->hits);
    free(keywords);
}
