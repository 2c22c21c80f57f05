/* How calls end that do not go well: providers that fail, clients that go, budgets that are
 * spent. */
#include "world.h"

#include <signal.h>
#include <stdio.h>
#include <sys/socket.h>

#define CHAT "/v1/chat/completions"
#define ASK                                                                                   \
    "{\"model\":\"m\",\"max_tokens\":10,\"messages\":[{\"role\":\"user\",\"content\":\"hi\"}" \
    "]}"
#define ASK_STREAM "{\"model\":\"m\",\"max_tokens\":10,\"stream\":true,\"messages\":[]}"
#define ANSWER                                                                                \
    "{\"choices\":[{\"message\":{\"content\":\"hello\"},\"finish_reason\":\"stop\"}],"        \
    "\"usage\":{"                                                                             \
    "\"prompt_tokens\":11,\"completion_tokens\":7}}"
#define DELTA "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"hel\"}}]}\n\n"
#define FINISH                                                                                \
    "data: {\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}]}\n\n"

static void answer_right(struct link *link, struct slice request)
{
    (void)request;
    link_answer(link, 200, "application/json", ANSWER);
}

static void a_provider_is_trusted_by_the_ca_of_the_policy(void **state)
{
    struct world world = {.answer = answer_right, .tls = true};
    AUTO_FREE char *answer = NULL, *log = NULL;

    (void)state;
    world_begin(&world);
    answer = world_post(&world, CHAT, ASK);
    ASSERT_HAS(answer, "HTTP/1.1 200 OK");
    ASSERT_HAS(answer, ANSWER);
    log = upstream_log(&world.upstream);
    ASSERT_HAS(log, "Authorization: Bearer " WORLD_KEY);
    ASSERT_RECORDS(&world, 1, "\"model.outcome\"", "\"ok\"", "\"tokens_in\":11");
    world_end(&world);
}

/* The resolver works in a thread, and the process may make no others. */
static void a_provider_is_found_by_name(void **state)
{
    struct world world = {.answer = answer_right, .by_name = true};
    AUTO_FREE char *answer = NULL;

    (void)state;
    world_begin(&world);
    answer = world_post(&world, CHAT, ASK);
    ASSERT_HAS(answer, "HTTP/1.1 200 OK");
    ASSERT_RECORDS(&world, 1, "\"model.outcome\"", "\"ok\"", "\"host\":\"localhost\"");
    world_end(&world);
}

static void a_provider_of_another_ca_gets_nothing(void **state)
{
    struct world world = {.answer = answer_right, .tls = true, .other_ca = true};
    AUTO_FREE char *answer = NULL, *log = NULL;

    (void)state;
    world_begin(&world);
    answer = world_post(&world, CHAT, ASK);
    ASSERT_HAS(answer, "HTTP/1.1 502 ");
    ASSERT_HAS(answer, "\"code\":\"upstream-tls\"");
    log = upstream_log(&world.upstream);
    assert_string_equal(log, "");
    ASSERT_RECORDS(&world, 1, "\"model.outcome\"", "\"failed\"", "upstream-tls",
                   "\"tokens_in\":0");
    world_end(&world);
}

static void a_provider_that_is_not_there_is_a_gateway_error(void **state)
{
    struct world world = {.url = "http://127.0.0.1:1/v1"};
    AUTO_FREE char *answer = NULL;

    (void)state;
    world_begin(&world);
    answer = world_post(&world, CHAT, ASK);
    ASSERT_HAS(answer, "HTTP/1.1 502 ");
    ASSERT_HAS(answer, "\"code\":\"upstream-unreachable\"");
    ASSERT_RECORDS(&world, 1, "\"model.intent\"", "\"POST\"");
    ASSERT_RECORDS(&world, 1, "\"model.outcome\"", "\"failed\"", "upstream-unreachable",
                   "\"tokens_out\":0");
    world_end(&world);
}

static void answer_busy(struct link *link, struct slice request)
{
    (void)request;
    link_send(link, "HTTP/1.1 429 Too Many Requests\r\nContent-Type: "
                    "application/json\r\nRetry-After: 7\r\n"
                    "Set-Cookie: a=b\r\nContent-Length: 17\r\n\r\n{\"error\":\"later\"}");
}

