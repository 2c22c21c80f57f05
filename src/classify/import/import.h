/*
 * classify/import/import.h - rule files of another form (gitleaks: TOML) as rules of ours.
 *
 * No rule is taken over in silence: what it lost is said, and so is which one was left out. A rule
 * that is wrong (its pattern does not compile, no example of it can be made) makes the whole
 * import wrong.
 */
#ifndef CUSTODY_CLASSIFY_IMPORT_IMPORT_H
#define CUSTODY_CLASSIFY_IMPORT_IMPORT_H

#include "classify/rules.h"

enum import_kind {
    IMPORT_CHANGED,  /* taken over, but for this */
    IMPORT_LEFT_OUT, /* not taken over: there is nothing like it here */
    IMPORT_WRONG,
};

struct import_note {
    enum import_kind kind;
    char *rule; /* as that file names it; "" where it is said of the file */
    int line;
    char *why;
};

struct import {
    struct buf yaml;
    struct import_note *notes;
    size_t note_count, note_room;
    size_t taken, left_out, wrong;
};

/*
 * Reads the file. `ret_import` is set where it is TOML with rules, even if some are wrong; then
 * `yaml` lacks them. FAULT_INVALID, FAULT_LIMIT: it is not, or too large. Whether the rules are found
 * by their examples is for rules_image_make to say.
 */
MUST_USE bool rules_import(struct slice toml, const char *where, struct import *ret_import,
                           struct fault *fault);
void import_free(struct import *import);

#endif
