/* One document of an answer: its strings are looked at, and told to their lanes. */
#include <stdlib.h>

#include "gateway/door/answer/parts.h"

/* One document under way: an event's, or a whole answer. */
struct reading {
    struct reply *reply;
    struct event *event;
    struct mould_making *making;
    const struct facts *facts;
    bool is_whole; /* nothing in it is a piece */
    struct slice document;
    bool shells_known,
        shells_leave; /* a command in it reaches out: no shell gets anything back */
    bool ends;        /* the texts of this place */
    struct event_place end;
    bool has_thoughts; /* Gemini marks them by a word that is no string */
};

/* Commands may be given in several strings. */
static bool on_command(void *self, const struct json_leaf *leaf, struct fault *fault)
{
    struct reading *reading = self;

    (void)fault;
    if (leaf->type == JSON_STRING && !leaf->is_key && !reading->shells_leave &&
        sink_of(reading->facts, leaf, NULL).tool == TOOL_SHELL && sink_reaches_out(leaf->text))
        reading->shells_leave = true;
    return true;
}

static bool shells_leave(struct reading *reading)
{
    struct json_visitor commands = {.leaf = on_command, .self = reading};
    struct fault none = {0};

    if (!reading->shells_known && !json_walk(reading->document, &commands, &none))
        reading->shells_leave = true;
    reading->shells_known = true;
    return reading->shells_leave;
}

static void note(struct reading *reading, const struct json_leaf *leaf, enum mould_kind kind,
                 void *voice)
{
    if (!reading->is_whole)
        mould_note(reading->making, reading->document, leaf, facts_take(leaf), kind, voice);
}

static void spoil(struct reading *reading)
{
    reading->making->is_spoilt = true;
}

static bool add_whole(struct reading *reading, const struct json_leaf *leaf, struct sink sink,
                      struct fault *fault)
{
    struct reply *reply = reading->reply;
    struct lane lane;
    bool ok;

    reply_look(reply, leaf->text);
    if (sink.kind == SINK_KEPT || stand_in_set_empty(reply->set)) {
        note(reading, leaf, MOULD_TEXT, NULL);
        return true;
    }
    spoil(reading);
    if (sink.tool == TOOL_SHELL && shells_leave(reading))
        return true;
    lane_begin(&lane, reply->set, sink);
    lane_feed(&lane, leaf->text, true);
    reply->found.restored += lane.edit_count;
    ok = event_add_edits(reading->event, leaf->raw, lane.edits, lane.edit_count, 0,
                         leaf->text.len, fault);
    lane_free(&lane);
    return ok;
}

void reply_add_piece(struct reply *reply, struct event *event, struct voice *voice,
                     struct slice raw, struct slice text)
{
    reply_look_on(reply, voice, text);
    if (stand_in_set_empty(reply->set))
        return; /* what is only looked at need not wait */
    event_add_part(event, voice, raw, text.len, voice->fed);
    voice->fed += text.len;
    lane_feed(&voice->lane, text, false);
}

static bool add_piece(struct reading *reading, const struct json_leaf *leaf, struct sink sink,
                      const struct event_place *place, struct fault *fault)
{
    struct voice *voice = reply_voice(reading->reply, place, sink, fault);

    if (voice == NULL)
        return false;
    note(reading, leaf, MOULD_PIECE, voice);
    reply_add_piece(reading->reply, reading->event, voice, leaf->raw, leaf->text);
    return true;
}

/* Anthropic's pieces have one beside them: it is none. */
static bool is_type(const struct json_leaf *leaf)
{
    const struct json_step *last = &leaf->path[leaf->depth - 1];

    return last->is_key && json_key_is(last->key, "type");
}

static bool on_string(struct reading *reading, const struct json_leaf *leaf,
                      struct fault *fault)
{
    struct reply *reply = reading->reply;
    struct event_place place;
    struct sink sink;

    if (leaf->is_key || leaf->depth == 0) {
        reply_look(reply, leaf->text);
        return true; /* a mould has keys as they are, and none is made of a text alone */
    }
    event_place_of(reading->facts, leaf, &place);
    if (!reading->is_whole && !reading->ends && event_ends_by(leaf)) {
        reading->ends = true;
        reading->end = place;
        spoil(reading);
    }
    if (event_names_tool(reading->facts, leaf)) {
        spoil(reading);
        reply_forget_moulds(reply); /* what is at this place is given to a tool from now on */
        if (!reply_note_tool(reply, &place, leaf, fault))
            return false;
    }
    sink = sink_of(reading->facts, leaf, reply_tool(reply, &place));
    if (reading->has_thoughts && sink.kind == SINK_TEXT)
        sink.kind = SINK_KEPT;
    if (sink.is_partial && !reading->is_whole && !is_type(leaf))
        return add_piece(reading, leaf, sink, &place, fault);
    return add_whole(reading, leaf, sink, fault);
}

static void note_sequence(struct reply *reply, const struct json_value *value)
{
    struct fault none = {0};
    int64_t number;

    if (json_whole_number(value, &number, &none) && number > reply->sequence)
        reply->sequence = number;
}

