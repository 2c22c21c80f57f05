#include "gateway/translate/fields.h"

#include "base/scope.h"

#define SHOWN_BYTES 64

struct taking {
    const struct field_table *table;
    struct json_value *values;
};

/* A member's name is the client's word: a printable part of it. */
static void shown(struct slice name, char *to)
{
    size_t len = 0;

    for (size_t i = 0; i < name.len && len + 1 < SHOWN_BYTES; i++)
        if (name.at[i] > 0x20 && name.at[i] < 0x7F)
            to[len++] = (char)name.at[i];
    to[len] = 0;
}

static bool on_member(void *self, struct slice name, const struct json_value *value,
                      struct fault *fault)
{
    const struct taking *taking = self;
    const struct field_table *table = taking->table;
    char text[SHOWN_BYTES];
    size_t i = 0;

    if (value->type == JSON_NULL)
        return true;
    while (i < table->count &&
           (table->rows[i].name == NULL || !json_key_is(name, table->rows[i].name)))
        i++;
    if (i < table->count && table->rows[i].fate == FIELD_CARRIED)
        taking->values[i] = *value;
    if (i < table->count &&
        (table->rows[i].fate != FIELD_REFUSED ||
         (table->rows[i].harmless != NULL &&
          slice_equal(value->raw, slice_of(table->rows[i].harmless)))))
        return true;
    shown(name, text);
    return fault_set(fault, FAULT_INVALID, "`%s` of %s has no counterpart there", text,
                     table->what);
}

bool fields_read(const struct json_value *object, const struct field_table *table,
                 struct json_value *ret_values, struct fault *fault)
{
    struct taking taking = {table, ret_values};

    for (size_t i = 0; i < table->count; i++)
        ret_values[i] = (struct json_value){.type = JSON_NULL};
    if (object->type != JSON_OBJECT)
        return fault_set(fault, FAULT_INVALID, "%s is no object", table->what);
    return json_each(object->raw, on_member, &taking, fault);
}

bool field_is(const struct json_value *value, const char *text)
{
    return value->type == JSON_STRING &&
           json_key_is(slice_part(value->raw, 1, value->raw.len - 1), text);
}

bool field_type(const struct json_value *value, enum json_type type, const char *name,
                struct fault *fault)
{
    return value->raw.len == 0 || value->type == type ||
           fault_set(fault, FAULT_INVALID, "`%s` is of another type", name);
}
