/* Answers on their way to the agent: what is put back and what is not, wherever the bytes are
 * cut; what is not changed goes on as it came. */
#include "gateway/door/answer/reply.h"

#include "base/scope.h"
#include "test.h"

/* A stand-in and what it stands for; another whose value needs escapes. */
#define S "912-44-5566"
#define O "457-55-5462"
#define S_NAME "Kira Novak"
#define O_NAME "Jos\xC3\xA9 \"Pepe\" Diaz"
#define O_NAME_JSON "Jos\xC3\xA9 \\\"Pepe\\\" Diaz"
#define O_NAME_JSON_JSON "Jos\xC3\xA9 \\\\\\\"Pepe\\\\\\\" Diaz"

static unsigned find_mark(void *self, struct slice text, const char *ret_rules[CLASS_COUNT],
                          unsigned *ret_guesses)
{
    (void)self;
    *ret_guesses = 0;
    if (slice_find(text, SLICE("MARKED-VALUE"), 0) == SIZE_MAX)
        return 0;
    ret_rules[CLASS_PHI] = "phi.mark";
    return CLASS_BIT(CLASS_PHI);
}

static const struct door_scan scan = {.classes = find_mark};
static struct stand_ins *stand_ins;

static void begin(void)
{
    struct redacted_value values[] = {
        {.class = CLASS_PHI, .is_telling = true, .original = SLICE(O), .stand_in = SLICE(S)},
        {.class = CLASS_PII,
         .is_telling = true,
         .original = SLICE(O_NAME),
         .stand_in = SLICE(S_NAME)},
        {.class = CLASS_SECRET,
         .is_telling = true,
         .original = SLICE("real-secret"),
         .stand_in = SLICE("mock-secret")},
        {.class = CLASS_PHI,
         .is_telling = true,
         .original = SLICE("11-11-11"),
         .stand_in = SLICE("77-77-77")},
        {.class = CLASS_PHI,
         .is_telling = true,
         .original = SLICE("22-22-22"),
         .stand_in = SLICE("77-77-77")},
    };
    struct redaction redaction = {.values = values, .count = COUNT(values)};

    stand_ins = stand_ins_new();
    stand_ins_take(stand_ins, &redaction);
}

/* In pieces: up to `cut`, then `step` bytes at a time. The caller frees. */
static char *pass(enum reply_kind kind, const char *text, size_t cut, size_t step,
                  struct reply_found *ret_found)
{
    struct reply *reply = reply_new(kind, &scan, stand_ins_now(stand_ins), 0);
    AUTO_BUF struct buf out = buf_with_limit(1U << 20);
    struct slice rest = slice_of(text);
    struct fault fault = {0};

    for (size_t size = cut; rest.len > 0; size = step) {
        assert_ok(reply_feed(reply, slice_part(rest, 0, size), &out, &fault), fault);
        rest = slice_part(rest, size, rest.len);
    }
    assert_ok(reply_end(reply, &out, &fault), fault);
    *ret_found = *reply_found(reply);
    reply_free(reply);
    return slice_dup(buf_slice(&out));
}

static void check(enum reply_kind kind, const char *text, const char *wanted)
{
    size_t len = strlen(text);

    for (size_t cut = 0; cut <= len; cut++) {
        struct reply_found found;
        AUTO_FREE char *got = pass(kind, text, cut, cut == 0 ? 1 : len, &found);

        if (strcmp(got, wanted) != 0)
            fail_msg("cut at %zu:\n%s\nis not\n%s", cut, got, wanted);
    }
}

#define CHAT(delta) "data: {\"choices\":[{\"index\":0,\"delta\":{" delta "}}]}\n\n"
#define CHAT_END                                                                              \
    "data: {\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}]}\n\n"         \
    "data: [DONE]\n\n"
#define TOOL(number, rest)                                                                    \
    CHAT("\"tool_calls\":[{\"index\":" number ",\"function\":{" rest "}}]")
#define BLOCK(number, block)                                                                  \
    "event: content_block_start\ndata: {\"type\":\"content_block_start\",\"index\":" number   \
    ",\"content_block\":{" block "}}\n\n"
#define PIECE(number, delta)                                                                  \
    "event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":" number   \
    ",\"delta\":{" delta "}}\n\n"
#define STOP(number)                                                                          \
    "event: content_block_stop\ndata: {\"type\":\"content_block_stop\",\"index\":" number     \
    "}\n\n"
