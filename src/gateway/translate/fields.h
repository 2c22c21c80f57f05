/*
 * gateway/translate/fields.h - the members of an object, by a table that says of each what
 * becomes of it. A member that is in no row is refused: nothing is lost unsaid.
 */
#ifndef CUSTODY_GATEWAY_TRANSLATE_FIELDS_H
#define CUSTODY_GATEWAY_TRANSLATE_FIELDS_H

#include "wire/json.h"

#define FIELDS_MAX 48

enum field_fate {
    FIELD_REFUSED,
    FIELD_DROPPED, /* it says nothing to another provider, or nothing that changes the answer */
    FIELD_CARRIED,
};

struct field {
    const char *name; /* NULL: an empty row */
    enum field_fate fate;
    const char *harmless; /* of REFUSED: the value that means what leaving it out does */
};

struct field_table {
    const char *what; /* the object, for people: "a tool" */
    const struct field *rows;
    size_t count; /* FIELDS_MAX at most */
};
#define FIELD_TABLE(what, rows) {what, rows, COUNT(rows)}

/*
 * Reads an object.
 *   ret_values  by row; of what is missing or null: JSON_NULL with an empty `raw`
 * FAULT_INVALID: no object, or a member that cannot be translated; it is named.
 */
MUST_USE bool fields_read(const struct json_value *object, const struct field_table *table,
                          struct json_value *ret_values, struct fault *fault);

/* Is it there? */
static inline bool field_set(const struct json_value *value)
{
    return value->raw.len > 0;
}
/* Is it that string? */
bool field_is(const struct json_value *value, const char *text);
/* FAULT_INVALID unless it is missing or of that type. */
MUST_USE bool field_type(const struct json_value *value, enum json_type type, const char *name,
                         struct fault *fault);

#endif
