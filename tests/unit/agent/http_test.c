#include "test.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "agent/http.h"
#include "base/scope.h"
#include "os/clock_real.h"

/* Feeds `text` cut at `cut` and then in pieces of `step`; the end of the connection behind it.
 */
static bool read_answer(struct slice text, size_t cut, size_t step,
                        struct http_answer *ret_answer, struct fault *fault)
{
    http_answer_begin(ret_answer);
    for (size_t at = 0, next = cut; at < text.len; at = next, next += step)
        if (!http_answer_feed(ret_answer, slice_part(text, at, next), fault))
            return false;
    return ret_answer->done || http_answer_end(ret_answer, fault);
}

static const struct {
    const char *text;
    int status;
    bool streamed;
    const char *body;
} whole[] = {
    {"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", 200, false, "hello"},
    {"HTTP/1.1 204 No Content\r\ncontent-length: 0\r\n\r\n", 204, false, ""},
    {"HTTP/1.1 400 Bad Request\r\nContent-Type: application/json\r\nContent-Length:  2 "
     "\r\n\r\n{}",
     400, false, "{}"},
    {"HTTP/1.0 200 OK\r\n\r\nto the end", 200, false, "to the end"},
    {"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 200 "
     "OK\r\n"
     "Content-Length: 1\r\n\r\na",
     200, false, "a"},
    {"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream; charset=utf-8\r\nTransfer-Encoding: "
     "chunked\r\n\r\n"
     "6\r\ndata: \r\nA\r\n0123456789\r\n2\r\n\n\n\r\n0\r\n\r\n",
     200, true, "data: 0123456789\n\n"},
    {"HTTP/1.1 200 OK\r\nTransfer-Encoding: Chunked\r\n\r\n1\r\na\r\n0\r\nTrailer: x\r\n\r\n",
     200, false, "a"},
};

static void an_answer_is_the_same_wherever_it_is_cut(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(whole); i++) {
        struct slice text = slice_of(whole[i].text);

        for (size_t cut = 1; cut <= text.len; cut++)
            for (size_t step = 1; step <= text.len; step += text.len - 1) {
                struct http_answer answer;
                struct fault fault = {0};

                assert_ok(read_answer(text, cut, step, &answer, &fault), fault);
                assert_true(answer.done);
                assert_int_equal(answer.status, whole[i].status);
                assert_int_equal(answer.streamed, whole[i].streamed);
                assert_string_equal(buf_text(&answer.body), whole[i].body);
                http_answer_free(&answer);
            }
    }
}

#define OK "HTTP/1.1 200 OK\r\n"
#define CHUNKED OK "Transfer-Encoding: chunked\r\n\r\n"

