#include "wire/json.h"

#include <stdlib.h>

#include "base/eight.h"
#include "base/hex.h"
#include "base/scope.h"
#include "base/sixteen.h"
#include "base/utf8.h"

/* Keys of the objects that are open at one time; more is nobody's honest document. */
#define KEYS_MAX (1U << 20)
#define KEYS_QUADRATIC 12
#define NUMBER_BYTES_MAX 64
#define DECODED_MORE 32 /* sixteen bytes and a character, at least */

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

/* Bytes of the well-formed code point (Unicode table 3-7) at `text`, or 0. */
static size_t code_point_len(struct slice text)
{
    uint8_t low = 0x80, high = 0xBF;
    size_t len;

    if (text.len == 0)
        return 0;
    if (text.at[0] < 0x80)
        return 1;
    if (text.at[0] < 0xC2 || text.at[0] > 0xF4)
        return 0;
    len = text.at[0] < 0xE0 ? 2 : text.at[0] < 0xF0 ? 3 : 4;
    if (text.at[0] == 0xE0)
        low = 0xA0;
    else if (text.at[0] == 0xED)
        high = 0x9F;
    else if (text.at[0] == 0xF0)
        low = 0x90;
    else if (text.at[0] == 0xF4)
        high = 0x8F;
    if (text.len < len || text.at[1] < low || text.at[1] > high)
        return 0;
    for (size_t i = 2; i < len; i++)
        if (text.at[i] < 0x80 || text.at[i] > 0xBF)
            return 0;
    return len;
}

/* Four hexadecimal digits at `at`; -1 where they are not. */
static int32_t hex4(struct slice text, size_t at)
{
    int32_t unit = 0;

    if (text.len < 4 || at > text.len - 4)
        return -1;
    for (size_t i = 0; i < 4; i++) {
        int digit = hex_digit(text.at[at + i]);

        if (digit < 0)
            return -1;
        unit = unit << 4 | digit;
    }
    return unit;
}

/* What a letter behind a back slash stands for. */
static const uint8_t short_escapes[256] = {
    ['"'] = '"',  ['\\'] = '\\', ['/'] = '/',  ['b'] = '\b',
    ['f'] = '\f', ['n'] = '\n',  ['r'] = '\r', ['t'] = '\t'};

/* Length of the escape at text[at] == '\\' and what it stands for; 0 where it is none. */
static size_t escape_read(struct slice text, size_t at, uint32_t *ret_point)
{
    int32_t unit;

    if (at + 1 >= text.len)
        return 0;
    *ret_point = short_escapes[text.at[at + 1]];
    if (*ret_point != 0)
        return 2;
    unit = text.at[at + 1] == 'u' ? hex4(text, at + 2) : -1;
    if (unit < 0)
        return 0;
    *ret_point = (uint32_t)unit;
    if (unit < 0xD800 || unit > 0xDFFF)
        return 6;
    if (unit < 0xDC00 && at + 7 < text.len && text.at[at + 6] == '\\' &&
        text.at[at + 7] == 'u') {
        int32_t low = hex4(text, at + 8);

        if (low >= 0xDC00 && low <= 0xDFFF) {
            *ret_point =
                0x10000 + ((uint32_t)(unit - 0xD800) << 10) + (uint32_t)(low - 0xDC00);
            return 12;
        }
    }
    *ret_point = 0xFFFD;
    return 6;
}

/* Copies up to the next back slash; returns how many bytes. `to` has room for all of `text`. */
static size_t copy_plain(struct slice text, uint8_t *to)
{
    size_t at = 0;

    while (text.len - at >= 8) {
        uint64_t other = eight_other(eight_load(text.at + at), '\\') & EIGHT_ALL;

        memcpy(to + at, text.at + at, 8);
        if (other != EIGHT_ALL)
            return at + eight_first_no(other);
        at += 8;
    }
    for (; at < text.len && text.at[at] != '\\'; at++)
        to[at] = text.at[at];
    return at;
}

/* Decodes what is between the quotes; it has been checked. It never becomes longer. */
static bool decode(struct slice inner, struct buf *out, struct fault *fault)
{
    size_t most = out->limit - out->len;

    if (!buf_reserve(out, inner.len < most ? inner.len : most, fault))
        return false;
    for (;;) {
        size_t room = out->limit - out->len, len;
        size_t copied = copy_plain(slice_part(inner, 0, room), out->at + out->len);
        uint32_t point;

        out->len += copied;
        if (copied == inner.len)
            return true;
        if (copied == room)
            return fault_set(fault, FAULT_LIMIT, "more than %zu bytes", out->limit);
        len = escape_read(inner, copied, &point);
        if (len == 0)
            return fault_set(fault, FAULT_INVALID, "JSON: bad escape");
        if (point < 0x80)
            out->at[out->len++] = (uint8_t)point;
        else if (!utf8_add(out, point, fault))
            return false;
        inner = (struct slice){inner.at + copied + len, inner.len - copied - len};
    }
}

