/* Answers of a provider that speaks Chat Completions. */
#include "gateway/translate/turn.h"

static void take_stop(struct turn *turn, struct slice reason)
{
    static const struct {
        const char *word;
        enum turn_stop stop;
    } rows[] = {{"length", TURN_LENGTH},
                {"tool_calls", TURN_CALLS},
                {"function_call", TURN_CALLS},
                {"content_filter", TURN_FILTER}};
    const struct json_value word = {JSON_STRING, reason};

    if (reason.len <= 2)
        return;
    turn->stop = TURN_DONE;
    for (size_t i = 0; i < COUNT(rows); i++)
        if (field_is(&word, rows[i].word))
            turn->stop = rows[i].stop;
}

/* Where it is not said, the next one of them. */
static uint64_t key_of(struct slice call, size_t at)
{
    struct slice raw = turn_member(call, "index", JSON_NUMBER);
    const struct json_value value = {JSON_NUMBER, raw};
    struct fault none = {0};
    int64_t index;

    return raw.len > 0 && json_whole_number(&value, &index, &none) && index >= 0
               ? (uint64_t)index
               : at;
}

struct calls {
    struct turn *turn;
    size_t at;
};

static bool on_call(void *self, struct slice name, const struct json_value *value,
                    struct fault *fault)
{
    struct calls *calls = self;
    struct slice function = turn_member(value->raw, "function", JSON_OBJECT);
    uint64_t key;

    (void)name;
    (void)fault;
    if (value->type != JSON_OBJECT)
        return true;
    key = key_of(value->raw, calls->at++);
    turn_call(calls->turn, key, turn_member(value->raw, "id", JSON_STRING),
              turn_member(function, "name", JSON_STRING));
    turn_arguments(calls->turn, key, turn_member(function, "arguments", JSON_STRING));
    return true;
}

/* A message, or a piece of one. */
static void take_message(struct turn *turn, struct slice message)
{
    static const char *const thoughts[] = {"reasoning_content", "reasoning"};
    struct calls calls = {turn, 0};
    struct slice list = turn_member(message, "tool_calls", JSON_ARRAY);
    struct fault none = {0};

    if (turn_member(message, "content", JSON_ARRAY).len > 0)
        write_fault(&turn->writer, FAULT_INVALID, "a content that is no text");
    for (size_t i = 0; i < COUNT(thoughts); i++)
        if (turn_member(message, thoughts[i], JSON_STRING).len > 2)
            turn_wait(turn, false);
    turn_say(turn, TURN_TEXT, turn_member(message, "content", JSON_STRING));
    turn_say(turn, TURN_REFUSAL, turn_member(message, "refusal", JSON_STRING));
    if (list.len > 0)
        (void)!json_each(list, on_call, &calls, &none);
}

static bool on_choice(void *self, struct slice name, const struct json_value *value,
                      struct fault *fault)
{
    struct turn *turn = self;
    struct slice index = turn_member(value->raw, "index", JSON_NUMBER);
    static const char *const places[] = {"delta", "message"};

    (void)name;
    (void)fault;
    if (value->type != JSON_OBJECT)
        return true;
    if (index.len > 0 && !slice_equal(index, SLICE("0"))) {
        write_fault(&turn->writer, FAULT_INVALID, "an answer of several choices");
        return true;
    }
    for (size_t i = 0; i < COUNT(places); i++)
        take_message(turn, turn_member(value->raw, places[i], JSON_OBJECT));
    take_stop(turn, turn_member(value->raw, "finish_reason", JSON_STRING));
    return true;
}

static void take(struct turn *turn, struct slice data)
{
    struct slice choices = turn_member(data, "choices", JSON_ARRAY);
    struct fault none = {0};

    turn_begin(turn, turn_member(data, "id", JSON_STRING),
               turn_member(data, "model", JSON_STRING));
    if (choices.len > 0)
        (void)!json_each(choices, on_choice, turn, &none);
}

void turn_read_chat_event(struct turn *turn, struct slice data)
{
    struct slice error = turn_member(data, "error", JSON_OBJECT);

    if (error.len > 0) {
        struct slice code = turn_member(error, "code", JSON_STRING);

        turn_error(turn, code.len > 2 ? code : turn_member(error, "type", JSON_STRING),
                   turn_member(error, "message", JSON_STRING));
        return;
    }
    take(turn, data);
}

void turn_read_chat_body(struct turn *turn, struct slice data)
{
    take(turn, data);
    if (turn_member(data, "choices", JSON_ARRAY).len <= 2)
        write_fault(&turn->writer, FAULT_INVALID, "no answer of Chat Completions");
    turn_end(turn);
}
