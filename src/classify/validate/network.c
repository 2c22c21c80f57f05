/* Addresses of networks: mail, Internet, Ethernet, URLs that carry a password. */
#include <arpa/inet.h>

#include "classify/validate/list.h"
#include "classify/validate/shape.h"

#define LOCAL_BYTES_MAX 64
#define DOMAIN_BYTES_MAX 255
#define LABEL_BYTES_MAX 63
#define URL_BYTES_MAX 2048

/* RFC 5321: atoms apart by dots; bytes of UTF-8 stand for themselves (RFC 6531). */
static bool is_local_part(struct slice local)
{
    if (local.len == 0 || local.len > LOCAL_BYTES_MAX || local.at[0] == '.' ||
        local.at[local.len - 1] == '.')
        return false;
    for (size_t i = 0; i < local.len; i++) {
        uint8_t byte = local.at[i];

        if (byte == 0 || (byte == '.' && local.at[i - 1] == '.') ||
            !(is_alnum(byte) || byte >= 0x80 || strchr("!#$%&'*+-/=?^_`{|}~.", byte) != NULL))
            return false;
    }
    return true;
}

static bool is_label(struct slice label)
{
    if (label.len == 0 || label.len > LABEL_BYTES_MAX || label.at[0] == '-' ||
        label.at[label.len - 1] == '-')
        return false;
    for (size_t i = 0; i < label.len; i++)
        if (!is_alnum(label.at[i]) && label.at[i] != '-' && label.at[i] < 0x80)
            return false;
    return true;
}

/* Is `text` the tail, or does it end in a dot and the tail? Whatever the case. */
static bool is_below(struct slice text, const char *tail)
{
    size_t len = strlen(tail);

    if (text.len < len || (text.len > len && text.at[text.len - len - 1] != '.'))
        return false;
    for (size_t i = 0; i < len; i++)
        if (lower(text.at[text.len - len + i]) != (uint8_t)tail[i])
            return false;
    return true;
}

/* Ends of names of files, none of which is a top-level domain: icon@2x.png. */
static bool is_suffix_of_files(struct slice label)
{
    static const char *const suffixes[] = {
        "png",  "jpg",  "jpeg", "gif", "svg",  "webp", "bmp", "ico",  "css", "scss",
        "js",   "mjs",  "cjs",  "jsx", "tsx",  "json", "xml", "html", "htm", "yaml",
        "yml",  "toml", "txt",  "pdf", "tgz",  "gz",   "xz",  "jar",  "exe", "dll",
        "lock", "log",  "woff", "ttf", "conf", "cfg",  "ini", "sock", "tmp", "service"};

    for (size_t i = 0; i < COUNT(suffixes); i++)
        if (label.len == strlen(suffixes[i]) && is_below(label, suffixes[i]))
            return true;
    return false;
}

static bool is_top_label(struct slice label)
{
    if (label.len < 2 || is_suffix_of_files(label))
        return false;
    for (size_t i = 0; i < label.len; i++)
        if (is_digit(label.at[i]) || label.at[i] == '-')
            return slice_starts_with(label, SLICE("xn--"));
    return true;
}

static bool is_domain(struct slice domain)
{
    struct slice label = {0};
    size_t count = 0;

    if (domain.len > DOMAIN_BYTES_MAX || (domain.len > 0 && domain.at[domain.len - 1] == '.'))
        return false;
    while (slice_cut(&domain, '.', &label)) {
        if (!is_label(label))
            return false;
        count++;
    }
    return count >= 2 && is_top_label(label);
}

static bool starts_with_any_case(struct slice text, const char *head)
{
    struct slice part = slice_part(text, 0, strlen(head));

    return part.len == strlen(head) && is_below(part, head);
}

/* RFC 2606 and 6761, and mail that nobody reads. */
static bool is_reserved_mail(struct slice local, struct slice domain)
{
    static const char *const tails[] = {"example",
                                        "invalid",
                                        "test",
                                        "localhost",
                                        "local",
                                        "localdomain",
                                        "example.com",
                                        "example.net",
                                        "example.org",
                                        "example.edu",
                                        "noreply.github.com",
                                        "users.noreply.github.com"};
    static const char *const heads[] = {"noreply", "no-reply", "no_reply", "donotreply",
                                        "do-not-reply"};

    for (size_t i = 0; i < COUNT(tails); i++)
        if (is_below(domain, tails[i]))
            return true;
    for (size_t i = 0; i < COUNT(heads); i++)
        if (starts_with_any_case(local, heads[i]))
            return true;
    return starts_with_any_case(domain, "example.");
}

bool validate_email(struct slice text)
{
    size_t sign = slice_find_byte(text, '@', 0);
    struct slice local, domain;

    if (sign == SIZE_MAX || text.len > LOCAL_BYTES_MAX + 1 + DOMAIN_BYTES_MAX)
        return false;
    local = slice_part(text, 0, sign);
    domain = slice_part(text, sign + 1, text.len);
    return is_local_part(local) && is_domain(domain) && !is_reserved_mail(local, domain);
}

/* What no single host of the Internet has: RFC 6890 and its registries. */
static const struct block {
    uint32_t from;
    unsigned bits;
} blocks[] =
    {
        {0x00000000, 8},  {0x0a000000, 8},  {0x64400000, 10}, {0x7f000000, 8},
        {0xa9fe0000, 16}, {0xac100000, 12}, {0xc0000000, 24}, {0xc0000200, 24},
        {0xc0a80000, 16}, {0xc6120000, 15}, {0xc6336400, 24}, {0xcb007100, 24},
        {0xe0000000, 3}, /* multicast, and what was never given out */
};

