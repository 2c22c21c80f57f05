/* roles/guard/parts.h - what the files of the guard share. Private to roles/guard/. */
#ifndef CUSTODY_ROLES_GUARD_PARTS_H
#define CUSTODY_ROLES_GUARD_PARTS_H

#include <seccomp.h>

#include "roles/guard/caller.h"
#include "roles/guard/fifo.h"
#include "roles/guard/files.h"
#include "roles/guard/guard.h"
#include "roles/guard/programs.h"
#include "roles/guard/reach.h"
#include "roles/guard/refusals.h"
#include "roles/guard/seen.h"

#define GUARD_ROWS 11 /* of calls that are handled */

struct ledger_client;

struct guard {
    const struct guard_config *config;
    struct ledger_client *ledger;
    struct seen *seen;
    struct programs *programs;
    struct files *files; /* NULL: a view serves them */
    struct reach reach;  /* from the first call on */
    struct fifos fifos;
    struct refusals *refusals;
    int listener, host_proc, cell_proc;
    int result; /* of GUARD_RESULT */
    uint64_t programs_recorded;
    int numbers[GUARD_ROWS];
    struct seccomp_notif *call;
    struct seccomp_notif_resp *answer;
    struct buf path, whole, arguments, head, text;
    struct fault fault; /* a record could not be made: the guard ends */
};

/* How a call goes on. */
enum guard_verdict {
    GUARD_CONTINUE, /* the kernel does it */
    GUARD_REFUSE,   /* the errno that is set is its result */
    GUARD_RESULT,   /* guard->result is */
    GUARD_ANSWERED, /* it has its answer, will get it later, or is gone */
    GUARD_END,      /* no record, no action: the guard ends, and with it the cell */
};

/* One call that a cell hands over; the descriptors of `caller` are open. */
typedef enum guard_verdict guard_handler(struct guard *guard, struct caller *caller,
                                         int *ret_error);

/* exec.c */
guard_handler guard_execve, guard_execveat;
/* open.c */
guard_handler guard_open, guard_openat, guard_creat;

/* shared.c */
guard_handler guard_connect, guard_chmod, guard_fchmod, guard_fchmodat, guard_fchmodat2,
    guard_utimensat;

/* What openat takes, and openat2 refuses to see more of. */
#define GUARD_OPEN_FLAGS                                                                      \
    (O_ACCMODE | O_CREAT | O_EXCL | O_NOCTTY | O_TRUNC | O_APPEND | O_NONBLOCK | O_SYNC |     \
     O_ASYNC | O_DIRECT | O_DIRECTORY | O_NOFOLLOW | O_NOATIME | O_CLOEXEC | O_TMPFILE)
/* Answers an open that was kept: with the errno, or `fd` (taken). */
void guard_give(struct guard *guard, uint64_t call, int error, int fd, unsigned flags);
/* False: the listener is broken. A caller that was killed meanwhile is nobody's loss. */
MUST_USE bool guard_answer(struct guard *guard, uint64_t call, enum guard_verdict verdict,
                           int error, struct fault *fault);
/* Finds the cell's root, at the first call. */
MUST_USE bool guard_find_root(struct guard *guard, const struct caller *caller);
/* Is the call still waiting? What was read of the caller is of somebody else if not. */
bool guard_is_waiting(const struct guard *guard);
/* A record about the caller, with its numbers. */
void guard_record_begin(const struct guard *guard, const struct caller *caller,
                        enum record_type type, struct record *record);

/* What was refused. */
struct guard_refusal {
    const char *reason;
    struct slice path; /* as the cell spells it; empty: there is none to tell */
    const char *host;  /* NULL: none */
    int64_t port;
};
/* Holds whether or not the caller is still there. False: no record could be made; the guard ends. */
MUST_USE bool guard_refused(struct guard *guard, struct caller *caller,
                            const struct guard_refusal *refusal);

#endif
