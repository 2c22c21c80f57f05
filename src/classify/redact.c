/* Replacing: every value of a file by a stand-in of its own. */
#include <stdlib.h>

#include "base/scope.h"
#include "classify/detect.h"
#include "classify/occurrence.h"
#include "classify/surrogate.h"

#define SALTS_MAX 64
#define WORK_PER_BYTE 256
#define WORK_LEAST                                                                            \
    (UINT64_C(1) << 16) /* what even a small file may cost, in bytes of a larger one */

void surrogate_map_free(struct surrogate_map *map)
{
    for (size_t i = 0; i < map->count; i++) {
        uint8_t *surrogate = (uint8_t *)(uintptr_t)map->at[i].surrogate.at;
        uint8_t *original = (uint8_t *)(uintptr_t)map->at[i].original.at;

        explicit_bzero(original, map->at[i].original.len);
        free(surrogate);
        free(original);
    }
    free(map->at);
    *map = (struct surrogate_map){0};
}

/* ---- which values there are ---- */

/* A finding that is to be replaced. */
struct spot {
    struct slice original;
    size_t start;
    uint16_t rule;
    enum data_class class;
    uint32_t pair; /* of its value, in the map */
};

/* Equal values together, each group led by the first in the file. */
static int by_value(const void *a, const void *b)
{
    const struct spot *x = a, *y = b;
    int order = slice_compare(x->original, y->original);

    return order != 0 ? order : x->start < y->start ? -1 : x->start > y->start;
}

static bool take_spots(struct slice content, const struct finding *findings, size_t count,
                       const enum verdict verdicts[CLASS_COUNT], struct spot *spots,
                       size_t *ret_count, struct fault *fault)
{
    size_t taken = 0;

    for (size_t i = 0; i < count; i++) {
        const struct finding *finding = &findings[i];

        if (finding->end > content.len || finding->start >= finding->end)
            return fault_set(fault, FAULT_INVALID, "a finding outside of its content");
        if (verdicts[finding->class] != VERDICT_ALLOW)
            spots[taken++] =
                (struct spot){.original = slice_part(content, finding->start, finding->end),
                              .start = finding->start,
                              .rule = finding->rule,
                              .class = finding->class};
    }
    if (taken > 1)
        qsort(spots, taken, sizeof(*spots), by_value);
    *ret_count = taken;
    return true;
}

/* One pair for each value, its stand-in still to be made. */
static void add_pairs(struct spot *spots, size_t count, struct surrogate_map *map)
{
    for (size_t i = 0; i < count; i++) {
        if (i == 0 || !slice_equal(spots[i].original, spots[i - 1].original)) {
            struct slice original = spots[i].original;

            map->at = xgrow(map->at, &map->room, map->count + 1, sizeof(*map->at));
            map->at[map->count++] = (struct surrogate_pair){
                .surrogate = slice_of_bytes(xalloc(original.len), original.len),
                .original = slice_of_bytes(slice_dup(original), original.len),
                .rule = spots[i].rule,
                .class = spots[i].class};
        }
        spots[i].pair = (uint32_t)map->count - 1;
    }
}

/* ---- their stand-ins ---- */

/* The stand-ins that have been tried, by their hashes: two with one hash cost another salt, no
 * more. */
struct taken {
    uint64_t *hashes; /* 0: an empty slot */
    size_t mask, count;
};

struct standing {
    struct slice content;
    const struct surrogate_key *key;
    struct surrogate_pair *pairs;
    size_t count;
    uint8_t *salts; /* of each pair, the next to try */
    struct taken taken;
    struct occurrence_work work;
};

static bool take_hash(struct taken *taken, uint64_t hash)
{
    size_t slot = (size_t)(hash >> 24) & taken->mask;

    while (taken->hashes[slot] != 0 && taken->hashes[slot] != hash)
        slot = (slot + 1) & taken->mask;
    if (taken->hashes[slot] == hash)
        return false;
    taken->hashes[slot] = hash;
    taken->count++;
    return true;
}

static void grow(struct taken *taken)
{
    struct taken larger = {.mask = taken->mask * 2 + 1};

    larger.hashes = xalloc_array(larger.mask + 1, sizeof(*larger.hashes));
    for (size_t i = 0; taken->hashes != NULL && i <= taken->mask; i++)
        if (taken->hashes[i] != 0)
            (void)take_hash(&larger, taken->hashes[i]);
    free(taken->hashes);
    *taken = larger;
}

/* False: it has been tried. FNV-1a: nobody without the key can choose what is hashed here. */
static bool take(struct taken *taken, struct slice text)
{
    uint64_t hash = UINT64_C(0xcbf29ce484222325);

    for (size_t i = 0; i < text.len; i++)
        hash = (hash ^ text.at[i]) * UINT64_C(0x100000001b3);
    if (taken->hashes == NULL || taken->count * 2 > taken->mask)
        grow(taken);
    return take_hash(taken, hash | 1);
}

