/* What was found in texts that were looked at before. */
#include <stdlib.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "lineage/parts.h"

bool kept_find(struct kept *kept, const struct lines_key *key, struct slice text,
               const struct stretch **ret_stretches, size_t *ret_count)
{
    const struct kept_text *text_kept;
    XXH128_hash_t hash;

    kept->is_whole = text.len >= KEPT_BYTES_MIN;
    if (!kept->is_whole)
        return false;
    if (kept->texts == NULL) {
        kept->texts = xalloc_array(KEPT_TEXTS, sizeof(*kept->texts));
        kept->age = 1;
    }
    hash = XXH3_128bits_withSecret(text.at, text.len, key->secret, sizeof(key->secret));
    kept->now.tag[0] = hash.low64;
    kept->now.tag[1] = hash.high64;
    kept->now.count = 0;
    text_kept = &kept->texts[hash.low64 % KEPT_TEXTS];
    if (text_kept->age != kept->age || text_kept->tag[0] != hash.low64 ||
        text_kept->tag[1] != hash.high64)
        return false;
    *ret_stretches = text_kept->stretches;
    *ret_count = text_kept->count;
    return true;
}

void kept_note(struct kept *kept, const struct stretch *stretch)
{
    struct kept_text *now = &kept->now;

    kept->is_whole = kept->is_whole && now->count < KEPT_STRETCHES_MAX;
    if (!kept->is_whole)
        return;
    now->stretches =
        xgrow(now->stretches, &now->room, now->count + 1, sizeof(*now->stretches));
    now->stretches[now->count++] = *stretch;
}

/* The memory of the one that goes is that of the next one. */
void kept_add(struct kept *kept)
{
    struct kept_text *place, gone;

    if (!kept->is_whole)
        return;
    place = &kept->texts[kept->now.tag[0] % KEPT_TEXTS];
    gone = *place;
    kept->now.age = kept->age;
    *place = kept->now;
    kept->now = gone;
}

void kept_forget(struct kept *kept)
{
    kept->age++;
}

void kept_free(struct kept *kept)
{
    for (size_t i = 0; kept->texts != NULL && i < KEPT_TEXTS; i++)
        free(kept->texts[i].stretches);
    free(kept->texts);
    free(kept->now.stretches);
    *kept = (struct kept){0};
}
