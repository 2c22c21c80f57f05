/*
 * roles/mcp/ask.h - what tools a server has now, for a person who decides about them.
 *
 * Two processes, as in a run: *fetch* holds the server's key, speaks HTTP and knows nothing of
 * JSON; *reader* reads what came, with no key, file or network. Who asks gets the reader's lines.
 */
#ifndef CUSTODY_ROLES_MCP_ASK_H
#define CUSTODY_ROLES_MCP_ASK_H

#include "gateway/gateway.h"
#include "gateway/mcp/manifest.h"

#define ASK_BYTES_MAX (16U * 1024 * 1024) /* of one answer, and of what is told */
#define ASK_TOOLS_MAX 4096

struct asked_tool {
    char *name, *description; /* any text; "" where there is none */
    char *whole;              /* canonical JSON */
    char digest[MCP_DIGEST_BYTES];
};

struct asked {
    struct asked_tool *tools; /* in the server's order */
    size_t count;
    size_t room;
};

MUST_USE bool mcp_ask(const struct gateway_server *server, struct asked *ret_asked,
                      struct fault *fault);
void mcp_asked_free(struct asked *asked);

/* ---- private to roles/mcp ---- */

/* reader -> fetch, with a body behind it; then fetch -> reader, likewise. */
struct ask_request {
    uint32_t len;
    char version[16]; /* of the protocol, once it is agreed; "" before */
};
struct ask_answer {
    uint32_t len;
    int32_t status; /* of HTTP; 0: there was no whole answer */
    bool is_stream;
    char why[128]; /* of status 0 */
};

struct ask_role {
    const struct gateway_server *server;
    int socket; /* between the two */
    int told;   /* the reader's: lines for who asks */
    int resolver;
};

int ask_fetch_role(void *self);  /* struct ask_role */
int ask_reader_role(void *self); /* the same */

/* Blocking, whole. False: the other side has gone. */
MUST_USE bool ask_send(int socket, const void *head, size_t head_len, struct slice body);
MUST_USE bool ask_take(int socket, void *head, size_t head_len);
MUST_USE bool ask_take_body(int socket, uint32_t len, struct buf *ret_body);

#endif
