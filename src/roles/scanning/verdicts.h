/*
 * roles/scanning/verdicts.h - what was found in files before, so that a tree is looked into
 * once: by the state of a file (device, inode, size, times), and by its content (git blob id
 * and the end of its path) where the state is another one.
 *
 * One file of custody's own for a folder and a set of rules. What is damaged, of other rules or
 * of another version counts as empty. A file that changed within the last second is not known
 * by its state: it could change again without a new time.
 */
#ifndef CUSTODY_ROLES_SCANNING_VERDICTS_H
#define CUSTODY_ROLES_SCANNING_VERDICTS_H

#include <sys/stat.h>

#include "classify/classify.h"

#define VERDICT_OID_BYTES 20
#define VERDICTS_BYTES_MAX (1UL << 30)

struct verdicts;

/* A finding, and the line that it begins in (from 1), or the page of a PDF file that it is on. */
struct placed_finding {
    uint32_t start, end, line;
    uint16_t rule;
    uint8_t class, confidence, form, reserved;
    uint16_t page; /* 0: there are none, or it is on none */
};

struct file_verdict {
    bool has_mark; /* a line of it may answer for a finding (suppressions.h) */
    unsigned class_mask;
    const struct placed_finding *findings; /* sorted; valid until the next verdicts_add */
    size_t count;
};

/* `file`: what was kept, or empty. `now_ns`: since 1970, for the second. */
struct verdicts *verdicts_new(struct slice file, int64_t now_ns);
void verdicts_free(struct verdicts *verdicts); /* NULL is fine */

/* Was anything kept? Else no file is known by its state. */
bool verdicts_has_kept(const struct verdicts *verdicts);

/* `path` as it is told to the classifier. */
bool verdicts_by_state(struct verdicts *verdicts, const struct stat *stat, struct slice path,
                       struct file_verdict *ret_verdict);
/* As above for a file that was read; its state is known from then on. */
bool verdicts_by_content(struct verdicts *verdicts, const struct stat *stat, struct slice path,
                         const uint8_t oid[VERDICT_OID_BYTES],
                         struct file_verdict *ret_verdict);
void verdicts_add(struct verdicts *verdicts, const struct stat *stat, struct slice path,
                  const uint8_t oid[VERDICT_OID_BYTES], const struct file_verdict *verdict);

/* Is there more, or less, in it than in the file that it came from? */
bool verdicts_changed(const struct verdicts *verdicts);
/* What was asked for or added, as a file. */
MUST_USE bool verdicts_encode(const struct verdicts *verdicts, struct buf *ret_file,
                              struct fault *fault);

#endif
