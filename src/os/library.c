#include "os/library.h"

#include <dlfcn.h>

bool library_load(const char *library, const char *package,
                  const struct library_symbol *symbols, size_t count, void *calls,
                  struct fault *fault)
{
    void *loaded = dlopen(library, RTLD_NOW | RTLD_LOCAL);

    if (loaded == NULL)
        return fault_set(fault, FAULT_HOST, "load %s: %s; apt-get install %s", library,
                         dlerror(), package);
    for (size_t i = 0; i < count; i++) {
        void *found = dlsym(loaded, symbols[i].name);

        if (found == NULL)
            return fault_set(fault, FAULT_HOST, "%s has no %s", library, symbols[i].name);
        memcpy((char *)calls + symbols[i].offset, &found, sizeof(found));
    }
    return true;
}
