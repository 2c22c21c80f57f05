#include "classify/validate/list.h"

static const struct named {
    const char *name;
    validator *holds;
} validators[] = {
#define VALIDATOR_ROW(name) {#name, validate_##name},
    VALIDATORS(VALIDATOR_ROW)
#undef VALIDATOR_ROW
};

validator *validator_find(const char *name)
{
    for (size_t i = 0; i < COUNT(validators); i++)
        if (strcmp(validators[i].name, name) == 0)
            return validators[i].holds;
    return NULL;
}

const char *validator_name_at(size_t index)
{
    return index < COUNT(validators) ? validators[index].name : NULL;
}
