/* view/serve_state.h - what serve.c, serve_look.c, serve_change.c and serve_judge.c share. */
#ifndef CUSTODY_VIEW_SERVE_STATE_H
#define CUSTODY_VIEW_SERVE_STATE_H

#define FUSE_USE_VERSION 312
#include <fuse3/fuse_lowlevel.h>

#include "view/ahead.h"
#include "view/folder.h"
#include "view/object.h"
#include "view/rules.h"
#include "view/serve.h"
#include "view/serve_init.h"
#include "view/serve_ring.h"
#include "view/tree.h"

#define VIEW_READ_BYTES_MAX (2U << 20)
#define VIEW_EXECUTABLE_BYTES_MAX 4095

/* What was told of a node already; its mark in the tree. */
enum view_mark {
    MARK_READ_BASE = 1,  /* the base's content was read */
    MARK_READ_OWN = 2,   /* what the agent wrote was read */
    MARK_MODIFIED = 4,   /* under its present path */
    MARK_FULL = 8,       /* something written did not fit */
    MARK_READ_PART = 64, /* and of what is marked as read, only tree_part */
    /* Whether policy lets the agent write it was looked up; and it does not. */
    MARK_WRITE_KNOWN = 16,
    MARK_WRITE_REFUSED = 32,
};

struct view {
    struct view_settings settings;
    struct tree *tree;
    struct fuse_session *session; /* NULL: not mounted */
    struct serve_init init;
    struct serve_ring *ring; /* NULL: there is none */
    bool is_gone;            /* the mount is */
    struct ahead ahead;
    struct fuse_buf request;
    int proc_fd;
    uint8_t *room;      /* for one READ */
    struct buf listing; /* for one READDIRPLUS */
    struct buf path, path_to, path_shown, target;
    struct hasher *hasher;
    struct folder *denied_told; /* a set: denied names that somebody looked for */
    struct view_counts counts;
    struct rules rules;
    bool write_back;    /* the kernel gathers writes; it owns size and times of files */
    struct fault fault; /* of the last record that could not be made */
};

static inline uint32_t number_of(fuse_ino_t inode)
{
    return (uint32_t)(inode - 1);
}

/* ---- serve_judge.c: each returns 0, or the errno to answer with; what they allow is
 * recorded. ---- */

/* Is `inode` a node of ours? Answers the request where it is not. */
bool judge_inode(struct view *view, fuse_req_t request, fuse_ino_t inode);
/*
 * May these bytes of the node be sent? Records the first read of each version: with its range,
 * where that is not all of the file. The first read past that range is told once more, for all
 * of the file.
 */
int judge_read(struct view *view, fuse_req_t request, uint32_t number, uint64_t at,
               uint64_t size);
/* May the node be opened so (flags of open)? Records it. */
int judge_open(struct view *view, fuse_req_t request, uint32_t number, int flags);
/* What was written was synced: tells the blob, where it is small and new. EIO: it could not be
 * told. */
int judge_sync(struct view *view, fuse_req_t request, uint32_t number);
/*
 * May content or mode of the node change? Records the first modification. Where the kernel
 * does not say who writes, it is who was last seen to.
 */
int judge_modify(struct view *view, fuse_req_t request, uint32_t number);
/*
 * The kernel asks whether there are capabilities on the file: before the first write to it, in
 * the writer's name. Records the first modification.
 */
void judge_first_write(struct view *view, fuse_req_t request, uint32_t number);
/* What was written to the node did not fit: a record, once a node. */
void judge_full(struct view *view, fuse_req_t request, uint32_t number);
/* Attributes of a file that may not be opened so were asked for: that is what the kernel does
 * before it refuses. Records the refusal. */
void judge_asked(struct view *view, fuse_req_t request, uint32_t number);
/* The mode that the agent sees: without write bits where policy refuses to have it written. */
mode_t judge_shown_mode(struct view *view, uint32_t number, mode_t mode);
int judge_chmod(struct view *view, fuse_req_t request, uint32_t number);
int judge_make(struct view *view, fuse_req_t request, enum view_operation operation,
               uint32_t folder, struct slice name);
