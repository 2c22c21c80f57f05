/* Payload files: what parses has the length that it says; nothing opens without its key. */
#include <stdlib.h>

#include "base/scope.h"
#include "ledger/payload.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const uint8_t key[SCOPE_KEY_BYTES] = {1};
    struct slice input = slice_of_bytes(data, size);
    AUTO_BUF struct buf value = buf_with_limit(PAYLOAD_BYTES_MAX);
    struct payload payload;
    struct fault fault = {0};

    if (!payload_parse(input, &payload, &fault)) {
        if (payload_open(key, "r-fuzz", RECORD_MODEL_INTENT, input, &value, &fault))
            abort();
        return 0;
    }
    if (payload.sealed.len + PAYLOAD_HEAD_BYTES + PAYLOAD_TAG_BYTES != size ||
        payload.tag + PAYLOAD_TAG_BYTES != data + size ||
        commitment_field(payload.type) == NULL)
        abort();
    /* Whoever finds a tag without the key has broken AES-GCM. */
    if (payload_open(key, "r-fuzz", payload.type, input, &value, &fault) || value.len > 0)
        abort();
    return 0;
}
