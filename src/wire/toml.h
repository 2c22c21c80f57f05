/*
 * wire/toml.h - TOML 1.0 of other programs' files of rules as a small tree. Debian has no library
 * for it in C. Stricter than TOML: UTF-8 without control characters, no dates, no numbers but
 * decimal ones, no infinity; limits on depth, nodes and size.
 */
#ifndef CUSTODY_WIRE_TOML_H
#define CUSTODY_WIRE_TOML_H

#include "base/bytes.h"
#include "base/fault.h"

#define TOML_BYTES_MAX (4UL << 20)

enum toml_type {
    TOML_TEXT,
    TOML_NUMBER,
    TOML_FLAG,
    TOML_LIST,
    TOML_TABLE,
};

struct toml {
    enum toml_type type;
    const char *where; /* name of the file, borrowed */
    int line;          /* from 1 */
    char *text;        /* of a text; holds no NUL inside */
    size_t len;
    double number;
    bool flag;
    bool is_closed;  /* written as a value: nothing can be added */
    bool has_header; /* a table that has had its own [header]; a list of [[headers]] */
    char **keys;     /* of a table, one per child */
    struct toml **children;
    size_t count, room;
};

/* FAULT_INVALID and FAULT_LIMIT say "WHERE:LINE: why". */
MUST_USE bool toml_parse(struct slice text, const char *where, struct toml **ret_root,
                         struct fault *fault);
void toml_free(struct toml *root); /* NULL is fine */

/* NULL: the table has no such key. */
const struct toml *toml_find(const struct toml *table, const char *key);

/* "WHERE:LINE: why", FAULT_INVALID; returns false. */
bool toml_refuse(const struct toml *node, struct fault *fault, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

static inline void scope_toml(struct toml **root)
{
    toml_free(*root);
}

#define AUTO_TOML __attribute__((cleanup(scope_toml)))

#endif
