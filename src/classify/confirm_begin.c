#include "classify/confirm_begin.h"

#include "classify/ascii.h"

#define LITERAL_MAX KEYWORD_BYTES_MAX

/* ---- the parts of a pattern ---- */

/* Behind a class that begins at `at`. */
static size_t class_end(struct slice pattern, size_t at)
{
    size_t first;

    at += at + 1 < pattern.len && pattern.at[at + 1] == '^' ? 2 : 1;
    for (first = at; at < pattern.len && (pattern.at[at] != ']' || at == first); at++)
        at += pattern.at[at] == '\\' ? 1 : 0;
    return at + 1;
}

/* Where the alternative that begins at `at` ends: at a '|' or ')' of its own depth, or with the pattern. */
static size_t alternative_end(struct slice pattern, size_t at)
{
    size_t depth = 0;

    while (at < pattern.len) {
        uint8_t byte = pattern.at[at];

        if (depth == 0 && (byte == '|' || byte == ')'))
            break;
        depth += byte == '(';
        depth -= byte == ')';
        at = byte == '\\' ? at + 2 : byte == '[' ? class_end(pattern, at) : at + 1;
    }
    return at < pattern.len ? at : pattern.len;
}

static bool holds(struct slice pattern, const char *part)
{
    return slice_find(pattern, slice_of(part), 0) != SIZE_MAX;
}

/* Is it without what reads otherwise: quoted stretches, comments, verbs, classes by name, blanks that say nothing? */
static bool is_simple(struct slice pattern, size_t options_end)
{
    return !holds(pattern, "\\Q") && !holds(pattern, "(?#") && !holds(pattern, "(*") &&
           !(holds(pattern, "[:") && holds(pattern, ":]")) &&
           (options_end == 0 || memchr(pattern.at, 'x', options_end) == NULL);
}

/* Options at the beginning, such as (?i). */
static size_t skip_options(struct slice pattern, bool *ret_is_caseless)
{
    size_t at = 2;

    *ret_is_caseless = false;
    if (!slice_starts_with(pattern, SLICE("(?")))
        return 0;
    while (at < pattern.len && is_letter(pattern.at[at]))
        at++;
    if (at == 2 || at == pattern.len || pattern.at[at] != ')')
        return 0;
    *ret_is_caseless = memchr(pattern.at, 'i', at) != NULL;
    return at + 1;
}

/* ---- what stands in front ---- */

static void add_range(bool set[256], uint8_t from, uint8_t to)
{
    for (unsigned byte = from; byte <= to; byte++)
        set[byte] = true;
}

/* An escape of one or many bytes; ret_byte: which, where it is one. False: it is not understood. */
static bool add_escape(bool set[256], uint8_t letter, bool *ret_is_one)
{
    *ret_is_one = !is_alnum(letter);
    if (*ret_is_one)
        return true;
    if (letter != 'w' && letter != 'd')
        return false;
    add_range(set, '0', '9');
    if (letter == 'w') {
        add_range(set, 'A', 'Z');
        add_range(set, 'a', 'z');
        set['_'] = true;
    }
    return true;
}

/* The inside of a class that is not negated. False: it is not understood. */
static bool read_class(struct slice inside, bool set[256])
{
    for (size_t at = 0; at < inside.len; at++) {
        uint8_t byte = inside.at[at];
        bool is_one = true;

        if (byte == '[' || (byte == '\\' && at + 1 == inside.len))
            return false;
        if (byte == '\\' && !add_escape(set, byte = inside.at[++at], &is_one))
            return false;
        if (!is_one)
            continue;
        if (at + 2 >= inside.len || inside.at[at + 1] != '-') {
            set[byte] = true;
            continue;
        }
        if (inside.at[at + 2] == '\\' || inside.at[at + 2] == '[')
            return false;
        add_range(set, byte, inside.at[at + 2]);
        at += 2;
    }
    return true;
}

/* Lookbehinds of one byte at the beginning of an alternative. */
static void read_lookbehinds(struct slice alternative, bool ret_set[256])
{
    static const struct slice head = {(const uint8_t *)"(?<!", 4};

    while (slice_starts_with(alternative, head)) {
        size_t end = alternative_end(alternative, head.len);
        struct slice inside = slice_part(alternative, head.len, end);
        bool set[256] = {false};

        if (end == alternative.len || alternative.at[end] != ')')
            return;
        if (inside.len > 2 && inside.at[0] == '[' && inside.at[1] != '^' &&
            class_end(inside, 0) == inside.len && read_class(slice_part(inside, 1, inside.len - 1), set))
            for (unsigned byte = 0; byte < 256; byte++)
                ret_set[byte] = ret_set[byte] || set[byte];
        alternative = slice_part(alternative, end + 1, alternative.len);
    }
}

