#include "classify/lookup.h"

#include <stdlib.h>

#include "classify/ascii.h"

#define HEAD_MAX 16
#define LINE_TOKEN_LETTERS 12
#define LINE_WORD_LETTERS 6

/* Entries by the hash of their first bytes, HEAD_MAX of them or all; the longest first. */
struct lookup {
    struct lookup_entry *at;
    size_t count, room;
    uint32_t *first; /* of a hash: 1 + place in `at`; 0: none */
    uint32_t *next;
    size_t mask;
    uint32_t lengths;     /* bit n: heads of n bytes there are */
    uint8_t starts[8192]; /* of two bytes: does anything begin so? */
};

static int longest_first(const void *a, const void *b)
{
    const struct lookup_entry *x = a, *y = b;

    if (x->surrogate.len != y->surrogate.len)
        return x->surrogate.len < y->surrogate.len ? 1 : -1;
    return (x->is_half > y->is_half) - (x->is_half < y->is_half);
}

static uint32_t hash_more(uint32_t hash, uint8_t byte)
{
    return (hash ^ byte) * UINT32_C(0x01000193);
}

static void add(struct lookup *lookup, struct lookup_entry entry)
{
    lookup->at = xgrow(lookup->at, &lookup->room, lookup->count + 1, sizeof(*lookup->at));
    lookup->at[lookup->count++] = entry;
}

static size_t line_end(struct slice text, size_t at)
{
    while (at < text.len && text.at[at] != '\n' && text.at[at] != '\r')
        at++;
    return at;
}

static void add_lines(struct lookup *lookup, const struct surrogate_pair *pair)
{
    struct slice text = pair->surrogate;

    for (size_t at = 0, end; at < text.len; at = end + 1) {
        size_t letters = 0, from = at;

        end = line_end(text, at);
        while (from < end && (text.at[from] == ' ' || text.at[from] == '\t'))
            from++;
        for (size_t i = from; i < end; i++)
            letters += text.at[i] != pair->original.at[i];
        if (letters > 0)
            add(lookup, (struct lookup_entry){
                            .surrogate = slice_part(text, from, end),
                            .original = slice_part(pair->original, from, end),
                            .class = pair->class,
                                          .rule = pair->rule,
                            .trust = letters >= LINE_TOKEN_LETTERS  ? SURROGATE_BY_TOKEN
                                     : letters >= LINE_WORD_LETTERS ? SURROGATE_BY_WORD
                                                                    : SURROGATE_BY_PLACE});
    }
}

static void add_halves(struct lookup *lookup, const struct surrogate_pair *pair)
{
    size_t len = pair->surrogate.len, half = (len + 1) / 2;

    if (pair->trust != SURROGATE_BY_TOKEN)
        return;
    if (pair->head_tells)
        add(lookup, (struct lookup_entry){.surrogate = slice_part(pair->surrogate, 0, half),
                                          .is_half = true});
    if (pair->tail_tells)
        add(lookup,
            (struct lookup_entry){.surrogate = slice_part(pair->surrogate, len - half, len),
                                  .is_half = true});
}

static void note_start(struct lookup *lookup, struct slice text)
{
    unsigned low = text.len > 1 ? text.at[1] : 0, high = text.len > 1 ? text.at[1] : 255;

    for (unsigned second = low; second <= high; second++) {
        unsigned place = (unsigned)text.at[0] << 8 | second;

        lookup->starts[place / 8] |= (uint8_t)(1U << place % 8);
    }
}

static bool is_there(const struct lookup *lookup, uint32_t hash, struct slice text)
{
    for (uint32_t i = lookup->first[hash & lookup->mask]; i != 0; i = lookup->next[i])
        if (slice_equal(lookup->at[i - 1].surrogate, text))
            return true;
    return false;
}

static void index_all(struct lookup *lookup)
{
    if (lookup->count > 1)
        qsort(lookup->at, lookup->count, sizeof(*lookup->at), longest_first);
    for (size_t i = lookup->count; i-- > 0;) {
        struct slice text = lookup->at[i].surrogate;
        size_t len = text.len < HEAD_MAX ? text.len : HEAD_MAX;
        uint32_t hash = 0;

        for (size_t j = 0; j < len; j++)
            hash = hash_more(hash, text.at[j]);
        /* many numbers begin alike */
        if (lookup->at[i].is_half && is_there(lookup, hash, text))
            continue;
        lookup->next[i + 1] = lookup->first[hash & lookup->mask];
        lookup->first[hash & lookup->mask] = (uint32_t)i + 1;
        lookup->lengths |= UINT32_C(1) << len;
        note_start(lookup, text);
    }
}

struct lookup *lookup_new(const struct surrogate_map *map, bool halves)
{
    struct lookup *lookup = xalloc(sizeof(*lookup));

    for (size_t i = 0; i < map->count; i++) {
        const struct surrogate_pair *pair = &map->at[i];

        if (pair->trust == SURROGATE_NONE)
            continue;
        add(lookup, (struct lookup_entry){.surrogate = pair->surrogate,
                                          .original = pair->original,
                                          .class = pair->class,
                                          .rule = pair->rule,
                                          .trust = pair->trust});
        if (line_end(pair->surrogate, 0) < pair->surrogate.len)
            add_lines(lookup, pair);
        else if (halves)
            add_halves(lookup, pair);
    }
    lookup->mask = 1023;
    while (lookup->mask < lookup->count * 2)
        lookup->mask = lookup->mask * 2 + 1;
    lookup->first = xalloc_array(lookup->mask + 1, sizeof(*lookup->first));
    lookup->next = xalloc_array(lookup->count + 1, sizeof(*lookup->next));
    index_all(lookup);
    return lookup;
}

void lookup_free(struct lookup *lookup)
{
    if (lookup == NULL)
        return;
    free(lookup->at);
    free(lookup->first);
    free(lookup->next);
    free(lookup);
}

size_t lookup_count(const struct lookup *lookup)
{
    return lookup->count;
}

const struct lookup_entry *lookup_at(const struct lookup *lookup, struct slice text)
{
    const struct lookup_entry *longest = NULL;
    unsigned place = text.len == 0 ? 0 : (unsigned)text.at[0] << 8 | (text.len > 1 ? text.at[1] : 0);
    uint32_t hash = 0;

    if (text.len == 0 || (lookup->starts[place / 8] & 1U << place % 8) == 0)
        return NULL;
    for (size_t len = 1; len <= HEAD_MAX && len <= text.len && lookup->lengths >> len != 0;
         len++) {
        hash = hash_more(hash, text.at[len - 1]);
        if ((lookup->lengths & UINT32_C(1) << len) == 0)
            continue;
        for (uint32_t i = lookup->first[hash & lookup->mask]; i != 0; i = lookup->next[i]) {
            const struct lookup_entry *entry = &lookup->at[i - 1];

            if ((longest == NULL || entry->surrogate.len > longest->surrogate.len) &&
                slice_starts_with(text, entry->surrogate))
                longest = entry;
        }
    }
    return longest;
}

bool lookup_stands_alone(struct slice text, size_t at, size_t len)
{
    bool before = at > 0 && is_alnum(text.at[at - 1]) && is_alnum(text.at[at]);
    bool after =
        at + len < text.len && is_alnum(text.at[at + len]) && is_alnum(text.at[at + len - 1]);

    return !before && !after;
}
