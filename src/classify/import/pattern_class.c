/* Escapes and classes: what stands for a byte, or for one of a set. */
#include "classify/import/pattern_reader.h"

#include "base/hex.h"
#include "classify/ascii.h"

/* ---- sets ---- */

void byte_set_add(struct byte_set *set, unsigned from, unsigned to)
{
    for (unsigned byte = from; byte <= to; byte++)
        set->bits[byte / 64] |= UINT64_C(1) << byte % 64;
}

static void byte_set_join(struct byte_set *set, const struct byte_set *more)
{
    for (size_t i = 0; i < COUNT(set->bits); i++)
        set->bits[i] |= more->bits[i];
}

void byte_set_invert(struct byte_set *set)
{
    for (size_t i = 0; i < COUNT(set->bits); i++)
        set->bits[i] = ~set->bits[i];
}

void byte_set_fold(struct byte_set *set)
{
    for (unsigned letter = 'a'; letter <= 'z'; letter++)
        if (byte_set_has(set, (uint8_t)letter) || byte_set_has(set, (uint8_t)(letter - 32))) {
            byte_set_add(set, letter, letter);
            byte_set_add(set, letter - 32, letter - 32);
        }
}

/* ---- escapes ---- */

bool pattern_perl_class(uint8_t letter, struct byte_set *ret_set)
{
    *ret_set = (struct byte_set){0};
    switch (lower(letter)) {
    case 'd':
        byte_set_add(ret_set, '0', '9');
        break;
    case 'w':
        byte_set_add(ret_set, '0', '9');
        byte_set_add(ret_set, 'A', 'Z');
        byte_set_add(ret_set, 'a', 'z');
        byte_set_add(ret_set, '_', '_');
        break;
    case 's':
        byte_set_add(ret_set, '\t', '\n');
        byte_set_add(ret_set, '\f', '\r');
        byte_set_add(ret_set, ' ', ' ');
        break;
    default:
        return false;
    }
    if (is_upper(letter))
        byte_set_invert(ret_set);
    return true;
}

/* \x7f and \x{7f}, behind the x. */
static bool read_hex(struct pattern_reader *in, uint8_t *ret_byte)
{
    bool has_braces = pattern_take(in, "{");
    unsigned value = 0, digits = 0;

    while (digits < (has_braces ? 8 : 2) && pattern_peek(in) >= 0 &&
           hex_digit((uint8_t)pattern_peek(in)) >= 0) {
        value = value << 4 | (unsigned)hex_digit((uint8_t)pattern_peek(in));
        in->at++;
        digits++;
    }
    if (digits == 0 || (!has_braces && digits != 2) || (has_braces && !pattern_take(in, "}")))
        return pattern_refuse(in, "\\x without its digits");
    if (value > 0x7f)
        return pattern_refuse(in, "a character beyond ASCII by its number");
    *ret_byte = (uint8_t)value;
    return true;
}

bool pattern_escaped_byte(struct pattern_reader *in, uint8_t *ret_byte)
{
    static const char letters[] = "aftnrv", bytes[] = "\a\f\t\n\r\v";
    int letter = pattern_peek(in);
    const char *known = letter < 1 ? NULL : strchr(letters, letter);

    if (letter < 0)
        return pattern_refuse(in, "a backslash at the end");
    in->at++;
    if (letter == 'x')
        return read_hex(in, ret_byte);
    if (known != NULL)
        *ret_byte = (uint8_t)bytes[known - letters];
    else if (letter < 0x80 && !is_alnum((uint8_t)letter))
        *ret_byte = (uint8_t)letter;
    else if (letter >= '0' && letter <= '9')
        return pattern_refuse(in, "a reference back, or an octal number");
    else if (letter == 'p' || letter == 'P')
        return pattern_refuse(in, "a class of Unicode");
    else
        return pattern_refuse(in, "an escape that RE2 does not have");
    return true;
}

/* ---- classes ---- */

