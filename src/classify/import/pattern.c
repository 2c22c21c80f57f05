#include "classify/import/pattern.h"

#include <stdlib.h>

#include "base/hex.h"
#include "base/scope.h"
#include "base/utf8.h"
#include "classify/ascii.h"

#define DEPTH_MAX 60
#define PARTS_MAX 8192
#define REPEAT_MAX 1000 /* as RE2 has it */

struct flags {
    bool any_case, dot_is_all;
};

struct reader {
    struct slice text;
    size_t at;
    struct pattern *pattern;
    struct fault *fault;
    unsigned depth;
};

static bool refuse(const struct reader *in, const char *why)
{
    return fault_set(in->fault, FAULT_INVALID, "character %zu: %s", in->at + 1, why);
}

void pattern_free(struct pattern *pattern)
{
    free(pattern->parts);
    buf_free(&pattern->text);
    *pattern = (struct pattern){0};
}

/* ---- parts ---- */

/* PART_NONE: too many. */
static uint32_t part_new(struct reader *in, enum part_kind kind)
{
    struct pattern *pattern = in->pattern;

    if (pattern->count == PARTS_MAX) {
        (void)fault_set(in->fault, FAULT_LIMIT, "more than %d parts", PARTS_MAX);
        return PART_NONE;
    }
    pattern->parts =
        xgrow(pattern->parts, &pattern->room, pattern->count + 1, sizeof(*pattern->parts));
    pattern->parts[pattern->count] =
        (struct part){.kind = kind, .first = PART_NONE, .last = PART_NONE, .next = PART_NONE};
    return (uint32_t)pattern->count++;
}

static void adopt(struct reader *in, uint32_t parent, uint32_t child)
{
    struct part *parts = in->pattern->parts;

    if (parts[parent].first == PART_NONE)
        parts[parent].first = child;
    else
        parts[parts[parent].last].next = child;
    parts[parent].last = child;
}

static void set_add(struct byte_set *set, unsigned from, unsigned to)
{
    for (unsigned byte = from; byte <= to; byte++)
        set->bits[byte / 64] |= UINT64_C(1) << byte % 64;
}

static void set_join(struct byte_set *set, const struct byte_set *more)
{
    for (size_t i = 0; i < COUNT(set->bits); i++)
        set->bits[i] |= more->bits[i];
}

static void set_invert(struct byte_set *set)
{
    for (size_t i = 0; i < COUNT(set->bits); i++)
        set->bits[i] = ~set->bits[i];
}

static void set_fold(struct byte_set *set)
{
    for (unsigned letter = 'a'; letter <= 'z'; letter++)
        if (byte_set_has(set, (uint8_t)letter) || byte_set_has(set, (uint8_t)(letter - 32))) {
            set_add(set, letter, letter);
            set_add(set, letter - 32, letter - 32);
        }
}

static uint32_t add_set(struct reader *in, const struct byte_set *set, uint8_t written,
                        const struct flags *flags)
{
    uint32_t part = part_new(in, PART_SET);

    if (part == PART_NONE)
        return PART_NONE;
    in->pattern->parts[part].set = *set;
    in->pattern->parts[part].written = written;
    if (flags->any_case)
        set_fold(&in->pattern->parts[part].set);
    return part;
}

static uint32_t add_byte(struct reader *in, uint8_t byte, const struct flags *flags)
{
    struct byte_set set = {0};

    set_add(&set, byte, byte);
    return add_set(in, &set, byte, flags);
}

/* ---- characters ---- */

static int peek(const struct reader *in)
{
    return in->at < in->text.len ? in->text.at[in->at] : -1;
}

static bool take(struct reader *in, const char *word)
{
    if (!slice_starts_with(slice_part(in->text, in->at, in->text.len), slice_of(word)))
        return false;
    in->at += strlen(word);
    return true;
}

static bool emit(struct reader *in, const char *text)
{
    return buf_add_text(&in->pattern->text, text, in->fault);
}

static bool emit_from(struct reader *in, size_t from)
{
    return buf_add(&in->pattern->text, slice_part(in->text, from, in->at), in->fault);
}

/* A byte that stands for itself. */
static bool emit_byte(struct reader *in, uint8_t byte)
{
    if (byte < 0x20 || byte == 0x7f)
        return buf_add_format(&in->pattern->text, in->fault, "\\x%02x", byte);
    if (!is_alnum(byte) && byte < 0x80 && byte != '_' && byte != ' ' && byte != '-' &&
        byte != '"' && byte != '\'' && byte != '/' && byte != ':' && byte != '=' &&
        byte != ',' && byte != ';' && byte != '@' && byte != '%' && byte != '&' &&
        byte != '~' && byte != '<' && byte != '>' && byte != '!' && byte != '#' &&
        byte != '`' && !buf_add_byte(&in->pattern->text, '\\', in->fault))
        return false;
    return buf_add_byte(&in->pattern->text, byte, in->fault);
}

