/* Any bytes: no validator reads past them or crashes, each answers the same twice, and entropy is in its range. */
#include <stdint.h>
#include <stdlib.h>

#include "classify/validate.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* As an allocation of its own, so that a byte too far is seen. */
static void try_all(const uint8_t *data, size_t size)
{
    uint8_t *copy = malloc(size == 0 ? 1 : size);
    struct slice text = slice_of_bytes(copy, size);
    double entropy;

    if (copy == NULL)
        abort();
    if (size > 0)
        memcpy(copy, data, size);
    for (size_t i = 0; validator_name_at(i) != NULL; i++) {
        validator *holds = validator_find(validator_name_at(i));

        if (holds(text) != holds(text))
            abort();
    }
    (void)validate_is_test_value(text);
    (void)validate_is_placeholder(text);
    (void)validate_is_reserved_address(text);
    entropy = text_entropy(text);
    if (!(entropy >= 0 && entropy <= 8))
        abort();
    free(copy);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    try_all(data, size);
    if (size > 1) /* and without what the last byte brought */
        try_all(data, size - 1);
    return 0;
}