static void an_answer_that_can_be_read_in_two_ways_is_refused(void **state)
{
    static const struct {
        const char *text;
        enum fault_kind kind;
        const char *why;
    } rows[] = {
        {OK "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n", FAULT_INVALID,
         "a length and chunks at once"},
        {OK "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n", FAULT_INVALID,
         "a length and chunks at once"},
        {OK "Transfer-Encoding: chunked\r\nContent-Length: 0\r\n\r\n", FAULT_INVALID,
         "a length and chunks at once"},
        {OK "Content-Length: 5\r\nContent-Length: 5\r\n\r\n", FAULT_INVALID, "two lengths"},
        {OK "Content-Length: +5\r\n\r\n", FAULT_INVALID, "no number"},
        {OK "Content-Length: 5, 5\r\n\r\n", FAULT_INVALID, "no number"},
        {OK "Content-Length: 0x5\r\n\r\n", FAULT_INVALID, "no number"},
        {OK "Content-Length:\r\n\r\n", FAULT_INVALID, "no number"},
        {OK "Content-Length: 99999999999\r\n\r\n", FAULT_INVALID, "no number"},
        {OK "Content-Length: 9999999999\r\n\r\n", FAULT_LIMIT, "longer than"},
        {OK "Transfer-Encoding: gzip, chunked\r\n\r\n", FAULT_INVALID, "not chunked"},
        {OK "Content-Encoding: gzip\r\n\r\n", FAULT_INVALID, "compressed"},
        {OK "A: b\r\n c\r\n\r\n", FAULT_INVALID, "a header that is none"},
        {OK "no colon\r\n\r\n", FAULT_INVALID, "a header that is none"},
        {OK ": b\r\n\r\n", FAULT_INVALID, "a header that is none"},
        {"HTTP/2 200\r\n\r\n", FAULT_INVALID, "not an HTTP/1 answer"},
        {"HTTP/1.1 2x0 OK\r\n\r\n", FAULT_INVALID, "not an HTTP status"},
        {"HTTP/1.1 099 OK\r\n\r\n", FAULT_INVALID, "not an HTTP status"},
        {"HTTP/1.1 101 Switching Protocols\r\n\r\n", FAULT_INVALID, "changes protocols"},
        {"SSH-2.0-OpenSSH\r\n\r\n", FAULT_INVALID, "not an HTTP/1 answer"},
        {OK "Content-Length: 1\r\n\r\nab", FAULT_INVALID, "bytes behind the answer"},
        {OK "Content-Length: 0\r\n\r\nHTTP/1.1 200 OK\r\n\r\n", FAULT_INVALID,
         "bytes behind the answer"},
        {OK "Content-Length: 2\r\n\r\na", FAULT_IO, "in the middle of an answer"},
        {"HTTP/1.1 200 OK\r\nContent-Le", FAULT_IO, "in the middle of an answer"},
        {CHUNKED "1\r\nab\r\n0\r\n\r\n", FAULT_INVALID, "a chunk is longer than it says"},
        {CHUNKED "1;x=y\r\na\r\n0\r\n\r\n", FAULT_INVALID, "a chunk's size that is none"},
        {CHUNKED "-1\r\na\r\n0\r\n\r\n", FAULT_INVALID, "a chunk's size that is none"},
        {CHUNKED "\r\n", FAULT_INVALID, "a chunk's size that is none"},
        {CHUNKED "000000001\r\na\r\n", FAULT_INVALID, "a chunk's size that is none"},
        {CHUNKED "1\r\na\r\n", FAULT_IO, "in the middle of an answer"},
        {CHUNKED "0\r\n\r\nmore", FAULT_INVALID, "bytes behind the answer"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++)
        for (size_t step = 1; step <= 4096; step += 4095) {
            struct http_answer answer;
            struct fault fault = {0};

            if (read_answer(slice_of(rows[i].text), step, step, &answer, &fault))
                fail_msg("row %zu is taken", i);
            http_answer_free(&answer);
            if (fault.kind != rows[i].kind || strstr(fault.why, rows[i].why) == NULL)
                fail_msg("row %zu: %s", i, fault.why);
        }
}

/* Feeds `line` until it is refused; gives how many bytes were taken. */
static size_t feed_until_refused(const char *head, const char *line, struct fault *fault)
{
    struct http_answer answer;
    size_t taken = 0;

    http_answer_begin(&answer);
    assert_ok(http_answer_feed(&answer, slice_of(head), fault), *fault);
    while (http_answer_feed(&answer, slice_of(line), fault) && taken < 64UL * 1024 * 1024)
        taken += strlen(line);
    http_answer_free(&answer);
    return taken;
}

static void no_answer_is_endless(void **state)
{
    AUTO_FREE char *block = xalloc(4097);
    AUTO_FREE char *chunk = NULL;
    struct fault fault = {0};

    (void)state;
    (void)memset(block, 'a', 4096);
    chunk = xformat("1000\r\n%s\r\n", block);
    assert_true(feed_until_refused("HTTP/1.1 200 OK\r\n", "A: b\r\n", &fault) <
                2UL * HTTP_HEAD_BYTES_MAX);
    assert_int_equal(fault.kind, FAULT_LIMIT);
    fault = (struct fault){0};
    assert_true(feed_until_refused("HTTP/1.1 200 OK\r\n\r\n", "0123456789abcdef", &fault) <=
                HTTP_BODY_BYTES_MAX);
    assert_int_equal(fault.kind, FAULT_LIMIT);
    fault = (struct fault){0};
    assert_true(feed_until_refused(CHUNKED "1\r\na\r\n0\r\n", "Trailer: endless\r\n",
                                   &fault) <= HTTP_HEAD_BYTES_MAX);
    assert_int_equal(fault.kind, FAULT_LIMIT);
    fault = (struct fault){0};
    assert_true(feed_until_refused("", "HTTP/1.1 100 Continue\r\n\r\n", &fault) <=
                HTTP_HEAD_BYTES_MAX);
    assert_int_equal(fault.kind, FAULT_LIMIT);
    fault = (struct fault){0};
    assert_true(feed_until_refused(CHUNKED, chunk, &fault) <=
                HTTP_BODY_BYTES_MAX / 4096 * strlen(chunk));
    assert_int_equal(fault.kind, FAULT_LIMIT);
}

static void a_long_chunk_line_is_refused(void **state)
{
    struct http_answer answer;
    struct fault fault = {0};
    AUTO_FREE char *line = xalloc(600);

    (void)state;
    (void)memset(line, '0', 599);
    http_answer_begin(&answer);
    assert_ok(http_answer_feed(&answer, slice_of(CHUNKED), &fault), fault);
    assert_false(http_answer_feed(&answer, slice_of(line), &fault));
    assert_string_equal(fault.why, "a chunk's line is too long");
    http_answer_free(&answer);
}

/* ---- the call ---- */

static bool take_all(void *self, struct http_answer *answer, struct fault *fault)
{
    struct buf *body = self;
    bool ok = buf_add(body, buf_slice(&answer->body), fault);

    buf_clear(&answer->body);
    return ok;
}

static bool post(const char *base_url, const char *key, struct buf *body, struct fault *fault)
{
    const struct http_call call = {.base_url = base_url,
                                   .path = "/chat/completions",
                                   .key = key,
                                   .body = SLICE("{}"),
                                   .timeout_ms = 200,
                                   .clock = &clock_real,
                                   .more = take_all,
                                   .self = body};

    return http_post(&call, fault);
}

static int listen_on_loopback(char ret_url[64])
{
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof(address);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    assert_int_equal(bind(fd, (struct sockaddr *)&address, len), 0);
    assert_int_equal(listen(fd, 4), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &len), 0);
    (void)snprintf(ret_url, 64, "http://127.0.0.1:%u/v1/", (unsigned)ntohs(address.sin_port));
    return fd;
}

