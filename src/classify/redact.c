/* Replacing and putting back, by token: not by merging lines. */
#include <stdlib.h>

#include "classify/detect.h"
#include "classify/surrogate.h"

#define SALTS_MAX 64
#define HEADS 65536

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

static const struct surrogate_pair *find_original(const struct surrogate_map *map, struct slice original)
{
    for (size_t i = 0; i < map->count; i++)
        if (slice_equal(map->at[i].original, original))
            return &map->at[i];
    return NULL;
}

static bool is_taken(const struct surrogate_map *map, struct slice content, struct slice surrogate,
                     struct slice original)
{
    for (size_t i = 0; i < map->count; i++)
        if (slice_equal(map->at[i].surrogate, surrogate))
            return true;
    return slice_equal(surrogate, original) || slice_find(content, surrogate, 0) != SIZE_MAX;
}

static bool add_pair(struct slice content, const struct finding *finding, struct slice original,
                     const struct surrogate_key *key, struct surrogate_map *map,
                     const struct surrogate_pair **ret_pair, struct fault *fault)
{
    uint8_t *bytes = xalloc(original.len);
    struct slice surrogate = slice_of_bytes(bytes, original.len);
    unsigned salt = 0;

    do {
        if (salt == SALTS_MAX || !surrogate_make(key, finding->rule, original, salt++, bytes, fault)) {
            free(bytes);
            return salt < SALTS_MAX ? false
                                    : fault_set(fault, FAULT_LIMIT, "no stand-in is free for a value of %zu bytes (%s)",
                                                original.len, classify_rule_id(finding->rule));
        }
    } while (is_taken(map, content, surrogate, original));
    map->at = xgrow(map->at, &map->room, map->count + 1, sizeof(*map->at));
    map->at[map->count] = (struct surrogate_pair){.surrogate = surrogate,
                                                  .original = slice_of_bytes(slice_dup(original), original.len),
                                                  .rule = finding->rule,
                                                  .class = finding->class};
    *ret_pair = &map->at[map->count++];
    return true;
}

bool redact(struct slice content, const struct finding *findings, size_t count,
            const enum verdict verdicts[CLASS_COUNT], const struct surrogate_key *key,
            struct buf *ret_redacted, struct surrogate_map *map, struct fault *fault)
{
    struct surrogate_map own = {0};
    struct surrogate_map *pairs = map == NULL ? &own : map;
    size_t begin = ret_redacted->len;
    bool ok = buf_add(ret_redacted, content, fault);

    for (size_t i = 0; ok && i < count; i++) {
        const struct surrogate_pair *pair = NULL;
        struct slice original;

        if (findings[i].end > content.len || findings[i].start >= findings[i].end) {
            ok = fault_set(fault, FAULT_INVALID, "a finding outside of its content");
            break;
        }
        if (verdicts[findings[i].class] == VERDICT_ALLOW)
            continue;
        original = slice_part(content, findings[i].start, findings[i].end);
        pair = find_original(pairs, original);
        ok = pair != NULL || add_pair(content, &findings[i], original, key, pairs, &pair, fault);
        if (ok && pair != NULL)
            memcpy(ret_redacted->at + begin + findings[i].start, pair->surrogate.at, pair->surrogate.len);
    }
    surrogate_map_free(&own);
    if (!ok)
        ret_redacted->len = begin;
    return ok;
}

/* Pairs by the first two bytes of the stand-in; the longest first, so that none hides in another. */
static int longest_first(const void *a, const void *b)
{
    const struct surrogate_pair *x = *(const struct surrogate_pair *const *)a;
    const struct surrogate_pair *y = *(const struct surrogate_pair *const *)b;

    return (x->surrogate.len < y->surrogate.len) - (x->surrogate.len > y->surrogate.len);
}

static unsigned head_of(const uint8_t *at)
{
    return at[0] | (unsigned)at[1] << 8;
}

bool surrogate_restore(struct slice content, const struct surrogate_map *map,
                       struct buf *ret_restored_content, size_t *ret_restored, struct fault *fault)
{
    const struct surrogate_pair **sorted = xalloc_array(map->count, sizeof(*sorted));
    uint32_t *heads = xalloc_array(HEADS, sizeof(*heads)); /* 1 + place of the first of that head */
    uint32_t *next = xalloc_array(map->count + 1, sizeof(*next));
    size_t begin = ret_restored_content->len, restored = 0;
    bool ok = buf_add(ret_restored_content, content, fault);

    for (size_t i = 0; i < map->count; i++)
        sorted[i] = &map->at[i];
    if (map->count > 1)
        qsort(sorted, map->count, sizeof(*sorted), longest_first);
    for (size_t i = map->count; i-- > 0;) {
        if (sorted[i]->surrogate.len < 2)
            continue;
        next[i + 1] = heads[head_of(sorted[i]->surrogate.at)];
        heads[head_of(sorted[i]->surrogate.at)] = (uint32_t)i + 1;
    }
    for (size_t at = 0; ok && at + 1 < content.len; at++)
        for (uint32_t i = heads[head_of(content.at + at)]; i != 0; i = next[i]) {
            const struct surrogate_pair *pair = sorted[i - 1];

            if (!slice_starts_with(slice_part(content, at, content.len), pair->surrogate))
                continue;
            memcpy(ret_restored_content->at + begin + at, pair->original.at, pair->original.len);
            at += pair->original.len - 1;
            restored++;
            break;
        }
    free(sorted);
    free(heads);
    free(next);
    if (ok && ret_restored != NULL)
        *ret_restored = restored;
    return ok;
}
