/* commands/log_print.h - a record as a line. */
#ifndef CUSTODY_COMMANDS_LOG_PRINT_H
#define CUSTODY_COMMANDS_LOG_PRINT_H

#include <stdio.h>

#include "roles/records/history.h"

/* Index, time, type, who, and what the record says, in words. */
MUST_USE bool log_print_text(const struct history_record *record, FILE *out,
                             struct fault *fault);
/* The record as it is in the ledger, but for what only a verifier needs; index, shard and time
 * in front. */
MUST_USE bool log_print_json(const struct history_record *record, FILE *out,
                             struct fault *fault);

#endif
