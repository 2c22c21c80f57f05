#include "gateway/upstream/dial.h"

#include <errno.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/scope.h"

#define NEXT_US (INT64_C(250) * 1000)

struct attempt {
    struct dial *dial;
    int fd; /* -1: not begun, or failed */
    struct loop_watch *watch;
};

struct dial {
    struct loop *loop;
    struct addresses addresses;
    uint16_t port;
    uint32_t begun, failed;
    struct attempt attempts[ADDRESSES_MAX];
    struct loop_timer *next;
    void (*done)(void *self, int fd);
    void *self;
};

static void begin_next(void *self);

static void drop(struct attempt *attempt)
{
    loop_unwatch(attempt->watch);
    attempt->watch = NULL;
    scope_close(&attempt->fd);
}

void dial_cancel(struct dial *dial)
{
    if (dial == NULL)
        return;
    for (uint32_t i = 0; i < dial->begun; i++)
        drop(&dial->attempts[i]);
    loop_timer_cancel(dial->next);
    free(dial);
}

static void end(struct dial *dial, int fd)
{
    void (*done)(void *self, int fd) = dial->done;
    void *self = dial->self;

    dial_cancel(dial);
    done(self, fd);
}

/* Not by a callback of its own: `done` is never called before dial_begin has returned. */
static void arm(struct dial *dial, int64_t delay_us)
{
    struct fault fault = {0};

    loop_timer_cancel(dial->next);
    dial->next = NULL;
    if (dial->begun < dial->addresses.count || dial->failed == dial->begun)
        (void)!loop_timer(dial->loop, delay_us, begin_next, dial, &dial->next, &fault);
}

static void on_ready(void *self, uint32_t events)
{
    struct attempt *attempt = self;
    struct dial *dial = attempt->dial;
    int error = 0, fd;
    socklen_t len = sizeof(error);

    (void)events;
    if (getsockopt(attempt->fd, SOL_SOCKET, SO_ERROR, &error, &len) == 0 && error == 0) {
        loop_unwatch(attempt->watch);
        attempt->watch = NULL;
        fd = take_fd(&attempt->fd);
        end(dial, fd);
        return;
    }
    drop(attempt);
    dial->failed++;
    arm(dial, 0);
}

static bool try_address(struct dial *dial, struct attempt *attempt,
                        const struct address *address)
{
    struct sockaddr_storage to;
    socklen_t len = address_socket(address, dial->port, &to);
    struct fault fault = {0};
    int on = 1;

    attempt->dial = dial;
    attempt->fd = socket(to.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (attempt->fd < 0)
        return false;
    (void)setsockopt(attempt->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    if ((connect(attempt->fd, (const struct sockaddr *)&to, len) == 0 ||
         errno == EINPROGRESS) &&
        loop_watch(dial->loop, attempt->fd, EPOLLOUT, on_ready, attempt, &attempt->watch,
                   &fault))
        return true;
    drop(attempt);
    return false;
}

static void begin_next(void *self)
{
    struct dial *dial = self;

    dial->next = NULL;
    while (dial->begun < dial->addresses.count) {
        uint32_t i = dial->begun++;

        if (try_address(dial, &dial->attempts[i], &dial->addresses.at[i])) {
            arm(dial, NEXT_US);
            return;
        }
        dial->failed++;
    }
    if (dial->failed == dial->begun)
        end(dial, -1);
}

bool dial_begin(struct loop *loop, const struct addresses *addresses, uint16_t port,
                void (*done)(void *self, int fd), void *self, struct dial **ret_dial,
                struct fault *fault)
{
    struct dial *dial = xalloc(sizeof(*dial));

    *dial = (struct dial){
        .loop = loop, .addresses = *addresses, .port = port, .done = done, .self = self};
    if (!loop_timer(loop, 0, begin_next, dial, &dial->next, fault)) {
        free(dial);
        return false;
    }
    *ret_dial = dial;
    return true;
}
