/* Any text as TOML: a tree, or a reason with its place. */
#include <stdint.h>
#include <stdlib.h>

#include "wire/toml.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct toml *root = NULL;
    struct fault fault = {0};

    if (!toml_parse(slice_of_bytes(data, size), "fuzz.toml", &root, &fault) &&
        fault.kind == FAULT_NONE)
        abort();
    toml_free(root);
    return 0;
}
