/* Answers of a provider that speaks the Responses API. */
#include "gateway/translate/turn.h"

typedef void event_fn(struct turn *turn, struct slice data);

static uint64_t index_of(struct slice data)
{
    struct slice raw = turn_member(data, "output_index", JSON_NUMBER);
    const struct json_value value = {JSON_NUMBER, raw};
    struct fault none = {0};
    int64_t index;

    return raw.len > 0 && json_whole_number(&value, &index, &none) && index >= 0
               ? (uint64_t)index
               : 0;
}

static bool is_type(struct slice object, const char *type)
{
    const struct json_value value = {JSON_STRING, turn_member(object, "type", JSON_STRING)};

    return value.raw.len > 2 && field_is(&value, type);
}

/* Items that say something, and those that say nothing to a client. */
static bool is_known(struct slice item)
{
    static const char *const types[] = {"message", "function_call", "reasoning"};

    for (size_t i = 0; i < COUNT(types); i++)
        if (is_type(item, types[i]))
            return true;
    return false;
}

static void begin_item(struct turn *turn, uint64_t key, struct slice item)
{
    if (!is_known(item))
        write_fault(&turn->writer, FAULT_INVALID, "an item of a type that is not known here");
    if (is_type(item, "function_call"))
        turn_call(turn, key, turn_member(item, "call_id", JSON_STRING),
                  turn_member(item, "name", JSON_STRING));
}

static bool has_arguments(const struct turn *turn, uint64_t key)
{
    for (size_t i = turn->part_count; i-- > 0;)
        if (turn->parts[i].kind == TURN_CALL && turn->parts[i].key == key)
            return turn->parts[i].told || turn->parts[i].waiting.len > 0;
    return false;
}

static void end_item(struct turn *turn, uint64_t key, struct slice item)
{
    begin_item(turn, key, item);
    if (!is_type(item, "function_call"))
        return;
    if (!has_arguments(turn, key)) /* not every server tells them piece by piece */
        turn_arguments(turn, key, turn_member(item, "arguments", JSON_STRING));
    turn_call_end(turn, key);
}

static bool on_part(void *self, struct slice name, const struct json_value *value,
                    struct fault *fault)
{
    (void)name;
    (void)fault;
    if (value->type != JSON_OBJECT)
        return true;
    turn_say(self, TURN_TEXT, turn_member(value->raw, "text", JSON_STRING));
    turn_say(self, TURN_REFUSAL, turn_member(value->raw, "refusal", JSON_STRING));
    return true;
}

struct items {
    struct turn *turn;
    uint64_t at;
};

static bool on_item(void *self, struct slice name, const struct json_value *value,
                    struct fault *fault)
{
    struct items *items = self;
    struct slice content = turn_member(value->raw, "content", JSON_ARRAY);

    (void)name;
    if (value->type != JSON_OBJECT)
        return true;
    if (is_type(value->raw, "message") && content.len > 0 &&
        !json_each(content, on_part, items->turn, fault))
        return false;
    end_item(items->turn, items->at++, value->raw);
    return true;
}

/* The response as a whole: its items where they have not been told, its end. */
static void take_response(struct turn *turn, struct slice response)
{
    static const char *const words[] = {"max_output_tokens", "content_filter"};
    static const enum turn_stop stops[] = {TURN_LENGTH, TURN_FILTER, TURN_LENGTH};
    struct slice output = turn_member(response, "output", JSON_ARRAY);
    struct slice why = turn_member(response, "incomplete_details.reason", JSON_STRING);
    struct items items = {turn, 0};
    struct fault none = {0};

    turn_begin(turn, turn_member(response, "id", JSON_STRING),
               turn_member(response, "model", JSON_STRING));
    if (turn->part_count == 0 && output.len > 0)
        (void)!json_each(output, on_item, &items, &none);
    turn->stop = why.len > 2 ? stops[turn_word(why, words, COUNT(words))] : TURN_DONE;
    turn_end(turn);
}

static void on_begin(struct turn *turn, struct slice data)
{
    struct slice response = turn_member(data, "response", JSON_OBJECT);

    turn_begin(turn, turn_member(response, "id", JSON_STRING),
               turn_member(response, "model", JSON_STRING));
}

static void on_added(struct turn *turn, struct slice data)
{
    begin_item(turn, index_of(data), turn_member(data, "item", JSON_OBJECT));
}

static void on_done(struct turn *turn, struct slice data)
{
    end_item(turn, index_of(data), turn_member(data, "item", JSON_OBJECT));
}

static void on_text(struct turn *turn, struct slice data)
{
    turn_say(turn, TURN_TEXT, turn_member(data, "delta", JSON_STRING));
}

static void on_refusal(struct turn *turn, struct slice data)
{
    turn_say(turn, TURN_REFUSAL, turn_member(data, "delta", JSON_STRING));
}

static void on_arguments(struct turn *turn, struct slice data)
{
    turn_arguments(turn, index_of(data), turn_member(data, "delta", JSON_STRING));
}

static void on_end(struct turn *turn, struct slice data)
{
    take_response(turn, turn_member(data, "response", JSON_OBJECT));
}

static void on_failed(struct turn *turn, struct slice data)
{
    turn_error(turn, turn_member(data, "response.error.code", JSON_STRING),
               turn_member(data, "response.error.message", JSON_STRING));
}

static void on_error(struct turn *turn, struct slice data)
{
    struct slice inner = turn_member(data, "error", JSON_OBJECT);
    struct slice error = inner.len > 0 ? inner : data;

    turn_error(turn, turn_member(error, "code", JSON_STRING),
               turn_member(error, "message", JSON_STRING));
}

static const struct {
    const char *type;
    event_fn *take;
} events[] = {
    {"response.created", on_begin},
    {"response.in_progress", on_begin},
    {"response.output_item.added", on_added},
    {"response.output_item.done", on_done},
    {"response.output_text.delta", on_text},
    {"response.refusal.delta", on_refusal},
    {"response.function_call_arguments.delta", on_arguments},
    {"response.completed", on_end},
    {"response.incomplete", on_end},
    {"response.failed", on_failed},
    {"error", on_error},
};

void turn_read_responses_event(struct turn *turn, struct slice data)
{
    const struct json_value type = {JSON_STRING, turn_member(data, "type", JSON_STRING)};

    for (size_t i = 0; i < COUNT(events) && type.raw.len > 2; i++)
        if (field_is(&type, events[i].type)) {
            events[i].take(turn, data);
            return;
        }
    turn_wait(turn, false); /* thoughts, and copies of what has been told */
}

void turn_read_responses_body(struct turn *turn, struct slice data)
{
    if (turn_member(data, "output", JSON_ARRAY).len == 0)
        write_fault(&turn->writer, FAULT_INVALID, "no answer of the Responses API");
    take_response(turn, data);
}
