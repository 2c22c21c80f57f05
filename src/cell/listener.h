/*
 * cell/listener.h - the system calls of a cell that wait for an answer from outside: seccomp's
 * user notification. Whoever holds the descriptor is told of each; when it is closed they
 * answer ENOSYS, so a guard that dies closes the cell.
 */
#ifndef CUSTODY_CELL_LISTENER_H
#define CUSTODY_CELL_LISTENER_H

#include <stddef.h>

#include "base/fault.h"
#include "cell/place.h"

/* Where a call is handed over. */
enum listener_when {
    LISTENER_ALWAYS,
    LISTENER_FILES,  /* where the files are ordinary ones, and the guard opens them */
    LISTENER_SHARED, /* where the cell shares the host's namespaces */
};

/* What a cell hands over, or refuses because it could not be judged there. */
struct listener_call {
    const char *name;
    enum listener_when when;
    bool refused; /* ENOSYS: what it asks for stands in memory, which can change */
};
extern const struct listener_call listener_calls[];
extern const size_t listener_call_count;

/*
 * For the calling process and all that it starts from now on; before filter_install, whose
 * refusals count more. no_new_privs must be set. ret_fd is close-on-exec.
 * FAULT_HOST: this kernel has no user notification (before 5.0), or a listener is there.
 */
MUST_USE bool listener_install(struct cell_mode mode, int *ret_fd, struct fault *fault);

#endif