#define TEXT(text) PIECE("0", "\"type\":\"text_delta\",\"text\":\"" text "\"")
#define ARGUMENTS(text) PIECE("1", "\"type\":\"input_json_delta\",\"partial_json\":\"" text "\"")
#define ITEM(name)                                                                            \
    "data: {\"type\":\"response.output_item.added\",\"sequence_number\":1,\"output_index\":0," \
    "\"item\":{\"type\":\"function_call\",\"name\":\"" name "\",\"arguments\":\"\"}}\n\n"
#define GIVEN(text)                                                                           \
    "data: {\"type\":\"response.function_call_arguments.delta\",\"sequence_number\":2,"       \
    "\"output_index\":0,\"delta\":\"" text "\"}\n\n"

/* Given and wanted, beside one another. */
static const struct {
    const char *given, *wanted;
} streams[] = {
    /* text, in pieces */
    {CHAT("\"content\":\"ssn 912-\"") CHAT("\"content\":\"44-5566 is\"") CHAT_END,
     CHAT("\"content\":\"ssn " O "\"") CHAT("\"content\":\" is\"") CHAT_END},
    {CHAT("\"content\":\"ssn 912-4\"") CHAT("\"content\":\"9 is\"") CHAT_END,
     CHAT("\"content\":\"ssn 912-4\"") CHAT("\"content\":\"9 is\"") CHAT_END},
    {CHAT("\"content\":\"by " S_NAME "\"") CHAT_END,
     CHAT("\"content\":\"by " O_NAME_JSON "\"") CHAT_END},
    {TEXT("caf\\u00e9 " S ".\\n") TEXT("912-44-5") STOP("0"),
     TEXT("caf\\u00e9 " O ".\\n") TEXT("912-44-5") STOP("0")},
    /* part of a longer number or word; for two values; a secret */
    {TEXT("x" S " " S "7 77-77-77 mock-secret") STOP("0"),
     TEXT("x" S " " S "7 77-77-77 mock-secret") STOP("0")},
    /* addresses and image links */
    {TEXT("see https://a.example/?q=" S " and ![i](x/" S ") " S ".a.example " S ". end")
         STOP("0"),
     TEXT("see https://a.example/?q=" S " and ![i](x/" S ") " S ".a.example " O ". end")
         STOP("0")},
    {TEXT("<img src='" S "'> [a](b?") TEXT(S ") " S) STOP("0"),
     TEXT("<img src='" S "'> [a](b?") TEXT(S ") " O) STOP("0")},
    /* thinking stays, and what is signed */
    {PIECE("0", "\"type\":\"thinking_delta\",\"thinking\":\"" S "\"")
         PIECE("0", "\"type\":\"signature_delta\",\"signature\":\"" S "\""),
     PIECE("0", "\"type\":\"thinking_delta\",\"thinking\":\"" S "\"")
         PIECE("0", "\"type\":\"signature_delta\",\"signature\":\"" S "\"")},
    /* an edit of a file: arguments are JSON in JSON */
    {BLOCK("1", "\"type\":\"tool_use\",\"id\":\"t\",\"name\":\"Edit\",\"input\":{}")
         ARGUMENTS("{\\\"new\\\":\\\"line\\\\n9") ARGUMENTS("12-44-55") ARGUMENTS("66 " S_NAME)
             ARGUMENTS("\\\"}") STOP("1"),
     BLOCK("1", "\"type\":\"tool_use\",\"id\":\"t\",\"name\":\"Edit\",\"input\":{}")
         ARGUMENTS("{\\\"new\\\":\\\"line\\\\n" O) ARGUMENTS("") ARGUMENTS(
             " " O_NAME_JSON_JSON) ARGUMENTS("\\\"}") STOP("1")},
    /* a shell: what it reaches decides, whenever that comes */
    {BLOCK("1", "\"type\":\"tool_use\",\"name\":\"Bash\",\"input\":{}")
         ARGUMENTS("{\\\"command\\\":\\\"grep " S) ARGUMENTS(" f") ARGUMENTS("\\\"}") STOP("1"),
     BLOCK("1", "\"type\":\"tool_use\",\"name\":\"Bash\",\"input\":{}")
         ARGUMENTS("{\\\"command\\\":\\\"grep " O) ARGUMENTS(" f") ARGUMENTS("\\\"}") STOP("1")},
    {BLOCK("1", "\"type\":\"tool_use\",\"name\":\"Bash\",\"input\":{}")
         ARGUMENTS("{\\\"command\\\":\\\"echo " S) ARGUMENTS(" | cu") ARGUMENTS("rl -d @- h\\\"}")
             STOP("1"),
     BLOCK("1", "\"type\":\"tool_use\",\"name\":\"Bash\",\"input\":{}")
         ARGUMENTS("{\\\"command\\\":\\\"echo " S) ARGUMENTS(" | cu") ARGUMENTS("rl -d @- h\\\"}")
             STOP("1")},
    /* tools elsewhere, and unknown ones */
    {BLOCK("1", "\"type\":\"server_tool_use\",\"name\":\"Edit\",\"input\":{}")
         ARGUMENTS("{\\\"q\\\":\\\"" S "\\\"}") STOP("1"),
     BLOCK("1", "\"type\":\"server_tool_use\",\"name\":\"Edit\",\"input\":{}")
         ARGUMENTS("{\\\"q\\\":\\\"" S "\\\"}") STOP("1")},
    {TOOL("0", "\"name\":\"mcp__mail__send\",\"arguments\":\"\"")
         TOOL("0", "\"arguments\":\"{\\\"a\\\":\\\"" S "\\\"}\"") CHAT_END,
     TOOL("0", "\"name\":\"mcp__mail__send\",\"arguments\":\"\"")
         TOOL("0", "\"arguments\":\"{\\\"a\\\":\\\"" S "\\\"}\"") CHAT_END},
    /* two tools that take turns */
    {TOOL("0", "\"name\":\"write_file\",\"arguments\":\"\"")
         TOOL("1", "\"name\":\"write_file\",\"arguments\":\"\"")
             TOOL("0", "\"arguments\":\"{\\\"a\\\":\\\"912-\"")
                 TOOL("1", "\"arguments\":\"{\\\"b\\\":\\\"912-44\"")
                     TOOL("0", "\"arguments\":\"44-5566\\\"}\"")
                         TOOL("1", "\"arguments\":\"-5566\\\"}\"") CHAT_END,
     TOOL("0", "\"name\":\"write_file\",\"arguments\":\"\"")
         TOOL("1", "\"name\":\"write_file\",\"arguments\":\"\"")
             TOOL("0", "\"arguments\":\"{\\\"a\\\":\\\"" O "\"")
                 TOOL("1", "\"arguments\":\"{\\\"b\\\":\\\"" O "\"")
                     TOOL("0", "\"arguments\":\"\\\"}\"") TOOL("1", "\"arguments\":\"\\\"}\"")
                         CHAT_END},
    /* Responses: pieces and their copies */
    {ITEM("apply_patch") GIVEN("{\\\"a\\\":\\\"91") GIVEN("2-44-5566\\\"}")
         "data: {\"type\":\"response.function_call_arguments.done\",\"output_index\":0,"
         "\"arguments\":\"{\\\"a\\\":\\\"" S "\\\"}\"}\n\n"
         "data: {\"type\":\"response.completed\",\"response\":{\"output\":[{\"type\":"
         "\"message\",\"content\":[{\"type\":\"output_text\",\"text\":\"" S "\"}]},{\"type\":"
         "\"reasoning\",\"summary\":[{\"type\":\"summary_text\",\"text\":\"" S
         "\"}],\"encrypted_content\":\"" S "\"},{\"type\":\"function_call\",\"name\":"
         "\"apply_patch\",\"arguments\":\"{\\\"a\\\":\\\"" S "\\\"}\"}]}}\n\n",
     ITEM("apply_patch") GIVEN("{\\\"a\\\":\\\"" O) GIVEN("\\\"}")
         "data: {\"type\":\"response.function_call_arguments.done\",\"output_index\":0,"
         "\"arguments\":\"{\\\"a\\\":\\\"" O "\\\"}\"}\n\n"
         "data: {\"type\":\"response.completed\",\"response\":{\"output\":[{\"type\":"
         "\"message\",\"content\":[{\"type\":\"output_text\",\"text\":\"" O "\"}]},{\"type\":"
         "\"reasoning\",\"summary\":[{\"type\":\"summary_text\",\"text\":\"" S
         "\"}],\"encrypted_content\":\"" S "\"},{\"type\":\"function_call\",\"name\":"
         "\"apply_patch\",\"arguments\":\"{\\\"a\\\":\\\"" O "\\\"}\"}]}}\n\n"},
    /* Gemini */
    {"data: {\"candidates\":[{\"content\":{\"parts\":[{\"text\":\"is 912\"}]},\"index\":0}]}"
     "\r\n\r\n"
     "data: {\"candidates\":[{\"content\":{\"parts\":[{\"text\":\"-44-5566\"}]},\"index\":0,"
     "\"finishReason\":\"STOP\"}]}\r\n\r\n",
     "data: {\"candidates\":[{\"content\":{\"parts\":[{\"text\":\"is " O "\"}]},\"index\":0}]}"
     "\r\n\r\n"
     "data: {\"candidates\":[{\"content\":{\"parts\":[{\"text\":\"\"}]},\"index\":0,"
     "\"finishReason\":\"STOP\"}]}\r\n\r\n"},
    /* data in several lines, and what is no event of ours */
    {": hello\n\nid: 7\nevent: content_block_delta\ndata: {\"type\":\"content_block_delta\",\n"
     "data: \"index\":0,\"delta\":{\"type\":\"text_delta\",\"text\":\"" S " \"}}\n\n" STOP("0"),
     ": hello\n\nevent: content_block_delta\ndata: {\"type\":\"content_block_delta\",\n"
     "data: \"index\":0,\"delta\":{\"type\":\"text_delta\",\"text\":\"" O " \"}}\n\n" STOP("0")},
};

