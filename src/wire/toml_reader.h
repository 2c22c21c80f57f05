/*
 * wire/toml_reader.h - what the files that read TOML share: where they are in the text, the tree
 * that it becomes. Private to wire/toml*.c.
 */
#ifndef CUSTODY_WIRE_TOML_READER_H
#define CUSTODY_WIRE_TOML_READER_H

#include "wire/toml.h"

struct toml_reader {
    struct slice text;
    size_t at;
    int line;
    const char *where;
    size_t nodes;
    struct fault *fault;
};

/* False, with the place. */
bool toml_refuse_here(const struct toml_reader *in, const char *why);

/* ---- the tree ---- */

struct toml *toml_node(struct toml_reader *in, enum toml_type type); /* NULL: too many */
/* `key` NULL: of a list. */
void toml_add(struct toml *parent, const char *key, struct toml *child);
struct toml *toml_child(const struct toml *table, struct slice key);

/* ---- characters ---- */

int toml_peek(const struct toml_reader *in); /* -1: the end */
bool toml_is_ahead(const struct toml_reader *in, const char *word);
bool toml_take(struct toml_reader *in, const char *word);
void toml_skip_blanks(struct toml_reader *in);
void toml_skip_lines(struct toml_reader *in); /* blanks, comments and line ends */
bool toml_end_line(struct toml_reader *in);   /* nothing but a comment may come */

/* ---- texts ---- */

struct toml_quote {
    const char *mark;
    bool has_escapes, has_lines;
};

/* NULL: no text begins here. */
const struct toml_quote *toml_take_quote(struct toml_reader *in);
/* Behind its first mark, with the last one. */
bool toml_read_quoted(struct toml_reader *in, const struct toml_quote *quote, struct buf *out);

#endif
