/*
 * gateway/mcp/answer.h - what a tool server sends, on its way to the agent. Every message is
 * read whole and looked at before a byte of it goes on; what the agent gets of an initialize
 * and of a list of tools is written anew, the rest is the server's own words. No I/O inside.
 */
#ifndef CUSTODY_GATEWAY_MCP_ANSWER_H
#define CUSTODY_GATEWAY_MCP_ANSWER_H

#include "gateway/mcp/call.h"

enum mcp_start {
    MCP_START_REFUSED, /* mcp_answer_refusal says why */
    MCP_START_STREAM,  /* events, as they come */
    MCP_START_WHOLE,   /* one message, at the end */
    MCP_START_EMPTY,   /* a status alone, at the end */
};

struct mcp_answer;

/*
 * Borrows all.
 *   cut  classes that no answer may hold
 */
struct mcp_answer *mcp_answer_new(const struct mcp_call *call, struct mcp_memory *memory,
                                  const struct door_scan *scan, unsigned cut);
void mcp_answer_free(struct mcp_answer *answer); /* NULL is fine */

/* The head; once. ret_status: the client's. */
enum mcp_start mcp_answer_head(struct mcp_answer *answer, const struct call_head *head,
                               int *ret_status);
/* Takes bytes, appends what can go on. False: the rest is refused; what was appended is good. */
MUST_USE bool mcp_answer_feed(struct mcp_answer *answer, struct slice bytes, struct buf *out);
MUST_USE bool mcp_answer_end(struct mcp_answer *answer, struct buf *out);
/* Appends an error that ends a stream, as an event. */
MUST_USE bool mcp_answer_event(struct slice message, struct buf *out, struct fault *fault);

const struct mcp_refusal *mcp_answer_refusal(const struct mcp_answer *answer);
/* What was found so far; has the agent what it asked for?; the first rule of a class. */
unsigned mcp_answer_classes(const struct mcp_answer *answer);
bool mcp_answer_done(const struct mcp_answer *answer);
const char *mcp_answer_rule(const struct mcp_answer *answer, enum data_class class);
/* Bytes that it gathers. */
size_t mcp_answer_held(const struct mcp_answer *answer);

#endif
