#include <errno.h>
#include <sys/socket.h>

#include "view/serve_state.h"

#define DAY_S 86400.0

static struct view *view_of(fuse_req_t request)
{
    return fuse_req_userdata(request);
}

/*
 * Classified names are asked for each time; what is planted must not outlive its disarming;
 * all else can only change through this mount, so the kernel may keep it.
 */
static struct fuse_entry_param entry_of(struct view *view, uint32_t number)
{
    struct tree_origin origin = tree_origin(view->tree, number);
    struct fuse_entry_param entry = {.ino = (fuse_ino_t)number + 1, .generation = 1};

    tree_stat(view->tree, number, &entry.attr);
    entry.attr.st_mode = judge_shown_mode(view, number, entry.attr.st_mode);
    entry.attr_timeout = origin.planted ? 0 : DAY_S;
    entry.entry_timeout = origin.planted || origin.sensitive ? 0 : DAY_S;
    return entry;
}

void look_answer_entry(struct view *view, fuse_req_t request, uint32_t number,
                       const struct fuse_file_info *file)
{
    struct fuse_entry_param entry = entry_of(view, number);

    tree_looked_up(view->tree, number);
    if ((file == NULL ? fuse_reply_entry(request, &entry)
                      : fuse_reply_create(request, &entry, file)) != 0) /* interrupted: the
                                                                 kernel did not take it */
        tree_forget(view->tree, number, 1);
}

void look_answer_attributes(struct view *view, fuse_req_t request, uint32_t number)
{
    struct fuse_entry_param entry = entry_of(view, number);

    (void)fuse_reply_attr(request, &entry.attr, entry.attr_timeout);
}

/*
 * Whoever asked has its answer and goes on. The kernel is to forget its listing, else it would not ask for
 * a new one; that is the view's only word to the kernel that waits for no lock of an asker's.
 */
static void look_ahead(struct view *view, uint32_t folder)
{
    const char *path;

    if (view->settings.lister_fd < 0 ||
        !ahead_is_due(&view->ahead, folder, tree_name_count(view->tree, folder)) ||
        tree_path(view->tree, folder, &view->path_shown) != 0 ||
        fuse_lowlevel_notify_inval_inode(view->session, (fuse_ino_t)folder + 1, 0, 0) != 0)
        return;
    path = folder == 0 ? "." : (const char *)view->path_shown.at;
    (void)!send(view->settings.lister_fd, path, strlen(path), MSG_DONTWAIT | MSG_NOSIGNAL);
}

void look_lookup(fuse_req_t request, fuse_ino_t parent, const char *name)
{
    struct view *view = view_of(request);
    uint32_t number;
    int error;

    if (!judge_inode(view, request, parent))
        return;
    error = tree_lookup(view->tree, number_of(parent), slice_of(name), &number);
    if (error == 0) {
        look_answer_entry(view, request, number, NULL);
        look_ahead(view, number_of(parent));
    } else if (error == ENOENT &&
               judge_missing(view, request, number_of(parent), slice_of(name)) == ENOENT) {
        struct fuse_entry_param none = {.entry_timeout = DAY_S};

        (void)fuse_reply_entry(request, &none); /* ino 0: remember that it is not there */
    } else {
        (void)fuse_reply_err(request, error);
    }
}

static void forget(struct view *view, fuse_ino_t inode, uint64_t count)
{
    if (inode >= 1 && inode <= UINT32_MAX && tree_has(view->tree, number_of(inode)))
        tree_forget(view->tree, number_of(inode), count);
}

void look_forget(fuse_req_t request, fuse_ino_t inode, uint64_t count)
{
    forget(view_of(request), inode, count);
    fuse_reply_none(request);
}

void look_forget_multi(fuse_req_t request, size_t count, struct fuse_forget_data *forgets)
{
    for (size_t i = 0; i < count; i++)
        forget(view_of(request), forgets[i].ino, forgets[i].nlookup);
    fuse_reply_none(request);
}

void look_getattr(fuse_req_t request, fuse_ino_t inode, struct fuse_file_info *file)
{
    struct view *view = view_of(request);

    (void)file;
    if (!judge_inode(view, request, inode))
        return;
    judge_asked(view, request, number_of(inode));
    look_answer_attributes(view, request, number_of(inode));
    look_ahead(view, tree_parent(view->tree, number_of(inode)));
}

