/* os/proc.h - what the kernel says of a process, below a descriptor of its /proc/PID. */
#ifndef CUSTODY_OS_PROC_H
#define CUSTODY_OS_PROC_H

#include <stdint.h>
#include <sys/types.h>

#include "base/bytes.h"

struct proc_stat {
    pid_t parent;     /* as that /proc numbers them; 0: nobody there */
    uint64_t started; /* clock ticks: with its number, no other process has it */
};

/* False: it is gone. */
MUST_USE bool proc_stat_read(int folder, struct proc_stat *ret_stat);
/* The text of /proc/PID/stat; the name in it is anybody's bytes. */
MUST_USE bool proc_stat_parse(struct slice text, struct proc_stat *ret_stat);

#endif
