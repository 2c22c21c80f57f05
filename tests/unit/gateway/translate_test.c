/* Requests and answers of each of three APIs as each of the others has them, as recorded in
 * tests/data/translate: X-from-Y is what comes out. Streams are cut at every byte. */
#include "gateway/translate/translate.h"

#include <fcntl.h>
#include <stdio.h>

#include "base/scope.h"
#include "gateway/door/translated.h"
#include "os/file.h"
#include "test.h"
#include "wire/json.h"

#define BYTES_MAX (1U << 20)

static const struct side {
    const char *name;
    enum dialect dialect;
    enum operation operation;
} sides[] = {
    {"chat", DIALECT_OPENAI, OPERATION_CHAT},
    {"responses", DIALECT_OPENAI_RESPONSES, OPERATION_RESPONSE},
    {"messages", DIALECT_ANTHROPIC, OPERATION_MESSAGE},
};

/* The least that a request of each can say. */
static const char *const least[] = {
    "{\"model\":\"x\",\"messages\":[]}",
    "{\"model\":\"x\",\"input\":[]}",
    "{\"model\":\"x\",\"max_tokens\":1,\"messages\":[]}",
};

static void read_data(const char *name, struct buf *ret)
{
    AUTO_FREE char *folder = xformat("%s/translate", getenv("CUSTODY_TEST_DATA"));
    AUTO_CLOSE int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    struct fault fault = {0};

    *ret = buf_with_limit(BYTES_MAX);
    assert_ok(file_read(fd, name, ret, &fault), fault);
}

/* Where CUSTODY_TEST_RECORD is set, what comes out is written there instead. */
static void check_data(const char *name, struct slice got)
{
    const char *record = getenv("CUSTODY_TEST_RECORD");
    AUTO_FREE char *path = xformat("%s/%s", record == NULL ? "" : record, name);
    AUTO_BUF struct buf want = {0};

    if (record != NULL) {
        FILE *file = fopen(path, "w");

        assert_non_null(file);
        (void)fwrite(got.at, 1, got.len, file);
        (void)fclose(file);
        return;
    }
    read_data(name, &want);
    if (!slice_equal(got, buf_slice(&want)))
        fail_msg("%s: got\n%.*s", name, SLICE_ARGS(got));
}

static struct translation *translate(const struct side *asked, const struct side *sent,
                                     const char *body, struct buf *ret)
{
    struct translation *translation = NULL;
    struct fault fault = {0};

    *ret = buf_with_limit(BYTES_MAX);
    assert_ok(translate_request(asked->operation, sent->operation, slice_of(body), ret,
                                &translation, &fault),
              fault);
    assert_ok(json_walk(buf_slice(ret), NULL, &fault), fault);
    return translation;
}

/* The first `cut` bytes, then `step` at a time. */
static void pass(const struct translation *translation, bool is_stream, int status,
                 struct slice text, size_t cut, size_t step, struct buf *out)
{
    struct translator *translator = translator_new(translation, status, is_stream, 1700000000);
    struct fault fault = {0};

    buf_clear(out);
    for (size_t size = cut; text.len > 0; size = step) {
        assert_ok(translator_feed(translator, slice_part(text, 0, size), out, &fault), fault);
        text = slice_part(text, size, text.len);
    }
    assert_ok(translator_end(translator, out, &fault), fault);
    translator_free(translator);
}

static void requests_become_what_the_other_api_has(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(sides); i++)
        for (size_t j = 0; j < COUNT(sides); j++) {
            AUTO_FREE char *name = xformat("request.%s", sides[i].name);
            AUTO_FREE char *wanted =
                xformat("request.%s-from-%s", sides[j].name, sides[i].name);
            AUTO_BUF struct buf body = {0}, out = {0};

            if (i == j)
                continue;
            read_data(name, &body);
            translation_free(translate(&sides[i], &sides[j], buf_text(&body), &out));
            check_data(wanted, buf_slice(&out));
            assert_true(slice_find(buf_slice(&out), SLICE("secret thought"), 0) == SIZE_MAX);
            assert_true(slice_find(buf_slice(&out), SLICE("c2VhbGVk"), 0) == SIZE_MAX);
            assert_true(slice_find(buf_slice(&out), SLICE("c2lnbmVk"), 0) == SIZE_MAX);
        }
}

