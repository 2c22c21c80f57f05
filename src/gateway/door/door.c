#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "gateway/door/connection.h"
#include "os/clock_real.h"
#include "os/message.h"

#define PATROL_US (INT64_C(1000) * 1000)
#define ACCEPTS_AT_ONCE 64

static void arm_patrol(struct door *door);
static void accept_more(struct door *door, bool more);

static void on_patrol(void *self)
{
    struct door *door = self;
    int64_t now_us = clock_monotonic_us(&clock_real);
    struct connection *next;

    door->patrol = NULL;
    for (struct connection *at = door->connections; at != NULL; at = next) {
        next = at->next;
        if (at->deadline_us != 0 && at->deadline_us < now_us)
            connection_close(at);
    }
    accept_more(door, door->connection_count < DOOR_CONNECTIONS_MAX);
    arm_patrol(door);
}

static void arm_patrol(struct door *door)
{
    struct fault fault = {0};

    if (!loop_timer(door->loop, PATROL_US, on_patrol, door, &door->patrol, &fault))
        door->patrol = NULL;
}

static struct connection *oldest_waiting(struct door *door)
{
    struct connection *oldest = NULL;

    for (struct connection *at = door->connections; at != NULL; at = at->next)
        if (at->state == CONNECTION_WAITING && (oldest == NULL || at->turn < oldest->turn))
            oldest = at;
    return oldest;
}

/* Not from within the call that has just ended. */
static void on_wake(void *self)
{
    struct door *door = self;
    struct connection *waiting;

    door->wakes = NULL;
    while (door->spare_count > 0 && (waiting = oldest_waiting(door)) != NULL)
        connection_resume(waiting);
    door->has_waiting = oldest_waiting(door) != NULL;
}

void door_keep_spare(struct door *door, struct call_line *line)
{
    struct fault fault = {0};

    if (spares_keep(line) && door->has_waiting && door->wakes == NULL &&
        !loop_timer(door->loop, 0, on_wake, door, &door->wakes, &fault))
        door->wakes = NULL;
}

/* The gateway sends call sockets, one a packet. */
static void on_gateway(void *self, uint32_t events)
{
    struct door *door = self;
    struct buf body = buf_with_limit(MESSAGE_BYTES_MAX);
    struct message_fds fds = {0};
    struct connection *waiting;
    struct fault fault = {0};
    bool end;

    (void)events;
    if (!message_receive(door->config.gateway, &body, &fds, 0, &end, &fault) || end) {
        loop_unwatch(
            door->gateway_watch); /* calls fail from now on; who runs us sees it die too */
        door->gateway_watch = NULL;
        door->gateway_gone = true;
        while ((waiting = oldest_waiting(door)) != NULL)
            connection_resume(waiting);
    }
    for (size_t i = 0; i < fds.count; i++) {
        spares_add(door, fds.fd[i]);
        waiting = oldest_waiting(door);
        if (waiting != NULL)
            connection_resume(waiting);
    }
    buf_free(&body);
}

bool door_new(struct loop *loop, const struct door_config *config, struct door **ret_door,
              struct fault *fault)
{
    struct door *door;

    if (config->model >= config->model_count) {
        (void)close(config->gateway);
        return fault_set(fault, FAULT_INVALID, "the run has no model");
    }
    door = xalloc(sizeof(*door));
    door->loop = loop;
    door->config = *config;
    door->stand_ins = stand_ins_new();
    door->memory = mcp_memory_new(config->servers, config->server_count);
    door->going = buf_with_limit(8UL * REPLY_BYTES_MAX);
    door->listener = -1;
    if (!loop_watch(loop, config->gateway, EPOLLIN, on_gateway, door, &door->gateway_watch,
                    fault)) {
        door_free(door);
        return false;
    }
    arm_patrol(door);
    *ret_door = door;
    return true;
}

/* The guard sends connections, one a packet: its end closed is a listener's, that has none. */
static int take_handed(struct door *door)
{
    struct buf body = buf_with_limit(MESSAGE_BYTES_MAX);
    struct message_fds fds = {0};
    struct fault fault = {0};
    bool end = false;
    int fd = -1;

    if (message_receive(door->listener, &body, &fds, 0, &end, &fault) && fds.count == 1 &&
        fcntl(fds.fd[0], F_SETFL, O_NONBLOCK) == 0) {
        fd = fds.fd[0];
        fds.count = 0;
    }
    message_fds_close(&fds);
    buf_free(&body);
    if (end)
        accept_more(door, false);
    errno = EAGAIN;
    return fd;
}

static void on_listener(void *self, uint32_t events)
{
    struct door *door = self;

    (void)events;
    for (int i = 0; i < ACCEPTS_AT_ONCE; i++) {
        struct fault fault = {0};
        int fd;

        if (door->connection_count >= DOOR_CONNECTIONS_MAX) {
            accept_more(door, false); /* the rest waits in the listen queue */
            return;
        }
        fd = door->is_handed
                 ? take_handed(door)
                 : accept4(door->listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
        if (fd < 0) {
            if (errno == EMFILE || errno == ENFILE)
                accept_more(door, false); /* until the patrol */
            return;
        }
        if (!connection_new(door, fd, &fault))
            (void)close(fd);
    }
}

static void accept_more(struct door *door, bool more)
{
    struct fault fault = {0};

    if (door->listener < 0 || more == door->accepts)
        return;
    if (loop_watch_change(door->listener_watch, more ? EPOLLIN : 0, &fault))
        door->accepts = more;
}

bool door_listen(struct door *door, int listener, struct fault *fault)
{
    int flags = fcntl(listener, F_GETFL);
    int listens = 0;
    socklen_t len = sizeof(listens);

    if (door->listener >= 0) {
        (void)close(listener);
        return fault_set(fault, FAULT_CONFLICT, "the door listens already");
    }
    if (flags < 0 || fcntl(listener, F_SETFL, flags | O_NONBLOCK) < 0 ||
        getsockopt(listener, SOL_SOCKET, SO_ACCEPTCONN, &listens, &len) < 0) {
        (void)close(listener);
        return fault_errno(fault, "listen");
    }
    if (!loop_watch(door->loop, listener, EPOLLIN, on_listener, door, &door->listener_watch,
                    fault)) {
        (void)close(listener);
        return false;
    }
    door->listener = listener;
    door->is_handed = listens == 0;
    door->accepts = true;
    return true;
}

void door_free(struct door *door)
{
    if (door == NULL)
        return;
    while (door->connections != NULL)
        connection_close(door->connections);
    loop_timer_cancel(door->burial);
    loop_timer_cancel(door->wakes);
    connection_bury(door);
    loop_timer_cancel(door->patrol);
    loop_unwatch(door->listener_watch);
    loop_unwatch(door->gateway_watch);
    if (door->listener >= 0)
        (void)close(door->listener);
    while (door->spare_count > 0)
        spares_drop(door->spares[door->spare_count - 1]);
    (void)close(door->config.gateway);
    buf_free(&door->going);
    stand_ins_free(door->stand_ins);
    mcp_memory_free(door->memory);
    free(door);
}