/* ---- escapes ---- */

static bool perl_class(uint8_t letter, struct byte_set *ret_set)
{
    *ret_set = (struct byte_set){0};
    switch (lower(letter)) {
    case 'd':
        set_add(ret_set, '0', '9');
        break;
    case 'w':
        set_add(ret_set, '0', '9');
        set_add(ret_set, 'A', 'Z');
        set_add(ret_set, 'a', 'z');
        set_add(ret_set, '_', '_');
        break;
    case 's':
        set_add(ret_set, '\t', '\n');
        set_add(ret_set, '\f', '\r');
        set_add(ret_set, ' ', ' ');
        break;
    default:
        return false;
    }
    if (is_upper(letter))
        set_invert(ret_set);
    return true;
}

/* \x7f and \x{7f}, behind the x. */
static bool read_hex(struct reader *in, uint8_t *ret_byte)
{
    bool has_braces = take(in, "{");
    unsigned value = 0, digits = 0;

    while (digits < (has_braces ? 8 : 2) && peek(in) >= 0 &&
           hex_digit((uint8_t)peek(in)) >= 0) {
        value = value << 4 | (unsigned)hex_digit((uint8_t)peek(in));
        in->at++;
        digits++;
    }
    if (digits == 0 || (!has_braces && digits != 2) || (has_braces && !take(in, "}")))
        return refuse(in, "\\x without its digits");
    if (value > 0x7f)
        return refuse(in, "a character beyond ASCII by its number");
    *ret_byte = (uint8_t)value;
    return true;
}

/* What stands for one byte, behind the backslash. */
static bool read_escaped_byte(struct reader *in, uint8_t *ret_byte)
{
    static const char letters[] = "aftnrv", bytes[] = "\a\f\t\n\r\v";
    int letter = peek(in);
    const char *known = letter < 1 ? NULL : strchr(letters, letter);

    if (letter < 0)
        return refuse(in, "a backslash at the end");
    in->at++;
    if (letter == 'x')
        return read_hex(in, ret_byte);
    if (known != NULL)
        *ret_byte = (uint8_t)bytes[known - letters];
    else if (letter < 0x80 && !is_alnum((uint8_t)letter))
        *ret_byte = (uint8_t)letter;
    else if (letter >= '0' && letter <= '9')
        return refuse(in, "a reference back, or an octal number");
    else if (letter == 'p' || letter == 'P')
        return refuse(in, "a class of Unicode");
    else
        return refuse(in, "an escape that RE2 does not have");
    return true;
}

/* ---- classes ---- */

static bool read_named(struct reader *in, struct byte_set *ret_set)
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
    is_inverted = take(in, "^");
    for (size_t i = 0; i < COUNT(classes); i++) {
        struct reader ahead = *in;

        if (!take(&ahead, classes[i].name) || !take(&ahead, ":]"))
            continue;
        *ret_set = (struct byte_set){0};
        for (const char *pair = classes[i].ranges; *pair != 0; pair += 2)
            set_add(ret_set, (uint8_t)pair[0], (uint8_t)pair[1]);
        if (is_inverted)
            set_invert(ret_set);
        in->at = ahead.at;
        return true;
    }
    return refuse(in, "a named class that is not known here");
}

/* One byte of a class, and its form for PCRE2. */
static bool read_class_byte(struct reader *in, uint8_t *ret_byte)
{
    size_t start = in->at;

    if (peek(in) < 0)
        return refuse(in, "a class that does not end");
    if (peek(in) >= 0x80)
        return refuse(in, "a character beyond ASCII in a class");
    if (take(in, "\\")) {
        if (!read_escaped_byte(in, ret_byte))
            return false;
        if (in->text.at[start + 1] == 'v')
            return emit(in, "\\x0b");
        return emit_from(in, start);
    }
    *ret_byte = in->text.at[in->at++];
    if (*ret_byte == '[' && !emit(in, "\\"))
        return false;
    return *ret_byte < 0x20 ? emit_byte(in, *ret_byte) : emit_from(in, start);
}

