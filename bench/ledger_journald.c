/*
 * bench/ledger_journald.c - systemd-journald: records by its native protocol, then its own
 * "synchronize", which returns when they are on disk. Only where a journal with sealing runs.
 */
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/scope.h"
#include "bench/ledger_subject.h"

#define SYNCHRONIZE "{\"method\":\"io.systemd.Journal.Synchronize\"}"

struct journald {
    int entries, calls;
    char *text;
    size_t text_bytes, outstanding;
    uint64_t count;
};

static bool reach(const char *folder, const char *name, int type, int *ret_socket)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    AUTO_CLOSE int fd = socket(AF_UNIX, type | SOCK_CLOEXEC, 0);
    int room = 8 * 1024 * 1024;

    (void)snprintf(address.sun_path, sizeof(address.sun_path), "%s/%s", folder, name);
    if (fd < 0 || connect(fd, (const struct sockaddr *)&address, sizeof(address)) < 0)
        return false;
    (void)setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &room, sizeof(room));
    *ret_socket = take_fd(&fd);
    return true;
}

/* The driver names the folder of the sockets when a journal with sealing is there. */
static bool journald_open(const struct subject_place *place, void **ret_self,
                          struct fault *fault)
{
    const char *folder = getenv("BENCH_JOURNAL");
    struct journald *self;

    if (folder == NULL)
        return fault_set(fault, FAULT_HOST, "no journal with sealing runs here");
    self = xalloc(sizeof(*self));
    *self = (struct journald){.outstanding = place->outstanding, .entries = -1, .calls = -1};
    if (!reach(folder, "socket", SOCK_DGRAM, &self->entries) ||
        !reach(folder, "io.systemd.journal", SOCK_STREAM, &self->calls))
        return fault_set(fault, FAULT_HOST, "the journal cannot be reached at %s", folder);
    self->text_bytes = place->record_bytes + 9;
    self->text = xalloc(self->text_bytes + 1);
    memcpy(self->text, "MESSAGE=", 8);
    subject_fill((uint8_t *)self->text + 8, place->record_bytes, 0);
    self->text[self->text_bytes - 1] = '\n';
    *ret_self = self;
    return true;
}

static bool journald_round(void *of, struct fault *fault)
{
    struct journald *self = of;
    char answer[4096];
    ssize_t got;

    for (size_t i = 0; i < self->outstanding; i++) {
        (void)snprintf(self->text + 8, 17, "%016llx", (unsigned long long)self->count++);
        self->text[24] = '.';
        if (send(self->entries, self->text, self->text_bytes, MSG_NOSIGNAL) < 0)
            return fault_errno(fault, "write to the journal");
    }
    if (send(self->calls, SYNCHRONIZE, sizeof(SYNCHRONIZE), MSG_NOSIGNAL) < 0)
        return fault_errno(fault, "ask the journal");
    do
        got = recv(self->calls, answer, sizeof(answer), 0);
    while (got > 0 && answer[got - 1] != 0);
    return got > 0 && strstr(answer, "\"error\"") == NULL
               ? true
               : fault_set(fault, FAULT_HOST, "the journal does not synchronize");
}

static bool journald_close(void *of, struct fault *fault)
{
    struct journald *self = of;

    (void)fault;
    (void)close(self->entries);
    (void)close(self->calls);
    free(self->text);
    free(self);
    return true;
}

const struct subject subject_journald = {"journald", journald_open, journald_round,
                                         journald_close, NULL};
