/* os/proc.h - what the kernel says of a process, below a descriptor of its /proc/PID. */
#ifndef CUSTODY_OS_PROC_H
#define CUSTODY_OS_PROC_H

#include <stdint.h>
#include <sys/types.h>

#include "base/bytes.h"

struct proc_stat {
    pid_t parent;     /* as that /proc numbers them; 0: nobody there */
    uint64_t started; /* clock ticks: with its number, no other process has it */
    int terminal;     /* number of its pseudo-terminal, N of /dev/pts/N; -1: none */
};

/* False: it is gone. */
MUST_USE bool proc_stat_read(int folder, struct proc_stat *ret_stat);
/* The text of /proc/PID/stat; the name in it is anybody's bytes. */
MUST_USE bool proc_stat_parse(struct slice text, struct proc_stat *ret_stat);

/* What a process has in memory, files and shares of others included; 0: it is gone. */
uint64_t proc_resident_bytes(int folder);
/* Of that what is its own, and its part of what it shares: no files, which a cache gives back.
 * With what of it is swapped out. Where that cannot be asked: proc_resident_bytes. */
uint64_t proc_own_bytes(int folder);
/* The sum of the numbers of smaps_rollup that proc_own_bytes is made of. */
MUST_USE bool proc_own_parse(struct slice text, uint64_t *ret_bytes);
/*
 * Has a socket of the process, its descriptor `fd`, descriptors in it that nobody has received
 * yet? Kernels before 5.6 do not say: false.
 */
bool proc_socket_holds_descriptors(int folder, const char *fd);
/* Of the whole machine: tmpfs, nameless files in memory, shared memory. */
uint64_t proc_shared_bytes(void);

#endif
