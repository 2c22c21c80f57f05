/*
 * gateway/dialect/said.h - what a request says that decides something, and how its body is
 * edited where a provider wants it otherwise: by splicing, all else stays byte for byte.
 */
#ifndef CUSTODY_GATEWAY_SAID_H
#define CUSTODY_GATEWAY_SAID_H

#include "gateway/dialect/operation.h"
#include "wire/json.h"

/* Members at the top of a body; all dialects' names, as none means two things. */
enum said_member {
    SAID_MODEL,
    SAID_STREAM,
    SAID_STREAM_OPTIONS,
    SAID_MAX_TOKENS,
    SAID_MAX_COMPLETION_TOKENS,
    SAID_MAX_OUTPUT_TOKENS,
    SAID_N,
    SAID_GENERATION_CONFIG,
    SAID_GENERATION_CONFIG_SNAKE,
    SAID_BACKGROUND,
    SAID_ANTHROPIC_VERSION,
    SAID_ANTHROPIC_BETA,
    SAID_MEMBER_COUNT,
};

struct said {
    bool set[SAID_MEMBER_COUNT];
    struct slice name[SAID_MEMBER_COUNT]; /* raw, between the quotes */
    struct json_value value[SAID_MEMBER_COUNT];
    bool stream;
    bool background; /* the answer is to be kept by the provider and fetched by id */
    int64_t output_tokens; /* the most that it lets the model write; 0: it does not say */
};

/* A json_visitor's `member`: notes one in a `struct said` that was all zero before the walk, as
 * `self`. Values borrow from the document. */
bool said_member(void *self, struct slice name, const struct json_value *value,
                 struct fault *fault);

/*
 * What the members of a body that was walked come to.
 *   in_path    the model that the path names, or empty
 *   ret_model  appended: the model that the request names, without "models/"
 * FAULT_INVALID: no object, no model, or path and body name two.
 */
MUST_USE bool said_read(enum operation operation, struct slice in_path, struct slice body,
                        struct said *said, struct buf *ret_model, struct fault *fault);

#define SAID_EDITS_MAX 132

/* What the provider of `model` wants otherwise. Texts of edits lie in `room`. */
struct said_edits {
    struct json_edit at[SAID_EDITS_MAX]; /* ascending, apart */
    size_t count;
    bool asks_usage; /* the usage chunk was added: the client has not asked for it */
    size_t model_at, model_len; /* of the model's name behind the edits; 0: none is left to change */
    struct buf room;
};

/*
 *   beta  the client's header anthropic-beta; may be empty
 * FAULT_INVALID: the request cannot be put as that provider wants it.
 */
MUST_USE bool said_adapt(const struct gateway_model *model, enum operation operation,
                         const struct said *said, struct slice body, struct slice beta,
                         struct said_edits *ret_edits, struct fault *fault);

#endif
