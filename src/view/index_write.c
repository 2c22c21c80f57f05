#include "view/index_write.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "base/scope.h"
#include "os/file.h"
#include "view/object.h"

#define OUT_BYTES (128U << 10)

/* An id of this run and its place. */
struct patch {
    uint32_t at, number;
};

/* A template of some megabytes is never held a second time. */
struct out {
    int fd;
    struct hasher *hasher;
    size_t len;
    uint8_t bytes[OUT_BYTES];
};

static bool flush(struct out *out, struct fault *fault)
{
    struct slice bytes = slice_of_bytes(out->bytes, out->len);

    out->len = 0;
    return file_write_all(out->fd, bytes, fault);
}

static bool put(struct out *out, struct slice bytes, struct fault *fault)
{
    while (bytes.len > 0) {
        size_t part = bytes.len < OUT_BYTES - out->len ? bytes.len : OUT_BYTES - out->len;

        memcpy(out->bytes + out->len, bytes.at, part);
        out->len += part;
        bytes = slice_part(bytes, part, bytes.len);
        if (out->len == OUT_BYTES && !flush(out, fault))
            return false;
    }
    return true;
}

static bool put_hashed(struct out *out, struct slice bytes, struct fault *fault)
{
    hasher_add(out->hasher, bytes);
    return put(out, bytes, fault);
}

static int compare_patches(const void *a, const void *b)
{
    const struct patch *one = a, *two = b;

    return (one->at > two->at) - (one->at < two->at);
}

/* Files, and folders in the cached trees. Ascending: the nodes are in another order. */
static struct patch *list_patches(const struct snapshot *snapshot, size_t *ret_count)
{
    struct patch *patches = NULL;
    size_t room = 0, count = 0;

    for (uint32_t number = 0; number < snapshot_node_count(snapshot); number++) {
        const struct snapshot_node *node = snapshot_node(snapshot, number);

        if (!snapshot_is_fresh(node) || node->index_at == 0)
            continue;
        patches = xgrow(patches, &room, count + 1, sizeof(*patches));
        patches[count++] = (struct patch){.at = node->index_at, .number = number};
    }
    if (count > 0)
        qsort(patches, count, sizeof(*patches), compare_patches);
    *ret_count = count;
    return patches;
}

static bool put_all(struct out *out, const struct snapshot *snapshot, const uint8_t *oids,
                    struct fault *fault)
{
    struct slice template = snapshot_index(snapshot);
    size_t oid_bytes = snapshot_oid_bytes(snapshot), count, at = 0;
    AUTO_FREE struct patch *patches = list_patches(snapshot, &count);
    size_t end = template.len - oid_bytes; /* there the checksum stands */
    uint8_t checksum[SNAPSHOT_OID_MAX];

    hasher_begin(out->hasher);
    for (size_t i = 0; i < count; i++) {
        const uint8_t *oid = oids + (size_t)patches[i].number * SNAPSHOT_OID_MAX;

        if (patches[i].at < at || patches[i].at + oid_bytes > end)
            return fault_set(fault, FAULT_INVALID, "snapshot is damaged: index place");
        if (!put_hashed(out, slice_part(template, at, patches[i].at), fault) ||
            !put_hashed(out, slice_of_bytes(oid, oid_bytes), fault))
            return false;
        at = patches[i].at + oid_bytes;
    }
    if (!put_hashed(out, slice_part(template, at, end), fault))
        return false;
    hasher_end(out->hasher, checksum);
    return put(out, slice_of_bytes(checksum, oid_bytes), fault) && flush(out, fault);
}

/*
 * Git calls an entry racy, and reads the file, where the index is not younger than the file. A
 * base commit of this very second, or of a clock ahead of ours, must not look so.
 */
static bool date(int fd, const struct snapshot *snapshot, struct fault *fault)
{
    struct timespec times[2] = {{.tv_nsec = UTIME_OMIT},
                                {.tv_sec = (time_t)snapshot_base_time(snapshot) + 1}};
    struct stat stat;

    return fstat(fd, &stat) < 0 || stat.st_mtime > snapshot_base_time(snapshot) ||
           futimens(fd, times) == 0 || fault_errno(fault, "date the index");
}

bool index_write(int folder_fd, const struct snapshot *snapshot, const uint8_t *oids,
                 struct fault *fault)
{
    AUTO_FREE struct out *out = xalloc(sizeof(*out));
    AUTO_CLOSE int fd =
        openat(folder_fd, "index", O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0644);
    bool done;

    if (fd < 0)
        return fault_errno(fault, "make index");
    if (snapshot_index(snapshot).len < snapshot_oid_bytes(snapshot))
        return fault_set(fault, FAULT_INVALID, "snapshot is damaged: index");
    out->fd = fd;
    if (!hasher_new(snapshot_oid_bytes(snapshot), &out->hasher, fault))
        return false;
    done = put_all(out, snapshot, oids, fault);
    hasher_free(out->hasher);
    return done && date(fd, snapshot, fault);
}
