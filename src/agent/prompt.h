/*
 * agent/prompt.h - from a ticket's text to the prompt that an engine gets.
 *
 * The ticket is data from outside. Each of its lines is quoted with "| " between two marker
 * lines, so that no text in it can end the quotation; what a reader cannot see (control,
 * zero-width, direction, tag characters) is taken out and counted.
 */
#ifndef CUSTODY_AGENT_PROMPT_H
#define CUSTODY_AGENT_PROMPT_H

#include "base/bytes.h"
#include "base/fault.h"

#define PROMPT_TICKET_BYTES_MAX (48 * 1024)
#define PROMPT_BYTES_MAX (112 * 1024) /* one argument may have 128 KiB (MAX_ARG_STRLEN) */

/*
 *   role        "coder", "planner", ...: [a-z-]+
 *   ret_prompt  cleared and filled; its limit should be PROMPT_BYTES_MAX
 *   ret_hidden  how many invisible characters were taken out; may be NULL
 *
 * FAULT_INVALID: the ticket is empty or not UTF-8. FAULT_LIMIT: it is too long.
 */
MUST_USE bool prompt_build(struct slice ticket, const char *role, struct buf *ret_prompt,
                           size_t *ret_hidden, struct fault *fault);

#endif
