/* Runs of base64 and of hexadecimal digits. */
#include "base/hex.h"
#include "base/scope.h"
#include "base/utf8.h"
#include "classify/archives.h"
#include "classify/decode_parts.h"
#include "classify/hex_runs.h"
#include "wire/base64.h"

#define TRIED_BYTES 18 /* that must be text, or a known beginning, for the run to be decoded */
#define FIRST_BYTES 8  /* of these: most runs show by them that they are neither */
#define LINE_MIN 40    /* a run of so many characters may go on on the next line */

/* ---- where runs are ---- */

/* What each byte is as a digit of one alphabet or the other; -1: none. */
struct alphabets {
    int8_t of64[256], of16[256];
};

static const struct alphabets *alphabets(void)
{
    static struct alphabets alphabets;

    if (alphabets.of64['B'] == 0)
        for (unsigned i = 0; i < 256; i++) {
            alphabets.of64[i] = (int8_t)base64_digit((uint8_t)i);
            alphabets.of16[i] = (int8_t)hex_digit((uint8_t)i);
        }
    return &alphabets;
}

/* Where two eights in a row are all digits at or after `at`, both a multiple of eight away: a
 * run of three eights has them. */
static size_t find_eights(struct slice text, size_t at)
{
    uint64_t before = 0; /* the second eight of the sixteen before */

    for (; text.len - at >= SIXTEEN; at += SIXTEEN) {
        sixteen bytes = sixteen_load(text.at + at);
        uint64_t digits =
            sixteen_bits(sixteen_within(bytes | 0x20, 'a', 'z') | sixteen_within(bytes, '/', '9') |
                         sixteen_is(bytes, '+') | sixteen_is(bytes, '-') | sixteen_is(bytes, '_'));
        uint64_t low = digits & 0xff, high = digits >> 8;

        if ((before & low) == 0xff)
            return at - SIXTEEN / 2;
        if (digits == 0xffff)
            return at;
        before = high;
    }
    return at >= SIXTEEN / 2 ? at - SIXTEEN / 2 : at;
}

/* The first run of DECODE_RUN_MIN at or after `at`. */
static size_t find_run(struct slice text, size_t at, const int8_t *digits)
{
    size_t from = at;

    while (text.len - from >= DECODE_RUN_MIN) {
        size_t start = find_eights(text, from), end;

        start = start < from ? from : start;
        while (start > from && digits[text.at[start - 1]] >= 0)
            start--;
        end = start;
        while (end < text.len && digits[text.at[end]] >= 0)
            end++;
        if (end - start >= DECODE_RUN_MIN)
            return start;
        from = end + (end == start);
    }
    return text.len;
}

static size_t run_end(struct slice text, size_t at, const int8_t *digits)
{
    while (at < text.len && digits[text.at[at]] >= 0)
        at++;
    return at;
}

static bool ends_line(struct slice text, size_t at)
{
    return at == text.len || memchr("\r\n=\"'`\\<,;)", text.at[at], 11) != NULL;
}

/* Over line ends, as long as whole lines are digits; with padding. */
static size_t wrapped_end(struct slice text, size_t from, const int8_t *digits)
{
    size_t end = run_end(text, from, digits), line = end - from;

    while (line >= LINE_MIN && end < text.len) {
        size_t next = end, next_end;

        while (next < text.len && next - end < 64 &&
               memchr(" \t\r\n", text.at[next], 4) != NULL)
            next++;
        next_end = run_end(text, next, digits);
        if (next == end || slice_find_byte(slice_part(text, end, next), '\n', 0) == SIZE_MAX ||
            next_end == next || next_end - next > line || !ends_line(text, next_end))
            break;
        if (next_end - next < line) {
            end = next_end;
            break;
        }
        end = next_end;
    }
    for (size_t pads = 0; pads < 2 && end < text.len && text.at[end] == '='; pads++)
        end++;
    return end;
}

/* ---- what they say ---- */

struct run {
    struct slice text;
    const int8_t *digits;
    unsigned bits; /* of a digit */
    unsigned skip; /* digits before the first that counts */
};