/* Those that do not stand for themselves: a quote, a back slash, a control character, one beyond
 * ASCII. */
static uint64_t special(sixteen bytes)
{
    return sixteen_bits((sixteen)(~sixteen_within(bytes, 0x20, 0x7F) |
                                  sixteen_is(bytes, '"') | sixteen_is(bytes, '\\')));
}

static bool is_special(uint8_t byte)
{
    return byte < 0x20 || byte >= 0x80 || byte == '"' || byte == '\\';
}

static size_t next_special(struct slice text, size_t at)
{
    for (; text.len - at >= SIXTEEN; at += SIXTEEN) {
        uint64_t bits = special(sixteen_load(text.at + at));

        if (bits != 0)
            return at + (size_t)__builtin_ctzll(bits);
    }
    while (at < text.len && !is_special(text.at[at]))
        at++;
    return at;
}

/* Moves `at` on to a quote or a back slash. NULL, or what is wrong, and where. */
static const char *pass_unescaped(struct slice text, size_t *at)
{
    for (;;) {
        size_t len;

        *at = next_special(text, *at);
        if (*at == text.len)
            return "a string without end";
        if (text.at[*at] == '"' || text.at[*at] == '\\')
            return NULL;
        if (text.at[*at] < 0x20)
            return "a raw control character";
        len = code_point_len(slice_part(text, *at, text.len));
        if (len == 0)
            return "bytes that are not UTF-8";
        *at += len;
    }
}

/*
 * Goes on to what is neither plain nor a short escape, or to the end of what `decoded` has room
 * for. What is passed goes there.
 */
static void copy_run(struct scan *scan)
{
    struct buf *out = &scan->decoded;
    const uint8_t *at = scan->text.at + scan->at, *end = scan->text.at + scan->text.len;
    const uint8_t *last = out->at + out->room - DECODED_MORE;
    uint8_t *to = out->at + out->len;

    while (end - at >= (ptrdiff_t)SIXTEEN && to <= last) {
        sixteen bytes = sixteen_load(at);
        uint64_t bits = special(bytes);
        size_t run = bits == 0 ? SIXTEEN : (size_t)__builtin_ctzll(bits);

        memcpy(to, &bytes, sizeof(bytes));
        at += run;
        to += run;
        if (bits == 0)
            continue;
        if (*at != '\\' || end - at < 2 || short_escapes[at[1]] == 0)
            break;
        *to++ = short_escapes[at[1]];
        at += 2;
    }
    while (end - at < (ptrdiff_t)SIXTEEN && at < end && to <= last && !is_special(*at))
        *to++ = *at++;
    scan->at = (size_t)(at - scan->text.at);
    out->len = (size_t)(to - out->at);
}

/* What stands at `at` and is no short escape goes to `decoded`. */
static bool copy_special(struct scan *scan)
{
    size_t from = scan->at, len;
    uint32_t point;
    const char *what;

    if (peek(scan) == '\\') {
        len = escape_read(scan->text, scan->at, &point);
        if (len == 0)
            return broken(scan, "a bad escape");
        scan->at += len;
        return utf8_add(&scan->decoded, point, scan->fault);
    }
    what = pass_unescaped(scan->text, &scan->at);
    return what == NULL ? buf_add(&scan->decoded, slice_part(scan->text, from, scan->at),
                                  scan->fault)
                        : broken(scan, what);
}

/* From the first escape of a string to its end; `inner` is what came before. */
static bool decode_rest(struct scan *scan, struct slice inner)
{
    struct buf *out = &scan->decoded;

    buf_clear(out);
    /* At once: no more is written than there is, and what is not touched is not taken. */
    if (!buf_reserve(out, scan->text.len - scan->at + inner.len, scan->fault) ||
        !buf_add(out, inner, scan->fault))
        return false;
    for (;;) {
        /* What is decoded is never longer: with that much more the limit holds the document. */
        if (out->room - out->len < DECODED_MORE &&
            !buf_reserve(out, DECODED_MORE, scan->fault))
            return false;
        copy_run(scan);
        if (peek(scan) == '"')
            return true;
        if ((scan->at == scan->text.len || is_special((uint8_t)peek(scan))) &&
            !copy_special(scan))
            return false;
    }
}

