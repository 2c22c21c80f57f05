/*
 * roles/guard/reach.h - opens what a path names for a waiting process of the cell, beneath the
 * cell's root: what is opened is what the process gets, nothing is looked up twice.
 *
 * Functions return 0 or the errno that the process is to see. The guard's own descriptors,
 * terminal and number are never what a path leads to: "/proc/self" is the caller's.
 */
#ifndef CUSTODY_ROLES_GUARD_REACH_H
#define CUSTODY_ROLES_GUARD_REACH_H

#include <sys/stat.h>

#include "roles/guard/caller.h"

struct reach {
    int root; /* the cell's, O_PATH */
    int proc; /* the cell's /proc, O_PATH; borrowed */
    uint32_t proc_major, proc_minor;
    struct buf whole, link; /* room */
};

/* Takes the root from a first caller: nobody in a cell can change its own. */
MUST_USE bool reach_begin(struct reach *reach, const struct caller *caller, int cell_proc,
                          struct fault *fault);
void reach_end(struct reach *reach); /* zeroed is fine */

/* What open(2) is asked for. */
struct reach_wish {
    int folder; /* descriptor of the caller, or AT_FDCWD */
    const char *path;
    uint64_t flags; /* as openat2 takes them; O_CREAT is reach_make's */
    mode_t mode;    /* with O_TMPFILE */
};

struct reached {
    int fd; /* close-on-exec; the caller's */
    struct statx stat;
};

/*
 * Opens it. With O_PATH nothing but the path is looked up; else the caller has seen to it that
 * opening neither blocks (O_NONBLOCK) nor changes anything.
 */
int reach_open(struct reach *reach, struct caller *caller, const struct reach_wish *wish,
               struct reached *ret_reached);
/* For a name that is not there yet: its folder (O_PATH), and the name in it. */
int reach_folder(struct reach *reach, struct caller *caller, const struct reach_wish *wish,
                 int *ret_folder, char ret_name[256]);
/* Makes and opens it there; a link is not followed. */
int reach_make(int folder, const char *name, uint64_t flags, mode_t mode, int *ret_fd);
/* Opens an O_PATH object for reading or writing: the same object, whatever its name is now. */
int reach_again(int fd, uint64_t flags, int *ret_fd);
bool reach_is_in_proc(const struct reach *reach, const struct statx *stat);
/* Where an open object lies, in the cell. ENOENT: it has no name any more. */
int reach_name(int fd, struct buf *ret_path);
/* The path from the root on, by its letters alone: where nothing is that could be opened. */
int reach_spell(struct reach *reach, struct caller *caller, const struct reach_wish *wish,
                struct buf *ret_path);

#endif
