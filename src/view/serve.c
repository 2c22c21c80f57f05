#include "view/serve_state.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/scope.h"

#define LISTING_BYTES_MAX (4U << 20)

static const char *const operation_names[VIEW_OPERATION_COUNT] = {
    [VIEW_READ] = "read",       [VIEW_CREATE] = "create",
    [VIEW_MODIFY] = "modify",   [VIEW_RENAME] = "rename",
    [VIEW_DELETE] = "delete",   [VIEW_LINK] = "link",
    [VIEW_SYMLINK] = "symlink", [VIEW_MKDIR] = "mkdir",
    [VIEW_RMDIR] = "rmdir",     [VIEW_CHMOD] = "chmod",
    [VIEW_OPEN] = "open",       [VIEW_OPEN_TO_WRITE] = "open-to-write",
    [VIEW_SYNC] = "sync",       [VIEW_COLLECT] = "collect",
};

const char *view_operation_name(enum view_operation operation)
{
    return operation_names[operation];
}

/* ---- answers that make the kernel stop asking ---- */

static void answer_no_open(fuse_req_t request, fuse_ino_t inode, struct fuse_file_info *file)
{
    (void)inode;
    (void)file;
    (void)fuse_reply_err(request, ENOSYS);
}

static void start(void *userdata, struct fuse_conn_info *connection)
{
    struct view *view = userdata;

    /*
     * Not ATOMIC_O_TRUNC: an open that is never sent could not truncate. Not AUTO_INVAL_DATA:
     * nothing changes behind this mount. WRITEBACK_CACHE only where the first write to a file
     * is announced: what is written back later does not say whose it is.
     */
    view->write_back =
        view->init.offered && (connection->capable & FUSE_CAP_WRITEBACK_CACHE) != 0;
    connection->want &=
        ~(unsigned)(FUSE_CAP_ATOMIC_O_TRUNC | FUSE_CAP_AUTO_INVAL_DATA |
                    FUSE_CAP_WRITEBACK_CACHE | FUSE_CAP_READDIRPLUS_AUTO |
                    FUSE_CAP_SPLICE_READ | FUSE_CAP_SPLICE_WRITE | FUSE_CAP_SPLICE_MOVE |
                    FUSE_CAP_POSIX_LOCKS | FUSE_CAP_FLOCK_LOCKS);
    connection->want |=
        connection->capable &
        (FUSE_CAP_READDIRPLUS | FUSE_CAP_PARALLEL_DIROPS | FUSE_CAP_CACHE_SYMLINKS |
         FUSE_CAP_EXPLICIT_INVAL_DATA | FUSE_CAP_ASYNC_READ);
    if (view->write_back)
        connection->want |= FUSE_CAP_WRITEBACK_CACHE;
}

/*
 * What is not here is answered ENOSYS by the library: locks (the kernel's own), ioctl. And
 * LSEEK: the kernel asks for data and holes without writing back first, so we cannot know;
 * it then says that all is data, up to the size that it knows.
 */
static const struct fuse_lowlevel_ops operations = {
    .init = start,
    .lookup = look_lookup,
    .forget = look_forget,
    .forget_multi = look_forget_multi,
    .getattr = look_getattr,
    .setattr = change_setattr,
    .readlink = look_readlink,
    .mknod = change_mknod,
    .mkdir = change_mkdir,
    .unlink = change_unlink,
    .rmdir = change_rmdir,
    .symlink = change_symlink,
    .rename = change_rename,
    .link = change_link,
    .open = look_open,
    .read = look_read,
    .write = change_write,
    .flush = answer_no_open,
    .opendir = answer_no_open,
    .readdirplus = look_readdirplus,
    .statfs = look_statfs,
    .create = change_create,
    .fsync = change_fsync,
    .fallocate = change_fallocate,
    .getxattr = attribute_get,
    .listxattr = attribute_list,
    .setxattr = attribute_set,
    .removexattr = attribute_remove,
};

static bool furnish(struct view *view, struct fault *fault)
{
    const struct view_settings *settings = &view->settings;

    for (size_t i = 0; i < settings->mount_point_count; i++) {
        const char *link = settings->mount_links == NULL ? NULL : settings->mount_links[i];
        int error = tree_mount_point(view->tree, slice_of(settings->mount_points[i]), link);

        if (error != 0) {
            errno = error;
            return fault_errno(fault, "place %s in the view", settings->mount_points[i]);
        }
    }
    for (size_t i = 0; i < settings->planted_count; i++) {
        const struct view_planted *planted = &settings->planted[i];
        int error = tree_plant(view->tree, slice_of(planted->name), planted->content,
                               planted->class_mask, planted->verdict);

        if (error != 0) {
            errno = error;
            return fault_errno(fault, "plant %s in the view", planted->name);
        }
    }
    view->rules.armed = true;
    return true;
}