static void an_error_of_the_provider_is_passed_on(void **state)
{
    struct world world = {.answer = answer_busy};
    AUTO_FREE char *answer = NULL;

    (void)state;
    world_begin(&world);
    answer = world_post(&world, CHAT, ASK_STREAM);
    ASSERT_HAS(answer, "HTTP/1.1 429 ");
    ASSERT_HAS(answer, "retry-after: 7\r\n");
    ASSERT_HAS(answer, "\r\n\r\n{\"error\":\"later\"}");
    ASSERT_LACKS(answer, "ookie");
    ASSERT_RECORDS(&world, 1, "\"model.outcome\"", "\"failed\"", "upstream-status",
                   "\"status\":429", "\"tokens_in\":0");
    world_end(&world);
}

static void answer_cut(struct link *link, struct slice request)
{
    if (slice_find(request, SLICE("\"stream\":true"), 0) == SIZE_MAX) {
        link_send(link, "HTTP/1.1 200 OK\r\nContent-Length: 100\r\nContent-Type: "
                        "application/json\r\n\r\n{\"cho");
        link_cut(link);
    }
    link_stream(link);
    if (slice_find(request, SLICE("/responses"), 0) != SIZE_MAX)
        link_chunk(
            link, "event: a\ndata: {\"type\":\"response.created\",\"sequence_number\":4}\n\n");
    else
        link_chunk(link, DELTA);
    link_chunk(link, "data: {\"half");
    link_sleep_ms(50);
    link_cut(link);
}

static void a_stream_that_is_cut_ends_in_an_error_of_the_clients_dialect(void **state)
{
    static const struct {
        enum dialect dialect;
        const char *path, *wanted;
    } cases[] = {
        {DIALECT_OPENAI, CHAT, "data: {\"error\":{\"message\":\"custody: "},
        {DIALECT_OPENAI_RESPONSES, "/v1/responses",
         "event: response.failed\ndata: {\"type\":\"response.failed\",\"sequence_number\":5,"},
        {DIALECT_ANTHROPIC, "/v1/messages",
         "event: error\ndata: {\"type\":\"error\",\"error\":{\"type\":\"api_error\""},
        {DIALECT_GEMINI, "/v1beta/models/m:streamGenerateContent?alt=sse",
         "data: {\"error\":{\"code\":502,\"message\":\"custody: "},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct world world = {.answer = answer_cut, .dialect = cases[i].dialect};
        AUTO_FREE char *answer = NULL;

        world_begin(&world);
        answer = world_post(&world, cases[i].path, ASK_STREAM);
        ASSERT_HAS(answer, "HTTP/1.1 200 OK");
        ASSERT_HAS(answer, cases[i].wanted);
        ASSERT_LACKS(answer, "half");
        ASSERT_LACKS(answer, "[DONE]");
        ASSERT_RECORDS(&world, 1, "\"model.outcome\"", "\"failed\"", "upstream-cut",
                       "usage:estimated");
        world_end(&world);
    }
}

static void answer_error_in_stream(struct link *link, struct slice request)
{
    static const char *const errors[] = {
        "data: {\"error\":{\"message\":\"over loaded\",\"type\":\"server_error\"}}\n\n",
        "event: error\ndata: {\"type\":\"error\",\"error\":{\"type\":\"overloaded_error\","
        "\"message\":\"over loaded\"}}\n\n"};
    bool is_messages = slice_find(request, SLICE("/messages"), 0) != SIZE_MAX;

    link_send(link, "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n");
    link_send(link, "data: {\"choices\":[{\"delta\":{\"content\":\"an \\\"error\\\" \"}}]}\n\n");
    link_send(link, errors[is_messages]);
    link_cut(link);
}

static size_t count_of(const char *text, const char *word)
{
    size_t count = 0;

    for (const char *at = strstr(text, word); at != NULL; at = strstr(at + 1, word))
        count++;
    return count;
}

