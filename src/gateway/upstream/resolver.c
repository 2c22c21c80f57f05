#include "gateway/upstream/resolver.h"

#include <netdb.h>
#include <resolv.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/scope.h"
#include "os/message.h"

#define HOST_BYTES_MAX 254
#define KEPT_US (INT64_C(30) * 1000 * 1000)
#define NAMES_MAX 64

/* Packets; both sides are one program. */
struct question {
    uint64_t number;
    char host[HOST_BYTES_MAX + 1];
};
struct told {
    uint64_t number;
    struct addresses addresses;
};

struct resolver_wait {
    struct name *name;
    void (*told)(void *self, const struct addresses *addresses);
    void *self;
    struct resolver_wait *next, **previous;
};

struct name {
    struct resolver *resolver;
    uint64_t number; /* of its question under way; 0: none is */
    int64_t until_us;
    char host[HOST_BYTES_MAX + 1];
    struct addresses addresses;
    struct resolver_wait *waits;
    struct loop_timer *due; /* tells what is known already, or asks here */
    struct name *next;
};

struct resolver {
    struct loop *loop;
    const struct clock *clock;
    int socket;
    struct loop_watch *watch;
    uint64_t numbers;
    struct name *names;
    size_t name_count;
};

/* ---- in the process that asks ---- */

static void look_up(const char *host, struct addresses *ret_addresses)
{
    const struct addrinfo hints = {
        .ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM, .ai_flags = AI_ADDRCONFIG};
    struct addrinfo *list = NULL;

    *ret_addresses = (struct addresses){0};
    if (getaddrinfo(host, NULL, &hints, &list) != 0)
        return;
    for (const struct addrinfo *at = list; at != NULL && ret_addresses->count < ADDRESSES_MAX;
         at = at->ai_next)
        ret_addresses->count +=
            address_of_socket(at->ai_addr, &ret_addresses->at[ret_addresses->count]);
    freeaddrinfo(list);
    addresses_interleave(ret_addresses);
}

/* A name server that is away must not hold up those who wait for the next name. */
static void be_quick(void)
{
    if (res_init() == 0) {
        _res.retrans = 2;
        _res.retry = 2;
    }
}

void resolver_serve(int socket)
{
    AUTO_BUF struct buf packet = buf_with_limit(MESSAGE_BYTES_MAX);
    struct fault fault = {0};
    bool end = false;

    be_quick();
    while (message_receive(socket, &packet, NULL, -1, &end, &fault) && !end) {
        struct question question;
        struct told told = {0};

        if (packet.len != sizeof(question))
            return;
        memcpy(&question, packet.at, sizeof(question));
        question.host[HOST_BYTES_MAX] = 0;
        told.number = question.number;
        look_up(question.host, &told.addresses);
        if (!message_send(socket, slice_of_bytes(&told, sizeof(told)), NULL, &fault))
            return;
    }
}

/* ---- in the process that wants to know ---- */

static void tell(struct name *name)
{
    struct addresses addresses = name->addresses;

    while (name->waits != NULL) {
        struct resolver_wait *wait = name->waits;
        void (*told)(void *self, const struct addresses *addresses) = wait->told;
        void *self = wait->self;

        resolver_forget(wait);
        told(self, &addresses);
    }
}

static void learn(struct name *name, const struct addresses *addresses)
{
    name->number = 0;
    name->addresses = *addresses;
    /* A name that is not known is asked for again at the next call. */
    name->until_us =
        addresses->count > 0 ? clock_monotonic_us(name->resolver->clock) + KEPT_US : 0;
    tell(name);
}

static void on_due(void *self)
{
    struct name *name = self;
    struct addresses found;

    name->due = NULL;
    if (name->resolver->socket >= 0 || name->until_us > 0) {
        tell(name);
        return;
    }
    be_quick();
    look_up(name->host, &found);
    learn(name, &found);
}

