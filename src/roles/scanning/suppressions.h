/*
 * roles/scanning/suppressions.h - findings that somebody answers for: in the line of the
 * finding or the one before,
 *
 *     custody:allow RULE owner=maria until=2027-01-31 reason="published test card"
 *
 * and for whole files in custody-suppressions.yaml of the current folder. RULE is a
 * rule's id, or a class. Without reason, owner and a date that is still to come, none counts.
 *
 * They change what a scan counts, never what an agent or a model may see: whoever writes a
 * file could else write what lets it be read.
 */
#ifndef CUSTODY_ROLES_SCANNING_SUPPRESSIONS_H
#define CUSTODY_ROLES_SCANNING_SUPPRESSIONS_H

#include "base/bytes.h"
#include "base/fault.h"
#include "roles/scanning/verdicts.h"

#define SUPPRESSIONS_FILE "custody-suppressions.yaml"
#define SUPPRESSIONS_BYTES_MAX (1UL << 20)
#define SUPPRESSION_TEXT_MAX 200

struct suppression {
    char *path; /* glob; NULL: inline */
    char rule[64], owner[64], reason[SUPPRESSION_TEXT_MAX + 1];
    int64_t until_s; /* since 1970: the end of that day, UTC */
    size_t used;     /* findings that it was for */
};

enum suppression_state {
    SUPPRESSION_NONE,
    SUPPRESSION_HOLDS,
    SUPPRESSION_INCOMPLETE, /* reason, owner or date is missing, or no such */
    SUPPRESSION_EXPIRED,
};

struct suppressions {
    struct suppression *at;
    size_t count, room;
    int64_t now_s;
};

void suppressions_free(struct suppressions *suppressions);
/* Reads custody-suppressions.yaml. FAULT_INVALID: "custody-suppressions.yaml:3:5: why". */
MUST_USE bool suppressions_parse(struct slice yaml, struct suppressions *into,
                                 struct fault *fault);

/* Is there a line in it that may be one? */
bool suppression_is_in(struct slice content);

/* Is there one in this line for a finding of this rule? */
enum suppression_state suppression_in_line(struct slice line, const char *rule,
                                           const char *class, int64_t now_s,
                                           struct suppression *ret_suppression);

/*
 * For each finding of a file: which suppression is for it (a row of `suppressions`; inline ones
 * are added), or SIZE_MAX. `content` may be empty: inline ones are not looked for then.
 *   ret_refused  how many are there, but incomplete or expired
 */
void suppressions_match(struct suppressions *suppressions, struct slice path,
                        struct slice content, const struct file_verdict *verdict,
                        size_t *ret_rows, size_t *ret_refused);

#endif
