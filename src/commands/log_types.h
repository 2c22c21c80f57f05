/* commands/log_types.h - the table of records, for people, tools and docs/records.md. */
#ifndef CUSTODY_COMMANDS_LOG_TYPES_H
#define CUSTODY_COMMANDS_LOG_TYPES_H

#include <stdbool.h>
#include <stdio.h>

void log_types_text(FILE *out);
/* {types: [{type, text, required: [field], allowed: [field], is_ledgers_own}],
 *  fields: [{field, kind, text}]} */
void log_types_json(void);

#endif