int judge_remove(struct view *view, fuse_req_t request, uint32_t folder, struct slice name,
                 uint32_t number);
int judge_rename(struct view *view, fuse_req_t request, const struct tree_rename *rename,
                 const struct tree_renamed *found);
int judge_link(struct view *view, fuse_req_t request, uint32_t number, uint32_t folder,
               struct slice name);
/* A name that is not there was looked for: a record where it is a denied one. */
int judge_missing(struct view *view, fuse_req_t request, uint32_t folder, struct slice name);

/* ---- serve_look.c, serve_change.c ---- */

void look_lookup(fuse_req_t request, fuse_ino_t parent, const char *name);
void look_forget(fuse_req_t request, fuse_ino_t inode, uint64_t count);
void look_forget_multi(fuse_req_t request, size_t count, struct fuse_forget_data *forgets);
void look_getattr(fuse_req_t request, fuse_ino_t inode, struct fuse_file_info *file);
void look_readlink(fuse_req_t request, fuse_ino_t inode);
/* ENOSYS, once and for all, but where every open is to be recorded. */
void look_open(fuse_req_t request, fuse_ino_t inode, struct fuse_file_info *file);
void look_read(fuse_req_t request, fuse_ino_t inode, size_t size, off_t at,
               struct fuse_file_info *file);
void look_readdirplus(fuse_req_t request, fuse_ino_t inode, size_t size, off_t at,
                      struct fuse_file_info *file);
void look_statfs(fuse_req_t request, fuse_ino_t inode);
/* Answers with the node, and counts that the kernel now holds it. `file`: and opens it. */
void look_answer_entry(struct view *view, fuse_req_t request, uint32_t number,
                       const struct fuse_file_info *file);
void look_answer_attributes(struct view *view, fuse_req_t request, uint32_t number);

void change_setattr(fuse_req_t request, fuse_ino_t inode, struct stat *to, int which,
                    struct fuse_file_info *file);
void change_mknod(fuse_req_t request, fuse_ino_t parent, const char *name, mode_t mode,
                  dev_t device);
/* Of a file without a name (O_TMPFILE). Else ENOSYS: then the kernel sends MKNOD, and no
 * RELEASE later. */
void change_create(fuse_req_t request, fuse_ino_t parent, const char *name, mode_t mode,
                   struct fuse_file_info *file);
void change_mkdir(fuse_req_t request, fuse_ino_t parent, const char *name, mode_t mode);
void change_symlink(fuse_req_t request, const char *target, fuse_ino_t parent,
                    const char *name);
void change_unlink(fuse_req_t request, fuse_ino_t parent, const char *name);
void change_rmdir(fuse_req_t request, fuse_ino_t parent, const char *name);
void change_rename(fuse_req_t request, fuse_ino_t parent, const char *name,
                   fuse_ino_t to_parent, const char *to_name, unsigned flags);
void change_link(fuse_req_t request, fuse_ino_t inode, fuse_ino_t parent, const char *name);
void change_write(fuse_req_t request, fuse_ino_t inode, const char *bytes, size_t size,
                  off_t at, struct fuse_file_info *file);
void change_fsync(fuse_req_t request, fuse_ino_t inode, int datasync,
                  struct fuse_file_info *file);
void change_fallocate(fuse_req_t request, fuse_ino_t inode, int mode, off_t at, off_t len,
                      struct fuse_file_info *file);

/* ---- serve_attribute.c ---- */

void attribute_get(fuse_req_t request, fuse_ino_t inode, const char *name, size_t size);
void attribute_list(fuse_req_t request, fuse_ino_t inode, size_t size);
void attribute_set(fuse_req_t request, fuse_ino_t inode, const char *name, const char *value,
                   size_t size, int flags);
void attribute_remove(fuse_req_t request, fuse_ino_t inode, const char *name);

#endif
