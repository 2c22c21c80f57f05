#include "base/vocabulary.h"

static const char *const class_names[CLASS_COUNT] = {
    [CLASS_PHI] = "phi", [CLASS_PAN] = "pan",       [CLASS_SECRET] = "secret",
    [CLASS_PII] = "pii", [CLASS_OPAQUE] = "opaque", [CLASS_CODE] = "code",
};

static const char *const verdict_names[VERDICT_COUNT] = {
    [VERDICT_ALLOW] = "allow",
    [VERDICT_REDACT] = "redact",
    [VERDICT_DENY] = "deny",
};

static bool word_find(const char *const *words, size_t count, struct slice name,
                      size_t *ret_index)
{
    for (size_t i = 0; i < count; i++)
        if (slice_equal(slice_of(words[i]), name)) {
            *ret_index = i;
            return true;
        }
    return false;
}

const char *class_name(enum data_class class)
{
    return class_names[class];
}

bool class_parse(struct slice name, enum data_class *ret_class)
{
    size_t index;

    if (!word_find(class_names, CLASS_COUNT, name, &index))
        return false;
    *ret_class = (enum data_class)index;
    return true;
}

enum data_class class_of_mask(unsigned mask)
{
    for (unsigned class = 0; class < CLASS_COUNT; class++)
        if ((mask & CLASS_BIT(class)) != 0)
            return (enum data_class) class;
    return CLASS_CODE;
}

const char *verdict_name(enum verdict verdict)
{
    return verdict_names[verdict];
}

bool verdict_parse(struct slice name, enum verdict *ret_verdict)
{
    size_t index;

    if (!word_find(verdict_names, VERDICT_COUNT, name, &index))
        return false;
    *ret_verdict = (enum verdict)index;
    return true;
}
