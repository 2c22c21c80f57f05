#include "wire/http1.h"

#include "base/scope.h"
#include "test.h"

/* Feeds in pieces of `step` bytes; returns whether the request was taken, and how much of
 * `text`. */
static bool feed(struct http1_request *request, struct slice text, size_t step,
                 size_t *ret_used, struct fault *fault)
{
    size_t at = 0;

    while (at < text.len && !http1_request_done(request)) {
        struct slice piece = slice_part(text, at, at + step);
        size_t used;

        if (!http1_request_feed(request, piece, &used, fault))
            return false;
        at += used;
        if (used < piece.len && !http1_request_done(request))
            fail_msg("took %zu of %zu bytes and is not done", used, piece.len);
    }
    *ret_used = at;
    return true;
}

static const char post[] =
    "POST /v1/messages?beta=true HTTP/1.1\r\nHost: 127.0.0.1:4000\r\n"
    "Content-Type: application/json\r\nX-Empty:\r\ncontent-length: 11\r\n\r\n"
    "hello world";

static const char chunked[] =
    "POST /v1/responses HTTP/1.1\r\nhost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
    "5\r\nhello\r\n6\r\n world\r\n0\r\n\r\n";

static void a_request_cut_at_any_byte_reads_the_same(void **state)
{
    static const char *const texts[] = {post, chunked};

    (void)state;
    for (size_t t = 0; t < COUNT(texts); t++)
        for (size_t step = 1; step <= strlen(texts[t]); step++) {
            struct http1_request *request = http1_request_new(1024);
            struct fault fault = {0};
            size_t used = 0;

            assert_ok(feed(request, slice_of(texts[t]), step, &used, &fault), fault);
            assert_int_equal(used, strlen(texts[t]));
            assert_true(http1_request_done(request));
            assert_true(slice_equal(http1_request_body(request), SLICE("hello world")));
            assert_true(slice_equal(http1_request_method(request), SLICE("POST")));
            if (t == 0) {
                assert_true(slice_equal(http1_request_path(request), SLICE("/v1/messages")));
                assert_true(slice_equal(http1_request_query(request), SLICE("beta=true")));
                assert_int_equal(http1_request_header_count(request), 4);
                assert_true(slice_equal(http1_request_header(request, "CONTENT-TYPE"),
                                        SLICE("application/json")));
                assert_int_equal(http1_request_header(request, "x-empty").len, 0);
                assert_non_null(http1_request_header(request, "x-empty").at);
                assert_null(http1_request_header(request, "x-none").at);
            }
            http1_request_free(request);
        }
}

static void what_follows_a_request_is_left_for_the_next(void **state)
{
    struct http1_request *request = http1_request_new(1024);
    AUTO_BUF struct buf text = buf_with_limit(4096);
    struct fault fault = {0};
    size_t used;

    (void)state;
    assert_true(buf_add_text(&text, post, &fault) && buf_add_text(&text, chunked, &fault));
    assert_ok(http1_request_feed(request, buf_slice(&text), &used, &fault), fault);
    assert_int_equal(used, strlen(post));
    assert_true(http1_request_done(request));
    http1_request_reset(request);
    assert_false(http1_request_begun(request));
    assert_ok(http1_request_feed(request, slice_part(buf_slice(&text), used, text.len), &used,
                                 &fault),
              fault);
    assert_true(http1_request_done(request));
    assert_true(slice_equal(http1_request_path(request), SLICE("/v1/responses")));
    http1_request_free(request);
}

