#include "view/plain.h"

#include <stdlib.h>
#include <sys/mman.h>

#include "base/scope.h"
#include "view/plain_format.h"

struct plain {
    const struct plain_header *header; /* the mapping */
    const struct plain_file *files;    /* by node number */
    size_t bytes;
    uint32_t *slots; /* node + 1, by inode; 0 is free */
    size_t room;     /* a power of two */
};

static size_t first_slot(const struct plain *plain, uint64_t inode)
{
    return (size_t)(inode * 0x9e3779b97f4a7c15 >> 32) & (plain->room - 1);
}

static void index_files(struct plain *plain)
{
    for (plain->room = 64; plain->room < 2 * (size_t)plain->header->count;)
        plain->room *= 2;
    plain->slots = xalloc_array(plain->room, sizeof(plain->slots[0]));
    for (uint32_t node = 0; node < plain->header->count; node++) {
        size_t slot = first_slot(plain, plain->files[node].inode);

        if (plain->files[node].inode == 0)
            continue;
        while (plain->slots[slot] != 0)
            slot = (slot + 1) & (plain->room - 1);
        plain->slots[slot] = node + 1;
    }
}

bool plain_open(int identity_fd, const struct snapshot *snapshot, struct plain **ret_plain,
                struct fault *fault)
{
    uint32_t count = snapshot_node_count(snapshot);
    size_t bytes = sizeof(struct plain_header) + (size_t)count * sizeof(struct plain_file);
    struct plain *plain;
    struct stat stat;
    void *at;

    if (fstat(identity_fd, &stat) < 0)
        return fault_errno(fault, "look at the files' identities");
    if ((uint64_t)stat.st_size != bytes)
        return fault_set(fault, FAULT_INVALID, "the files' identities are %lld bytes, not %zu",
                         (long long)stat.st_size, bytes);
    at = mmap(NULL, bytes, PROT_READ, MAP_SHARED, identity_fd, 0);
    if (at == MAP_FAILED)
        return fault_errno(fault, "map the files' identities");
    plain = xalloc(sizeof(*plain));
    plain->header = at;
    plain->files = (const void *)(plain->header + 1);
    plain->bytes = bytes;
    if (memcmp(plain->header->magic, PLAIN_MAGIC, sizeof(plain->header->magic)) != 0 ||
        plain->header->count != count) {
        plain_close(plain);
        return fault_set(fault, FAULT_INVALID, "the files' identities are another tree's");
    }
    index_files(plain);
    *ret_plain = plain;
    return true;
}

void plain_close(struct plain *plain)
{
    if (plain == NULL)
        return;
    (void)munmap((void *)(uintptr_t)plain->header, plain->bytes);
    free(plain->slots);
    free(plain);
}

bool plain_time_is(const struct plain_time *time, const struct statx_timestamp *other)
{
    return time->s == other->tv_sec && time->ns == other->tv_nsec;
}

struct plain_time plain_time_of(const struct statx_timestamp *time)
{
    return (struct plain_time){.s = time->tv_sec, .ns = time->tv_nsec};
}

uint32_t plain_find(const struct plain *plain, const struct statx *stat, bool *ret_same)
{
    if (stat->stx_dev_major != plain->header->dev_major ||
        stat->stx_dev_minor != plain->header->dev_minor)
        return SNAPSHOT_NONE;
    for (size_t slot = first_slot(plain, stat->stx_ino); plain->slots[slot] != 0;
         slot = (slot + 1) & (plain->room - 1)) {
        uint32_t node = plain->slots[slot] - 1;
        const struct plain_file *file = &plain->files[node];

        /* The inode number of a removed file is given out again, its time of birth is not. */
        if (file->inode != stat->stx_ino || !plain_time_is(&file->born, &stat->stx_btime))
            continue;
        *ret_same = plain_time_is(&file->changed, &stat->stx_ctime);
        return node;
    }
    return SNAPSHOT_NONE;
}
