/* index/index_parts.h - what the files of index/ share. */
#ifndef CUSTODY_INDEX_INDEX_PARTS_H
#define CUSTODY_INDEX_INDEX_PARTS_H

#include <sqlite3.h>

#include "index/dictionary.h"
#include "index/index.h"

/*
 * A value's id is its field (from 1) and its number in it; a block's place is the id and the
 * first ordinal in it. So the blocks of a value stand together, in order.
 */
#define ORDINAL_BITS 36
#define VALUE_BITS 22
#define ORDINALS_MAX (UINT64_C(1) << ORDINAL_BITS)
#define VALUES_MAX (UINT64_C(1) << VALUE_BITS)
#define SPAN_BITS 12 /* a span is 4096 ordinals with their first and last time */

static inline uint64_t value_id(unsigned field, uint64_t number)
{
    return (uint64_t)(field + 1) << VALUE_BITS | number;
}

static inline uint64_t block_place(uint64_t id, uint64_t ordinal)
{
    return id << ORDINAL_BITS | ordinal;
}

enum index_sql {
    SQL_BEGIN,
    SQL_COMMIT,
    SQL_ABOUT,
    SQL_PUT_ABOUT,
    SQL_SHARDS,
    SQL_PUT_SHARD,
    SQL_FIELDS,
    SQL_PUT_FIELD,
    SQL_VALUES,
    SQL_PUT_VALUE,
    SQL_BLOCK,
    SQL_BLOCKS,
    SQL_PUT_BLOCK,
    SQL_SPANS,
    SQL_PUT_SPAN,
    SQL_COUNT,
};

struct field {
    uint64_t value_count;
    bool is_full; /* too many texts: not indexed */
};

struct span {
    int64_t low_us, high_us;
};

struct index {
    sqlite3 *database;
    sqlite3_stmt *statements[SQL_COUNT];
    int lock; /* -1: reads */
    const char *const *names;
    unsigned field_count; /* the last is ours: records that could not be read */
    uint64_t values_max;
    struct field fields[INDEX_FIELDS_MAX + 1];
    struct index_shard *shards;
    size_t shard_count, shard_room;
    uint64_t size; /* with what is not committed */
    /* Of a writer. */
    struct dictionary *dictionary;
    struct span *spans; /* not committed: from the one that `committed` is in */
    size_t span_count, span_room;
    uint64_t committed;
    size_t pending_bytes;
};

/* The statement, reset and ready to be bound; NULL with a fault. */
sqlite3_stmt *index_statement(struct index *index, enum index_sql which, struct fault *fault);
/* FAULT by SQLite's last error. */
bool index_failed(struct index *index, const char *what, struct fault *fault);
/* Runs a bound statement that gives no rows. */
MUST_USE bool index_run(struct index *index, sqlite3_stmt *statement, struct fault *fault);
bool index_damaged(const char *what, struct fault *fault);
#define index_damaged(...) ((void)(index_damaged)(__VA_ARGS__), false)

/* Writes the rows that say how much there is. */
MUST_USE bool index_put_state(struct index *index, struct fault *fault);

/* CRC-32 over the numbers and the bytes of a row. */
int64_t index_checksum(const uint64_t *numbers, size_t count, struct slice bytes);

struct value_row {
    uint64_t number;
    const char *text;
    struct value_state state;
};
/* Each text of `field`, in order; damage is found. */
MUST_USE bool index_each_value(struct index *index, unsigned field,
                               bool (*each)(void *self, const struct value_row *row,
                                            struct fault *fault),
                               void *self, struct fault *fault);
/* Spans [first, first + count) into `spans`. */
MUST_USE bool index_read_spans(struct index *index, uint64_t first, size_t count,
                               struct span *spans, struct fault *fault);

#endif
