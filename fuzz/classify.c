/* Any content: findings are in bounds, sorted and apart; redaction keeps the length and comes
 * back. */
#include <stdint.h>
#include <stdlib.h>

#include "classify/surrogate.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct surrogate_key key = {.bytes = {1}};
    static const enum verdict all[CLASS_COUNT] = {VERDICT_REDACT, VERDICT_REDACT,
                                                  VERDICT_REDACT, VERDICT_REDACT,
                                                  VERDICT_REDACT, VERDICT_REDACT};
    struct slice content = slice_of_bytes(data, size);
    struct buf redacted = buf_with_limit(size + 1), restored = buf_with_limit(size + 1);
    struct surrogate_map map = {0};
    struct finding *findings = NULL;
    struct fault fault = {0};
    struct surrogate_outcome outcome = {0};
    size_t count = 0, before = 0;
    unsigned mask = 0;

    if (!classify_scan(content, SLICE("a.env"), &findings, &count, &mask, &fault))
        return 0;
    for (size_t i = 0; i < count; i++) {
        if (findings[i].start < before || findings[i].end <= findings[i].start ||
            findings[i].end > size)
            abort();
        before = findings[i].end;
    }
    if (redact(content, findings, count, all, &key, &redacted, &map, &fault)) {
        struct surrogate_base base = {content, buf_slice(&redacted)};

        if (redacted.len != size ||
            !surrogate_restore(buf_slice(&redacted), &map, &base, &restored, &outcome,
                               &fault) ||
            restored.len != size ||
            (outcome.unsure == 0 && !slice_equal(buf_slice(&restored), content)))
            abort();
    }
    surrogate_map_free(&map);
    buf_free(&redacted);
    buf_free(&restored);
    free(findings);
    return 0;
}