static bool read_class_item(struct reader *in, struct byte_set *set, uint8_t *written)
{
    struct byte_set more;
    size_t start = in->at;
    uint8_t from, to;

    if (slice_starts_with(slice_part(in->text, in->at, in->text.len), SLICE("[:"))) {
        if (!read_named(in, &more))
            return false;
        set_join(set, &more);
        return emit_from(in, start);
    }
    if (peek(in) == '\\' && in->at + 1 < in->text.len &&
        perl_class(in->text.at[in->at + 1], &more)) {
        in->at += 2;
        set_join(set, &more);
        return emit_from(in, start);
    }
    if (!read_class_byte(in, &from))
        return false;
    *written = from;
    to = from;
    if (peek(in) == '-' && in->at + 1 < in->text.len && in->text.at[in->at + 1] != ']') {
        in->at++;
        if (peek(in) == '\\' && in->at + 1 < in->text.len &&
            perl_class(in->text.at[in->at + 1], &more))
            return refuse(in, "a range that ends in a class");
        if (!emit(in, "-") || !read_class_byte(in, &to))
            return false;
        if (to < from)
            return refuse(in, "a range backwards");
    }
    set_add(set, from, to);
    return true;
}

static uint32_t read_class(struct reader *in, const struct flags *flags)
{
    struct byte_set set = {0};
    uint8_t written = 0;
    bool is_inverted, is_first = true;

    in->at++;
    is_inverted = take(in, "^");
    if (!emit(in, is_inverted ? "[^" : "["))
        return PART_NONE;
    for (; is_first || peek(in) != ']'; is_first = false)
        if (!read_class_item(in, &set, &written))
            return PART_NONE;
    in->at++;
    if (flags->any_case)
        set_fold(&set);
    if (is_inverted)
        set_invert(&set);
    return emit(in, "]") ? add_set(in, &set, written, &(struct flags){0}) : PART_NONE;
}

/* ---- groups ---- */

static uint32_t read_choice(struct reader *in, struct flags flags);

static uint32_t read_inside(struct reader *in, const struct flags *flags)
{
    uint32_t inside;

    if (in->depth == DEPTH_MAX) {
        (void)refuse(in, "groups are nested too deep");
        return PART_NONE;
    }
    in->depth++;
    inside = read_choice(in, *flags);
    in->depth--;
    if (inside == PART_NONE)
        return PART_NONE;
    if (!take(in, ")")) {
        (void)refuse(in, "a group that does not end");
        return PART_NONE;
    }
    return emit(in, ")") ? inside : PART_NONE;
}

static uint32_t read_capture(struct reader *in, const struct flags *flags)
{
    struct pattern *pattern = in->pattern;
    uint32_t group = part_new(in, PART_GROUP), inside;
    size_t number = pattern->group_count;

    if (group == PART_NONE || !emit(in, "("))
        return PART_NONE;
    if (number == PATTERN_GROUPS_MAX) {
        (void)fault_set(in->fault, FAULT_LIMIT, "more than %d groups", PATTERN_GROUPS_MAX);
        return PART_NONE;
    }
    pattern->opens[number] = pattern->text.len;
    pattern->groups[number] = group;
    pattern->group_count++;
    inside = read_inside(in, flags);
    if (inside == PART_NONE)
        return PART_NONE;
    adopt(in, group, inside);
    return group;
}

/* (?i-s) and (?i: behind the question mark; the letters are the same in PCRE2. */
static bool read_flags(struct reader *in, struct flags *flags)
{
    bool on = true;
    size_t start = in->at;

    for (; peek(in) >= 0 && strchr("imsU-", peek(in)) != NULL && peek(in) != 0; in->at++) {
        if (peek(in) == '-')
            on = false;
        else if (peek(in) == 'i')
            flags->any_case = on;
        else if (peek(in) == 's')
            flags->dot_is_all = on;
    }
    if (in->at == start || (peek(in) != ')' && peek(in) != ':'))
        return refuse(in, "a group of a kind that RE2 does not have");
    return emit(in, "(?") && emit_from(in, start);
}

static bool take_name(struct reader *in)
{
    size_t start = in->at;

    if (!take(in, "?P<") && !take(in, "?<"))
        return false;
    while (peek(in) >= 0 && (is_alnum((uint8_t)peek(in)) || peek(in) == '_'))
        in->at++;
    if (take(in, ">"))
        return true;
    in->at = start;
    return false;
}

static const char *take_look_around(struct reader *in)
{
    static const char *const kinds[] = {"?=", "?!", "?<=", "?<!"};

    for (size_t i = 0; i < COUNT(kinds); i++)
        if (take(in, kinds[i]))
            return kinds[i];
    return NULL;
}

