/* What is not one small request on one quick connection. */
#include "world.h"

#include <stdio.h>
#include <sys/socket.h>

#define CHAT "/v1/chat/completions"
#define ANSWER "{\"choices\":[],\"usage\":{\"prompt_tokens\":11,\"completion_tokens\":7}}"
#define HEAD "POST " CHAT " HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n"
#define ASK HEAD "Content-Length: 27\r\n\r\n{\"model\":\"m\",\"messages\":[]}"
#define CONNECTIONS 60
#define DELTAS 4000
#define MEGABYTE (1024U * 1024)

static void answer_right(struct link *link, struct slice request)
{
    (void)request;
    link_answer(link, 200, "application/json", ANSWER);
}

static size_t count_of(const char *text, const char *part)
{
    size_t count = 0;

    for (const char *at = strstr(text, part); at != NULL; at = strstr(at + 1, part))
        count++;
    return count;
}

static void a_client_that_sends_byte_by_byte_is_served(void **state)
{
    static const char request[] =
        HEAD "Transfer-Encoding: chunked\r\nConnection: close\r\n\r\n"
             "5\r\n{\"mod\r\n1\r\ne\r\n15\r\nl\":\"m\",\"messages\":[]}\r\n0\r\n\r\n";
    struct world world = {.answer = answer_right};
    AUTO_FREE char *answer = NULL, *log = NULL;
    int socket;

    (void)state;
    world_begin(&world);
    socket = world_connect(&world);
    for (size_t i = 0; i < strlen(request); i++) {
        assert_true(world_send(socket, slice_of_bytes(request + i, 1)));
        if (i % 8 == 0)
            link_sleep_ms(1);
    }
    answer = world_read_all(socket, 10000);
    (void)close(socket);
    ASSERT_HAS(answer, "HTTP/1.1 200 ");
    log = upstream_log(&world.upstream);
    ASSERT_HAS(log, "\r\n\r\n{\"model\":\"m\",\"messages\":[]}");
    ASSERT_LACKS(log, "chunked");
    world_end(&world);
}

static void one_connection_serves_many_requests(void **state)
{
    struct world world = {.answer = answer_right};
    AUTO_BUF struct buf got = buf_with_limit(MEGABYTE);
    int socket;

    (void)state;
    world_begin(&world);
    socket = world_connect(&world);
    for (int i = 0; i < 10; i++) {
        buf_clear(&got);
        assert_true(world_send(socket, SLICE(ASK)));
        assert_true(world_read_until(socket, ANSWER, 5000, &got));
        ASSERT_LACKS(buf_text(&got), "Connection: close");
        buf_clear(&got); /* a refusal in between does not end the connection */
        assert_true(world_send(socket, SLICE("GET /v1/nothing HTTP/1.1\r\nHost: a\r\n\r\n")));
        assert_true(world_read_until(socket, "unknown-path\"}}", 5000, &got));
    }
    (void)close(socket);
    ASSERT_RECORDS(&world, 10, "\"model.outcome\"", "\"ok\"");
    ASSERT_RECORDS(&world, 10, "\"unknown-path\"");
    world_end(&world);
}

static void pipelined_requests_are_answered_in_order(void **state)
{
    struct world world = {.answer = answer_right};
    AUTO_FREE char *answer = NULL;
    const char *refused;

    (void)state;
    world_begin(&world);
    answer = world_raw(&world, ASK ASK
                       "GET /v1/nothing HTTP/1.1\r\nHost: a\r\n\r\n" ASK
                       "GET /v1/models HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n" ASK);
    assert_int_equal(count_of(answer, "HTTP/1.1 200 OK"), 4);
    assert_int_equal(count_of(answer, ANSWER), 3);
    refused = strstr(answer, "unknown-path");
    assert_non_null(refused);
    assert_int_equal(count_of(refused, ANSWER), 1);
    ASSERT_HAS(refused, "\"object\":\"list\"");
    ASSERT_RECORDS(&world, 3, "\"model.outcome\"", "\"ok\"");
    world_end(&world);
}

static void who_waits_for_leave_to_continue_gets_it(void **state)
{
    struct world world = {.answer = answer_right};
    AUTO_BUF struct buf got = buf_with_limit(MEGABYTE);
    AUTO_FREE char *refused = NULL;
    int socket;

    (void)state;
    world_begin(&world);
    socket = world_connect(&world);
    assert_true(
        world_send(socket, SLICE(HEAD "Expect: 100-continue\r\nContent-Length: 27\r\n\r\n")));
    assert_true(world_read_until(socket, "HTTP/1.1 100 Continue\r\n\r\n", 5000, &got));
    assert_true(world_send(socket, SLICE("{\"model\":\"m\",\"messages\":[]}")));
    assert_true(world_read_until(socket, ANSWER, 5000, &got));
    (void)close(socket);
    refused = world_raw(&world, "POST /v1/images HTTP/1.1\r\nHost: a\r\nExpect: "
                                "100-continue\r\nContent-Length: 9\r\n\r\n");
    ASSERT_HAS(refused, "HTTP/1.1 404 ");
    ASSERT_LACKS(refused, "100 Continue");
    world_end(&world);
}

