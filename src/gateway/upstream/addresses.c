#include "gateway/upstream/addresses.h"

#include <arpa/inet.h>

#define HOST_BYTES_MAX 254

bool addresses_literal(struct slice host, struct addresses *ret_addresses)
{
    struct addresses found = {.count = 1};
    char text[HOST_BYTES_MAX + 1] = {0};

    if (host.len == 0 || host.len > HOST_BYTES_MAX)
        return false;
    memcpy(text, host.at, host.len);
    if (inet_pton(AF_INET, text, found.at[0].bytes) == 1)
        found.at[0].family = 4;
    else if (inet_pton(AF_INET6, text, found.at[0].bytes) == 1)
        found.at[0].family = 6;
    else
        return false;
    *ret_addresses = found;
    return true;
}

bool address_is_loopback(const struct address *address)
{
    static const uint8_t loopback[16] = {[15] = 1};
    static const uint8_t mapped[12] = {[10] = 0xFF, [11] = 0xFF};

    if (address->family == 4)
        return address->bytes[0] == 127;
    if (memcmp(address->bytes, mapped, sizeof(mapped)) == 0)
        return address->bytes[12] == 127;
    return memcmp(address->bytes, loopback, sizeof(loopback)) == 0;
}

void addresses_keep_loopback(struct addresses *addresses)
{
    uint32_t kept = 0;

    for (uint32_t i = 0; i < addresses->count; i++)
        if (address_is_loopback(&addresses->at[i]))
            addresses->at[kept++] = addresses->at[i];
    addresses->count = kept;
}

void addresses_interleave(struct addresses *addresses)
{
    struct addresses sorted = {0};
    bool used[ADDRESSES_MAX] = {false};
    uint8_t wanted = addresses->count > 0 ? addresses->at[0].family : 0;

    while (sorted.count < addresses->count) {
        uint32_t next = ADDRESSES_MAX;

        for (uint32_t i = 0; i < addresses->count && next == ADDRESSES_MAX; i++)
            if (!used[i] && addresses->at[i].family == wanted)
                next = i;
        for (uint32_t i = 0; i < addresses->count && next == ADDRESSES_MAX; i++)
            if (!used[i])
                next = i;
        used[next] = true;
        wanted = addresses->at[next].family == 4 ? 6 : 4;
        sorted.at[sorted.count++] = addresses->at[next];
    }
    *addresses = sorted;
}

socklen_t address_socket(const struct address *address, uint16_t port,
                         struct sockaddr_storage *ret_socket)
{
    struct sockaddr_in v4 = {.sin_family = AF_INET, .sin_port = htons(port)};
    struct sockaddr_in6 v6 = {
        .sin6_family = AF_INET6, .sin6_port = htons(port), .sin6_scope_id = address->scope};

    *ret_socket = (struct sockaddr_storage){0};
    if (address->family == 4) {
        memcpy(&v4.sin_addr, address->bytes, sizeof(v4.sin_addr));
        memcpy(ret_socket, &v4, sizeof(v4));
        return sizeof(v4);
    }
    memcpy(&v6.sin6_addr, address->bytes, sizeof(v6.sin6_addr));
    memcpy(ret_socket, &v6, sizeof(v6));
    return sizeof(v6);
}

bool address_of_socket(const struct sockaddr *socket, struct address *ret_address)
{
    struct address address = {0};

    if (socket->sa_family == AF_INET) {
        struct sockaddr_in v4;

        memcpy(&v4, socket, sizeof(v4));
        address.family = 4;
        memcpy(address.bytes, &v4.sin_addr, sizeof(v4.sin_addr));
    } else if (socket->sa_family == AF_INET6) {
        struct sockaddr_in6 v6;

        memcpy(&v6, socket, sizeof(v6));
        address.family = 6;
        address.scope = v6.sin6_scope_id;
        memcpy(address.bytes, &v6.sin6_addr, sizeof(v6.sin6_addr));
    } else {
        return false;
    }
    *ret_address = address;
    return true;
}
