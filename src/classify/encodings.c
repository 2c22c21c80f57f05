#include "classify/encodings.h"

#include "base/hex.h"
#include "base/utf8.h"
#include "wire/base64.h"

#define BASE64_RUN_MIN 8 /* digits of six bytes */
#define HEX_RUN_MIN 12

static int hex_of(struct slice text, size_t at)
{
    return at < text.len ? hex_digit(text.at[at]) : -1;
}

/* ---- within a text ---- */

bool encoding_percent(struct slice text, unsigned shift, struct buf *ret_text,
                      struct fault *fault)
{
    bool any = false;

    (void)shift;
    if (slice_find_byte(text, '%', 0) == SIZE_MAX)
        return true;
    for (size_t i = 0; i < text.len; i++) {
        int high = hex_of(text, i + 1), low = hex_of(text, i + 2);
        bool is_code = text.at[i] == '%' && high >= 0 && low >= 0;

        if (!buf_add_byte(ret_text, is_code ? (uint8_t)((unsigned)high << 4 | (unsigned)low) : text.at[i], fault))
            return false;
        i += is_code ? 2 : 0;
        any = any || is_code;
    }
    if (!any)
        buf_clear(ret_text);
    return true;
}

/* The character whose code is `digits` hexadecimal digits at `at`; -1: it is not. */
static int32_t code_at(struct slice text, size_t at, size_t digits)
{
    int32_t code = 0;

    for (size_t i = 0; i < digits; i++) {
        int digit = hex_of(text, at + i);

        if (digit < 0)
            return -1;
        code = code << 4 | digit;
    }
    return code;
}

/* What follows a backslash, in JSON and in most languages; gives how long that is. */
static size_t escape_at(struct slice text, size_t at, struct buf *out, bool *ret_ok,
                        struct fault *fault)
{
    static const char names[] = "ntrbf0", bytes[] = "\n\t\r\b\f";
    const char *name = strchr(names, text.at[at]);
    int32_t code;

    if (text.at[at] == 'u' && (code = code_at(text, at + 1, 4)) >= 0) {
        *ret_ok = utf8_add(out, (uint32_t)code, fault);
        return 5;
    }
    if (text.at[at] == 'x' && (code = code_at(text, at + 1, 2)) >= 0) {
        *ret_ok = buf_add_byte(out, (uint8_t)code, fault);
        return 3;
    }
    *ret_ok = buf_add_byte(
        out, name == NULL || text.at[at] == 0 ? text.at[at] : (uint8_t)bytes[name - names],
        fault);
    return 1;
}

bool encoding_escapes(struct slice text, unsigned shift, struct buf *ret_text,
                      struct fault *fault)
{
    bool ok = true;

    (void)shift;
    if (slice_find_byte(text, '\\', 0) == SIZE_MAX)
        return true;
    for (size_t i = 0; ok && i < text.len; i++)
        if (text.at[i] == '\\' && i + 1 < text.len)
            i += escape_at(text, i + 1, ret_text, &ok, fault);
        else
            ok = buf_add_byte(ret_text, text.at[i], fault);
    return ok;
}

/* UTF-16, and whatever else puts NULs between characters. */
static bool without_nul(struct slice text, unsigned shift, struct buf *ret_text,
                        struct fault *fault)
{
    (void)shift;
    if (slice_find_byte(text, 0, 0) == SIZE_MAX)
        return true;
    for (size_t i = 0; i < text.len; i++)
        if (text.at[i] != 0 && !buf_add_byte(ret_text, text.at[i], fault))
            return false;
    return true;
}

static bool backwards(struct slice text, unsigned shift, struct buf *ret_text,
                      struct fault *fault)
{
    (void)shift;
    for (size_t i = text.len; i > 0; i--)
        if (!buf_add_byte(ret_text, text.at[i - 1], fault))
            return false;
    return true;
}

/* ---- runs of digits ---- */

/* Digits of `bits` bits that are packed into bytes. */
struct packing {
    unsigned bits, skip; /* digits still to leave out */
    unsigned count;      /* bits that wait */
    uint32_t waiting;
};

static bool pack(struct packing *packing, int digit, struct buf *out, struct fault *fault)
{
    if (packing->skip > 0) {
        packing->skip--;
        return true;
    }
    packing->waiting = packing->waiting << packing->bits | (uint32_t)digit;
    packing->count += packing->bits;
    if (packing->count < 8)
        return true;
    packing->count -= 8;
    return buf_add_byte(out, (uint8_t)(packing->waiting >> packing->count), fault);
}

/* One alphabet: its digits, and what may stand between them. */
struct alphabet {
    int (*digit)(uint8_t byte);
    const char *between;
    unsigned bits, run_min;
};

static const struct alphabet base64 = {base64_digit, "\r\n", 6, BASE64_RUN_MIN};
static const struct alphabet hexadecimal = {hex_digit, " \t\r\n:,-", 4, HEX_RUN_MIN};

/* "0x41", "\x41": the digits are those after it. */
static size_t prefix_at(struct slice text, size_t at, const struct alphabet *alphabet)
{
    bool is_prefix = alphabet->bits == 4 && at + 1 < text.len &&
                     (text.at[at] == '0' || text.at[at] == '\\') &&
                     (text.at[at + 1] == 'x' || text.at[at + 1] == 'X');

    return is_prefix ? 2 : 0;
}

/* Where the run that begins at `from` ends, and how many digits it has. */
static size_t run_end(struct slice text, size_t from, const struct alphabet *alphabet,
                      size_t *ret_digits)
{
    size_t at = from, digits = 0;

    while (at < text.len) {
        size_t prefix = prefix_at(text, at, alphabet);

        if (prefix > 0) {
            at += prefix;
            continue;
        }
        if (alphabet->digit(text.at[at]) >= 0)
            digits++;
        else if (text.at[at] == 0 || strchr(alphabet->between, text.at[at]) == NULL)
            break;
        at++;
    }
    *ret_digits = digits;
    return at;
}

static bool runs(struct slice text, unsigned shift, const struct alphabet *alphabet,
                 struct buf *out, struct fault *fault)
{
    for (size_t at = 0; at < text.len;) {
        size_t digits, end = run_end(text, at, alphabet, &digits);
        struct packing packing = {.bits = alphabet->bits, .skip = shift};

        if (digits >= alphabet->run_min) {
            while (at < end) {
                size_t prefix = prefix_at(text, at, alphabet);
                int digit = prefix > 0 ? -1 : alphabet->digit(text.at[at]);

                if (digit >= 0 && !pack(&packing, digit, out, fault))
                    return false;
                at += prefix > 0 ? prefix : 1;
            }
            if (!buf_add_byte(out, '\n', fault))
                return false;
        }
        at = end + 1;
    }
    return true;
}

static bool from_base64(struct slice text, unsigned shift, struct buf *ret_text,
                        struct fault *fault)
{
    return runs(text, shift, &base64, ret_text, fault);
}

static bool from_hexadecimal(struct slice text, unsigned shift, struct buf *ret_text,
                             struct fault *fault)
{
    return runs(text, shift, &hexadecimal, ret_text, fault);
}

const struct encoding encodings[ENCODING_COUNT] = {
    {encoding_percent, 0, false}, {encoding_escapes, 0, false}, {without_nul, 0, false},
    {backwards, 0, true},         {from_base64, 0, false},      {from_base64, 1, false},
    {from_base64, 2, false},      {from_base64, 3, false},      {from_hexadecimal, 0, false},
    {from_hexadecimal, 1, false},
};
