/*
 * gateway/door/answer/event.h - one event of an answer while it waits, with the edits of its
 * strings, and where in the answer its texts belong. Private to door/answer.
 */
#ifndef CUSTODY_GATEWAY_EVENT_H
#define CUSTODY_GATEWAY_EVENT_H

#include "gateway/door/answer/lane.h"
#include "gateway/door/splice.h"

#define EVENT_INDICES_MAX 6

/* A text's place: the provider's indices from the outermost object inwards, and what it is. */
struct event_place {
    uint32_t index[EVENT_INDICES_MAX];
    uint8_t count, tool_count; /* tool_count: of them that tell tools apart */
    uint64_t what;             /* of the event's type and the member's name */
};

/* Of a string; for endings and tools, `what` does not count. */
void event_place_of(const struct facts *facts, const struct json_leaf *leaf,
                    struct event_place *ret_place);
bool event_place_same(const struct event_place *a, const struct event_place *b);
bool event_place_tool_same(const struct event_place *a, const struct event_place *b);
bool event_place_within(const struct event_place *inner, const struct event_place *outer);

/* Is the string the name of a tool that is called at this place? */
bool event_names_tool(const struct facts *facts, const struct json_leaf *leaf);
/* Does this string say that the texts of its place end? */
bool event_ends_by(const struct json_leaf *leaf);

/* A piece of a lane's text. */
struct event_part {
    void *voice; /* the caller's */
    uint64_t from;
    size_t len;             /* of the text */
    size_t raw_at, raw_len; /* in `data` */
};

/* It borrows its bytes until it has to wait. */
struct event {
    struct slice raw, name, data;
    uint8_t *kept; /* a copy of these; NULL: they are borrowed */
    struct event_part *parts;
    size_t part_count, part_room;
    struct splice edits; /* of data; `with` is owned */
    struct event *next;
};

/* Moves it to where it can wait, with its bytes; `event` is empty then. */
struct event *event_keep(struct event *event);
void event_clear(struct event *event); /* what it owns */
void event_free(struct event *event);  /* one that was kept */
/* The string `raw` of its data, which says `len` bytes. */
void event_add_part(struct event *event, void *voice, struct slice raw, size_t len,
                    uint64_t from);
struct slice event_part_raw(const struct event *event, const struct event_part *part);
/* Those edits of a lane that concern its text from `from` on, `len` bytes, which is the string
 * `raw` of data. */
MUST_USE bool event_add_edits(struct event *event, struct slice raw,
                              const struct lane_edit *edits, size_t count, uint64_t from,
                              size_t len, struct fault *fault);
/* As it came, where nothing was edited. */
MUST_USE bool event_write(struct event *event, struct buf *out, struct fault *fault);

#endif
