/*
 * agent/script.h - the scripted model: answers model calls from a script, in every dialect
 * that agents speak. For tests and the demo; it says in each answer that it is scripted.
 *
 * No I/O here: request in, answer out. roles/scripted.h serves it on loopback.
 *
 * A script is YAML or JSON:
 *
 *   version: 1
 *   model: scripted-1            # what it calls itself (default)
 *   side: A title                # what a side request (title, summary; no tools) gets
 *   turns:
 *     - text: I look at the code.
 *       reasoning: ...           # optional
 *       calls:                   # each one of
 *         - read: { path: src/copay.c }
 *         - write: { path: notes.md, content: "..." }
 *         - edit: { path: src/copay.c, old: "a", new: "b" }
 *         - shell: { command: make test }
 *         - tool: { name: search, text: "..." }   # one whose name ends so (a tool server's)
 *       usage: { input: 900, output: 40, cached: 0 }
 *       delay_ms: 50             # before the answer
 *       pace_ms: 5               # between the pieces of a streamed one
 *     - status: 503              # an HTTP error instead, for the first `times` requests
 *       times: 1
 *       message: overloaded
 *
 * The turn is taken from the history in the request (our call ids carry its number), so that a
 * retry gets the same turn and any number of agents can be served at once.
 */
#ifndef CUSTODY_AGENT_SCRIPT_H
#define CUSTODY_AGENT_SCRIPT_H

#include "base/bytes.h"
#include "base/fault.h"

#define SCRIPT_BYTES_MAX (1024 * 1024)
#define SCRIPT_REQUEST_BYTES_MAX (32 * 1024 * 1024)

struct script;

/* FAULT_INVALID says "WHERE:LINE:COLUMN: why". */
MUST_USE bool script_parse(struct slice text, const char *where, struct script **ret_script,
                           struct fault *fault);
void script_free(struct script *script); /* NULL is fine */
/*
 * Paths in calls become absolute below `folder` (some agents insist on it). NULL: as written.
 */
void script_set_folder(struct script *script, const char *folder);

struct script_answer {
    int status; /* HTTP */
    const char *content_type;
    bool streamed;   /* `body` is server-sent events, sent piece by piece */
    struct buf body; /* owned: script_answer_free */
    int delay_ms, pace_ms;
    int turn; /* from 0; -1: a side request, a list of models, an error of the client */
    const char *dialect; /* "openai", ..., or "" */
};

/*
 * Answers one request. `target` is a path with an optional query, or absolute-form; any prefix
 * before /chat/completions, /responses, /messages, :generateContent, /invoke (Bedrock), /models
 * is accepted. Never fails: what is wrong with the request is the answer (400, 404, 405).
 */
void script_answer(struct script *script, struct slice method, struct slice target,
                   struct slice body, struct script_answer *ret_answer);
void script_answer_free(struct script_answer *answer);

#endif
