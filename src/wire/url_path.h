/*
 * wire/url_path.h - paths of requests against patterns of a policy, so that no server can read
 * another path out of the same bytes.
 *
 *   pattern  "/" and names; `*` in a name stands for any bytes of it, `**` as a whole name for
 *            any number of names, also none. "/a/" followed by "**" is what lies below /a/; /a
 *            itself is not.
 *
 * A path is held against the patterns twice: as it is, with an escaped slash as a byte of its
 * name, and with the escaped slash as a slash. Both must match, since servers differ.
 */
#ifndef CUSTODY_WIRE_URL_PATH_H
#define CUSTODY_WIRE_URL_PATH_H

#include "base/bytes.h"
#include "base/fault.h"

#define URL_PATH_BYTES_MAX 8192
#define URL_PATH_PATTERN_BYTES_MAX 1024

struct url_path {
    struct buf closed; /* %2F is a byte of its name */
    struct buf open;   /* %2F is a slash */
};

/*
 * Takes a request's path ("/a/b", without query) apart. FAULT_INVALID: a name "." or "..",
 * escaped or not, also before a ";"; a backslash; a control character; an escape that is none,
 * or one that a second decoding would make a dot, a slash or a NUL. Free with url_path_free,
 * also on failure.
 */
MUST_USE bool url_path_read(struct slice path, struct url_path *ret_path, struct fault *fault);
void url_path_free(struct url_path *path);

/* FAULT_INVALID: not absolute, an empty name but the last, "." or "..", `**` beside other
 * bytes, escapes, too long. */
MUST_USE bool url_path_pattern_check(struct slice pattern, struct fault *fault);
/* Do both readings match one pattern each? Patterns have passed the check. */
bool url_path_matches(const struct url_path *path, const char *const *patterns, size_t count);

#endif
