#include "gateway/libssl.h"

#include <stddef.h>

#include "os/library.h"

#define ROW(name) {#name, offsetof(struct libssl, name)},

struct libssl libssl;

bool libssl_load(struct fault *fault)
{
    static const struct library_symbol symbols[] = {LIBSSL_SYMBOLS(ROW)};
    static bool loaded;

    loaded = loaded ||
             library_load("libssl.so.3", "libssl3", symbols, COUNT(symbols), &libssl, fault);
    return loaded;
}