/* Reads a string; ret_text is decoded and holds until the next string. */
static bool scan_string(struct scan *scan, struct slice *ret_raw, struct slice *ret_text)
{
    size_t from = scan->at++;
    const char *what = pass_unescaped(scan->text, &scan->at);

    if (what != NULL)
        return broken(scan, what);
    *ret_text = slice_part(scan->text, from + 1, scan->at);
    if (peek(scan) == '\\') {
        if (!decode_rest(scan, *ret_text))
            return false;
        *ret_text = buf_slice(&scan->decoded);
    }
    scan->at++;
    *ret_raw = slice_part(scan->text, from, scan->at);
    return true;
}

static bool pass_digits(struct slice text, size_t *at)
{
    size_t from = *at;

    while (*at < text.len && text.at[*at] >= '0' && text.at[*at] <= '9')
        ++*at;
    return *at > from;
}

static bool pass_byte(struct slice text, size_t *at, uint8_t byte)
{
    bool there = *at < text.len && text.at[*at] == byte;

    *at += there;
    return there;
}

/* Moves `at` behind a number. NULL, or what is wrong, and where. */
static const char *pass_number(struct slice text, size_t *at)
{
    size_t from = *at;

    (void)pass_byte(text, at, '-');
    if (!pass_byte(text, at, '0') && !pass_digits(text, at))
        return "no value";
    if (pass_byte(text, at, '.') && !pass_digits(text, at))
        return "a bad number";
    if (pass_byte(text, at, 'e') || pass_byte(text, at, 'E')) {
        if (!pass_byte(text, at, '+'))
            (void)pass_byte(text, at, '-');
        if (!pass_digits(text, at))
            return "a bad number";
    }
    return *at - from > NUMBER_BYTES_MAX ? "a number that is too long" : NULL;
}

static bool scan_number(struct scan *scan)
{
    const char *what = pass_number(scan->text, &scan->at);

    return what == NULL || broken(scan, what);
}

bool json_pass_string(struct slice text, size_t *at)
{
    uint32_t point;

    if (*at == text.len || text.at[*at] != '"')
        return false;
    for (++*at; pass_unescaped(text, at) == NULL;) {
        size_t len = text.at[*at] == '"' ? 0 : escape_read(text, *at, &point);

        if (len == 0)
            return text.at[(*at)++] == '"';
        *at += len;
    }
    return false;
}

bool json_pass_number(struct slice text, size_t *at)
{
    return pass_number(text, at) == NULL;
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

static bool scan_document(struct slice text, const struct json_visitor *visitor,
                          struct json_value *ret_value, struct fault *fault)
{
    struct scan scan = {.text = text,
                        .visitor = visitor,
                        .decoded = buf_with_limit(text.len + DECODED_MORE),
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

    return scan_document(text, visitor, &value, fault);
}

bool json_root(struct slice text, struct json_value *ret_value, struct fault *fault)
{
    return scan_document(text, NULL, ret_value, fault);
}

bool json_each(struct slice container,
               bool (*each)(void *self, struct slice name, const struct json_value *value,
                            struct fault *fault),
               void *self, struct fault *fault)
{
    const struct json_visitor visitor = {.member = each, .self = self};
    struct json_value value;

    return scan_document(container, &visitor, &value, fault);
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

    if (!scan_document(object, &visitor, &root, fault))
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
    return decode(slice_part(value->raw, 1, value->raw.len - 1), ret_text, fault);
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
    return decode(raw_key, &decoded, &fault) && slice_equal(buf_slice(&decoded), want);
}

bool json_add_string(struct buf *out, struct slice text, struct fault *fault)
{
    bool ok = buf_add_byte(out, '"', fault);

    for (size_t i = 0; ok && i < text.len;) {
        size_t len = code_point_len(slice_part(text, i, text.len));
        uint8_t byte = text.at[i];

        if (len == 0)
            ok = buf_add_text(out, "\xEF\xBF\xBD", fault);
        else if (byte == '"' || byte == '\\')
            ok = buf_add_byte(out, '\\', fault) && buf_add_byte(out, byte, fault);
        else if (byte < 0x20)
            ok = buf_add_format(out, fault, "\\u%04x", byte);
        else
            ok = buf_add(out, slice_part(text, i, i + len), fault);
        i += len == 0 ? 1 : len;
    }
    return ok && buf_add_byte(out, '"', fault);
}

bool json_splice(struct slice text, const struct json_edit *edits, size_t count,
                 struct buf *out, struct fault *fault)
{
    size_t at = 0;

    for (size_t i = 0; i < count; i++) {
        if (edits[i].from < at || edits[i].to < edits[i].from || edits[i].to > text.len)
            return fault_set(fault, FAULT_INVALID, "edits overlap or leave the document");
        if (!buf_add(out, slice_part(text, at, edits[i].from), fault) ||
            !buf_add(out, edits[i].with, fault))
            return false;
        at = edits[i].to;
    }
    return buf_add(out, slice_part(text, at, text.len), fault);
}
