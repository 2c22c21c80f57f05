/*
 * index/dictionary.h - the texts of all fields in memory, and what is to be added to each
 * one's list. A writer's.
 */
#ifndef CUSTODY_INDEX_DICTIONARY_H
#define CUSTODY_INDEX_DICTIONARY_H

#include "base/bytes.h"

/* What a value's row says of its list. */
struct value_state {
    uint64_t count;  /* records */
    uint64_t latest; /* ordinal of the last one */
    uint64_t last;   /* place of the last block; 0: none yet */
};

struct entry {
    unsigned field;
    uint64_t number;
    char *text;
    size_t len;
    uint64_t hash;
    struct value_state state; /* as committed */
    uint64_t first;           /* ordinals to be added: the first of them, */
    uint64_t latest;          /* the last of them, */
    uint64_t more;            /* how many, */
    struct buf differences;   /* and those behind the first */
};

struct dictionary;

struct dictionary *dictionary_new(void);
void dictionary_free(struct dictionary *dictionary); /* NULL is fine */
/* NULL: it is not there. */
struct entry *dictionary_find(struct dictionary *dictionary, unsigned field,
                              struct slice text);
struct entry *dictionary_add(struct dictionary *dictionary, unsigned field, uint64_t number,
                             struct slice text);
/* Adds an ordinal, larger than all before it; gives the bytes that it took. */
size_t dictionary_post(struct dictionary *dictionary, struct entry *entry, uint64_t ordinal);
/* The entries to which something was added, by field and number. */
struct entry **dictionary_touched(struct dictionary *dictionary, size_t *ret_count);
/* They are written: nothing is to be added any more. */
void dictionary_settle(struct dictionary *dictionary);

#endif
