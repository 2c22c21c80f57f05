#include "wire/json.h"

#include <stdlib.h>

#include "wire/json_lexeme.h"

/* Keys of the objects that are open at one time; more is nobody's honest document. */
#define KEYS_MAX (1U << 20)
#define KEYS_QUADRATIC 12

struct scan {
    struct slice text;
    size_t at;
    const struct json_visitor *visitor;
    struct json_step path[JSON_DEPTH_MAX];
    size_t depth;
    uint64_t *keys; /* hashes of the decoded keys of every open object */
    size_t key_count, key_room;
    struct buf decoded;
    struct fault *fault;
};

static bool scan_value(struct scan *scan, struct json_value *ret_value);

static bool broken(struct scan *scan, const char *what)
{
    return fault_set(scan->fault, FAULT_INVALID, "JSON: %s at byte %zu", what, scan->at);
}

static int peek(const struct scan *scan)
{
    return scan->at < scan->text.len ? scan->text.at[scan->at] : -1;
}

static void skip_space(struct scan *scan)
{
    for (;; scan->at++) {
        int byte = peek(scan);

        if (byte != ' ' && byte != '\n' && byte != '\r' && byte != '\t')
            return;
    }
}
/* Reads a string; ret_text is decoded and holds until the next string. */
static bool scan_string(struct scan *scan, struct slice *ret_raw, struct slice *ret_text)
{
    size_t from = scan->at++;
    const char *what = json_read_string(scan->text, &scan->at, &scan->decoded, ret_text);

    if (what != NULL)
        return broken(scan, what);
    scan->at++;
    *ret_raw = slice_part(scan->text, from, scan->at);
    return true;
}

static bool scan_number(struct scan *scan)
{
    const char *what = json_read_number(scan->text, &scan->at);

    return what == NULL || broken(scan, what);
}

static bool visit(struct scan *scan, enum json_type type, bool is_key, struct slice raw,
                  struct slice text)
{
    struct json_leaf leaf = {.type = type,
                             .is_key = is_key,
                             .raw = raw,
                             .text = text,
                             .path = scan->path,
                             .depth = is_key ? scan->depth - 1 : scan->depth};

    if (scan->visitor == NULL || scan->visitor->leaf == NULL)
        return true;
    return scan->visitor->leaf(scan->visitor->self, &leaf, scan->fault);
}

static uint64_t key_hash(struct slice text)
{
    uint64_t hash = 0xCBF29CE484222325U;

    for (size_t i = 0; i < text.len; i++)
        hash = (hash ^ text.at[i]) * 0x100000001B3U;
    return hash;
}

static int compare_hashes(const void *a, const void *b)
{
    uint64_t left = *(const uint64_t *)a, right = *(const uint64_t *)b;

    return left < right ? -1 : left > right;
}

/* Equal hashes count as equal keys: whoever makes two collide gets his own document refused.
 */
static bool keys_differ(uint64_t *keys, size_t count)
{
    if (count <= KEYS_QUADRATIC) {
        for (size_t i = 1; i < count; i++)
            for (size_t j = 0; j < i; j++)
                if (keys[i] == keys[j])
                    return false;
        return true;
    }
    qsort(keys, count, sizeof(keys[0]), compare_hashes);
    for (size_t i = 1; i < count; i++)
        if (keys[i] == keys[i - 1])
            return false;
    return true;
}

static bool below_root(struct scan *scan, struct slice name, const struct json_value *value)
{
    return scan->depth != 1 || scan->visitor == NULL || scan->visitor->member == NULL ||
           scan->visitor->member(scan->visitor->self, name, value, scan->fault);
}

static bool scan_key(struct scan *scan, struct slice *ret_inner)
{
    struct slice raw, text;

    if (peek(scan) != '"')
        return broken(scan, "no key");
    if (!scan_string(scan, &raw, &text))
        return false;
    if (scan->key_count == KEYS_MAX)
        return fault_set(scan->fault, FAULT_LIMIT, "JSON: more than %u keys", KEYS_MAX);
    scan->keys =
        xgrow(scan->keys, &scan->key_room, scan->key_count + 1, sizeof(scan->keys[0]));
    scan->keys[scan->key_count++] = key_hash(text);
    *ret_inner = slice_part(raw, 1, raw.len - 1);
    if (!visit(scan, JSON_STRING, true, raw, text))
        return false;
    skip_space(scan);
    if (peek(scan) != ':')
        return broken(scan, "no colon");
    scan->at++;
    skip_space(scan);
    return true;
}

