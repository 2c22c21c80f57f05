#include "gateway/door/handed.h"

#include <strings.h>

#include "gateway/door/plan.h"
#include "os/message.h"
#include "wire/url.h"

#define METHOD_BYTES_MAX 16

/* Where the authority of a URL ends, or SIZE_MAX. */
static size_t authority_end(struct slice text)
{
    for (size_t i = 0; i < text.len; i++)
        if (text.at[i] == '/' || text.at[i] == '?' || text.at[i] <= ' ')
            return i;
    return SIZE_MAX;
}

static bool is_listed(const struct door_egress *egress, struct slice host, uint16_t port)
{
    for (size_t i = 0; i < egress->place_count; i++)
        if (egress->places[i].port == port && strlen(egress->places[i].host) == host.len &&
            strncasecmp(egress->places[i].host, (const char *)host.at, host.len) == 0)
            return true;
    return false;
}

/* A client that is told of a proxy asks it for models, too: those are served here, unless
 * policy lists that very place. */
static enum handed whose(const struct door_egress *egress, struct slice authority)
{
    struct fault fault = {0};
    struct slice host;
    uint16_t port;

    if (!url_authority_parse(authority, &host, &port, &fault) ||
        is_listed(egress, host, port == 0 ? 80 : port))
        return HANDED_YES;
    return plan_host_is_door(host) ? HANDED_NO : HANDED_YES;
}

enum handed handed_read(const struct door_egress *egress, struct slice bytes)
{
    const struct slice scheme = SLICE("http://");
    size_t space = slice_find_byte(slice_part(bytes, 0, METHOD_BYTES_MAX), ' ', 0);
    struct slice target;
    size_t end;

    if (space == SIZE_MAX)
        return bytes.len < METHOD_BYTES_MAX ? HANDED_UNKNOWN : HANDED_NO;
    if (slice_equal(slice_part(bytes, 0, space), SLICE("CONNECT")))
        return HANDED_YES;
    target = slice_part(bytes, space + 1, bytes.len);
    if (!slice_starts_with(target, slice_part(scheme, 0, target.len)))
        return HANDED_NO;
    target = slice_part(target, scheme.len, target.len);
    end = authority_end(target);
    if (end != SIZE_MAX)
        return whose(egress, slice_part(target, 0, end));
    return bytes.len < HANDED_BYTES_MAX ? HANDED_UNKNOWN : HANDED_YES;
}

bool handed_on(const struct door_egress *egress, int fd, struct slice bytes,
               struct fault *fault)
{
    struct message_fds fds = {.fd = {fd}, .count = 1};

    return message_send(egress->socket, bytes, &fds, fault);
}