static uint32_t read_group(struct reader *in, struct flags *flags)
{
    struct flags own = *flags;
    const char *look;

    in->at++;
    if (take_name(in) || peek(in) != '?')
        return read_capture(in, flags);
    look = take_look_around(in);
    if (look != NULL) {
        in->pattern->looks_around = true;
        if (!emit(in, "(") || !emit(in, look) || read_inside(in, flags) == PART_NONE)
            return PART_NONE;
        return part_new(in, PART_NOTHING);
    }
    in->at++;
    if (peek(in) == ':') {
        if (!emit(in, "(?"))
            return PART_NONE;
    } else if (!read_flags(in, &own)) {
        return PART_NONE;
    }
    if (take(in, ")")) { /* for what follows */
        *flags = own;
        return emit(in, ")") ? part_new(in, PART_NOTHING) : PART_NONE;
    }
    in->at++;
    return emit(in, ":") ? read_inside(in, &own) : PART_NONE;
}

/* ---- atoms ---- */

/* \Q...\E, behind the Q. */
static uint32_t read_literal(struct reader *in, const struct flags *flags)
{
    uint32_t row = part_new(in, PART_ROW);

    while (row != PART_NONE && in->at < in->text.len && !take(in, "\\E")) {
        uint8_t byte = in->text.at[in->at++];
        uint32_t part = emit_byte(in, byte) ? add_byte(in, byte, flags) : PART_NONE;

        if (part == PART_NONE)
            return PART_NONE;
        adopt(in, row, part);
    }
    return row;
}

static uint32_t read_escape(struct reader *in, const struct flags *flags)
{
    struct byte_set set;
    size_t start = in->at;
    uint8_t letter, byte;

    in->at++;
    letter = peek(in) < 0 ? 0 : (uint8_t)peek(in);
    if (perl_class(letter, &set)) {
        in->at++;
        return emit_from(in, start) ? add_set(in, &set, 0, &(struct flags){0}) : PART_NONE;
    }
    if (letter != 0 && strchr("bBAz", letter) != NULL) {
        in->at++;
        return emit_from(in, start) ? part_new(in, PART_NOTHING) : PART_NONE;
    }
    if (take(in, "Q"))
        return read_literal(in, flags);
    return read_escaped_byte(in, &byte) && emit_byte(in, byte) ? add_byte(in, byte, flags)
                                                               : PART_NONE;
}

/* A character of several bytes is held together. */
static uint32_t read_wide(struct reader *in, size_t len)
{
    uint32_t row = part_new(in, PART_ROW);
    size_t start = in->at;

    for (; row != PART_NONE && len > 0; len--) {
        uint32_t part = add_byte(in, in->text.at[in->at++], &(struct flags){0});

        if (part == PART_NONE)
            return PART_NONE;
        adopt(in, row, part);
    }
    return emit(in, "(?:") && emit_from(in, start) && emit(in, ")") ? row : PART_NONE;
}

static uint32_t read_atom(struct reader *in, struct flags *flags)
{
    struct byte_set all = {0};
    int byte = peek(in);
    size_t len;

    switch (byte) {
    case '(':
        return read_group(in, flags);
    case '[':
        return read_class(in, flags);
    case '\\':
        return read_escape(in, flags);
    case '^':
    case '$':
        in->at++;
        return emit_from(in, in->at - 1) ? part_new(in, PART_NOTHING) : PART_NONE;
    case '.':
        in->at++;
        set_add(&all, 0, 255);
        if (!flags->dot_is_all)
            all.bits[0] &= ~(UINT64_C(1) << '\n');
        return emit(in, ".") ? add_set(in, &all, 0, &(struct flags){0}) : PART_NONE;
    case '*':
    case '+':
    case '?':
        (void)refuse(in, "a repeat of nothing");
        return PART_NONE;
    default:
        break;
    }
    len = utf8_next(in->text, in->at, NULL);
    if (len > 1)
        return read_wide(in, len);
    in->at++;
    if (len == 0)
        (void)refuse(in, "a byte that is not UTF-8");
    return len == 1 && emit_byte(in, (uint8_t)byte) ? add_byte(in, (uint8_t)byte, flags)
                                                    : PART_NONE;
}

/* ---- repeats, rows, choices ---- */

static bool read_count(struct reader *in, uint32_t *ret_count)
{
    size_t start = in->at;

    *ret_count = 0;
    while (peek(in) >= '0' && peek(in) <= '9' && *ret_count <= REPEAT_MAX)
        *ret_count = *ret_count * 10 + (uint32_t)(in->text.at[in->at++] - '0');
    return in->at > start;
}

