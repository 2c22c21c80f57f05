#include <errno.h>

#include "view/serve_state.h"

static struct view *view_of(fuse_req_t request)
{
    return fuse_req_userdata(request);
}

static int set_size(struct view *view, fuse_req_t request, uint32_t number, off_t size)
{
    int error = size < 0 ? EINVAL : judge_modify(view, request, number);

    if (error == 0)
        error = tree_truncate(view->tree, number, (uint64_t)size);
    if (error == ENOSPC)
        judge_full(view, request, number);
    return error;
}

static int set_times(struct view *view, uint32_t number, const struct stat *to, int which)
{
    struct timespec now = tree_now(view->tree);
    const struct timespec *atime = NULL, *mtime = NULL, *ctime = NULL;

    if ((which & (FUSE_SET_ATTR_ATIME | FUSE_SET_ATTR_ATIME_NOW)) != 0)
        atime = (which & FUSE_SET_ATTR_ATIME_NOW) != 0 ? &now : &to->st_atim;
    if ((which & (FUSE_SET_ATTR_MTIME | FUSE_SET_ATTR_MTIME_NOW)) != 0)
        mtime = (which & FUSE_SET_ATTR_MTIME_NOW) != 0 ? &now : &to->st_mtim;
    if ((which & FUSE_SET_ATTR_CTIME) != 0) /* the kernel keeps it, with write-back */
        ctime = &to->st_ctim;
    return atime == NULL && mtime == NULL && ctime == NULL
               ? 0
               : tree_set_times(view->tree, number, atime, mtime, ctime);
}

void change_setattr(fuse_req_t request, fuse_ino_t inode, struct stat *to, int which,
                    struct fuse_file_info *file)
{
    struct view *view = view_of(request);
    uint32_t number = number_of(inode);
    int error = 0;

    (void)file;
    if (!judge_inode(view, request, inode))
        return;
    if (((which & FUSE_SET_ATTR_UID) != 0 && to->st_uid != view->settings.uid) ||
        ((which & FUSE_SET_ATTR_GID) != 0 && to->st_gid != view->settings.gid))
        error = EPERM;
    if (error == 0 && (which & FUSE_SET_ATTR_MODE) != 0) {
        error = judge_chmod(view, request, number);
        if (error == 0)
            error = tree_set_mode(view->tree, number, to->st_mode);
    }
    if (error == 0 && (which & FUSE_SET_ATTR_SIZE) != 0)
        error = set_size(view, request, number, to->st_size);
    if (error == 0)
        error = set_times(view, number, to, which);
    if (error == 0)
        look_answer_attributes(view, request, number);
    else
        (void)fuse_reply_err(request, error);
}

static void make(fuse_req_t request, enum view_operation operation, fuse_ino_t parent,
                 const char *name, mode_t mode, const char *target)
{
    struct view *view = view_of(request);
    uint32_t number;
    int error;

    if (!judge_inode(view, request, parent))
        return;
    error = tree_lookup(view->tree, number_of(parent), slice_of(name), &number);
    error = error == 0 ? EEXIST : error == ENOENT ? 0 : error;
    if (error == 0)
        error = judge_make(view, request, operation, number_of(parent), slice_of(name));
    if (error == 0)
        error =
            tree_make(view->tree, number_of(parent), slice_of(name), mode, target, &number);
    if (error != 0) {
        (void)fuse_reply_err(request, error);
        return;
    }
    tree_set_marks(view->tree, number, MARK_MODIFIED); /* that it was made says it */
    look_answer_entry(view, request, number, NULL);
}

void change_mknod(fuse_req_t request, fuse_ino_t parent, const char *name, mode_t mode,
                  dev_t device)
{
    (void)device;
    if ((mode & S_IFMT) == 0)
        mode |= S_IFREG;
    if (S_ISREG(mode) || S_ISFIFO(mode) || S_ISSOCK(mode))
        make(request, VIEW_CREATE, parent, name, mode, NULL);
    else
        (void)fuse_reply_err(request, EPERM);
}

void change_create(fuse_req_t request, fuse_ino_t parent, const char *name, mode_t mode,
                   struct fuse_file_info *file)
{
    struct view *view = view_of(request);
    uint32_t number;
    int error;

    if (!judge_inode(view, request, parent))
        return;
    error = strcmp(name, SERVE_NAMELESS) == 0
                ? tree_make_nameless(view->tree, number_of(parent), mode, &number)
                : ENOSYS;
    if (error != 0) {
        (void)fuse_reply_err(request, error);
        return;
    }
    file->fh = 0;
    file->keep_cache = 1;
    look_answer_entry(view, request, number, file);
}

void change_mkdir(fuse_req_t request, fuse_ino_t parent, const char *name, mode_t mode)
{
    make(request, VIEW_MKDIR, parent, name, S_IFDIR | (mode & 07777), NULL);
}

void change_symlink(fuse_req_t request, const char *target, fuse_ino_t parent,
                    const char *name)
{
    make(request, VIEW_SYMLINK, parent, name, S_IFLNK | 0777, target);
}

