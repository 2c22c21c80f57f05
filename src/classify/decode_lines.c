/* Lines that hold escapes, codes or characters that look like others. */
#include "base/hex.h"
#include "base/sixteen.h"
#include "base/utf8.h"
#include "classify/ascii.h"
#include "classify/decode_parts.h"
#include "classify/read.h"
#include "classify/rewrite.h"

#define ENTITY_BYTES_MAX 10

struct lines {
    struct slice text;
    bool is_quoted_printable; /* the text says so */
};

/* What stands at a place instead of what is written there. */
struct resolved {
    size_t written; /* 0: nothing */
    uint8_t bytes[4];
    size_t len; /* 0: nothing is to be seen there */
    enum finding_form form;
};

/* ---- codes ---- */

static struct resolved hex_code(struct slice text, size_t at, enum finding_form form)
{
    int high = text.len - at > 2 ? hex_digit(text.at[at + 1]) : -1;
    int low = high < 0 ? -1 : hex_digit(text.at[at + 2]);

    if (low < 0)
        return (struct resolved){0};
    return (struct resolved){
        .written = 3, .bytes = {(uint8_t)(high << 4 | low)}, .len = 1, .form = form};
}

/* A soft line break is nothing. */
static struct resolved quoted_printable(struct slice text, size_t at)
{
    size_t end = at + 1 + (at + 1 < text.len && text.at[at + 1] == '\r');

    if (end < text.len && text.at[end] == '\n')
        return (struct resolved){.written = end + 1 - at, .form = FORM_MIXED};
    return hex_code(text, at, FORM_MIXED);
}

static size_t put(uint8_t bytes[4], uint32_t point)
{
    struct buf out = {.at = bytes, .room = 4, .limit = 4};
    struct fault fault;

    if (point > 0x10ffff || (point >= 0xd800 && point <= 0xdfff) || point == 0)
        point = 0xfffd;
    return utf8_add(&out, point, &fault) ? out.len : 0;
}

size_t read_entity(struct slice text, size_t at, uint8_t ret_bytes[4], size_t *ret_len)
{
    static const struct {
        const char *name;
        uint32_t point;
    } names[] = {{"amp", '&'},       {"lt", '<'},      {"gt", '>'},     {"quot", '"'},
                 {"apos", '\''},     {"nbsp", ' '},    {"shy", 0xad},   {"commat", '@'},
                 {"num", '#'},       {"sol", '/'},     {"colon", ':'},  {"period", '.'},
                 {"hyphen", 0x2010}, {"dash", 0x2010}, {"lowbar", '_'}, {"equals", '='}};
    size_t end = slice_find_byte(slice_part(text, 0, at + 2 + ENTITY_BYTES_MAX), ';', at);
    struct slice name = slice_part(text, at + 1, end == SIZE_MAX ? at : end);
    unsigned base = 10;
    uint32_t point = 0;

    if (name.len < 2)
        return 0;
    for (size_t i = 0; name.at[0] != '#' && i < COUNT(names); i++)
        if (slice_equal(name, slice_of(names[i].name))) {
            *ret_len = put(ret_bytes, names[i].point);
            return end + 1 - at;
        }
    if (name.at[0] != '#')
        return 0;
    name = slice_part(name, 1, name.len);
    if (name.at[0] == 'x' || name.at[0] == 'X') {
        base = 16;
        name = slice_part(name, 1, name.len);
    }
    for (size_t i = 0; i < name.len; i++) {
        int digit = hex_digit(name.at[i]);

        if (digit < 0 || (unsigned)digit >= base)
            return 0;
        point = point > 0x110000 ? point : point * base + (uint32_t)digit;
    }
    *ret_len = put(ret_bytes, point);
    return name.len == 0 ? 0 : end + 1 - at;
}

/* ---- characters ---- */

/* Blanks, hyphens and digits of another kind, and characters of no width. Digits and letters
 * cannot be replaced in place; of the others a stand-in keeps what is written. */
