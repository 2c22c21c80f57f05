#include "roles/observer/observer.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/fanotify.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/scope.h"
#include "os/isolate.h"
#include "os/message.h"
#include "view/crossed.h"

#define OBSERVER_WATCH 'W'
#define OBSERVER_SETTLE 'S'
#define OBSERVER_COMPARE 'C'
#define OBSERVER_FAILED 'F'
#define EVENTS_AT_A_TIME 256 /* each holds a descriptor; too many and the kernel drops events */
#define EVENT_BYTES (EVENTS_AT_A_TIME * sizeof(struct fanotify_event_metadata))
#define GATHER_MS 1 /* else each event would wake us, in the time of who caused it */

enum seen {
    SEEN_OPENED = 1,
    SEEN_READ = 2,
};

struct observing {
    const struct observer_config *config;
    int events; /* fanotify; -1: not watching */
    uint64_t event_count;
    uint8_t *seen;
    uint8_t *room;
};

/* ---- events ---- */

static uint8_t seen_of(uint64_t mask)
{
    return (uint8_t)(((mask & (FAN_OPEN | FAN_OPEN_EXEC)) != 0 ? SEEN_OPENED : 0) |
                     ((mask & FAN_ACCESS) != 0 ? SEEN_READ | SEEN_OPENED : 0));
}

/* Told once: from then on the kernel tells nothing more of that kind about the file. */
static void take_event(struct observing *observing,
                       const struct fanotify_event_metadata *event)
{
    uint64_t told = event->mask & (FAN_OPEN | FAN_OPEN_EXEC | FAN_ACCESS);
    struct statx file;

    if ((event->mask & FAN_ACCESS) != 0)
        told |= FAN_OPEN | FAN_OPEN_EXEC;
    (void)fanotify_mark(observing->events,
                        FAN_MARK_ADD | FAN_MARK_IGNORED_MASK | FAN_MARK_IGNORED_SURV_MODIFY,
                        told, event->fd, NULL);
    /* What the kernel knows already: the view is not asked, and may be gone. */
    if (statx(event->fd, "", AT_EMPTY_PATH | AT_STATX_DONT_SYNC, STATX_INO, &file) == 0 &&
        file.stx_ino >= 1 && file.stx_ino - 1 < observing->config->nodes)
        observing->seen[file.stx_ino - 1] |= seen_of(event->mask);
}

static bool take_events(struct observing *observing, bool *ret_some, struct fault *fault)
{
    ssize_t len = read(observing->events, observing->room, EVENT_BYTES);
    struct fanotify_event_metadata *event = (void *)observing->room;

    *ret_some = len > 0;
    if (len < 0)
        return errno == EAGAIN || errno == EINTR ||
               fault_errno(fault, "read the kernel's events");
    for (; FAN_EVENT_OK(event, len); event = FAN_EVENT_NEXT(event, len)) {
        if (event->vers != FANOTIFY_METADATA_VERSION)
            return fault_set(fault, FAULT_HOST, "events of another version");
        if ((event->mask & FAN_Q_OVERFLOW) != 0)
            return fault_set(fault, FAULT_LIMIT, "the kernel has lost events");
        if (event->fd < 0)
            continue;
        take_event(observing, event);
        observing->event_count++;
        (void)close(event->fd);
    }
    return true;
}

/* The cell is dead, and a process is told of before its call returns: all that will come is here. */
static bool drain(struct observing *observing, struct fault *fault)
{
    bool some;

    do
        if (!take_events(observing, &some, fault))
            return false;
    while (some);
    return true;
}

/* ---- what core asks ---- */

static bool answer(const struct observing *observing, char what, struct slice more,
                   struct fault *fault)
{
    AUTO_BUF struct buf packet = buf_with_limit(1024);

    return buf_add_byte(&packet, (uint8_t)what, fault) && buf_add(&packet, more, fault) &&
           message_send(observing->config->control, buf_slice(&packet), NULL, fault);
}

/*
 * Unprivileged from then on: the kernel asks for privilege only where a group or a mark on a
 * whole file system is made.
 */
static bool watch(struct observing *observing, int folder, struct fault *fault)
{
    AUTO_CLOSE int events = fanotify_init(FAN_CLASS_NOTIF | FAN_CLOEXEC | FAN_NONBLOCK |
                                              FAN_UNLIMITED_QUEUE | FAN_UNLIMITED_MARKS,
                                          O_RDONLY | O_LARGEFILE | O_CLOEXEC);
    bool watching =
        events >= 0 && fanotify_mark(events, FAN_MARK_ADD | FAN_MARK_FILESYSTEM,
                                     FAN_OPEN | FAN_OPEN_EXEC | FAN_ACCESS, folder, ".") == 0;

    if (watching)
        observing->events = take_fd(&events);
    if (!isolate_user(observing->config->uid, observing->config->gid, 0, fault) ||
        !isolate_syscalls(ISOLATE_OBSERVER, fault))
        return false;
    return answer(observing, OBSERVER_WATCH, slice_of_bytes(&watching, sizeof(watching)),
                  fault);
}

static void add_difference(struct observer_result *result, uint32_t number)
{
    if (result->difference_count < OBSERVER_DIFFERENCES_MAX)
        result->differences[result->difference_count++] = number;
}

/*
 * What was read must be on record, unless it was the agent's own by then (the kernel may give
 * that back without asking); what is on record must have been opened.
 */
