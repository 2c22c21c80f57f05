/* commands/payload_redact.h - what an agent printed, without the values that nobody should see. */
#ifndef CUSTODY_COMMANDS_PAYLOAD_REDACT_H
#define CUSTODY_COMMANDS_PAYLOAD_REDACT_H

#include "roles/scan.h"

/*
 * Sensitive values stand as their class in brackets, whether the bytes have them in one piece or only what a
 * terminal shows of them does (wire/terminal_text.h); sequences within a value go with it.
 * FAULT_LIMIT: too much to be looked through; `ret_text` is then of no use.
 */
MUST_USE bool payload_redact(struct scan_pool *pool, struct slice printed,
                             struct buf *ret_text, struct fault *fault);

#endif