void look_readlink(fuse_req_t request, fuse_ino_t inode)
{
    struct view *view = view_of(request);
    int error;

    if (!judge_inode(view, request, inode))
        return;
    error = tree_target(view->tree, number_of(inode), &view->target);
    if (error == 0)
        error = judge_read(view, request, number_of(inode), 0, UINT64_MAX);
    if (error == 0)
        (void)fuse_reply_readlink(request, (const char *)view->target.at);
    else
        (void)fuse_reply_err(request, error);
}

void look_open(fuse_req_t request, fuse_ino_t inode, struct fuse_file_info *file)
{
    struct view *view = view_of(request);
    int error = ENOSYS;

    if (view->settings.opens) {
        if (!judge_inode(view, request, inode))
            return;
        error = judge_open(view, request, number_of(inode), file->flags);
    }
    file->fh = 0;
    file->keep_cache = 1;
    if (error == 0)
        (void)fuse_reply_open(request, file);
    else
        (void)fuse_reply_err(request, error);
}

void look_read(fuse_req_t request, fuse_ino_t inode, size_t size, off_t at,
               struct fuse_file_info *file)
{
    struct view *view = view_of(request);
    struct slice bytes;
    int error;

    (void)file;
    if (!judge_inode(view, request, inode))
        return;
    if (size > VIEW_READ_BYTES_MAX)
        size = VIEW_READ_BYTES_MAX;
    error = at < 0 ? EINVAL : judge_read(view, request, number_of(inode), (uint64_t)at, size);
    if (error == 0)
        error =
            tree_read(view->tree, number_of(inode), (uint64_t)at, size, view->room, &bytes);
    if (error == 0)
        (void)fuse_reply_buf(request, (const char *)bytes.at, bytes.len);
    else
        (void)fuse_reply_err(request, error);
}

/* "." and "..": the kernel wants their type and number and holds nothing for them. */
static size_t add_dot(struct view *view, fuse_req_t request, uint32_t folder, uint64_t cookie,
                      uint8_t *at, size_t room)
{
    uint32_t number = cookie == 1 ? folder : tree_parent(view->tree, folder);
    struct fuse_entry_param entry = {
        .attr = {.st_ino = (ino_t)number + 1, .st_mode = S_IFDIR}};

    return fuse_add_direntry_plus(request, (char *)at, room, cookie == 1 ? "." : "..", &entry,
                                  (off_t)cookie);
}

/* Fills the listing. `take` false: the kernel did not get it, so it holds none of these. */
static size_t list(struct view *view, fuse_req_t request, uint32_t folder, uint64_t cookie,
                   size_t size, bool take)
{
    size_t len = 0;

    while (cookie < 2) {
        size_t need =
            add_dot(view, request, folder, cookie + 1, view->listing.at + len, size - len);

        if (need > size - len)
            return len;
        len += need;
        cookie++;
    }
    for (;;) {
        struct fuse_entry_param entry;
        struct slice slice;
        char name[256];
        uint32_t number;
        size_t need;

        if (!tree_next(view->tree, folder, &cookie, &slice, &number) ||
            slice.len >= sizeof(name))
            return len;
        memcpy(name, slice.at, slice.len);
        name[slice.len] = 0;
        entry = entry_of(view, number);
        need = fuse_add_direntry_plus(request, (char *)view->listing.at + len, size - len,
                                      name, &entry, (off_t)cookie);
        if (need > size - len)
            return len;
        len += need;
        if (take)
            tree_looked_up(view->tree, number);
        else
            tree_forget(view->tree, number, 1);
    }
}

void look_readdirplus(fuse_req_t request, fuse_ino_t inode, size_t size, off_t at,
                      struct fuse_file_info *file)
{
    struct view *view = view_of(request);
    uint32_t folder = number_of(inode);
    struct fault fault = {0};
    struct stat stat;
    size_t len;

    (void)file;
    if (!judge_inode(view, request, inode))
        return;
    tree_stat(view->tree, folder, &stat);
    buf_clear(&view->listing);
    if (!S_ISDIR(stat.st_mode) || at < 0 || !buf_reserve(&view->listing, size, &fault)) {
        (void)fuse_reply_err(request, S_ISDIR(stat.st_mode) ? EINVAL : ENOTDIR);
        return;
    }
    len = list(view, request, folder, (uint64_t)at, size, true);
    if (fuse_reply_buf(request, (const char *)view->listing.at, len) != 0)
        (void)list(view, request, folder, (uint64_t)at, size, false);
    else if (len == 0)
        ahead_listed(&view->ahead, folder);
}

void look_statfs(fuse_req_t request, fuse_ino_t inode)
{
    struct statvfs stat;

    (void)inode;
    tree_statvfs(view_of(request)->tree, &stat);
    (void)fuse_reply_statfs(request, &stat);
}