static void compare(const struct observing *observing, const uint8_t *crossed,
                    struct observer_result *result)
{
    for (uint32_t number = 0; number < observing->config->nodes; number++) {
        unsigned seen = observing->seen[number], told = crossed[number];

        if ((told & VIEW_CROSSED_FILE) == 0)
            continue;
        result->opened += (seen & SEEN_OPENED) != 0;
        result->read += (seen & SEEN_READ) != 0;
        result->recorded += (told & VIEW_CROSSED_READ) != 0;
        if ((seen & SEEN_READ) != 0 &&
            (told & (VIEW_CROSSED_READ | VIEW_CROSSED_WRITTEN)) == 0) {
            result->unrecorded++;
            add_difference(result, number);
        } else if ((told & VIEW_CROSSED_READ) != 0 && (seen & SEEN_OPENED) == 0) {
            result->unseen++;
            add_difference(result, number);
        }
    }
}

static bool compare_with(struct observing *observing, int crossed, struct fault *fault)
{
    struct observer_result result = {.events = observing->event_count};
    struct stat stat;
    void *marks;

    if (observing->events < 0)
        return fault_set(fault, FAULT_INVALID, "nothing was watched");
    if (fstat(crossed, &stat) < 0 || stat.st_size != (off_t)observing->config->nodes)
        return fault_set(fault, FAULT_INVALID,
                         "what the view has recorded is of another tree");
    marks = mmap(NULL, observing->config->nodes, PROT_READ, MAP_PRIVATE, crossed, 0);
    if (marks == MAP_FAILED)
        return fault_errno(fault, "map what the view has recorded");
    compare(observing, marks, &result);
    (void)munmap(marks, observing->config->nodes);
    return answer(observing, OBSERVER_COMPARE, slice_of_bytes(&result, sizeof(result)), fault);
}

static bool on_control(struct observing *observing, bool *ret_end, struct fault *fault)
{
    AUTO_BUF struct buf body = buf_with_limit(MESSAGE_BYTES_MAX);
    struct message_fds fds = {0};
    bool ok = false;

    if (!message_receive(observing->config->control, &body, &fds, -1, ret_end, fault))
        return false;
    if (*ret_end)
        return true;
    if (body.at[0] == OBSERVER_SETTLE)
        ok = drain(observing, fault) && answer(observing, OBSERVER_SETTLE, SLICE(""), fault);
    else if (fds.count != 1)
        (void)fault_set(fault, FAULT_INVALID, "a packet without its descriptor");
    else if (body.at[0] == OBSERVER_WATCH && observing->events < 0)
        ok = watch(observing, fds.fd[0], fault);
    else if (body.at[0] == OBSERVER_COMPARE)
        ok = compare_with(observing, fds.fd[0], fault);
    else
        (void)fault_set(fault, FAULT_INVALID, "a packet that is none");
    message_fds_close(&fds);
    return ok;
}

static bool serve(struct observing *observing, struct fault *fault)
{
    for (;;) {
        struct pollfd fds[2] = {{.fd = observing->config->control, .events = POLLIN},
                                {.fd = observing->events, .events = POLLIN}};
        bool end = false, some;

        if (poll(fds, 2, -1) < 0 && errno != EINTR)
            return fault_errno(fault, "wait");
        if (fds[1].revents != 0 && !take_events(observing, &some, fault))
            return false;
        if (fds[1].revents != 0 && poll(fds, 1, GATHER_MS) < 0 && errno != EINTR)
            return fault_errno(fault, "wait");
        if (fds[0].revents != 0 && (!on_control(observing, &end, fault) || end))
            return end;
    }
}

int observer_role(void *config)
{
    struct observing observing = {.config = config, .events = -1};
    struct fault fault = {0}, unsent = {0};
    bool ok;

    (void)signal(SIGINT, SIG_IGN); /* the terminal's: core ends us */
    (void)signal(SIGQUIT, SIG_IGN);
    (void)signal(SIGHUP, SIG_IGN);
    observing.seen = xalloc_array(observing.config->nodes, 1);
    observing.room = xalloc(EVENT_BYTES);
    ok = serve(&observing, &fault);
    if (!ok)
        (void)!answer(&observing, OBSERVER_FAILED, slice_of(fault.why), &unsent);
    scope_close(&observing.events);
    free(observing.seen);
    free(observing.room);
    return ok ? 0 : 2;
}

/* ---- core's side ---- */

static bool ask(int control, char what, int fd, int timeout_ms, void *ret_answer, size_t size,
                struct fault *fault)
{
    struct message_fds fds = {.fd = {fd}, .count = fd >= 0 ? 1 : 0};
    AUTO_BUF struct buf body = buf_with_limit(MESSAGE_BYTES_MAX);
    bool end;

    if (!message_send(control, slice_of_bytes(&what, 1), &fds, fault) ||
        !message_receive(control, &body, NULL, timeout_ms, &end, fault))
        return fault_in(fault, "ask the observer");
    if (end)
        return fault_set(fault, FAULT_IO, "the observer ended");
    if (body.at[0] == OBSERVER_FAILED)
        return fault_set(fault, FAULT_IO, "the observer: %s", buf_text(&body) + 1);
    if (body.at[0] != (uint8_t)what || body.len != 1 + size)
        return fault_set(fault, FAULT_IO, "the observer answered something else");
    memcpy(ret_answer, body.at + 1, size);
    return true;
}

bool observer_watch(int control, int folder, int timeout_ms, bool *ret_watching,
                    struct fault *fault)
{
    return ask(control, OBSERVER_WATCH, folder, timeout_ms, ret_watching,
               sizeof(*ret_watching), fault);
}

bool observer_settle(int control, int timeout_ms, struct fault *fault)
{
    uint8_t none;

    return ask(control, OBSERVER_SETTLE, -1, timeout_ms, &none, 0, fault);
}

bool observer_compare(int control, int crossed, int timeout_ms,
                      struct observer_result *ret_result, struct fault *fault)
{
    return ask(control, OBSERVER_COMPARE, crossed, timeout_ms, ret_result, sizeof(*ret_result),
               fault);
}