static void remove_name(fuse_req_t request, fuse_ino_t parent, const char *name,
                        bool is_folder)
{
    struct view *view = view_of(request);
    uint32_t number;
    int error;

    if (!judge_inode(view, request, parent))
        return;
    error = tree_may_remove(view->tree, number_of(parent), slice_of(name), is_folder, &number);
    if (error == 0)
        error = judge_remove(view, request, number_of(parent), slice_of(name), number);
    if (error == 0)
        error = tree_remove(view->tree, number_of(parent), slice_of(name), is_folder);
    (void)fuse_reply_err(request, error);
}

void change_unlink(fuse_req_t request, fuse_ino_t parent, const char *name)
{
    remove_name(request, parent, name, false);
}

void change_rmdir(fuse_req_t request, fuse_ino_t parent, const char *name)
{
    remove_name(request, parent, name, true);
}

/*
 * Under a new name the next write is a first one again. The kernel is made to ask before it,
 * by forgetting what it knows of the file. (It holds the file while it waits for us, so this
 * cannot wait for anything.)
 */
static void clear_modified(struct view *view, uint32_t number)
{
    unsigned marks = number == TREE_NONE ? 0 : tree_marks(view->tree, number);

    if ((marks & MARK_MODIFIED) == 0)
        return;
    tree_set_marks(view->tree, number, marks & ~(unsigned)MARK_MODIFIED);
    if (view->write_back)
        (void)fuse_lowlevel_notify_inval_inode(view->session, (fuse_ino_t)number + 1, -1, 0);
}

void change_rename(fuse_req_t request, fuse_ino_t parent, const char *name,
                   fuse_ino_t to_parent, const char *to_name, unsigned flags)
{
    struct view *view = view_of(request);
    struct tree_rename rename = {.folder = number_of(parent),
                                 .name = slice_of(name),
                                 .to_folder = number_of(to_parent),
                                 .to_name = slice_of(to_name),
                                 .flags = flags};
    struct tree_renamed found;
    int error;

    if (!judge_inode(view, request, parent) || !judge_inode(view, request, to_parent))
        return;
    error = tree_may_rename(view->tree, &rename, &found);
    if (error == 0 && found.there != found.number) {
        error = judge_rename(view, request, &rename, &found);
        if (error == 0) {
            clear_modified(view, found.number);
            if ((flags & RENAME_EXCHANGE) != 0)
                clear_modified(view, found.there);
            else if (found.there != TREE_NONE) /* a change of that path, and told as one */
                tree_set_marks(view->tree, found.number,
                               tree_marks(view->tree, found.number) | MARK_MODIFIED);
            error = tree_rename(view->tree, &rename);
        }
    }
    (void)fuse_reply_err(request, error);
}

void change_link(fuse_req_t request, fuse_ino_t inode, fuse_ino_t parent, const char *name)
{
    struct view *view = view_of(request);
    struct stat before;
    uint32_t there;
    int error;

    if (!judge_inode(view, request, inode) || !judge_inode(view, request, parent))
        return;
    tree_stat(view->tree, number_of(inode), &before);
    error = tree_lookup(view->tree, number_of(parent), slice_of(name), &there);
    error = error == 0 ? EEXIST : error == ENOENT ? 0 : error;
    if (error == 0)
        error = judge_link(view, request, number_of(inode), number_of(parent), slice_of(name));
    if (error == 0)
        error = tree_link(view->tree, number_of(inode), number_of(parent), slice_of(name));
    if (error == 0 && before.st_nlink == 0) /* that it got a name says it */
        tree_set_marks(view->tree, number_of(inode), MARK_MODIFIED);
    if (error == 0)
        look_answer_entry(view, request, number_of(inode), NULL);
    else
        (void)fuse_reply_err(request, error);
}

void change_write(fuse_req_t request, fuse_ino_t inode, const char *bytes, size_t size,
                  off_t at, struct fuse_file_info *file)
{
    struct view *view = view_of(request);
    uint32_t number = number_of(inode);
    int error;

    if (!judge_inode(view, request, inode))
        return;
    error = at < 0 ? EINVAL : judge_modify(view, request, number);
    if (error == 0)
        error = tree_write(view->tree, number, (uint64_t)at, slice_of_bytes(bytes, size),
                           !(view->write_back && file->writepage));
    if (error == ENOSPC)
        judge_full(view, request, number);
    if (error == 0)
        (void)fuse_reply_write(request, size);
    else
        (void)fuse_reply_err(request, error);
}

/*
 * The kernel has written all back by now. The disk is not synced: a run does not outlive a
 * crash of its host.
 */
void change_fsync(fuse_req_t request, fuse_ino_t inode, int datasync,
                  struct fuse_file_info *file)
{
    struct view *view = view_of(request);

    (void)datasync;
    (void)file;
    if (judge_inode(view, request, inode))
        (void)fuse_reply_err(request, judge_sync(view, request, number_of(inode)));
}

void change_fallocate(fuse_req_t request, fuse_ino_t inode, int mode, off_t at, off_t len,
                      struct fuse_file_info *file)
{
    struct view *view = view_of(request);
    uint32_t number = number_of(inode);
    int error;

    (void)file;
    if (!judge_inode(view, request, inode))
        return;
    error = at < 0 || len <= 0 ? EINVAL : judge_modify(view, request, number);
    if (error == 0)
        error = tree_allocate(view->tree, number, mode, (uint64_t)at, (uint64_t)len);
    if (error == ENOSPC)
        judge_full(view, request, number);
    (void)fuse_reply_err(request, error);
}