/* At most `most` bytes; how many. A digit is never more than a byte. */
static size_t decode_run(const struct run *run, size_t most, uint8_t *ret_bytes)
{
    uint32_t waiting = 0;
    unsigned count = 0, skip = run->skip;
    size_t len = 0;

    for (size_t i = 0; i < run->text.len && len < most; i++) {
        int digit = run->digits[run->text.at[i]];

        if (digit < 0)
            continue;
        if (skip > 0) {
            skip--;
            continue;
        }
        waiting = waiting << run->bits | (uint32_t)digit;
        count += run->bits;
        if (count < 8)
            continue;
        count -= 8;
        ret_bytes[len++] = (uint8_t)(waiting >> count);
    }
    return len;
}

/* Text of one byte a character or of two; what is cut off at the end may be half of one. */
static bool is_text(struct slice bytes)
{
    size_t narrow = 0;

    for (size_t at = 0; at < bytes.len;) {
        size_t len = utf8_next(bytes, at, NULL);

        if (len == 0 && bytes.len - at >= 4)
            return false;
        if (bytes.at[at] == 0) {
            narrow++;
            at++;
            continue;
        }
        if ((bytes.at[at] < 0x20 && memchr("\t\r\n\f\x1b", bytes.at[at], 5) == NULL) ||
            bytes.at[at] == 0x7f)
            return false;
        at += len == 0 ? 1 : len;
    }
    return narrow == 0 || (narrow >= bytes.len / 2 - 1 && narrow <= bytes.len / 2 + 1);
}

/* Could a text or something packed go on behind these bytes? */
static bool may_be_worth_it(struct slice first)
{
    size_t at = 0;

    while (at < first.len) {
        size_t len = utf8_next(first, at, NULL);

        if ((len == 0 && first.len - at >= 4) ||
            (first.at[at] < 0x20 && memchr("\t\r\n\f\x1b", first.at[at], 6) == NULL) ||
            first.at[at] == 0x7f)
            break;
        at += len == 0 ? 1 : len;
    }
    return at == first.len || classify_is_packed(first);
}

static bool is_worth_it(const struct run *run)
{
    uint8_t bytes[TRIED_BYTES];
    struct slice head = slice_of_bytes(bytes, decode_run(run, FIRST_BYTES, bytes));

    if (!may_be_worth_it(head))
        return false;
    head = slice_of_bytes(bytes, decode_run(run, TRIED_BYTES, bytes));
    return head.len >= 9 && (is_text(head) || classify_is_packed(head));
}

static bool add_run(struct decoding *decoding, const struct run *run, size_t from, size_t to,
                    struct fault *fault)
{
    struct buf bytes = buf_with_limit(run->text.len);
    bool ok = buf_reserve(&bytes, run->text.len, fault);

    if (ok) {
        bytes.len = decode_run(run, run->text.len, bytes.at);
        ok = decode_add_bytes(decoding, buf_slice(&bytes), from, to,
                              run->bits == 4 ? FORM_HEX : FORM_BASE64, fault);
    }
    buf_free_secret(&bytes);
    return ok;
}

/* ---- pairs of hexadecimal digits with something between them ---- */

#define PAIRS_MIN (DECODE_RUN_MIN / 2)
#define BETWEEN_MAX 4 /* ", " and a line's end */

enum { PAIR_DIGIT = 1, PAIR_BETWEEN = 2, PAIR_X = 4 };

/* What a byte can be among pairs. */
static const uint8_t in_pairs[256] = {
    ['0' ... '9'] = PAIR_DIGIT, ['a' ... 'f'] = PAIR_DIGIT, ['A' ... 'F'] = PAIR_DIGIT,
    [' '] = PAIR_BETWEEN,       ['\t'] = PAIR_BETWEEN,      ['\r'] = PAIR_BETWEEN,
    ['\n'] = PAIR_BETWEEN,      [','] = PAIR_BETWEEN,       [':'] = PAIR_BETWEEN,
    ['-'] = PAIR_BETWEEN,       ['x'] = PAIR_X,             ['X'] = PAIR_X,
};

