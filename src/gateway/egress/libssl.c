#include "gateway/egress/libssl.h"

#include <dlfcn.h>
#include <stddef.h>

#include "base/bytes.h"

#define LIBRARY "libssl.so.3"
#define ROW(name) {#name, offsetof(struct libssl, name)},

struct libssl libssl;

static const struct {
    const char *name;
    size_t offset;
} symbols[] = {LIBSSL_SYMBOLS(ROW)};

bool libssl_load(struct fault *fault)
{
    static bool loaded;
    void *library;

    if (loaded)
        return true;
    library = dlopen(LIBRARY, RTLD_NOW | RTLD_LOCAL);
    if (library == NULL)
        return fault_set(fault, FAULT_HOST, "load " LIBRARY ": %s", dlerror());
    for (size_t i = 0; i < COUNT(symbols); i++) {
        void *found = dlsym(library, symbols[i].name);

        if (found == NULL)
            return fault_set(fault, FAULT_HOST, LIBRARY " has no %s", symbols[i].name);
        memcpy((char *)&libssl + symbols[i].offset, &found, sizeof(found));
    }
    loaded = true;
    return true;
}
