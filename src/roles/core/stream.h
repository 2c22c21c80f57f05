/*
 * roles/core/stream.h - the agent's output on its way to a person (or, with a terminal, a
 * person's keys on their way to the agent).
 *
 * Who does not read holds up the agent, never us: signals and the time limit stay ours. What
 * goes to a terminal passes the filter of wire/terminal.h.
 */
#ifndef CUSTODY_ROLES_CORE_STREAM_H
#define CUSTODY_ROLES_CORE_STREAM_H

#include "base/bytes.h"
#include "os/loop.h"
#include "roles/core/output.h"
#include "wire/terminal.h"

struct core_stream;

enum core_stream_way {
    CORE_STREAM_BYTES,  /* to a file, a pipe, the agent: as they come */
    CORE_STREAM_LINES,  /* to a terminal that stays the person's */
    CORE_STREAM_SCREEN, /* to a terminal that the agent was given */
};

/*
 * Both descriptors stay the caller's.
 *   kept  gets what comes from `from` as it is; borrowed; NULL: nobody does
 */
MUST_USE bool core_stream_new(struct loop *loop, int from, int to, enum core_stream_way way,
                              struct core_output *kept, struct core_stream **ret_stream,
                              struct fault *fault);
#define CORE_UNDO_BYTES 512

/* What the filters tell; zeroed at first. */
struct core_stream_told {
    struct terminal_dropped dropped;
    bool has_asked; /* the terminal has something to answer */
    /* What switches off what the agent had switched on, where the terminal did not take it. */
    char undo[CORE_UNDO_BYTES];
};

/*
 * Every writer is dead: passes on what is left, for a few seconds at most, and frees. False:
 * some of it was not taken. NULL is fine. What the filter tells is added to `told`.
 */
MUST_USE bool core_stream_end(struct core_stream *stream, struct core_stream_told *told);
void core_stream_drop(struct core_stream *stream); /* frees at once; NULL is fine */

#endif
