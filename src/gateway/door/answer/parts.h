/*
 * gateway/door/answer/parts.h - what an answer on its way is made of. Private to door/answer.
 *
 *   looking.c  texts are looked at
 *   voices.c   the lanes of a stream's texts, and its tools
 *   reading.c  one document: an event's, or a whole answer
 *   reply.c    events in their order
 */
#ifndef CUSTODY_GATEWAY_PARTS_H
#define CUSTODY_GATEWAY_PARTS_H

#include "gateway/door/answer/event.h"
#include "gateway/door/answer/mould.h"
#include "gateway/door/answer/reply.h"
#include "wire/sse.h"

#define MOULDS 2 /* of the events that came last: a text's, and say a call's */

/* The lane of a stream's text, and what it says to whoever looks for values. */
struct voice {
    struct event_place place;
    struct lane lane;
    uint64_t fed;
    struct buf said;
    bool ended;
};

/* A tool of the stream, at its place. */
struct spoken_tool {
    struct event_place place;
    char name[FACT_TEXT_BYTES];
};

struct reply {
    enum reply_kind kind;
    const struct door_scan *scan;
    struct stand_in_set *set;
    unsigned cut;
    struct sse *sse;
    struct buf body;
    struct voice **voices;
    size_t voice_count, voice_room;
    struct spoken_tool *tools;
    size_t tool_count, tool_room;
    struct event *waiting, **last; /* events in their order */
    size_t waiting_bytes;
    struct reply_found found;
    struct buf seen; /* short texts that were looked at */
    struct mould *moulds[MOULDS];
    unsigned mould_next;
    struct buf decoded; /* the text of one leaf */
    int64_t sequence;
};

/* looking.c */
void reply_look(struct reply *reply, struct slice text);
/* The same of a lane's piece, with what the lane has said before. */
void reply_look_on(struct reply *reply, struct voice *voice, struct slice text);
/* False: what was found ends the answer. */
bool reply_may_go_on(const struct reply *reply, struct fault *fault);

/* voices.c */
/* The lane at a place, which begins where there is none. NULL: there are too many. */
struct voice *reply_voice(struct reply *reply, const struct event_place *place,
                          struct sink sink, struct fault *fault);
void reply_end_at(struct reply *reply, const struct event_place *place);
void reply_end_all(struct reply *reply);
const char *reply_tool(const struct reply *reply, const struct event_place *place);
MUST_USE bool reply_note_tool(struct reply *reply, const struct event_place *place,
                              const struct json_leaf *leaf, struct fault *fault);
void reply_voices_free(struct reply *reply);

/* reading.c */
/* A piece of a lane's text, which is the leaf `raw` of the event. */
void reply_add_piece(struct reply *reply, struct event *event, struct voice *voice,
                     struct slice raw, struct slice text);
/* Reads an event's data, or (is_whole) an answer. `ret_is_json` false: it is none, and was looked
 * at as a text. */
MUST_USE bool reply_read(struct reply *reply, struct event *event, bool is_whole,
                         bool *ret_is_json, struct fault *fault);
/* The same of an event that is like one that was read; false: it is not. */
bool reply_read_alike(struct reply *reply, struct event *event);
void reply_forget_moulds(struct reply *reply);

#endif
