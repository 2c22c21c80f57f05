/* classify/import/parts.h - what import*.c share. Private to classify/import/. */
#ifndef CUSTODY_CLASSIFY_IMPORT_PARTS_H
#define CUSTODY_CLASSIFY_IMPORT_PARTS_H

#include "classify/import/import.h"
#include "classify/import/pattern.h"
#include "wire/toml.h"

#define IMPORT_EXAMPLE_BYTES_MAX 16000UL

/* What a rule of that form becomes. */
struct import_draft {
    const struct toml *from;
    const char *id; /* as that file has it */
    char *own_id;
    struct pattern pattern;
    struct buf text; /* the pattern with its value named */
    struct buf except[EXCEPT_COUNT];
    struct texts keywords, stop;
    struct literals *derived; /* keywords that were not given */
    struct buf example;       /* a template, where none was given */
    double entropy;
    bool is_sure;
};

/* The file. What its own allowlists lose is said once. */
struct import_file {
    const struct toml *root;
    struct import *import;
    bool is_global, was_said;
};

/* ---- import.c ---- */

void import_note(struct import *import, enum import_kind kind, const char *rule, int line,
                 const char *format, ...) __attribute__((format(printf, 5, 6)));

/* ---- import_read.c: keys of a table. FAULT_INVALID: of another type ---- */

struct slice import_text_of(const struct toml *node);
/* A text, or NULL where there is none. */
MUST_USE bool import_read_text(const struct toml *table, const char *key,
                               const char **ret_text, struct fault *fault);
/* A list of texts, or NULL. */
MUST_USE bool import_read_list(const struct toml *table, const char *key,
                               const struct toml **ret_list, struct fault *fault);
/* A number from 0 to `most`; 0 where there is none. */
MUST_USE bool import_read_number(const struct toml *table, const char *key, double most,
                                 double *ret_number, struct fault *fault);
void import_add_text(struct texts *texts, struct slice text);

/* ---- import_write.c: keys of a rule of ours; nothing where they are empty ---- */

MUST_USE bool import_put_text(struct buf *yaml, const char *key, struct slice text,
                              struct fault *fault);
MUST_USE bool import_put_list(struct buf *yaml, const char *key, const struct texts *texts,
                              struct fault *fault);

/* ---- import_pattern.c ---- */

/* The draft's pattern, with its value named. */
MUST_USE bool import_read_pattern(struct import_draft *draft, struct import *import,
                                  const char *regex, struct fault *fault);
MUST_USE bool import_check_pattern(struct slice pattern, struct fault *fault);
/* Those that are given, else what the pattern always holds. False: there is nothing. */
bool import_choose_keywords(struct import_draft *draft, const struct toml *given);
bool import_has_keyword(const struct import_draft *draft, struct slice text,
                        size_t match_start);

/* ---- import_allow.c ---- */

/* The allowlists of the rule and of the file. */
MUST_USE bool import_read_exceptions(struct import_file *file, struct import_draft *draft,
                                     struct fault *fault);

/* ---- import_example.c ---- */

/* With the keywords that are given, or where no match holds them with those of the pattern.
 * ret_is_apart: there is one, but neither is in it. */
bool import_find_example(struct import_draft *draft, const struct toml *given,
                         bool *ret_is_apart);

#endif
