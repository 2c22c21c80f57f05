/* What a proxy's client asks for, against policy's entries: what goes on, what does not, and why. */
#include "gateway/egress/asked.h"

#include "base/scope.h"
#include "test.h"

static const char *const get[] = {"GET", "HEAD"};
static const char *const get_and_put[] = {"GET", "PUT"};
static const char *const below_a[] = {"/a/**"};
static const char *const below_b[] = {"/a/b/**"};

static const struct egress_entry entries[] = {
    {.rule = "egress[0]",
     .host = "npm.example.org",
     .port = 443,
     .inspected = true,
     .methods = {get, COUNT(get)},
     .paths = {{below_a, 1}, {below_b, 1}}},
    {.rule = "egress[1]",
     .host = "npm.example.org",
     .port = 443,
     .inspected = true,
     .methods = {get_and_put, COUNT(get_and_put)},
     .paths = {{(const char *const[]){"/up/*"}, 1}}},
    {.rule = "egress[2]", .host = "tunnel.example.org", .port = 443},
    {.rule = "egress[3]", .host = "plain.example.org", .port = 80},
    {.rule = "egress[4]", .host = "127.0.0.1", .port = 4873, .is_private = true},
};

/* "CARD" is a card. */
static unsigned find_mark(void *self, struct slice text, const char *ret_rules[CLASS_COUNT])
{
    (void)self;
    if (slice_find(text, SLICE("CARD"), 0) == SIZE_MAX)
        return 0;
    ret_rules[CLASS_PAN] = "pan.mark";
    return CLASS_BIT(CLASS_PAN);
}

static const struct egress_config config = {
    .entries = entries, .entry_count = COUNT(entries), .scan = {find_mark, NULL}};

/* Reads and judges one whole request; the head that would go on is in `head`. */
static struct asked ask(const char *text, const char *within, struct buf *head)
{
    struct http1_request *request = http1_request_new(65536);
    struct asked tunnel = {.port = 443}, asked = {0};
    struct fault fault = {0};
    size_t used;

    if (within != NULL)
        memcpy(tunnel.host, within, strlen(within) + 1);
    assert_ok(http1_request_feed(request, slice_of(text), &used, &fault), fault);
    assert_true(http1_request_head_done(request));
    asked_head(&config, request, within == NULL ? NULL : &tunnel, &asked);
    if (asked.status == 0 && !asked.is_connect)
        asked_look(&config, request, &asked);
    if (asked.status == 0 && head != NULL)
        assert_ok(asked_write(&asked, request, head, &fault), fault);
    http1_request_free(request);
    return asked;
}

#define HOST(name) "Host: " name "\r\n"

