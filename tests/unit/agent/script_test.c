#include "test.h"

#include <jansson.h>
#include <stdio.h>

#include "agent/script.h"
#include "base/scope.h"

/* ---- what clients send ---- */

struct dialect {
    const char *name, *path, *history;
    const char *tools;  /* what it offers: a shell */
    const char *prompt; /* the first of the history */
    /* what the client sends back after the turn whose call id is put in for %s */
    const char *answered;
    const char *input; /* 900 tokens in, 12 of them cached, in its own words */
};

static const struct dialect dialects[] = {
    {"openai", "/v1/chat/completions", "messages",
     "[{\"type\":\"function\",\"function\":{\"name\":\"bash\",\"parameters\":{\"type\":"
     "\"object\","
     "\"properties\":{\"command\":{\"type\":\"string\"}},\"required\":[\"command\"]}}}]",
     "{\"role\":\"user\",\"content\":\"go\"}",
     ",{\"role\":\"assistant\",\"content\":\"\",\"tool_calls\":[{\"id\":\"%s\",\"type\":"
     "\"function\","
     "\"function\":{\"name\":\"bash\",\"arguments\":\"{}\"}}]},"
     "{\"role\":\"tool\",\"tool_call_id\":\"x\",\"content\":\"done\"}",
     "\"prompt_tokens\":900"},
    {"openai-responses", "/v1/responses", "input",
     "[{\"type\":\"function\",\"name\":\"bash\",\"parameters\":{\"type\":\"object\","
     "\"properties\":{\"command\":{\"type\":\"string\"}},\"required\":[\"command\"]}}]",
     "{\"type\":\"message\",\"role\":\"user\",\"content\":\"go\"}",
     ",{\"type\":\"function_call\",\"call_id\":\"%s\",\"name\":\"bash\",\"arguments\":\"{}\"},"
     "{\"type\":\"function_call_output\",\"call_id\":\"x\",\"output\":\"done\"}",
     "\"input_tokens\":900"},
    {"anthropic", "/v1/messages", "messages",
     "[{\"name\":\"bash\",\"input_schema\":{\"type\":\"object\","
     "\"properties\":{\"command\":{\"type\":\"string\"}},\"required\":[\"command\"]}}]",
     "{\"role\":\"user\",\"content\":\"go\"}",
     ",{\"role\":\"assistant\",\"content\":[{\"type\":\"tool_use\",\"id\":\"%s\",\"name\":"
     "\"bash\",\"input\":{}}]},"
     "{\"role\":\"user\",\"content\":[{\"type\":\"tool_result\",\"tool_use_id\":\"x\","
     "\"content\":\"done\"}]}",
     "\"input_tokens\":888"},
};

static struct script *script_of(const char *text)
{
    struct fault fault = {0};
    struct script *script = NULL;

    assert_ok(script_parse(slice_of(text), "s.yaml", &script, &fault), fault);
    return script;
}

/* A request behind `turns` turns of the script. */
static char *request_of(const struct dialect *dialect, int turns, bool streamed)
{
    AUTO_BUF struct buf history = buf_with_limit(65536);
    struct fault fault = {0};

    assert_ok(buf_add_text(&history, dialect->prompt, &fault), fault);
    for (int turn = 0; turn < turns; turn++) {
        const char *at = strstr(dialect->answered, "%s");

        assert_ok(buf_add(&history,
                          slice_of_bytes(dialect->answered, (size_t)(at - dialect->answered)),
                          &fault),
                  fault);
        assert_ok(buf_add_format(&history, &fault, "call_scripted_t%d_0", turn), fault);
        assert_ok(buf_add_text(&history, at + 2, &fault), fault);
    }
    return xformat("{\"model\":\"m\",\"stream\":%s,\"stream_options\":{\"include_usage\":true}"
                   ",\"tools\":%s,\"%s\":[%s]}",
                   streamed ? "true" : "false", dialect->tools, dialect->history,
                   buf_text(&history));
}

static struct script_answer ask(struct script *script, const char *path, const char *body)
{
    struct script_answer answer;

    script_answer(script, SLICE("POST"), slice_of(path), slice_of(body), &answer);
    return answer;
}

static struct script_answer ask_turn(struct script *script, const struct dialect *dialect,
                                     int turns, bool streamed)
{
    AUTO_FREE char *body = request_of(dialect, turns, streamed);

    return ask(script, dialect->path, body);
}