static void on_told(void *self, uint32_t events)
{
    struct resolver *resolver = self;
    AUTO_BUF struct buf packet = buf_with_limit(MESSAGE_BYTES_MAX);
    struct told told = {0};
    struct fault fault = {0};
    bool end = false;

    (void)events;
    if (!message_receive(resolver->socket, &packet, NULL, 0, &end, &fault) || end ||
        packet.len != sizeof(told)) {
        loop_unwatch(resolver->watch); /* it has gone: no name is known from now on */
        resolver->watch = NULL;
        for (struct name *at = resolver->names; at != NULL; at = at->next)
            if (at->number != 0)
                learn(at, &told.addresses);
        return;
    }
    memcpy(&told, packet.at, sizeof(told));
    if (told.addresses.count > ADDRESSES_MAX)
        told.addresses.count = 0;
    for (struct name *at = resolver->names; at != NULL; at = at->next)
        if (at->number == told.number) {
            learn(at, &told.addresses);
            return;
        }
}

bool resolver_new(struct loop *loop, const struct clock *clock, int socket,
                  struct resolver **ret_resolver, struct fault *fault)
{
    struct resolver *resolver = xalloc(sizeof(*resolver));

    *resolver = (struct resolver){.loop = loop, .clock = clock, .socket = socket};
    if (socket >= 0 &&
        !loop_watch(loop, socket, EPOLLIN, on_told, resolver, &resolver->watch, fault)) {
        resolver_free(resolver);
        return false;
    }
    *ret_resolver = resolver;
    return true;
}

void resolver_free(struct resolver *resolver)
{
    if (resolver == NULL)
        return;
    while (resolver->names != NULL) {
        struct name *name = resolver->names;

        while (name->waits != NULL)
            resolver_forget(name->waits);
        loop_timer_cancel(name->due);
        resolver->names = name->next;
        free(name);
    }
    loop_unwatch(resolver->watch);
    if (resolver->socket >= 0)
        (void)close(resolver->socket);
    free(resolver);
}

static struct name *name_of(struct resolver *resolver, struct slice host, struct fault *fault)
{
    struct name *name;

    for (name = resolver->names; name != NULL; name = name->next)
        if (slice_equal(slice_of(name->host), host))
            return name;
    if (host.len > HOST_BYTES_MAX || resolver->name_count == NAMES_MAX) {
        (void)fault_set(fault, FAULT_LIMIT, "more than %d names, or one that is too long",
                        NAMES_MAX);
        return NULL;
    }
    name = xalloc(sizeof(*name));
    name->resolver = resolver;
    memcpy(name->host, host.at, host.len);
    name->next = resolver->names;
    resolver->names = name;
    resolver->name_count++;
    return name;
}

static bool put_question(struct name *name, struct fault *fault)
{
    struct resolver *resolver = name->resolver;
    struct question question = {.number = ++resolver->numbers};

    memcpy(question.host, name->host, sizeof(question.host));
    if (!message_send(resolver->socket, slice_of_bytes(&question, sizeof(question)), NULL,
                      fault))
        return false;
    name->number = question.number;
    return true;
}

static bool begin(struct name *name, struct fault *fault)
{
    struct resolver *resolver = name->resolver;

    if (name->number != 0 || name->due != NULL)
        return true;
    if (clock_monotonic_us(resolver->clock) >= name->until_us) {
        name->until_us = 0;
        name->addresses = (struct addresses){0};
        if (resolver->watch != NULL)
            return put_question(name, fault);
    }
    return loop_timer(resolver->loop, 0, on_due, name, &name->due, fault);
}

bool resolver_ask(struct resolver *resolver, struct slice host,
                  void (*told)(void *self, const struct addresses *addresses), void *self,
                  struct resolver_wait **ret_wait, struct fault *fault)
{
    struct name *name = name_of(resolver, host, fault);
    struct resolver_wait *wait;

    if (name == NULL || !begin(name, fault))
        return false;
    wait = xalloc(sizeof(*wait));
    *wait = (struct resolver_wait){.name = name, .told = told, .self = self};
    wait->next = name->waits;
    wait->previous = &name->waits;
    if (wait->next != NULL)
        wait->next->previous = &wait->next;
    name->waits = wait;
    *ret_wait = wait;
    return true;
}

void resolver_forget(struct resolver_wait *wait)
{
    if (wait == NULL)
        return;
    *wait->previous = wait->next;
    if (wait->next != NULL)
        wait->next->previous = wait->previous;
    free(wait);
}
