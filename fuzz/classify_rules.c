/* Any file of rules: read, checked and packed, or refused with its place. */
#include <stdint.h>
#include <stdlib.h>

#include "classify/rule.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const struct rules_text text = {"fuzz.yaml", data, size};
    struct rule_storage *storage = rule_storage_new();
    struct rule_list list = {0}, again = {0};
    struct buf packed = buf_with_limit(RULES_IMAGE_BYTES_MAX);
    struct fault fault = {0};
    bool ok = rules_read(&text, storage, &list, &fault);

    for (size_t i = 0; ok && i < list.count; i++)
        ok = rule_check(&list.at[i], &fault);
    if (!ok && fault.kind == FAULT_NONE)
        abort();
    if (ok && (!rules_pack(&list, &packed, &fault) ||
               !rules_unpack(buf_slice(&packed), &again, &fault) || again.count != list.count))
        abort();
    /* Whatever a packed list has become, it is read or refused. */
    rule_list_free(&again);
    if (rules_unpack(slice_of_bytes(data, size), &again, &fault))
        rule_list_free(&again);
    rule_list_free(&list);
    rule_storage_free(storage);
    buf_free(&packed);
    return 0;
}
