/* gateway/dialect/operation.h - what a client may ask for, and at which path: one table. */
#ifndef CUSTODY_GATEWAY_OPERATION_H
#define CUSTODY_GATEWAY_OPERATION_H

#include "gateway/gateway.h"

enum operation {
    OPERATION_CHAT,           /* POST /v1/chat/completions */
    OPERATION_COMPLETION,     /* POST /v1/completions, the old form */
    OPERATION_EMBEDDING,      /* POST /v1/embeddings */
    OPERATION_RESPONSE,       /* POST /v1/responses */
    OPERATION_RESPONSE_COUNT, /* POST /v1/responses/input_tokens */
    OPERATION_RESPONSE_SHRINK, /* POST /v1/responses/compact */
    OPERATION_MESSAGE,         /* POST /v1/messages */
    OPERATION_MESSAGE_COUNT,   /* POST /v1/messages/count_tokens */
    OPERATION_GENERATE,        /* POST /v1beta/models/MODEL:generateContent */
    OPERATION_GENERATE_STREAM, /* POST /v1beta/models/MODEL:streamGenerateContent?alt=sse */
    OPERATION_GENERATE_COUNT,  /* POST /v1beta/models/MODEL:countTokens */
    OPERATION_EMBED,           /* POST /v1beta/models/MODEL:embedContent */
    OPERATION_EMBED_MANY,      /* POST /v1beta/models/MODEL:batchEmbedContents */
    OPERATION_COUNT,
};

struct operation_rule {
    enum dialect dialect; /* the client's: of its answers and errors */
    unsigned served_by;   /* DIALECT_BIT of the entries that may serve it */
    const char *path;     /* behind the version; of Gemini the verb behind the model */
    bool streams;         /* "stream": true makes it a stream */
    bool always_streams;
    bool asks_usage; /* a stream says its usage only where `stream_options` asks for it */
    bool free;       /* counts tokens and generates none: nothing is paid */
};

const struct operation_rule *operation_rule(enum operation operation);

enum route_kind {
    ROUTE_UNKNOWN,
    ROUTE_CALL,   /* POST: a model call */
    ROUTE_MODELS, /* GET: the names that policy allows */
    ROUTE_MODEL,  /* GET: one of them */
    ROUTE_KEPT,   /* what a provider keeps by id: refused */
};

struct route {
    enum route_kind kind;
    enum dialect dialect; /* of the answer, errors included */
    enum operation operation;
    struct slice model; /* that the path names, borrowed; empty: none */
};

/*
 * Where a path leads. Clients put their own "/v1" before or behind the one of the base URL, so
 * it may be missing or doubled.
 */
struct route operation_route(struct slice path);

#endif
