#include "classify/import/pattern_reader.h"

#include <stdlib.h>

#include "base/scope.h"
#include "base/utf8.h"
#include "classify/ascii.h"

#define DEPTH_MAX 60
#define REPEAT_MAX 1000 /* as RE2 has it */

void pattern_free(struct pattern *pattern)
{
    free(pattern->parts);
    buf_free(&pattern->text);
    *pattern = (struct pattern){0};
}

/* ---- groups ---- */

static uint32_t read_choice(struct pattern_reader *in, struct pattern_flags flags);

static uint32_t read_inside(struct pattern_reader *in, const struct pattern_flags *flags)
{
    uint32_t inside;

    if (in->depth == DEPTH_MAX) {
        (void)pattern_refuse(in, "groups are nested too deep");
        return PART_NONE;
    }
    in->depth++;
    inside = read_choice(in, *flags);
    in->depth--;
    if (inside == PART_NONE)
        return PART_NONE;
    if (!pattern_take(in, ")")) {
        (void)pattern_refuse(in, "a group that does not end");
        return PART_NONE;
    }
    return pattern_emit(in, ")") ? inside : PART_NONE;
}

static uint32_t read_capture(struct pattern_reader *in, const struct pattern_flags *flags)
{
    struct pattern *pattern = in->pattern;
    uint32_t group = pattern_part(in, PART_GROUP), inside;
    size_t number = pattern->group_count;

    if (group == PART_NONE || !pattern_emit(in, "("))
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
    pattern_adopt(in, group, inside);
    return group;
}

/* (?i-s) and (?i: behind the question mark; the letters are the same in PCRE2. */
static bool read_flags(struct pattern_reader *in, struct pattern_flags *flags)
{
    bool on = true;
    size_t start = in->at;

    for (; pattern_peek(in) >= 0 && strchr("imsU-", pattern_peek(in)) != NULL &&
           pattern_peek(in) != 0;
         in->at++) {
        if (pattern_peek(in) == '-')
            on = false;
        else if (pattern_peek(in) == 'i')
            flags->any_case = on;
        else if (pattern_peek(in) == 's')
            flags->dot_is_all = on;
    }
    if (in->at == start || (pattern_peek(in) != ')' && pattern_peek(in) != ':'))
        return pattern_refuse(in, "a group of a kind that RE2 does not have");
    return pattern_emit(in, "(?") && pattern_emit_from(in, start);
}

static bool take_name(struct pattern_reader *in)
{
    size_t start = in->at;

    if (!pattern_take(in, "?P<") && !pattern_take(in, "?<"))
        return false;
    while (pattern_peek(in) >= 0 &&
           (is_alnum((uint8_t)pattern_peek(in)) || pattern_peek(in) == '_'))
        in->at++;
    if (pattern_take(in, ">"))
        return true;
    in->at = start;
    return false;
}

static const char *take_look_around(struct pattern_reader *in)
{
    static const char *const kinds[] = {"?=", "?!", "?<=", "?<!"};

    for (size_t i = 0; i < COUNT(kinds); i++)
        if (pattern_take(in, kinds[i]))
            return kinds[i];
    return NULL;
}

static uint32_t read_group(struct pattern_reader *in, struct pattern_flags *flags)
{
    struct pattern_flags own = *flags;
    const char *look;

    in->at++;
    if (take_name(in) || pattern_peek(in) != '?')
        return read_capture(in, flags);
    look = take_look_around(in);
    if (look != NULL) {
        in->pattern->looks_around = true;
        if (!pattern_emit(in, "(") || !pattern_emit(in, look) ||
            read_inside(in, flags) == PART_NONE)
            return PART_NONE;
        return pattern_part(in, PART_NOTHING);
    }
    in->at++;
    if (pattern_peek(in) == ':') {
        if (!pattern_emit(in, "(?"))
            return PART_NONE;
    } else if (!read_flags(in, &own)) {
        return PART_NONE;
    }
    if (pattern_take(in, ")")) { /* for what follows */
        *flags = own;
        return pattern_emit(in, ")") ? pattern_part(in, PART_NOTHING) : PART_NONE;
    }
    in->at++;
    return pattern_emit(in, ":") ? read_inside(in, &own) : PART_NONE;
}

/* ---- atoms ---- */

