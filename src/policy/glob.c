#include "policy/glob.h"

static bool is_double_star(struct slice name)
{
    return slice_equal(name, SLICE("**"));
}

bool glob_check(struct slice glob, struct fault *fault)
{
    struct slice rest = glob;
    struct slice name;

    if (glob.len == 0 || glob.len > GLOB_BYTES_MAX)
        return fault_set(fault, FAULT_INVALID, "a pattern has 1 to %d bytes", GLOB_BYTES_MAX);
    for (size_t i = 0; i < glob.len; i++)
        if (glob.at[i] < 0x20 || glob.at[i] == 0x7f || glob.at[i] == '\\')
            return fault_set(fault, FAULT_INVALID,
                             "a pattern has no control characters or backslashes");
    if (glob.at[0] == '/')
        return fault_set(fault, FAULT_INVALID,
                         "a pattern is relative to the repository: no leading /");
    if (glob.len > 1 && glob.at[glob.len - 1] == '/')
        rest.len--; /* "build/" is the folder and all below it, as "build" is */
    while (slice_cut(&rest, '/', &name)) {
        if (name.len == 0)
            return fault_set(fault, FAULT_INVALID,
                             "a pattern with an empty name can never match");
        if (slice_equal(name, SLICE(".")) || slice_equal(name, SLICE("..")))
            return fault_set(fault, FAULT_INVALID,
                             "a pattern with `.` or `..` can never match");
        for (size_t i = 0; i < name.len; i++) {
            size_t end;

            if (name.at[i] != '[')
                continue;
            end = slice_find_byte(name, ']', i + 2);
            if (end == SIZE_MAX)
                return fault_set(fault, FAULT_INVALID, "a set [...] is not closed");
            i = end;
        }
    }
    return true;
}

static uint8_t folded(uint8_t byte, bool fold)
{
    return fold && byte >= 'A' && byte <= 'Z' ? (uint8_t)(byte + 32) : byte;
}

/* Does the set at pattern[*at] hold `byte`? Moves *at behind its `]`. */
static bool set_holds(struct slice pattern, size_t *at, uint8_t byte, bool fold)
{
    size_t end = slice_find_byte(pattern, ']', *at + 2);
    bool inverted = pattern.at[*at + 1] == '!' || pattern.at[*at + 1] == '^';
    bool found = false;

    for (size_t i = *at + 1 + inverted; i < end; i++) {
        uint8_t from = folded(pattern.at[i], fold);
        uint8_t to = from;

        if (i + 2 < end && pattern.at[i + 1] == '-') {
            to = folded(pattern.at[i + 2], fold);
            i += 2;
        }
        found = found || (folded(byte, fold) >= from && folded(byte, fold) <= to);
    }
    *at = end + 1;
    return found != inverted;
}

/* One name against one pattern without "/": the last star is the only place to go back to. */
static bool name_matches(struct slice pattern, struct slice name, bool fold)
{
    size_t at = 0, star = SIZE_MAX, star_name = 0;

    for (size_t i = 0; i < name.len || at < pattern.len;) {
        size_t next = at;

        if (at < pattern.len && pattern.at[at] == '*') {
            star = at++;
            star_name = i;
            continue;
        }
        if (at < pattern.len && i < name.len) {
            bool same;

            if (pattern.at[at] == '[') {
                same = set_holds(pattern, &next, name.at[i], fold);
            } else {
                same = pattern.at[at] == '?' ||
                       folded(pattern.at[at], fold) == folded(name.at[i], fold);
                next = at + 1;
            }
            if (same) {
                at = next;
                i++;
                continue;
            }
        }
        if (star == SIZE_MAX || star_name >= name.len)
            return false;
        at = star + 1;
        i = ++star_name;
    }
    return true;
}

/* The same one level up: names instead of bytes, "**" instead of "*". A match of a leading
 * part is a match: it is a folder above the path. */
static bool names_match(struct slice pattern, struct slice path, bool fold)
{
    struct slice pattern_rest = pattern, path_rest = path;
    struct slice star_pattern = {0}, star_path = {0};
    bool has_star = false;

    for (;;) {
        struct slice pattern_after = pattern_rest, path_after = path_rest;
        struct slice part, name;

        if (!slice_cut(&pattern_after, '/', &part))
            return true; /* the pattern is used up: this folder, and what is below it */
        if (is_double_star(part)) {
            if (pattern_after.at == NULL)
                return path_rest.at != NULL; /* only what is below, not the folder itself */
            has_star = true;
            star_pattern = pattern_after;
            star_path = path_rest;
            pattern_rest = pattern_after;
            continue;
        }
        if (slice_cut(&path_after, '/', &name) && name_matches(part, name, fold)) {
            pattern_rest = pattern_after;
            path_rest = path_after;
            continue;
        }
        if (!has_star || !slice_cut(&star_path, '/', &name))
            return false;
        if (star_path.at == NULL)
            return false;
        pattern_rest = star_pattern;
        path_rest = star_path;
    }
}

bool glob_matches(struct slice glob, struct slice path, bool fold)
{
    struct slice rest = path;
    struct slice name;

    if (glob.len > 1 && glob.at[glob.len - 1] == '/')
        glob.len--;
    if (path.len == 0)
        return false;
    if (slice_find_byte(glob, '/', 0) != SIZE_MAX || is_double_star(glob))
        return names_match(glob, path, fold);
    while (slice_cut(&rest, '/', &name))
        if (name_matches(glob, name, fold))
            return true;
    return false;
}