static bool holds(const struct script_answer *answer, const char *text)
{
    return slice_find(buf_slice(&answer->body), slice_of(text), 0) != SIZE_MAX;
}

/* ---- reading a streamed answer as a client does: all text and arguments, put together ----
 */

static void gather(json_t *value, const char *key, struct buf *out)
{
    struct fault fault = {0};
    json_t *child;
    const char *name;
    size_t at;

    if (json_is_array(value))
        json_array_foreach(value, at, child) gather(child, key, out);
    json_object_foreach(value, name, child)
    {
        if (strcmp(name, key) == 0 && json_is_string(child))
            assert_ok(buf_add_text(out, json_string_value(child), &fault), fault);
        else
            gather(child, key, out);
    }
}

/* Each event is whole JSON; what stands under `key` in the events whose type is `type` (or
 * any). */
static void gather_events(const struct script_answer *answer, const char *type,
                          const char *key, struct buf *out)
{
    struct slice rest = buf_slice(&answer->body), line;

    while (slice_cut(&rest, '\n', &line)) {
        json_t *event;

        if (!slice_starts_with(line, SLICE("data: ")) ||
            slice_equal(line, SLICE("data: [DONE]")))
            continue;
        event = json_loadb((const char *)line.at + 6, line.len - 6, 0, NULL);
        assert_non_null(event);
        if (type == NULL ||
            (json_is_string(json_object_get(event, "type")) &&
             strcmp(json_string_value(json_object_get(event, "type")), type) == 0))
            gather(event, key, out);
        json_decref(event);
    }
}

static const char two_turns[] =
    "version: 1\n"
    "turns:\n"
    "  - text: \"I look. caf\\u00e9, and some more words so that it takes pieces\"\n"
    "    calls: [ { shell: { command: \"echo one two three four five six seven\" } } ]\n"
    "    usage: { input: 900, output: 40, cached: 12 }\n"
    "  - text: Done.\n";

#define WORDS "I look. caf\xc3\xa9, and some more words so that it takes pieces"

static void a_turn_is_said_whole_in_every_dialect(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(dialects); i++) {
        struct script *script = script_of(two_turns);
        struct script_answer first = ask_turn(script, &dialects[i], 0, false);
        struct script_answer second = ask_turn(script, &dialects[i], 1, false);
        struct script_answer third = ask_turn(script, &dialects[i], 2, false);

        assert_int_equal(first.status, 200);
        assert_false(first.streamed);
        assert_string_equal(first.content_type, "application/json");
        assert_string_equal(first.dialect, dialects[i].name);
        assert_int_equal(first.turn, 0);
        assert_true(holds(&first, "takes pieces") && holds(&first, "call_scripted_t0_0"));
        assert_true(holds(&first, "echo one two three") && holds(&first, dialects[i].input) &&
                    holds(&first, "scripted-1"));
        assert_int_equal(second.turn, 1);
        assert_true(holds(&second, "Done.") && !holds(&second, "call_scripted"));
        assert_int_equal(third.turn, 2);
        assert_true(holds(&third, "The script has ended"));
        script_answer_free(&first);
        script_answer_free(&second);
        script_answer_free(&third);
        script_free(script);
    }
}

static void a_streamed_turn_put_together_says_the_same(void **state)
{
    static const struct {
        const char *text_type, *text_key, *arguments_type, *arguments_key, *end;
    } rows[COUNT(dialects)] = {
        {NULL, "content", NULL, "arguments", "data: [DONE]\n\n"},
        {"response.output_text.delta", "delta", "response.function_call_arguments.delta",
         "delta", "event: response.completed"},
        {"content_block_delta", "text", "content_block_delta", "partial_json",
         "event: message_stop"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(dialects); i++) {
        struct script *script = script_of(two_turns);
        struct script_answer answer = ask_turn(script, &dialects[i], 0, true);
        AUTO_BUF struct buf text = buf_with_limit(65536);
        AUTO_BUF struct buf arguments = buf_with_limit(65536);

        assert_int_equal(answer.status, 200);
        assert_true(answer.streamed && slice_starts_with(slice_of(answer.content_type),
                                                         SLICE("text/event-stream")));
        gather_events(&answer, rows[i].text_type, rows[i].text_key, &text);
        gather_events(&answer, rows[i].arguments_type, rows[i].arguments_key, &arguments);
        assert_string_equal(buf_text(&text), WORDS);
        assert_string_equal(buf_text(&arguments),
                            "{\"command\":\"echo one two three four five six seven\"}");
        assert_true(holds(&answer, rows[i].end) && holds(&answer, dialects[i].input));
        script_answer_free(&answer);
        script_free(script);
    }
}

/* ---- which turn ---- */

static void a_retry_gets_the_same_turn(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(dialects); i++) {
        struct script *script = script_of(two_turns);
        struct script_answer once = ask_turn(script, &dialects[i], 0, true);
        struct script_answer again = ask_turn(script, &dialects[i], 0, true);

        assert_true(slice_equal(buf_slice(&once.body), buf_slice(&again.body)));
        script_answer_free(&once);
        script_answer_free(&again);
        script_free(script);
    }
}

