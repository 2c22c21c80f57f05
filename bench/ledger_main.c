/*
 * bench/ledger_main.c - one cell of the ledger's benchmark; bench/ledger runs many of them in
 * turn.
 *
 *   bench-ledger SUBJECT FOLDER OUTSTANDING MILLISECONDS RECORD-BYTES
 *   bench-ledger verify FOLDER RECORDS | hash RECORD-BYTES | proof FOLDER | size
 *
 * Prints one JSON object. Exit 4: this does not run here; the reason is in it.
 */
#include <stdio.h>
#include <stdlib.h>

#include "base/scope.h"
#include "bench/ledger_subject.h"
#include "os/clock_real.h"

#define ROUNDS_MAX 4000000

static const struct subject *const subjects[] = {
    &subject_raw_batch, &subject_raw_record,  &subject_file_batch, &subject_file_record,
    &subject_log,       &subject_log_lasting, &subject_writer,     &subject_writer_lasting,
    &subject_socket,    &subject_sqlite,      &subject_postgres,   &subject_journald,
};

static int64_t now_us(void)
{
    return clock_monotonic_us(&clock_real);
}

static int compare(const void *a, const void *b)
{
    uint32_t left = *(const uint32_t *)a, right = *(const uint32_t *)b;

    return (left > right) - (left < right);
}

static bool run(const struct subject *subject, const struct subject_place *place, int64_t ms,
                struct fault *fault)
{
    AUTO_FREE uint32_t *times = xalloc_array(ROUNDS_MAX, sizeof(*times));
    int64_t begin, last, warm_until;
    size_t rounds = 0;
    void *self;

    if (!subject->open(place, &self, fault))
        return false;
    warm_until = now_us() + ms * 1000 / 5; /* files are made, caches are filled */
    while (now_us() < warm_until)
        if (!subject->round(self, fault))
            return false;
    begin = last = now_us();
    while (last - begin < ms * 1000 && rounds < ROUNDS_MAX &&
           (subject->is_through == NULL || !subject->is_through(self))) {
        int64_t now;

        if (!subject->round(self, fault))
            return false;
        now = now_us();
        times[rounds++] = (uint32_t)(now - last);
        last = now;
    }
    if (rounds == 0)
        return fault_set(fault, FAULT_IO, "nothing was measured");
    if (!subject->close(self, fault))
        return false;
    qsort(times, rounds, sizeof(*times), compare);
    printf("{\"records\":%zu,\"seconds\":%.6f,\"p50_us\":%u,\"p99_us\":%u,\"max_us\":%u}\n",
           rounds * place->outstanding, (double)(last - begin) / 1e6, times[rounds / 2],
           times[rounds * 99 / 100], times[rounds - 1]);
    return true;
}

void subject_fill(uint8_t *at, size_t len, uint64_t number)
{
    uint64_t state = number * UINT64_C(0x9e3779b97f4a7c15) + 1;

    for (size_t i = 0; i < len; i++) {
        if (i % 8 == 0)
            state = state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
        at[i] = (uint8_t)('0' + (state >> (8 * (i % 8)) & 63));
    }
}

static bool measure(int argc, char **argv, struct fault *fault)
{
    const char *name = argc > 1 ? argv[1] : "";

    if (strcmp(name, "size") == 0)
        return printf("{\"record_bytes\":%zu}\n", subject_writer_record_bytes()) > 0;
    if (argc == 4 && strcmp(name, "verify") == 0)
        return measure_verify(argv[2], strtoull(argv[3], NULL, 10), fault);
    if (argc == 3 && strcmp(name, "hash") == 0)
        return measure_hash(strtoull(argv[2], NULL, 10), fault);
    if (argc == 3 && strcmp(name, "proof") == 0)
        return measure_proof(argv[2], fault);
    for (size_t i = 0; argc == 6 && i < COUNT(subjects); i++)
        if (strcmp(name, subjects[i]->name) == 0) {
            struct subject_place place = {.folder = argv[2],
                                          .outstanding = strtoull(argv[3], NULL, 10),
                                          .record_bytes = strtoull(argv[5], NULL, 10)};

            return run(subjects[i], &place, strtoll(argv[4], NULL, 10), fault);
        }
    return fault_set(fault, FAULT_INVALID, "usage: see bench/ledger_main.c");
}

int main(int argc, char **argv)
{
    struct fault fault = {0};

    if (measure(argc, argv, &fault))
        return 0;
    if (fault.kind == FAULT_HOST)
        printf("{\"skipped\":\"%s\"}\n", fault.why);
    else
        (void)fprintf(stderr, "bench-ledger: %s\n", fault.why);
    return fault.kind == FAULT_HOST ? 4 : 3;
}
