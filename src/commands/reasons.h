/*
 * commands/reasons.h - what the words of `reasons` mean to a person, and what to do about
 * them.
 */
#ifndef CUSTODY_COMMANDS_REASONS_H
#define CUSTODY_COMMANDS_REASONS_H

/* What went wrong and what to do, one line without a full stop; NULL for a word that is not in
 * the table. */
const char *reason_text(const char *reason);

#endif
