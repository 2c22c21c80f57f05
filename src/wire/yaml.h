/*
 * wire/yaml.h - YAML of our own kinds of files as a small tree that remembers its places,
 * and reading it by tables of keys. Stricter than YAML: one document without `---`, no
 * anchors, aliases, tags or directives, scalar keys only, each once. Two quotes in a row (`''''`)
 * within single quotes are refused: libfyaml 0.7 reads them wrongly.
 */
#ifndef CUSTODY_WIRE_YAML_H
#define CUSTODY_WIRE_YAML_H

#include "base/bytes.h"
#include "base/fault.h"

enum yaml_type {
    YAML_SCALAR,
    YAML_SEQUENCE,
    YAML_MAPPING,
};

struct yaml {
    enum yaml_type type;
    const char *where; /* name of the file, borrowed */
    int line, column;  /* from 1 */
    char *text;        /* of a scalar; holds no NUL inside */
    size_t len;
    char **keys;           /* of a mapping, one per child */
    struct yaml *children; /* of a mapping or sequence */
    size_t count;
};

MUST_USE bool yaml_parse(struct slice text, const char *where, struct yaml **ret_root,
                         struct fault *fault);
void yaml_free(struct yaml *root); /* NULL is fine */

/* "WHERE:LINE:COLUMN: why", FAULT_INVALID; returns false. */
bool yaml_refuse(const struct yaml *node, struct fault *fault, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* One key of a mapping; `read` puts the value into the struct that is being filled. */
struct yaml_key {
    const char *name;
    bool required;
    bool (*read)(void *into, const struct yaml *node, struct fault *fault);
};

/* Refuses a key that has no row, and a mapping without a required one. */
MUST_USE bool yaml_read(const struct yaml *node, const struct yaml_key *keys, size_t key_count,
                        void *into, struct fault *fault);
/* Scalars. ret_text borrows from the tree. */
MUST_USE bool yaml_text(const struct yaml *node, const char **ret_text, struct fault *fault);
MUST_USE bool yaml_number(const struct yaml *node, int64_t min, int64_t max,
                          int64_t *ret_number, struct fault *fault);
MUST_USE bool yaml_is(const struct yaml *node, enum yaml_type type, struct fault *fault);

static inline void scope_yaml(struct yaml **root)
{
    yaml_free(*root);
}

#define AUTO_YAML __attribute__((cleanup(scope_yaml)))

#endif
