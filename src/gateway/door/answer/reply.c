#include "gateway/door/answer/reply.h"

#include <stdlib.h>
#include <strings.h>

#include "gateway/door/answer/parts.h"

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
    reply->seen = buf_with_limit(REPLY_BYTES_MAX);
    reply->decoded = buf_with_limit(REPLY_BYTES_MAX);
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
    reply_voices_free(reply);
    reply_forget_moulds(reply);
    buf_free(&reply->seen);
    sse_free(reply->sse);
    buf_free(&reply->body);
    buf_free(&reply->decoded);
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

/* ---- events ---- */

static bool is_decided(const struct event *event)
{
    for (size_t i = 0; i < event->part_count; i++) {
        const struct event_part *part = &event->parts[i];
        const struct voice *voice = part->voice;

        if (!voice->ended && lane_decided(&voice->lane) < part->from + part->len)
            return false;
    }
    return true;
}

/* One that is decided. */
static bool put_out(struct reply *reply, struct event *event, struct buf *out,
                    struct fault *fault)
{
    for (size_t i = 0; i < event->part_count; i++) {
        const struct event_part *part = &event->parts[i];
        struct lane *lane = &((struct voice *)part->voice)->lane;

        for (size_t j = 0; j < lane->edit_count; j++)
            reply->found.restored += lane->edits[j].from >= part->from &&
                                     lane->edits[j].from < part->from + part->len;
        if (!event_add_edits(event, event_part_raw(event, part), lane->edits, lane->edit_count,
                             part->from, part->len, fault))
            return false;
        lane_forget(lane, part->from + part->len);
    }
    return event_write(event, out, fault);
}

/* Events that wait and are decided, in their order. */
static bool release(struct reply *reply, struct buf *out, struct fault *fault)
{
    while (reply->waiting != NULL && is_decided(reply->waiting)) {
        struct event *event = reply->waiting;

        if (!put_out(reply, event, out, fault))
            return false;
        reply->waiting_bytes -= event->raw.len;
        reply->waiting = event->next;
        if (reply->waiting == NULL)
            reply->last = &reply->waiting;
        event_free(event);
    }
    return true;
}

static void hold(struct reply *reply, struct event *event)
{
    struct event *kept = event_keep(event);

    *reply->last = kept;
    reply->last = &kept->next;
    reply->waiting_bytes += kept->raw.len;
    if (reply->waiting_bytes > REPLY_WAITING_BYTES_MAX)
        reply_end_all(reply);
}

static bool take_event(struct reply *reply, struct event *event, struct buf *out,
                       struct fault *fault)
{
    bool is_json = true;

    if (event->data.len > 0 && !reply_read_alike(reply, event) &&
        !reply_read(reply, event, false, &is_json, fault))
        return false;
    if (!is_json) /* [DONE] */
        reply_end_all(reply);
    if (!reply_may_go_on(reply, fault))
        return false;
    if (reply->waiting == NULL && is_decided(event))
        return put_out(reply, event, out, fault);
    hold(reply, event);
    return release(reply, out, fault);
}

static bool feed_stream(struct reply *reply, struct slice bytes, struct buf *out,
                        struct fault *fault)
{
    while (bytes.len > 0) {
        struct event event = {0};
        size_t used;
        bool whole, ok = true;

        if (!sse_feed(reply->sse, bytes, &used, &whole, fault))
            return false;
        bytes = slice_part(bytes, used, bytes.len);
        if (whole) {
            event.raw = sse_raw(reply->sse);
            event.name = sse_name(reply->sse);
            event.data = sse_data(reply->sse);
            ok = take_event(reply, &event, out, fault);
            event_clear(&event);
        }
        if (!ok)
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
    reply_end_all(reply);
    return release(reply, out, fault);
}

bool reply_end(struct reply *reply, struct buf *out, struct fault *fault)
{
    struct slice body = buf_slice(&reply->body);
    struct event event = {.raw = body, .data = body};
    bool is_json, ok;

    if (reply->kind == REPLY_STREAM)
        return end_stream(reply, out, fault);
    if (reply->kind == REPLY_OTHER || body.len == 0) {
        reply_look(reply, body);
        return reply_may_go_on(reply, fault) && buf_add(out, body, fault);
    }
    ok = reply_read(reply, &event, true, &is_json, fault) && reply_may_go_on(reply, fault) &&
         event_write(&event, out, fault);
    event_clear(&event);
    return ok;
}
