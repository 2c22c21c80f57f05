#include "roles/guard/seen.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/scope.h"

#define PROCESSES 65536 /* powers of two: a slot each by number, the younger one stays */
#define PROGRAMS 4096

/* A row is whole where `version` is even and the same before and after. */
struct process_row {
    _Atomic uint32_t version;
    int32_t pid, parent;
    uint64_t started;
    uint64_t program,
        before; /* hashes; program 0: a script or file that nobody could follow */
    struct seen_file program_file, before_file;
    bool has_before; /* command_before is its own */
    uint8_t command[SEEN_DIGEST_BYTES], command_before[SEEN_DIGEST_BYTES];
};

struct program_row {
    _Atomic uint32_t version;
    uint64_t program;
    uint8_t digest[SEEN_DIGEST_BYTES];
};

struct table {
    struct process_row processes[PROCESSES];
    struct program_row programs[PROGRAMS];
};

struct seen {
    struct table *table;
};

/* FNV-1a. A collision would lend a program another's digest: 64 bits, never 0. */
static uint64_t hash_of(struct slice text)
{
    uint64_t hash = UINT64_C(0xcbf29ce484222325);

    for (size_t i = 0; i < text.len; i++)
        hash = (hash ^ text.at[i]) * UINT64_C(0x100000001b3);
    return hash == 0 ? 1 : hash;
}

bool seen_make(int *ret_fd, struct fault *fault)
{
    AUTO_CLOSE int fd = memfd_create("seen", MFD_CLOEXEC);

    if (fd < 0 || ftruncate(fd, sizeof(struct table)) < 0)
        return fault_errno(fault, "make memory for the programs of the cell");
    *ret_fd = take_fd(&fd);
    return true;
}

bool seen_open(int fd, bool writable, struct seen **ret_seen, struct fault *fault)
{
    void *at = mmap(NULL, sizeof(struct table), writable ? PROT_READ | PROT_WRITE : PROT_READ,
                    MAP_SHARED, fd, 0);
    struct seen *seen;

    if (at == MAP_FAILED)
        return fault_errno(fault, "map the programs of the cell");
    seen = xalloc(sizeof(*seen));
    seen->table = at;
    *ret_seen = seen;
    return true;
}

void seen_close(struct seen *seen)
{
    if (seen == NULL)
        return;
    (void)munmap(seen->table, sizeof(struct table));
    free(seen);
}

static void begin(_Atomic uint32_t *version)
{
    atomic_fetch_add_explicit(version, 1, memory_order_acq_rel);
    atomic_thread_fence(memory_order_seq_cst);
}

static void end(_Atomic uint32_t *version)
{
    atomic_fetch_add_explicit(version, 1, memory_order_release);
}

void seen_put_program(struct seen *seen, struct slice program,
                      const uint8_t digest[SEEN_DIGEST_BYTES])
{
    uint64_t hash = hash_of(program);
    struct program_row *row = &seen->table->programs[hash % PROGRAMS];

    begin(&row->version);
    row->program = hash;
    memcpy(row->digest, digest, SEEN_DIGEST_BYTES);
    end(&row->version);
}

static bool is_of(const struct process_row *row, pid_t pid, uint64_t started)
{
    return row->pid == pid && row->started == started;
}

void seen_put_process(struct seen *seen, const struct seen_start *start)
{
    struct process_row *row = &seen->table->processes[(uint32_t)start->pid % PROCESSES];
    uint64_t before = hash_of(start->before);

    begin(&row->version);
    /* What was asked for last may have failed: then it is not what it runs. */
    row->has_before = is_of(row, start->pid, start->started) &&
                      (row->program == before || row->program == 0);
    memcpy(row->command_before, row->command, SEEN_DIGEST_BYTES);
    row->pid = start->pid;
    row->parent = start->parent;
    row->started = start->started;
    row->program = start->program.len == 0 ? 0 : hash_of(start->program);
    row->before = before;
    row->program_file = start->program_file;
    row->before_file = start->before_file;
    memcpy(row->command, start->command, SEEN_DIGEST_BYTES);
    end(&row->version);
}

static bool is_whole(const _Atomic uint32_t *version, uint32_t before)
{
    atomic_thread_fence(memory_order_acquire);
    return (before & 1) == 0 && atomic_load_explicit(version, memory_order_acquire) == before;
}

static bool find_digest(const struct seen *seen, uint64_t hash,
                        uint8_t ret_digest[SEEN_DIGEST_BYTES])
{
    const struct program_row *row = &seen->table->programs[hash % PROGRAMS];
    uint32_t before = atomic_load_explicit(&row->version, memory_order_acquire);
    bool fits = row->program == hash;

    memcpy(ret_digest, row->digest, SEEN_DIGEST_BYTES);
    return fits && is_whole(&row->version, before);
}

static bool is_same(struct seen_file one, struct seen_file other)
{
    return one.device == other.device && one.inode == other.inode;
}

bool seen_is_other(const struct seen *seen, pid_t pid, uint64_t started, struct seen_file runs)
{
    const struct process_row *row = &seen->table->processes[(uint32_t)pid % PROCESSES];

    return is_of(row, pid, started) && row->program_file.inode != 0 &&
           row->before_file.inode != 0 && !is_same(row->program_file, runs) &&
           !is_same(row->before_file, runs);
}

static void take(const struct process_row *row, uint64_t hash, struct seen_process *process)
{
    bool is_after = row->program == hash || row->program == 0;
    bool is_before = row->before == hash;

    process->parent = row->parent;
    process->has_command =
        is_after ? row->program != 0 || !is_before : is_before && row->has_before;
    memcpy(process->command, is_after ? row->command : row->command_before, SEEN_DIGEST_BYTES);
}

bool seen_find(const struct seen *seen, pid_t pid, uint64_t started, struct slice program,
               struct seen_process *ret_process)
{
    const struct process_row *row = &seen->table->processes[(uint32_t)pid % PROCESSES];
    uint32_t before = atomic_load_explicit(&row->version, memory_order_acquire);
    uint64_t hash = hash_of(program);
    bool found = is_of(row, pid, started);

    *ret_process = (struct seen_process){0};
    if (found)
        take(row, hash, ret_process);
    if (!is_whole(&row->version, before)) { /* it waits to start: what it runs is not known */
        *ret_process = (struct seen_process){0};
        found = true;
    }
    ret_process->has_digest = find_digest(seen, hash, ret_process->digest);
    return found;
}
