/* The lanes of a stream's texts, told apart by the provider's own indices, and its tools. */
#include <stdlib.h>

#include "gateway/door/answer/parts.h"

#define SAID_ROOM_BYTES (128U * 1024)

struct voice *reply_voice(struct reply *reply, const struct event_place *place,
                          struct sink sink, struct fault *fault)
{
    struct voice *voice;

    for (size_t i = 0; i < reply->voice_count; i++)
        if (!reply->voices[i]->ended && event_place_same(&reply->voices[i]->place, place))
            return reply->voices[i];
    if (reply->voice_count == REPLY_LANES_MAX) {
        (void)fault_set(fault, FAULT_LIMIT, "an answer of more than %d texts",
                        REPLY_LANES_MAX);
        return NULL;
    }
    voice = xalloc(sizeof(*voice));
    voice->place = *place;
    voice->said = buf_with_limit(SAID_ROOM_BYTES);
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
    reply_look(reply, buf_slice(&voice->said));
    buf_clear(&voice->said);
}

void reply_end_all(struct reply *reply)
{
    for (size_t i = 0; i < reply->voice_count; i++)
        voice_end(reply, reply->voices[i]);
}

/* All lanes that belong to the place. */
void reply_end_at(struct reply *reply, const struct event_place *place)
{
    for (size_t i = 0; i < reply->voice_count; i++)
        if (event_place_within(&reply->voices[i]->place, place))
            voice_end(reply, reply->voices[i]);
}

const char *reply_tool(const struct reply *reply, const struct event_place *place)
{
    for (size_t i = 0; i < reply->tool_count; i++)
        if (event_place_tool_same(&reply->tools[i].place, place))
            return reply->tools[i].name;
    return NULL;
}

bool reply_note_tool(struct reply *reply, const struct event_place *place,
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

void reply_voices_free(struct reply *reply)
{
    for (size_t i = 0; i < reply->voice_count; i++) {
        lane_free(&reply->voices[i]->lane);
        buf_free(&reply->voices[i]->said);
        free(reply->voices[i]);
    }
    free(reply->voices);
    free(reply->tools);
}
