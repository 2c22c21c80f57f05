/*
 * ledger/absent.h - records whose bytes the verifier could not read, and what the log says of
 * them.
 *
 * A record archive.moved or archive.expired stands behind the records that it is about, so
 * what is missing is collected first and judged at the end.
 */
#ifndef CUSTODY_LEDGER_ABSENT_H
#define CUSTODY_LEDGER_ABSENT_H

#include "base/bytes.h"
#include "wire/record.h"

struct absent;

enum absent_kind {
    ABSENT_UNEXPLAINED, /* nothing in the log says why */
    ABSENT_MOVED,       /* the log says that they lie in an archive */
    ABSENT_EXPIRED,     /* the log says that they were kept long enough, and are gone */
};

struct absent_range {
    enum absent_kind kind;
    uint64_t first, end; /* records */
    uint64_t by;         /* index of the record that says so, or ABSENT_BY_LATER */
    int64_t by_us;       /* time of that record */
    int64_t after_us;    /* time of a record before them, 0: not known */
};

/* No profile of policy.yaml keeps archived records for less. */
#define ABSENT_KEPT_DAYS_LEAST 366

#define ABSENT_BY_LATER UINT64_MAX /* a record of a later shard */

/* What records of all shards say; shared by the shards that are read together. */
struct absent_says;
struct absent_says *absent_says_new(void);
void absent_says_free(struct absent_says *says); /* NULL is fine */

/* Of the ledger with this origin; `says` is borrowed. */
struct absent *absent_new(const char *origin, struct absent_says *says);
void absent_free(struct absent *absent); /* NULL is fine */
/* Types that absent_see is for, as a mask. */
uint64_t absent_types(void);
/* A record of this ledger; `absent` as void, for producers_watch. */
void absent_see(void *absent, uint64_t index, const struct record *record, int64_t t_us);
/* Records [first, end) could not be read; again for the same ones adds nothing. */
void absent_add(struct absent *absent, uint64_t first, uint64_t end, int64_t after_us);
/* Is it said that they have expired, and that sooner than any of them can have? */
bool absent_is_too_young(const struct absent_range *range);
bool absent_is_empty(const struct absent *absent);
/* Cuts what is absent by what is said of it so far, in order; expired counts more than moved.
 */
void absent_each(const struct absent *absent,
                 void (*each)(void *self, const struct absent_range *range), void *self);

#endif
