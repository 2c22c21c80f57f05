/*
 * os/isolate.h - giving up what a process does not need: the rungs of one ladder.
 *
 * A role goes down in this order: isolate_user, isolate_files, isolate_syscalls. Every rung is
 * for the calling process and what it starts, and none can be climbed again.
 */
#ifndef CUSTODY_OS_ISOLATE_H
#define CUSTODY_OS_ISOLATE_H

#include <limits.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/bytes.h"
#include "base/fault.h"

/* No set-user-id program gives anything any more. Idempotent. */
MUST_USE bool isolate_no_new_privs(struct fault *fault);

/*
 * From root to `uid`, `gid`, without supplementary groups; not dumpable afterwards. Keeps the
 * parent-death signal that spawn_role has set (the kernel clears it when credentials change).
 *   keep  capabilities to keep, a mask of 1 << CAP_*; the bounding set shrinks to it
 * An ordinary user asking for its own uid and gid gets only the rest of it.
 */
MUST_USE bool isolate_user(uid_t uid, gid_t gid, uint64_t keep, struct fault *fault);

/* Drops every capability outside `keep`, from the bounding and ambient sets too, and locks the
 * secure bits so that no uid change or exec brings one back. */
MUST_USE bool isolate_capabilities(uint64_t keep, struct fault *fault);

enum isolate_access {
    ISOLATE_READ = 1,    /* read files, list folders */
    ISOLATE_WRITE = 2,   /* write, create, rename, remove */
    ISOLATE_EXECUTE = 4, /* execute files */
};

struct isolate_path {
    const char *path; /* NULL: `fd` (may be O_PATH) */
    int fd;
    unsigned access; /* of enum isolate_access */
    bool optional;   /* a path that is not there is skipped */
};

/* What the kernel took: masks of LANDLOCK_ACCESS_FS_*, LANDLOCK_ACCESS_NET_*,
 * LANDLOCK_SCOPE_*. */
struct isolate_enforced {
    int abi; /* 0: no Landlock here; nothing was enforced */
    uint64_t files;
    uint64_t net;
    uint64_t scopes;
};

#define ISOLATE_ABI_KERNEL INT_MAX
#define ISOLATE_ABI_SCOPES 6 /* signals and abstract sockets can be kept inside */

/* The Landlock ABI of the running kernel; 0 without Landlock. */
int isolate_landlock_abi(void);

/*
 * Nothing but `paths` is reachable by name from now on, as far as this kernel's Landlock goes;
 * signals and abstract sockets stay inside (ABI 6). Descriptors that are open stay usable.
 *   abi           the highest ABI to use: ISOLATE_ABI_KERNEL, or a lower one for tests
 *   ret_enforced  may be NULL. abi 0 is success: the caller decides whether that is enough
 */
MUST_USE bool isolate_files(const struct isolate_path *paths, size_t count, int abi,
                            struct isolate_enforced *ret_enforced, struct fault *fault);
/* The same, and no TCP port is bound or connected to (ABI 4). */
MUST_USE bool isolate_files_and_ports(const struct isolate_path *paths, size_t count, int abi,
                                      struct isolate_enforced *ret_enforced,
                                      struct fault *fault);
/* Only the scopes (no file rules: those cost 0.8 us an open). */
MUST_USE bool isolate_scopes(int abi, struct isolate_enforced *ret_enforced,
                             struct fault *fault);

/*
 * The same for a process in which file rules will follow: every rule set, a scope's too, keeps
 * files from being moved or linked into another folder, unless it says that they may.
 */
MUST_USE bool isolate_scopes_before_files(int abi, struct isolate_enforced *ret_enforced,
                                          struct fault *fault);

/*
 * Pages that can be both written and run, of machine code that was made here, can only be read and run
 * from now on. `maps` is /proc/self/maps, opened to be read. Whoever made the code must make no more.
 */
MUST_USE bool isolate_made_code(int maps, struct fault *fault);

/*
 * Allow-lists of system calls; what is not in them answers EPERM. Foreign architectures and
 * x32 kill the process. See os/isolate_calls.c, the table.
 */
enum isolate_profile {
    ISOLATE_SCAN, /* read, write, packets, memory, exit; no executable memory; opens nothing */
    ISOLATE_VIEW, /* + files, an io_uring that asks /dev/fuse; no sockets of its own, no programs */
    ISOLATE_DOOR, /* SCAN + accept and answer; no connect, opens nothing */
    ISOLATE_GATEWAY,  /* files, network, threads; no programs, no ptrace, no mounts */
    ISOLATE_COLLECT,  /* files and programs (git); no socket beyond AF_UNIX */
    ISOLATE_LEDGER,   /* files, AF_UNIX, an io_uring that only writes and syncs; no programs */
    ISOLATE_OBSERVER, /* files, and marks of fanotify; no sockets, no programs */
    ISOLATE_GUARD,    /* VIEW + pairs of connected sockets, one end of which the cell gets */
    ISOLATE_UNPACK,   /* files; no sockets, no programs, no executable memory */
    ISOLATE_PROFILE_COUNT,
};

/* Sets no_new_privs first. Done last: opening, connecting and forking may be gone afterwards.
 */
MUST_USE bool isolate_syscalls(enum isolate_profile profile, struct fault *fault);

#endif