/* \Q...\E, behind the Q. */
static uint32_t read_literal(struct pattern_reader *in, const struct pattern_flags *flags)
{
    uint32_t row = pattern_part(in, PART_ROW);

    while (row != PART_NONE && in->at < in->text.len && !pattern_take(in, "\\E")) {
        uint8_t byte = in->text.at[in->at++];
        uint32_t part =
            pattern_emit_byte(in, byte) ? pattern_add_byte(in, byte, flags) : PART_NONE;

        if (part == PART_NONE)
            return PART_NONE;
        pattern_adopt(in, row, part);
    }
    return row;
}

static uint32_t read_escape(struct pattern_reader *in, const struct pattern_flags *flags)
{
    struct byte_set set;
    size_t start = in->at;
    uint8_t letter, byte;

    in->at++;
    letter = pattern_peek(in) < 0 ? 0 : (uint8_t)pattern_peek(in);
    if (pattern_perl_class(letter, &set)) {
        in->at++;
        return pattern_emit_from(in, start)
                   ? pattern_add_set(in, &set, 0, &(struct pattern_flags){0})
                   : PART_NONE;
    }
    if (letter != 0 && strchr("bBAz", letter) != NULL) {
        in->at++;
        return pattern_emit_from(in, start) ? pattern_part(in, PART_NOTHING) : PART_NONE;
    }
    if (pattern_take(in, "Q"))
        return read_literal(in, flags);
    return pattern_escaped_byte(in, &byte) && pattern_emit_byte(in, byte)
               ? pattern_add_byte(in, byte, flags)
               : PART_NONE;
}

/* A character of several bytes is held together. */
static uint32_t read_wide(struct pattern_reader *in, size_t len)
{
    uint32_t row = pattern_part(in, PART_ROW);
    size_t start = in->at;

    for (; row != PART_NONE && len > 0; len--) {
        uint32_t part =
            pattern_add_byte(in, in->text.at[in->at++], &(struct pattern_flags){0});

        if (part == PART_NONE)
            return PART_NONE;
        pattern_adopt(in, row, part);
    }
    return pattern_emit(in, "(?:") && pattern_emit_from(in, start) && pattern_emit(in, ")")
               ? row
               : PART_NONE;
}

static uint32_t read_atom(struct pattern_reader *in, struct pattern_flags *flags)
{
    struct byte_set all = {0};
    int byte = pattern_peek(in);
    size_t len;

    switch (byte) {
    case '(':
        return read_group(in, flags);
    case '[':
        return pattern_class(in, flags);
    case '\\':
        return read_escape(in, flags);
    case '^':
    case '$':
        in->at++;
        return pattern_emit_from(in, in->at - 1) ? pattern_part(in, PART_NOTHING) : PART_NONE;
    case '.':
        in->at++;
        byte_set_add(&all, 0, 255);
        if (!flags->dot_is_all)
            all.bits[0] &= ~(UINT64_C(1) << '\n');
        return pattern_emit(in, ".") ? pattern_add_set(in, &all, 0, &(struct pattern_flags){0})
                                     : PART_NONE;
    case '*':
    case '+':
    case '?':
        (void)pattern_refuse(in, "a repeat of nothing");
        return PART_NONE;
    default:
        break;
    }
    len = utf8_next(in->text, in->at, NULL);
    if (len > 1)
        return read_wide(in, len);
    in->at++;
    if (len == 0)
        (void)pattern_refuse(in, "a byte that is not UTF-8");
    return len == 1 && pattern_emit_byte(in, (uint8_t)byte)
               ? pattern_add_byte(in, (uint8_t)byte, flags)
               : PART_NONE;
}

/* ---- repeats, rows, choices ---- */

static bool read_count(struct pattern_reader *in, uint32_t *ret_count)
{
    size_t start = in->at;

    *ret_count = 0;
    while (pattern_peek(in) >= '0' && pattern_peek(in) <= '9' && *ret_count <= REPEAT_MAX)
        *ret_count = *ret_count * 10 + (uint32_t)(in->text.at[in->at++] - '0');
    return in->at > start;
}