static void check_answers(const char *kind, bool is_stream)
{
    for (size_t i = 0; i < COUNT(sides); i++)
        for (size_t j = 0; j < COUNT(sides); j++) {
            AUTO_FREE char *name = xformat("%s.%s", kind, sides[j].name);
            AUTO_FREE char *wanted = xformat("%s.%s-from-%s", kind, sides[i].name, sides[j].name);
            AUTO_BUF struct buf body = {0}, text = {0}, whole = buf_with_limit(BYTES_MAX),
                                out = buf_with_limit(BYTES_MAX);
            struct translation *translation;

            if (i == j)
                continue;
            translation = translate(&sides[i], &sides[j], least[i], &body);
            read_data(name, &text);
            pass(translation, is_stream, 200, buf_slice(&text), text.len, 1, &whole);
            check_data(wanted, buf_slice(&whole));
            pass(translation, is_stream, 200, buf_slice(&text), 1, 1, &out);
            assert_true(slice_equal(buf_slice(&out), buf_slice(&whole)));
            for (size_t cut = 1; cut < text.len; cut++) {
                pass(translation, is_stream, 200, buf_slice(&text), cut, text.len, &out);
                assert_true(slice_equal(buf_slice(&out), buf_slice(&whole)));
            }
            assert_true(slice_find(buf_slice(&whole), SLICE("I think"), 0) == SIZE_MAX);
            translation_free(translation);
        }
}

static void streams_become_the_clients_wherever_they_are_cut(void **state)
{
    (void)state;
    check_answers("stream", true);
}

static void documents_become_the_clients(void **state)
{
    (void)state;
    check_answers("answer", false);
}

/* As a client that asks for all that the API can tell. */
static struct translation *asking(const struct side *asked, const struct side *sent)
{
    AUTO_BUF struct buf body = {0};
    const char *request = asked->dialect == DIALECT_OPENAI
                              ? "{\"model\":\"x\",\"messages\":[],\"stream\":true,"
                                "\"stream_options\":{\"include_usage\":true}}"
                              : least[asked - sides];

    return translate(asked, sent, request, &body);
}

/* From the recorded one of `from`, as `to` has it. */
static void put(const struct side *from, const struct side *to, struct slice text,
                struct buf *ret)
{
    struct translation *translation = asking(to, from);

    pass(translation, true, 200, text, text.len, 1, ret);
    translation_free(translation);
}

/* Signs of life are each API's own: without them. */
static void quieten(struct buf *text)
{
    static const char *const signs[] = {": keep\n\n",
                                        "event: ping\ndata: {\"type\":\"ping\"}\n\n"};

    for (size_t i = 0; i < COUNT(signs); i++) {
        size_t at = slice_find(buf_slice(text), slice_of(signs[i]), 0), len = strlen(signs[i]);

        if (at == SIZE_MAX)
            continue;
        memmove(text->at + at, text->at + at + len, text->len - at - len);
        text->len -= len;
    }
}

static void what_is_put_there_and_back_is_the_same(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(sides); i++)
        for (size_t j = 0; j < COUNT(sides); j++) {
            const struct side *source = &sides[i == 2 ? 0 : 2];
            AUTO_FREE char *name = xformat("stream.%s", source->name);
            AUTO_BUF struct buf text = {0}, here = buf_with_limit(BYTES_MAX),
                                there = buf_with_limit(BYTES_MAX),
                                back = buf_with_limit(BYTES_MAX);

            if (i == j)
                continue;
            read_data(name, &text);
            quieten(&text);
            put(source, &sides[i], buf_slice(&text), &here);
            put(&sides[i], &sides[j], buf_slice(&here), &there);
            put(&sides[j], &sides[i], buf_slice(&there), &back);
            if (!slice_equal(buf_slice(&here), buf_slice(&back)))
                fail_msg("by %s:\n%.*s\n%.*s", sides[j].name, SLICE_ARGS(here),
                         SLICE_ARGS(back));
        }
}

