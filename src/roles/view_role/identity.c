#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/hex.h"
#include "base/scope.h"
#include "roles/guard/seen.h"
#include "roles/view_role/parts.h"

#define STATUS_BYTES_MAX 1024 /* the numbers stand in the first lines */
#define REMEMBERED 64         /* threads and children, a place each by number */

struct relative {
    pid_t pid, process, parent;
};

struct view_identity {
    struct seen *seen;
    int proc_fd;
    struct relative relatives[REMEMBERED];
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

void view_identity_free(struct view_identity *identity)
{
    if (identity == NULL)
        return;
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

/* A number is given to others only when all of them were used up: what is remembered is checked by seen_find. */
static struct relative relative_of(struct view_identity *identity, pid_t pid)
{
    struct relative *known = &identity->relatives[(unsigned)pid % REMEMBERED];
    char name[32], status[STATUS_BYTES_MAX + 1];
    AUTO_CLOSE int fd = -1;
    ssize_t got;

    if (known->pid == pid)
        return *known;
    (void)snprintf(name, sizeof(name), "%d/status", (int)pid);
    fd = identity->proc_fd < 0 ? -1 : openat(identity->proc_fd, name, O_RDONLY | O_CLOEXEC);
    got = fd < 0 ? 0 : read(fd, status, STATUS_BYTES_MAX);
    if (got <= 0)
        return (struct relative){.pid = pid, .process = pid};
    status[got] = 0;
    *known = (struct relative){.pid = pid,
                               .process = number_after(status, "\nTgid:"),
                               .parent = number_after(status, "\nPPid:")};
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

void view_identity_add(struct view_identity *identity, pid_t pid, const char *executable,
                       struct record *record)
{
    struct slice program = executable == NULL ? (struct slice){0} : slice_of(executable);
    struct seen_process process;
    struct relative relative = {.process = pid};

    if (pid <= 0)
        return;
    if (!seen_find(identity->seen, pid, program, &process)) {
        relative = relative_of(identity, pid);
        if (!seen_find(identity->seen, relative.process, program, &process)) {
            (void)seen_find(identity->seen, relative.parent, program, &process);
            process.parent = relative.parent; /* it is the one whose command it shares */
        }
    }
    record_number(record, RECORD_PID, relative.process);
    add_seen(identity, &process, record);
}