static void an_error_that_the_provider_says_in_its_stream_is_said_once(void **state)
{
    static const struct {
        enum dialect dialect;
        const char *path;
    } cases[] = {{DIALECT_OPENAI, CHAT}, {DIALECT_ANTHROPIC, "/v1/messages"}};

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct world world = {.answer = answer_error_in_stream, .dialect = cases[i].dialect};
        AUTO_FREE char *answer = NULL;

        world_begin(&world);
        answer = world_post(&world, cases[i].path, ASK_STREAM);
        ASSERT_HAS(answer, "HTTP/1.1 200 OK");
        assert_int_equal(count_of(answer, "over loaded"), 1);
        ASSERT_LACKS(answer, "custody: ");
        ASSERT_RECORDS(&world, 1, "\"model.outcome\"", "\"failed\"", "upstream-error");
        world_end(&world);
    }
}

static void a_body_that_is_cut_is_a_gateway_error(void **state)
{
    struct world world = {.answer = answer_cut};
    AUTO_FREE char *answer = NULL;

    (void)state;
    world_begin(&world);
    answer = world_post(&world, CHAT, ASK);
    ASSERT_HAS(answer, "HTTP/1.1 502 ");
    ASSERT_HAS(answer, "\"code\":\"upstream-cut\"");
    ASSERT_RECORDS(&world, 1, "\"model.outcome\"", "\"failed\"", "upstream-cut");
    world_end(&world);
}

static void answer_compressed(struct link *link, struct slice request)
{
    (void)request;
    link_send(link,
              "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 4\r\n\r\nabcd");
}

static void a_compressed_answer_that_nobody_asked_for_is_refused(void **state)
{
    struct world world = {.answer = answer_compressed};
    AUTO_FREE char *answer = NULL;

    (void)state;
    world_begin(&world);
    answer = world_post(&world, CHAT, ASK);
    ASSERT_HAS(answer, "HTTP/1.1 502 ");
    ASSERT_RECORDS(&world, 1, "\"model.outcome\"", "\"failed\"", "upstream-encoded");
    world_end(&world);
}

static void answer_never(struct link *link, struct slice request)
{
    if (slice_find(request, SLICE("\"stream\":true"), 0) != SIZE_MAX) {
        link_stream(link);
        link_chunk(link, DELTA);
    }
    link_note_when_gone(link, 20000);
}

static void a_provider_that_says_nothing_is_given_up(void **state)
{
    struct world world = {.answer = answer_never,
                          .limits = {.first_byte_ms = 1000, .idle_ms = 1000}};
    AUTO_FREE char *answer = NULL, *streamed = NULL;

    (void)state;
    world_begin(&world);
    answer = world_post(&world, CHAT, ASK);
    ASSERT_HAS(answer, "HTTP/1.1 504 ");
    ASSERT_HAS(answer, "\"code\":\"timeout\"");
    streamed = world_post(&world, CHAT, ASK_STREAM);
    ASSERT_HAS(streamed, "HTTP/1.1 200 ");
    ASSERT_HAS(streamed, "\"code\":\"timeout\"");
    ASSERT_RECORDS(&world, 2, "\"model.outcome\"", "\"failed\"", "\"timeout\"");
    world_end(&world);
}

static void wait_for_log(const struct world *world, const char *text)
{
    for (int i = 0; i < 250; i++) {
        AUTO_FREE char *log = upstream_log(&world->upstream);

        if (strstr(log, text) != NULL)
            return;
        link_sleep_ms(20);
    }
    fail_msg("the provider never saw %s", text);
}

static void a_client_that_goes_takes_its_call_with_it(void **state)
{
    static const char *const asks[] = {ASK, ASK_STREAM};

    (void)state;
    for (size_t i = 0; i < COUNT(asks); i++) {
        struct world world = {.answer = answer_never};
        AUTO_FREE char *request =
            xformat("POST " CHAT " HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n"
                    "Content-Length: %zu\r\n\r\n%s",
                    strlen(asks[i]), asks[i]);
        AUTO_BUF struct buf got = buf_with_limit(65536);
        int socket;

        world_begin(&world);
        socket = world_connect(&world);
        assert_true(world_send(socket, slice_of(request)));
        wait_for_log(&world, "\"model\":\"m\"");
        if (i == 1)
            assert_true(world_read_until(socket, "hel", 5000, &got));
        (void)close(socket);
        wait_for_log(&world, "[gone]");
        ASSERT_RECORDS(&world, 1, "\"model.outcome\"", "\"cancelled\"", "client-abort",
                       "usage:estimated");
        world_end(&world);
    }
}