static void two_agents_are_served_each_at_its_own_turn(void **state)
{
    struct script *script = script_of(two_turns);
    struct script_answer behind, ahead;

    (void)state;
    ahead = ask_turn(script, &dialects[0], 1, false);
    behind = ask_turn(script, &dialects[1], 0, false);
    assert_int_equal(ahead.turn, 1);
    assert_int_equal(behind.turn, 0);
    script_answer_free(&ahead);
    script_answer_free(&behind);
    script_free(script);
}

static void an_error_comes_so_many_times_and_then_the_turn(void **state)
{
    static const char text[] = "version: 1\n"
                               "turns:\n"
                               "  - status: 503\n"
                               "    times: 2\n"
                               "    message: overloaded for now\n"
                               "    text: At last.\n"
                               "  - status: 429\n"
                               "    message: slow down\n";
    struct script *script = script_of(text);

    (void)state;
    for (int i = 0; i < 3; i++) {
        struct script_answer answer = ask_turn(script, &dialects[i], 0, true);

        assert_int_equal(answer.status, i < 2 ? 503 : 200);
        assert_int_equal(answer.streamed, i == 2);
        assert_true(holds(&answer, i < 2 ? "overloaded for now" : "At last."));
        script_answer_free(&answer);
    }
    for (int i = 0; i < 2; i++) {
        struct script_answer answer = ask_turn(script, &dialects[2], 1, false);

        assert_int_equal(answer.status, i == 0 ? 429 : 200);
        assert_int_equal(holds(&answer, "rate_limit_error"), i == 0);
        script_answer_free(&answer);
    }
    script_free(script);
}

static void a_request_without_tools_is_a_side_request(void **state)
{
    struct script *script = script_of("version: 1\nside: A title\nturns: [ { text: One } ]\n");
    struct script_answer side =
        ask(script, "/v1/chat/completions",
            "{\"model\":\"m\",\"messages\":[{\"role\":\"user\",\"content\":\"title?\"}]}");

    (void)state;
    assert_int_equal(side.status, 200);
    assert_int_equal(side.turn, -1);
    assert_true(holds(&side, "A title") && !holds(&side, "One"));
    script_answer_free(&side);
    script_free(script);
}

/* ---- calls become calls of the tools that are offered ---- */

static void a_call_takes_the_names_of_the_tool_that_is_offered(void **state)
{
    static const struct {
        const char *tools, *name, *arguments;
    } rows[] = {
        {"[{\"function\":{\"name\":\"edit\",\"parameters\":{\"properties\":{\"path\":{"
         "\"type\":\"string\"},"
         "\"old\":{\"type\":\"string\"},\"new\":{\"type\":\"string\"}}}}}]",
         "edit",
         "{\\\"path\\\":\\\"/data/a.c\\\",\\\"old\\\":\\\"x\\\",\\\"new\\\":\\\"it's\\\"}"},
        {"[{\"function\":{\"name\":\"replace\",\"parameters\":{\"properties\":{\"file_path\":{"
         "\"type\":\"string\"},"
         "\"old_string\":{\"type\":\"string\"},\"new_string\":{\"type\":\"string\"},"
         "\"times\":{\"type\":\"integer\"}},\"required\":[\"times\"]}}}]",
         "replace", "\\\"new_string\\\":\\\"it's\\\",\\\"times\\\":1}"},
        {"[{\"function\":{\"name\":\"shell\",\"parameters\":{\"properties\":{\"command\":{"
         "\"type\":\"array\","
         "\"items\":{\"type\":\"string\"}}}}}}]",
         "shell", "[\\\"/bin/sh\\\",\\\"-c\\\",\\\"OLD='x' NEW='it'\\\\\\\\''s' perl"},
    };
    struct script *script = script_of("version: 1\nturns: [ { calls: [ { edit: { path: a.c, "
                                      "old: x, new: \"it's\" } } ] } ]\n");

    (void)state;
    script_set_folder(script, "/data");
    for (size_t i = 0; i < COUNT(rows); i++) {
        AUTO_FREE char *body =
            xformat("{\"model\":\"m\",\"messages\":[],\"tools\":%s}", rows[i].tools);
        AUTO_FREE char *name = xformat("\"name\":\"%s\"", rows[i].name);
        struct script_answer answer = ask(script, "/v1/chat/completions", body);

        assert_int_equal(answer.status, 200);
        assert_true(holds(&answer, name));
        if (!holds(&answer, rows[i].arguments))
            fail_msg("%s is not in %s", rows[i].arguments, buf_text(&answer.body));
        script_answer_free(&answer);
    }
    script_free(script);
}