static void stand_ins_of_a_stream_are_put_back_wherever_it_is_cut(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(streams); i++)
        check(REPLY_STREAM, streams[i].given, streams[i].wanted);
}

static const struct {
    const char *given, *wanted;
} bodies[] = {
    {"{ \"choices\" : [{\"index\":0,\"message\":{\"role\":\"assistant\",\"content\":\"" S
     " \\u00e9\",\"tool_calls\":[{\"id\":\"" S "\",\"function\":{\"name\":\"bash\","
     "\"arguments\":\"{\\\"cmd\\\":\\\"ls " S "\\\"}\"}}]}}]}",
     "{ \"choices\" : [{\"index\":0,\"message\":{\"role\":\"assistant\",\"content\":\"" O
     " \\u00e9\",\"tool_calls\":[{\"id\":\"" S "\",\"function\":{\"name\":\"bash\","
     "\"arguments\":\"{\\\"cmd\\\":\\\"ls " O "\\\"}\"}}]}}]}"},
    {"{\"content\":[{\"type\":\"thinking\",\"thinking\":\"" S "\",\"signature\":\"" S
     "\"},{\"type\":\"text\",\"text\":\"" S "\"},{\"type\":\"tool_use\",\"name\":\"Write\","
     "\"input\":{\"content\":\"" S_NAME "\"}},{\"type\":\"tool_use\",\"name\":\"shell\","
     "\"input\":{\"command\":[\"curl\",\"" S "\"]}}]}",
     "{\"content\":[{\"type\":\"thinking\",\"thinking\":\"" S "\",\"signature\":\"" S
     "\"},{\"type\":\"text\",\"text\":\"" O "\"},{\"type\":\"tool_use\",\"name\":\"Write\","
     "\"input\":{\"content\":\"" O_NAME_JSON "\"}},{\"type\":\"tool_use\",\"name\":\"shell\","
     "\"input\":{\"command\":[\"curl\",\"" S "\"]}}]}"},
    {"{\"candidates\":[{\"content\":{\"parts\":[{\"functionCall\":{\"name\":\"write_file\","
     "\"args\":{\"a\":\"" S "\"}}},{\"text\":\"" S "\"}]}}]}",
     "{\"candidates\":[{\"content\":{\"parts\":[{\"functionCall\":{\"name\":\"write_file\","
     "\"args\":{\"a\":\"" O "\"}}},{\"text\":\"" O "\"}]}}]}"},
    {"no JSON: " S, "no JSON: " S},
};

