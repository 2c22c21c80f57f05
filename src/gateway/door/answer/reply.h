/*
 * gateway/door/answer/reply.h - a provider's answer on its way to the agent: looked at, and
 * with this run's stand-ins made what they stand for, where that may be.
 *
 * Lanes are told apart by the provider's own indices (docs/door.md). Events keep their order
 * and their number; an event waits while a text in it, or in one before it, is not decided.
 * What is not changed goes on byte for byte.
 */
#ifndef CUSTODY_GATEWAY_REPLY_H
#define CUSTODY_GATEWAY_REPLY_H

#include "gateway/door/answer/lane.h"

#define REPLY_BYTES_MAX (16U * 1024 * 1024) /* of an answer that is no stream; of an event */
#define REPLY_WAITING_BYTES_MAX (1024U * 1024) /* of events that wait; then none waits any more */
#define REPLY_LANES_MAX 1024

enum reply_kind {
    REPLY_STREAM, /* server-sent events */
    REPLY_JSON,   /* one document */
    REPLY_OTHER,  /* passed on as it is, and looked at */
};
enum reply_kind reply_kind_of(struct slice content_type, bool is_stream);

struct reply;

/*
 * `set` is held by the reply from now on; `scan` is borrowed.
 *   cut  classes that end the answer, FAULT_DENIED, before what holds the end of the value goes on
 */
struct reply *reply_new(enum reply_kind kind, const struct door_scan *scan,
                        struct stand_in_set *set, unsigned cut);
void reply_free(struct reply *reply); /* NULL is fine */

/* Takes bytes; appends what can go on (of REPLY_JSON nothing before the end). FAULT_LIMIT: too
 * long, or too many texts at once; what was appended stays good. */
MUST_USE bool reply_feed(struct reply *reply, struct slice bytes, struct buf *out,
                         struct fault *fault);
MUST_USE bool reply_end(struct reply *reply, struct buf *out, struct fault *fault);

/* What was found in what the provider wrote: classes, and the rule of each; and how many values
 * were put back. */
struct reply_found {
    unsigned classes;
    const char *rules[CLASS_COUNT];
    uint64_t restored;
};
const struct reply_found *reply_found(const struct reply *reply);

/* Bytes that it holds back, or gathers. */
size_t reply_held(const struct reply *reply);

/* The last sequence_number of a Responses stream, or -1. */
int64_t reply_sequence(const struct reply *reply);

#endif
