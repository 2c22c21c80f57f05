/* Calls that a provider answers: every dialect, streamed and not; tokens, keys, ends of all
 * kinds. */
#include "world.h"

#include <fcntl.h>

#include "os/file.h"

#define CHAT "/v1/chat/completions"
#define RESPONSES "/v1/responses"
#define MESSAGES "/v1/messages"
#define GENERATE "/v1/models/m:generateContent"
#define GENERATE_STREAM "/v1/models/m:streamGenerateContent?alt=sse"

/* 11 tokens in (3 of them cached), 7 out, in each dialect. */
static const struct dialect_row {
    enum dialect dialect;
    const char *path, *name;
    const char *request, *stream_request;
    const char *answer;
    const char *events[6];
    const char *key_header;
    const char *stream_path; /* NULL: the same */
} rows[] = {
    {DIALECT_OPENAI,
     CHAT,
     "openai",
     "{\"model\":\"m\",\"messages\":[{\"role\":\"user\",\"content\":\"hi\"}]}",
     "{\"model\":\"m\",\"stream\":true,\"messages\":[{\"role\":\"user\",\"content\":"
     "\"hi\"}]}",
     "{\"object\":\"chat.completion\",\"choices\":[{\"index\":0,\"message\":{\"role\":"
     "\"assistant\",\"content\":"
     "\"hello\"},\"finish_reason\":\"stop\"}],\"usage\":{\"prompt_tokens\":11,\"completion_"
     "tokens\":7,"
     "\"prompt_tokens_details\":{\"cached_tokens\":3}}}",
     {"data: "
      "{\"choices\":[{\"index\":0,\"delta\":{\"role\":\"assistant\",\"content\":\"hel\"}}]}"
      "\n\n",
      "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"lo\"}}]}\n\n",
      "data: {\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}]}\n\n",
      "data: {\"choices\":[],\"usage\":{\"prompt_tokens\":11,\"completion_tokens\":7,"
      "\"prompt_tokens_details\":{\"cached_tokens\":3}}}\n\n",
      "data: [DONE]\n\n"},
     "Authorization: Bearer " WORLD_KEY "\r\n",
     NULL},
    {DIALECT_OPENAI_RESPONSES,
     RESPONSES,
     "openai-responses",
     "{\"model\":\"m\",\"input\":\"hi\"}",
     "{\"model\":\"m\",\"stream\":true,\"input\":\"hi\"}",
     "{\"object\":\"response\",\"status\":\"completed\",\"output\":[],\"usage\":{\"input_"
     "tokens\":11,"
     "\"input_tokens_details\":{\"cached_tokens\":3},\"output_tokens\":7}}",
     {"event: response.created\ndata: "
      "{\"type\":\"response.created\",\"sequence_number\":0,\"response\":{}}\n\n",
      "event: response.output_text.delta\ndata: "
      "{\"type\":\"response.output_text.delta\",\"sequence_number\":1,"
      "\"delta\":\"hello\"}\n\n",
      "event: response.completed\ndata: "
      "{\"type\":\"response.completed\",\"sequence_number\":2,\"response\":{"
      "\"usage\":{\"input_tokens\":11,\"input_tokens_details\":{\"cached_tokens\":3},\"output_"
      "tokens\":7}}}\n\n"},
     "Authorization: Bearer " WORLD_KEY "\r\n",
     NULL},
    {DIALECT_ANTHROPIC,
     MESSAGES,
     "anthropic",
     "{\"model\":\"m\",\"max_tokens\":50,\"messages\":[{\"role\":\"user\","
     "\"content\":\"hi\"}]}",
     "{\"model\":\"m\",\"max_tokens\":50,\"stream\":true,\"messages\":[{\"role\":"
     "\"user\","
     "\"content\":\"hi\"}]}",
     "{\"type\":\"message\",\"content\":[{\"type\":\"text\",\"text\":\"hello\"}],\"stop_"
     "reason\":\"end_turn\","
     "\"usage\":{\"input_tokens\":6,\"cache_creation_input_tokens\":2,\"cache_read_input_"
     "tokens\":3,"
     "\"output_tokens\":7}}",
     {"event: message_start\ndata: "
      "{\"type\":\"message_start\",\"message\":{\"usage\":{\"input_tokens\":6,"
      "\"cache_creation_input_tokens\":2,\"cache_read_input_tokens\":3,\"output_tokens\":1}}}"
      "\n\n",
      "event: content_block_delta\ndata: "
      "{\"type\":\"content_block_delta\",\"index\":0,\"delta\":{\"type\":"
      "\"text_delta\",\"text\":\"hello\"}}\n\n",
      "event: message_delta\ndata: "
      "{\"type\":\"message_delta\",\"delta\":{\"stop_reason\":\"end_turn\"},\"usage\":{"
      "\"output_tokens\":7}}\n\n",
      "event: message_stop\ndata: {\"type\":\"message_stop\"}\n\n"},
     "x-api-key: " WORLD_KEY "\r\n",
     NULL},
    {DIALECT_GEMINI,
     GENERATE,
     "gemini",
     "{\"contents\":[{\"role\":\"user\",\"parts\":[{\"text\":\"hi\"}]}]}",
     "{\"contents\":[{\"role\":\"user\",\"parts\":[{\"text\":\"hi\"}]}]}",
     "{\"candidates\":[{\"content\":{\"parts\":[{\"text\":\"hello\"}]},\"finishReason\":"
     "\"STOP\"}],\"modelVersion\":\"m-1\",\"usageMetadata\":{\"promptTokenCount\":11,"
     "\"cachedContentTokenCount\":3,\"candidatesTokenCount\":5,\"thoughtsTokenCount\":2}}",
     {"data: {\"candidates\":[{\"content\":{\"parts\":[{\"text\":\"hel\"}]}}],"
      "\"usageMetadata\":{\"promptTokenCount\":11}}\r\n\r\n",
      "data: {\"candidates\":[{\"content\":{\"parts\":[{\"text\":\"lo\"}]},\"finishReason\":"
      "\"STOP\"}],\"usageMetadata\":{\"promptTokenCount\":11,\"cachedContentTokenCount\":3,"
      "\"candidatesTokenCount\":5,\"thoughtsTokenCount\":2}}\r\n\r\n"},
     "x-goog-api-key: " WORLD_KEY "\r\n",
     GENERATE_STREAM},
};

