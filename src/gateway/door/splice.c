#include "gateway/door/splice.h"

#include <stdlib.h>

#include "base/hex.h"
#include "base/scope.h"
#include "base/utf8.h"

void splice_add(struct splice *splice, size_t from, size_t to, struct slice with)
{
    splice->at = xgrow(splice->at, &splice->room, splice->count + 1, sizeof(*splice->at));
    splice->at[splice->count++] = (struct json_edit){from, to, with};
}

void splice_free(struct splice *splice)
{
    free(splice->at);
    *splice = (struct splice){0};
}

static bool is_inner(struct slice text, size_t at)
{
    return at < text.len && (text.at[at] & 0xC0) == 0x80;
}

static void changes_in_place(struct slice before, struct slice after, struct splice *splice)
{
    size_t done = 0;

    for (size_t at = 0; at < before.len; at++) {
        size_t from = at, to;

        if (before.at[at] == after.at[at])
            continue;
        while (from > done && (is_inner(before, from) || is_inner(after, from)))
            from--;
        for (to = at + 1; to < before.len && (before.at[to] != after.at[to] ||
                                              is_inner(before, to) || is_inner(after, to));)
            to++;
        splice_add(splice, from, to, slice_part(after, from, to));
        done = to;
        at = to - 1;
    }
}

void splice_between(struct slice before, struct slice after, struct splice *ret_splice)
{
    size_t shorter = before.len < after.len ? before.len : after.len;
    size_t head = 0, tail = 0;

    if (before.len == after.len) {
        changes_in_place(before, after, ret_splice);
        return;
    }
    while (head < shorter && before.at[head] == after.at[head])
        head++;
    while (head > 0 && (is_inner(before, head) || is_inner(after, head)))
        head--;
    while (tail < shorter - head &&
           before.at[before.len - tail - 1] == after.at[after.len - tail - 1])
        tail++;
    while (tail > 0 &&
           (is_inner(before, before.len - tail) || is_inner(after, after.len - tail)))
        tail--;
    splice_add(ret_splice, head, before.len - tail, slice_part(after, head, after.len - tail));
}

/* A character of a string as it is written. */
struct unit {
    size_t raw_len;   /* in the string */
    uint8_t bytes[8]; /* decoded */
    size_t len;
    bool is_numbered; /* \uXXXX */
};

static int unit16(struct slice raw, size_t at)
{
    int number = 0;

    if (at + 6 > raw.len || raw.at[at] != '\\' || raw.at[at + 1] != 'u')
        return -1;
    for (size_t i = 2; i < 6; i++)
        number = number << 4 | hex_digit(raw.at[at + i]);
    return number;
}

static void set_point(struct unit *unit, uint32_t point)
{
    struct buf bytes = {
        .at = unit->bytes, .room = sizeof(unit->bytes), .limit = sizeof(unit->bytes) - 1};
    struct fault fault = {0};

    if (utf8_add(&bytes, point, &fault))
        unit->len = bytes.len;
}

/* At a backslash. */
static void read_escape(struct slice raw, size_t at, struct unit *unit)
{
    static const char shorts[] = "\"\"\\\\//b\bf\fn\nr\rt\t";
    int high = unit16(raw, at), low;

    unit->raw_len = 2;
    for (size_t i = 0; high < 0 && i + 1 < sizeof(shorts); i += 2)
        if (raw.at[at + 1] == (uint8_t)shorts[i]) {
            unit->bytes[0] = (uint8_t)shorts[i + 1];
            unit->len = 1;
        }
    if (high < 0)
        return;
    unit->is_numbered = true;
    unit->raw_len = 6;
    low = unit16(raw, at + 6);
    if (high >= 0xD800 && high < 0xDC00 && low >= 0xDC00 && low <= 0xDFFF) {
        unit->raw_len = 12;
        set_point(unit,
                  0x10000 + ((uint32_t)(high - 0xD800) << 10) + (uint32_t)(low - 0xDC00));
    } else {
        set_point(unit, high >= 0xD800 && high <= 0xDFFF ? 0xFFFD : (uint32_t)high);
    }
}

static struct unit unit_at(struct slice raw, size_t at)
{
    struct unit unit = {.raw_len = 1, .bytes = {raw.at[at]}, .len = 1};

    if (raw.at[at] == '\\')
        read_escape(raw, at, &unit);
    return unit;
}

