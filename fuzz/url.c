/* URLs: what is taken is made of its parts and of nothing else. */
#include "wire/url.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool printable(struct slice text)
{
    for (size_t i = 0; i < text.len; i++)
        if (text.at[i] <= 0x20 || text.at[i] >= 0x7F || text.at[i] == '\\')
            return false;
    return true;
}

static bool inside(struct slice part, struct slice text)
{
    return part.len == 0 || (part.at >= text.at && part.at + part.len <= text.at + text.len);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct slice text = slice_of_bytes(data, size), host;
    struct fault fault = {0};
    struct url url;
    uint16_t port;

    if (url_authority_parse(text, &host, &port, &fault) && (host.len == 0 || !printable(text)))
        abort();
    if (!url_parse(text, &url, &fault))
        return 0;
    if (url.host.len == 0 || url.port == 0 || !printable(text) || !inside(url.host, text) ||
        !inside(url.path, text) || !inside(url.query, text))
        abort();
    if (slice_find_byte(url.host, '@', 0) != SIZE_MAX ||
        slice_find_byte(url.host, '%', 0) != SIZE_MAX ||
        (url.path.len > 0 && url.path.at[0] != '/'))
        abort();
    if (!url_host_is_name(url.host) && slice_find_byte(url.host, ':', 0) == SIZE_MAX &&
        (url.host.at[0] < '0' || url.host.at[0] > '9'))
        abort(); /* neither a name nor an address */
    return 0;
}