static const struct dialect_row *row_of(struct slice request)
{
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct slice path = slice_of(rows[i].path);

        path = slice_part(path, 0, slice_find_byte(path, ':', 0));
        if (slice_find(request, path, 0) != SIZE_MAX)
            return &rows[i];
    }
    _exit(8);
}

static bool wants_stream(struct slice request)
{
    return slice_find(request, SLICE("\"stream\":true"), 0) != SIZE_MAX ||
           slice_find(request, SLICE(GENERATE_STREAM), 0) != SIZE_MAX;
}

static void answer_right(struct link *link, struct slice request)
{
    const struct dialect_row *row = row_of(request);

    if (!wants_stream(request)) {
        link_answer(link, 200, "application/json", row->answer);
        return;
    }
    link_stream(link);
    for (size_t i = 0; i < COUNT(row->events) && row->events[i] != NULL; i++)
        link_chunk(link, row->events[i]);
    link_chunk_end(link);
}

/* A body without the frames that carry it: "chunked" is taken apart. */
static char *body_of(const char *answer)
{
    const char *at = strstr(answer, "\r\n\r\n");
    AUTO_BUF struct buf body = buf_with_limit(1 << 20);
    struct fault fault = {0};

    assert_non_null(at);
    at += 4;
    if (strstr(answer, "Transfer-Encoding: chunked") == NULL)
        return slice_dup(slice_of(at));
    for (;;) {
        char *data;
        size_t len = strtoul(at, &data, 16);

        assert_true(data > at && strncmp(data, "\r\n", 2) == 0);
        if (len == 0) {
            assert_string_equal(data, "\r\n\r\n");
            return slice_dup(buf_slice(&body));
        }
        assert_true(strlen(data) >= len + 4);
        assert_true(buf_add(&body, slice_of_bytes(data + 2, len), &fault));
        at = data + 2 + len + 2;
    }
}

static char *events_of(const struct dialect_row *row, const char *without)
{
    AUTO_BUF struct buf text = buf_with_limit(65536);
    struct fault fault = {0};

    for (size_t i = 0; i < COUNT(row->events) && row->events[i] != NULL; i++)
        if (without == NULL || strstr(row->events[i], without) == NULL)
            assert_true(buf_add_text(&text, row->events[i], &fault));
    return slice_dup(buf_slice(&text));
}

static void check_call(const struct dialect_row *row, bool stream)
{
    struct world world = {.answer = answer_right,
                          .dialect = row->dialect,
                          .price_in = 2000000,
                          .price_out = 3000000};
    AUTO_FREE char *answer = NULL, *body = NULL, *wanted = NULL, *log = NULL;
    struct gateway_totals totals;

    world_begin(&world);
    answer = world_post(&world,
                        stream && row->stream_path != NULL ? row->stream_path : row->path,
                        stream ? row->stream_request : row->request);
    assert_int_equal(world_status(answer), 200);
    ASSERT_HAS(answer,
               stream ? "content-type: text/event-stream" : "content-type: application/json");
    body = body_of(answer);
    /* the usage chunk was asked for by us, not by the client */
    wanted = stream ? events_of(row, "\"choices\":[],") : slice_dup(slice_of(row->answer));
    assert_string_equal(body, wanted);
    log = upstream_log(&world.upstream);
    ASSERT_HAS(log, row->key_header);
    ASSERT_LACKS(log, WORLD_AGENT_KEY);
    if (!stream)
        ASSERT_HAS(log, row->request); /* byte for byte */
    ASSERT_RECORDS(&world, 1, "\"model.intent\"", row->name, "\"main-model\"",
                   "coder@payments#r-1", "\"maria\"", "\"residency\":\"on-premises\"",
                   "\"contract\":\"c-1\"", "\"class\":\"code\"", "\"host\":\"127.0.0.1\"");
    ASSERT_RECORDS(&world, 1, "\"model.outcome\"", "\"outcome\":\"ok\"", "\"tokens_in\":11",
                   "\"tokens_out\":7", "\"tokens_cached\":3", "usage:provider",
                   "\"cost_micro_usd\":43", "\"status\":200");
    ASSERT_RECORDS(&world, 0, "\"refused\"");
    totals = world_totals(&world);
    assert_int_equal(totals.calls, 1);
    assert_int_equal(totals.tokens_in + totals.tokens_out, 18);
    assert_int_equal(totals.failed + totals.refused + totals.estimated, 0);
    world_end(&world);
}