static void only_what_is_listed_goes_on(void **state)
{
    static const struct {
        const char *text, *within;
        int status;
        const char *reason, *rule;
    } cases[] = {
        {"CONNECT npm.example.org:443 HTTP/1.1\r\n" HOST("npm.example.org:443") "\r\n", NULL,
         0, NULL, "egress[0]"},
        {"CONNECT NPM.Example.org:443 HTTP/1.1\r\n" HOST("npm.example.org") "\r\n", NULL, 0,
         NULL, "egress[0]"},
        {"CONNECT npm.example.org:443 HTTP/1.0\r\n\r\n", NULL, 0, NULL, "egress[0]"},
        {"CONNECT npm.example.org:8443 HTTP/1.0\r\n\r\n", NULL, 403, "egress", NULL},
        {"CONNECT npm.example.org HTTP/1.0\r\n\r\n", NULL, 400, "malformed", NULL},
        {"CONNECT npm.example.org.:443 HTTP/1.0\r\n\r\n", NULL, 400, "malformed", NULL},
        {"CONNECT npm.example.org%00:443 HTTP/1.0\r\n\r\n", NULL, 400, "malformed", NULL},
        {"CONNECT evil@npm.example.org:443 HTTP/1.0\r\n\r\n", NULL, 400, "malformed", NULL},
        {"CONNECT 0x7f.1:443 HTTP/1.0\r\n\r\n", NULL, 400, "malformed", NULL},
        {"CONNECT 2130706433:443 HTTP/1.0\r\n\r\n", NULL, 400, "malformed", NULL},
        {"CONNECT 127.1:4873 HTTP/1.0\r\n\r\n", NULL, 400, "malformed", NULL},
        {"CONNECT 0177.0.0.1:4873 HTTP/1.0\r\n\r\n", NULL, 400, "malformed", NULL},
        {"CONNECT [::ffff:127.0.0.1]:4873 HTTP/1.0\r\n\r\n", NULL, 403, "egress", NULL},
        {"CONNECT 127.0.0.1:4873 HTTP/1.0\r\n\r\n", NULL, 0, NULL, "egress[4]"},
        {"CONNECT npm.example.org:443 HTTP/1.1\r\n" HOST("other.example.org") "\r\n", NULL,
         400, "host", NULL},
        {"CONNECT npm.example.org:443 HTTP/1.1\r\n" HOST(
             "npm.example.org") "Content-Length: 3\r\n\r\n",
         NULL, 400, "connect", NULL},
        {"CONNECT npm.example.org:443 HTTP/1.0\r\n\r\n", "npm.example.org", 400, "connect",
         NULL},

        {"GET /a/b/c HTTP/1.1\r\n" HOST("npm.example.org") "\r\n", "npm.example.org", 0, NULL,
         "egress[0]"},
        {"GET /a/c HTTP/1.1\r\n" HOST("npm.example.org") "\r\n", "npm.example.org", 403,
         "path", NULL},
        {"GET /a/b/../c HTTP/1.1\r\n" HOST("npm.example.org") "\r\n", "npm.example.org", 400,
         "path", NULL},
        {"GET /a/b/%2e%2e/c HTTP/1.1\r\n" HOST("npm.example.org") "\r\n", "npm.example.org",
         400, "path", NULL},
        {"PUT /up/x HTTP/1.1\r\n" HOST("npm.example.org") "Content-Length: 2\r\n\r\nhi",
         "npm.example.org", 0, NULL, "egress[1]"},
        {"PUT /a/b/x HTTP/1.1\r\n" HOST("npm.example.org") "Content-Length: 2\r\n\r\nhi",
         "npm.example.org", 403, "path", NULL},
        {"POST /up/x HTTP/1.1\r\n" HOST("npm.example.org") "Content-Length: 2\r\n\r\nhi",
         "npm.example.org", 403, "method", NULL},
        {"get /a/b/c HTTP/1.1\r\n" HOST("npm.example.org") "\r\n", "npm.example.org", 403,
         "method", NULL},
        {"GET /a/b/c HTTP/1.1\r\n" HOST("tunnel.example.org") "\r\n", "npm.example.org", 400,
         "host", NULL},
        {"GET /a/b/c HTTP/1.1\r\n" HOST("npm.example.org:80") "\r\n", "npm.example.org", 400,
         "host", NULL},
        {"GET http://evil.example/ HTTP/1.1\r\n" HOST("npm.example.org") "\r\n",
         "npm.example.org", 400, "host", NULL},
        {"GET /a/b/c HTTP/1.1\r\n" HOST("npm.example.org") "Connection: upgrade\r\n\r\n",
         "npm.example.org", 400, "upgrade", NULL},

        {"GET http://plain.example.org/x HTTP/1.1\r\n" HOST("plain.example.org") "\r\n", NULL,
         0, NULL, "egress[3]"},
        {"GET http://plain.example.org:80/x HTTP/1.1\r\n" HOST("plain.example.org") "\r\n",
         NULL, 0, NULL, "egress[3]"},
        {"GET http://plain.example.org HTTP/1.1\r\n" HOST("plain.example.org") "\r\n", NULL, 0,
         NULL, "egress[3]"},
        {"PUT http://plain.example.org/x HTTP/1.1\r\n" HOST(
             "plain.example.org") "Content-Length: 0\r\n\r\n",
         NULL, 403, "method", NULL},
        {"GET http://plain.example.org/x HTTP/1.1\r\n" HOST("evil.example") "\r\n", NULL, 400,
         "host", NULL},
        {"GET http://npm.example.org/a/b/c HTTP/1.1\r\n" HOST("npm.example.org") "\r\n", NULL,
         403, "egress", NULL}, /* port 80 is not listed */
        {"GET /x HTTP/1.1\r\n" HOST("plain.example.org") "\r\n", NULL, 400, "malformed", NULL},

        {"GET /a/b/CARD HTTP/1.1\r\n" HOST("npm.example.org") "\r\n", "npm.example.org", 403,
         "data-class", NULL},
        {"GET /a/b/C%41RD HTTP/1.1\r\n" HOST("npm.example.org") "\r\n", "npm.example.org", 403,
         "data-class", NULL},
        {"GET /a/b/c?q=CARD HTTP/1.1\r\n" HOST("npm.example.org") "\r\n", "npm.example.org",
         403, "data-class", NULL},
        {"GET /a/b/c?q=%43ARD HTTP/1.1\r\n" HOST("npm.example.org") "\r\n", "npm.example.org",
         403, "data-class", NULL},
        {"GET /a/b/c HTTP/1.1\r\n" HOST("npm.example.org") "X: CARD\r\n\r\n",
         "npm.example.org", 403, "data-class", NULL},
        {"GET /a/b/c HTTP/1.1\r\n" HOST("npm.example.org") "CARD: x\r\n\r\n",
         "npm.example.org", 403, "data-class", NULL},
        {"PUT /up/x HTTP/1.1\r\n" HOST(
             "npm.example.org") "Transfer-Encoding: "
                                "chunked\r\n\r\n2\r\nCA\r\n2\r\nRD\r\n0\r\n\r\n",
         "npm.example.org", 403, "data-class", NULL},
        {"PUT /up/x HTTP/1.1\r\n" HOST(
             "npm.example.org") "Content-Encoding: gzip\r\nContent-Length: 1\r\n\r\nx",
         "npm.example.org", 415, "encoded", NULL},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct asked asked = ask(cases[i].text, cases[i].within, NULL);

        if (asked.status != cases[i].status ||
            (asked.reason == NULL) != (cases[i].reason == NULL) ||
            (asked.reason != NULL && strcmp(asked.reason, cases[i].reason) != 0))
            fail_msg("%s: %d %s", cases[i].text, asked.status,
                     asked.reason == NULL ? "-" : asked.reason);
        if (cases[i].rule != NULL)
            assert_string_equal(asked.entry->rule, cases[i].rule);
        assert_true(strstr(asked.message, "CARD") == NULL);
    }
}