static struct resolved look_alike(struct slice text, size_t at)
{
    static const struct {
        uint32_t from, to;
        uint8_t byte; /* 0: nothing is seen; 1: of the wide forms of ASCII */
    } kinds[] = {
        {0xa0, 0xa0, ' '},     {0xad, 0xad, 0},       {0x2000, 0x200a, ' '},
        {0x200b, 0x200f, 0},   {0x2010, 0x2015, '-'}, {0x202a, 0x202e, 0},
        {0x202f, 0x202f, ' '}, {0x205f, 0x205f, ' '}, {0x2060, 0x2064, 0},
        {0x2212, 0x2212, '-'}, {0x3000, 0x3000, ' '}, {0xfe58, 0xfe58, '-'},
        {0xfe63, 0xfe63, '-'}, {0xfeff, 0xfeff, 0},   {0xff01, 0xff5e, 1},
    };
    uint32_t c;
    size_t len = utf8_next(text, at, &c);

    for (size_t i = 0; len > 0 && c >= kinds[0].from && i < COUNT(kinds); i++)
        if (c >= kinds[i].from && c <= kinds[i].to) {
            uint8_t byte = kinds[i].byte == 1 ? (uint8_t)(c - 0xff01 + '!') : kinds[i].byte;
            bool stays = kinds[i].byte != 1 || byte == '-' || byte == '.' || byte == '/';

            return (struct resolved){.written = len,
                                     .bytes = {byte},
                                     .len = byte != 0,
                                     .form = stays ? FORM_PLAIN : FORM_MIXED};
        }
    return (struct resolved){0};
}

static struct resolved resolve(const struct lines *lines, size_t at)
{
    struct resolved resolved = {0};

    switch (lines->text.at[at]) {
    case '\\':
        resolved.written = read_escape_c(lines->text, at, resolved.bytes, &resolved.len);
        resolved.form = FORM_BACKSLASH;
        return resolved;
    case '%':
        return hex_code(lines->text, at, FORM_PERCENT);
    case '&':
        resolved.written = read_entity(lines->text, at, resolved.bytes, &resolved.len);
        resolved.form = FORM_ENTITY;
        return resolved;
    case '=':
        return lines->is_quoted_printable ? quoted_printable(lines->text, at)
                                          : (struct resolved){0};
    default:
        return look_alike(lines->text, at);
    }
}

/* ---- lines ---- */

/* Signs of ASCII, and the first bytes of all that look_alike() knows. */
static const bool signs[256] = {['\\'] = true, ['%'] = true,  ['&'] = true, [0xc2] = true,
                                [0xe2] = true, [0xe3] = true, [0xef] = true};

/* Nearly all percents and ampersands of programs are seen to be nothing by the byte behind them. */
static bool is_sign(const struct lines *lines, size_t at)
{
    uint8_t byte = lines->text.at[at];
    uint8_t next = at + 1 < lines->text.len ? lines->text.at[at + 1] : 0;

    if (byte == '%')
        return hex_digit(next) >= 0;
    if (byte == '&')
        return next == '#' || is_letter(next);
    return signs[byte] || (byte == '=' && lines->is_quoted_printable);
}

/* The next byte that may be more than it is: one of those of resolve(). */
static size_t find_sign(const struct lines *lines, size_t at)
{
    struct slice text = lines->text;
    uint8_t fourth = lines->is_quoted_printable ? '=' : '\\';

    for (; text.len - at >= SIXTEEN; at += SIXTEEN) {
        sixteen bytes = sixteen_load(text.at + at);
        uint64_t bits = sixteen_bits(sixteen_is(bytes, '\\') | sixteen_is(bytes, '%') |
                                     sixteen_is(bytes, '&') | sixteen_is(bytes, fourth) |
                                     sixteen_within(bytes, 0x80, 0xff));

        for (; bits != 0; bits &= bits - 1)
            if (is_sign(lines, at + (size_t)__builtin_ctzll(bits)))
                return at + (size_t)__builtin_ctzll(bits);
    }
    while (at < text.len && !is_sign(lines, at))
        at++;
    return at;
}