static bool is_reserved_v4(uint32_t address)
{
    for (size_t i = 0; i < COUNT(blocks); i++)
        if ((address ^ blocks[i].from) >> (32 - blocks[i].bits) == 0)
            return true;
    return false;
}

static bool read_v4(struct slice text, uint32_t *ret_address)
{
    char copy[INET_ADDRSTRLEN] = {0};
    struct in_addr address;

    if (text.len < 7 || text.len >= sizeof(copy))
        return false;
    memcpy(copy, text.at, text.len);
    if (memchr(copy, 0, text.len) != NULL || inet_pton(AF_INET, copy, &address) != 1)
        return false;
    *ret_address = ntohl(address.s_addr);
    return true;
}

static bool read_v6(struct slice text, struct in6_addr *ret_address)
{
    char copy[INET6_ADDRSTRLEN] = {0};
    size_t zone = slice_find_byte(text, '%', 0);

    text = slice_part(text, 0, zone);
    if (text.len < 2 || text.len >= sizeof(copy))
        return false;
    memcpy(copy, text.at, text.len);
    return memchr(copy, 0, text.len) == NULL && inet_pton(AF_INET6, copy, ret_address) == 1;
}

static uint32_t v4_within(const struct in6_addr *address)
{
    return (uint32_t)address->s6_addr[12] << 24 | (uint32_t)address->s6_addr[13] << 16 |
           (uint32_t)address->s6_addr[14] << 8 | address->s6_addr[15];
}

/* Global unicast is 2000::/3; of it, 2001:db8::/32 and 3fff::/20 are for documents, and zeros in the lower half stand for
 * the network (RFC 4291 section 2.6.1). */
static bool is_reserved_v6(const struct in6_addr *address)
{
    static const uint8_t documents[] = {0x20, 0x01, 0x0d, 0xb8};
    static const uint8_t nothing[8] = {0};
    static const uint8_t translated[12] = {0x00, 0x64, 0xff, 0x9b};
    const uint8_t *bytes = address->s6_addr;

    if (IN6_IS_ADDR_V4MAPPED(address) || memcmp(bytes, translated, sizeof(translated)) == 0)
        return is_reserved_v4(v4_within(address));
    return bytes[0] >> 5 != 1 || memcmp(bytes, documents, sizeof(documents)) == 0 ||
           memcmp(bytes + 8, nothing, sizeof(nothing)) == 0 ||
           (bytes[0] == 0x3f && bytes[1] == 0xff && bytes[2] >> 4 == 0);
}

bool validate_is_reserved_address(struct slice text)
{
    struct in6_addr six;
    uint32_t four;

    if (read_v4(text, &four))
        return is_reserved_v4(four);
    return read_v6(text, &six) && is_reserved_v6(&six);
}

bool validate_ipv4(struct slice text)
{
    uint32_t address;

    return read_v4(text, &address) && !is_reserved_v4(address);
}

bool validate_ipv6(struct slice text)
{
    struct in6_addr address;

    return read_v6(text, &address) && !is_reserved_v6(&address);
}

/* Six bytes in hexadecimal, apart by colons or hyphens, or in threes apart by dots; no broadcast, not all 0. */
bool validate_mac(struct slice text)
{
    bool varies = false;

    if (!shape_fits(text, "**:**:**:**:**:**|**-**-**-**-**-**|****.****.****"))
        return false;
    for (size_t i = 0; i < text.len; i++) {
        if (is_alnum(text.at[i]) && lower(text.at[i]) > 'f')
            return false;
        varies = varies || (is_alnum(text.at[i]) && lower(text.at[i]) != lower(text.at[0]));
    }
    return varies;
}

static bool is_scheme(struct slice text)
{
    for (size_t i = 0; i < text.len; i++)
        if (!is_alnum(text.at[i]) && (i == 0 || memchr("+.-", text.at[i], 3) == NULL))
            return false;
    return text.len > 0 && is_letter(text.at[0]);
}

/* scheme://user:password@host: RFC 3986; the last '@' before the path, so that one may be in a password. */
bool validate_url_credentials(struct slice text)
{
    size_t mark = slice_find(slice_part(text, 0, 64), SLICE("://"), 0);
    size_t end, sign, colon;
    struct slice password, host;

    if (text.len > URL_BYTES_MAX || mark == SIZE_MAX || !is_scheme(slice_part(text, 0, mark)))
        return false;
    text = slice_part(text, mark + 3, text.len);
    for (end = 0, sign = SIZE_MAX; end < text.len && memchr("/?#", text.at[end], 3) == NULL;
         end++) {
        if (text.at[end] <= ' ' || text.at[end] == '"' || text.at[end] == '<')
            return false;
        if (text.at[end] == '@')
            sign = end;
    }
    if (sign == SIZE_MAX)
        return false;
    colon = slice_find_byte(slice_part(text, 0, sign), ':', 0);
    if (colon == SIZE_MAX || colon + 1 == sign || sign + 1 == end)
        return false;
    password = slice_part(text, colon + 1, sign);
    host = slice_part(text, sign + 1, end);
    return !validate_is_placeholder(password) && (is_alnum(host.at[0]) || host.at[0] == '[');
}
