#include "gateway/door/answer/reply.h"

#include <stdlib.h>
#include <strings.h>

#include "base/scope.h"
#include "base/utf8.h"
#include "gateway/door/answer/event.h"
#include "wire/sse.h"

#define SAID_BYTES_MAX (64U * 1024) /* of a lane, before it is looked at */
#define SEEN_BYTES_MAX 63
#define SEEN_WAYS 4
#define SAID_AGAIN_BYTES 1024       /* of them that are looked at again with what follows */

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

/* A short text that was looked at. */
struct seen {
    uint8_t len, text[SEEN_BYTES_MAX];
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
    struct seen seen[16][SEEN_WAYS];
    unsigned seen_next;
    int64_t sequence;
};

enum reply_kind reply_kind_of(struct slice content_type, bool is_stream)
{
    struct slice type =
        slice_trim(slice_part(content_type, 0, slice_find_byte(content_type, ';', 0)));

    if (is_stream)
        return REPLY_STREAM;
    return type.len == 16 && strncasecmp((const char *)type.at, "application/json", 16) == 0
               ? REPLY_JSON
               : REPLY_OTHER;
}

struct reply *reply_new(enum reply_kind kind, const struct door_scan *scan,
                        struct stand_in_set *set, unsigned cut)
{
    struct reply *reply = xalloc(sizeof(*reply));

    reply->kind = kind;
    reply->scan = scan;
    reply->set = set;
    reply->cut = cut;
    reply->body = buf_with_limit(REPLY_BYTES_MAX);
    reply->last = &reply->waiting;
    reply->sequence = -1;
    if (kind == REPLY_STREAM)
        reply->sse = sse_new(REPLY_BYTES_MAX);
    return reply;
}

void reply_free(struct reply *reply)
{
    if (reply == NULL)
        return;
    while (reply->waiting != NULL) {
        struct event *event = reply->waiting;

        reply->waiting = event->next;
        event_free(event);
    }
    for (size_t i = 0; i < reply->voice_count; i++) {
        lane_free(&reply->voices[i]->lane);
        buf_free(&reply->voices[i]->said);
        free(reply->voices[i]);
    }
    free(reply->voices);
    free(reply->tools);
    sse_free(reply->sse);
    buf_free(&reply->body);
    stand_in_set_drop(reply->set);
    free(reply);
}

const struct reply_found *reply_found(const struct reply *reply)
{
    return &reply->found;
}

size_t reply_held(const struct reply *reply)
{
    return reply->body.len + reply->waiting_bytes;
}

int64_t reply_sequence(const struct reply *reply)
{
    return reply->sequence;
}

/* ---- looking ---- */

/* Ids, names of models and the like stand in every event of a stream. */
static bool seen_before(struct reply *reply, struct slice text)
{
    uint32_t hash = 2166136261U;
    struct seen *set;

    if (text.len > SEEN_BYTES_MAX)
        return false;
    for (size_t i = 0; i < text.len; i++)
        hash = (hash ^ text.at[i]) * 16777619U;
    set = reply->seen[(hash ^ hash >> 16) % COUNT(reply->seen)];
    for (size_t i = 0; i < SEEN_WAYS; i++)
        if (set[i].len == text.len && memcmp(set[i].text, text.at, text.len) == 0)
            return true;
    set += reply->seen_next++ % SEEN_WAYS;
    set->len = (uint8_t)text.len;
    memcpy(set->text, text.at, text.len);
    return false;
}

static void look(struct reply *reply, struct slice text)
{
    const char *rules[CLASS_COUNT] = {0};
    unsigned guesses = 0, classes;

    if (text.len == 0 || seen_before(reply, text))
        return;
    classes = reply->scan->classes(reply->scan->self, text, rules, &guesses);
    classes &= ~(CLASS_BIT(CLASS_CODE) | CLASS_BIT(CLASS_OPAQUE)) & ~reply->found.classes;
    for (unsigned class = 0; class < CLASS_COUNT; class ++)
        if ((classes & CLASS_BIT(class)) != 0)
            reply->found.rules[class] = rules[class];
    reply->found.classes |= classes;
}

/* False: what was found ends the answer. */
static bool may_go_on(const struct reply *reply, struct fault *fault)
{
    unsigned cut = reply->found.classes & reply->cut;

    return cut == 0 ||
           fault_set(fault, FAULT_DENIED,
                     "the answer holds data of class %s (rule %s), which policy (data, answers) "
                     "does not let pass",
                     class_name(class_of_mask(cut)), reply->found.rules[class_of_mask(cut)]);
}

