/* Any bytes: candidates are in bounds, and each way of the sieve finds the same. The first byte says which kinds. */
#include <stdint.h>
#include <stdlib.h>

#include "classify/sieve.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct sum {
    uint64_t hash; /* FNV-1a over what was found */
    size_t size;
};

static void mix(struct sum *sum, size_t value)
{
    sum->hash = (sum->hash ^ value) * UINT64_C(0x100000001b3);
}

static bool add(void *self, const struct sieve_candidate *candidate)
{
    struct sum *sum = self;

    if (candidate->start >= candidate->end || candidate->end > sum->size)
        abort();
    mix(sum, (size_t)candidate->kind);
    mix(sum, candidate->start);
    mix(sum, candidate->end);
    mix(sum, candidate->digits);
    return true;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct sum sums[SIEVE_WAYS];
    unsigned kinds;
    uint8_t *copy;

    if (size == 0)
        return 0;
    kinds = data[0] % (SIEVE_ALL + 1);
    size--;
    copy = malloc(size + 1); /* of its own, so that a byte too far is seen */
    if (copy == NULL)
        abort();
    memcpy(copy + 1, data + 1, size);
    for (enum sieve_way way = SIEVE_BY_BYTE; way < SIEVE_WAYS; way++) {
        sums[way] = (struct sum){.size = size};
        if (!sieve_way_is_there(way))
            continue;
        if (!sieve_run_by(way, slice_of_bytes(copy + 1, size), kinds, add, &sums[way]) ||
            sums[way].hash != sums[SIEVE_BY_BYTE].hash)
            abort();
    }
    free(copy);
    return 0;
}
