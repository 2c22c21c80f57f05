/* roles/guard/parts.h - what the files of the guard share. Private to roles/guard/. */
#ifndef CUSTODY_ROLES_GUARD_PARTS_H
#define CUSTODY_ROLES_GUARD_PARTS_H

#include <seccomp.h>

#include "roles/guard/caller.h"
#include "roles/guard/guard.h"
#include "roles/guard/programs.h"
#include "roles/guard/seen.h"

struct ledger_client;

struct guard {
    const struct guard_config *config;
    struct ledger_client *ledger;
    struct seen *seen;
    struct programs *programs;
    int listener, host_proc, cell_proc;
    struct seccomp_notif *call;
    struct seccomp_notif_resp *answer;
    struct buf path, whole, arguments, head, text;
    struct fault fault; /* a record could not be made: the guard ends */
};

/* How a call goes on. */
enum guard_verdict {
    GUARD_CONTINUE, /* the kernel does it */
    GUARD_REFUSE,   /* the errno that is set is its result */
    GUARD_END,      /* no record, no action: the guard ends, and with it the cell */
};

/* One call that a cell hands over; the descriptors of `caller` are open. */
typedef enum guard_verdict guard_handler(struct guard *guard, const struct caller *caller,
                                         int *ret_error);

/* exec.c */
guard_handler guard_execve, guard_execveat;

/* Is the call still waiting? What was read of the caller is of somebody else if not. */
bool guard_is_waiting(const struct guard *guard);
/* A record about the caller, with its numbers. */
void guard_record_begin(const struct guard *guard, const struct caller *caller,
                        enum record_type type, struct record *record);

#endif
