/*
 * classify/rules.h - the rule set: what it says, and how it gets into a process.
 *
 * Rules are YAML (data/rules/, built in; and the user's own files of the same form). They are
 * read and checked once, by rules_image_make, into an image: the rules in a flat form. Whoever
 * classifies uses an image (rules_use), which makes what keywords are found by; the caller keeps
 * it on disk under rules_key. Nothing here reads or writes a file.
 */
#ifndef CUSTODY_CLASSIFY_RULES_H
#define CUSTODY_CLASSIFY_RULES_H

#include "classify/classify.h"

#define RULES_MAX 8192
#define RULES_TEXTS_MAX 1024                  /* files of rules */
#define RULES_TEXT_BYTES_MAX (4UL << 20)      /* of one file */
#define RULES_IMAGE_BYTES_MAX (64UL << 20)
#define RULES_KEY_LEN 64                      /* hex */

/* A file of rules. */
struct rules_text {
    const char *name; /* for messages */
    const uint8_t *yaml;
    size_t len;
};

/* data/rules, in order of name. */
extern const struct rules_text rules_built_in[];
extern const size_t rules_built_in_count;

/*
 * Names the image of these files (the user's, in order; the built-in ones are always in front): hex
 * of SHA-256. Reads no YAML.
 */
void rules_key(const struct rules_text *texts, size_t count, char ret_key[RULES_KEY_LEN + 1]);

/*
 * Reads and checks, and tries every example. FAULT_INVALID says "FILE:LINE:COLUMN: why" of
 * the first rule that is wrong: an unknown or missing key, a pattern that does not compile, a keyword below three
 * bytes, an example that is not found as this rule, a counterexample that is.
 */
MUST_USE bool rules_image_make(const struct rules_text *texts, size_t count,
                               struct buf *ret_image, struct fault *fault);

/*
 * From now on this process, and what it forks, classifies by the image. Its bytes may be freed.
 * FAULT_INVALID: it is damaged, or not the image of that key; what was in use stays.
 */
MUST_USE bool rules_use(struct slice image, const char *key, struct fault *fault);

/*
 * Makes an image and uses it: for tests, tools and `custody rules check`. What was not given an
 * image uses the built-in rules so, when it is first asked to classify.
 */
MUST_USE bool rules_use_texts(const struct rules_text *texts, size_t count,
                              struct fault *fault);

/*
 * All patterns of the rules in use become machine code at once, some 25 ms, where this process may
 * run memory that it has written: for who has much to look into.
 */
void rules_make_code(void);
/* None is made from now on, and its memory is left alone: it may be closed (isolate_made_code). Is
 * there any? */
bool rules_end_code(void);

#endif
