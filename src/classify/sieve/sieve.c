#include "classify/sieve/found.h"

static const struct way {
    bool (*is_there)(void); /* NULL: everywhere */
    sieve_by *run;
} ways[SIEVE_WAYS] = {
    [SIEVE_BY_BYTE] = {NULL, sieve_by_byte},
    [SIEVE_BY_AVX2] = {sieve_avx2_is_there, sieve_by_avx2},
    [SIEVE_BY_AVX512] = {sieve_avx512_is_there, sieve_by_avx512},
};

bool sieve_way_is_there(enum sieve_way way)
{
    return ways[way].is_there == NULL || ways[way].is_there();
}

bool sieve_run_by(enum sieve_way way, struct slice text, unsigned kinds, sieve_sink *sink,
                  void *self)
{
    return ways[way].run(text, kinds, sink, self);
}

bool sieve_run(struct slice text, unsigned kinds, sieve_sink *sink, void *self)
{
    enum sieve_way best = SIEVE_BY_AVX512;

    while (!sieve_way_is_there(best)) /* by byte always is */
        best--;
    return sieve_run_by(best, text, kinds, sink, self);
}