static void on_number(struct reading *reading, const struct json_leaf *leaf)
{
    const struct json_step *last = leaf->depth == 0 ? NULL : &leaf->path[leaf->depth - 1];
    struct json_value value = {JSON_NUMBER, leaf->raw};
    bool is_sequence =
        leaf->depth == 1 && last->is_key && json_key_is(last->key, "sequence_number");

    if (is_sequence)
        note_sequence(reading->reply, &value);
    note(reading, leaf, is_sequence ? MOULD_SEQUENCE : MOULD_NUMBER, NULL);
}

static bool on_leaf(void *self, const struct json_leaf *leaf, struct fault *fault)
{
    struct reading *reading = self;

    if (leaf->type == JSON_STRING)
        return on_string(reading, leaf, fault);
    if (!reading->is_whole)
        on_number(reading, leaf);
    return true;
}

static bool read_json(struct reading *reading, struct fault *fault)
{
    struct json_visitor strings = {.leaf = on_leaf, .self = reading};

    reading->has_thoughts = slice_find(reading->document, SLICE("\"thought\""), 0) != SIZE_MAX;
    if (!json_walk(reading->document, &strings, fault))
        return false;
    if (reading->ends)
        reply_end_at(reading->reply, &reading->end);
    return true;
}

/* In the place of the one that was made longest ago. */
static void keep_mould(struct reply *reply, struct mould *mould)
{
    struct mould **at = &reply->moulds[reply->mould_next++ % MOULDS];

    mould_free(*at);
    *at = mould;
}

static bool look_at_leaf(void *self, const struct json_leaf *leaf, struct fault *fault)
{
    (void)fault;
    if (leaf->type == JSON_STRING)
        reply_look(self, leaf->text);
    return true;
}

/* A whole answer into which nothing can be put back: what its strings are for is of no account. */
static bool look_through(struct reply *reply, struct slice document)
{
    struct json_visitor strings = {.leaf = look_at_leaf, .self = reply};
    struct fault no_json = {0};
    bool is_json = json_walk(document, &strings, &no_json);

    if (!is_json)
        reply_look(reply, document);
    return is_json;
}

bool reply_read(struct reply *reply, struct event *event, bool is_whole, bool *ret_is_json,
                struct fault *fault)
{
    struct mould_making making = {.is_spoilt = is_whole};
    struct facts facts = {0};
    struct reading reading = {.reply = reply,
                              .event = event,
                              .making = &making,
                              .facts = &facts,
                              .is_whole = is_whole,
                              .document = event->data};
    struct fault no_json = {0};
    struct mould *mould = NULL;
    bool ok = true;

    if (is_whole && stand_in_set_empty(reply->set)) {
        *ret_is_json = look_through(reply, event->data);
        return true;
    }
    *ret_is_json = facts_read(event->data, &facts, &no_json);
    if (*ret_is_json)
        ok = read_json(&reading, fault);
    else
        reply_look(reply, event->data);
    facts_free(&facts);
    if (ok && *ret_is_json)
        mould = mould_make(&making, event->data);
    if (mould != NULL)
        keep_mould(reply, mould);
    return ok;
}

void reply_forget_moulds(struct reply *reply)
{
    for (size_t i = 0; i < MOULDS; i++) {
        mould_free(reply->moulds[i]);
        reply->moulds[i] = NULL;
    }
}

/* ---- events like others ---- */

/* What a string says: in the document, or decoded into the reply's room. */
static struct slice text_of(struct reply *reply, struct slice raw)
{
    struct json_value value = {JSON_STRING, raw};
    struct slice inner = slice_part(raw, 1, raw.len - 1);
    struct fault fault = {0};

    if (slice_find_byte(inner, '\\', 0) == SIZE_MAX)
        return inner;
    buf_clear(&reply->decoded);
    if (!json_text(&value, &reply->decoded, &fault))
        abort(); /* it has been checked, and is no longer than an event */
    return buf_slice(&reply->decoded);
}

static bool voices_go_on(const struct mould *mould)
{
    for (uint32_t i = 0; i < mould_count(mould); i++) {
        const struct voice *voice = mould_leaf(mould, i)->voice;

        if (voice != NULL && voice->ended)
            return false;
    }
    return true;
}

static void take_leaf(struct reply *reply, struct event *event, const struct mould_leaf *leaf,
                      struct slice raw, bool is_same)
{
    struct json_value number = {JSON_NUMBER, raw};

    if (leaf->kind == MOULD_PIECE)
        reply_add_piece(reply, event, leaf->voice, raw, text_of(reply, raw));
    else if (leaf->kind == MOULD_TEXT && !is_same)
        reply_look(reply, text_of(reply, raw));
    else if (leaf->kind == MOULD_SEQUENCE)
        note_sequence(reply, &number);
}

bool reply_read_alike(struct reply *reply, struct event *event)
{
    for (size_t i = 0; i < MOULDS; i++) {
        const struct mould *mould = reply->moulds[i];
        struct slice raw[MOULD_LEAVES_MAX];
        uint32_t same;

        if (mould == NULL || !mould_fits(mould, event->data, raw, &same) ||
            !voices_go_on(mould))
            continue;
        for (uint32_t j = 0; j < mould_count(mould); j++)
            take_leaf(reply, event, mould_leaf(mould, j), raw[j], (same & 1U << j) != 0);
        return true;
    }
    return false;
}
