/* agent/script_parts.h - private to agent/script*.c: a script's turns, a request, its answer.
 */
#ifndef CUSTODY_AGENT_SCRIPT_PARTS_H
#define CUSTODY_AGENT_SCRIPT_PARTS_H

#include <jansson.h>

#include "agent/script.h"

#define SCRIPT_CALLS_MAX 32
#define SCRIPT_ANSWER_BYTES_MAX (16 * 1024 * 1024)
#define SCRIPT_PIECE_BYTES 24     /* what one streamed event holds */
#define SCRIPT_CREATED 1700000000 /* time of every answer: a script has no clock */

enum script_action {
    SCRIPT_SHELL,
    SCRIPT_READ,
    SCRIPT_WRITE,
    SCRIPT_EDIT,
    SCRIPT_TOOL, /* any, by the end of its name */
    SCRIPT_ACTION_COUNT,
};

enum script_argument {
    SCRIPT_COMMAND,
    SCRIPT_PATH,
    SCRIPT_CONTENT,
    SCRIPT_OLD,
    SCRIPT_NEW,
    SCRIPT_NAME,
    SCRIPT_TEXT,
    SCRIPT_ARGUMENT_COUNT,
};

struct script_call {
    enum script_action action;
    char *arguments[SCRIPT_ARGUMENT_COUNT]; /* NULL: the action has no such argument */
};

struct script_usage {
    int64_t input, output, cached; /* -1: estimated from the sizes */
};

struct script_turn {
    char *text, *reasoning, *message; /* may be NULL */
    struct script_call *calls;
    size_t call_count;
    struct script_usage usage;
    int delay_ms, pace_ms;
    int status; /* 0: no error */
    int times, served;
};

struct script {
    char *model, *side, *folder;
    struct script_turn *turns;
    size_t turn_count;
};

enum script_dialect {
    SCRIPT_CHAT,
    SCRIPT_RESPONSES,
    SCRIPT_MESSAGES,
    SCRIPT_GEMINI,
};

/* What says whether an answer is streamed, and how. */
enum script_form {
    SCRIPT_AS_ASKED, /* "stream": true in the request */
    SCRIPT_WHOLE,
    SCRIPT_EVENTS,
    SCRIPT_FRAMES, /* Amazon's event stream around the events */
};

/* A call as the client's own tool wants it. */
struct script_bound {
    char id[64];           /* carries the turn: "call_scripted_t3_0" */
    const char *name;      /* borrowed from the request */
    const char *namespace; /* of Responses tools in a namespace; or NULL */
    char *arguments;       /* JSON */
};

/* What one answer says, before it is put into a dialect's words. */
struct script_say {
    const char *model;
    char id[32];
    const char *text, *reasoning; /* may be NULL */
    struct script_bound calls[SCRIPT_CALLS_MAX];
    size_t call_count;
    struct script_usage usage;
    bool wants_usage; /* Chat: stream_options.include_usage */
};

struct script_dialect_rule {
    enum script_dialect dialect;
    const char *name;     /* as in policy.yaml */
    const char *path_end; /* "/chat/completions" */
    const char *history;  /* the member that holds the messages */
    enum script_form form;
    bool names_model; /* in the body */
    bool (*stream)(const struct script_say *say, struct buf *out, struct fault *fault);
    json_t *(*whole)(const struct script_say *say);
};

/* The tools that a request offers, as [{name, namespace?, schema}]; a new reference. */
json_t *script_tools(enum script_dialect dialect, json_t *request);
/* How many turns the model has had, by the history in the request. */
size_t script_turns_had(json_t *history);
/* Is there one that an action can be bound to? Else it is a side request. */
bool script_offers_tool(json_t *tools);
/* FAULT_MISSING: no tool fits and there is no shell. */
MUST_USE bool script_bind(const struct script *script, const struct script_call *call,
                          json_t *tools, struct script_bound *ret_bound, struct fault *fault);

/* Appends one server-sent event and frees `data`. `event` NULL: data alone. */
MUST_USE bool script_event(struct buf *out, const char *event, json_t *data,
                           struct fault *fault);
/* Cuts the next piece off `rest`, at a character's end; false: nothing is left. */
bool script_piece(struct slice *rest, struct slice *ret_piece);

MUST_USE bool script_chat_stream(const struct script_say *say, struct buf *out,
                                 struct fault *fault);
json_t *script_chat_whole(const struct script_say *say);
MUST_USE bool script_responses_stream(const struct script_say *say, struct buf *out,
                                      struct fault *fault);
json_t *script_responses_whole(const struct script_say *say);
MUST_USE bool script_messages_stream(const struct script_say *say, struct buf *out,
                                     struct fault *fault);
json_t *script_messages_whole(const struct script_say *say);
MUST_USE bool script_gemini_stream(const struct script_say *say, struct buf *out,
                                   struct fault *fault);
json_t *script_gemini_whole(const struct script_say *say);

/* Answers what is no turn; false: it is something else. */
bool script_side(const struct script *script, struct slice method, struct slice path,
                 struct slice body, struct script_answer *answer);
/* Takes `value`. */
void script_put_json(struct script_answer *answer, int status, json_t *value);

#endif