static bool add_numbered(struct buf *out, uint32_t point, struct fault *fault)
{
    if (point >= 0x10000)
        return buf_add_format(out, fault, "\\u%04x\\u%04x",
                              0xD800 + (unsigned)((point - 0x10000) >> 10),
                              0xDC00 + (unsigned)((point - 0x10000) & 0x3FF));
    return buf_add_format(out, fault, "\\u%04x", (unsigned)point);
}

bool splice_escape(struct slice text, bool ascii, struct buf *out, struct fault *fault)
{
    for (size_t at = 0; at < text.len;) {
        uint32_t point = 0xFFFD;
        size_t len = utf8_next(text, at, &point);
        bool ok;

        if (len == 0)
            len = 1; /* no character: cannot be in a JSON string */
        if (point == '"' || point == '\\')
            ok = buf_add_byte(out, '\\', fault) && buf_add_byte(out, (uint8_t)point, fault);
        else if (point == '\n' || point == '\r' || point == '\t')
            ok = buf_add_text(out,
                              point == '\n'   ? "\\n"
                              : point == '\r' ? "\\r"
                                              : "\\t",
                              fault);
        else if (point < 0x20 || (ascii && point >= 0x7F))
            ok = add_numbered(out, point, fault);
        else
            ok = utf8_add(out, point, fault);
        if (!ok)
            return false;
        at += len;
    }
    return true;
}

/* Writing: what is new is gathered, so that no character of it is written in two parts. */
struct writing {
    const struct splice *splice;
    size_t next; /* edit */
    size_t at;   /* in the decoded text */
    struct buf fresh;
    bool ascii; /* the first of what it replaces was \uXXXX */
    struct buf *out;
    struct fault *fault;
};

static bool flush(struct writing *writing)
{
    bool ok = splice_escape(buf_slice(&writing->fresh), writing->ascii, writing->out,
                            writing->fault);

    buf_clear(&writing->fresh);
    return ok;
}

static bool is_touched(struct writing *writing, size_t len)
{
    const struct splice *splice = writing->splice;

    while (writing->next < splice->count && splice->at[writing->next].to <= writing->at)
        writing->next++;
    return writing->next < splice->count && splice->at[writing->next].from < writing->at + len;
}

/* One byte of a character that an edit touches. */
static bool take_byte(struct writing *writing, uint8_t byte)
{
    const struct splice *splice = writing->splice;
    const struct json_edit *edit;

    while (writing->next < splice->count && splice->at[writing->next].to <= writing->at)
        writing->next++;
    edit = writing->next < splice->count ? &splice->at[writing->next] : NULL;
    if (edit != NULL && edit->from == writing->at &&
        !buf_add(&writing->fresh, edit->with, writing->fault))
        return false;
    return (edit != NULL && edit->from <= writing->at) ||
           buf_add_byte(&writing->fresh, byte, writing->fault);
}

static bool take_unit(struct writing *writing, const struct unit *unit, struct slice raw)
{
    if (!is_touched(writing, unit->len)) {
        writing->at += unit->len;
        return flush(writing) && buf_add(writing->out, raw, writing->fault);
    }
    if (writing->fresh.len == 0)
        writing->ascii = unit->is_numbered;
    for (size_t i = 0; i < unit->len; i++, writing->at++)
        if (!take_byte(writing, unit->bytes[i]))
            return false;
    return true;
}

bool splice_string(struct slice raw, const struct splice *splice, struct buf *out,
                   struct fault *fault)
{
    struct writing writing = {
        .splice = splice, .fresh = buf_with_limit(out->limit), .out = out, .fault = fault};
    bool ok = buf_add_byte(out, '"', fault);

    for (size_t at = 1; ok && at < raw.len - 1;) {
        struct unit unit = unit_at(raw, at);

        ok = take_unit(&writing, &unit, slice_part(raw, at, at + unit.raw_len));
        at += unit.raw_len;
    }
    ok = ok && flush(&writing) && buf_add_byte(out, '"', fault);
    buf_free_secret(&writing.fresh);
    return ok;
}

size_t splice_place(struct slice raw, size_t at)
{
    size_t place = 1;

    for (size_t done = 0; place < raw.len - 1;) {
        struct unit unit = unit_at(raw, place);

        if (done + unit.len > at)
            return place;
        done += unit.len;
        place += unit.raw_len;
    }
    return raw.len - 1;
}
