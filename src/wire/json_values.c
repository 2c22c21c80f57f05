/* Values of a document that was read: looked up, and taken for what they are. */
#include "base/scope.h"
#include "wire/json.h"
#include "wire/json_lexeme.h"

bool json_each(struct slice container,
               bool (*each)(void *self, struct slice name, const struct json_value *value,
                            struct fault *fault),
               void *self, struct fault *fault)
{
    const struct json_visitor visitor = {.member = each, .self = self};

    return json_walk(container, &visitor, fault);
}

struct search {
    const char *name;
    bool found;
    struct json_value value;
};

static bool search_member(void *self, struct slice name, const struct json_value *value,
                          struct fault *fault)
{
    struct search *search = self;

    (void)fault;
    if (name.at != NULL && json_key_is(name, search->name)) {
        search->found = true;
        search->value = *value;
    }
    return true;
}

bool json_member(struct slice object, const char *name, struct json_value *ret_value,
                 struct fault *fault)
{
    struct search search = {.name = name};
    const struct json_visitor visitor = {.member = search_member, .self = &search};
    struct json_value root;

    if (!json_read(object, &visitor, &root, fault))
        return false;
    if (root.type != JSON_OBJECT)
        return fault_set(fault, FAULT_INVALID,
                         "JSON: not an object where \"%s\" is looked for", name);
    if (!search.found)
        return fault_set(fault, FAULT_MISSING, "JSON: no \"%s\"", name);
    *ret_value = search.value;
    return true;
}

bool json_at(struct slice object, const char *path, struct json_value *ret_value,
             struct fault *fault)
{
    struct slice rest = slice_of(path), part;
    struct json_value value = {JSON_OBJECT, object};

    while (slice_cut(&rest, '.', &part)) {
        AUTO_FREE char *name = slice_dup(part);

        if (!json_member(value.raw, name, &value, fault))
            return false;
    }
    *ret_value = value;
    return true;
}
bool json_text(const struct json_value *value, struct buf *ret_text, struct fault *fault)
{
    if (value->type != JSON_STRING || value->raw.len < 2)
        return fault_set(fault, FAULT_INVALID, "JSON: not a string");
    return json_decode(slice_part(value->raw, 1, value->raw.len - 1), ret_text, fault);
}

bool json_whole_number(const struct json_value *value, int64_t *ret_number,
                       struct fault *fault)
{
    bool negative = value->raw.len > 0 && value->raw.at[0] == '-';
    int64_t number = 0;

    if (value->type != JSON_NUMBER || value->raw.len > 17)
        return fault_set(fault, FAULT_INVALID, "JSON: not a whole number");
    for (size_t i = negative; i < value->raw.len; i++) {
        if (value->raw.at[i] < '0' || value->raw.at[i] > '9')
            return fault_set(fault, FAULT_INVALID, "JSON: not a whole number");
        number = number * 10 + (value->raw.at[i] - '0');
    }
    if (number > 1LL << 53)
        return fault_set(fault, FAULT_INVALID, "JSON: a number beyond 2^53");
    *ret_number = negative ? -number : number;
    return true;
}

bool json_key_is_whole(struct slice raw_key, const char *text)
{
    struct slice want = slice_of(text);
    AUTO_BUF struct buf decoded = buf_with_limit(raw_key.len);
    struct fault fault = {0};

    if (raw_key.len <= want.len || slice_find_byte(raw_key, '\\', 0) == SIZE_MAX)
        return slice_equal(raw_key, want); /* an escape is longer than what it stands for */
    return json_decode(raw_key, &decoded, &fault) && slice_equal(buf_slice(&decoded), want);
}