static void a_call_that_no_tool_fits_is_the_clients_error(void **state)
{
    static const char body[] =
        "{\"model\":\"m\",\"messages\":[],\"tools\":[{\"function\":{\"name\":\"read\","
        "\"parameters\":{\"properties\":{\"path\":{\"type\":\"string\"}}}}}]}";
    struct script *script =
        script_of("version: 1\nturns: [ { calls: [ { shell: { command: ls } } ] } ]\n");
    struct script_answer answer = ask(script, "/v1/chat/completions", body);

    (void)state;
    assert_int_equal(answer.status, 400);
    assert_true(holds(&answer, "no tool that is offered fits"));
    script_answer_free(&answer);
    script_free(script);
}

/* ---- what is wrong ---- */

static void a_bad_request_is_answered_not_obeyed(void **state)
{
    static const struct {
        const char *method, *target, *body;
        int status;
        const char *says;
    } rows[] = {
        {"GET", "/v1/models", "", 200, "scripted-1"},
        {"GET", "http://127.0.0.1:8/v1/models?limit=1", "", 200, "scripted-1"},
        {"GET", "/v1/chat/completions", "", 405, "POST only"},
        {"POST", "/v1/chat/completions", "{\"model\":\"m\",\"messages\":[\"\\u0000\"]}", 200,
         "Scripted"},
        {"POST", "/v1/chat/completions", "{\"model\":\"\\ud800\"}", 400, "not JSON: "},
        {"POST", "/v1/images", "{}", 404, "no such path"},
        {"POST", "/v1/embeddings", "{\"input\":[\"a\",\"b\"]}", 200, "\"index\":1"},
        {"POST", "/v1/embeddings", "{\"encoding_format\":\"base64\"}", 200, "AAAAPwAAgL4AAAA+"},
        {"POST", "/v1/completions", "{\"prompt\":\"a\"}", 200, "text_completion"},
        {"POST", "/v1/completions", "{\"prompt\":\"a\",\"stream\":true}", 200, "data: [DONE]"},
        {"POST", "/v1/responses/input_tokens", "{}", 200, "input_tokens"},
        {"POST", "/v1beta/models/g:countTokens", "{}", 200, "totalTokens"},
        {"POST", "/v1beta/models/g:embedContent", "{}", 200, "\"embedding\""},
        {"POST", "/v1beta/models/g:batchEmbedContents", "{\"requests\":[{}]}", 200,
         "\"embeddings\":[{"},
        {"POST", "/v1beta/models/g:generateContent", "{}", 400, "missing"},
        {"POST", "/v1beta/models/g:generateContent", "{\"contents\":[]}", 200,
         "\"finishReason\":\"STOP\""},
        {"POST", "/v1beta/models/g:streamGenerateContent", "{\"contents\":[]}", 200,
         "data: {\"candidates\""},
        {"POST", "/model/m/invoke", "{\"messages\":[]}", 200, "\"type\":\"message\""},
        {"POST", "/openai/deployments/d/chat/completions", "{\"model\":\"m\",\"messages\":[]}",
         200, "chat.completion"},
        {"POST", "/", "{}", 404, "no such path"},
        {"POST", "", "{}", 404, "no such path"},
        {"POST", "/v1/responses", "", 400, "not JSON"},
        {"POST", "/v1/responses", "\xff", 400, "not JSON"},
        {"POST", "/v1/messages", "{\"model\":\"m\",\"model\":\"n\",\"messages\":[]}", 400,
         "not JSON"},
        {"POST", "/v1/messages", "[]", 400, "missing"},
        {"POST", "/v1/messages", "{\"messages\":[]}", 400, "missing"},
        {"POST", "/v1/chat/completions", "{\"model\":\"m\",\"messages\":\"x\"}", 400,
         "missing"},
        {"POST", "/v1/messages/count_tokens", "{}", 200, "input_tokens"},
        {"POST", "/v1/responses", "{\"model\":\"m\",\"input\":\"title?\"}", 200,
         "Scripted side answer"},
    };
    struct script *script = script_of(two_turns);

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct script_answer answer;

        script_answer(script, slice_of(rows[i].method), slice_of(rows[i].target),
                      slice_of(rows[i].body), &answer);
        if (answer.status != rows[i].status || !holds(&answer, rows[i].says))
            fail_msg("row %zu: %d %s", i, answer.status, buf_text(&answer.body));
        assert_int_equal(answer.turn, -1);
        script_answer_free(&answer);
    }
    script_free(script);
}

