#include "gateway/door/answer/event.h"

#include <stdlib.h>

#include "base/scope.h"
#include "gateway/door/answer/sink.h"

#define GROWTH_BYTES 4096

/* ---- places ---- */

static uint64_t mix(uint64_t hash, struct slice text)
{
    for (size_t i = 0; i < text.len; i++)
        hash = (hash ^ text.at[i]) * UINT64_C(0x100000001B3);
    return (hash ^ 0xFF) * UINT64_C(0x100000001B3);
}

static void add_indices(const struct fact *fact, struct event_place *place)
{
    for (unsigned i = 0; i < FACT_INDICES && place->count < EVENT_INDICES_MAX; i++)
        if ((fact->has_index & 1U << i) != 0) {
            place->index[place->count++] = fact->index[i];
            if (i != FACT_CONTENT_INDEX && i != FACT_SUMMARY_INDEX)
                place->tool_count = place->count;
        }
}

void event_place_of(const struct facts *facts, const struct json_leaf *leaf,
                    struct event_place *ret_place)
{
    const struct fact *root = facts_of(facts, leaf, 0);
    struct event_place place = {.what = UINT64_C(0xCBF29CE484222325)};

    if (root != NULL)
        place.what = mix(place.what, slice_of(root->text[FACT_TYPE]));
    for (size_t i = 0; i < leaf->depth; i++) {
        const struct fact *fact = facts_of(facts, leaf, i);

        if (leaf->path[i].is_key)
            place.what = mix(place.what, leaf->path[i].key);
        if (fact != NULL)
            add_indices(fact, &place);
    }
    *ret_place = place;
}

static bool heads_same(const struct event_place *a, const struct event_place *b, size_t count)
{
    return memcmp(a->index, b->index, count * sizeof(a->index[0])) == 0;
}

bool event_place_same(const struct event_place *a, const struct event_place *b)
{
    return a->count == b->count && a->what == b->what && heads_same(a, b, a->count);
}

bool event_place_tool_same(const struct event_place *a, const struct event_place *b)
{
    return a->tool_count == b->tool_count && heads_same(a, b, a->tool_count);
}

bool event_place_within(const struct event_place *inner, const struct event_place *outer)
{
    return outer->count <= inner->count && heads_same(inner, outer, outer->count);
}

bool event_names_tool(const struct facts *facts, const struct json_leaf *leaf)
{
    static const char *const types[] = {"tool_use", "function_call", "custom_tool_call"};
    const struct fact *fact = facts_of(facts, leaf, leaf->depth - 1);
    bool in_function = leaf->depth >= 2 && leaf->path[leaf->depth - 2].is_key &&
                       (json_key_is(leaf->path[leaf->depth - 2].key, "function") ||
                        json_key_is(leaf->path[leaf->depth - 2].key, "function_call"));

    if (!leaf->path[leaf->depth - 1].is_key ||
        !json_key_is(leaf->path[leaf->depth - 1].key, "name"))
        return false;
    for (size_t i = 0; fact != NULL && i < COUNT(types); i++)
        if (strcmp(fact->text[FACT_TYPE], types[i]) == 0)
            return true;
    return in_function;
}

/* ---- what ends a text ---- */

static bool ends_by_type(const char *type)
{
    static const char *const types[] = {
        "content_block_stop", "message_delta",   "message_stop",       "error",
        "response.completed", "response.failed", "response.incomplete"};
    size_t len = strlen(type);

    for (size_t i = 0; i < COUNT(types); i++)
        if (strcmp(type, types[i]) == 0)
            return true;
    return len > 5 && strcmp(type + len - 5, ".done") == 0;
}

bool event_ends_by(const struct json_leaf *leaf)
{
    const struct json_step *last = leaf->depth == 0 ? NULL : &leaf->path[leaf->depth - 1];
    char type[64] = {0};

    if (leaf->is_key || last == NULL || !last->is_key || leaf->text.len >= sizeof(type))
        return false;
    if (leaf->depth > 1)
        return json_key_is(last->key, "finish_reason") ||
               json_key_is(last->key, "finishReason");
    if (!json_key_is(last->key, "type"))
        return false;
    if (leaf->text.len > 0)
        memcpy(type, leaf->text.at, leaf->text.len);
    return ends_by_type(type);
}

/* ---- events ---- */

static struct slice move(struct slice bytes, uint8_t **to)
{
    struct slice moved = {*to, bytes.len};

    if (bytes.len > 0)
        memcpy(*to, bytes.at, bytes.len);
    *to += bytes.len;
    return moved;
}

