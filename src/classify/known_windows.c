/*
 * The windows of a text: five bytes in small letters, at every second place; seven digits of base64
 * (42 bits, so that each alignment of a value has one); twelve digits of hexadecimal.
 */
#include <endian.h>

#include "base/sixteen.h"
#include "classify/ascii.h"
#include "classify/hex_runs.h"
#include "classify/known_parts.h"
#include "wire/base64.h"

#define CHUNK 4096U
#define BYTES_MASK(count) ((UINT64_C(1) << 8 * (count)) - 1)

/* ---- windows of bytes ---- */

static inline sixteen to_small(sixteen bytes)
{
    return bytes | (sixteen_within(bytes, 'A', 'Z') & 0x20);
}

/* CHUNK bytes and what the window of the last one reaches, in small letters. */
struct chunk {
    uint8_t bytes[CHUNK + SIXTEEN];
};

static void fill(struct chunk *chunk, struct slice text, size_t from)
{
    size_t len =
        text.len - from < sizeof(chunk->bytes) ? text.len - from : sizeof(chunk->bytes);
    size_t at = 0;

    for (; len - at >= SIXTEEN; at += SIXTEEN) {
        sixteen small = to_small(sixteen_load(text.at + from + at));

        memcpy(chunk->bytes + at, &small, sizeof(small));
    }
    for (; at < len; at++)
        chunk->bytes[at] = lower(text.at[from + at]);
}

static inline uint64_t window_at(const struct chunk *chunk, size_t at)
{
    uint64_t window;

    memcpy(&window, chunk->bytes + at, sizeof(window));
    return le64toh(window) & BYTES_MASK(KNOWN_WINDOW);
}

static __attribute__((noinline)) void look_as_bytes(struct known_search *search,
                                                    struct slice text)
{
    const struct known_filter filter = search->index->filters[TAG_BYTES];
    struct chunk chunk;

    for (size_t from = 0; from + KNOWN_WINDOW <= text.len && search->work <= search->work_max;
         from += CHUNK) {
        size_t count = text.len - from - KNOWN_WINDOW + 1;

        fill(&chunk, text, from);
        count = count < CHUNK ? count : CHUNK;
        for (size_t i = 0; i < count; i += KNOWN_PHASES) {
            uint64_t key = known_key(window_at(&chunk, i), TAG_BYTES);

            if (known_is_hit(filter, key))
                known_look_at(search, key, NULL, text, from + i);
        }
    }
}

/* ---- windows of known_base64 ---- */

/* 0xff: none. */
static inline sixteen to_digits(sixteen bytes)
{
    sixteen large = sixteen_within(bytes, 'A', 'Z'), small = sixteen_within(bytes, 'a', 'z');
    sixteen number = sixteen_within(bytes, '0', '9');
    sixteen plus = sixteen_is(bytes, '+') | sixteen_is(bytes, '-');
    sixteen slash = sixteen_is(bytes, '/') | sixteen_is(bytes, '_');

    return (large & (bytes - 'A')) | (small & (bytes - 'a' + 26)) |
           (number & (bytes - '0' + 52)) | (plus & 62) | (slash & 63) |
           ~(large | small | number | plus | slash);
}

#define BLOCK 64U
#define BLOCK_READS (BLOCK + 2 * SIXTEEN) /* bytes that a block's windows lie in */

static inline uint64_t digit_bits(const uint8_t *at)
{
    sixteen bytes = sixteen_load(at), small = bytes | 0x20;

    return sixteen_bits(sixteen_within(small, 'a', 'z') | sixteen_within(bytes, '/', '9') |
                        sixteen_is(bytes, '+') | sixteen_is(bytes, '-') |
                        sixteen_is(bytes, '_'));
}

/* Which of 64 places eight digits in a row begin at. */
static inline uint64_t eights_in(const uint8_t *at)
{
    uint64_t low = 0, high = digit_bits(at + BLOCK);

    for (unsigned i = 0; i < BLOCK / SIXTEEN; i++)
        low |= digit_bits(at + i * SIXTEEN) << i * SIXTEEN;
    for (unsigned step = 1; step <= KNOWN_DIGITS / 2 + 1; step *= 2) {
        low &= low >> step | high << (BLOCK - step);
        high &= high >> step;
    }
    return low;
}

/*
 * A value of six bytes is in eight digits: in a row of eight, the first seven or the last seven are
 * its window. Words are shorter, most of them.
 */
