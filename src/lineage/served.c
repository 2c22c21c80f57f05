#include "lineage/served.h"

#include <fcntl.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#define BEGIN 64UL

/* At the beginning of the file of memory. */
struct head {
    _Atomic uint64_t end; /* of what is whole */
    _Atomic uint32_t full;
};

/* A file: this, its hashes, its lines, its blob and its path, padded to eight bytes. */
struct entry {
    uint32_t count;
    uint16_t path_len, blob_len;
};

_Static_assert(sizeof(struct head) <= BEGIN, "the head has its place");
_Static_assert(sizeof(struct entry) == 8, "hashes are aligned behind it");

struct served {
    uint8_t *at;
    uint64_t read; /* how far the reader is */
};

bool served_make(int *ret_fd, struct fault *fault)
{
    int fd = memfd_create("served", MFD_CLOEXEC | MFD_ALLOW_SEALING);

    if (fd < 0)
        return fault_errno(fault, "make a file of memory for lineage");
    if (ftruncate(fd, (off_t)SERVED_BYTES_MAX) < 0 ||
        fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) < 0) {
        (void)fault_errno(fault, "make a file of memory for lineage");
        (void)close(fd);
        return false;
    }
    *ret_fd = fd;
    return true;
}

bool served_open(int fd, bool writes, struct served **ret_served, struct fault *fault)
{
    void *at = mmap(NULL, SERVED_BYTES_MAX, writes ? PROT_READ | PROT_WRITE : PROT_READ,
                    MAP_SHARED | MAP_NORESERVE, fd, 0);
    struct served *served;

    if (at == MAP_FAILED)
        return fault_errno(fault, "map the memory for lineage");
    served = xalloc(sizeof(*served));
    *served = (struct served){.at = at, .read = BEGIN};
    *ret_served = served;
    return true;
}

void served_close(struct served *served)
{
    if (served == NULL)
        return;
    (void)munmap(served->at, SERVED_BYTES_MAX);
    free(served);
}

static struct head *head_of(const struct served *served)
{
    return (struct head *)(void *)served->at;
}

static size_t entry_bytes(const struct entry *entry)
{
    size_t bytes = sizeof(*entry) + entry->count * (sizeof(uint64_t) + sizeof(uint32_t)) +
                   entry->path_len + entry->blob_len;

    return (bytes + 7) & ~(size_t)7;
}

/* Every piece; `hashes` NULL: only how many. */
static size_t pieces(const struct lines_key *key, struct slice content, uint64_t *hashes,
                     uint32_t *lines)
{
    uint32_t number = 0;
    size_t count = 0;
    struct slice line;

    while (content.len > 0 && slice_cut(&content, '\n', &line)) {
        number++;
        line = slice_trim(line);
        do {
            if (hashes == NULL) {
                line = slice_part(line, LINES_PIECE_BYTES, line.len);
            } else {
                hashes[count] = lines_piece(key, &line);
                lines[count] = number;
            }
            count++;
        } while (line.len > 0);
    }
    return count;
}

void served_add(struct served *served, const struct lines_key *key, struct slice path,
                struct slice blob, struct slice content)
{
    struct head *head = head_of(served);
    uint64_t at = atomic_load_explicit(&head->end, memory_order_relaxed);
    struct slice known = slice_part(content, 0, SERVED_FILE_BYTES_MAX);
    struct entry entry;
    uint8_t *to;

    at = at == 0 ? BEGIN : at;
    if (known.len < content.len)
        atomic_store(&head->full, 1);
    entry =
        (struct entry){(uint32_t)pieces(key, known, NULL, NULL),
                       (uint16_t)(path.len & UINT16_MAX), (uint16_t)(blob.len & UINT16_MAX)};
    if (path.len > SERVED_PATH_BYTES_MAX || blob.len > SERVED_BLOB_BYTES ||
        entry_bytes(&entry) > SERVED_BYTES_MAX - at) {
        atomic_store(&head->full, 1);
        return;
    }
    to = served->at + at;
    memcpy(to, &entry, sizeof(entry));
    to += sizeof(entry);
    (void)pieces(key, known, (uint64_t *)(void *)to,
                 (uint32_t *)(void *)(to + entry.count * sizeof(uint64_t)));
    to += entry.count * (sizeof(uint64_t) + sizeof(uint32_t));
    memcpy(to, blob.at, blob.len);
    memcpy(to + blob.len, path.at, path.len);
    atomic_store_explicit(&head->end, at + entry_bytes(&entry), memory_order_release);
}

bool served_next(struct served *served, struct served_file *ret_file)
{
    uint64_t end = atomic_load_explicit(&head_of(served)->end, memory_order_acquire);
    const uint8_t *at = served->at + served->read;
    struct entry entry;

    if (end > SERVED_BYTES_MAX || end < served->read ||
        end - served->read < sizeof(struct entry))
        return false;
    memcpy(&entry, at, sizeof(entry));
    if (entry.path_len > SERVED_PATH_BYTES_MAX || entry.blob_len > SERVED_BLOB_BYTES ||
        entry.count > SERVED_BYTES_MAX / sizeof(uint64_t) ||
        entry_bytes(&entry) > end - served->read)
        return false;
    at += sizeof(entry);
    ret_file->count = entry.count;
    ret_file->hashes = (const uint64_t *)(const void *)at;
    at += entry.count * sizeof(uint64_t);
    ret_file->lines = (const uint32_t *)(const void *)at;
    at += entry.count * sizeof(uint32_t);
    ret_file->blob = slice_of_bytes(at, entry.blob_len);
    ret_file->path = slice_of_bytes(at + entry.blob_len, entry.path_len);
    served->read += entry_bytes(&entry);
    return true;
}

void served_give_up(struct served *served)
{
    atomic_store(&head_of(served)->full, 1);
}

bool served_is_full(const struct served *served)
{
    return atomic_load(&head_of(served)->full) != 0;
}