bool view_new(const struct view_settings *settings, struct view **ret_view,
              struct fault *fault)
{
    struct tree_settings tree = {
        .snapshot = settings->snapshot,
        .redacted = settings->redacted,
        .content_fd = settings->content_fd,
        .upper_fd = settings->upper_fd,
        .uid = settings->uid,
        .gid = settings->gid,
        .upper_bytes_max = settings->upper_bytes_max,
        .clock = settings->clock,
    };
    struct view *view = xalloc(sizeof(*view));
    struct fault no_ring = {0};

    view->settings = *settings;
    view->rules = (struct rules){.calls = &view->settings.calls,
                                 .base = settings->snapshot,
                                 .planted = settings->planted,
                                 .planted_count = settings->planted_count};
    view->proc_fd = -1;
    view->room = xalloc(VIEW_READ_BYTES_MAX);
    view->listing = buf_with_limit(LISTING_BYTES_MAX);
    view->path = buf_with_limit(TREE_PATH_BYTES_MAX);
    view->path_to = buf_with_limit(TREE_PATH_BYTES_MAX);
    view->path_shown = buf_with_limit(TREE_PATH_BYTES_MAX);
    view->target = buf_with_limit(TREE_PATH_BYTES_MAX);
    view->denied_told = folder_new(1);
    if (!hasher_new(snapshot_oid_bytes(settings->snapshot), &view->hasher, fault) ||
        !tree_new(&tree, &view->tree, fault) || !furnish(view, fault)) {
        view_free(view);
        return false;
    }
    if (settings->may_ring && !serve_ring_new(&view->ring, &no_ring))
        view->ring = NULL; /* then by /dev/fuse */
    *ret_view = view;
    return true;
}

void view_free(struct view *view)
{
    if (view == NULL)
        return;
    view_detach(view);
    tree_free(view->tree);
    folder_free(view->denied_told);
    hasher_free(view->hasher);
    buf_free(&view->listing);
    buf_free(&view->path);
    buf_free(&view->path_to);
    buf_free(&view->path_shown);
    buf_free(&view->target);
    free(view->room);
    free(view);
}

bool view_attach(struct view *view, int fuse_fd, int proc_fd, struct fault *fault)
{
    char program[] = "custody";
    char *argv[] = {program, NULL};
    struct fuse_args args = FUSE_ARGS_INIT(1, argv);
    int flags = fcntl(fuse_fd, F_GETFL);

    scope_close(&view->proc_fd);
    view->proc_fd = proc_fd;
    if (flags < 0 || fcntl(fuse_fd, F_SETFL, flags | O_NONBLOCK) < 0) {
        (void)fault_errno(fault, "use the mount");
        (void)close(fuse_fd);
        return false;
    }
    view->session = fuse_session_new(&args, &operations, sizeof(operations), view);
    fuse_opt_free_args(&args);
    if (view->session == NULL || !serve_init_attach(view->session, fuse_fd)) {
        (void)close(fuse_fd);
        if (view->session != NULL)
            fuse_session_destroy(view->session);
        view->session = NULL;
        return fault_set(fault, FAULT_HOST, "the FUSE library does not take the mount");
    }
    return true;
}

void view_detach(struct view *view)
{
    serve_ring_free(view->ring); /* it holds the mount, too */
    view->ring = NULL;
    if (view->session != NULL) {
        fuse_session_destroy(view->session); /* closes the descriptor: ENOTCONN from now on */
        view->session = NULL;
    }
    free(view->request.mem);
    view->request = (struct fuse_buf){0};
    scope_close(&view->proc_fd);
}

/*
 * The entries were never to be remembered (timeout 0), so a lookup from now on finds nothing.
 * What the kernel kept is the listing of the root folder. (Entries are not invalidated by
 * name: that takes a lock that whoever waits for our answer may hold.)
 */
bool view_disarm(struct view *view, struct fault *fault)
{
    int error = 0;

    view->rules.armed = false;
    tree_unplant(view->tree);
    if (view->session != NULL)
        error = fuse_lowlevel_notify_inval_inode(view->session, FUSE_ROOT_ID, 0, 0);
    if (error != 0 && error != -ENOENT) {
        errno = -error;
        return fault_errno(fault, "take the canaries away");
    }
    return true;
}

struct view_counts view_counts(const struct view *view)
{
    return view->counts;
}
