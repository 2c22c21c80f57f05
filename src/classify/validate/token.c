/* Secrets whose text proves itself: checksums, alphabets, blocks. */
#include <zlib.h>

#include "base/hex.h"
#include "classify/ascii.h"
#include "classify/validate/list.h"
#include "wire/base64.h"

#define TOKEN_PREFIX 4
#define TOKEN_RANDOM 30
#define TOKEN_CHECK 6
#define JWT_BYTES_MAX (64 << 10)
#define JWT_HEADER_MAX 1024

static int base62_digit(uint8_t byte)
{
    if (is_digit(byte))
        return byte - '0';
    if (is_upper(byte))
        return byte - 'A' + 10;
    return is_letter(byte) ? byte - 'a' + 36 : -1;
}

/* Thirty characters, and their CRC-32 in six of base 62. */
static bool has_crc(struct slice token)
{
    struct slice random = slice_part(token, TOKEN_PREFIX, TOKEN_PREFIX + TOKEN_RANDOM);
    uint64_t check = 0;

    if (token.len != TOKEN_PREFIX + TOKEN_RANDOM + TOKEN_CHECK)
        return false;
    for (size_t i = TOKEN_PREFIX; i < token.len; i++) {
        int digit = base62_digit(token.at[i]);

        if (digit < 0)
            return false;
        if (i >= TOKEN_PREFIX + TOKEN_RANDOM)
            check = check * 62 + (uint64_t)digit;
    }
    return check == crc32(0, random.at, (uInt)random.len);
}

/* Personal, OAuth, user and refresh tokens, and installation tokens of the old form. */
bool validate_github_crc(struct slice text)
{
    return text.len > TOKEN_PREFIX && text.at[0] == 'g' && text.at[1] == 'h' &&
           memchr("pousr", text.at[2], 5) != NULL && text.at[3] == '_' && has_crc(text);
}

bool validate_npm_crc(struct slice text)
{
    return slice_starts_with(text, SLICE("npm_")) && has_crc(text);
}

/* How many bytes stand before padding, all of `alphabet` but letters and digits. */
static size_t run_of(struct slice text, const char *alphabet)
{
    size_t at = 0;

    while (at < text.len && (is_alnum(text.at[at]) || text.at[at] == (uint8_t)alphabet[0] ||
                             text.at[at] == (uint8_t)alphabet[1]))
        at++;
    return at;
}

static bool is_padding(struct slice rest)
{
    return rest.len == 0 || slice_equal(rest, SLICE("=")) || slice_equal(rest, SLICE("=="));
}

/* RFC 4648 section 4, with padding where its length needs some. */
bool validate_base64(struct slice text)
{
    return text.len > 0 && text.len % 4 == 0 &&
           is_padding(slice_part(text, run_of(text, "+/"), text.len));
}

/* Section 5, with or without padding. */
bool validate_base64url(struct slice text)
{
    size_t run = run_of(text, "-_");

    return run > 0 && run % 4 != 1 && is_padding(slice_part(text, run, text.len)) &&
           (run == text.len || text.len % 4 == 0);
}

/* Whole bytes, in one case. */
bool validate_hex(struct slice text)
{
    bool lowers = false, uppers = false;

    for (size_t i = 0; i < text.len; i++) {
        if (hex_digit(text.at[i]) < 0)
            return false;
        uppers = uppers || is_upper(text.at[i]);
        lowers = lowers || (is_letter(text.at[i]) && !is_upper(text.at[i]));
    }
    return text.len > 0 && text.len % 2 == 0 && !(lowers && uppers);
}

/* Decodes base64url without padding; what does not fit is left out. */
static size_t decode(struct slice text, uint8_t *ret_bytes, size_t room)
{
    unsigned bits = 0, held = 0;
    size_t len = 0;

    for (size_t i = 0; i < text.len && len < room; i++) {
        bits = (bits << 6 | (unsigned)base64_digit(text.at[i])) & 0xfff;
        held += 6;
        if (held >= 8) {
            held -= 8;
            ret_bytes[len++] = (uint8_t)(bits >> held);
        }
    }
    return len;
}

static size_t spaces_at(struct slice json, size_t at)
{
    while (at < json.len && json.at[at] != 0 && strchr(" \t\r\n", json.at[at]) != NULL)
        at++;
    return at;
}

/* Where the string that opens at `at` is closed, or SIZE_MAX. */
static size_t string_end(struct slice json, size_t at)
{
    for (at++; at < json.len; at++) {
        if (json.at[at] == '\\')
            at++;
        else if (json.at[at] == '"')
            return at;
    }
    return SIZE_MAX;
}

/* Is this an object that has a member "alg", a string? Nothing else of it is looked at. */
static bool names_algorithm(struct slice json)
{
    unsigned depth = 0;
    bool found = false;

    if (spaces_at(json, 0) == json.len || json.at[spaces_at(json, 0)] != '{')
        return false;
    for (size_t at = 0; at < json.len; at++) {
        size_t end, colon;

        depth += json.at[at] == '{' || json.at[at] == '[';
        if (json.at[at] == '}' || json.at[at] == ']') {
            if (--depth == 0)
                return found && spaces_at(json, at + 1) == json.len;
        }
        if (json.at[at] != '"')
            continue;
        end = string_end(json, at);
        if (end == SIZE_MAX)
            return false;
        colon = spaces_at(json, end + 1);
        if (depth == 1 && colon < json.len && json.at[colon] == ':' &&
            slice_equal(slice_part(json, at, end + 1), SLICE("\"alg\""))) {
            size_t value = spaces_at(json, colon + 1);

            found = found || (value < json.len && json.at[value] == '"');
        }
        at = end;
    }
    return false;
}

/* RFC 7515 and 7516: three parts (the last may be empty) or five, the first an object with "alg". */
bool validate_jwt(struct slice text)
{
    uint8_t header[JWT_HEADER_MAX];
    size_t first = slice_find_byte(text, '.', 0), parts = 1;
    struct slice rest, part;

    if (text.len > JWT_BYTES_MAX || first == SIZE_MAX || first == 0 ||
        first > JWT_HEADER_MAX * 4 / 3 || run_of(text, "-_") != first)
        return false;
    rest = slice_part(text, first + 1, text.len);
    while (slice_cut(&rest, '.', &part)) {
        if (run_of(part, "-_") != part.len || (part.len == 0 && parts == 1))
            return false;
        parts++;
    }
    return (parts == 3 || parts == 5) &&
           names_algorithm(slice_of_bytes(
               header, decode(slice_part(text, 0, first), header, sizeof(header))));
}
