/* Proof files: what parses is written back the same, and is believed only with its record. */
#include <stdlib.h>

#include "base/scope.h"
#include "ledger/verify_proof.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define VKEY "example.com/log/testdata+33d7b496+AeHTu4Q3hEIMHNqc6fASMsq3rKNx280NI+oO5xCFkkSx"

static void write_again(struct slice input)
{
    AUTO_BUF struct buf again = buf_with_limit(PROOF_BYTES_MAX);
    struct proof proof;
    struct fault fault = {0};

    if (!proof_parse(input, &proof, &fault))
        return;
    if (proof.path.count > PROOF_HASHES_MAX || !proof_format(&proof, &again, &fault) ||
        !slice_equal(buf_slice(&again), input))
        abort();
}

/* The log was never forked, and has no such record. */
static void verify(struct slice input)
{
    static const struct slice record = {(const uint8_t *)"never written", 13};
    const struct verify_proof_options options[] = {
        {.record = NULL}, {.record = &record}, {.record = &record, .value = &record}};
    AUTO_BUF struct buf text = buf_with_limit(1 << 16);
    struct verify_proof_report report;
    struct fault fault = {0};

    for (size_t i = 0; i < COUNT(options); i++) {
        if (!verify_proof(input, SLICE(VKEY), &options[i], &report, &fault))
            continue;
        if (report.result == VERIFY_HOLDS || (report.has_kind && report.kind == PROOF_FORK &&
                                              report.result == VERIFY_TAMPERING))
            abort();
        if (!verify_proof_json(&report, &text, &fault) ||
            !verify_proof_text(&report, &text, &fault))
            abort();
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    write_again(slice_of_bytes(data, size));
    verify(slice_of_bytes(data, size));
    return 0;
}