static void a_bad_script_is_refused_with_line_and_column(void **state)
{
    static const struct {
        const char *text, *why;
    } rows[] = {
        {"", "s.yaml:1:1: empty"},
        {"turns: [ { text: a } ]\n", "s.yaml:1:1: the key version is missing"},
        {"version: 2\nturns: [ { text: a } ]\n",
         "s.yaml:1:10: must be a whole number from 1 to 1"},
        {"version: 1\nturns: []\n", "s.yaml:2:1: from 1 to 500 turns"},
        {"version: 1\nturns:\n  - delay_ms: 5\n",
         "s.yaml:3:5: a turn has text, calls or a status"},
        {"version: 1\nturns:\n  - text: a\n    words: b\n", "s.yaml:4:12: unknown key words"},
        {"version: 1\nturns:\n  - calls: [ { fly: { to: b } } ]\n", "unknown key fly"},
        {"version: 1\nturns:\n  - calls: [ { edit: { path: b, old: c } } ]\n",
         "the key new is missing"},
        {"version: 1\nturns:\n  - status: 200\n",
         "s.yaml:3:13: must be a whole number from 400 to 599"},
        {"version: 1\nturns:\n  - text: a\n    pace_ms: -1\n",
         "s.yaml:4:14: must be a whole number"},
        {"version: 1\nturns:\n  - text: !x a\n", "anchors, aliases and tags are not taken"},
        {"version: 1\nturns: &a [ { text: a } ]\n", "anchors, aliases and tags are not taken"},
        {"version: 1\nversion: 1\nturns: [ { text: a } ]\n", "duplicate"},
        {"version: 1\nturns: [ { text: a } ]\n---\na: 1\n",
         "s.yaml: a second document is not taken"},
        {"---\nversion: 1\nturns: [ { text: a } ]\n", "`---` is not taken"},
        {"%TAG ", "s.yaml:1:1: directives have no place here"},
        {"version: 1\nturns: [ { text: \"caf\xe9\" } ]\n", "s.yaml:2:22: not UTF-8"},
        {"version: 1\nturns: [ { text: \"a\\0b\" } ]\n", "a NUL character"},
        {"version: 1\nturns: [\n", "s.yaml:3:1: "},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct fault fault = {0};
        struct script *script = NULL;

        assert_false(script_parse(slice_of(rows[i].text), "s.yaml", &script, &fault));
        assert_int_equal(fault.kind, FAULT_INVALID);
        if (strstr(fault.why, rows[i].why) == NULL)
            fail_msg("row %zu: %s, wanted %s", i, fault.why, rows[i].why);
    }
}

static void a_script_is_not_endless(void **state)
{
    AUTO_FREE char *text = xalloc(SCRIPT_BYTES_MAX + 2);
    struct fault fault = {0};
    struct script *script = NULL;

    (void)state;
    (void)memset(text, '#', SCRIPT_BYTES_MAX + 1);
    assert_false(script_parse(slice_of(text), "s.yaml", &script, &fault));
    assert_int_equal(fault.kind, FAULT_LIMIT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_turn_is_said_whole_in_every_dialect),
        TEST(a_streamed_turn_put_together_says_the_same),
        TEST(a_retry_gets_the_same_turn),
        TEST(two_agents_are_served_each_at_its_own_turn),
        TEST(an_error_comes_so_many_times_and_then_the_turn),
        TEST(a_request_without_tools_is_a_side_request),
        TEST(a_call_takes_the_names_of_the_tool_that_is_offered),
        TEST(a_call_that_no_tool_fits_is_the_clients_error),
        TEST(a_bad_request_is_answered_not_obeyed),
        TEST(a_bad_script_is_refused_with_line_and_column),
        TEST(a_script_is_not_endless),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
