/* JSON: leaves lie in the document, values stand alone, and every string survives writing and
 * reading. */
#include "wire/json.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct seen {
    struct slice document;
    size_t members;
};

static void check_string(struct slice text)
{
    struct buf out = buf_with_limit(6 * text.len + 2), back = buf_with_limit(text.len);
    struct json_value value;
    struct fault fault = {0};

    if (!json_add_string(&out, text, &fault) || !json_root(buf_slice(&out), &value, &fault) ||
        !json_text(&value, &back, &fault) || !slice_equal(buf_slice(&back), text))
        abort();
    buf_free(&out);
    buf_free(&back);
}

/* The walk decodes as it reads; a value by itself is decoded in another way. */
static void check_decoded(const struct json_leaf *leaf)
{
    struct json_value value = {JSON_STRING, leaf->raw};
    struct buf text = buf_with_limit(leaf->raw.len);
    struct fault fault = {0};
    size_t at = 0;

    if (!json_text(&value, &text, &fault) || !slice_equal(buf_slice(&text), leaf->text) ||
        !json_pass_string(leaf->raw, &at) || at != leaf->raw.len)
        abort();
    buf_free(&text);
}

static bool on_leaf(void *self, const struct json_leaf *leaf, struct fault *fault)
{
    struct seen *seen = self;

    (void)fault;
    if (leaf->raw.at < seen->document.at ||
        leaf->raw.at + leaf->raw.len > seen->document.at + seen->document.len ||
        leaf->depth > JSON_DEPTH_MAX)
        abort();
    if (leaf->type == JSON_STRING) {
        check_decoded(leaf);
        check_string(leaf->text);
    }
    return true;
}

static bool on_member(void *self, struct slice name, const struct json_value *value,
                      struct fault *fault)
{
    struct json_value same;
    int64_t number;

    (void)name;
    ((struct seen *)self)->members++;
    if (!json_root(value->raw, &same, fault) || same.type != value->type)
        abort();
    if (value->type == JSON_NUMBER)
        (void)!json_whole_number(value, &number, fault);
    return true;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct seen seen = {.document = slice_of_bytes(data, size)};
    struct json_visitor visitor = {.leaf = on_leaf, .self = &seen};
    struct json_value value;
    struct fault fault = {0};

    if (!json_walk(seen.document, &visitor, &fault))
        return 0;
    if (!json_root(seen.document, &value, &fault) ||
        !json_each(seen.document, on_member, &seen, &fault))
        abort();
    if (seen.members > 0 && value.type != JSON_OBJECT && value.type != JSON_ARRAY)
        abort();
    (void)!json_at(seen.document, "usage.prompt_tokens", &value, &fault);
    return 0;
}
