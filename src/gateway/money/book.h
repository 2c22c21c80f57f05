/*
 * gateway/money/book.h - what runs, agents, people and repositories have spent: one account each
 * (and for a day, UTC), shared by all gateways of a host.
 *
 * Before a call an upper bound is reserved in every account that it counts for, after it what
 * was spent is settled: all of them or none, in one step, so that runs at the same time never
 * pass a limit together. Whoever dies has what its calls had used so far settled by the others,
 * and the rest released (a lock on the file says who lives). All amounts are whole numbers.
 *
 * The file is changed in microseconds. Where another process holds it for a second (it was
 * stopped in the middle) each function that can is a FAULT_IO.
 */
#ifndef CUSTODY_GATEWAY_BOOK_H
#define CUSTODY_GATEWAY_BOOK_H

#include "base/bytes.h"
#include "gateway/money/amounts.h"

enum book_kind {
    BOOK_RUN,            /* of its id */
    BOOK_AGENT_DAY,      /* role@repository */
    BOOK_PERSON_DAY,     /* id of the requester */
    BOOK_REPOSITORY_DAY, /* path */
    BOOK_KIND_COUNT,
};

#define BOOK_ACCOUNTS_MAX BOOK_KIND_COUNT
#define BOOK_FILE "budgets" /* below the state folder */

const char *book_kind_name(enum book_kind kind); /* the policy's: run, agent_day, ... */

struct book_account {
    enum book_kind kind;
    const char *whose;    /* borrowed until book_open returns */
    struct amounts limit; /* 0: none */
};

struct book;

/* Opens (and makes) the file below the state folder. Each gateway needs an open of its own. */
MUST_USE bool book_file_open(int home, int *ret_fd, struct fault *fault);
/*
 * `fd` is taken; -1: a book of this process alone. `holder` is the run's id. Calls of this book
 * count for all `accounts` (at most BOOK_ACCOUNTS_MAX). FAULT_INVALID: the file is damaged or
 * another version's. Needs no file by name afterwards.
 */
MUST_USE bool book_open(int fd, const char *holder, const struct book_account *accounts,
                        size_t count, struct book **ret_book, struct fault *fault);
/* Settles what is still open as what was metered. NULL is fine. */
void book_close(struct book *book);

/* FAULT_LIMIT names the account of which nothing is left. `now_us` is the wall clock. */
MUST_USE bool book_check(struct book *book, int64_t now_us, struct fault *fault);
/*
 * Reserves `want`, or where the accounts hold less, that, but no less than `least`. FAULT_LIMIT
 * names the account that does not hold it; nothing was reserved then.
 *   ret_id       of the reservation, until it is settled
 *   ret_granted  what it holds
 */
MUST_USE bool book_reserve(struct book *book, int64_t now_us, const struct amounts *want,
                           const struct amounts *least, uint32_t *ret_id,
                           struct amounts *ret_granted, struct fault *fault);
/* Adds to a reservation, in the accounts that it is in (of the day when it was made). */
MUST_USE bool book_extend(struct book *book, uint32_t id, const struct amounts *want,
                          const struct amounts *least, struct amounts *ret_granted,
                          struct fault *fault);
/* What the call has used so far: what is settled for it if this process dies. */
void book_meter(struct book *book, uint32_t id, const struct amounts *used);
/* Ends a reservation. What was spent counts even where it is more than was reserved. */
void book_settle(struct book *book, uint32_t id, const struct amounts *spent);
/* Asks the kernel to begin writing the file back; waits for nothing. */
void book_flush(struct book *book);

/* One account, as it stands. */
struct book_line {
    enum book_kind kind;
    int32_t day;       /* since 1970-01-01, UTC */
    const char *whose; /* its last bytes, where it is long */
    struct amounts limit, spent, reserved;
};

/* Every account of the file below the state folder; where there is no file, none. */
MUST_USE bool book_each(int home,
                        bool (*each)(void *self, const struct book_line *line,
                                     struct fault *fault),
                        void *self, struct fault *fault);

/* The bytes of the file below the state folder, between two changes, for a backup: who opens a copy
 * has what its holders had open settled. Where there is no file, none. */
MUST_USE bool book_bytes(int home, struct buf *ret_bytes, struct fault *fault);

/* All reservations there ever were: reserved == settled + released + open, in each kind. */
struct book_sums {
    struct amounts reserved;
    struct amounts settled;  /* within what was reserved */
    struct amounts released; /* reserved and not needed */
    struct amounts beyond;   /* spent without having been reserved */
    struct amounts open;     /* reserved now */
};
struct book_sums book_sums(struct book *book);

#endif