static bool read_named(struct pattern_reader *in, struct byte_set *ret_set)
{
    static const struct {
        const char *name;
        const char *ranges; /* pairs */
    } classes[] = {
        {"alnum", "09AZaz"}, {"alpha", "AZaz"}, {"blank", "\t\t  "},  {"digit", "09"},
        {"graph", "!~"},     {"lower", "az"},   {"print", " ~"},      {"punct", "!/:@[`{~"},
        {"space", "\t\r  "}, {"upper", "AZ"},   {"word", "09AZaz__"}, {"xdigit", "09AFaf"},
    };
    bool is_inverted;

    in->at += strlen("[:");
    is_inverted = pattern_take(in, "^");
    for (size_t i = 0; i < COUNT(classes); i++) {
        struct pattern_reader ahead = *in;

        if (!pattern_take(&ahead, classes[i].name) || !pattern_take(&ahead, ":]"))
            continue;
        *ret_set = (struct byte_set){0};
        for (const char *pair = classes[i].ranges; *pair != 0; pair += 2)
            byte_set_add(ret_set, (uint8_t)pair[0], (uint8_t)pair[1]);
        if (is_inverted)
            byte_set_invert(ret_set);
        in->at = ahead.at;
        return true;
    }
    return pattern_refuse(in, "a named class that is not known here");
}

/* One byte of a class, and its form for PCRE2. */
static bool read_class_byte(struct pattern_reader *in, uint8_t *ret_byte)
{
    size_t start = in->at;

    if (pattern_peek(in) < 0)
        return pattern_refuse(in, "a class that does not end");
    if (pattern_peek(in) >= 0x80)
        return pattern_refuse(in, "a character beyond ASCII in a class");
    if (pattern_take(in, "\\")) {
        if (!pattern_escaped_byte(in, ret_byte))
            return false;
        if (in->text.at[start + 1] == 'v')
            return pattern_emit(in, "\\x0b");
        return pattern_emit_from(in, start);
    }
    *ret_byte = in->text.at[in->at++];
    if (*ret_byte == '[' && !pattern_emit(in, "\\"))
        return false;
    return *ret_byte < 0x20 ? pattern_emit_byte(in, *ret_byte) : pattern_emit_from(in, start);
}

static bool read_class_item(struct pattern_reader *in, struct byte_set *set, uint8_t *written)
{
    struct byte_set more;
    size_t start = in->at;
    uint8_t from, to;

    if (slice_starts_with(slice_part(in->text, in->at, in->text.len), SLICE("[:"))) {
        if (!read_named(in, &more))
            return false;
        byte_set_join(set, &more);
        return pattern_emit_from(in, start);
    }
    if (pattern_peek(in) == '\\' && in->at + 1 < in->text.len &&
        pattern_perl_class(in->text.at[in->at + 1], &more)) {
        in->at += 2;
        byte_set_join(set, &more);
        return pattern_emit_from(in, start);
    }
    if (!read_class_byte(in, &from))
        return false;
    *written = from;
    to = from;
    if (pattern_peek(in) == '-' && in->at + 1 < in->text.len &&
        in->text.at[in->at + 1] != ']') {
        in->at++;
        if (pattern_peek(in) == '\\' && in->at + 1 < in->text.len &&
            pattern_perl_class(in->text.at[in->at + 1], &more))
            return pattern_refuse(in, "a range that ends in a class");
        if (!pattern_emit(in, "-") || !read_class_byte(in, &to))
            return false;
        if (to < from)
            return pattern_refuse(in, "a range backwards");
    }
    byte_set_add(set, from, to);
    return true;
}

uint32_t pattern_class(struct pattern_reader *in, const struct pattern_flags *flags)
{
    struct byte_set set = {0};
    uint8_t written = 0;
    bool is_inverted, is_first = true;

    in->at++;
    is_inverted = pattern_take(in, "^");
    if (!pattern_emit(in, is_inverted ? "[^" : "["))
        return PART_NONE;
    for (; is_first || pattern_peek(in) != ']'; is_first = false)
        if (!read_class_item(in, &set, &written))
            return PART_NONE;
    in->at++;
    if (flags->any_case)
        byte_set_fold(&set);
    if (is_inverted)
        byte_set_invert(&set);
    return pattern_emit(in, "]")
               ? pattern_add_set(in, &set, written, &(struct pattern_flags){0})
               : PART_NONE;
}
