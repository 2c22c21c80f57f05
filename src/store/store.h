/*
 * store/store.h - runs, changes and approvals: an index for people. The ledger is the truth.
 *
 * One struct of functions, so that SQLite is one implementation. Texts that come out live in
 * the row's `arena`, which the caller frees with store_*_free.
 */
#ifndef CUSTODY_STORE_STORE_H
#define CUSTODY_STORE_STORE_H

#include "base/bytes.h"
#include "base/clock.h"
#include "base/fault.h"

#define STORE_ID_BYTES 32 /* "r-20261124-035446-7f3a" and a NUL fit */
#define STORE_REASONS_MAX 64

struct store_run {
    const char *id;
    const char *repository; /* absolute path */
    const char *base;       /* commit */
    const char *branch;     /* that base was on; "" when detached */
    const char *state;      /* flow's word */
    int64_t started_us;
    int64_t ended_us; /* 0: still going */
    const char *requester;
    const char *agent;
    const char *policy;  /* digest */
    const char *reasons; /* words separated by spaces */
    int64_t tokens;
    int64_t cost_micro_usd;
    int64_t pid; /* core's process while it runs, else 0 */
};

struct store_change {
    const char *id;
    const char *run;
    const char *repository;
    const char *branch; /* custody/RUN */
    const char *into;   /* branch that it is for */
    const char *state;  /* change/states.h */
    const char *base, *head, *tree;
    int64_t files, lines;
    const char *reasons; /* words separated by spaces */
    const char *requester;
    const char *policy; /* digest */
    const char *zones;  /* words separated by spaces */
    const char *diff;   /* SHA-256 of the patch */
    const char *landed; /* commit, or "" */
    int64_t needed;     /* approvals */
    int64_t made_us;
};

struct store_approval {
    const char *change;
    const char *person;
    const char *tree, *base;
    const char *digest;    /* of the statement */
    const char *statement; /* the bytes that were signed */
    const char *signature;
    int64_t time_us;
    bool is_void;
};

struct store;

/* Makes the database where it is missing. Cheap: < 2 ms. */
MUST_USE bool store_open(const char *path, struct store **ret_store, struct fault *fault);
void store_close(struct store *store); /* NULL is fine */
/*
 * Writes a whole copy to `path`, which must not be there, while others read and write.
 */
MUST_USE bool store_copy(struct store *store, const char *path, struct fault *fault);

/* Inserts, or replaces the row of that id. */
MUST_USE bool store_put_run(struct store *store, const struct store_run *run,
                            struct fault *fault);
MUST_USE bool store_put_change(struct store *store, const struct store_change *change,
                               struct fault *fault);
/*
 * Compare-and-swap of a change's state; `landed` may be NULL. FAULT_CONFLICT: it is not
 * `from`.
 */
MUST_USE bool store_step_change(struct store *store, const char *id, const char *from,
                                const char *to, const char *landed, struct fault *fault);
/* FAULT_CONFLICT: that person's valid approval of that tree is there already. */
MUST_USE bool store_add_approval(struct store *store, const struct store_approval *approval,
                                 struct fault *fault);
MUST_USE bool store_void_approvals(struct store *store, const char *change, size_t *ret_count,
                                   struct fault *fault);

/* Rows are valid during the call only. `each` returning false ends the walk with its fault. */
typedef bool store_run_each(void *self, const struct store_run *run, struct fault *fault);
typedef bool store_change_each(void *self, const struct store_change *change,
                               struct fault *fault);
typedef bool store_approval_each(void *self, const struct store_approval *approval,
                                 struct fault *fault);

/* Newest first. `id` NULL: all; a unique beginning of an id is enough. ret_count may be NULL.
 */
MUST_USE bool store_runs(struct store *store, const char *id, store_run_each *each, void *self,
                         size_t *ret_count, struct fault *fault);
MUST_USE bool store_changes(struct store *store, const char *id, store_change_each *each,
                            void *self, size_t *ret_count, struct fault *fault);
MUST_USE bool store_approvals(struct store *store, const char *change,
                              store_approval_each *each, void *self, size_t *ret_count,
                              struct fault *fault);

/*
 * "r-20261124-035446-7f3a": time-ordered, lower case. `kind` is 'r' or 'c'; `random` are two
 * bytes that the caller drew.
 */
void store_id(char kind, int64_t now_us, const uint8_t random[2], char ret_id[STORE_ID_BYTES]);

#endif
