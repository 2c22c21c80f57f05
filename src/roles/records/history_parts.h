/* roles/records/history_parts.h - what the files of history share. */
#ifndef CUSTODY_ROLES_HISTORY_PARTS_H
#define CUSTODY_ROLES_HISTORY_PARTS_H

#include "index/index.h"
#include "ledger/shards.h"
#include "roles/records/history.h"

struct history {
    const struct home *home;
    struct history_options options;
    bool with_unsealed; /* nobody writes: the write-ahead log may have more */
    struct shard_list list;
    uint64_t *bases;     /* ordinal of the first record of each shard */
    uint64_t total;      /* sealed records of all */
    struct index *index; /* NULL: none that can be used */
    uint64_t indexed;    /* ordinals that it knows */
    struct buf arena;    /* of the record that is looked at */
    /* Where history_more goes on. */
    unsigned next_shard; /* its number */
    uint64_t next_index;
};

/* Opens the index, brings it up to date where it is far behind, and sets `index` and
 * `indexed`. */
MUST_USE bool history_use_index(struct history *history, struct fault *fault);
/* The index is not used any more: `fault` says why. */
void history_drop_index(struct history *history, const struct fault *fault);
/* Field of the index that has the record's field, or that of HISTORY_TYPE. UINT_MAX: none. */
unsigned history_index_field(unsigned field);

/* Where history_text_next is among the texts of a field; zeros first. */
struct history_cursor {
    bool begun;
    struct slice rest;
};

/*
 * The field's texts, one after another; false: there are no more. All have one at most but
 * RECORD_LINEAGE: a path each, and HISTORY_MORE where there may have been others.
 */
bool history_text_next(const struct record *record, unsigned field,
                       struct history_cursor *cursor, struct slice *ret_text);

#endif