static __attribute__((noinline)) void look_as_base64(struct known_search *search,
                                                     struct slice text)
{
    const struct known_filter filter = search->index->filters[TAG_BASE64];
    uint8_t last[BLOCK_READS];
    uint64_t carried = 0;

    for (size_t at = 0; at < text.len && search->work <= search->work_max; at += BLOCK) {
        const uint8_t *bytes = text.at + at;
        uint64_t eights, windows;

        if (text.len - at < BLOCK_READS) {
            memset(last, 0, sizeof(last));
            memcpy(last, bytes, text.len - at);
            bytes = last;
        }
        eights = eights_in(bytes);
        windows = eights | eights << 1 | carried;
        carried = eights >> (BLOCK - 1);
        for (; windows != 0; windows &= windows - 1) {
            size_t i = (size_t)__builtin_ctzll(windows);
            uint64_t digits = sixteen_half(to_digits(sixteen_load(bytes + i)), 0);
            uint64_t key = known_key(digits & BYTES_MASK(KNOWN_DIGITS), TAG_BASE64);

            if (known_is_hit(filter, key))
                known_look_at(search, key, &known_base64, text, at + i + KNOWN_DIGITS - 1);
        }
    }
}

/* The windows that a line's end divides, and those beside it that are of no eight in a row. */
static void look_across(struct known_search *search, struct slice text, size_t end)
{
    const struct known_filter filter = search->index->filters[TAG_BASE64];
    size_t first = known_next_digit(search, &known_base64, text, end, true);
    size_t left = known_next_digit(search, &known_base64, text, end, false) == SIZE_MAX
                      ? 0
                      : KNOWN_DIGITS;
    uint64_t window = 0;
    unsigned count = 1;

    if (first == SIZE_MAX || left == 0)
        return;
    for (size_t at = first; count < KNOWN_DIGITS && at != SIZE_MAX; count += at != SIZE_MAX) {
        at = known_next_digit(search, &known_base64, text, at, true);
        first = at == SIZE_MAX ? first : at;
    }
    for (size_t at = first, seen = 1; at != SIZE_MAX && seen <= count + left; seen++) {
        window = known_append(window, 8, KNOWN_DIGITS,
                              (unsigned)known_digit_at(&known_base64, text, at));
        if (seen >= KNOWN_DIGITS && known_is_hit(filter, known_key(window, TAG_BASE64)))
            known_look_at(search, known_key(window, TAG_BASE64), &known_base64, text, at);
        at = known_next_digit(search, &known_base64, text, at, false);
    }
}

static void look_across_lines(struct known_search *search, struct slice text)
{
    for (size_t end = slice_find_byte(text, '\n', 0);
         end != SIZE_MAX && search->work <= search->work_max;
         end = slice_find_byte(text, '\n', end + 1)) {
        size_t last = end > 0 && text.at[end - 1] == '\r' ? end - 1 : end;

        if (last > 0 && base64_digit(text.at[last - 1]) >= 0) /* the first of several */
            look_across(search, text, end);
    }
}

/* ---- windows of known_hexadecimal ---- */

/* All windows of the run from `at` on; gives its end. */
static size_t look_at_run(struct known_search *search, struct slice text, size_t at)
{
    const struct known_filter filter = search->index->filters[TAG_HEX];
    const int8_t *table = known_digits(TAG_HEX);
    uint64_t window = 0;
    unsigned count = 0;

    for (; at < text.len && table[text.at[at]] != KNOWN_BREAK; at++) {
        int digit = table[text.at[at]];

        if (digit < 0 || (digit == 0 && known_is_prefix(text, at)))
            continue;
        window = known_append(window, 4, known_hexadecimal.window, (unsigned)digit);
        if (++count >= known_hexadecimal.window &&
            known_is_hit(filter, known_key(window, TAG_HEX)))
            known_look_at(search, known_key(window, TAG_HEX), &known_hexadecimal, text, at);
    }
    return at;
}

static __attribute__((noinline)) void look_as_hex(struct known_search *search,
                                                  struct slice text)
{
    const int8_t *table = known_digits(TAG_HEX);

    for (size_t done = 0;
         text.len - done >= known_hexadecimal.window && search->work <= search->work_max;) {
        size_t at = hex_find(text, done);

        while (at > done && table[text.at[at - 1]] != KNOWN_BREAK)
            at--;
        done = look_at_run(search, text, at);
        done += done < text.len; /* what broke it */
    }
}

void known_look(struct known_search *search, struct slice text)
{
    look_as_bytes(search, text);
    look_as_base64(search, text);
    look_across_lines(search, text);
    look_as_hex(search, text);
}
