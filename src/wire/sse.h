/*
 * wire/sse.h - server-sent events (WHATWG HTML, section 9.2.6), cut at any byte.
 *
 * LF, CRLF and CR end lines; a leading byte order mark is skipped; several data lines are
 * joined by LF. The raw bytes of each event are kept, so that what is not changed is forwarded
 * as it came.
 */
#ifndef CUSTODY_WIRE_SSE_H
#define CUSTODY_WIRE_SSE_H

#include "base/bytes.h"
#include "base/fault.h"

struct sse; /* a stream being read */

/* event_limit: raw bytes of one event. */
struct sse *sse_new(size_t event_limit);
void sse_free(struct sse *sse); /* NULL is fine */

/*
 * Takes bytes up to the end of the next event.
 *   ret_used   how many were taken
 *   ret_event  true: an event is complete (also one without data: comments and blank lines);
 *              the accessors below hold until the next call, and as long as `bytes`
 * FAULT_LIMIT: the event is longer than the limit.
 */
MUST_USE bool sse_feed(struct sse *sse, struct slice bytes, size_t *ret_used, bool *ret_event,
                       struct fault *fault);
struct slice sse_raw(const struct sse *sse);  /* the event's bytes, blank line included */
struct slice sse_name(const struct sse *sse); /* "event:" field; empty where there is none */
struct slice sse_data(const struct sse *sse); /* empty: nothing to dispatch */
/* Bytes of an event that has begun and not ended. */
struct slice sse_pending(const struct sse *sse);

#endif
