/* gateway/dialect/usage.h - tokens of a call, read from what the provider says (streamed or not). */
#ifndef CUSTODY_GATEWAY_USAGE_H
#define CUSTODY_GATEWAY_USAGE_H

#include "gateway/gateway.h"

#define USAGE_SERVED_BYTES 128

struct usage {
    int64_t input; /* what the dialect calls so: Anthropic's leaves cached ones out */
    int64_t output; /* the same: Gemini's leaves thoughts out */
    int64_t cached, cache_written, reasoning;
    int64_t of_tools; /* Gemini: what tools of the provider's put into the prompt */
    bool seen;        /* the provider gave figures */
    bool finished;    /* the stream's own end was seen */
    bool failed;      /* the provider said in the stream that it ends with an error */
    int64_t sequence; /* of the last Responses event; -1: none */
    char served[USAGE_SERVED_BYTES]; /* the model that says to have answered; may be empty */
};

struct usage usage_none(void);
/* All input tokens, cached ones included. */
int64_t usage_input(enum dialect dialect, const struct usage *usage);
/* All output tokens, those of reasoning included. */
int64_t usage_output(enum dialect dialect, const struct usage *usage);

/* From a whole answer; one without figures leaves `usage` as it is. */
void usage_take_body(enum dialect dialect, struct slice body, struct usage *usage);
/* From one event. Returns whether it is the extra usage chunk of Chat Completions. */
bool usage_take_event(enum dialect dialect, struct slice name, struct slice data,
                      struct usage *usage);

#endif
