/*
 * index/index.h - which records have a text in a field, and about when they were written: an
 * SQLite file that may be deleted at any time.
 *
 * A record is known by its ordinal, its number over all shards. For each text that a field has
 * had there is a list of ordinals, in blocks of differences; no record and no position of one
 * on disk is kept. So a row of the index can name a record too many (whoever reads it sees
 * that it does not match) or too few. Against too few, by accident: every row has a checksum,
 * dictionaries have no gap, and each block names the one before. What is found wrong is
 * FAULT_INVALID. Against somebody who writes a false index on purpose there is only making it
 * anew.
 *
 * One process writes (PATH.lock), in transactions; any number read, and need not be able to
 * write.
 */
#ifndef CUSTODY_INDEX_INDEX_H
#define CUSTODY_INDEX_INDEX_H

#include "base/bytes.h"

#define INDEX_FIELDS_MAX 24
#define INDEX_ROOT_BYTES 32
#define INDEX_ORIGIN_BYTES_MAX 255
#define INDEX_SHARDS_MAX 10000

struct index;

/* An index that was made for other fields is of no use: FAULT_INVALID. */
struct index_schema {
    const char *const *fields; /* their names */
    unsigned field_count;      /* at most INDEX_FIELDS_MAX */
    uint64_t values_max; /* texts of a field; one that has more is not indexed. 0: millions */
};

/* What was indexed of a shard: the tree of `size` records with that root. */
struct index_shard {
    char origin[INDEX_ORIGIN_BYTES_MAX + 1];
    uint64_t base; /* ordinal of its first record */
    uint64_t size;
    uint8_t root[INDEX_ROOT_BYTES];
};

enum index_access {
    INDEX_READ,
    INDEX_WRITE,  /* one that is there */
    INDEX_REPLACE /* a new one; what was there is gone */
};

/*
 * Opens the index at `path` (absolute). FAULT_MISSING: there is none. FAULT_INVALID: damaged,
 * of another version or other fields; replace it. FAULT_CONFLICT: another process writes.
 * FAULT_DENIED: not writable, or an interrupted change has to be undone by one who may write.
 */
MUST_USE bool index_open(const char *path, const struct index_schema *schema,
                         enum index_access access, struct index **ret_index,
                         struct fault *fault);
void index_close(struct index *index); /* NULL is fine; what was not committed is gone */

uint64_t index_size(const struct index *index); /* ordinals; with those not committed yet */
/* The shards that it knows, oldest first; valid until the next commit. */
const struct index_shard *index_shards(const struct index *index, size_t *ret_count);

/* A field's text in a record. */
struct index_term {
    unsigned field;
    struct slice text;
};

/*
 * Adds the next record. FAULT_LIMIT: more records than an index can hold.
 */
MUST_USE bool index_add(struct index *index, int64_t time_us, const struct index_term *terms,
                        size_t count, struct fault *fault);
/* One that could not be read: every question will be answered with it, too. */
MUST_USE bool index_add_unreadable(struct index *index, struct fault *fault);
/* Enough was added that it should be committed. */
bool index_is_loaded(const struct index *index);
/* Makes it durable. `shard` is the last one: as it was before, grown, or a new one. */
MUST_USE bool index_commit(struct index *index, const struct index_shard *shard,
                           struct fault *fault);

/* Records that have one of some texts. */
struct index_set {
    struct index_value *values; /* index_set_free */
    size_t count, room;
    uint64_t records; /* that have them, about */
    bool is_unknown;  /* a field of them is not indexed */
};

/* Adds the texts of `field` that match. */
MUST_USE bool index_match(struct index *index, unsigned field,
                          bool (*matches)(void *self, const char *text), void *self,
                          struct index_set *set, struct fault *fault);
void index_set_free(struct index_set *set);

struct index_question {
    const struct index_set *sets; /* in each of them; at most INDEX_FIELDS_MAX */
    size_t count;
    int64_t since_us, until_us; /* written in [since, until) */
};

/*
 * Sets bit i of `bits` (zeroed by this) for each ordinal `from` + i below `to` that may be an
 * answer; whoever reads the record sees whether it is one. What is no answer may be among
 * them, what is one is never left out.
 */
MUST_USE bool index_answer(struct index *index, const struct index_question *question,
                           uint64_t from, uint64_t to, uint64_t *bits, struct fault *fault);

#endif
