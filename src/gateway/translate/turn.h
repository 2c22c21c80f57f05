/*
 * gateway/translate/turn.h - what a model answers, in no dialect: texts and calls of tools, one
 * after another. A reader of the provider's dialect says what comes, in whatever order; a teller
 * of the client's is told one part after the other, each begun, written and ended.
 *
 * A part that comes while another one is not whole waits (TURN_WAITING_BYTES_MAX together).
 * Private to this folder.
 */
#ifndef CUSTODY_GATEWAY_TRANSLATE_TURN_H
#define CUSTODY_GATEWAY_TRANSLATE_TURN_H

#include "gateway/dialect/usage.h"
#include "gateway/translate/arguments.h"
#include "gateway/translate/ask.h"
#include "gateway/translate/translate.h"

#define TURN_BYTES_MAX (12UL * 1024 * 1024)   /* of all parts, where the client gets copies */
#define TURN_WAITING_BYTES_MAX (4UL * 1024 * 1024)
#define TURN_PARTS_MAX 256
#define TURN_WAITS 32 /* what is not told and comes in so many events is told as a sign of life */

enum turn_kind {
    TURN_TEXT,
    TURN_REFUSAL,
    TURN_CALL,
};

enum turn_stop {
    TURN_GOES_ON,
    TURN_DONE,
    TURN_CALLS,
    TURN_LENGTH,
    TURN_SEQUENCE, /* of `stop` */
    TURN_FILTER,
    TURN_STOPS,
};

/* A special tool of the client's, by the name that the provider knows. */
struct translation_tool {
    enum ask_tool_kind kind;
    char *sent;             /* as text */
    char *name, *name_space; /* as between quotes; name_space may be empty */
};

struct translation {
    enum operation asked, sent;
    bool usage_asked;
    struct translation_tool *tools;
    size_t tool_count, tool_room;
};

struct turn_part {
    enum turn_kind kind;
    uint64_t key; /* the provider's index of a call */
    char *id, *name; /* of a call, as between quotes */
    const struct translation_tool *tool; /* NULL: a plain function */
    struct arguments arguments;
    bool begun, told, ended; /* the teller knows it; and a piece of it; nothing more comes */
    struct buf waiting; /* as between quotes: what the teller does not know yet */
};

struct turn;

/* A dialect of clients. `piece` is as between quotes of a JSON string, `text` what it means. */
struct teller {
    void (*begin)(struct turn *turn);
    void (*open)(struct turn *turn, const struct turn_part *part);
    void (*piece)(struct turn *turn, const struct turn_part *part, struct slice piece,
                  struct slice text);
    void (*close)(struct turn *turn, const struct turn_part *part);
    void (*end)(struct turn *turn);
    void (*wait)(struct turn *turn); /* within a stream: a sign of life */
};
extern const struct teller teller_chat, teller_responses, teller_messages;

struct turn {
    const struct translation *translation;
    const struct teller *teller;
    bool is_stream;
    int64_t now_s;
    struct writer writer; /* of what goes to the client, set for each feed */
    struct usage usage;   /* as the provider's dialect counts */
    enum turn_stop stop;
    bool begun, over, called;
    char *id, *model; /* as between quotes */
    struct turn_part parts[TURN_PARTS_MAX];
    size_t part_count, current; /* those before `current` are told */
    size_t waiting_bytes, call_count;
    unsigned waits;
    /* the tellers' */
    struct buf whole;   /* finished parts, JSON with commas between */
    struct buf text;    /* of the part under way, or of the whole message */
    struct buf refusal;
    struct free_text free_text;
    int64_t sequence;
};

void turn_free(struct turn *turn);

/* For readers; strings are raw JSON with quotes, or empty. Failures are the writer's. */
void turn_begin(struct turn *turn, struct slice id, struct slice model);
void turn_say(struct turn *turn, enum turn_kind kind, struct slice raw);
/* A call begins, unless that one has. */
void turn_call(struct turn *turn, uint64_t key, struct slice id, struct slice name);
void turn_arguments(struct turn *turn, uint64_t key, struct slice raw);
void turn_call_end(struct turn *turn, uint64_t key);
/* Something came that is not told; `now`: a sign of life is due. */
void turn_wait(struct turn *turn, bool now);
/* The answer has ended; tells the rest. */
void turn_end(struct turn *turn);
/* It has failed: an error of the client's dialect, and nothing more. */
void turn_error(struct turn *turn, struct slice code, struct slice message);

/* For tellers. */
int64_t turn_input(const struct turn *turn); /* all of it, cached tokens included */
enum turn_stop turn_stopped(const struct turn *turn); /* CALLS where there are any */

/* A dialect of providers: an event's data; a document. */
typedef void turn_read_fn(struct turn *turn, struct slice data);
turn_read_fn turn_read_chat_event, turn_read_chat_body;
turn_read_fn turn_read_responses_event, turn_read_responses_body;
turn_read_fn turn_read_messages_event, turn_read_messages_body;

/* For readers: a member as the type that is wanted, or an empty slice. */
struct slice turn_member(struct slice object, const char *path, enum json_type type);
/* Several members at once; of what is missing an empty slice of JSON_NULL. */
void turn_members(struct slice object, const char *const *names, size_t count,
                  struct json_value *ret_values);
/* One of them, where it is a string; else empty. */
static inline struct slice turn_string(const struct json_value *value)
{
    return value->type == JSON_STRING ? value->raw : SLICE("");
}
/* The row of a word in a table of them; `count`: none. */
size_t turn_word(struct slice raw, const char *const *words, size_t count);

#endif