static void a_run_that_ends_leaves_an_outcome_for_every_call(void **state)
{
    struct world world = {.answer = answer_never};
    AUTO_BUF struct buf got = buf_with_limit(65536);
    struct fault fault = {0};
    int socket, status;

    (void)state;
    world_begin(&world);
    socket = world_connect(&world);
    assert_true(world_send(
        socket, SLICE("POST " CHAT " HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n"
                      "Content-Length: 57\r\n\r\n" ASK_STREAM)));
    assert_true(world_read_until(socket, "hel", 5000, &got));
    scope_close(&world.gateway_control);
    assert_true(world_read_until(socket, "custody: ", 5000, &got));
    ASSERT_LACKS(buf_text(&got), "[DONE]");
    ASSERT_RECORDS(&world, 1, "\"model.outcome\"", "\"cancelled\"", "run-ended");
    (void)close(socket);
    assert_ok(process_wait(&world.gateway, 10000, &status, &fault), fault);
    assert_int_equal(status, 0);
    world.gateway = (struct process){.pid = 0, .pidfd = -1};
    world_end(&world);
}

static void a_budget_that_is_spent_refuses_what_it_does_not_hold(void **state)
{
    struct world world = {.answer = answer_right, .limits = {.tokens = 100}};
    struct gateway_totals totals;
    int ok = 0, refused = 0;

    (void)state;
    world_begin(&world);
    for (int i = 0; i < 6; i++) {
        AUTO_FREE char *answer = world_post(&world, CHAT, ASK);

        ok += world_status(answer) == 200;
        refused +=
            world_status(answer) == 400 && strstr(answer, "\"code\":\"budget\"") != NULL;
    }
    totals = world_totals(&world);
    assert_int_equal(ok + refused, 6);
    /* 18 tokens a call, 33 reserved: the fourth is the last one that fits */
    assert_int_equal(ok, 4);
    assert_int_equal(totals.calls, 4);
    assert_int_equal(totals.refused, 2);
    assert_int_equal(totals.tokens_in + totals.tokens_out, 4 * 18);
    ASSERT_RECORDS(&world, 2, "\"refused\"", "\"budget\"", "\"gateway\"");
    ASSERT_RECORDS(&world, 4, "\"model.intent\"", "POST");
    world_end(&world);
}

static void money_is_a_budget_too(void **state)
{
    struct world world = {.answer = answer_right,
                          .limits = {.micro_usd = 1000},
                          .price_in = 0,
                          .price_out = 200000000};
    AUTO_FREE char *answer = NULL;

    (void)state;
    world_begin(&world);
    answer = world_post(&world, CHAT, ASK); /* ten tokens of 200 micro-USD each */
    ASSERT_HAS(answer, "HTTP/1.1 400 ");
    ASSERT_HAS(answer, "\"code\":\"budget\"");
    ASSERT_HAS(answer, "US dollars");
    world_end(&world);
}

static void answer_without_end(struct link *link, struct slice request)
{
    (void)request;
    link_stream(link);
    for (int i = 0; i < 5000; i++)
        link_chunk(link, "data: {\"choices\":[{\"delta\":{\"content\":\"more \"}}]}\n\n");
    link_note_when_gone(link, 5000);
}

static void a_stream_that_uses_up_its_budget_is_cut_off(void **state)
{
    struct world world = {.answer = answer_without_end, .limits = {.tokens = 1200}};
    AUTO_FREE char *answer = NULL, *next = NULL;
    struct gateway_totals totals;

    (void)state;
    world_begin(&world);
    answer =
        world_post(&world, CHAT,
                   "{\"model\":\"m\",\"max_tokens\":100000,\"stream\":true,\"messages\":[]}");
    ASSERT_HAS(answer, "HTTP/1.1 200 ");
    ASSERT_HAS(answer, "\"code\":\"budget\"");
    ASSERT_LACKS(answer, "[DONE]");
    ASSERT_RECORDS(&world, 1, "model.outcome", "\"budget\"", "usage:estimated");
    totals = world_totals(&world);
    assert_true(totals.tokens_out >= 1100 && totals.tokens_out < 3000);
    next = world_post(&world, CHAT, ASK);
    ASSERT_HAS(next, "HTTP/1.1 400 ");
    world_end(&world);
}