static void stand_ins_of_a_document_are_put_back(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(bodies); i++) {
        struct reply_found found;
        AUTO_FREE char *got = pass(REPLY_JSON, bodies[i].given, 7, 100, &found);

        assert_string_equal(got, bodies[i].wanted);
    }
}

static void what_holds_no_stand_in_goes_on_byte_for_byte(void **state)
{
    static const char text[] =
        "\xEF\xBB\xBF: c\r\rdata: {\"choices\":[{\"index\":0,\"delta\":{\"content\":"
        "\"a 912-\\ud83d\"}}]}\r\n\r\nid: 3\nretry: 5\ndata:{\"x\": 1.50 }\ndata: \n\n"
        "data: no JSON 912-\n\ndata: [DONE]\n\n";
    struct reply_found found;
    AUTO_FREE char *cut = pass(REPLY_STREAM, "data: {\"a\":1}", 3, 1, &found);

    (void)state;
    check(REPLY_STREAM, text, text);
    assert_string_equal(cut, "data: {\"a\":1}\n\n"); /* the end of an event is added */
}

/* What the model wrote is looked at as a whole, however it came. */
static void values_in_an_answer_are_found(void **state)
{
    static const struct {
        enum reply_kind kind;
        const char *text;
        bool found;
    } cases[] = {
        {REPLY_STREAM, CHAT("\"content\":\"a MARKED-\"") CHAT("\"content\":\"VALUE\"") CHAT_END,
         true},
        {REPLY_STREAM,
         TOOL("0", "\"name\":\"f\",\"arguments\":\"MARKED\"")
             TOOL("0", "\"arguments\":\"-VALUE\"") CHAT_END,
         true},
        {REPLY_STREAM, PIECE("0", "\"type\":\"thinking_delta\",\"thinking\":\"MARKED-\"")
                           PIECE("0", "\"type\":\"thinking_delta\",\"thinking\":\"VALUE\""),
         true},
        {REPLY_STREAM, "data: {\"new\":[{\"MARKED-VALUE\":1}]}\n\n", true},
        {REPLY_STREAM, "data: MARKED-VALUE\n\n", true},
        /* in an event like the one before it */
        {REPLY_STREAM, CHAT("\"content\":\"a\"") CHAT("\"content\":\"MARKED-VALUE\""), true},
        {REPLY_STREAM, "data: {\"id\":\"a\",\"n\":1}\n\ndata: {\"id\":\"MARKED-VALUE\",\"n\":2}\n\n",
         true},
        {REPLY_STREAM, "data: {\"id\":\"a\"}\n\ndata: {\"id\":\"MARKED\\u002dVALUE\"}\n\n", true},
        {REPLY_STREAM, "data: {\"a\":1}\n\ndata: {\"MARKED-VALUE\":1}\n\n", true},
        {REPLY_JSON, "{\"any\":[\"MARKED-VALUE\"]}", true},
        {REPLY_JSON, "{\"any\":[\"MARKED-\",\"VALUE\"]}", false},
        {REPLY_OTHER, "a MARKED-VALUE", true},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++)
        for (size_t cut = 1; cut < 40; cut++) {
            struct reply_found found;
            AUTO_FREE char *got = pass(cases[i].kind, cases[i].text, cut, cut, &found);

            assert_string_equal(got, cases[i].text);
            assert_int_equal(found.classes, cases[i].found ? CLASS_BIT(CLASS_PHI) : 0);
        }
}

