/*
 * roles/scanning/tree.h - what in files and folders is sensitive. Contents are looked into by
 * sealed workers (roles/scan.h), started when the first file is met that is not known yet.
 *
 * Links are not followed, `.git` is left out. A file that cannot be read, is too large or lies
 * below TREE_DEPTH_MAX folders is told as not examined, with the reason; it does not end the
 * scan.
 */
#ifndef CUSTODY_ROLES_SCANNING_TREE_H
#define CUSTODY_ROLES_SCANNING_TREE_H

#include "roles/scanning/verdicts.h"

#define TREE_DEPTH_MAX 128

struct tree_sink {
    /* Once a file, in order of path: `unseen` is why it was not (wholly) examined, or NULL. */
    bool (*file)(void *self, const char *path, const struct file_verdict *verdict,
                 const char *unseen, struct fault *fault);
    /* Now and then, for people; may be NULL. */
    void (*progress)(void *self, size_t files);
    void *self;
};

struct tree_counts {
    size_t files, findings, unseen;
    size_t known; /* files that were not looked into: their verdict was known */
};

/*
 *   paths     as the caller names them: files or folders; with `below`, paths told are
 *             relative to the folder named
 *   verdicts  asked and added to; NULL: none
 */
MUST_USE bool tree_scan(const char *const *paths, size_t count, bool below,
                        struct verdicts *verdicts, const struct tree_sink *sink,
                        struct tree_counts *ret_counts, struct fault *fault);

#endif
