/* Paths against patterns: what matches "/a/" and below lies there in every reading. */
#include "wire/url_path.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool holds(struct slice text, const char *part)
{
    return slice_find(text, slice_of(part), 0) != SIZE_MAX;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const below[] = {"/a/**"};
    struct slice text = slice_of_bytes(data, size), first = {0}, rest = text;
    struct url_path path;
    struct fault fault = {0};

    /* a pattern, a line feed, a path */
    if (slice_cut(&rest, '\n', &first) && rest.at != NULL &&
        url_path_pattern_check(first, &fault)) {
        char *pattern = slice_dup(first);
        const char *const patterns[] = {pattern};

        if (url_path_read(rest, &path, &fault))
            (void)url_path_matches(&path, patterns, 1);
        url_path_free(&path);
        free(pattern);
    }
    if (url_path_read(text, &path, &fault)) {
        struct slice open = buf_slice(&path.open), closed = buf_slice(&path.closed);

        if (open.len != closed.len || holds(open, "/../") || holds(open, "/./") ||
            slice_ends_with(open, SLICE("/..")) || holds(open, "\\"))
            abort();
        if (url_path_matches(&path, below, 1) && (!slice_starts_with(open, SLICE("/a/")) ||
                                                  !slice_starts_with(closed, SLICE("/a/"))))
            abort();
    }
    url_path_free(&path);
    return 0;
}
