/*
 * wire/terminal_text.h - what an agent has printed as who reads it sees it: a value that colours
 * cut in pieces, or that was printed twice in each place to be bold, is whole in it. Each byte's
 * place in the output is known, so that what is found in the text can be taken out of the output.
 *
 * Sequences are as wire/terminal.h knows them. One that moves the cursor stands as a blank or as a
 * line end, since what it parts may stand apart; what cursors put together on a screen stays apart.
 */
#ifndef CUSTODY_WIRE_TERMINAL_TEXT_H
#define CUSTODY_WIRE_TERMINAL_TEXT_H

#include "base/bytes.h"
#include "base/fault.h"

#define TERMINAL_TEXT_RUNS_MAX (UINT32_C(1) << 24) /* pieces without a gap; 8 bytes each */

struct terminal_text;

/* `raw`: up to UINT32_MAX bytes. FAULT_LIMIT: it is in more pieces than we keep. */
MUST_USE bool terminal_text_new(struct slice raw, struct terminal_text **ret_text,
                                struct fault *fault);
void terminal_text_free(struct terminal_text *text); /* NULL is fine */
/* Borrowed. No longer than raw. */
struct slice terminal_text_bytes(const struct terminal_text *text);
/*
 * Where the bytes from `start` to before `end` of the text (one at least) stood in raw: from the
 * first of them to after the last, what stood in between included.
 */
void terminal_text_place(const struct terminal_text *text, size_t start, size_t end,
                         size_t *ret_start, size_t *ret_end);

#endif
