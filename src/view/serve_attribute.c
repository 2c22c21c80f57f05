/*
 * Extended attributes: `user.` is kept, as far as it goes; the rest is not there. What has no
 * label, list or capability on ext4 has none here; asking for a label or an access list says
 * "not supported" and not "none", since programs that list folders then stop asking.
 */
#include <errno.h>
#include <linux/xattr.h>

#include "view/serve_state.h"

static struct view *view_of(fuse_req_t request)
{
    return fuse_req_userdata(request);
}

static bool is_user(const char *name)
{
    return slice_starts_with(slice_of(name), SLICE("user."));
}

/* `bytes` as the kernel wants them: how many (size 0), or all, or not at all. */
static void answer_bytes(fuse_req_t request, struct slice bytes, size_t size)
{
    if (size == 0)
        (void)fuse_reply_xattr(request, bytes.len);
    else if (bytes.len > size)
        (void)fuse_reply_err(request, ERANGE);
    else
        (void)fuse_reply_buf(request, (const char *)bytes.at, bytes.len);
}

/* Never ENOSYS: then the kernel would not ask before a first write. */
void attribute_get(fuse_req_t request, fuse_ino_t inode, const char *name, size_t size)
{
    struct view *view = view_of(request);
    struct slice value;
    int error;

    if (!judge_inode(view, request, inode))
        return;
    if (strcmp(name, XATTR_NAME_CAPS) == 0) {
        judge_first_write(view, request, number_of(inode));
        error = ENODATA;
    } else {
        error = !is_user(name)
                    ? EOPNOTSUPP
                    : tree_attribute_get(view->tree, number_of(inode), slice_of(name), &value);
    }
    if (error == 0)
        answer_bytes(request, value, size);
    else
        (void)fuse_reply_err(request, error);
}

void attribute_list(fuse_req_t request, fuse_ino_t inode, size_t size)
{
    struct view *view = view_of(request);
    int error;

    if (!judge_inode(view, request, inode))
        return;
    error = tree_attribute_list(view->tree, number_of(inode), &view->listing);
    if (error == 0)
        answer_bytes(request, buf_slice(&view->listing), size);
    else
        (void)fuse_reply_err(request, error);
}

void attribute_set(fuse_req_t request, fuse_ino_t inode, const char *name, const char *value,
                   size_t size, int flags)
{
    struct view *view = view_of(request);
    int error;

    if (!judge_inode(view, request, inode))
        return;
    error = !is_user(name) ? EOPNOTSUPP
                           : tree_attribute_may_set(view->tree, number_of(inode),
                                                    slice_of(name), size, flags);
    if (error == 0)
        error = judge_modify(view, request, number_of(inode));
    if (error == 0)
        error = tree_attribute_set(view->tree, number_of(inode), slice_of(name),
                                   slice_of_bytes(value, size), flags);
    (void)fuse_reply_err(request, error);
}

void attribute_remove(fuse_req_t request, fuse_ino_t inode, const char *name)
{
    struct view *view = view_of(request);
    struct slice value;
    int error;

    if (!judge_inode(view, request, inode))
        return;
    error = !is_user(name)
                ? EOPNOTSUPP
                : tree_attribute_get(view->tree, number_of(inode), slice_of(name), &value);
    if (error == 0)
        error = judge_modify(view, request, number_of(inode));
    if (error == 0)
        error = tree_attribute_remove(view->tree, number_of(inode), slice_of(name));
    (void)fuse_reply_err(request, error);
}