#define NOBODY "http://127.0.0.1:9/v1"

static void a_provider_that_is_not_there_is_replaced_by_the_next(void **state)
{
    struct world world = {.answer = answer_right, .url = NOBODY, .falls_back = true};
    AUTO_FREE char *answer = NULL, *log = NULL;
    struct gateway_totals totals;

    (void)state;
    world_begin(&world);
    answer = world_post(&world, CHAT, ASK);
    ASSERT_HAS(answer, "HTTP/1.1 200 ");
    log = upstream_log(&world.upstream);
    ASSERT_HAS(log, "{\"model\":\"m-2\","); /* by its own name */
    ASSERT_RECORDS(&world, 2, "\"model.intent\"");
    ASSERT_RECORDS(&world, 1, "\"model.outcome\"", "upstream-unreachable", "main-model");
    ASSERT_RECORDS(&world, 1, "\"model.outcome\"", "\"ok\"", "second-model", "\"eu\"");
    totals = world_totals(&world);
    assert_int_equal(totals.tokens_in + totals.tokens_out, 18);
    world_end(&world);
}

/* The list obeys the same rule as the first model. */
static void what_the_next_may_not_have_stays_here(void **state)
{
    static const char card[] =
        "{\"model\":\"m\",\"messages\":[{\"role\":\"user\",\"content\":\"my "
        "card is 4111111111111111\"}]}";
    static const char thought[] =
        "{\"model\":\"m\",\"messages\":[{\"role\":\"assistant\",\"content\":\"x\","
        "\"encrypted_content\":\"x\"}]}";
    struct world world = {.answer = answer_right,
                          .url = NOBODY,
                          .falls_back = true,
                          .allow = CLASS_BIT(CLASS_PAN),
                          .kept_away = CLASS_BIT(CLASS_PAN)};
    AUTO_FREE char *class = NULL, *of_another = NULL, *log = NULL;

    (void)state;
    world_begin(&world);
    class = world_post(&world, CHAT, card);
    ASSERT_HAS(class, "HTTP/1.1 502 ");
    of_another = world_post(&world, CHAT, thought);
    ASSERT_HAS(of_another, "HTTP/1.1 502 ");
    log = upstream_log(&world.upstream);
    assert_string_equal(log, "");
    ASSERT_RECORDS(&world, 2, "\"model.intent\"");
    world_end(&world);
}

struct account {
    struct book_line line;
    size_t count;
};

static bool take_account(void *self, const struct book_line *line, struct fault *fault)
{
    struct account *account = self;

    (void)fault;
    account->line = *line;
    account->count++;
    return true;
}

static struct account account_of(const struct world *world)
{
    struct account account = {.count = 0};
    struct fault fault = {0};

    assert_ok(book_each(world->home_fd, take_account, &account, &fault), fault);
    assert_int_equal(account.count, 1);
    assert_int_equal(account.line.kind, BOOK_RUN);
    return account;
}

/* What may have reached the provider counts, the rest of what was reserved comes back. */
static void a_gateway_that_is_killed_leaves_nothing_reserved(void **state)
{
    struct world world = {.answer = answer_never};
    struct account account;
    int client;

    (void)state;
    world_begin(&world);
    client = world_connect(&world);
    (void)world_send(
        client, SLICE("POST /v1/chat/completions HTTP/1.1\r\nHost: d\r\nContent-Type: "
                      "application/json\r\nContent-Length: 56\r\n\r\n"
                      "{\"model\":\"m\",\"max_tokens\":5000,\"messages\":[]           }"));
    wait_for_log(&world, "\"messages\"");
    account = account_of(&world);
    assert_true(account.line.reserved.of[AMOUNT_TOKENS] >= 5000);
    assert_int_equal(account.line.spent.of[AMOUNT_CALLS], 0);
    process_kill(&world.gateway);
    account = account_of(&world);
    for (size_t k = 0; k < AMOUNT_COUNT; k++)
        assert_int_equal(account.line.reserved.of[k], 0);
    assert_int_equal(account.line.spent.of[AMOUNT_CALLS], 1);
    assert_true(account.line.spent.of[AMOUNT_TOKENS] > 0 &&
                account.line.spent.of[AMOUNT_TOKENS] < 100);
    (void)close(client);
    world.gateway = (struct process){.pid = 0, .pidfd = -1};
    world_end(&world);
}

