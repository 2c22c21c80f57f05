/*
 * os/library.h - libraries that are loaded (dlopen) where they are needed, by a table of what is
 * called of them: whoever has no use for one needs not have it, and starts no later for it.
 */
#ifndef CUSTODY_OS_LIBRARY_H
#define CUSTODY_OS_LIBRARY_H

#include "base/bytes.h"
#include "base/fault.h"

struct library_symbol {
    const char *name;
    size_t offset; /* of the pointer, in the struct of them all */
};

/*
 * Loads `library` ("libssl.so.3"), and fills in the pointers of `calls`. It is never unloaded.
 *   package  what to install where it is missing; may be several
 * FAULT_HOST: it is not installed, or lacks one of the symbols.
 */
MUST_USE bool library_load(const char *library, const char *package,
                           const struct library_symbol *symbols, size_t count, void *calls,
                           struct fault *fault);

#endif