/* Each has made two servers read two different requests out of the same bytes. */
static void smuggling_is_refused(void **state)
{
#define HEAD "POST /v1/messages HTTP/1.1\r\nHost: a\r\n"
    static const struct {
        const char *text;
        int status;
    } cases[] = {
        {HEAD "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400},
        {HEAD "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n", 400},
        {HEAD "Content-Length: 5\r\nContent-Length: 5\r\n\r\nhello", 400},
        {HEAD "Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello", 400},
        {HEAD "Content-Length: +5\r\n\r\nhello", 400},
        {HEAD "Content-Length: 0x5\r\n\r\nhello", 400},
        {HEAD "Content-Length: 5,5\r\n\r\nhello", 400},
        {HEAD "Content-Length: 5 5\r\n\r\nhello", 400},
        {HEAD "Content-Length:\r\n\r\nhello", 400},
        {HEAD "Content-Length: -1\r\n\r\n", 400},
        {HEAD "Content-Length: 99999999999999999999\r\n\r\n", 400},
        {HEAD "Content-Length: 2000\r\n\r\n", 413},
        {HEAD "Content-Length : 5\r\n\r\nhello", 400},
        {HEAD " Content-Length: 5\r\n\r\nhello", 400},
        {HEAD "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n0\r\n\r\n",
         400},
        {HEAD "Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", 501},
        {HEAD "Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n", 501},
        {HEAD "Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n", 501},
        {HEAD "Transfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n", 501},
        {HEAD "Transfer-Encoding: \"chunked\"\r\n\r\n0\r\n\r\n", 501},
        {HEAD "Transfer-Encoding:\r\n\r\n0\r\n\r\n", 501},
        {HEAD "Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n", 400},
        {HEAD "Transfer-Encoding\t: chunked\r\n\r\n0\r\n\r\n", 400},
        {HEAD " Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400},
        {HEAD "X: a\r\n\tTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400},
        {HEAD "X: a\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400},
        {HEAD "X: a\rTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400},
        {HEAD "Transfer-Encoding: chunked\r\nX: \x7f\r\n\r\n0\r\n\r\n", 400},
        {HEAD "Transfer\xff"
              "Encoding: chunked\r\n\r\n0\r\n\r\n",
         400},
        {HEAD "Transfer-Encoding: \x0b"
              "chunked\r\n\r\n0\r\n\r\n",
         400},
        {HEAD "Transfer-Encoding: chunked\r\n\r\n5;a=b\r\nhello\r\n0\r\n\r\n", 400},
        {HEAD "Transfer-Encoding: chunked\r\n\r\n+5\r\nhello\r\n0\r\n\r\n", 400},
        {HEAD "Transfer-Encoding: chunked\r\n\r\n0x5\r\nhello\r\n0\r\n\r\n", 400},
        {HEAD "Transfer-Encoding: chunked\r\n\r\n\r\nhello\r\n0\r\n\r\n", 400},
        {HEAD "Transfer-Encoding: chunked\r\n\r\n5\nhello\r\n0\r\n\r\n", 400},
        {HEAD "Transfer-Encoding: chunked\r\n\r\n5\rXhello\r\n0\r\n\r\n", 400},
        {HEAD "Transfer-Encoding: chunked\r\n\r\n5 \r\nhello\r\n0\r\n\r\n", 400},
        {HEAD "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\n0\r\n\r\n", 400},
        {HEAD "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nGET ", 400},
        {HEAD "Transfer-Encoding: chunked\r\n\r\n5;\nhello\r\n0\r\n\r\n", 400},
        {HEAD "Transfer-Encoding: chunked\r\n\r\n5\r\nhello!\r\n0\r\n\r\n", 400},
        {HEAD "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nX: y\r\n\r\n", 400},
        {HEAD "Transfer-Encoding: chunked\r\n\r\nfffffffff\r\nhello", 400},
        {HEAD "Transfer-Encoding: chunked\r\n\r\nffffffff\r\nhello", 413},
        {HEAD "X: a\r\n b\r\n\r\n", 400},
        {HEAD "X: a\nY: b\r\n\r\n", 400},
        {HEAD "X: a\rY: b\r\n\r\n", 400},
        {HEAD "X\r\n\r\n", 400},
        {HEAD ": x\r\n\r\n", 400},
        {HEAD "X(: x\r\n\r\n", 400},
        {HEAD "X: a\x01\r\n\r\n", 400},
        {HEAD "Host: b\r\n\r\n", 400},
        {HEAD "Host: a\r\n\r\n", 400},
        {HEAD "hOST: a\r\n\r\n", 400},
        {"GET / HTTP/1.1\r\n\r\n", 400},
        {"GET / HTTP/1.0\r\nHost: a\r\n\r\n", 505},
        {"GET / HTTP/2.0\r\nHost: a\r\n\r\n", 505},
        {"GET / HTTP/1.1 \r\nHost: a\r\n\r\n", 400},
        {"GET  / HTTP/1.1\r\nHost: a\r\n\r\n", 400},
        {"GET / a HTTP/1.1\r\nHost: a\r\n\r\n", 400},
        {"G(T / HTTP/1.1\r\nHost: a\r\n\r\n", 400},
        {"GET\t/ HTTP/1.1\r\nHost: a\r\n\r\n", 400},
        {"GET a HTTP/1.1\r\nHost: a\r\n\r\n", 400},
        {"GET /\x80 HTTP/1.1\r\nHost: a\r\n\r\n", 400},
        {"GET /#x HTTP/1.1\r\nHost: a\r\n\r\n", 400},
        {"GET /\\x HTTP/1.1\r\nHost: a\r\n\r\n", 400},
        {"GET https://a/ HTTP/1.1\r\nHost: a\r\n\r\n", 400},
        {"\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", 400},
        {"\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", 400},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++)
        for (size_t step = 1; step < 4096; step *= 7) {
            struct http1_request *request = http1_request_new(1024);
            struct fault fault = {0};
            size_t used;

            if (feed(request, slice_of(cases[i].text), step, &used, &fault))
                fail_msg("taken: %s", cases[i].text);
            if (http1_request_status(request) != cases[i].status)
                fail_msg("%d, not %d: %s", http1_request_status(request), cases[i].status,
                         cases[i].text);
            http1_request_free(request);
        }
}

static void a_nul_in_the_head_is_refused(void **state)
{
    static const char text[] = "GET /\0 HTTP/1.1\r\nHost: a\r\n\r\n";
    struct http1_request *request = http1_request_new(0);
    struct fault fault = {0};
    size_t used;

    (void)state;
    assert_false(
        http1_request_feed(request, slice_of_bytes(text, sizeof(text) - 1), &used, &fault));
    http1_request_free(request);
}

static void heads_and_header_counts_are_limited(void **state)
{
    struct http1_request *request = http1_request_new(0);
    AUTO_BUF struct buf text = buf_with_limit(1 << 20);
    struct fault fault = {0};
    size_t used;

    (void)state;
    assert_true(buf_add_text(&text, "GET / HTTP/1.1\r\nHost: a\r\n", &fault));
    for (int i = 0; i < 100; i++)
        assert_true(buf_add_format(&text, &fault, "x-%d: y\r\n", i));
    assert_true(buf_add_text(&text, "\r\n", &fault));
    assert_false(http1_request_feed(request, buf_slice(&text), &used, &fault));
    assert_int_equal(http1_request_status(request), 431);
    http1_request_free(request);

    request = http1_request_new(0);
    buf_clear(&text);
    assert_true(buf_add_text(&text, "GET / HTTP/1.1\r\nHost: a\r\nx: ", &fault));
    for (int i = 0; i < HTTP1_HEAD_BYTES_MAX; i++)
        assert_true(buf_add_byte(&text, 'a', &fault));
    assert_false(http1_request_feed(request, buf_slice(&text), &used, &fault));
    assert_int_equal(http1_request_status(request), 431);
    http1_request_free(request);
}

static void targets_are_read_in_every_form_that_clients_send(void **state)
{
    static const struct {
        const char *line, *path, *query, *authority;
    } cases[] = {
        {"GET / HTTP/1.1", "/", "", ""},
        {"OPTIONS * HTTP/1.1", "*", "", ""},
        {"POST http://model.invalid/v1/messages?a=b HTTP/1.1", "/v1/messages", "a=b",
         "model.invalid"},
        {"GET http://127.0.0.1:80 HTTP/1.1", "/", "", "127.0.0.1:80"},
        {"CONNECT model.invalid:443 HTTP/1.1", "", "", "model.invalid:443"},
        {"GET /a%20b?c?d HTTP/1.1", "/a%20b", "c?d", ""},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct http1_request *request = http1_request_new(0);
        AUTO_BUF struct buf text = buf_with_limit(1024);
        struct fault fault = {0};
        size_t used;

        assert_true(buf_add_format(&text, &fault,
                                   "%s\r\nHost: a\r\nConnection: Keep-Alive, Close\r\n"
                                   "Expect: 100-continue\r\nUpgrade: websocket\r\n\r\n",
                                   cases[i].line));
        assert_ok(http1_request_feed(request, buf_slice(&text), &used, &fault), fault);
        assert_true(slice_equal(http1_request_path(request), slice_of(cases[i].path)));
        assert_true(slice_equal(http1_request_query(request), slice_of(cases[i].query)));
        assert_true(
            slice_equal(http1_request_authority(request), slice_of(cases[i].authority)));
        assert_false(http1_request_keep_alive(request));
        assert_true(http1_request_wants_continue(request));
        assert_true(http1_request_wants_upgrade(request));
        http1_request_free(request);
    }
}

static void responses_are_written(void **state)
{
    struct http1_header headers[] = {{SLICE("content-type"), SLICE("text/event-stream")}};
    struct http1_header bad[] = {{SLICE("x"), SLICE("a\r\nb: c")}};
    AUTO_BUF struct buf out = buf_with_limit(1024);
    struct fault fault = {0};

    (void)state;
    assert_ok(http1_response_head(&out, 200, headers, 1, HTTP1_CHUNKED, true, &fault), fault);
    assert_ok(http1_chunk(&out, SLICE("hello world, hello"), &fault), fault);
    assert_ok(http1_chunk(&out, SLICE(""), &fault), fault);
    assert_ok(http1_chunk_end(&out, &fault), fault);
    assert_string_equal(
        buf_text(&out),
        "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n"
        "Transfer-Encoding: chunked\r\n\r\n12\r\nhello world, hello\r\n0\r\n\r\n");
    assert_false(http1_response_head(&out, 200, bad, 1, 0, true, &fault));
    buf_clear(&out);
    assert_ok(http1_response_head(&out, 404, NULL, 0, 3, false, &fault), fault);
    assert_string_equal(
        buf_text(&out),
        "HTTP/1.1 404 Not Found\r\nContent-Length: 3\r\nConnection: close\r\n\r\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_request_cut_at_any_byte_reads_the_same),
        TEST(what_follows_a_request_is_left_for_the_next),
        TEST(smuggling_is_refused),
        TEST(a_nul_in_the_head_is_refused),
        TEST(heads_and_header_counts_are_limited),
        TEST(targets_are_read_in_every_form_that_clients_send),
        TEST(responses_are_written),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