static void a_model_that_has_expired_or_has_no_key_is_not_called(void **state)
{
    struct world world = {.answer = answer_right, .expires_us = 1000};
    AUTO_FREE char *expired = NULL, *keyless = NULL, *log = NULL;

    (void)state;
    world_begin(&world);
    expired = world_post(&world, CHAT, ASK);
    ASSERT_HAS(expired, "HTTP/1.1 400 ");
    ASSERT_HAS(expired, "\"code\":\"expired\"");
    keyless = world_post(&world, CHAT, "{\"model\":\"no-key-model\",\"messages\":[]}");
    ASSERT_HAS(keyless, "\"code\":\"no-key\"");
    log = upstream_log(&world.upstream);
    assert_string_equal(log, "");
    ASSERT_RECORDS(&world, 1, "\"refused\"", "\"expired\"");
    ASSERT_RECORDS(&world, 1, "\"refused\"", "\"no-key\"", "no-key-model");
    ASSERT_RECORDS(&world, 0, "\"model.intent\"");
    world_end(&world);
}

static void a_call_that_cannot_be_recorded_is_not_made(void **state)
{
    struct world world = {.answer = answer_right, .no_ledger = true};
    AUTO_FREE char *answer = NULL, *log = NULL;

    (void)state;
    world_begin(&world);
    answer = world_post(&world, CHAT, ASK);
    ASSERT_HAS(answer, "HTTP/1.1 400 ");
    ASSERT_HAS(answer, "\"code\":\"ledger\"");
    log = upstream_log(&world.upstream);
    assert_string_equal(log, "");
    world_end(&world);
}

static void without_a_gateway_the_door_says_so(void **state)
{
    struct world world = {.answer = answer_right};
    AUTO_FREE char *answer = NULL;

    (void)state;
    world_begin(&world);
    process_kill(&world.gateway);
    answer = world_post(&world, CHAT, ASK);
    ASSERT_HAS(answer, "HTTP/1.1 502 ");
    ASSERT_HAS(answer, "\"code\":\"gateway\"");
    world.gateway = (struct process){.pid = 0, .pidfd = -1};
    world_end(&world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_provider_is_trusted_by_the_ca_of_the_policy),
        TEST(a_provider_is_found_by_name),
        TEST(a_provider_of_another_ca_gets_nothing),
        TEST(a_provider_that_is_not_there_is_a_gateway_error),
        TEST(an_error_of_the_provider_is_passed_on),
        TEST(a_stream_that_is_cut_ends_in_an_error_of_the_clients_dialect),
        TEST(an_error_that_the_provider_says_in_its_stream_is_said_once),
        TEST(a_body_that_is_cut_is_a_gateway_error),
        TEST(a_compressed_answer_that_nobody_asked_for_is_refused),
        TEST(a_provider_that_says_nothing_is_given_up),
        TEST(a_client_that_goes_takes_its_call_with_it),
        TEST(a_run_that_ends_leaves_an_outcome_for_every_call),
        TEST(a_budget_that_is_spent_refuses_what_it_does_not_hold),
        TEST(money_is_a_budget_too),
        TEST(a_stream_that_uses_up_its_budget_is_cut_off),
        TEST(a_provider_that_is_not_there_is_replaced_by_the_next),
        TEST(what_the_next_may_not_have_stays_here),
        TEST(a_gateway_that_is_killed_leaves_nothing_reserved),
        TEST(a_model_that_has_expired_or_has_no_key_is_not_called),
        TEST(a_call_that_cannot_be_recorded_is_not_made),
        TEST(without_a_gateway_the_door_says_so),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