struct event *event_keep(struct event *event)
{
    struct event *kept = xalloc(sizeof(*kept));
    uint8_t *to = xalloc(event->raw.len + event->name.len + event->data.len);

    *kept = *event;
    kept->kept = to;
    kept->raw = move(event->raw, &to);
    kept->name = move(event->name, &to);
    kept->data = move(event->data, &to);
    *event = (struct event){0};
    return kept;
}

void event_clear(struct event *event)
{
    for (size_t i = 0; i < event->edits.count; i++)
        free((uint8_t *)(uintptr_t)event->edits.at[i].with.at);
    splice_free(&event->edits);
    free(event->kept);
    free(event->parts);
    *event = (struct event){0};
}

void event_free(struct event *event)
{
    event_clear(event);
    free(event);
}

void event_add_part(struct event *event, void *voice, struct slice raw, size_t len,
                    uint64_t from)
{
    event->parts =
        xgrow(event->parts, &event->part_room, event->part_count + 1, sizeof(*event->parts));
    event->parts[event->part_count++] =
        (struct event_part){.voice = voice,
                            .from = from,
                            .len = len,
                            .raw_at = (size_t)(raw.at - event->data.at),
                            .raw_len = raw.len};
}

struct slice event_part_raw(const struct event *event, const struct event_part *part)
{
    return slice_part(event->data, part->raw_at, part->raw_at + part->raw_len);
}

/* An edit that begins in an earlier piece leaves nothing in this one. */
static void add_edit(struct splice *splice, const struct lane_edit *edit, uint64_t from,
                     size_t len)
{
    uint64_t begin = edit->from > from ? edit->from - from : 0;
    uint64_t end = edit->to > from ? edit->to - from : 0;

    if (end > len)
        end = len;
    if (begin < end)
        splice_add(splice, (size_t)begin, (size_t)end,
                   edit->from >= from ? edit->with : SLICE(""));
}

bool event_add_edits(struct event *event, struct slice raw, const struct lane_edit *edits,
                     size_t count, uint64_t from, size_t len, struct fault *fault)
{
    struct splice splice = {0};
    struct buf out = buf_with_limit(raw.len * 8 + GROWTH_BYTES);
    size_t at = (size_t)(raw.at - event->data.at);
    bool ok = true;

    for (size_t i = 0; i < count; i++)
        add_edit(&splice, &edits[i], from, len);
    if (splice.count > 0) {
        out.limit += splice.count * STAND_IN_BYTES_MAX * 6;
        ok = splice_string(raw, &splice, &out, fault);
    }
    if (ok && splice.count > 0)
        splice_add(&event->edits, at, at + raw.len, buf_slice(&out)); /* owned from now */
    else
        buf_free(&out);
    splice_free(&splice);
    return ok;
}

static int by_place(const void *a, const void *b)
{
    const struct json_edit *x = a, *y = b;

    return (x->from > y->from) - (x->from < y->from);
}

/* Data of several lines is printed anew; what else the event had is its name. */
static bool write_lines(const struct event *event, struct slice data, struct buf *out,
                        struct fault *fault)
{
    struct slice line, rest = data;

    if (event->name.len > 0 &&
        (!buf_add_text(out, "event: ", fault) || !buf_add(out, event->name, fault) ||
         !buf_add_byte(out, '\n', fault)))
        return false;
    while (slice_cut(&rest, '\n', &line))
        if (!buf_add_text(out, "data: ", fault) || !buf_add(out, line, fault) ||
            !buf_add_byte(out, '\n', fault))
            return false;
    return buf_add_byte(out, '\n', fault);
}

bool event_write(struct event *event, struct buf *out, struct fault *fault)
{
    struct slice raw = event->raw, was = event->data;
    AUTO_BUF struct buf data = buf_with_limit(was.len * 8 + GROWTH_BYTES);
    size_t at;

    if (event->edits.count == 0)
        return buf_add(out, raw, fault);
    for (size_t i = 0; i < event->edits.count; i++)
        data.limit += event->edits.at[i].with.len;
    qsort(event->edits.at, event->edits.count, sizeof(*event->edits.at), by_place);
    if (!json_splice(was, event->edits.at, event->edits.count, &data, fault))
        return false;
    at = slice_find(raw, was, 0);
    if (at == SIZE_MAX)
        return write_lines(event, buf_slice(&data), out, fault);
    return buf_add(out, slice_part(raw, 0, at), fault) &&
           buf_add(out, buf_slice(&data), fault) &&
           buf_add(out, slice_part(raw, at + was.len, raw.len), fault);
}