static void what_has_no_counterpart_is_refused_by_name(void **state)
{
    static const struct {
        size_t asked, sent;
        const char *body, *says;
    } cases[] = {
        {0, 1, "{\"model\":\"x\",\"messages\":[],\"stop\":[\"a\"]}", "stop sequences"},
        {0, 2, "{\"model\":\"x\",\"messages\":[],\"n\":2}", "`n`"},
        {0, 2, "{\"model\":\"x\",\"messages\":[],\"logprobs\":true}", "`logprobs`"},
        {0, 2, "{\"model\":\"x\",\"messages\":[],\"temperature\":1.5}", "temperature"},
        {0, 2, "{\"model\":\"x\",\"messages\":[],\"response_format\":{\"type\":\"json_object\"}}",
         "json_object"},
        {0, 1, "{\"model\":\"x\",\"messages\":[],\"brand_new\":1}", "`brand_new`"},
        {0, 1, "{\"model\":\"x\",\"messages\":[],\"tools\":[{\"type\":\"custom\",\"custom\":{}}]}",
         "`custom`"},
        {0, 2, "{\"model\":\"x\",\"messages\":[{\"role\":\"user\",\"content\":[{\"type\":"
               "\"input_audio\",\"input_audio\":{}}]}]}",
         "`input_audio`"},
        {0, 2, "{\"model\":\"x\",\"messages\":[{\"role\":\"assistant\",\"content\":\"I\"}]}",
         "last message"},
        {1, 0, "{\"model\":\"x\",\"input\":[],\"previous_response_id\":\"r\"}",
         "`previous_response_id`"},
        {1, 0, "{\"model\":\"x\",\"input\":[],\"tools\":[{\"type\":\"web_search\"}]}",
         "type of a tool"},
        {1, 2, "{\"model\":\"x\",\"input\":[{\"type\":\"item_reference\",\"id\":\"i\"}]}",
         "type of an input item"},
        {1, 2, "{\"model\":\"x\",\"input\":[],\"max_tool_calls\":3}", "`max_tool_calls`"},
        {1, 2, "{\"model\":\"x\",\"input\":[],\"reasoning\":{\"effort\":\"cosmic\"}}", "effort"},
        {2, 0, "{\"model\":\"x\",\"max_tokens\":1,\"messages\":[],\"top_k\":5}", "`top_k`"},
        {2, 1, "{\"model\":\"x\",\"max_tokens\":1,\"messages\":[],\"stop_sequences\":[\"a\"]}",
         "stop sequences"},
        {2, 0, "{\"model\":\"x\",\"max_tokens\":1,\"messages\":[],\"tools\":[{\"type\":"
               "\"bash_20250124\",\"name\":\"bash\"}]}",
         "type of a tool"},
        {2, 0, "{\"model\":\"x\",\"max_tokens\":1,\"messages\":[{\"role\":\"user\",\"content\":["
               "{\"type\":\"web_search_tool_result\"}]}]}",
         "type of a block"},
        {2, 1, "{\"model\":\"x\",\"max_tokens\":1,\"messages\":[{\"role\":\"assistant\",\"content\":"
               "\"I begin\"}]}",
         "last message"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        AUTO_BUF struct buf out = buf_with_limit(BYTES_MAX);
        struct translation *translation = NULL;
        struct fault fault = {0};

        if (translate_request(sides[cases[i].asked].operation, sides[cases[i].sent].operation,
                              slice_of(cases[i].body), &out, &translation, &fault))
            fail_msg("passed: %s", cases[i].body);
        if (strstr(fault.why, cases[i].says) == NULL || fault.kind != FAULT_INVALID)
            fail_msg("%s: %s", cases[i].says, fault.why);
    }
}

#define CALLS_HEAD "data: {\"id\":\"c\",\"model\":\"m\",\"choices\":[{\"index\":0,\"delta\":"
#define CALLS_TAIL ",\"finish_reason\":null}]}\n\n"
#define CALL(index, name)                                                                     \
    CALLS_HEAD "{\"tool_calls\":[{\"index\":" index ",\"id\":\"call_" index                   \
               "\",\"function\":{\"name\":\"" name "\",\"arguments\":\"\"}}]}" CALLS_TAIL
#define GIVEN(index, text)                                                                    \
    CALLS_HEAD "{\"tool_calls\":[{\"index\":" index ",\"function\":{\"arguments\":\"" text    \
               "\"}}]}" CALLS_TAIL
#define CALLS_END                                                                             \
    "data: {\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"tool_calls\"}]}\n\n"   \
    "data: [DONE]\n\n"

/* What is told of a Chat Completions stream to a client of `to`. */
static void told(size_t to, const char *request, const char *stream, struct buf *out)
{
    AUTO_BUF struct buf body = {0};
    struct translation *translation = translate(&sides[to], &sides[0], request, &body);

    *out = buf_with_limit(BYTES_MAX);
    pass(translation, true, 200, slice_of(stream), strlen(stream), 1, out);
    translation_free(translation);
}

static void assert_has(const struct buf *text, const char *part)
{
    if (slice_find(buf_slice(text), slice_of(part), 0) == SIZE_MAX)
        fail_msg("no %s in\n%.*s", part, SLICE_ARGS(*text));
}

static void calls_that_are_mixed_are_told_one_after_the_other(void **state)
{
    AUTO_BUF struct buf out = {0};
    size_t first, second;

    (void)state;
    told(2, least[2],
         CALL("0", "one") CALL("1", "two") GIVEN("0", "{\\\"a\\\"") GIVEN("1", "{\\\"b\\\"")
             GIVEN("0", ":1}") GIVEN("1", ":2}") CALLS_END,
         &out);
    first = slice_find(buf_slice(&out), SLICE("\"name\":\"one\""), 0);
    second = slice_find(buf_slice(&out), SLICE("\"name\":\"two\""), 0);
    assert_true(first < second && second != SIZE_MAX);
    assert_true(slice_find(buf_slice(&out), SLICE(":1}"), 0) < second);
    assert_true(slice_find(buf_slice(&out), SLICE("{\\\"b\\\""), 0) > second);
    assert_has(&out, "\"stop_reason\":\"tool_use\"");
}

#define SPECIAL                                                                               \
    "{\"model\":\"x\",\"stream\":true,\"input\":[],\"tools\":[{\"type\":\"custom\",\"name\":" \
    "\"apply_patch\"},{\"type\":\"local_shell\"},{\"type\":\"namespace\",\"name\":\"agents\"," \
    "\"tools\":[{\"type\":\"function\",\"name\":\"spawn\"}]}]}"

static void special_tools_are_functions_there_and_themselves_here(void **state)
{
    AUTO_BUF struct buf out = {0};

    (void)state;
    told(1, SPECIAL,
         CALL("0", "apply_patch") GIVEN("0", "{ \\\"in") GIVEN("0", "put\\\": \\\"*** B\\\\")
             GIVEN("0", "n\\\\\\\"q\\\\\\\" \\\\u00") GIVEN("0", "e9\\\"}") CALL("1", "local_shell")
                 GIVEN("1", "{\\\"command\\\":[\\\"ls\\\"]}") CALL("2", "agents__spawn")
                     GIVEN("2", "{}") CALL("3", "apply_patch") GIVEN("3", "{\\\"patch\\\":1}")
                         CALLS_END,
         &out);
    assert_has(&out, "\"type\":\"response.custom_tool_call_input.delta\"");
    assert_has(&out, "\"type\":\"custom_tool_call\",\"status\":\"completed\",\"call_id\":\"call_0\","
                     "\"name\":\"apply_patch\",\"input\":\"*** B\\n\\\"q\\\" \\u00e9\"");
    assert_has(&out, "\"type\":\"local_shell_call\",\"status\":\"completed\",\"call_id\":\"call_1\","
                     "\"action\":{\"type\":\"exec\",\"command\":[\"ls\"]}");
    assert_has(&out, "\"call_id\":\"call_2\",\"name\":\"spawn\",\"namespace\":\"agents\","
                     "\"arguments\":\"{}\"");
    assert_has(&out, "\"call_id\":\"call_3\",\"name\":\"apply_patch\",\"input\":"
                     "\"{\\\"patch\\\":1}\"");
}

static void errors_are_told_as_the_client_knows_them(void **state)
{
    static const struct {
        size_t to;
        const char *stream, *want;
    } streams[] = {
        {2, "data: {\"error\":{\"message\":\"too \\\"much\\\"\",\"code\":\"rate\"}}\n\n",
         "event: error\ndata: {\"type\":\"error\""},
        {1, "data: {\"error\":{\"message\":\"x\",\"code\":\"context_length_exceeded\"}}\n\n",
         "\"code\":\"context_length_exceeded\""},
        {1, CALL("0", "a"), "broke off"},
        {2, CALL("0", "a") "data: {\"error\":{\"message\":\"gone\"}}\n\n", "gone"},
    };
    AUTO_BUF struct buf body = {0}, out = buf_with_limit(BYTES_MAX);
    struct translation *translation = translate(&sides[2], &sides[0], least[2], &body);

    (void)state;
    for (size_t i = 0; i < COUNT(streams); i++) {
        AUTO_BUF struct buf said = {0};

        told(streams[i].to, least[streams[i].to], streams[i].stream, &said);
        assert_has(&said, streams[i].want);
        assert_true(slice_find(buf_slice(&said), SLICE("message_stop"), 0) == SIZE_MAX);
        assert_true(slice_find(buf_slice(&said), SLICE("response.completed"), 0) == SIZE_MAX);
    }
    pass(translation, false, 429, SLICE("{\"error\":{\"message\":\"slow\",\"type\":\"t\"}}"), 5, 5,
         &out);
    assert_has(&out, "{\"type\":\"error\",\"error\":{\"type\":\"rate_limit_error\",\"message\":"
                     "\"slow\"}}");
    pass(translation, false, 502, SLICE("<html>"), 5, 5, &out);
    assert_has(&out, "HTTP 502");
    translation_free(translation);
}

static void counts_of_tokens_are_asked_and_told(void **state)
{
    AUTO_BUF struct buf body = buf_with_limit(BYTES_MAX), out = buf_with_limit(BYTES_MAX);
    struct translation *translation = NULL;
    enum operation sent;
    struct fault fault = {0};

    (void)state;
    assert_true(translate_operation(OPERATION_MESSAGE_COUNT, DIALECT_OPENAI_RESPONSES, &sent));
    assert_ok(translate_request(OPERATION_MESSAGE_COUNT, sent,
                                SLICE("{\"model\":\"x\",\"messages\":[{\"role\":\"user\","
                                      "\"content\":\"hi\"}]}"),
                                &body, &translation, &fault),
              fault);
    assert_string_equal(buf_text(&body),
                        "{\"model\":\"x\",\"input\":[{\"type\":\"message\",\"role\":\"user\","
                        "\"content\":[{\"type\":\"input_text\",\"text\":\"hi\"}]}]}");
    pass(translation, false, 200,
         SLICE("{\"object\":\"response.input_tokens\",\"input_tokens\":7}"), 9, 9, &out);
    assert_string_equal(buf_text(&out), "{\"input_tokens\":7}");
    translation_free(translation);
    assert_false(translate_operation(OPERATION_MESSAGE_COUNT, DIALECT_OPENAI, &sent));
    assert_false(translate_operation(OPERATION_RESPONSE_SHRINK, DIALECT_OPENAI, &sent));
    assert_false(translate_operation(OPERATION_CHAT, DIALECT_GEMINI, &sent));
}

/* A provider may write anything; what it costs has limits. */
static void an_answer_of_too_many_or_broken_parts_is_refused(void **state)
{
    static const char *const broken[] = {
        "data: {\"choices\":[{\"index\":1,\"delta\":{\"content\":\"x\"}}]}\n\n",
        "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":[]}}]}\n\n",
        "data: no json\n\n",
        GIVEN("0", "{}"),
        CALL("0", "a") GIVEN("0", "{}") GIVEN("0", "{}"),
    };
    AUTO_BUF struct buf body = {0}, out = buf_with_limit(BYTES_MAX),
                        many = buf_with_limit(BYTES_MAX);
    struct translation *translation = translate(&sides[2], &sides[0], least[2], &body);
    struct translator *translator;
    struct fault fault = {0};

    (void)state;
    for (size_t i = 0; i < COUNT(broken); i++) {
        translator = translator_new(translation, 200, true, 0);
        assert_false(translator_feed(translator, slice_of(broken[i]), &out, &fault));
        assert_int_equal(fault.kind, FAULT_INVALID);
        translator_free(translator);
    }
    for (unsigned i = 0; i < 300; i++)
        assert_ok(buf_add_format(&many, &fault, CALLS_HEAD "{\"tool_calls\":[{\"index\":%u,"
                                 "\"id\":\"c%u\",\"function\":{\"name\":\"a\"}}]}" CALLS_TAIL,
                                 i, i),
                  fault);
    translator = translator_new(translation, 200, true, 0);
    assert_false(translator_feed(translator, buf_slice(&many), &out, &fault));
    assert_int_equal(fault.kind, FAULT_LIMIT);
    translator_free(translator);
    translation_free(translation);
}

