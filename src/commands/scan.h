/* commands/scan.h - what `scan` finds below a folder, for `init`. Values are never shown. */
#ifndef CUSTODY_COMMANDS_SCAN_H
#define CUSTODY_COMMANDS_SCAN_H

#include <jansson.h>
#include <stdio.h>

#include "base/fault.h"

/* Appends {path, line, start, end, class, rule, confidence} for each finding, paths below
 * `folder`. */
MUST_USE bool scan_tree_json(const char *folder, json_t *findings, struct fault *fault);
/* A line a file: path, classes, counts; "nothing" where there is nothing. */
MUST_USE bool scan_tree_text(const char *folder, FILE *out, struct fault *fault);

#endif
