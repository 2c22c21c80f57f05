#include "wire/json_lexeme.h"

#include "base/eight.h"
#include "base/hex.h"
#include "base/sixteen.h"
#include "base/utf8.h"
#include "wire/json.h"

#define NUMBER_BYTES_MAX 64
#define TOO_LONG "a string that is too long"

size_t json_code_point_len(struct slice text)
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

bool json_decode(struct slice inner, struct buf *out, struct fault *fault)
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
    return sixteen_bits((sixteen)(~sixteen_within(bytes, 0x20, 0x7F) | sixteen_is(bytes, '"') |
                                  sixteen_is(bytes, '\\')));
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
        len = json_code_point_len(slice_part(text, *at, text.len));
        if (len == 0)
            return "bytes that are not UTF-8";
        *at += len;
    }
}
/*
 * Goes on to what is neither plain nor a short escape, or to the end of what `decoded` has room
 * for. What is passed goes there.
 */
static void copy_run(struct slice text, size_t *from, struct buf *out)
{
    const uint8_t *at = text.at + *from, *end = text.at + text.len;
    const uint8_t *last = out->at + out->room - JSON_DECODED_MORE;
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
    *from = (size_t)(at - text.at);
    out->len = (size_t)(to - out->at);
}

/* What stands at `at` and is no short escape goes to `decoded`. */
static const char *copy_special(struct slice text, size_t *at, struct buf *decoded,
                                struct fault *fault)
{
    size_t from = *at;
    uint32_t point;
    const char *what;

    if (from < text.len && text.at[from] == '\\') {
        size_t len = escape_read(text, from, &point);

        if (len == 0)
            return "a bad escape";
        *at += len;
        return utf8_add(decoded, point, fault) ? NULL : TOO_LONG;
    }
    what = pass_unescaped(text, at);
    if (what == NULL && !buf_add(decoded, slice_part(text, from, *at), fault))
        return TOO_LONG;
    return what;
}

/* From the first escape of a string to its end; `inner` is what came before. */
static const char *decode_rest(struct slice text, size_t *at, struct slice inner,
                               struct buf *out)
{
    struct fault fault = {0};

    buf_clear(out);
    /* At once: no more is written than there is, and what is not touched is not taken. */
    if (!buf_reserve(out, text.len - *at + inner.len, &fault) || !buf_add(out, inner, &fault))
        return TOO_LONG;
    for (;;) {
        /* What is decoded is never longer: with that much more the limit holds the document. */
        if (out->room - out->len < JSON_DECODED_MORE &&
            !buf_reserve(out, JSON_DECODED_MORE, &fault))
            return TOO_LONG;
        copy_run(text, at, out);
        if (*at < text.len && text.at[*at] == '"')
            return NULL;
        if (*at == text.len || is_special(text.at[*at])) {
            const char *what = copy_special(text, at, out, &fault);

            if (what != NULL)
                return what;
        }
    }
}

const char *json_read_string(struct slice text, size_t *at, struct buf *decoded,
                             struct slice *ret_text)
{
    size_t from = *at;
    const char *what = pass_unescaped(text, at);

    if (what != NULL)
        return what;
    *ret_text = slice_part(text, from, *at);
    if (text.at[*at] == '"')
        return NULL;
    what = decode_rest(text, at, *ret_text, decoded);
    *ret_text = buf_slice(decoded);
    return what;
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

const char *json_read_number(struct slice text, size_t *at)
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
    return json_read_number(text, at) == NULL;
}
