#include "gateway/egress/address.h"

struct range {
    uint8_t prefix[16];
    uint8_t bits;
    uint8_t kind; /* enum address_kind */
};

/* The first that fits counts. */
static const struct range ranges4[] = {
    {{0}, 8, ADDRESS_NEVER},                      /* this network */
    {{10}, 8, ADDRESS_PRIVATE},                   /* RFC 1918 */
    {{100, 100, 100, 200}, 32, ADDRESS_METADATA}, /* of one cloud */
    {{100, 64}, 10, ADDRESS_PRIVATE},             /* shared, RFC 6598 */
    {{127}, 8, ADDRESS_PRIVATE},                  /* loopback */
    {{169, 254, 169, 254}, 32, ADDRESS_METADATA}, /* of most clouds */
    {{169, 254, 170, 2}, 32, ADDRESS_METADATA},   /* of containers */
    {{169, 254, 170, 23}, 32, ADDRESS_METADATA},  /* of pods */
    {{169, 254}, 16, ADDRESS_PRIVATE},            /* link-local */
    {{172, 16}, 12, ADDRESS_PRIVATE},
    {{192, 0, 0, 192}, 32, ADDRESS_METADATA}, /* of one cloud */
    {{192, 0, 0}, 24, ADDRESS_PRIVATE},       /* protocol assignments */
    {{192, 0, 2}, 24, ADDRESS_PRIVATE},       /* documentation */
    {{192, 88, 99}, 24, ADDRESS_PRIVATE},     /* relays of 6to4 */
    {{192, 168}, 16, ADDRESS_PRIVATE},
    {{198, 18}, 15, ADDRESS_PRIVATE},      /* benchmarks */
    {{198, 51, 100}, 24, ADDRESS_PRIVATE}, /* documentation */
    {{203, 0, 113}, 24, ADDRESS_PRIVATE},  /* documentation */
    {{224}, 4, ADDRESS_NEVER},             /* multicast */
    {{240}, 4, ADDRESS_NEVER},             /* reserved, broadcast */
};

static const struct range ranges6[] = {
    {{[10] = 0xff, 0xff}, 96, ADDRESS_NEVER},   /* IPv4 in disguise */
    {{[15] = 1}, 128, ADDRESS_PRIVATE},         /* loopback */
    {{0}, 96, ADDRESS_NEVER},                   /* unspecified; IPv4 in an older disguise */
    {{0, 0x64, 0xff, 0x9b}, 96, ADDRESS_NEVER}, /* IPv4 behind a translator */
    {{0xfd, 0, 0x0e, 0xc2, [14] = 2, 0x54}, 128, ADDRESS_METADATA},
    {{0xfd, 0, 0x0e, 0xc2, [15] = 0x23}, 128, ADDRESS_METADATA},
    {{0x20, 0x01}, 23, ADDRESS_PRIVATE},             /* protocol assignments, Teredo */
    {{0x20, 0x01, 0x0d, 0xb8}, 32, ADDRESS_PRIVATE}, /* documentation */
    {{0x20, 0x02}, 16, ADDRESS_NEVER},               /* IPv4 by 6to4 */
    {{0x3f, 0xff}, 20, ADDRESS_PRIVATE},             /* documentation */
    {{0x20}, 3, ADDRESS_PUBLIC},
    {{0xff}, 8, ADDRESS_NEVER}, /* multicast */
    {{0}, 0, ADDRESS_PRIVATE},  /* unique local, link-local, the rest */
};

static bool is_in(const uint8_t *address, const struct range *range)
{
    size_t whole = range->bits / 8;
    unsigned rest = range->bits % 8;

    return memcmp(address, range->prefix, whole) == 0 &&
           (rest == 0 || (address[whole] ^ range->prefix[whole]) >> (8 - rest) == 0);
}

static enum address_kind find(const uint8_t *address, const struct range *ranges, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (is_in(address, &ranges[i]))
            return (enum address_kind)ranges[i].kind;
    return ADDRESS_PUBLIC;
}

enum address_kind address_kind_of(const struct address *address)
{
    if (address->family == 4)
        return find(address->bytes, ranges4, COUNT(ranges4));
    if (address->family == 6)
        return find(address->bytes, ranges6, COUNT(ranges6));
    return ADDRESS_NEVER;
}

bool address_check(const struct address *address, bool is_private, bool named,
                   struct fault *fault)
{
    switch (address_kind_of(address)) {
    case ADDRESS_PUBLIC:
        return true;
    case ADDRESS_PRIVATE:
        return is_private || fault_set(fault, FAULT_DENIED,
                                       "the name leads to a private address, and policy does "
                                       "not say `private: true`");
    case ADDRESS_METADATA:
        return (is_private && named) ||
               fault_set(fault, FAULT_DENIED,
                         "the name leads to where a cloud hands out credentials");
    case ADDRESS_NEVER:
        break;
    }
    return fault_set(fault, FAULT_DENIED, "the name leads to an address that is no host's");
}