/* False: no repeat stands here. */
static bool take_repeat(struct pattern_reader *in, uint32_t *ret_least, uint32_t *ret_most)
{
    struct pattern_reader ahead = *in;

    *ret_least = pattern_peek(in) == '+' ? 1 : 0;
    *ret_most = pattern_peek(in) == '?' ? 1 : REPEAT_NO_END;
    if (pattern_take(&ahead, "*") || pattern_take(&ahead, "+") || pattern_take(&ahead, "?")) {
        in->at = ahead.at;
        return true;
    }
    if (!pattern_take(&ahead, "{") || !read_count(&ahead, ret_least))
        return false;
    *ret_most = *ret_least;
    if (pattern_take(&ahead, ",") && !read_count(&ahead, ret_most))
        *ret_most = REPEAT_NO_END;
    if (!pattern_take(&ahead, "}"))
        return false;
    in->at = ahead.at;
    return true;
}

/* Of the groups since then. */
static void mark(struct pattern_reader *in, bool *marks, size_t since, bool is_so)
{
    for (size_t i = since; is_so && i < in->pattern->group_count; i++)
        marks[i] = true;
}

static uint32_t read_repeat(struct pattern_reader *in, uint32_t part, size_t groups_before)
{
    size_t start = in->at;
    uint32_t least, most, repeat;

    if (!take_repeat(in, &least, &most))
        return part;
    if (least > REPEAT_MAX || (most != REPEAT_NO_END && (most > REPEAT_MAX || most < least))) {
        (void)pattern_refuse(in, "a repeat that RE2 does not have");
        return PART_NONE;
    }
    (void)pattern_take(in, "?");
    if (!pattern_emit_from(in, start))
        return PART_NONE;
    if (take_repeat(in, &(uint32_t){0}, &(uint32_t){0})) {
        (void)pattern_refuse(in, "a repeat of a repeat");
        return PART_NONE;
    }
    repeat = pattern_part(in, PART_REPEAT);
    if (repeat == PART_NONE)
        return PART_NONE;
    in->pattern->parts[repeat].least = least;
    in->pattern->parts[repeat].most = most;
    pattern_adopt(in, repeat, part);
    mark(in, in->pattern->is_repeated, groups_before, most > 1);
    mark(in, in->pattern->is_optional, groups_before, least == 0);
    return repeat;
}

/* Of a row or choice with one child, that child. */
static uint32_t unwrap(const struct pattern_reader *in, uint32_t part)
{
    const struct part *outer = &in->pattern->parts[part];

    return outer->first != PART_NONE && outer->first == outer->last ? outer->first : part;
}

static uint32_t read_row(struct pattern_reader *in, struct pattern_flags *flags)
{
    uint32_t row = pattern_part(in, PART_ROW);

    while (row != PART_NONE && pattern_peek(in) >= 0 && pattern_peek(in) != '|' &&
           pattern_peek(in) != ')') {
        size_t groups = in->pattern->group_count;
        uint32_t part = read_atom(in, flags);

        if (part != PART_NONE)
            part = read_repeat(in, part, groups);
        if (part == PART_NONE)
            return PART_NONE;
        pattern_adopt(in, row, part);
    }
    return row == PART_NONE ? PART_NONE : unwrap(in, row);
}

static uint32_t read_choice(struct pattern_reader *in, struct pattern_flags flags)
{
    uint32_t choice = pattern_part(in, PART_CHOICE);
    size_t groups = in->pattern->group_count;

    while (choice != PART_NONE) {
        uint32_t row = read_row(in, &flags);

        if (row == PART_NONE)
            return PART_NONE;
        pattern_adopt(in, choice, row);
        if (!pattern_take(in, "|")) {
            mark(in, in->pattern->is_optional, groups,
                 in->pattern->parts[choice].first != in->pattern->parts[choice].last);
            return unwrap(in, choice);
        }
        if (!pattern_emit(in, "|"))
            return PART_NONE;
    }
    return PART_NONE;
}

bool pattern_read(struct slice text, struct pattern *ret_pattern, struct fault *fault)
{
    struct pattern pattern = {.text = buf_with_limit(PATTERN_BYTES_MAX)};
    struct pattern_reader in = {.text = text, .pattern = &pattern, .fault = fault};

    if (text.len > PATTERN_BYTES_MAX / 8)
        return fault_set(fault, FAULT_LIMIT, "a pattern of more than %lu bytes",
                         PATTERN_BYTES_MAX / 8);
    pattern.root = read_choice(&in, (struct pattern_flags){0});
    if (pattern.root == PART_NONE ||
        (in.at < text.len && !pattern_refuse(&in, "a ) that closes nothing"))) {
        pattern_free(&pattern);
        return false;
    }
    *ret_pattern = pattern;
    return true;
}
