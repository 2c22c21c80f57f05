/* commands/scan_report.h - how findings are told: text for people, JSON, SARIF 2.1.0. The
 * values themselves are never shown. */
#ifndef CUSTODY_COMMANDS_SCAN_REPORT_H
#define CUSTODY_COMMANDS_SCAN_REPORT_H

#include <jansson.h>
#include <stdio.h>

#include "roles/scanning/suppressions.h"
#include "roles/scanning/tree.h"

enum scan_format {
    SCAN_TEXT,  /* a line a finding */
    SCAN_TABLE, /* a line a file */
    SCAN_JSON,
    SCAN_SARIF,
};

struct scan_report {
    enum scan_format format;
    FILE *out;                         /* of text */
    struct suppressions *suppressions; /* NULL: none count */
    json_t *findings, *unseen;         /* of JSON and SARIF; scan_report_free drops them */
    size_t open, suppressed, refused;  /* findings; of suppressions that do not count */
};

void scan_report_free(struct scan_report *report);
/* Tells of one file; a tree_sink's function. */
MUST_USE bool scan_report_file(void *self, const char *path,
                               const struct file_verdict *verdict, const char *unseen,
                               struct fault *fault);
/* The caller frees. */
json_t *scan_report_sarif(const struct scan_report *report);

#endif
