/*
 * wire/terminal.h - what an agent prints, on its way to a person's terminal: what shows
 * something passes, what acts on more than the screen does not (ECMA-48, xterm's ctlseqs).
 *
 * What passes is a table (terminal_table.c); commands (OSC) and device strings (DCS) that are
 * not in it are dropped and counted. A sequence is given out whole or not at all, so nothing
 * that is written between two pieces can become part of one. The same bytes give the same
 * output however they are cut; output that is filtered again stays as it is.
 */
#ifndef CUSTODY_WIRE_TERMINAL_H
#define CUSTODY_WIRE_TERMINAL_H

#include "base/bytes.h"
#include "base/fault.h"

enum terminal_use {
    TERMINAL_LINES,  /* text with colours and links; what custody said before stays readable */
    TERMINAL_SCREEN, /* the whole screen is the agent's: cursor, modes, title, key formats */
};

enum terminal_drop {
    TERMINAL_DROP_CLIPBOARD, /* OSC 52 */
    TERMINAL_DROP_COMMAND, /* any other OSC: colours, notifications, files, links elsewhere */
    TERMINAL_DROP_DEVICE,  /* DCS */
    TERMINAL_DROP_PROGRAM, /* APC, PM, SOS: pictures, messages to a multiplexer */
    TERMINAL_DROP_WINDOW,  /* CSI t */
    TERMINAL_DROP_REPORT,  /* what a terminal would type an answer to */
    TERMINAL_DROP_MODE,
    TERMINAL_DROP_SEQUENCE, /* any other, and what is malformed or too long */
    TERMINAL_DROP_CONTROL,  /* C0 and C1 */
    TERMINAL_DROP_HIDDEN,   /* characters that steer and do not show */
    TERMINAL_DROP_COUNT,
};

struct terminal_dropped {
    uint64_t count[TERMINAL_DROP_COUNT];
};

/* A sequence is held back until it is whole: at most so much. What is longer is dropped. */
#define TERMINAL_HELD_MAX 2048
/* Bytes that `len` may become, with what was held; the same bounds terminal_end, with 0. */
#define TERMINAL_SHOWN_MAX(len) (4 * ((size_t)(len) + TERMINAL_HELD_MAX))

struct terminal;

struct terminal *terminal_new(enum terminal_use use);
void terminal_free(struct terminal *terminal); /* NULL is fine */

/*
 * Appends what of `raw` a terminal gets to `out`.
 * FAULT_LIMIT: `out` had less room than TERMINAL_SHOWN_MAX(raw.len); use neither any more.
 */
MUST_USE bool terminal_show(struct terminal *terminal, struct slice raw, struct buf *out,
                            struct fault *fault);
/*
 * Nothing more comes: what is incomplete is dropped, and what was switched on (the other
 * screen, mouse, colours, key formats) is switched off. Faults as above.
 */
MUST_USE bool terminal_end(struct terminal *terminal, struct buf *out, struct fault *fault);

/* What terminal_end would switch off now; `out` has room for TERMINAL_SHOWN_MAX(0). */
MUST_USE bool terminal_undo(const struct terminal *terminal, struct buf *out,
                            struct fault *fault);

/* So far; borrowed. */
const struct terminal_dropped *terminal_dropped(const struct terminal *terminal);
/* Did a question pass? Then an answer may be under way. */
bool terminal_has_asked(const struct terminal *terminal);
void terminal_dropped_add(struct terminal_dropped *sum, const struct terminal_dropped *more);
/* The word for --json and for people. */
const char *terminal_drop_name(enum terminal_drop drop);

#endif
