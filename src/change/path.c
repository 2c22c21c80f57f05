#include "change/path.h"

#include <strings.h>

#include "change/gitdoor.h"

/* Names that HFS+ or NTFS take for .git. `~N` are the short names that NTFS makes. */
static const char *const git_aliases[] = {".git", "git~1", "git~2", "git~3", "git~4"};

/* UTF-8; 0 where it is not well-formed (overlong, surrogate, beyond U+10FFFF). */
static size_t character(struct slice text, uint32_t *ret_code)
{
    static const struct {
        uint8_t mask, value;
        size_t len;
        uint32_t first;
    } forms[] = {{0x80, 0x00, 1, 0},
                 {0xe0, 0xc0, 2, 0x80},
                 {0xf0, 0xe0, 3, 0x800},
                 {0xf8, 0xf0, 4, 0x10000}};

    for (size_t form = 0; form < COUNT(forms); form++) {
        uint32_t code = text.at[0] & (uint8_t)~forms[form].mask;

        if ((text.at[0] & forms[form].mask) != forms[form].value || text.len < forms[form].len)
            continue;
        for (size_t i = 1; i < forms[form].len; i++) {
            if ((text.at[i] & 0xc0) != 0x80)
                return 0;
            code = code << 6 | (text.at[i] & 0x3f);
        }
        if (code < forms[form].first || code > 0x10ffff || (code >= 0xd800 && code < 0xe000))
            return 0;
        *ret_code = code;
        return forms[form].len;
    }
    return 0;
}

/* What HFS+ does not see in a name (git's utf8.c, next_hfs_char). */
static bool hfs_ignores(uint32_t code)
{
    return (code >= 0x200c && code <= 0x200f) || (code >= 0x202a && code <= 0x202e) ||
           (code >= 0x206a && code <= 0x206f) || code == 0xfeff;
}

static bool is_git(struct slice name)
{
    char plain[16];
    size_t len = 0;
    struct slice rest = name;

    while (rest.len > 0) {
        uint32_t code = 0;
        size_t used = character(rest, &code);

        if (used == 0)
            return false; /* reported as path-encoding */
        rest = slice_part(rest, used, rest.len);
        if (hfs_ignores(code))
            continue;
        if (code == ':') /* NTFS: a stream of the file before it */
            break;
        if (code >= 0x80 || len == sizeof(plain) - 1)
            return false;
        plain[len++] = (char)code;
    }
    while (len > 0 && (plain[len - 1] == ' ' || plain[len - 1] == '.')) /* NTFS drops them */
        len--;
    plain[len] = 0;
    for (size_t i = 0; i < COUNT(git_aliases); i++)
        if (strcasecmp(plain, git_aliases[i]) == 0)
            return true;
    return false;
}

static const char *bytes_problem(struct slice path)
{
    struct slice rest = path;

    while (rest.len > 0) {
        uint32_t code = 0;
        size_t used = character(rest, &code);

        if (used == 0)
            return "path-encoding";
        if (code < ' ' || code == 0x7f || code == '\\' || (code >= 0x80 && code < 0xa0))
            return "path-control";
        rest = slice_part(rest, used, rest.len);
    }
    return NULL;
}

const char *change_path_problem(struct slice path)
{
    struct slice rest = path, name;
    const char *problem;

    if (path.len == 0)
        return "path-empty";
    if (path.len >= GIT_PATH_BYTES_MAX)
        return "path-too-long";
    if (path.at[0] == '/')
        return "path-absolute";
    problem = bytes_problem(path);
    if (problem != NULL)
        return problem;
    while (slice_cut(&rest, '/', &name)) {
        if (name.len == 0 || slice_equal(name, SLICE(".")) || slice_equal(name, SLICE("..")))
            return "path-traversal";
        if (name.len > 255)
            return "path-too-long";
        if (is_git(name))
            return "path-git";
    }
    return NULL;
}

bool change_link_stays(struct slice path, struct slice target)
{
    struct slice rest = path, name;
    size_t depth = 0; /* folders between the root and the link */
    bool named = false;

    if (target.len == 0 || target.len >= GIT_PATH_BYTES_MAX || target.at[0] == '/' ||
        bytes_problem(target) != NULL)
        return false;
    for (size_t i = 0; i < path.len; i++)
        depth += path.at[i] == '/';
    rest = target;
    while (slice_cut(&rest, '/', &name)) {
        if (name.len == 0 || slice_equal(name, SLICE(".")))
            continue;
        if (is_git(name))
            return false;
        /* Behind a name, ".." may lead anywhere: the name may be a link itself. */
        if (!slice_equal(name, SLICE("..")))
            named = true;
        else if (named || depth-- == 0)
            return false;
    }
    return true;
}
