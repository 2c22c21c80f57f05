/* Answers of a provider that speaks the Messages API. */
#include "gateway/translate/turn.h"

#include "base/scope.h"

typedef void event_fn(struct turn *turn, struct slice data);

static uint64_t index_of(struct slice data)
{
    struct slice raw = turn_member(data, "index", JSON_NUMBER);
    const struct json_value value = {JSON_NUMBER, raw};
    struct fault none = {0};
    int64_t index;

    return raw.len > 0 && json_whole_number(&value, &index, &none) && index >= 0
               ? (uint64_t)index
               : 0;
}

static void take_stop(struct turn *turn, struct slice reason)
{
    static const struct {
        const char *word;
        enum turn_stop stop;
    } rows[] = {{"tool_use", TURN_CALLS},
                {"max_tokens", TURN_LENGTH},
                {"model_context_window_exceeded", TURN_LENGTH},
                {"stop_sequence", TURN_SEQUENCE},
                {"refusal", TURN_FILTER}};
    const struct json_value word = {JSON_STRING, reason};

    if (reason.len <= 2)
        return;
    turn->stop = TURN_DONE;
    for (size_t i = 0; i < COUNT(rows); i++)
        if (field_is(&word, rows[i].word))
            turn->stop = rows[i].stop;
}

/* An object as the string that it would be told in. */
static void take_input(struct turn *turn, uint64_t key, struct slice input)
{
    AUTO_BUF struct buf text = buf_with_limit(TURN_BYTES_MAX);

    if (input.len <= 2 || turn->writer.failed)
        return;
    if (json_add_string(&text, input, turn->writer.fault))
        turn_arguments(turn, key, buf_slice(&text));
    else
        turn->writer.failed = true;
}

enum block_kind { BLOCK_TEXT, BLOCK_CALL, BLOCK_THOUGHT, BLOCK_SEALED, BLOCK_KINDS };

/* A block that begins, or is there as a whole. */
static void take_block(struct turn *turn, uint64_t key, struct slice block)
{
    static const char *const types[BLOCK_KINDS] = {"text", "tool_use", "thinking",
                                                   "redacted_thinking"};

    switch (turn_word(turn_member(block, "type", JSON_STRING), types, BLOCK_KINDS)) {
    case BLOCK_TEXT:
        turn_say(turn, TURN_TEXT, turn_member(block, "text", JSON_STRING));
        break;
    case BLOCK_CALL:
        turn_call(turn, key, turn_member(block, "id", JSON_STRING),
                  turn_member(block, "name", JSON_STRING));
        take_input(turn, key, turn_member(block, "input", JSON_OBJECT));
        break;
    case BLOCK_THOUGHT:
    case BLOCK_SEALED:
        turn_wait(turn, false);
        break;
    default:
        write_fault(&turn->writer, FAULT_INVALID, "a block of a type that is not known here");
    }
}

static void on_start(struct turn *turn, struct slice data)
{
    struct slice message = turn_member(data, "message", JSON_OBJECT);

    turn_begin(turn, turn_member(message, "id", JSON_STRING),
               turn_member(message, "model", JSON_STRING));
}

static void on_block(struct turn *turn, struct slice data)
{
    take_block(turn, index_of(data), turn_member(data, "content_block", JSON_OBJECT));
}

static void on_delta(struct turn *turn, struct slice data)
{
    struct slice delta = turn_member(data, "delta", JSON_OBJECT);
    struct slice text = turn_member(delta, "text", JSON_STRING);
    struct slice arguments = turn_member(delta, "partial_json", JSON_STRING);

    if (text.len > 0)
        turn_say(turn, TURN_TEXT, text);
    else if (arguments.len > 0)
        turn_arguments(turn, index_of(data), arguments);
    else
        turn_wait(turn, false);
}

static void on_stop(struct turn *turn, struct slice data)
{
    turn_call_end(turn, index_of(data));
}

static void on_message_delta(struct turn *turn, struct slice data)
{
    take_stop(turn, turn_member(data, "delta.stop_reason", JSON_STRING));
}

static void on_message_stop(struct turn *turn, struct slice data)
{
    (void)data;
    turn_end(turn);
}

static void on_ping(struct turn *turn, struct slice data)
{
    (void)data;
    turn_wait(turn, turn->begun);
}

static void on_error(struct turn *turn, struct slice data)
{
    turn_error(turn, turn_member(data, "error.type", JSON_STRING),
               turn_member(data, "error.message", JSON_STRING));
}

static const struct {
    const char *type;
    event_fn *take;
} events[] = {
    {"message_start", on_start},
    {"content_block_start", on_block},
    {"content_block_delta", on_delta},
    {"content_block_stop", on_stop},
    {"message_delta", on_message_delta},
    {"message_stop", on_message_stop},
    {"ping", on_ping},
    {"error", on_error},
};

void turn_read_messages_event(struct turn *turn, struct slice data)
{
    const struct json_value type = {JSON_STRING, turn_member(data, "type", JSON_STRING)};

    for (size_t i = 0; i < COUNT(events) && type.raw.len > 2; i++)
        if (field_is(&type, events[i].type)) {
            events[i].take(turn, data);
            return;
        }
    turn_wait(turn, false);
}

struct blocks {
    struct turn *turn;
    uint64_t at;
};

static bool on_whole_block(void *self, struct slice name, const struct json_value *value,
                           struct fault *fault)
{
    struct blocks *blocks = self;

    (void)name;
    (void)fault;
    if (value->type == JSON_OBJECT) {
        take_block(blocks->turn, blocks->at, value->raw);
        turn_call_end(blocks->turn, blocks->at++);
    }
    return true;
}

void turn_read_messages_body(struct turn *turn, struct slice data)
{
    struct slice content = turn_member(data, "content", JSON_ARRAY);
    struct blocks blocks = {turn, 0};
    struct fault none = {0};

    if (content.len == 0)
        write_fault(&turn->writer, FAULT_INVALID, "no answer of the Messages API");
    turn_begin(turn, turn_member(data, "id", JSON_STRING),
               turn_member(data, "model", JSON_STRING));
    if (content.len > 0)
        (void)!json_each(content, on_whole_block, &blocks, &none);
    take_stop(turn, turn_member(data, "stop_reason", JSON_STRING));
    turn_end(turn);
}
