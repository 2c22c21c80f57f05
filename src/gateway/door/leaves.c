#include "gateway/door/leaves.h"

#include <stdlib.h>

#include "base/utf8.h"
#include "gateway/door/carried.h"
#include "gateway/money/route.h"
#include "wire/json.h"

static void look(struct leaves *leaves, struct slice text, int level);

static void note(struct leaves *leaves, unsigned classes, const char *const *rules)
{
    leaves->leaf_classes |= classes;
    for (unsigned class = 0; class < CLASS_COUNT; class ++)
        if ((classes & CLASS_BIT(class)) != 0 && leaves->rules[class] == NULL)
            leaves->rules[class] = rules[class] != NULL ? rules[class] : "unnamed";
    leaves->classes |= classes;
}

static void scan(struct leaves *leaves, struct slice text)
{
    const char *rules[CLASS_COUNT] = {0};
    unsigned guesses = 0;

    note(leaves, leaves->scan->classes(leaves->scan->self, text, rules, &guesses), rules);
    leaves->leaf_guesses |= guesses;
}

static void found_opaque(struct leaves *leaves)
{
    leaves->classes |= CLASS_BIT(CLASS_OPAQUE);
    leaves->leaf_classes |= CLASS_BIT(CLASS_OPAQUE);
    if (leaves->rules[CLASS_OPAQUE] == NULL)
        leaves->rules[CLASS_OPAQUE] = "encoded-binary";
}

static void look_into_base64(struct leaves *leaves, struct slice text, int level)
{
    struct carried carried;
    struct slice bytes;

    if (!carried_open(text, &carried))
        return;
    bytes = buf_slice(&carried.bytes);
    if (carried_is_opaque(bytes) || (carried.is_data_url && !utf8_is_valid(bytes)))
        found_opaque(leaves);
    else if (utf8_is_valid(bytes))
        look(leaves, bytes, level + 1);
    buf_free(&carried.bytes);
}

struct nested {
    struct leaves *leaves;
    int level;
};

static bool on_nested_leaf(void *self, const struct json_leaf *leaf, struct fault *fault)
{
    struct nested *nested = self;

    (void)fault;
    look(nested->leaves, leaf->text, nested->level);
    return true;
}

static void look(struct leaves *leaves, struct slice text, int level)
{
    struct slice trimmed = slice_trim(text);

    scan(leaves, text);
    if (leaves->lineage != NULL)
        leaves->lineage->look(leaves->lineage->self, text);
    if (level >= LEAVES_LEVELS_MAX || trimmed.len == 0)
        return;
    if (trimmed.at[0] == '{' || trimmed.at[0] == '[') {
        struct nested nested = {leaves, level + 1};
        struct json_visitor visitor = {.leaf = on_nested_leaf, .self = &nested};
        struct fault unread = {0};

        /* No JSON after all: then it is the text that was scanned. */
        (void)!json_walk(trimmed, &visitor, &unread);
    } else {
        look_into_base64(leaves, trimmed, level);
    }
}

/* Members of the protocol, whose words stand between the texts. */
static bool is_protocol(const struct json_leaf *leaf)
{
    static const char *const names[] = {"role",   "type",    "id",           "name",
                                        "model",  "call_id", "tool_call_id", "tool_use_id",
                                        "status", "phase"};
    const struct json_step *step = leaf->depth == 0 ? NULL : &leaf->path[leaf->depth - 1];

    for (size_t i = 0; step != NULL && step->is_key && i < COUNT(names); i++)
        if (json_key_is(step->key, names[i]))
            return true;
    return false;
}

/* The call that a tool's output answers, where nothing that one must not know is in its name. */
static void tell_tool(const struct leaves *leaves, const struct json_leaf *leaf)
{
    static const char *const names[] = {"tool_call_id", "tool_use_id", "call_id"};
    const struct json_step *step = leaf->depth == 0 ? NULL : &leaf->path[leaf->depth - 1];

    if (leaf->type != JSON_STRING || leaf->is_key || step == NULL || !step->is_key ||
        (leaves->leaf_classes | leaves->leaf_guesses) != 0)
        return;
    for (size_t i = 0; i < COUNT(names); i++)
        if (json_key_is(step->key, names[i]))
            leaves->lineage->tool(leaves->lineage->self, leaf->text);
}

