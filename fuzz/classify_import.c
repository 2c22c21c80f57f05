/* Any file of foreign rules: what is made of it is rules of ours, in our form. And any pattern. */
#include <stdint.h>
#include <stdlib.h>

#include "base/utf8.h"
#include "classify/import/import.h"
#include "classify/import/pattern.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void try_pattern(struct slice text)
{
    struct pattern pattern = {0};
    struct buf template = buf_with_limit(16000);
    struct fault fault = {0};

    if (pattern_read(text, &pattern, &fault)) {
        free(pattern_literals(&pattern));
        (void)pattern_least(&pattern, pattern.root);
        (void)pattern_fixed_start(&pattern, pattern.root);
        for (unsigned variant = 0; variant < 3; variant++)
            (void)!pattern_example(&pattern, variant, &template, &fault);
        pattern_free(&pattern);
    } else if (fault.kind == FAULT_NONE) {
        abort();
    }
    buf_free(&template);
}

static void check_yaml(const struct import *import)
{
    const struct rules_text text = {"fuzz.yaml", import->yaml.at, import->yaml.len};
    struct rule_storage *storage = rule_storage_new();
    struct rule_list list = {0};
    struct fault fault = {0};

    if (!rules_read(&text, storage, &list, &fault) || list.count != import->taken)
        abort();
    rule_list_free(&list);
    rule_storage_free(storage);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct import import = {0};
    struct fault fault = {0};

    try_pattern(slice_of_bytes(data, size));
    if (rules_import(slice_of_bytes(data, size), "fuzz.toml", &import, &fault)) {
        if (import.taken > 0)
            check_yaml(&import);
        import_free(&import);
    } else if (fault.kind == FAULT_NONE) {
        abort();
    }
    return 0;
}