void confirm_not_before(struct slice pattern, uint8_t bytes[256])
{
    bool is_caseless, all[256];
    size_t at = skip_options(pattern, &is_caseless);

    memset(all, is_simple(pattern, at), sizeof(all));
    for (; at <= pattern.len; at++) {
        size_t end = alternative_end(pattern, at);
        bool set[256] = {false};

        read_lookbehinds(slice_part(pattern, at, end), set);
        for (unsigned byte = 0; byte < 256; byte++)
            all[byte] = all[byte] && set[byte];
        at = end;
    }
    for (unsigned byte = 0; byte < 256; byte++)
        bytes[byte] = (uint8_t)(bytes[byte] | (all[byte] ? CONFIRM_NOT_BEFORE : 0));
}

/* ---- keywords at the beginning ---- */

/* The fixed text that an alternative begins with; a byte that may be missing is not of it. */
static size_t read_literal(struct slice alternative, uint8_t ret_text[LITERAL_MAX])
{
    size_t len = 0;

    for (size_t at = 0; at < alternative.len && len < LITERAL_MAX; at++) {
        uint8_t byte = alternative.at[at];

        if (byte == '\\' && at + 1 < alternative.len && !is_alnum(alternative.at[at + 1]))
            byte = alternative.at[++at];
        else if (memchr("\\^$.[|()?*+{", byte, 12) != NULL)
            break;
        if (at + 1 < alternative.len && memchr("?*{", alternative.at[at + 1], 3) != NULL)
            break;
        ret_text[len++] = byte;
    }
    return len;
}

static bool begins_with_any(struct slice text, const struct rule *rule)
{
    for (size_t i = 0; i < rule->keywords.count; i++) {
        struct slice keyword = rule->keywords.at[i];
        size_t same = 0;

        while (same < keyword.len && same < text.len &&
               (rule->is_cased ? text.at[same] == keyword.at[same]
                               : lower(text.at[same]) == lower(keyword.at[same])))
            same++;
        if (same == keyword.len)
            return true;
    }
    return false;
}

static bool is_keyword_first(struct slice alternative, const struct rule *rule)
{
    uint8_t text[LITERAL_MAX];

    return begins_with_any(slice_of_bytes(text, read_literal(alternative, text)), rule);
}

/* Past lookbehinds, which are no part of a match. */
static struct slice skip_lookbehinds(struct slice alternative)
{
    while (slice_starts_with(alternative, SLICE("(?<!")) ||
           slice_starts_with(alternative, SLICE("(?<="))) {
        size_t end = 4;

        while (end < alternative.len && alternative.at[end - 1] != ')')
            end = alternative_end(alternative, end) + 1;
        alternative = slice_part(alternative, end, alternative.len);
    }
    return alternative;
}

/* (?:one|other), which is there once. */
static bool is_group_of_keywords(struct slice alternative, const struct rule *rule)
{
    size_t at = 3, end = 2;

    if (!slice_starts_with(alternative, SLICE("(?:")))
        return false;
    for (; at < alternative.len; at = end + 1) {
        end = alternative_end(alternative, at);
        if (!is_keyword_first(slice_part(alternative, at, end), rule))
            return false;
        if (end < alternative.len && alternative.at[end] == ')')
            break;
    }
    return end + 1 >= alternative.len || memchr("?*{", alternative.at[end + 1], 3) == NULL;
}

bool confirm_begins_with_keyword(const struct rule *rule)
{
    struct slice pattern = rule->pattern;
    bool is_caseless;
    size_t at = skip_options(pattern, &is_caseless);

    if ((rule->is_cased && is_caseless) || !is_simple(pattern, at))
        return false;
    for (; at <= pattern.len; at++) {
        size_t end = alternative_end(pattern, at);
        struct slice alternative = skip_lookbehinds(slice_part(pattern, at, end));

        if (!is_keyword_first(alternative, rule) && !is_group_of_keywords(alternative, rule))
            return false;
        at = end;
    }
    return true;
}
