/*
 * roles/records/holds.h - legal holds: what nobody may expire, erase or clear away.
 *
 * The records hold.placed and hold.released are the truth; what is held is computed from them
 * each time. A hold is about a run, an erasure scope (a run's scope has the run's name, so the
 * two are compared alike), all records between two times, or everything.
 */
#ifndef CUSTODY_ROLES_HOLDS_H
#define CUSTODY_ROLES_HOLDS_H

#include "base/bytes.h"
#include "base/fault.h"
#include "wire/record.h"

struct hold {
    char *id, *person, *reason;
    char *run, *scope;       /* NULL: not about one */
    int64_t from_us, end_us; /* both 0: not about a time */
    int64_t placed_us;
    int64_t released_us;                   /* 0: it stands */
    char *released_by;                     /* NULL: it stands */
    char *release_reason, *release_digest; /* NULL: not said */
    unsigned placed_in;                    /* number of the shard that has the record */
    uint64_t placed_at;                    /* index of the record there */
    unsigned released_in;                  /* of a hold that was released */
    uint64_t released_at;
};

struct holds {
    struct hold *at; /* in the order in which they were placed */
    size_t count, room;
};

/*
 * All holds that were ever placed. FAULT_MISSING: records cannot be read, so nobody can say
 * what is held; the caller must act as if everything were.
 */
MUST_USE bool holds_read(int home_fd, struct holds *ret_holds, struct fault *fault);
void holds_free(struct holds *holds);
/* The hold that stands with this id, or NULL. */
const struct hold *holds_find(const struct holds *holds, const char *id);
/* A hold that stands and is about this record, or NULL. */
const struct hold *holds_of_record(const struct holds *holds, const struct record *record,
                                   int64_t t_us);

/* Is there a record about this run or erasure scope? */
MUST_USE bool holds_name_is_known(int home_fd, const char *name, bool *ret_is_known,
                                  struct fault *fault);

/*
 * May what belongs to `name`, a run or an erasure scope, go? False with FAULT_DENIED and the
 * hold's id where it is held; with another fault where that cannot be said. A hold of a time
 * is about it when one of its records is from that time.
 */
MUST_USE bool holds_allow_removal(int home_fd, const char *name, struct fault *fault);

#endif
