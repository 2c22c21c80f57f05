/*
 * classify/leafcache.h - what was found in texts that were looked through before.
 *
 * An agent sends its whole conversation again with every turn: most strings of a body are those of
 * the body before, and what is found in a text depends on nothing but text, path and rules. A text is known by
 * 128 bits under a key of its own cache (texttag.h), so that nobody who does not have the key
 * can make a text that passes for another one. Of texts nothing is kept, of findings their places and rules.
 *
 * Use, for each string of a body, decoded:
 *
 *     leafcache_scan(cache, text, path, &findings, &count, &mask, &fault)
 *
 * in place of classify_scan. What else is asked of a text (values known to this run, which become
 * more while it lasts) must be asked all the same. One cache for one process and one set of
 * rules; the key is random, made when the process starts, and never written down. A cache for what
 * agents of different runs send would tell one by its pace what another one sent: one for each run.
 */
#ifndef CUSTODY_CLASSIFY_LEAFCACHE_H
#define CUSTODY_CLASSIFY_LEAFCACHE_H

#include "classify/classify.h"

#define LEAFCACHE_KEY_BYTES 32 /* TEXTTAG_KEY_BYTES */
#define LEAFCACHE_TEXTS_MAX (1UL << 20)
#define LEAFCACHE_FINDINGS_PER_TEXT 4 /* kept, on average */
#define LEAFCACHE_FINDINGS_MAX 1024   /* a text with more is looked through each time */

struct leafcache;

/*
 * Room for about `texts` texts (at most LEAFCACHE_TEXTS_MAX): 32 bytes each, and 16 for each of
 * LEAFCACHE_FINDINGS_PER_TEXT findings. It never becomes more: what is new drives out what was not asked for
 * longest among a few.
 */
struct leafcache *leafcache_new(const uint8_t key[LEAFCACHE_KEY_BYTES], size_t texts);
void leafcache_free(struct leafcache *cache); /* NULL is fine */

/* Finds, owns and says what classify_scan does, without looking where this text was looked through
 * before under this path. Without a cache (NULL) it is classify_scan. */
MUST_USE bool leafcache_scan(struct leafcache *cache, struct slice text, struct slice path,
                             struct finding **ret_findings, size_t *ret_count,
                             unsigned *ret_class_mask, struct fault *fault);

/* How many scans were spared, and how many there were. */
struct leafcache_counts {
    uint64_t known, asked;
};
struct leafcache_counts leafcache_counts(const struct leafcache *cache);

#endif
