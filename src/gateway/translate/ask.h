/*
 * gateway/translate/ask.h - a request in no dialect: settings, tools, and the conversation as a
 * list of pieces. Slices borrow from the body that it was read from, and are JSON as it stands
 * there: text is carried byte for byte, escapes included.
 */
#ifndef CUSTODY_GATEWAY_TRANSLATE_ASK_H
#define CUSTODY_GATEWAY_TRANSLATE_ASK_H

#include "gateway/translate/fields.h"
#include "gateway/translate/write.h"

#define ASK_PIECES_MAX (1U << 16)
#define ASK_TOOLS_MAX 1024
#define ASK_NAME_BYTES_MAX 128 /* of a tool */
#define ASK_ID_BYTES_MAX 512   /* of a call, for Messages */

enum ask_role {
    ASK_SYSTEM,
    ASK_USER,
    ASK_ASSISTANT,
};

enum ask_kind {
    ASK_TEXT,
    ASK_IMAGE,
    ASK_FILE,
    ASK_CALL,   /* of a tool */
    ASK_RESULT, /* of a call; what it says are the `in_result` pieces behind it */
};

enum ask_form {
    ASK_STRING, /* `text` is a string: a text; arguments as JSON in it; a URL of any kind */
    ASK_OBJECT, /* of a call: `text` is the arguments themselves */
    ASK_FREE,   /* of a call: `text` is a string of free text, the one member `input` */
    ASK_ACTION, /* of a call: `text` is what a local shell is given, with its `type` */
    ASK_BASE64, /* of an image or a file: `text` is base64, `media` its type */
};

struct ask_piece {
    enum ask_role role;
    enum ask_kind kind;
    enum ask_form form;
    bool begins;    /* a message of its own */
    bool in_result; /* is of the result before it */
    struct slice text;
    struct slice media;     /* of ASK_BASE64 */
    struct slice name;      /* of a tool, or of a file; may be empty */
    struct slice name_space; /* of a tool; may be empty */
    struct slice id;        /* of a call or result */
};

/* What the client calls a tool, where the provider is offered another form of it. */
enum ask_tool_kind {
    ASK_FUNCTION,
    ASK_CUSTOM, /* takes free text: offered as a function of one string `input` */
    ASK_SHELL,  /* the client's local shell: offered as a function */
};

struct ask_tool {
    enum ask_tool_kind kind;
    struct slice name, name_space, description, schema;
    struct slice format; /* of ASK_CUSTOM: the grammar; may be empty */
    bool strict;
};

enum ask_choice {
    ASK_UNSAID,
    ASK_AUTO,
    ASK_NONE,
    ASK_ANY,
    ASK_ONE,
};

enum ask_format {
    ASK_PLAIN,
    ASK_JSON,
    ASK_SCHEMA,
};

struct ask {
    struct slice model;
    bool stream, counts; /* counts: tokens are to be counted, no answer is wanted */
    bool usage_asked;    /* Chat Completions: a stream tells its usage */
    struct slice max_tokens, temperature, top_p, stop /* list or string */, verbosity;
    struct slice effort; /* a string */
    enum ask_choice choice;
    struct slice choice_name, choice_name_space;
    bool one_at_a_time; /* no parallel calls */
    enum ask_format format;
    struct slice format_name, format_schema, format_description;
    bool format_strict;
    struct ask_tool *tools;
    size_t tool_count, tool_room;
    struct ask_piece *pieces;
    size_t piece_count, piece_room;
};

typedef bool ask_read_fn(const struct json_value *body, struct ask *ask, struct fault *fault);
typedef void ask_write_fn(const struct ask *ask, struct writer *writer);

/* One of each for a dialect. Readers fill an empty ask; ask_free it in any case. */
ask_read_fn ask_read_chat, ask_read_responses, ask_read_messages;
ask_write_fn ask_write_chat, ask_write_responses, ask_write_messages;
void ask_free(struct ask *ask);

/* ---- for the readers ---- */

MUST_USE bool ask_add(struct ask *ask, const struct ask_piece *piece, struct fault *fault);

/* A message or an item whose pieces are read one by one. */
struct ask_reading {
    struct ask *ask;
    struct ask_piece piece; /* what its pieces have in common */
};

/* The next piece of it. The first one begins it. */
MUST_USE bool ask_read_piece(struct ask_reading *reading, enum ask_kind kind, struct slice text,
                             struct fault *fault);

MUST_USE bool ask_add_tool(struct ask *ask, const struct ask_tool *tool, struct fault *fault);
/* `{"type":"json_schema",...}` and kin, the schema in the object itself. */
MUST_USE bool ask_read_format(const struct json_value *format, struct ask *ask,
                              struct fault *fault);
/* A word of `tool_choice`: auto none required any. */
MUST_USE bool ask_read_choice(const struct json_value *word, struct ask *ask,
                              struct fault *fault);

/* ---- for the writers ---- */

/* A tool's name as the provider is told it, as a JSON string. */
void ask_write_name(struct writer *writer, struct slice name_space, struct slice name);
/* Arguments of a call as an object, or as a string that holds it. */
void ask_write_arguments(struct writer *writer, const struct ask_piece *call, bool as_string);
/* A tool's schema; its description, with what the provider is not told elsewhere. */
void ask_write_schema(struct writer *writer, const struct ask_tool *tool);
void ask_write_description(struct writer *writer, const struct ask_tool *tool);
/* An image or a file as a URL, data: where it is base64; a JSON string. */
void ask_write_url(struct writer *writer, const struct ask_piece *piece);
/* `,'NAME':VALUE` where there is a value. */
void ask_write_setting(struct writer *writer, const char *name, struct slice value);
/* The effort in the words of OpenAI or of Anthropic, a JSON string; empty: leave it out. */
struct slice ask_effort(struct writer *writer, const struct ask *ask, bool for_anthropic);

#endif