/* A body of 4 MiB of text, and one that is over the limit and sent in chunks nevertheless. */
static void large_requests_pass_and_too_large_ones_are_refused(void **state)
{
    struct world world = {.answer = answer_right, .limits = {.tokens = 10000000}};
    AUTO_BUF struct buf body = buf_with_limit(8 * MEGABYTE);
    AUTO_FREE char *answer = NULL, *refused = NULL, *chunk = NULL;
    struct fault fault = {0};
    bool sent = true;
    int socket;

    (void)state;
    world_begin(&world);
    assert_true(buf_add_text(&body, "{\"model\":\"m\",\"messages\":[{\"content\":\"", &fault));
    while (body.len < 4 * MEGABYTE)
        assert_true(buf_add_text(&body, "all work and no play makes a dull text, ", &fault));
    assert_true(buf_add_text(&body, "\"}]}", &fault));
    answer = world_post(&world, CHAT, buf_text(&body));
    ASSERT_HAS(answer, "HTTP/1.1 200 ");
    ASSERT_RECORDS(&world, 1, "\"model.intent\"", "\"bytes_out\":41943");
    socket = world_connect(&world);
    assert_true(world_send(socket, SLICE(HEAD "Transfer-Encoding: chunked\r\n\r\n")));
    chunk = xformat("100000\r\n%1048576d\r\n", 7);
    for (int i = 0; sent && i < 40; i++)
        sent = world_send(socket, slice_of(chunk));
    refused = world_read_all(socket, 10000);
    (void)close(socket);
    ASSERT_HAS(refused, "HTTP/1.1 413 ");
    ASSERT_RECORDS(&world, 1, "\"refused\"", "too-large", "\"status\":413");
    world_end(&world);
}

static void many_connections_are_served_at_once(void **state)
{
    struct world world = {.answer = answer_right};
    int sockets[CONNECTIONS];

    (void)state;
    world_begin(&world);
    for (size_t i = 0; i < COUNT(sockets); i++) {
        sockets[i] = world_connect(&world);
        assert_true(world_send(sockets[i], SLICE(ASK)));
    }
    for (size_t i = 0; i < COUNT(sockets); i++) {
        AUTO_BUF struct buf got = buf_with_limit(65536);

        if (!world_read_until(sockets[i], ANSWER, 20000, &got))
            fail_msg("connection %zu: %s", i, buf_text(&got));
        (void)close(sockets[i]);
    }
    ASSERT_RECORDS(&world, CONNECTIONS, "\"model.intent\"", "\"POST\"");
    ASSERT_RECORDS(&world, CONNECTIONS, "\"model.outcome\"", "\"ok\"", "\"tokens_in\":11");
    assert_int_equal(world_totals(&world).tokens_out, 7 * CONNECTIONS);
    world_end(&world);
}

static void answer_and_go(struct link *link, struct slice request)
{
    answer_right(link, request);
    link_cut(link);
}

/* Connections to the provider are kept; that one of them has died meanwhile is no reason to
 * fail. */
static void a_kept_connection_that_died_is_made_anew(void **state)
{
    struct world world = {.answer = answer_and_go};

    (void)state;
    world_begin(&world);
    for (int i = 0; i < 5; i++) {
        AUTO_FREE char *answer = world_post(&world, CHAT, "{\"model\":\"m\",\"messages\":[]}");

        ASSERT_HAS(answer, "HTTP/1.1 200 ");
        link_sleep_ms(i * 20);
    }
    ASSERT_RECORDS(&world, 5, "\"model.outcome\"", "\"ok\"");
    world_end(&world);
}

/* 16 MB of small events, then the end. */
static void answer_long(struct link *link, struct slice request)
{
    AUTO_FREE char *delta =
        xformat("data: {\"choices\":[{\"delta\":{\"content\":\"%4000d\"}}]}\n\n", 1);

    (void)request;
    link_stream(link);
    for (int i = 0; i < DELTAS; i++)
        link_chunk(link, delta);
    link_chunk(link, "data: {\"choices\":[{\"delta\":{},\"finish_reason\":\"stop\"}]}\n\n");
    link_chunk(
        link,
        "data: "
        "{\"choices\":[],\"usage\":{\"prompt_tokens\":11,\"completion_tokens\":4000}}\n\n");
    link_chunk(link, "data: [DONE]\n\n");
    link_chunk_end(link);
}

static void a_client_that_reads_slowly_gets_everything(void **state)
{
    struct world world = {.answer = answer_long, .limits = {.idle_ms = 1500}};
    AUTO_BUF struct buf got = buf_with_limit(64 * MEGABYTE);
    int socket;

    (void)state;
    world_begin(&world);
    socket = world_connect(&world);
    assert_true(world_send(
        socket,
        SLICE(HEAD
              "Content-Length: 41\r\n\r\n{\"model\":\"m\",\"stream\":true,\"messages\":[]}")));
    assert_true(world_read_until(socket, "data: ", 10000, &got));
    link_sleep_ms(
        4000); /* longer than a provider may be silent: it is the client that is slow */
    (void)world_read_until(socket, "[DONE]", 1, &got);
    assert_true(world_read_until(socket, "[DONE]\n\n\r\n0\r\n\r\n", 60000 * TEST_SLOWER, &got));
    (void)close(socket);
    assert_int_equal(
        count_of(buf_text(&got), "data: {\"choices\":[{\"delta\":{\"content\":\""), DELTAS);
    ASSERT_LACKS(buf_text(&got), "\"error\"");
    ASSERT_RECORDS(&world, 1, "\"model.outcome\"", "\"ok\"", "\"tokens_out\":4000");
    world_end(&world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_client_that_sends_byte_by_byte_is_served),
        TEST(one_connection_serves_many_requests),
        TEST(pipelined_requests_are_answered_in_order),
        TEST(who_waits_for_leave_to_continue_gets_it),
        TEST(large_requests_pass_and_too_large_ones_are_refused),
        TEST(many_connections_are_served_at_once),
        TEST(a_kept_connection_that_died_is_made_anew),
        TEST(a_client_that_reads_slowly_gets_everything),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
