#include "wire/http1_response.h"

#include "base/scope.h"
#include "test.h"

#define OK "HTTP/1.1 200 OK\r\n"

/* Feeds in pieces of `step` bytes, the end of the connection behind them where `ends`. */
static bool feed(struct http1_response *response, struct slice text, size_t step, bool ends,
                 struct buf *body, struct fault *fault)
{
    size_t at = 0;

    http1_response_reset(response, false);
    while (at < text.len && !http1_response_done(response)) {
        struct slice piece;
        size_t used;

        if (!http1_response_feed(response, slice_part(text, at, at + step), &used, &piece,
                                 fault) ||
            !buf_add(body, piece, fault))
            return false;
        at += used;
    }
    if (at < text.len)
        return fault_set(fault, FAULT_CONFLICT, "bytes behind the response");
    return !ends || http1_response_end(response, fault);
}

static void a_response_cut_at_any_byte_reads_the_same(void **state)
{
    static const struct {
        const char *text;
        bool ends;
        int status;
        const char *body;
        bool keep_alive;
    } cases[] = {
        {OK "content-length: 11\r\n\r\nhello world", false, 200, "hello world", true},
        {OK "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n6\r\n world\r\n0\r\n\r\n", false,
         200, "hello world", true},
        {OK "Content-Length: 0\r\nConnection: close\r\n\r\n", false, 200, "", false},
        {OK "\r\nhello world", true, 200, "hello world", true},
        {"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nhi", false, 200, "hi", false},
        {"HTTP/1.1 204 No Content\r\n\r\n", false, 204, "", true},
        {"HTTP/1.1 429\r\nContent-Length: 1\r\n\r\nx", false, 429, "x", true},
        {"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n" OK
         "Content-Length: 2\r\n\r\nhi",
         false, 200, "hi", true},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++)
        for (size_t step = 1; step <= strlen(cases[i].text); step++) {
            struct http1_response *response = http1_response_new(1024);
            AUTO_BUF struct buf body = buf_with_limit(1024);
            struct fault fault = {0};

            assert_ok(
                feed(response, slice_of(cases[i].text), step, cases[i].ends, &body, &fault),
                fault);
            assert_true(http1_response_done(response));
            assert_int_equal(http1_response_status(response), cases[i].status);
            assert_int_equal(http1_response_keep_alive(response), cases[i].keep_alive);
            assert_string_equal(buf_text(&body), cases[i].body);
            http1_response_free(response);
        }
}

/* Whatever another reader of the same bytes could see differently. */
static void what_is_not_plain_is_refused(void **state)
{
    static const char *const cases[] = {
        OK "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        OK "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n",
        OK "Content-Length: 5\r\nContent-Length: 5\r\n\r\nhello",
        OK "Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello",
        OK "Content-Length: 5, 5\r\n\r\nhello",
        OK "Content-Length: +5\r\n\r\nhello",
        OK "Content-Length: 0x5\r\n\r\nhello",
        OK "Content-Length: -5\r\n\r\nhello",
        OK "Content-Length:\r\n\r\nhello",
        OK "Content-Length: 99999999999999999999\r\n\r\n",
        OK "Content-Length: 2000\r\n\r\n",
        OK "Content-Length : 5\r\n\r\nhello",
        OK " Content-Length: 5\r\n\r\nhello",
        OK "Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
        OK "Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n",
        OK "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        OK "Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
        OK "Transfer-Encoding: chunked\r\n\r\n5;a=b\r\nhello\r\n0\r\n\r\n",
        OK "Transfer-Encoding: chunked\r\n\r\n 5\r\nhello\r\n0\r\n\r\n",
        OK "Transfer-Encoding: chunked\r\n\r\n0x5\r\nhello\r\n0\r\n\r\n",
        OK "Transfer-Encoding: chunked\r\n\r\n5\nhello\r\n0\r\n\r\n",
        OK "Transfer-Encoding: chunked\r\n\r\n5\r\nhello!\r\n0\r\n\r\n",
        OK "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nX: y\r\n\r\n",
        OK "Transfer-Encoding: chunked\r\n\r\nffffffff\r\nhello",
        OK "X: a\r\n b\r\n\r\n",
        OK "X: a\nY: b\r\n\r\n",
        OK "X: a\rY: b\r\n\r\n",
        OK "X\r\n\r\n",
        OK ": x\r\n\r\n",
        OK "X(: x\r\n\r\n",
        OK "X: a\x01\r\n\r\n",
        OK "Content-Length: 2\r\n\r\nhi and more",
        "HTTP/1.1 200 OK\nContent-Length: 0\r\n\r\n",
        "HTTP/2 200 OK\r\n\r\n",
        "HTTP/1.2 200 OK\r\n\r\n",
        "http/1.1 200 OK\r\n\r\n",
        "HTTP/1.1  200 OK\r\n\r\n",
        "HTTP/1.1 20 OK\r\n\r\n",
        "HTTP/1.1 2000 OK\r\n\r\n",
        "HTTP/1.1 +20 OK\r\n\r\n",
        "HTTP/1.1 999 OK\r\n\r\n",
        "HTTP/1.1 099 OK\r\n\r\n",
        "HTTP/1.1 200 O\x01K\r\n\r\n",
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: h2c\r\n\r\n",
        "HTTP/1.1 100 Continue\r\nContent-Length: 5\r\n\r\n" OK "Content-Length: 0\r\n\r\n",
        "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "ICY 200 OK\r\n\r\n",
        "\r\nHTTP/1.1 200 OK\r\n\r\n",
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++)
        for (size_t step = 1; step <= 1024; step += 1023) {
            struct http1_response *response = http1_response_new(1024);
            AUTO_BUF struct buf body = buf_with_limit(1024);
            struct fault fault = {0};

            if (feed(response, slice_of(cases[i]), step, false, &body, &fault))
                fail_msg("taken: %s", cases[i]);
            http1_response_free(response);
        }
}

