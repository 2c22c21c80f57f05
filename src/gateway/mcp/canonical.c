#include "gateway/mcp/canonical.h"

#include <stdlib.h>

#include "base/scope.h"
#include "wire/jcs.h"

#define NAME_BYTES_MAX 4096

struct member {
    char *name; /* decoded; owned */
    size_t name_len;
    struct slice value;
};

struct container {
    struct member *at;
    size_t count, room;
    bool is_object;
};

/* The name is raw, between its quotes, which stand around it. */
static bool decode(struct slice name, struct buf *text, struct fault *fault)
{
    const struct json_value key = {JSON_STRING, slice_of_bytes(name.at - 1, name.len + 2)};

    return json_text(&key, text, fault);
}

static bool take(void *self, struct slice name, const struct json_value *value,
                 struct fault *fault)
{
    struct container *container = self;
    AUTO_BUF struct buf text = buf_with_limit(NAME_BYTES_MAX);

    if (container->is_object && !decode(name, &text, fault))
        return false;
    container->at =
        xgrow(container->at, &container->room, container->count + 1, sizeof(*container->at));
    container->at[container->count++] = (struct member){
        .name = slice_dup(buf_slice(&text)), .name_len = text.len, .value = value->raw};
    return true;
}

static int compare(const void *a, const void *b)
{
    const struct member *one = a, *other = b;

    return slice_compare(slice_of_bytes(one->name, one->name_len),
                         slice_of_bytes(other->name, other->name_len));
}

static void container_free(struct container *container)
{
    for (size_t i = 0; i < container->count; i++)
        free(container->at[i].name);
    free(container->at);
}

static bool write_container(const struct container *container, struct buf *out,
                            struct fault *fault)
{
    const char *brackets = container->is_object ? "{}" : "[]";

    if (!buf_add_byte(out, (uint8_t)brackets[0], fault))
        return false;
    for (size_t i = 0; i < container->count; i++) {
        const struct member *member = &container->at[i];

        if (i > 0 && !buf_add_byte(out, ',', fault))
            return false;
        if (container->is_object &&
            (!jcs_add_text(out, slice_of_bytes(member->name, member->name_len), fault) ||
             !buf_add_byte(out, ':', fault)))
            return false;
        if (!mcp_canonical(member->value, out, fault))
            return false;
    }
    return buf_add_byte(out, (uint8_t)brackets[1], fault);
}

/* As deep as json.h lets a document be. */
bool mcp_canonical(struct slice value, struct buf *out, struct fault *fault)
{
    struct container container = {0};
    struct json_value root;
    bool ok;

    if (!json_root(value, &root, fault))
        return false;
    if (root.type == JSON_STRING) {
        AUTO_BUF struct buf text = buf_with_limit(value.len);

        return json_text(&root, &text, fault) && jcs_add_text(out, buf_slice(&text), fault);
    }
    if (root.type != JSON_OBJECT && root.type != JSON_ARRAY)
        return buf_add(out, root.raw, fault);
    container.is_object = root.type == JSON_OBJECT;
    ok = json_each(root.raw, take, &container, fault);
    if (ok && container.is_object && container.count > 1)
        qsort(container.at, container.count, sizeof(container.at[0]), compare);
    ok = ok && write_container(&container, out, fault);
    container_free(&container);
    return ok;
}
