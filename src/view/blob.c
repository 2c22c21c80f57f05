#include "view/blob.h"

#include <errno.h>
#include <unistd.h>

static bool hash_node(struct view *view, uint32_t number, uint64_t size,
                      uint8_t ret_oid[SNAPSHOT_OID_MAX])
{
    uint64_t at = 0;

    hasher_begin_object(view->hasher, OBJECT_BLOB, size);
    while (at < size) {
        struct slice bytes;

        if (tree_read(view->tree, number, at, VIEW_READ_BYTES_MAX, view->room, &bytes) != 0 ||
            bytes.len == 0)
            return false;
        hasher_add(view->hasher, bytes);
        at += bytes.len;
    }
    hasher_end(view->hasher, ret_oid);
    return true;
}

bool blob_of_file(struct view *view, int fd, uint64_t size, uint8_t ret_oid[SNAPSHOT_OID_MAX])
{
    uint64_t at = 0;

    hasher_begin_object(view->hasher, OBJECT_BLOB, size);
    while (at < size) {
        size_t want =
            size - at < VIEW_READ_BYTES_MAX ? (size_t)(size - at) : VIEW_READ_BYTES_MAX;
        ssize_t got = pread(fd, view->room, want, (off_t)at);

        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            return false;
        hasher_add(view->hasher, slice_of_bytes(view->room, (size_t)got));
        at += (uint64_t)got;
    }
    hasher_end(view->hasher, ret_oid);
    return true;
}

bool blob_of(struct view *view, uint32_t number, uint64_t bytes_max,
             uint8_t ret_oid[SNAPSHOT_OID_MAX])
{
    struct tree_origin origin = tree_origin(view->tree, number);
    const uint8_t *told = tree_blob_told(view->tree, number);
    struct stat stat;

    tree_stat(view->tree, number, &stat);
    if (!S_ISREG(stat.st_mode) || (!origin.own_content && origin.oid == NULL))
        return false;
    if (told == NULL && !origin.own_content)
        told = origin.oid;
    if (told != NULL)
        memcpy(ret_oid, told, snapshot_oid_bytes(view->settings.snapshot));
    return told != NULL || ((uint64_t)stat.st_size <= bytes_max &&
                            hash_node(view, number, (uint64_t)stat.st_size, ret_oid));
}