static void what_goes_on_is_written_anew(void **state)
{
    static const struct {
        const char *text, *within, *head;
    } cases[] = {
        {"GET /a/b/c?d=e HTTP/1.1\r\n" HOST(
             "npm.example.org:443") "Accept: */*\r\nConnection: keep-alive, X-Mine\r\nX-Mine: "
                                    "1\r\nTE: trailers\r\n"
                                    "Proxy-Authorization: Basic eA==\r\nKeep-Alive: 5\r\n\r\n",
         "npm.example.org",
         "GET /a/b/c?d=e HTTP/1.1\r\nHost: npm.example.org\r\nAccept: */*\r\n\r\n"},
        {"GET http://127.0.0.1:4873/x HTTP/1.1\r\n" HOST("127.0.0.1:4873") "A: b\r\n\r\n",
         NULL, "GET /x HTTP/1.1\r\nHost: 127.0.0.1:4873\r\nA: b\r\n\r\n"},
        {"PUT /up/x HTTP/1.1\r\n" HOST(
             "npm.example.org") "Transfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n",
         "npm.example.org",
         "PUT /up/x HTTP/1.1\r\nHost: npm.example.org\r\nContent-Length: 2\r\n\r\n"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct buf head = buf_with_limit(65536);
        struct asked asked = ask(cases[i].text, cases[i].within, &head);

        assert_int_equal(asked.status, 0);
        assert_string_equal(buf_text(&head), cases[i].head);
        buf_free(&head);
    }
}

static void a_sensitive_path_is_not_for_records(void **state)
{
    (void)state;
    assert_true(
        ask("GET /a/x HTTP/1.1\r\n" HOST("npm.example.org") "\r\n", "npm.example.org", NULL)
            .path_may_show);
    assert_false(
        ask("GET /a/CARD HTTP/1.1\r\n" HOST("npm.example.org") "\r\n", "npm.example.org", NULL)
            .path_may_show);
    assert_true(ask("GET /a/b/c?CARD HTTP/1.1\r\n" HOST("npm.example.org") "\r\n",
                    "npm.example.org", NULL)
                    .path_may_show);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(only_what_is_listed_goes_on),
        TEST(what_goes_on_is_written_anew),
        TEST(a_sensitive_path_is_not_for_records),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
