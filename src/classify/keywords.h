/*
 * classify/keywords.h - many literals, looked for in one pass. Private to classify/.
 *
 * Every second byte of a text is the first of three, which name a place in a table. A bit there says that a literal
 * has such three bytes, the next two places must say so of the bytes behind. What is left (some three places in a
 * thousand bytes of source) is compared with the literals that have these bytes.
 */
#ifndef CUSTODY_CLASSIFY_KEYWORDS_H
#define CUSTODY_CLASSIFY_KEYWORDS_H

#include "base/bytes.h"

#define KEYWORD_BYTES_MIN 3UL
#define KEYWORD_BYTES_MAX 64UL

struct keyword {
    struct slice text; /* borrowed; of KEYWORD_BYTES_MIN to KEYWORD_BYTES_MAX bytes */
    bool is_cased;     /* else letters of ASCII stand for both cases */
};

struct keywords;

/* `all` is copied, what it points at is not. Not for two texts at once: it holds what is found. */
struct keywords *keywords_new(const struct keyword *all, size_t count);
void keywords_free(struct keywords *keywords); /* NULL is fine */

/* One stands in front of `end`. False: no more. */
typedef bool keywords_sink(void *self, size_t keyword, size_t end);

/*
 * Each occurrence of each, in the order of ends, then of numbers. Time is linear in the text and in what is found.
 * False: the sink wanted no more.
 */
bool keywords_find(struct keywords *keywords, struct slice text, keywords_sink *sink, void *self);
/* The same as any processor does it; for tests. */
bool keywords_find_plainly(struct keywords *keywords, struct slice text, keywords_sink *sink,
                           void *self);

#endif