static void every_dialect_is_answered_and_accounted(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++)
        check_call(&rows[i], false);
}

static void every_dialect_is_streamed_and_accounted(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++)
        check_call(&rows[i], true);
}

static void the_intent_is_written_before_the_outcome_and_named_by_it(void **state)
{
    struct world world = {.answer = answer_right};
    AUTO_FREE char *answer = NULL;

    (void)state;
    world_begin(&world);
    answer = world_post(&world, CHAT, rows[0].request);
    assert_int_equal(world_status(answer), 200);
    ASSERT_RECORDS(&world, 1, "\"model.intent\"", "\"seq\":0");
    ASSERT_RECORDS(&world, 1, "\"model.outcome\"", "\"seq\":1", "\"intent\":0");
    world_end(&world);
}

static void a_usage_chunk_that_the_client_asked_for_is_not_taken_away(void **state)
{
    struct world world = {.answer = answer_right};
    AUTO_FREE char *answer = NULL, *log = NULL;

    (void)state;
    world_begin(&world);
    answer = world_post(&world, CHAT,
                        "{\"model\":\"m\",\"stream\":true,\"stream_options\":{\"include_"
                        "usage\":true},\"messages\":[]}");
    ASSERT_HAS(answer, "\"prompt_tokens\":11");
    log = upstream_log(&world.upstream);
    ASSERT_HAS(log, "{\"model\":\"m\",\"stream\":true,\"stream_options\":{\"include_usage\":"
                    "true},\"messages\":[]}");
    world_end(&world);
}

static void check_unprivileged(pid_t pid)
{
    AUTO_FREE char *path = xformat("/proc/%d/status", (int)pid);
    AUTO_BUF struct buf status = buf_with_limit(65536);
    struct fault fault = {0};

    assert_ok(file_read(AT_FDCWD, path, &status, &fault), fault);
    ASSERT_HAS(buf_text(&status), "\nUid:\t65534\t65534\t65534\t65534\n");
    ASSERT_HAS(buf_text(&status), "\nGroups:\t \n");
    ASSERT_HAS(
        buf_text(&status),
        "\nCapPrm:\t0000000000000000\nCapEff:\t0000000000000000\nCapBnd:\t0000000000000000\n");
    ASSERT_HAS(buf_text(&status), "\nNoNewPrivs:\t1\nSeccomp:\t2\n");
}

static void neither_process_is_root(void **state)
{
    struct world world = {.answer = answer_right};

    (void)state;
    if (geteuid() != 0) {
        print_message("skipped: only root has another user to become\n");
        skip();
    }
    world_begin(&world);
    check_unprivileged(world.door.pid);
    check_unprivileged(world.gateway.pid);
    world_end(&world);
}

#define ASK_MESSAGES "{\"model\":\"m\",\"max_tokens\":9,\"messages\":[]}"

static void headers_that_a_provider_may_see_reach_it_as_they_are_and_no_others(void **state)
{
    struct world world = {.answer = answer_right, .dialect = DIALECT_ANTHROPIC};
    AUTO_FREE char *request = xformat(
        "POST /v1/messages HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Type: "
        "application/json\r\nanthropic-beta: tools-1,files-2\r\nX-Api-Key: mine\r\nAccept: "
        "text/event-stream\r\nX-Of-Mine: not for you\r\nanthropic-version: 2023-06-01\r\n"
        "Content-Length: %zu\r\n\r\n%s",
        sizeof(ASK_MESSAGES) - 1, ASK_MESSAGES);
    AUTO_FREE char *answer = NULL, *log = NULL;

    (void)state;
    world_begin(&world);
    answer = world_raw(&world, request);
    assert_int_equal(world_status(answer), 200);
    log = upstream_log(&world.upstream);
    ASSERT_HAS(log, "\r\naccept: text/event-stream\r\nanthropic-version: 2023-06-01\r\n"
                    "anthropic-beta: tools-1,files-2\r\n\r\n" ASK_MESSAGES);
    ASSERT_LACKS(log, "not for you");
    ASSERT_LACKS(log, "mine");
    world_end(&world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(every_dialect_is_answered_and_accounted),
        TEST(every_dialect_is_streamed_and_accounted),
        TEST(the_intent_is_written_before_the_outcome_and_named_by_it),
        TEST(neither_process_is_root),
        TEST(headers_that_a_provider_may_see_reach_it_as_they_are_and_no_others),
        TEST(a_usage_chunk_that_the_client_asked_for_is_not_taken_away),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
