#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/hex.h"
#include "base/scope.h"
#include "os/proc.h"
#include "roles/guard/seen.h"
#include "roles/view_role/parts.h"

#define STATUS_BYTES_MAX 1024 /* the numbers stand in the first lines */
#define REMEMBERED 64         /* a place each by number */
#define FORKS_MAX 8           /* subshells of subshells */

struct known {
    pid_t pid, process, parent; /* pid 0: free; it may be a thread of `process` */
    uint64_t started;           /* the process */
    int folder;                 /* /proc/PID, O_PATH: it names nobody else, ever */
};

struct view_identity {
    struct seen *seen;
    int proc_fd;
    struct known known[REMEMBERED];
    char digest[2 * SEEN_DIGEST_BYTES + 1], command[2 * SEEN_DIGEST_BYTES + 1];
};

bool view_identity_new(int seen_fd, struct view_identity **ret_identity, struct fault *fault)
{
    struct view_identity *identity = xalloc(sizeof(*identity));

    identity->proc_fd = -1;
    if (!seen_open(seen_fd, false, &identity->seen, fault)) {
        free(identity);
        return false;
    }
    *ret_identity = identity;
    return true;
}

static void forget(struct known *known)
{
    if (known->pid != 0)
        scope_close(&known->folder);
    known->pid = 0;
}

void view_identity_free(struct view_identity *identity)
{
    if (identity == NULL)
        return;
    for (size_t i = 0; i < REMEMBERED; i++)
        forget(&identity->known[i]);
    seen_close(identity->seen);
    scope_close(&identity->proc_fd);
    free(identity);
}

void view_identity_proc(struct view_identity *identity, int proc_fd)
{
    scope_close(&identity->proc_fd);
    identity->proc_fd = proc_fd;
}

static pid_t number_after(const char *status, const char *name)
{
    const char *at = strstr(status, name);

    return at == NULL ? 0 : (pid_t)strtol(at + strlen(name), NULL, 10);
}

static bool learn(const struct view_identity *identity, pid_t pid, struct known *ret_known)
{
    char name[32], status[STATUS_BYTES_MAX + 1];
    struct known known = {.pid = pid, .folder = -1};
    struct proc_stat stat;
    AUTO_CLOSE int folder = -1, fd = -1, process = -1;
    ssize_t got;

    (void)snprintf(name, sizeof(name), "%d", (int)pid);
    folder = identity->proc_fd < 0
                 ? -1
                 : openat(identity->proc_fd, name, O_PATH | O_DIRECTORY | O_CLOEXEC);
    fd = folder < 0 ? -1 : openat(folder, "status", O_RDONLY | O_CLOEXEC);
    got = fd < 0 ? 0 : read(fd, status, STATUS_BYTES_MAX);
    if (got <= 0)
        return false;
    status[got] = 0;
    known.process = number_after(status, "\nTgid:");
    if (known.process != pid) { /* a thread: when its process began counts */
        (void)snprintf(name, sizeof(name), "%d", (int)known.process);
        process = openat(identity->proc_fd, name, O_PATH | O_DIRECTORY | O_CLOEXEC);
    }
    if (!proc_stat_read(process < 0 ? folder : process, &stat))
        return false;
    known.parent = stat.parent;
    known.started = stat.started;
    known.folder = take_fd(&folder);
    *ret_known = known;
    return true;
}

/*
 * Once a process, not once a read; a copy, since the place may be another's at the next call.
 */
static struct known known_of(struct view_identity *identity, pid_t pid)
{
    struct known *known = &identity->known[(unsigned)pid % REMEMBERED];
    struct stat stat;

    if (known->pid == pid && fstatat(known->folder, "stat", &stat, 0) == 0)
        return *known;
    forget(known);
    if (!learn(identity, pid, known)) {
        *known = (struct known){0};
        return (struct known){.process = pid};
    }
    return *known;
}

static void add_seen(struct view_identity *identity, const struct seen_process *process,
                     struct record *record)
{
    if (process->parent > 0)
        record_number(record, RECORD_PARENT, process->parent);
    if (process->has_digest) {
        hex_encode(slice_of_bytes(process->digest, SEEN_DIGEST_BYTES), identity->digest);
        record_word(record, RECORD_EXECUTABLE_DIGEST, identity->digest);
    }
    if (process->has_command) {
        hex_encode(slice_of_bytes(process->command, SEEN_DIGEST_BYTES), identity->command);
        record_word(record, RECORD_COMMAND, identity->command);
    }
}

/* A child that has started no program of its own is what the nearest one above it is. */
static void find(struct view_identity *identity, const struct known *known,
                 struct slice program, struct seen_process *ret_process)
{
    struct known above = *known;

    for (int i = 0; i < FORKS_MAX; i++) {
        if (seen_find(identity->seen, above.process, above.started, program, ret_process) ||
            above.parent <= 1)
            break;
        above = known_of(identity, above.parent);
    }
    if (above.process != known->process || ret_process->parent == 0)
        ret_process->parent = known->parent;
}

void view_identity_add(struct view_identity *identity, pid_t pid, const char *executable,
                       struct record *record)
{
    struct slice program = executable == NULL ? (struct slice){0} : slice_of(executable);
    struct seen_process process;
    struct known known;

    if (pid <= 0)
        return;
    known = known_of(identity, pid);
    find(identity, &known, program, &process);
    record_number(record, RECORD_PID, known.process);
    add_seen(identity, &process, record);
}
