#include "gateway/door/leaves.h"

#include "base/scope.h"
#include "base/utf8.h"
#include "wire/base64.h"
#include "wire/jcs.h"
#include "wire/json.h"

#define LEVELS_MAX 3
#define BASE64_BYTES_MIN 32
#define DATA_URL_HEAD_MAX 128

/* What is in here cannot be read as text. */
static const char *const opaque_magics[] = {
    "\x89PNG",  "\xFF\xD8\xFF",     "GIF8", "RIFF",       "%PDF-", "PK\x03\x04",
    "\x1F\x8B", "\x28\xB5\x2F\xFD", "BZh",  "7z\xBC\xAF",
};

static void look(struct leaves *leaves, struct slice text, int level);

static void note(struct leaves *leaves, unsigned classes, const char *const *rules)
{
    for (unsigned class = 0; class < CLASS_COUNT; class ++)
        if ((classes & CLASS_BIT(class)) != 0 && leaves->rules[class] == NULL)
            leaves->rules[class] = rules[class] != NULL ? rules[class] : "unnamed";
    leaves->classes |= classes;
}

static void scan(struct leaves *leaves, struct slice text)
{
    const char *rules[CLASS_COUNT] = {0};

    note(leaves, leaves->scan->classes(leaves->scan->self, text, rules), rules);
}

static void found_opaque(struct leaves *leaves)
{
    leaves->classes |= CLASS_BIT(CLASS_OPAQUE);
    if (leaves->rules[CLASS_OPAQUE] == NULL)
        leaves->rules[CLASS_OPAQUE] = "encoded-binary";
}

/* Generous on purpose: whatever some decoder would take is worth a look. */
static bool decode_base64(struct slice text, struct buf *out)
{
    struct fault fault = {0};
    uint32_t bits = 0;
    unsigned count = 0;

    while (text.len > 0 && text.at[text.len - 1] == '=')
        text.len--;
    if (!buf_reserve(out, text.len, &fault))
        return false;
    for (size_t i = 0; i < text.len; i++) {
        int digit = base64_digit(text.at[i]);

        if (text.at[i] == '\n' || text.at[i] == '\r')
            continue;
        if (digit < 0)
            return false;
        bits = bits << 6 | (uint32_t)digit;
        count += 6;
        if (count >= 8) {
            count -= 8;
            out->at[out->len++] = (uint8_t)(bits >> count);
        }
    }
    return true;
}

static bool has_opaque_magic(struct slice bytes)
{
    for (size_t i = 0; i < COUNT(opaque_magics); i++)
        if (slice_starts_with(bytes, slice_of(opaque_magics[i])))
            return true;
    return false;
}

static void look_into_base64(struct leaves *leaves, struct slice text, int level)
{
    AUTO_BUF struct buf decoded = buf_with_limit(text.len);
    bool is_data_url = slice_starts_with(text, SLICE("data:"));
    struct slice bytes;

    if (is_data_url) {
        size_t mark = slice_find(slice_part(text, 0, DATA_URL_HEAD_MAX), SLICE(";base64,"), 0);

        if (mark == SIZE_MAX)
            return; /* percent-encoded text: it has been scanned as it is */
        text = slice_part(text, mark + 8, text.len);
    }
    if ((!is_data_url && text.len < BASE64_BYTES_MIN) || !decode_base64(text, &decoded))
        return;
    bytes = buf_slice(&decoded);
    if (has_opaque_magic(bytes))
        found_opaque(leaves);
    else if (utf8_is_valid(bytes))
        look(leaves, bytes, level + 1);
    else if (is_data_url)
        found_opaque(leaves);
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
    if (level >= LEVELS_MAX || trimmed.len == 0)
        return;
    if (trimmed.at[0] == '{' || trimmed.at[0] == '[') {
        struct nested nested = {leaves, level + 1};
        struct json_visitor visitor = {on_nested_leaf, &nested};
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

static bool on_leaf(void *self, const struct json_leaf *leaf, struct fault *fault)
{
    struct leaves *leaves = self;

    (void)fault;
    leaves->count++;
    leaves->seen_bytes += leaf->text.len;
    look(leaves, leaf->text, 0);
    if (leaves->references != NULL)
        references_see(leaves->references, leaf);
    if (leaf->type == JSON_STRING && !leaf->is_key && !is_protocol(leaf))
        look_across(leaves, leaf->text);
    leaves->scanned_bytes += leaf->text.len;
    return true;
}

bool leaves_walk(struct leaves *leaves, struct slice document, struct fault *fault)
{
    struct json_visitor visitor = {on_leaf, leaves};

    return json_walk(document, &visitor, fault);
}

void leaves_text(struct leaves *leaves, struct slice text)
{
    look(leaves, text, 0);
}