/* The elements behind the opening bracket, up to and with the closing one. */
static bool scan_elements(struct scan *scan, bool is_object)
{
    struct json_step *step = &scan->path[scan->depth - 1];
    int close = is_object ? '}' : ']';

    *step = (struct json_step){.is_key = is_object};
    skip_space(scan);
    if (peek(scan) == close) {
        scan->at++;
        return true;
    }
    for (;; step->index++) {
        struct json_value value;

        if (is_object && !scan_key(scan, &step->key))
            return false;
        if (!scan_value(scan, &value) || !below_root(scan, step->key, &value))
            return false;
        skip_space(scan);
        if (peek(scan) == close) {
            scan->at++;
            return true;
        }
        if (peek(scan) != ',')
            return broken(scan, "neither a comma nor an end");
        scan->at++;
        skip_space(scan);
    }
}

static bool scan_container(struct scan *scan, bool is_object)
{
    size_t keys_from = scan->key_count;

    if (scan->depth == JSON_DEPTH_MAX)
        return broken(scan, "too deep a nesting");
    scan->depth++;
    scan->at++;
    if (!scan_elements(scan, is_object))
        return false;
    scan->depth--;
    if (scan->key_count > keys_from &&
        !keys_differ(scan->keys + keys_from, scan->key_count - keys_from))
        return broken(scan, "a duplicate key in the object that ends");
    scan->key_count = keys_from;
    return true;
}

static bool scan_word(struct scan *scan, enum json_type type, struct json_value *ret_value)
{
    static const char *const words[] = {
        [JSON_NULL] = "null", [JSON_FALSE] = "false", [JSON_TRUE] = "true"};
    struct slice word = slice_of(words[type]);

    if (!slice_starts_with(slice_part(scan->text, scan->at, scan->text.len), word))
        return broken(scan, "no value");
    *ret_value =
        (struct json_value){type, slice_part(scan->text, scan->at, scan->at + word.len)};
    scan->at += word.len;
    return true;
}

static bool scan_value(struct scan *scan, struct json_value *ret_value)
{
    size_t from = scan->at;
    int byte = peek(scan);

    if (byte == 'n' || byte == 't' || byte == 'f')
        return scan_word(scan,
                         byte == 'n'   ? JSON_NULL
                         : byte == 't' ? JSON_TRUE
                                       : JSON_FALSE,
                         ret_value);
    if (byte == '"') {
        struct slice raw, text;

        if (!scan_string(scan, &raw, &text) || !visit(scan, JSON_STRING, false, raw, text))
            return false;
        *ret_value = (struct json_value){JSON_STRING, raw};
        return true;
    }
    if (byte == '{' || byte == '[') {
        if (!scan_container(scan, byte == '{'))
            return false;
        *ret_value = (struct json_value){byte == '{' ? JSON_OBJECT : JSON_ARRAY,
                                         slice_part(scan->text, from, scan->at)};
        return true;
    }
    if (!scan_number(scan))
        return false;
    *ret_value = (struct json_value){JSON_NUMBER, slice_part(scan->text, from, scan->at)};
    return visit(scan, JSON_NUMBER, false, ret_value->raw, ret_value->raw);
}

bool json_read(struct slice text, const struct json_visitor *visitor,
               struct json_value *ret_value, struct fault *fault)
{
    struct scan scan = {.text = text,
                        .visitor = visitor,
                        .decoded = buf_with_limit(text.len + JSON_DECODED_MORE),
                        .fault = fault};
    struct json_value value;
    bool ok;

    skip_space(&scan);
    ok = scan_value(&scan, &value);
    if (ok) {
        skip_space(&scan);
        ok = scan.at == text.len || broken(&scan, "bytes behind the document");
    }
    free(scan.keys);
    buf_free(&scan.decoded);
    if (ok)
        *ret_value = value;
    return ok;
}

bool json_walk(struct slice text, const struct json_visitor *visitor, struct fault *fault)
{
    struct json_value value;

    return json_read(text, visitor, &value, fault);
}

bool json_root(struct slice text, struct json_value *ret_value, struct fault *fault)
{
    return json_read(text, NULL, ret_value, fault);
}