/* The last of what a lane has said, where it must be known at once. */
static void look_at_end(struct reply *reply, const struct voice *voice)
{
    struct slice said = buf_slice(&voice->said);

    look(reply, slice_part(said, said.len > SAID_AGAIN_BYTES ? said.len - SAID_AGAIN_BYTES : 0,
                           said.len));
}

static void say(struct reply *reply, struct voice *voice, struct slice text)
{
    struct fault fault = {0};

    if (voice->said.len + text.len > SAID_BYTES_MAX) {
        look(reply, buf_slice(&voice->said));
        if (voice->said.len > SAID_AGAIN_BYTES)
            buf_drop_front(&voice->said, voice->said.len - SAID_AGAIN_BYTES);
    }
    if (text.len > SAID_BYTES_MAX || !buf_add(&voice->said, text, &fault))
        look(reply, text);
    else if (reply->cut != 0)
        look_at_end(reply, voice);
}

/* ---- lanes ---- */

static struct voice *voice_at(struct reply *reply, const struct event_place *place,
                              struct sink sink, struct fault *fault)
{
    struct voice *voice;

    for (size_t i = 0; i < reply->voice_count; i++)
        if (!reply->voices[i]->ended && event_place_same(&reply->voices[i]->place, place))
            return reply->voices[i];
    if (reply->voice_count == REPLY_LANES_MAX) {
        (void)fault_set(fault, FAULT_LIMIT, "an answer of more than %d texts", REPLY_LANES_MAX);
        return NULL;
    }
    voice = xalloc(sizeof(*voice));
    voice->place = *place;
    voice->said = buf_with_limit(2UL * SAID_BYTES_MAX);
    lane_begin(&voice->lane, reply->set, sink);
    reply->voices =
        xgrow(reply->voices, &reply->voice_room, reply->voice_count + 1, sizeof(voice));
    reply->voices[reply->voice_count++] = voice;
    return voice;
}

static void voice_end(struct reply *reply, struct voice *voice)
{
    if (voice->ended)
        return;
    voice->ended = true;
    lane_feed(&voice->lane, SLICE(""), true);
    look(reply, buf_slice(&voice->said));
    buf_clear(&voice->said);
}

/* All lanes that belong to the place. */
static void end_at(struct reply *reply, const struct event_place *place)
{
    for (size_t i = 0; i < reply->voice_count; i++)
        if (event_place_within(&reply->voices[i]->place, place))
            voice_end(reply, reply->voices[i]);
}

/* ---- tools ---- */

static const char *tool_at(const struct reply *reply, const struct event_place *place)
{
    for (size_t i = 0; i < reply->tool_count; i++)
        if (event_place_tool_same(&reply->tools[i].place, place))
            return reply->tools[i].name;
    return NULL;
}

static bool note_tool(struct reply *reply, const struct event_place *place,
                      const struct json_leaf *leaf, struct fault *fault)
{
    struct spoken_tool *tool = NULL;
    struct slice name = slice_part(leaf->text, 0, FACT_TEXT_BYTES - 1);

    for (size_t i = 0; i < reply->tool_count; i++)
        if (event_place_tool_same(&reply->tools[i].place, place))
            tool = &reply->tools[i];
    if (name.len == 0)
        return true;
    if (tool == NULL && reply->tool_count == REPLY_LANES_MAX)
        return fault_set(fault, FAULT_LIMIT, "an answer with more than %d tools",
                         REPLY_LANES_MAX);
    if (tool == NULL) {
        reply->tools =
            xgrow(reply->tools, &reply->tool_room, reply->tool_count + 1, sizeof(*tool));
        tool = &reply->tools[reply->tool_count++];
    }
    *tool = (struct spoken_tool){.place = *place};
    memcpy(tool->name, name.at, name.len);
    return true;
}

/* ---- events ---- */

/* One document under way: an event's, or a whole answer. */
struct reading {
    struct reply *reply;
    struct event *event;
    const struct facts *facts;
    bool is_whole;     /* nothing in it is a piece */
    struct slice document;
    bool shells_known, shells_leave; /* a command in it reaches out: no shell gets anything back */
    bool ends; /* the texts of this place */
    struct event_place end;
    bool has_thoughts; /* Gemini marks them by a word that is no string */
};