static void a_model_is_asked_as_it_speaks_or_as_policy_has_it_translated(void **state)
{
    static const struct gateway_model models[] = {
        {.name = "native", .dialect = DIALECT_OPENAI_RESPONSES},
        {.name = "claude", .dialect = DIALECT_ANTHROPIC, .translate = true},
        {.name = "plain", .dialect = DIALECT_ANTHROPIC},
    };
    static const struct {
        size_t of_run;
        const char *asked;
        enum operation operation;
        bool ok;
        uint32_t model;
        enum operation sent;
        const char *says;
    } cases[] = {
        {0, "native", OPERATION_RESPONSE, true, 0, OPERATION_RESPONSE, NULL},
        {0, "claude", OPERATION_RESPONSE, true, 1, OPERATION_MESSAGE, NULL},
        {0, "other", OPERATION_RESPONSE, true, 0, OPERATION_RESPONSE, NULL},
        {0, "plain", OPERATION_RESPONSE, true, 0, OPERATION_RESPONSE, NULL},
        {1, "other", OPERATION_CHAT, true, 1, OPERATION_MESSAGE, NULL},
        {1, "other", OPERATION_MESSAGE_COUNT, true, 1, OPERATION_MESSAGE_COUNT, NULL},
        {1, "other", OPERATION_EMBEDDING, false, 0, 0, "no counterpart of /embeddings"},
        {2, "other", OPERATION_RESPONSE, false, 0, 0, "`translate: true`"},
        {2, "other", OPERATION_GENERATE, false, 0, 0, "speaks anthropic, not gemini"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        const struct door_config config = {
            .models = models,
            .model_count = COUNT(models),
            .model = cases[i].of_run,
            .takes_other_names = true};
        enum operation sent = OPERATION_COUNT;
        uint32_t model = 9;
        struct fault why = {0};
        bool ok = translated_pick(&config, cases[i].operation, cases[i].asked, &model, &sent,
                                  &why);

        assert_int_equal(ok, cases[i].ok);
        if (!ok && strstr(why.why, cases[i].says) == NULL)
            fail_msg("%s", why.why);
        if (ok) {
            assert_int_equal(model, cases[i].model);
            assert_int_equal(sent, cases[i].sent);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(requests_become_what_the_other_api_has),
        TEST(streams_become_the_clients_wherever_they_are_cut),
        TEST(documents_become_the_clients),
        TEST(what_is_put_there_and_back_is_the_same),
        TEST(what_has_no_counterpart_is_refused_by_name),
        TEST(calls_that_are_mixed_are_told_one_after_the_other),
        TEST(special_tools_are_functions_there_and_themselves_here),
        TEST(errors_are_told_as_the_client_knows_them),
        TEST(counts_of_tokens_are_asked_and_told),
        TEST(an_answer_of_too_many_or_broken_parts_is_refused),
        TEST(a_model_is_asked_as_it_speaks_or_as_policy_has_it_translated),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