/* Before the event with which it is complete; what came before has gone. */
static void a_class_that_is_to_be_cut_ends_the_answer(void **state)
{
    static const char before[] = CHAT("\"content\":\"well\"") CHAT("\"content\":\" MARKED-\"");
    static const char value[] = CHAT("\"content\":\"VALUE\"") CHAT_END;
    struct reply *reply =
        reply_new(REPLY_STREAM, &scan, stand_ins_now(stand_ins), CLASS_BIT(CLASS_PHI));
    AUTO_BUF struct buf out = buf_with_limit(1U << 20);
    struct fault fault = {0};

    (void)state;
    assert_ok(reply_feed(reply, slice_of(before), &out, &fault), fault);
    assert_false(reply_feed(reply, slice_of(value), &out, &fault));
    assert_int_equal(fault.kind, FAULT_DENIED);
    assert_null(strstr(fault.why, "MARKED"));
    assert_string_equal(buf_text(&out), before);
    reply_free(reply);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(stand_ins_of_a_stream_are_put_back_wherever_it_is_cut),
        TEST(stand_ins_of_a_document_are_put_back),
        TEST(what_holds_no_stand_in_goes_on_byte_for_byte),
        TEST(values_in_an_answer_are_found),
        TEST(a_class_that_is_to_be_cut_ends_the_answer),
    };
    int failed;

    begin();
    failed = cmocka_run_group_tests(tests, NULL, NULL);
    stand_ins_free(stand_ins);
    return failed;
}
