#include "wire/url.h"

#include <arpa/inet.h>
#include <string.h>

#define HOST_BYTES_MAX 253
#define LABEL_BYTES_MAX 63

static bool is_digit(uint8_t byte)
{
    return byte >= '0' && byte <= '9';
}

static bool is_letter(uint8_t byte)
{
    return (byte | 0x20) >= 'a' && (byte | 0x20) <= 'z';
}

static bool label_valid(struct slice label)
{
    if (label.len == 0 || label.len > LABEL_BYTES_MAX || label.at[0] == '-' ||
        label.at[label.len - 1] == '-')
        return false;
    for (size_t i = 0; i < label.len; i++)
        if (!is_letter(label.at[i]) && !is_digit(label.at[i]) && label.at[i] != '-')
            return false;
    return true;
}

bool url_host_is_name(struct slice host)
{
    struct slice rest = host, label = {0};

    if (host.len == 0 || host.len > HOST_BYTES_MAX || host.at[host.len - 1] == '.')
        return false;
    while (slice_cut(&rest, '.', &label))
        if (!label_valid(label))
            return false;
    /* "0x7f" as a last label is read as a number by inet_aton and kin */
    return !is_digit(label.at[0]);
}

/* inet_pton takes only the four decimal numbers without leading zeros, and RFC 4291 text. */
static bool is_address(struct slice host, int family)
{
    char text[INET6_ADDRSTRLEN] = {0};
    uint8_t address[16];

    if (host.len == 0 || host.len >= sizeof(text) || memchr(host.at, 0, host.len) != NULL)
        return false;
    memcpy(text, host.at, host.len);
    return inet_pton(family, text, address) == 1;
}

bool url_host_is_loopback(struct slice host)
{
    return slice_equal(host, SLICE("localhost")) || slice_equal(host, SLICE("::1")) ||
           (is_address(host, AF_INET) && slice_starts_with(host, SLICE("127.")));
}

static bool port_parse(struct slice text, uint16_t *ret_port, struct fault *fault)
{
    unsigned port = 0;

    if (!slice_is_digits(text) || text.len > 5)
        return fault_set(fault, FAULT_INVALID, "the port is not a number from 1 to 65535");
    for (size_t i = 0; i < text.len; i++)
        port = port * 10 + (unsigned)(text.at[i] - '0');
    if (port == 0 || port > 65535)
        return fault_set(fault, FAULT_INVALID, "the port is not a number from 1 to 65535");
    *ret_port = (uint16_t)port;
    return true;
}

bool url_authority_parse(struct slice text, struct slice *ret_host, uint16_t *ret_port,
                         struct fault *fault)
{
    bool bracket = text.len > 0 && text.at[0] == '[';
    size_t end = slice_find_byte(text, bracket ? ']' : ':', 0);
    struct slice host = bracket ? slice_part(text, 1, end) : slice_part(text, 0, end);
    size_t colon = bracket && end != SIZE_MAX ? end + 1 : end;
    uint16_t port = 0;

    if (bracket && end == SIZE_MAX)
        return fault_set(fault, FAULT_INVALID, "a bracket without end in the host");
    if (bracket ? !is_address(host, AF_INET6)
                : !url_host_is_name(host) && !is_address(host, AF_INET))
        return fault_set(fault, FAULT_INVALID, "the host is neither a name nor an address");
    if (colon < text.len) {
        if (text.at[colon] != ':')
            return fault_set(fault, FAULT_INVALID, "bytes behind the host");
        if (!port_parse(slice_part(text, colon + 1, text.len), &port, fault))
            return false;
    }
    *ret_host = host;
    *ret_port = port;
    return true;
}

/* RFC 3986 pchar, "/" and "?"; a percent sign must be followed by two hexadecimal digits. */
static bool path_valid(struct slice path)
{
    for (size_t i = 0; i < path.len; i++) {
        uint8_t byte = path.at[i];

        if (byte == '%') {
            if (path.len - i < 3 || !memchr("0123456789abcdefABCDEF", path.at[i + 1], 22) ||
                !memchr("0123456789abcdefABCDEF", path.at[i + 2], 22))
                return false;
            i += 2;
        } else if (!is_letter(byte) && !is_digit(byte) &&
                   memchr("-._~!$&'()*+,;=:@/?", byte, 19) == NULL) {
            return false;
        }
    }
    return true;
}

static size_t authority_end(struct slice rest)
{
    for (size_t i = 0; i < rest.len; i++)
        if (rest.at[i] == '/' || rest.at[i] == '?' || rest.at[i] == '#')
            return i;
    return rest.len;
}

bool url_parse(struct slice text, struct url *ret_url, struct fault *fault)
{
    struct url url = {0};
    struct slice rest = text;
    size_t end;

    if (text.len > URL_BYTES_MAX)
        return fault_set(fault, FAULT_LIMIT, "a URL of more than %d bytes", URL_BYTES_MAX);
    if (slice_starts_with(text, SLICE("https://")))
        url.tls = true;
    else if (!slice_starts_with(text, SLICE("http://")))
        return fault_set(fault, FAULT_INVALID,
                         "a URL that begins with neither https:// nor http://");
    rest = slice_part(text, url.tls ? 8 : 7, text.len);
    end = authority_end(rest);
    if (!url_authority_parse(slice_part(rest, 0, end), &url.host, &url.port, fault))
        return false;
    if (url.port == 0)
        url.port = url.tls ? 443 : 80;
    rest = slice_part(rest, end, rest.len);
    if (!path_valid(rest))
        return fault_set(fault, FAULT_INVALID,
                         "a URL with a fragment or bytes that do not belong there");
    end = slice_find_byte(rest, '?', 0);
    url.path = slice_part(rest, 0, end);
    url.query = end == SIZE_MAX ? SLICE("") : slice_part(rest, end + 1, rest.len);
    *ret_url = url;
    return true;
}
