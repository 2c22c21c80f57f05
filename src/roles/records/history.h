/*
 * roles/records/history.h - what the ledger of a state folder says, over all its shards:
 * records that match, oldest first.
 *
 * Every record comes from the ledger's bytes and is compared with the question there; the
 * index (log.db) only says where not to look. It is made and brought up to date here, by
 * whoever asks and may write; without it everything is read.
 */
#ifndef CUSTODY_ROLES_HISTORY_H
#define CUSTODY_ROLES_HISTORY_H

#include "flow/home.h"
#include "wire/record.h"

#define HISTORY_FILTERS_MAX 16
#define HISTORY_FIELDS_MAX 3
/* In place of a field: the type's name. */
#define HISTORY_TYPE ((unsigned)RECORD_FIELD_COUNT)

/* What stands for a path in RECORD_LINEAGE that is not told of. Nobody's path is that long. */
#define HISTORY_MORE "+"

/* One of the fields has the text, or matches the glob; '*' goes through '/'. */
struct history_filter {
    unsigned fields[HISTORY_FIELDS_MAX]; /* enum record_field, or HISTORY_TYPE */
    unsigned field_count;
    const char *pattern;
    bool is_glob;
    bool or_more; /* HISTORY_MORE will do, too */
};

bool history_text_matches(const struct history_filter *filter, const char *text);

struct history_question {
    struct history_filter filters[HISTORY_FILTERS_MAX]; /* all of them hold */
    size_t filter_count;
    int64_t since_us, until_us; /* written in [since, until) */
    uint64_t last;              /* only so many, the last ones; 0: all */
};

struct history_record {
    unsigned shard; /* its number, from 1 */
    bool is_only;   /* there is one shard */
    uint64_t index; /* in its shard */
    struct slice leaf;
    const struct record *record;
    const struct record_header *header;
};

struct history_options {
    uint64_t lag;        /* so many records may be read without the index: HISTORY_LAG */
    bool is_rebuilt;     /* the index is made anew first */
    bool is_plain;       /* without an index: everything is read */
    const char *archive; /* where older records lie; NULL: where each shard says */
    /* A sentence that the person should know: why something takes long. */
    void (*tell)(void *self, const char *text);
    /* While the index is made; NULL is fine. */
    void (*progress)(void *self, uint64_t done, uint64_t total);
    void *self;
};

/* Reading so many takes some ten milliseconds. */
#define HISTORY_LAG 8192

struct history;

/*
 * Opens the ledger and its index, which may take long when there is none. FAULT_MISSING: no
 * ledger. An index that is wrong, of another ledger or not writable is no failure; `tell` says
 * so.
 */
MUST_USE bool history_open(const struct home *home, const struct history_options *options,
                           struct history **ret_history, struct fault *fault);
void history_close(struct history *history); /* NULL is fine */

typedef bool history_visit(void *self, const struct history_record *record,
                           struct fault *fault);

/*
 * Calls `visit` for each record that matches. A record that cannot be read is a fault, after
 * those before it.
 */
MUST_USE bool history_each(struct history *history, const struct history_question *question,
                           history_visit *visit, void *self, struct fault *fault);
/*
 * Was all read, so far, that there should be? FAULT_MISSING names records that are missing, or
 * are in an archive that is not there now; those that have expired are none.
 */
MUST_USE bool history_all_read(struct history *history, struct fault *fault);
/* Those that have come since the last call of either. */
MUST_USE bool history_more(struct history *history, const struct history_question *question,
                           history_visit *visit, void *self, struct fault *fault);

#endif
