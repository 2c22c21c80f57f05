/* The first bytes of a tunnel: any bytes. Whole or not does not depend on what follows, and a name is a host's. */
#include "wire/client_hello.h"

#include <stdlib.h>

#include "wire/url.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct slice bytes = slice_of_bytes(data, size);
    struct client_hello hello, again;
    struct fault fault = {0};
    bool whole, whole_before;

    if (!client_hello_read(bytes, &hello, &whole, &fault) || !whole)
        return 0;
    if (hello.name[0] != 0 && !url_host_is_name(slice_of(hello.name)))
        abort();
    /* shorter: the same, or not whole yet; never another name, never a refusal */
    for (size_t len = size > 64 ? size - 64 : 0; len < size; len++) {
        if (!client_hello_read(slice_part(bytes, 0, len), &again, &whole_before, &fault))
            abort();
        if (whole_before && strcmp(again.name, hello.name) != 0)
            abort();
    }
    return 0;
}