static bool is_pair_digit(uint8_t byte)
{
    return in_pairs[byte] == PAIR_DIGIT;
}

static bool is_between(uint8_t byte)
{
    return in_pairs[byte] == PAIR_BETWEEN;
}

/* "4a", "0x4a": behind it; 0: none stands there. */
static size_t pair_end(struct slice text, size_t at)
{
    if (at + 4 <= text.len && text.at[at] == '0' && (text.at[at + 1] | 0x20) == 'x')
        at += 2;
    if (at + 2 > text.len || !is_pair_digit(text.at[at]) || !is_pair_digit(text.at[at + 1]) ||
        (at + 2 < text.len && is_pair_digit(text.at[at + 2])))
        return 0;
    return at + 2;
}

/* Pairs from `at` on; gives behind the last one and their bytes. */
static size_t take_pairs(struct slice text, size_t at, struct buf *out, struct fault *fault)
{
    size_t end = at, next;

    while ((next = pair_end(text, at)) != 0) {
        unsigned byte = (unsigned)(hex_digit(text.at[next - 2]) << 4 | hex_digit(text.at[next - 1]));

        if (!buf_add_byte(out, (uint8_t)byte, fault))
            break;
        end = next;
        for (at = next; at < text.len && at - next < BETWEEN_MAX && is_between(text.at[at]);)
            at++;
        if (at == next)
            break;
    }
    return end;
}

static bool is_readable(struct slice bytes)
{
    struct slice head = slice_part(bytes, 0, TRIED_BYTES);

    return bytes.len >= PAIRS_MIN && (is_text(head) || classify_is_packed(head));
}

/* Each digit has its place, whatever stands between: what is found in them can be written anew. */
bool decode_pairs(struct decoding *decoding, struct fault *fault)
{
    AUTO_BUF_SECRET struct buf bytes = buf_with_limit(decoding->text.len);
    struct slice text = decoding->text;

    for (size_t at = 0; text.len - at >= 3 * PAIRS_MIN - 1;) {
        size_t found = hex_find_pairs(text, at), done = at;

        if (text.len - found < SIXTEEN)
            break;
        for (at = found; at > done && in_pairs[text.at[at - 1]] != 0;)
            at--;
        while (at <= found && at < text.len) {
            size_t end;

            buf_clear(&bytes);
            end = take_pairs(text, at, &bytes, fault);
            if (is_readable(buf_slice(&bytes)) &&
                !decode_add_bytes(decoding, buf_slice(&bytes), at, end, FORM_HEX, fault))
                return false;
            for (at = end + (end == at); at < text.len && is_pair_digit(text.at[at - 1]) &&
                                         is_pair_digit(text.at[at]);)
                at++; /* no half of a word */
        }
    }
    return true;
}

static bool is_hexadecimal(struct slice text, const int8_t *digits)
{
    for (size_t i = 0; i < text.len; i++)
        if (digits[text.at[i]] < 0)
            return false;
    return true;
}

bool decode_runs(struct decoding *decoding, struct fault *fault)
{
    struct slice text = decoding->text;
    const int8_t *digits = alphabets()->of64;

    for (size_t at = find_run(text, 0, digits); at < text.len;) {
        size_t end = run_end(text, at, digits);
        struct run run = {.text = slice_part(text, at, end)};
        bool found = false;

        if (is_hexadecimal(run.text, alphabets()->of16)) {
            run.bits = 4;
            run.digits = alphabets()->of16;
            for (run.skip = 0; run.skip < 2 && !found; run.skip += !found)
                found = is_worth_it(&run);
        }
        if (!found) {
            run.bits = 6;
            run.digits = digits;
            for (run.skip = 0; run.skip < 4 && !found; run.skip += !found)
                found = is_worth_it(&run);
            if (found) {
                end = wrapped_end(text, at, digits);
                run.text = slice_part(text, at, end);
            }
        }
        if (found && !add_run(decoding, &run, at, end, fault))
            return false;
        at = find_run(text, end, digits);
    }
    return true;
}
