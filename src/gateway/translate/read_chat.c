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
    enum { CONTENT, REFUSAL, CALLS, THOUGHT, THOUGHT_TOO, MEMBERS };
    static const char *const names[MEMBERS] = {"content", "refusal", "tool_calls",
                                               "reasoning_content", "reasoning"};
    struct json_value values[MEMBERS];
    struct calls calls = {turn, 0};
    struct fault none = {0};

    turn_members(message, names, MEMBERS, values);
    if (values[CONTENT].type == JSON_ARRAY)
        write_fault(&turn->writer, FAULT_INVALID, "a content that is no text");
    if (turn_string(&values[THOUGHT]).len > 2 || turn_string(&values[THOUGHT_TOO]).len > 2)
        turn_wait(turn, false);
    turn_say(turn, TURN_TEXT, turn_string(&values[CONTENT]));
    turn_say(turn, TURN_REFUSAL, turn_string(&values[REFUSAL]));
    if (values[CALLS].type == JSON_ARRAY)
        (void)!json_each(values[CALLS].raw, on_call, &calls, &none);
}

static bool on_choice(void *self, struct slice name, const struct json_value *value,
                      struct fault *fault)
{
    enum { INDEX, DELTA, MESSAGE, REASON, MEMBERS };
    static const char *const names[MEMBERS] = {"index", "delta", "message", "finish_reason"};
    struct json_value values[MEMBERS];
    struct turn *turn = self;

    (void)name;
    (void)fault;
    turn_members(value->raw, names, MEMBERS, values);
    if (values[INDEX].type == JSON_NUMBER && !slice_equal(values[INDEX].raw, SLICE("0"))) {
        write_fault(&turn->writer, FAULT_INVALID, "an answer of several choices");
        return true;
    }
    take_message(turn, values[DELTA].type == JSON_OBJECT ? values[DELTA].raw
                                                         : values[MESSAGE].raw);
    take_stop(turn, turn_string(&values[REASON]));
    return true;
}

enum { TOP_ID, TOP_MODEL, TOP_CHOICES, TOP_ERROR, TOP_MEMBERS };
static const char *const top_names[TOP_MEMBERS] = {"id", "model", "choices", "error"};

static void take(struct turn *turn, const struct json_value *values)
{
    struct fault none = {0};

    turn_begin(turn, turn_string(&values[TOP_ID]), turn_string(&values[TOP_MODEL]));
    if (values[TOP_CHOICES].type == JSON_ARRAY)
        (void)!json_each(values[TOP_CHOICES].raw, on_choice, turn, &none);
}

void turn_read_chat_event(struct turn *turn, struct slice data)
{
    struct json_value values[TOP_MEMBERS];

    turn_members(data, top_names, TOP_MEMBERS, values);
    if (values[TOP_ERROR].type == JSON_OBJECT) {
        struct slice error = values[TOP_ERROR].raw;
        struct slice code = turn_member(error, "code", JSON_STRING);

        turn_error(turn, code.len > 2 ? code : turn_member(error, "type", JSON_STRING),
                   turn_member(error, "message", JSON_STRING));
        return;
    }
    take(turn, values);
}

void turn_read_chat_body(struct turn *turn, struct slice data)
{
    struct json_value values[TOP_MEMBERS];

    turn_members(data, top_names, TOP_MEMBERS, values);
    take(turn, values);
    if (values[TOP_CHOICES].raw.len <= 2)
        write_fault(&turn->writer, FAULT_INVALID, "no answer of Chat Completions");
    turn_end(turn);
}