/* Commands may be given in several strings. */
static bool on_command(void *self, const struct json_leaf *leaf, struct fault *fault)
{
    struct reading *reading = self;

    (void)fault;
    if (leaf->type == JSON_STRING && !leaf->is_key && !reading->shells_leave &&
        sink_of(reading->facts, leaf, NULL).tool == TOOL_SHELL &&
        sink_reaches_out(leaf->text))
        reading->shells_leave = true;
    return true;
}

static bool shells_leave(struct reading *reading)
{
    struct json_visitor commands = {on_command, reading};
    struct fault none = {0};

    if (!reading->shells_known && !json_walk(reading->document, &commands, &none))
        reading->shells_leave = true;
    reading->shells_known = true;
    return reading->shells_leave;
}

static bool add_whole(struct reading *reading, const struct json_leaf *leaf, struct sink sink,
                      struct fault *fault)
{
    struct reply *reply = reading->reply;
    struct lane lane;
    bool ok;

    look(reply, leaf->text);
    if (sink.kind == SINK_KEPT || stand_in_set_empty(reply->set) ||
        (sink.tool == TOOL_SHELL && shells_leave(reading)))
        return true;
    lane_begin(&lane, reply->set, sink);
    lane_feed(&lane, leaf->text, true);
    reply->found.restored += lane.edit_count;
    ok = event_add_edits(reading->event, leaf->raw, lane.edits, lane.edit_count, 0,
                         leaf->text.len, fault);
    lane_free(&lane);
    return ok;
}

static bool add_piece(struct reading *reading, const struct json_leaf *leaf, struct sink sink,
                      const struct event_place *place, struct fault *fault)
{
    struct reply *reply = reading->reply;
    struct voice *voice = voice_at(reply, place, sink, fault);

    if (voice == NULL)
        return false;
    say(reply, voice, leaf->text);
    if (stand_in_set_empty(reply->set))
        return true; /* what is only looked at need not wait */
    event_add_part(reading->event, voice, leaf, voice->fed);
    voice->fed += leaf->text.len;
    lane_feed(&voice->lane, leaf->text, false);
    return true;
}

static bool on_string(struct reading *reading, const struct json_leaf *leaf,
                      struct fault *fault)
{
    struct reply *reply = reading->reply;
    struct event_place place;
    struct sink sink;

    if (leaf->is_key || leaf->depth == 0) {
        look(reply, leaf->text);
        return true;
    }
    event_place_of(reading->facts, leaf, &place);
    if (!reading->is_whole && !reading->ends && event_ends_by(leaf)) {
        reading->ends = true;
        reading->end = place;
    }
    if (event_names_tool(reading->facts, leaf) && !note_tool(reply, &place, leaf, fault))
        return false;
    sink = sink_of(reading->facts, leaf, tool_at(reply, &place));
    if (reading->has_thoughts && sink.kind == SINK_TEXT)
        sink.kind = SINK_KEPT;
    if (sink.is_partial && !reading->is_whole)
        return add_piece(reading, leaf, sink, &place, fault);
    return add_whole(reading, leaf, sink, fault);
}

static bool on_leaf(void *self, const struct json_leaf *leaf, struct fault *fault)
{
    return leaf->type != JSON_STRING || on_string(self, leaf, fault);
}

/* `ret_is_json` false: it is none, and was looked at as a text. */
static bool read_document(struct reading *reading, struct slice document, bool *ret_is_json,
                          struct fault *fault)
{
    struct json_visitor strings = {on_leaf, reading};
    struct facts facts = {0};
    struct fault no_json = {0};
    bool ok = true;

    *ret_is_json = facts_read(document, &facts, &no_json);
    reading->document = document;
    reading->facts = &facts;
    reading->has_thoughts = slice_find(document, SLICE("\"thought\""), 0) != SIZE_MAX;
    if (*ret_is_json)
        ok = json_walk(document, &strings, fault);
    else
        look(reading->reply, document);
    if (ok && reading->ends)
        end_at(reading->reply, &reading->end);
    facts_free(&facts);
    return ok;
}