static void keep_tail(struct leaves *leaves, struct slice text)
{
    struct slice end = slice_part(
        text, text.len > DOOR_SEAM_BYTES ? text.len - DOOR_SEAM_BYTES : 0, text.len);
    size_t kept = DOOR_SEAM_BYTES - end.len;

    if (kept > leaves->tail_len)
        kept = leaves->tail_len;
    memmove(leaves->tail, leaves->tail + leaves->tail_len - kept, kept);
    if (end.len > 0)
        memcpy(leaves->tail + kept, end.at, end.len);
    leaves->tail_len = kept + end.len;
}

static void look_across(struct leaves *leaves, struct slice text)
{
    struct slice head = slice_part(text, 0, DOOR_SEAM_BYTES);
    const char *rules[CLASS_COUNT] = {0};
    uint8_t both[2 * DOOR_SEAM_BYTES];

    if (leaves->scan->across == NULL || head.len == 0)
        return;
    if (leaves->tail_len > 0) {
        memcpy(both, leaves->tail, leaves->tail_len);
        memcpy(both + leaves->tail_len, head.at, head.len);
        note(leaves,
             leaves->scan->across(leaves->scan->self,
                                  slice_of_bytes(both, leaves->tail_len + head.len), rules),
             rules);
    }
    keep_tail(leaves, text);
}

static void keep_found(struct leaves *leaves)
{
    leaves->guesses |= leaves->leaf_guesses;
    if ((leaves->leaf_classes | leaves->leaf_guesses) == 0)
        return;
    leaves->found = xgrow(leaves->found, &leaves->found_room, leaves->found_count + 1,
                          sizeof(*leaves->found));
    leaves->found[leaves->found_count++] =
        (struct leaf_found){leaves->count, leaves->leaf_classes, leaves->leaf_guesses};
}

/* In an edited document: has this leaf stayed, and was nothing found in it before? */
static bool is_clean(struct leaves *leaves)
{
    const struct leaves *before = leaves->before;

    if (before == NULL)
        return false;
    while (leaves->before_at < before->found_count &&
           before->found[leaves->before_at].leaf < leaves->count)
        leaves->before_at++;
    return leaves->before_at == before->found_count ||
           before->found[leaves->before_at].leaf != leaves->count;
}

static bool on_leaf(void *self, const struct json_leaf *leaf, struct fault *fault)
{
    struct leaves *leaves = self;

    (void)fault;
    leaves->seen_bytes += leaf->text.len;
    leaves->leaf_classes = leaves->leaf_guesses = 0;
    if (!is_clean(leaves))
        look(leaves, leaf->text, 0);
    if (leaves->references != NULL)
        references_see(leaves->references, leaf);
    if (leaf->type == JSON_STRING && route_is_signed(leaf->text))
        leaves->has_signed = true;
    if (leaves->lineage != NULL)
        tell_tool(leaves, leaf);
    if (leaf->type == JSON_STRING && !leaf->is_key && !is_protocol(leaf))
        look_across(leaves, leaf->text);
    keep_found(leaves);
    leaves->count++;
    leaves->scanned_bytes += leaf->text.len;
    return true;
}

static bool on_member(void *self, struct slice name, const struct json_value *value,
                      struct fault *fault)
{
    const struct leaves *leaves = self;

    return leaves->said == NULL || said_member(leaves->said, name, value, fault);
}

bool leaves_walk(struct leaves *leaves, struct slice document, struct fault *fault)
{
    struct json_visitor visitor = {.leaf = on_leaf, .self = leaves, .member = on_member};

    if (leaves->said != NULL)
        *leaves->said = (struct said){0};
    return json_walk(document, &visitor, fault);
}

void leaves_text(struct leaves *leaves, struct slice text)
{
    look(leaves, text, 0);
}

void leaves_free(struct leaves *leaves)
{
    free(leaves->found);
    leaves->found = NULL;
}
