/* agent/loop_parts.h - what the files of custody-agent share. Private to agent/loop*.c. */
#ifndef CUSTODY_AGENT_LOOP_PARTS_H
#define CUSTODY_AGENT_LOOP_PARTS_H

#include "agent/http.h"
#include "agent/loop.h"

#define LOOP_CALLS_MAX 32
#define LOOP_REFUSAL_BYTES 300
#define LOOP_TEXT_BYTES_MAX (4UL * 1024 * 1024)

struct loop_call {
    struct buf id, name, arguments; /* arguments: JSON, as the model wrote it */
};

/* One answer of the model, put together from its pieces. */
struct loop_reply {
    struct buf text;
    struct loop_call calls[LOOP_CALLS_MAX];
    size_t call_count;
    bool cut; /* finish_reason "length": the provider's limit ended it */
    int64_t tokens_in, tokens_out;
    char refusal[LOOP_REFUSAL_BYTES]; /* the message of an error; "": there was none */
};

void loop_reply_begin(struct loop_reply *reply);
void loop_reply_free(struct loop_reply *reply);
/* One JSON object: a chunk of a stream ("delta") or a whole answer ("message"). */
MUST_USE bool loop_reply_take(struct loop_reply *reply, struct slice json,
                              struct fault *fault);
/* The message of an error's body ({"error":{"message"}}), or its beginning as it is. */
void loop_reply_refusal(struct loop_reply *reply, struct slice body);

/* The tools as the request offers them: a JSON array. */
const char *loop_tools_json(void);
/*
 * Does one call. Never fails: what went wrong is the answer for the model, and false.
 * ret_answer is cleared and filled; bytes that are not UTF-8 are the caller's to mend.
 */
bool loop_tool(const struct agent_loop *loop, const struct loop_call *call,
               struct buf *ret_answer);
/* Runs a command in the cell's shell; its output and how it ended are the answer. */
bool loop_shell(const struct agent_loop *loop, const char *command, struct buf *ret_answer,
                struct fault *fault);

#endif