static void note_sequence(struct reply *reply, struct slice data)
{
    struct json_value value;
    struct fault none = {0};
    int64_t number;

    if (slice_find(data, SLICE("\"sequence_number\""), 0) != SIZE_MAX &&
        json_member(data, "sequence_number", &value, &none) &&
        json_whole_number(&value, &number, &none) && number > reply->sequence)
        reply->sequence = number;
}

/* Events that are decided, in their order. */
static bool release(struct reply *reply, struct buf *out, struct fault *fault)
{
    while (reply->waiting != NULL) {
        struct event *event = reply->waiting;

        for (size_t i = 0; i < event->part_count; i++) {
            const struct event_part *part = &event->parts[i];
            const struct voice *voice = part->voice;

            if (!voice->ended && lane_decided(&voice->lane) < part->from + part->len)
                return true;
        }
        for (size_t i = 0; i < event->part_count; i++) {
            const struct event_part *part = &event->parts[i];
            struct lane *lane = &((struct voice *)part->voice)->lane;

            for (size_t j = 0; j < lane->edit_count; j++)
                reply->found.restored += lane->edits[j].from >= part->from &&
                                         lane->edits[j].from < part->from + part->len;
            if (!event_add_edits(event, event_part_raw(event, part), lane->edits,
                                 lane->edit_count, part->from, part->len, fault))
                return false;
            lane_forget(lane, part->from + part->len);
        }
        if (!event_write(event, out, fault))
            return false;
        reply->waiting_bytes -= event->raw.len;
        reply->waiting = event->next;
        if (reply->waiting == NULL)
            reply->last = &reply->waiting;
        event_free(event);
    }
    return true;
}

static void end_all(struct reply *reply)
{
    for (size_t i = 0; i < reply->voice_count; i++)
        voice_end(reply, reply->voices[i]);
}

static bool take_event(struct reply *reply, struct slice raw, struct slice name,
                       struct slice data, struct buf *out, struct fault *fault)
{
    struct event *event = event_new(raw, name, data);
    struct reading reading = {.reply = reply, .event = event};
    bool is_json = true;

    *reply->last = event;
    reply->last = &event->next;
    reply->waiting_bytes += event->raw.len;
    if (data.len > 0) {
        note_sequence(reply, data);
        if (!read_document(&reading, buf_slice(&event->data), &is_json, fault))
            return false;
    }
    if (!is_json) /* [DONE] */
        end_all(reply);
    if (reply->waiting_bytes > REPLY_WAITING_BYTES_MAX)
        end_all(reply);
    return may_go_on(reply, fault) && release(reply, out, fault);
}

static bool feed_stream(struct reply *reply, struct slice bytes, struct buf *out,
                        struct fault *fault)
{
    while (bytes.len > 0) {
        size_t used;
        bool event;

        if (!sse_feed(reply->sse, bytes, &used, &event, fault))
            return false;
        bytes = slice_part(bytes, used, bytes.len);
        if (event && !take_event(reply, sse_raw(reply->sse), sse_name(reply->sse),
                                 sse_data(reply->sse), out, fault))
            return false;
    }
    return true;
}

bool reply_feed(struct reply *reply, struct slice bytes, struct buf *out, struct fault *fault)
{
    if (reply->kind == REPLY_STREAM)
        return feed_stream(reply, bytes, out, fault);
    return buf_add(&reply->body, bytes, fault);
}

static bool end_stream(struct reply *reply, struct buf *out, struct fault *fault)
{
    struct slice pending = sse_pending(reply->sse);

    /* some providers leave out the last blank line */
    if (pending.len > 0 && !feed_stream(reply, SLICE("\n\n"), out, fault))
        return false;
    end_all(reply);
    return release(reply, out, fault);
}

bool reply_end(struct reply *reply, struct buf *out, struct fault *fault)
{
    struct slice body = buf_slice(&reply->body);
    struct reading reading = {.reply = reply, .is_whole = true};
    bool is_json, ok;

    if (reply->kind == REPLY_STREAM)
        return end_stream(reply, out, fault);
    if (reply->kind == REPLY_OTHER || body.len == 0) {
        look(reply, body);
        return may_go_on(reply, fault) && buf_add(out, body, fault);
    }
    reading.event = event_new(body, SLICE(""), body);
    ok = read_document(&reading, buf_slice(&reading.event->data), &is_json, fault) &&
         may_go_on(reply, fault) && event_write(reading.event, out, fault);
    event_free(reading.event);
    return ok;
}
