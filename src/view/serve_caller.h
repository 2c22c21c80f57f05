/*
 * view/serve_caller.h - what the process that waits for our answer was doing: the kernel asks
 * the same question (GETATTR, GETXATTR) for more than one reason, and only the system call
 * tells which.
 */
#ifndef CUSTODY_VIEW_SERVE_CALLER_H
#define CUSTODY_VIEW_SERVE_CALLER_H

#include <sys/types.h>

#include "base/bytes.h"

enum caller_act {
    CALLER_UNKNOWN, /* it cannot be told */
    CALLER_ASKS,    /* attributes, access(): nothing that would be used */
    CALLER_READS,   /* opens for reading, or runs it */
    CALLER_WRITES,  /* opens for writing, writes, cuts off */
};

/* Reads /proc/PID/syscall below `proc_fd`. `pid` may be a thread's; -1, 0: unknown. */
enum caller_act caller_act(int proc_fd, pid_t pid);
/* The same of the text of that file. */
enum caller_act caller_act_of(struct slice text);

#endif
