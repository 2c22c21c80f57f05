#include "classify/leafcache.h"

#include <stdlib.h>

#include "classify/texttag.h"

#define WAYS 4 /* places that a text may be in, the one asked for last first */

/* A finding, as it is kept. */
struct place {
    uint32_t start, end;
    uint16_t rule;
    uint8_t class, confidence, form, reserved[3];
};

struct leaf {
    struct texttag tag;
    struct place *places; /* owned; NULL: nothing was found */
    uint32_t count;
    uint16_t class_mask;
    bool is_used;
};

struct leafcache {
    struct texttag_key key;
    struct leaf (*sets)[WAYS];
    size_t mask;              /* sets, less 1 */
    size_t places, places_max; /* in all leaves */
    struct leafcache_counts counts;
};

struct leafcache *leafcache_new(const uint8_t key[LEAFCACHE_KEY_BYTES], size_t texts)
{
    struct leafcache *cache = xalloc(sizeof(*cache));
    size_t sets = 1;

    while (sets * WAYS < texts && sets * WAYS < LEAFCACHE_TEXTS_MAX)
        sets *= 2;
    cache->mask = sets - 1;
    cache->sets = xalloc_array(sets, sizeof(*cache->sets));
    cache->places_max = sets * WAYS * LEAFCACHE_FINDINGS_PER_TEXT;
    texttag_key_make(key, &cache->key);
    return cache;
}

void leafcache_free(struct leafcache *cache)
{
    if (cache == NULL)
        return;
    for (size_t set = 0; set <= cache->mask; set++)
        for (size_t i = 0; i < WAYS; i++)
            free(cache->sets[set][i].places);
    free(cache->sets);
    explicit_bzero(&cache->key, sizeof(cache->key));
    free(cache);
}

static struct leaf *set_of(const struct leafcache *cache, const struct texttag *tag)
{
    return cache->sets[tag->words[0] & cache->mask];
}

/* Moves it to the front of its set. False: it is not there. */
static bool bring_forward(struct leaf set[WAYS], const struct texttag *tag)
{
    for (size_t at = 0; at < WAYS; at++)
        if (set[at].is_used && memcmp(&set[at].tag, tag, sizeof(*tag)) == 0) {
            struct leaf leaf = set[at];

            memmove(set + 1, set, at * sizeof(*set));
            set[0] = leaf;
            return true;
        }
    return false;
}

static void recall(const struct leaf *leaf, struct finding **ret_findings, size_t *ret_count,
                   unsigned *ret_class_mask)
{
    *ret_findings = leaf->count == 0 ? NULL : xalloc_array(leaf->count, sizeof(**ret_findings));
    for (size_t i = 0; i < leaf->count; i++)
        (*ret_findings)[i] = (struct finding){.start = leaf->places[i].start,
                                              .end = leaf->places[i].end,
                                              .class = (enum data_class)leaf->places[i].class,
                                              .rule = leaf->places[i].rule,
                                              .confidence = leaf->places[i].confidence,
                                              .form = leaf->places[i].form};
    *ret_count = leaf->count;
    *ret_class_mask = leaf->class_mask;
}

/* The last one of the set goes. */
static void keep(struct leafcache *cache, struct leaf set[WAYS], const struct texttag *tag,
                 const struct finding *findings, size_t count, unsigned class_mask)
{
    struct leaf leaf = {.tag = *tag,
                        .count = (uint32_t)count,
                        .class_mask = (uint16_t)class_mask,
                        .is_used = true};

    if (count > LEAFCACHE_FINDINGS_MAX || count > cache->places_max - cache->places)
        return;
    if (count > 0)
        leaf.places = xalloc_array(count, sizeof(*leaf.places));
    for (size_t i = 0; i < count; i++)
        leaf.places[i] = (struct place){.start = (uint32_t)findings[i].start,
                                        .end = (uint32_t)findings[i].end,
                                        .rule = findings[i].rule,
                                        .class = (uint8_t)findings[i].class,
                                        .confidence = findings[i].confidence,
                                        .form = findings[i].form};
    cache->places += count;
    cache->places -= set[WAYS - 1].count;
    free(set[WAYS - 1].places);
    memmove(set + 1, set, (WAYS - 1) * sizeof(*set));
    set[0] = leaf;
}

bool leafcache_scan(struct leafcache *cache, struct slice text, struct slice path,
                    struct finding **ret_findings, size_t *ret_count, unsigned *ret_class_mask,
                    struct fault *fault)
{
    struct leaf *set;
    struct texttag tag;

    _Static_assert(CLASS_COUNT <= 16, "a mask of classes is kept in so many bits");
    _Static_assert(LEAFCACHE_KEY_BYTES == TEXTTAG_KEY_BYTES, "a key is a key");
    if (cache == NULL)
        return classify_scan(text, path, ret_findings, ret_count, ret_class_mask, fault);
    tag = texttag_of(&cache->key, text, path);
    set = set_of(cache, &tag);
    cache->counts.asked++;
    if (bring_forward(set, &tag)) {
        cache->counts.known++;
        recall(&set[0], ret_findings, ret_count, ret_class_mask);
        return true;
    }
    if (!classify_scan(text, path, ret_findings, ret_count, ret_class_mask, fault))
        return false;
    keep(cache, set, &tag, *ret_findings, *ret_count, *ret_class_mask);
    return true;
}

struct leafcache_counts leafcache_counts(const struct leafcache *cache)
{
    return cache->counts;
}
