/*
 * agent/http.h - one model call of custody-agent: POST over plain HTTP to loopback, the answer
 * piece by piece. Private to agent/loop.
 */
#ifndef CUSTODY_AGENT_HTTP_H
#define CUSTODY_AGENT_HTTP_H

#include "base/bytes.h"
#include "base/clock.h"
#include "base/fault.h"

#define HTTP_HEAD_BYTES_MAX (16 * 1024)
#define HTTP_BODY_BYTES_MAX (16 * 1024 * 1024)

/*
 * Reads a response (RFC 9112): 1xx skipped; Content-Length, chunked or the end of the
 * connection end the body; both lengths at once are refused.
 */
struct http_answer {
    int status;    /* 0: the head is not whole yet */
    bool streamed; /* content-type: text/event-stream */
    bool done;
    struct buf body; /* decoded so far; the reader may drop from its front */
    /* private */
    struct buf raw;
    uint64_t left;  /* of the body, or of the chunk */
    uint64_t taken; /* of bodies */
    size_t heads;   /* bytes of heads and trailers so far */
    enum http_body { HTTP_BODY_LENGTH, HTTP_BODY_CHUNKED, HTTP_BODY_TO_END } kind;
    enum http_chunk {
        HTTP_CHUNK_SIZE,
        HTTP_CHUNK_DATA,
        HTTP_CHUNK_END,
        HTTP_CHUNK_TRAILER
    } chunk;
};

void http_answer_begin(struct http_answer *answer);
void http_answer_free(struct http_answer *answer);
/* Bytes may be cut anywhere. FAULT_INVALID, FAULT_LIMIT. */
MUST_USE bool http_answer_feed(struct http_answer *answer, struct slice bytes,
                               struct fault *fault);
/* The connection has ended. FAULT_IO: in the middle of an answer. */
MUST_USE bool http_answer_end(struct http_answer *answer, struct fault *fault);

struct http_call {
    const char *base_url; /* "http://127.0.0.1:8080/v1"; loopback only */
    const char *path;     /* behind it: "/chat/completions" */
    const char *key;      /* or NULL */
    struct slice body;    /* JSON */
    int timeout_ms;       /* for the whole call */
    const struct clock *clock;
    /* Called whenever there is more in answer->body, and at its end; takes what it can. */
    bool (*more)(void *self, struct http_answer *answer, struct fault *fault);
    void *self;
};

/* FAULT_LIMIT: too late or too long. FAULT_IO: no connection. Any status is a success. */
MUST_USE bool http_post(const struct http_call *call, struct fault *fault);

#endif
