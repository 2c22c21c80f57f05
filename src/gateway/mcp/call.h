/*
 * gateway/mcp/call.h - what the door does with a request at /mcp/NAME, a tool server's address
 * in the cell. No I/O inside. Private to the door half.
 */
#ifndef CUSTODY_GATEWAY_MCP_CALL_H
#define CUSTODY_GATEWAY_MCP_CALL_H

#include "gateway/mcp/packet.h"
#include "wire/http1.h"
#include "wire/record.h"

/* Part of a plan (door/plan.h). */
struct mcp_call {
    bool is_mcp;
    size_t server; /* in the memory; meaningless where `name` is NULL */
    const char *name;
    enum mcp_method method;
    struct buf id;    /* of a request, as the client wrote it */
    bool first;       /* tools/list without a cursor */
    const char *tool; /* of the policy; of tools/call, or what a refusal is about */
    char digest[MCP_DIGEST_BYTES];
    struct call_mcp open;
};

struct door_config;
struct plan;

bool mcp_is_path(struct slice path);
/* Decides by the head alone: plan->kind is PLAN_READ_ON or PLAN_REFUSE. */
void mcp_plan_head(const struct http1_request *request, struct plan *ret_plan);
/* Decides a complete request, and takes its body. plan_clear in any case. */
void mcp_plan_request(const struct door_config *config, const struct mcp_memory *memory,
                      struct http1_request *request, struct plan *ret_plan);
/*
 * Appends an error as a client of this protocol expects it.
 *   status  HTTP; becomes 200 where the error answers a request by its id
 */
MUST_USE bool mcp_call_error(const struct mcp_call *call, int *status, const char *code,
                             const char *message, struct buf *ret_body, struct fault *fault);
/* Adds whom and what the refusal is about. */
void mcp_call_record(const struct mcp_call *call, struct record *record);
void mcp_call_clear(struct mcp_call *call);

#endif
