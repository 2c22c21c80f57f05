#include "wire/url_path.h"

#include <strings.h>

#include "base/hex.h"

#define CLOSED_SLASH 0x01 /* no path holds control characters */

/* Servers cut parameters off a name: "..;x" is ".." to them. */
static bool is_dots(struct slice name)
{
    name = slice_part(name, 0, slice_find_byte(name, ';', 0));
    return slice_equal(name, SLICE(".")) || slice_equal(name, SLICE(".."));
}

static bool has_dots(struct slice path)
{
    struct slice name;

    while (slice_cut(&path, '/', &name))
        if (is_dots(name))
            return true;
    return false;
}

/* Would a second decoding change where names begin? */
static bool is_escaped_twice(struct slice path)
{
    static const char *const escapes[] = {"%2e", "%2f", "%5c", "%00", "%25"};

    for (size_t i = 0; i + 3 <= path.len; i++)
        for (size_t j = 0; j < COUNT(escapes); j++)
            if (strncasecmp((const char *)path.at + i, escapes[j], 3) == 0)
                return true;
    return false;
}

static bool decode(struct slice path, struct url_path *decoded, struct fault *fault)
{
    for (size_t i = 0; i < path.len; i++) {
        uint8_t byte = path.at[i];
        bool escaped = byte == '%';

        if (escaped) {
            int high = i + 1 < path.len ? hex_digit(path.at[i + 1]) : -1;
            int low = i + 2 < path.len ? hex_digit(path.at[i + 2]) : -1;

            if (high < 0 || low < 0)
                return fault_set(fault, FAULT_INVALID,
                                 "a percent sign without two digits in the path");
            byte = (uint8_t)(high << 4 | low);
            i += 2;
        }
        if (byte < 0x20 || byte == 0x7f || byte == '\\')
            return fault_set(fault, FAULT_INVALID,
                             "a backslash or a control character in the path");
        if (!buf_add_byte(&decoded->open, byte, fault) ||
            !buf_add_byte(&decoded->closed, escaped && byte == '/' ? CLOSED_SLASH : byte,
                          fault))
            return false;
    }
    return true;
}

bool url_path_read(struct slice path, struct url_path *ret_path, struct fault *fault)
{
    *ret_path = (struct url_path){.closed = buf_with_limit(URL_PATH_BYTES_MAX),
                                  .open = buf_with_limit(URL_PATH_BYTES_MAX)};
    if (path.len == 0 || path.at[0] != '/')
        return fault_set(fault, FAULT_INVALID, "a path that does not begin with /");
    if (!decode(path, ret_path, fault))
        return false;
    if (has_dots(buf_slice(&ret_path->open)))
        return fault_set(fault, FAULT_INVALID, "a name `.` or `..` in the path");
    if (is_escaped_twice(buf_slice(&ret_path->open)))
        return fault_set(fault, FAULT_INVALID, "an escape within an escape in the path");
    return true;
}

void url_path_free(struct url_path *path)
{
    buf_free(&path->closed);
    buf_free(&path->open);
}

bool url_path_pattern_check(struct slice pattern, struct fault *fault)
{
    struct slice rest = pattern, name;

    if (pattern.len == 0 || pattern.len > URL_PATH_PATTERN_BYTES_MAX || pattern.at[0] != '/')
        return fault_set(fault, FAULT_INVALID, "a path begins with / and has at most %d bytes",
                         URL_PATH_PATTERN_BYTES_MAX);
    for (size_t i = 0; i < pattern.len; i++)
        if (pattern.at[i] <= 0x20 || pattern.at[i] >= 0x7f ||
            strchr("%\\?#", pattern.at[i]) != NULL)
            return fault_set(fault, FAULT_INVALID,
                             "a path is written without escapes, queries and spaces");
    rest = slice_part(rest, 1, rest.len);
    while (slice_cut(&rest, '/', &name)) {
        if (name.len == 0 && rest.at != NULL)
            return fault_set(fault, FAULT_INVALID, "an empty name in a path");
        if (is_dots(name))
            return fault_set(fault, FAULT_INVALID, "a path with `.` or `..` can never match");
        if (name.len != 2 && slice_find(name, SLICE("**"), 0) != SIZE_MAX)
            return fault_set(fault, FAULT_INVALID, "`**` is a whole name of a path");
    }
    return true;
}

/* The last star is the only place to go back to. An empty name is nobody's: servers that join
 * slashes would see another path. */
static bool name_matches(struct slice pattern, struct slice name)
{
    size_t at = 0, star = SIZE_MAX, star_name = 0;

    if (name.len == 0)
        return pattern.len == 0;
    for (size_t i = 0; i < name.len || at < pattern.len;) {
        if (at < pattern.len && pattern.at[at] == '*') {
            star = at++;
            star_name = i;
            continue;
        }
        if (at < pattern.len && i < name.len && pattern.at[at] == name.at[i]) {
            at++;
            i++;
            continue;
        }
        if (star == SIZE_MAX || star_name >= name.len)
            return false;
        at = star + 1;
        i = ++star_name;
    }
    return true;
}

/* The same one level up: names instead of bytes, `**` instead of `*`. */
static bool names_match(struct slice pattern, struct slice path)
{
    struct slice star_pattern = {0}, star_path = {0};
    bool has_star = false;

    for (;;) {
        struct slice pattern_after = pattern, path_after = path;
        struct slice part = {0}, name = {0};
        bool has_part = slice_cut(&pattern_after, '/', &part);
        bool has_name = slice_cut(&path_after, '/', &name);

        if (!has_part && !has_name)
            return true;
        if (has_part && slice_equal(part, SLICE("**"))) {
            if (pattern_after.at == NULL)
                return has_name; /* what lies below, were it an empty name */
            has_star = true;
            star_pattern = pattern_after;
            star_path = path;
            pattern = pattern_after;
            continue;
        }
        if (has_part && has_name && name_matches(part, name)) {
            pattern = pattern_after;
            path = path_after;
            continue;
        }
        if (!has_star || !slice_cut(&star_path, '/', &name) || star_path.at == NULL)
            return false;
        pattern = star_pattern;
        path = star_path;
    }
}

static bool one_matches(struct slice path, const char *const *patterns, size_t count)
{
    path = slice_part(path, 1, path.len);
    for (size_t i = 0; i < count; i++) {
        struct slice pattern = slice_of(patterns[i]);

        if (names_match(slice_part(pattern, 1, pattern.len), path))
            return true;
    }
    return false;
}

bool url_path_matches(const struct url_path *path, const char *const *patterns, size_t count)
{
    return one_matches(buf_slice(&path->closed), patterns, count) &&
           one_matches(buf_slice(&path->open), patterns, count);
}
