/*
 * classify/engine.h - looks for everything that the rules say in one text. Private to classify/.
 *
 * What is found depends on the bytes around it only: ENGINE_BEFORE in front of a candidate and
 * ENGINE_AFTER behind it. So a text may be looked at in stretches.
 */
#ifndef CUSTODY_CLASSIFY_ENGINE_H
#define CUSTODY_CLASSIFY_ENGINE_H

#include "classify/findings.h"
#include "classify/loaded.h"
#include "classify/reading.h"

#define ENGINE_AFTER 16384UL /* the longest value */
#define ENGINE_BEFORE 512UL

/* What is known of a text and stays the same over its stretches. */
struct engine {
    struct rules *rules;
    struct findings *findings;
    bool is_text;         /* else bytes: what needs no words around it */
    bool has_bare_values; /* settings: values stand without quotes */
    size_t *done_to;      /* by rule: no match begins before, in the text as a whole */
    uint64_t work, work_max; /* bytes that patterns were tried on */
    bool is_exhausted;    /* work is used up: not all was looked for */
};

/* A stretch: candidates (of a number, its first group) that end in (from, to] of `text`, which is
 * the whole from `base` on. */
struct stretch {
    struct slice text;
    size_t base;
    size_t from, to;
    bool is_begin, is_end; /* of the whole text */
    const struct reading *reading; /* for elements; may be NULL */
};

void engine_begin(struct engine *engine, struct rules *rules, struct findings *findings);
void engine_end(struct engine *engine);
/* More of the whole text has come: what may be spent on it. */
void engine_allow(struct engine *engine, size_t bytes);

/* Spends that; false: it is used up, and is_exhausted is set. */
bool engine_may_work(struct engine *engine, size_t bytes);

void engine_look(struct engine *engine, const struct stretch *stretch);

/* ---- between its parts ---- */

/* A value of a rule: by validator, entropy, placeholders and context it is found, or not. */
void engine_judge(struct engine *engine, const struct stretch *stretch, uint16_t rule,
                  size_t start, size_t end);
/* The whole value that is assigned to a name around [start, end). */
void engine_assigned(struct engine *engine, const struct stretch *stretch, uint16_t rule,
                     size_t start, size_t end);
/* Is this name one that secrets have, by this rule? */
bool engine_is_secret_name(const struct rule *rule, struct slice name);
/* Does a value say nothing, so that beside a secret's name it is one? */
bool engine_is_random_enough(struct slice value);
/* So random that it need be neither quoted nor behind an operator: hexadecimal, a UUID, or letters
 * and digits well mixed. */
bool engine_is_plainly_random(struct slice value);
/* Letters and digits, with the marks of passwords: where a line is an assignment and nothing more. */
bool engine_is_mixed(struct slice value);
/* Small and capital letters with digits, as a password has to have: beside its name nearly anywhere. */
bool engine_is_password(struct slice value);

/* A value that stands further from its name than behind an operator: behind a type or a constructor, in an
 * element, in a table of prose. */
struct wrapped {
    size_t start, end;
    bool is_loose; /* only words join it to its name: it must look like a password */
};
bool engine_wrapped_value(const struct stretch *stretch, size_t behind_name,
                          struct wrapped *ret_value);

/* Is this value what is assigned to such a name? */
bool engine_is_secret_value(struct engine *engine, uint16_t rule, struct slice value);

/* Tenths of log-odds that words around a value are worth; ret_has_context: one of the rule's is
 * there. */
int engine_context(const struct rule *rule, const struct stretch *stretch, size_t start,
                   size_t end, bool *ret_has_context);

/* Elements that rules name by key or position. */
void engine_elements(struct engine *engine, const struct stretch *stretch);

/* Cells of a table whose column speaks for them, by what was found (from `first` on) of the others.
 * Once a whole text. */
void engine_columns(struct engine *engine, const struct stretch *stretch, size_t first);

/* The name of the innermost element around a place; empty where there is none. */
struct slice engine_element_name(const struct stretch *stretch, size_t at);

#endif