static void heads_and_interim_responses_are_limited(void **state)
{
    struct http1_response *response = http1_response_new(1024);
    AUTO_BUF struct buf text = buf_with_limit(1 << 20), body = buf_with_limit(1024);
    struct fault fault = {0};

    (void)state;
    for (int i = 0; i < 9; i++)
        assert_true(buf_add_text(&text, "HTTP/1.1 103 Early Hints\r\n\r\n", &fault));
    assert_false(feed(response, buf_slice(&text), 7, false, &body, &fault));
    assert_int_equal(fault.kind, FAULT_LIMIT);
    buf_clear(&text);
    assert_true(buf_add_text(&text, OK, &fault));
    for (int i = 0; i < 101; i++)
        assert_true(buf_add_text(&text, "A: b\r\n", &fault));
    assert_true(buf_add_text(&text, "\r\n", &fault));
    assert_false(feed(response, buf_slice(&text), 4096, false, &body, &fault));
    assert_int_equal(fault.kind, FAULT_LIMIT);
    buf_clear(&text);
    assert_true(buf_add_text(&text, OK "A: ", &fault));
    for (int i = 0; i < HTTP1_HEAD_BYTES_MAX; i++)
        assert_true(buf_add_byte(&text, 'a', &fault));
    assert_false(feed(response, buf_slice(&text), 4096, false, &body, &fault));
    assert_int_equal(fault.kind, FAULT_LIMIT);
    http1_response_free(response);
}

static void an_end_in_the_middle_is_told(void **state)
{
    static const char *const cases[] = {
        "",
        "HTTP/1.1 200",
        OK,
        OK "Content-Length: 5\r\n\r\nhell",
        OK "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n",
        OK "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n",
        "HTTP/1.1 100 Continue\r\n\r\n",
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct http1_response *response = http1_response_new(1024);
        AUTO_BUF struct buf body = buf_with_limit(1024);
        struct fault fault = {0};

        assert_false(feed(response, slice_of(cases[i]), 1024, true, &body, &fault));
        assert_int_equal(fault.kind, FAULT_IO);
        http1_response_free(response);
    }
}

static void a_tunnel_begins_behind_its_head(void **state)
{
    static const char text[] = "HTTP/1.1 200 Established\r\nContent-Length: 9\r\n\r\n\x16\x03";
    struct http1_response *response = http1_response_new(1024);
    struct fault fault = {0};
    struct slice piece;
    size_t used;

    (void)state;
    http1_response_reset(response, true);
    assert_ok(http1_response_feed(response, slice_of(text), &used, &piece, &fault), fault);
    assert_true(http1_response_done(response));
    assert_int_equal(used, strlen(text) - 2);
    http1_response_reset(response, true);
    assert_ok(
        http1_response_feed(response, SLICE("HTTP/1.1 407 No\r\n\r\n"), &used, &piece, &fault),
        fault);
    assert_int_equal(http1_response_status(response), 407);
    assert_false(http1_response_done(response));
    http1_response_free(response);
}

static void the_answer_to_a_head_has_no_body(void **state)
{
    static const char text[] = OK "Content-Length: 70\r\nX: y\r\n\r\n";
    struct http1_response *response = http1_response_new(1024);
    struct fault fault = {0};
    struct slice piece;
    size_t used;

    (void)state;
    http1_response_reset(response, false);
    http1_response_of_head(response);
    assert_ok(http1_response_feed(response, slice_of(text), &used, &piece, &fault), fault);
    assert_int_equal(used, strlen(text));
    assert_true(http1_response_done(response) && http1_response_keep_alive(response));
    assert_int_equal(http1_response_header_count(response), 2);
    assert_true(slice_equal(http1_response_header_at(response, 1).name, SLICE("X")));
    http1_response_free(response);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_response_cut_at_any_byte_reads_the_same),
        TEST(what_is_not_plain_is_refused),
        TEST(heads_and_interim_responses_are_limited),
        TEST(an_end_in_the_middle_is_told),
        TEST(a_tunnel_begins_behind_its_head),
        TEST(the_answer_to_a_head_has_no_body),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
