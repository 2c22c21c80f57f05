/* agent/engine_parts.h - private to agent/engine*.c. */
#ifndef CUSTODY_AGENT_ENGINE_PARTS_H
#define CUSTODY_AGENT_ENGINE_PARTS_H

#include "agent/engine.h"

/* The files of data/engines, compiled in by tools/embed-files. */
struct engine_embedded {
    const char *name; /* "codex.yaml" */
    const uint8_t *at;
    size_t len;
};

extern const struct engine_embedded engine_embedded[];
extern const size_t engine_embedded_count;

/* What {word} may be without a dialect's own words. `name` is NULL behind the last. */
extern const char *const engine_placeholders[];

/*
 * Finds the next {word} at or after `from`: false where there is none. A brace that does not
 * enclose [a-z_]+ is plain text, so that JSON and TOML need no escapes.
 */
bool engine_next_placeholder(struct slice text, size_t from, size_t *ret_start,
                             size_t *ret_end, struct slice *ret_word);
/* Value of `name`, or NULL. */
const char *engine_pairs_find(const struct engine_pairs *pairs, struct slice name);
void engine_pairs_add(struct engine_pairs *pairs, const char *name, const char *value);
void engine_pairs_free(struct engine_pairs *pairs);
void engine_texts_add(struct engine_texts *texts, const char *text);
/* Below some folder: relative, without "." and "..", no empty part. */
bool engine_path_stays_below(struct slice path);
bool engine_name_is_valid(struct slice name);

#endif