/* Behind the line end that comes after `at`. */
static size_t line_end(struct slice text, size_t at)
{
    size_t end = slice_find_byte(text, '\n', at);

    return end == SIZE_MAX ? text.len : end + 1;
}

/* What is not seen belongs to the character before it, if that is of the text as it stands. */
static bool apply(struct rewrite *rewrite, struct slice text, size_t at,
                  struct resolved resolved, struct fault *fault)
{
    struct slice with = slice_of_bytes(resolved.bytes, resolved.len);
    size_t from = at;

    if (resolved.len == 0 && resolved.form == FORM_PLAIN && at > rewrite->done &&
        text.at[at - 1] < 0x80) {
        from = at - 1;
        with = slice_part(text, from, at);
    }
    return rewrite_as(rewrite, from, at + resolved.written, with, resolved.form, fault);
}

/* All that follows up to the line's end, which a soft break moves. */
static bool read_line(const struct lines *lines, struct rewrite *rewrite, size_t at,
                      size_t *ret_end, struct fault *fault)
{
    struct slice text = lines->text;
    size_t end = line_end(text, at);

    while (at < end) {
        struct resolved resolved = resolve(lines, at);

        if (resolved.written > 0) {
            if (resolved.len == 0) /* several at once */
                for (struct resolved next = resolved;
                     next.written > 0 && next.len == 0 && at + resolved.written < text.len;
                     resolved.written += next.len == 0 ? next.written : 0)
                    next = resolve(lines, at + resolved.written);
            if (!apply(rewrite, text, at, resolved, fault))
                return false;
        }
        at += resolved.written > 0 ? resolved.written : 1;
        if (at >= end && resolved.written > 0)
            end = line_end(text, at);
        at = find_sign(lines, at);
    }
    *ret_end = end;
    return true;
}

/* "quoted-printable", in small letters or in capitals: the three bytes in its middle are rare. */
static bool is_quoted_printable(struct slice text)
{
    size_t at = 4;

    for (; text.len >= SIXTEEN + 2 && at <= text.len - SIXTEEN - 2; at += SIXTEEN) {
        sixteen hyphens = sixteen_is(sixteen_load(text.at + at + 1), '-');
        uint64_t bits = sixteen_bits(hyphens & sixteen_is(sixteen_load(text.at + at) | 0x20, 'd') &
                                     sixteen_is(sixteen_load(text.at + at + 2) | 0x20, 'p'));

        for (; bits != 0; bits &= bits - 1) {
            size_t start = at + (size_t)__builtin_ctzll(bits) - 4;
            struct slice word = slice_part(text, start, text.len);

            if (slice_starts_with(word, SLICE("uoted-printable")) ||
                slice_starts_with(word, SLICE("UOTED-PRINTABLE")))
                return true;
        }
    }
    return slice_find(text, SLICE("uoted-printable"), at - 4) != SIZE_MAX ||
           slice_find(text, SLICE("UOTED-PRINTABLE"), at - 4) != SIZE_MAX;
}

bool decode_lines(struct decoding *decoding, struct fault *fault)
{
    struct lines lines = {.text = decoding->text,
                          .is_quoted_printable = is_quoted_printable(decoding->text)};
    struct rewrite rewrite = {.reading = decoding->inner};
    struct slice text = decoding->text;

    for (size_t at = find_sign(&lines, 0); at < text.len;) {
        const uint8_t *before;
        size_t end;

        if (resolve(&lines, at).written == 0) {
            at = find_sign(&lines, at + 1);
            continue;
        }
        before = memrchr(text.at + rewrite.done, '\n', at - rewrite.done);
        if (before != NULL)
            rewrite.done = (size_t)(before - text.at) + 1;
        if (!read_line(&lines, &rewrite, at, &end, fault) ||
            !rewrite_keep(&rewrite, end, fault))
            return false;
        at = find_sign(&lines, end);
    }
    return true;
}