/*
 * There are not enough stand-ins of a short value's shape: it shares one, and is put back by
 * its line alone. A long one has no excuse.
 */
static bool make_shared(struct standing *standing, size_t number, struct fault *fault)
{
    struct surrogate_pair *pair = &standing->pairs[number];
    uint8_t *bytes = (uint8_t *)(uintptr_t)pair->surrogate.at;

    while (surrogate_is_weak(pair->rule, pair->original) &&
           standing->salts[number] < 2 * SALTS_MAX) {
        if (!surrogate_make(standing->key, pair->rule, pair->original,
                            standing->salts[number]++, bytes, fault))
            return false;
        if (!slice_equal(pair->surrogate, pair->original))
            return true;
    }
    return fault_set(fault, FAULT_LIMIT, "no stand-in is free for a value of %zu bytes (%s)",
                     pair->original.len, classify_rule_id(pair->rule));
}

/* The next stand-in of its salts that no other pair has; where there is none, ret_shared. */
static bool make_next(struct standing *standing, size_t number, bool *ret_shared,
                      struct fault *fault)
{
    struct surrogate_pair *pair = &standing->pairs[number];
    uint8_t *bytes = (uint8_t *)(uintptr_t)pair->surrogate.at;

    while (standing->salts[number] < SALTS_MAX) {
        if (!surrogate_make(standing->key, pair->rule, pair->original,
                            standing->salts[number]++, bytes, fault))
            return false;
        *ret_shared = false;
        if (take(&standing->taken, pair->surrogate))
            return true;
    }
    *ret_shared = true;
    return make_shared(standing, number, fault);
}

static size_t first_difference(const struct surrogate_pair *pair)
{
    size_t at = 0;

    while (at < pair->original.len && pair->surrogate.at[at] == pair->original.at[at])
        at++;
    return at;
}

/*
 * All that are wanted at once, then again those that the content happens to hold (a value
 * itself is there, too), until none is left.
 */
static bool make_all(struct standing *standing, uint32_t *wanted, struct occurrence *texts,
                     struct fault *fault)
{
    size_t left = standing->count;

    for (size_t i = 0; i < left; i++)
        wanted[i] = (uint32_t)i;
    while (left > 0) {
        size_t unique = 0, again = 0;

        for (size_t i = 0; i < left; i++) {
            const struct surrogate_pair *pair = &standing->pairs[wanted[i]];
            bool shared;

            if (!make_next(standing, wanted[i], &shared, fault))
                return false;
            if (shared)
                continue;
            texts[unique] = (struct occurrence){.text = pair->surrogate,
                                                .changed = first_difference(pair)};
            wanted[unique++] = wanted[i];
        }
        if (!occurrence_find(standing->content, texts, unique, &standing->work, fault))
            return false;
        for (size_t i = 0; i < unique; i++)
            if (texts[i].found)
                wanted[again++] = wanted[i];
        left = again;
    }
    return true;
}

static bool stand_in(struct slice content, const struct surrogate_key *key,
                     struct surrogate_pair *pairs, size_t count, struct fault *fault)
{
    struct standing standing = {.content = content,
                                .key = key,
                                .pairs = pairs,
                                .count = count,
                                .taken = {.mask = 1023},
                                .work = {.limit = (content.len + WORK_LEAST) * WORK_PER_BYTE}};
    AUTO_FREE uint8_t *salts = xalloc_array(count + 1, sizeof(*salts));
    AUTO_FREE uint32_t *wanted = xalloc_array(count + 1, sizeof(*wanted));
    AUTO_FREE struct occurrence *texts = xalloc_array(count + 1, sizeof(*texts));
    bool ok;

    standing.salts = salts;
    ok = make_all(&standing, wanted, texts, fault);
    free(standing.taken.hashes);
    return ok;
}

bool redact(struct slice content, const struct finding *findings, size_t count,
            const enum verdict verdicts[CLASS_COUNT], const struct surrogate_key *key,
            struct buf *ret_redacted, struct surrogate_map *map, struct fault *fault)
{
    struct surrogate_map own = {0};
    AUTO_FREE struct spot *spots = xalloc_array(count + 1, sizeof(*spots));
    size_t begin = ret_redacted->len, spot_count = 0;
    bool ok = take_spots(content, findings, count, verdicts, spots, &spot_count, fault);

    if (ok)
        add_pairs(spots, spot_count, &own);
    ok = ok && stand_in(content, key, own.at, own.count, fault) &&
         buf_add(ret_redacted, content, fault);
    for (size_t i = 0; ok && i < spot_count; i++) {
        struct slice surrogate = own.at[spots[i].pair].surrogate;

        memcpy(ret_redacted->at + begin + spots[i].start, surrogate.at, surrogate.len);
    }
    if (ok && map != NULL)
        *map = own;
    else
        surrogate_map_free(&own);
    return ok;
}
