/*
 * roles/core/stream.h - the agent's output on its way to a person (or, with a terminal, a
 * person's keys on their way to the agent).
 *
 * Who does not read holds up the agent, never us: signals and the time limit stay ours. On a
 * terminal the output is shown, not obeyed: colours pass, every other control is spelled out.
 */
#ifndef CUSTODY_ROLES_CORE_STREAM_H
#define CUSTODY_ROLES_CORE_STREAM_H

#include "base/bytes.h"
#include "os/loop.h"
#include "roles/core/output.h"

struct core_stream;

/*
 * Both descriptors stay the caller's.
 *   tame  `to` is a terminal that must not be steered
 *   kept  gets what comes from `from` as it is; borrowed; NULL: nobody does
 */
MUST_USE bool core_stream_new(struct loop *loop, int from, int to, bool tame,
                              struct core_output *kept, struct core_stream **ret_stream,
                              struct fault *fault);
/*
 * Every writer is dead: passes on what is left, for a few seconds at most, and frees. False:
 * some of it was not taken. NULL is fine.
 */
MUST_USE bool core_stream_end(struct core_stream *stream);
void core_stream_drop(struct core_stream *stream); /* frees at once; NULL is fine */

/*
 * What of `raw` a terminal gets: appended to `out`. Returns how many bytes were used; the rest
 * is the beginning of a character or of a colour (none is left with `last`).
 */
size_t core_stream_show(struct slice raw, bool last, struct buf *out);

#endif
