/*
 * gateway/dialect/frames.h - what Amazon Bedrock answers, as the Messages dialect says it: its
 * event stream as server-sent events, its errors as that dialect's. Bytes in, bytes out.
 */
#ifndef CUSTODY_GATEWAY_FRAMES_H
#define CUSTODY_GATEWAY_FRAMES_H

#include "base/bytes.h"
#include "base/fault.h"

#define FRAMES_CONTENT_TYPE "application/vnd.amazon.eventstream"

struct frames; /* a stream being read */

/* limit: bytes of one message. */
struct frames *frames_new(size_t limit);
void frames_free(struct frames *frames); /* NULL is fine */
/*
 * Appends an event for each message that is whole now. FAULT_INVALID, FAULT_LIMIT: broken; what
 * came before is in `ret_events`.
 */
MUST_USE bool frames_feed(struct frames *frames, struct slice bytes, struct buf *ret_events,
                          struct fault *fault);
/* Appends an error body of the Messages dialect for an answer of that status. */
MUST_USE bool frames_error(int status, struct slice body, struct buf *out, struct fault *fault);

#endif