/* False: no repeat stands here. */
static bool take_repeat(struct reader *in, uint32_t *ret_least, uint32_t *ret_most)
{
    struct reader ahead = *in;

    *ret_least = peek(in) == '+' ? 1 : 0;
    *ret_most = peek(in) == '?' ? 1 : REPEAT_NO_END;
    if (take(&ahead, "*") || take(&ahead, "+") || take(&ahead, "?")) {
        in->at = ahead.at;
        return true;
    }
    if (!take(&ahead, "{") || !read_count(&ahead, ret_least))
        return false;
    *ret_most = *ret_least;
    if (take(&ahead, ",") && !read_count(&ahead, ret_most))
        *ret_most = REPEAT_NO_END;
    if (!take(&ahead, "}"))
        return false;
    in->at = ahead.at;
    return true;
}

/* Of the groups since then. */
static void mark(struct reader *in, bool *marks, size_t since, bool is_so)
{
    for (size_t i = since; is_so && i < in->pattern->group_count; i++)
        marks[i] = true;
}

static uint32_t read_repeat(struct reader *in, uint32_t part, size_t groups_before)
{
    size_t start = in->at;
    uint32_t least, most, repeat;

    if (!take_repeat(in, &least, &most))
        return part;
    if (least > REPEAT_MAX || (most != REPEAT_NO_END && (most > REPEAT_MAX || most < least))) {
        (void)refuse(in, "a repeat that RE2 does not have");
        return PART_NONE;
    }
    (void)take(in, "?");
    if (!emit_from(in, start))
        return PART_NONE;
    if (take_repeat(in, &(uint32_t){0}, &(uint32_t){0})) {
        (void)refuse(in, "a repeat of a repeat");
        return PART_NONE;
    }
    repeat = part_new(in, PART_REPEAT);
    if (repeat == PART_NONE)
        return PART_NONE;
    in->pattern->parts[repeat].least = least;
    in->pattern->parts[repeat].most = most;
    adopt(in, repeat, part);
    mark(in, in->pattern->is_repeated, groups_before, most > 1);
    mark(in, in->pattern->is_optional, groups_before, least == 0);
    return repeat;
}

/* Of a row or choice with one child, that child. */
static uint32_t unwrap(const struct reader *in, uint32_t part)
{
    const struct part *outer = &in->pattern->parts[part];

    return outer->first != PART_NONE && outer->first == outer->last ? outer->first : part;
}

static uint32_t read_row(struct reader *in, struct flags *flags)
{
    uint32_t row = part_new(in, PART_ROW);

    while (row != PART_NONE && peek(in) >= 0 && peek(in) != '|' && peek(in) != ')') {
        size_t groups = in->pattern->group_count;
        uint32_t part = read_atom(in, flags);

        if (part != PART_NONE)
            part = read_repeat(in, part, groups);
        if (part == PART_NONE)
            return PART_NONE;
        adopt(in, row, part);
    }
    return row == PART_NONE ? PART_NONE : unwrap(in, row);
}

static uint32_t read_choice(struct reader *in, struct flags flags)
{
    uint32_t choice = part_new(in, PART_CHOICE);
    size_t groups = in->pattern->group_count;

    while (choice != PART_NONE) {
        uint32_t row = read_row(in, &flags);

        if (row == PART_NONE)
            return PART_NONE;
        adopt(in, choice, row);
        if (!take(in, "|")) {
            mark(in, in->pattern->is_optional, groups,
                 in->pattern->parts[choice].first != in->pattern->parts[choice].last);
            return unwrap(in, choice);
        }
        if (!emit(in, "|"))
            return PART_NONE;
    }
    return PART_NONE;
}

bool pattern_read(struct slice text, struct pattern *ret_pattern, struct fault *fault)
{
    struct pattern pattern = {.text = buf_with_limit(PATTERN_BYTES_MAX)};
    struct reader in = {.text = text, .pattern = &pattern, .fault = fault};

    if (text.len > PATTERN_BYTES_MAX / 8)
        return fault_set(fault, FAULT_LIMIT, "a pattern of more than %lu bytes",
                         PATTERN_BYTES_MAX / 8);
    pattern.root = read_choice(&in, (struct flags){0});
    if (pattern.root == PART_NONE ||
        (in.at < text.len && !refuse(&in, "a ) that closes nothing"))) {
        pattern_free(&pattern);
        return false;
    }
    *ret_pattern = pattern;
    return true;
}
