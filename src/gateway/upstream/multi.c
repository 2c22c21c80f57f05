#include "gateway/upstream/multi.h"

#include <stdlib.h>

#include "base/bytes.h"

#define CONNECTIONS_KEPT 64

struct multi {
    struct loop *loop;
    const struct transport *transport;
    CURLM *handle;
    struct loop_timer *timer;
    void (*done)(void *self, void *private, CURLcode result);
    void *self;
};

/* One socket of libcurl's. */
struct watched {
    struct multi *multi;
    curl_socket_t socket;
    struct loop_watch *watch;
};

static void tell_done(struct multi *multi)
{
    CURLMsg *message;
    int left;

    while ((message = multi->transport->multi_info_read(multi->handle, &left)) != NULL) {
        CURLcode result = message->data.result;
        CURL *easy = message->easy_handle;
        char *private = NULL;

        if (message->msg != CURLMSG_DONE)
            continue;
        (void)multi->transport->easy_getinfo(easy, CURLINFO_PRIVATE, &private);
        multi->done(multi->self, private, result);
    }
}

static void on_socket_ready(void *self, uint32_t events)
{
    struct watched *watched = self;
    struct multi *multi = watched->multi;
    int flags = 0, running;

    if ((events & EPOLLIN) != 0)
        flags |= CURL_CSELECT_IN;
    if ((events & EPOLLOUT) != 0)
        flags |= CURL_CSELECT_OUT;
    if ((events & (EPOLLERR | EPOLLHUP)) != 0)
        flags |= CURL_CSELECT_ERR;
    (void)multi->transport->multi_socket_action(multi->handle, watched->socket, flags,
                                                &running);
    tell_done(multi);
}

static int on_socket_wanted(CURL *easy, curl_socket_t socket, int what, void *self,
                            void *assigned)
{
    struct multi *multi = self;
    struct watched *watched = assigned;
    struct fault fault = {0};
    uint32_t events = ((what & CURL_POLL_IN) != 0 ? EPOLLIN : 0U) |
                      ((what & CURL_POLL_OUT) != 0 ? EPOLLOUT : 0U);

    (void)easy;
    if (what == CURL_POLL_REMOVE) {
        if (watched != NULL)
            loop_unwatch(watched->watch);
        free(watched);
        (void)multi->transport->multi_assign(multi->handle, socket, NULL);
        return 0;
    }
    if (watched != NULL)
        return loop_watch_change(watched->watch, events, &fault) ? 0 : -1;
    watched = xalloc(sizeof(*watched));
    *watched = (struct watched){.multi = multi, .socket = socket};
    if (!loop_watch(multi->loop, socket, events, on_socket_ready, watched, &watched->watch,
                    &fault)) {
        free(watched);
        return -1;
    }
    (void)multi->transport->multi_assign(multi->handle, socket, watched);
    return 0;
}

static void on_time(void *self)
{
    struct multi *multi = self;
    int running;

    multi->timer = NULL;
    (void)multi->transport->multi_socket_action(multi->handle, CURL_SOCKET_TIMEOUT, 0,
                                                &running);
    tell_done(multi);
}

static int on_timer_wanted(CURLM *handle, long timeout_ms, void *self)
{
    struct multi *multi = self;
    struct fault fault = {0};

    (void)handle;
    loop_timer_cancel(multi->timer);
    multi->timer = NULL;
    if (timeout_ms < 0)
        return 0;
    return loop_timer(multi->loop, timeout_ms * 1000, on_time, multi, &multi->timer, &fault)
               ? 0
               : -1;
}

bool multi_new(struct loop *loop, const struct transport *transport,
               void (*done)(void *self, void *private, CURLcode result), void *self,
               struct multi **ret_multi, struct fault *fault)
{
    CURLM *handle = transport->multi_init();
    struct multi *multi;

    if (handle == NULL)
        return fault_set(fault, FAULT_HOST, "libcurl gives no multi handle");
    multi = xalloc(sizeof(*multi));
    *multi = (struct multi){
        .loop = loop, .transport = transport, .handle = handle, .done = done, .self = self};
    (void)transport->multi_setopt(handle, CURLMOPT_SOCKETFUNCTION, on_socket_wanted);
    (void)transport->multi_setopt(handle, CURLMOPT_SOCKETDATA, multi);
    (void)transport->multi_setopt(handle, CURLMOPT_TIMERFUNCTION, on_timer_wanted);
    (void)transport->multi_setopt(handle, CURLMOPT_TIMERDATA, multi);
    (void)transport->multi_setopt(handle, CURLMOPT_MAXCONNECTS, (long)CONNECTIONS_KEPT);
    *ret_multi = multi;
    return true;
}

void multi_free(struct multi *multi)
{
    if (multi == NULL)
        return;
    (void)multi->transport->multi_cleanup(multi->handle);
    loop_timer_cancel(multi->timer);
    free(multi);
}

bool multi_add(struct multi *multi, CURL *easy, struct fault *fault)
{
    if (multi->transport->multi_add_handle(multi->handle, easy) != CURLM_OK)
        return fault_set(fault, FAULT_IO, "libcurl takes no further transfer");
    return true;
}

void multi_remove(struct multi *multi, CURL *easy)
{
    (void)multi->transport->multi_remove_handle(multi->handle, easy);
}
