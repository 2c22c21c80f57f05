/*
 * gateway/door/answer/sink.h - where a string of an answer ends up, and whether a value may
 * stand there again. Tables; what is in none of them stays as the provider wrote it.
 */
#ifndef CUSTODY_GATEWAY_SINK_H
#define CUSTODY_GATEWAY_SINK_H

#include "gateway/door/facts.h"

enum sink_kind {
    SINK_KEPT, /* nothing is put back: signed, an id, a tool elsewhere, unknown */
    SINK_TEXT, /* for people */
    SINK_TOOL, /* what a tool of the cell is given */
};

enum tool_kind {
    TOOL_OTHER, /* unknown, or it reaches out of the cell */
    TOOL_FILES, /* reads and edits files of the cell */
    TOOL_SHELL, /* runs programs: what they reach decides */
};

struct sink {
    enum sink_kind kind;
    enum tool_kind tool;
    bool is_json;    /* the string is the text of a JSON document, or a part of it */
    bool is_partial; /* one piece of several */
};

/* Of a tool's name. */
enum tool_kind sink_tool(const char *name);
/* Is it one of those types that a provider or another server runs? */
bool sink_is_remote(const char *type);

/*
 * Of a string that is no key. `tool` is what the stream said before of the tool at this place,
 * or NULL.
 */
struct sink sink_of(const struct facts *facts, const struct json_leaf *leaf, const char *tool);

/* Does what a shell is given name a program or an address that may leave the cell? */
bool sink_reaches_out(struct slice command);

#endif