static void only_loopback_is_asked(void **state)
{
    static const char *const urls[] = {
        "http://192.0.2.1/v1",   "https://127.0.0.1/v1",
        "http://example.com/v1", "http://127.0.0.1.example.com/v1",
        "file:///etc/passwd",    ""};

    (void)state;
    for (size_t i = 0; i < COUNT(urls); i++) {
        struct fault fault = {0};

        assert_false(post(urls[i], NULL, NULL, &fault));
        assert_int_equal(fault.kind, FAULT_INVALID);
    }
}

static void a_key_adds_no_header(void **state)
{
    struct fault fault = {0};

    (void)state;
    assert_false(post("http://127.0.0.1:9/v1", "word\r\nHost: elsewhere", NULL, &fault));
    assert_int_equal(fault.kind, FAULT_INVALID);
}

static void who_does_not_answer_is_not_waited_for(void **state)
{
    AUTO_BUF struct buf body = buf_with_limit(100);
    struct fault fault = {0};
    char url[64];
    AUTO_CLOSE int listener = listen_on_loopback(url);

    (void)state;
    assert_true(listener >= 0); /* open, and nobody accepts */
    assert_false(post(url, NULL, &body, &fault));
    assert_int_equal(fault.kind, FAULT_LIMIT);
    assert_string_equal(fault.why, "no answer within 200 ms");
}

static void what_is_asked_and_what_is_answered_arrive(void **state)
{
    static const char answer[] = CHUNKED "2\r\nhe\r\n3\r\nllo\r\n0\r\n\r\n";
    AUTO_BUF struct buf body = buf_with_limit(100);
    struct fault fault = {0};
    char url[64], request[2048] = "";
    AUTO_CLOSE int listener = listen_on_loopback(url);
    pid_t server = fork();

    (void)state;
    if (server == 0) {
        int client = accept(listener, NULL, NULL);
        ssize_t got = recv(client, request, sizeof(request) - 1, 0);
        bool good = got > 0 &&
                    strstr(request, "POST /v1/chat/completions HTTP/1.1\r\n") == request &&
                    strstr(request, "\r\nAuthorization: Bearer word\r\n") != NULL &&
                    strstr(request, "\r\nContent-Length: 2\r\n") != NULL;

        (void)send(client, answer, good ? sizeof(answer) - 1 : 1, MSG_NOSIGNAL);
        _exit(0);
    }
    assert_ok(post(url, "word", &body, &fault), fault);
    assert_string_equal(buf_text(&body), "hello");
    assert_int_equal(waitpid(server, NULL, 0), server);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(an_answer_is_the_same_wherever_it_is_cut),
        TEST(an_answer_that_can_be_read_in_two_ways_is_refused),
        TEST(no_answer_is_endless),
        TEST(a_long_chunk_line_is_refused),
        TEST(only_loopback_is_asked),
        TEST(a_key_adds_no_header),
        TEST(who_does_not_answer_is_not_waited_for),
        TEST(what_is_asked_and_what_is_answered_arrive),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
