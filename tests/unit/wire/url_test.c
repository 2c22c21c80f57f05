#include "wire/url.h"

#include "test.h"

static void urls_are_taken_apart(void **state)
{
    static const struct {
        const char *text;
        bool tls;
        const char *host;
        uint16_t port;
        const char *path, *query;
    } cases[] = {
        {"http://127.0.0.1:8000/v1", false, "127.0.0.1", 8000, "/v1", ""},
        {"https://llm.example.org", true, "llm.example.org", 443, "", ""},
        {"https://llm.example.org/", true, "llm.example.org", 443, "/", ""},
        {"http://[::1]:80/a?b=c&d", false, "::1", 80, "/a", "b=c&d"},
        {"https://h?x", true, "h", 443, "", "x"},
        {"https://a-b.c1/x%20y", true, "a-b.c1", 443, "/x%20y", ""},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct fault fault = {0};
        struct url url;

        assert_ok(url_parse(slice_of(cases[i].text), &url, &fault), fault);
        assert_int_equal(url.tls, cases[i].tls);
        assert_true(slice_equal(url.host, slice_of(cases[i].host)));
        assert_int_equal(url.port, cases[i].port);
        assert_true(slice_equal(url.path, slice_of(cases[i].path)));
        assert_true(slice_equal(url.query, slice_of(cases[i].query)));
    }
}

/* Each is read as another host, or not at all, by some other parser. */
static void doubtful_urls_are_refused(void **state)
{
    static const char *const cases[] = {
        "",
        "http://",
        "https:///x",
        "ftp://a",
        "HTTP://a",
        "//a",
        "http:a",
        "http://a b",
        "http://user@a",
        "http://user:pw@a/",
        "http://a@b",
        "http://a#b",
        "http://a/#b",
        "http://a\\b",
        "http://a/\\b",
        "http://a/b c",
        "http://a/%zz",
        "http://a/%4",
        "http://a:0",
        "http://a:65536",
        "http://a:",
        "http://a:80:90",
        "http://a:+80",
        "http://a:8o",
        "http://-a",
        "http://a-",
        "http://a..b",
        "http://.a",
        "http://a.",
        "http://a_b",
        "http://%61",
        "http://0x7f.1",
        "http://0x7f000001",
        "http://2130706433",
        "http://127.1",
        "http://1.2.3.256",
        "http://01.2.3.4",
        "http://1.2.3.4.5",
        "http://[::1",
        "http://::1",
        "http://[1.2.3.4]",
        "http://[::1]x",
        "http://[fe80::1%25eth0]",
        "http://a\xC3\xA9.com",
        "http://a\t",
        "http://a/\x7f",
        "http://a\n/",
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct fault fault = {0};
        struct url url;

        if (url_parse(slice_of(cases[i]), &url, &fault))
            fail_msg("taken: %s", cases[i]);
    }
}

static void a_nul_does_not_end_a_host(void **state)
{
    struct fault fault = {0};
    struct url url;

    (void)state;
    assert_false(url_parse(slice_of_bytes("http://a.example\0.evil/", 23), &url, &fault));
    assert_false(url_host_is_loopback(slice_of_bytes("127.0.0.1\0", 10)));
}

static void only_this_machine_is_loopback(void **state)
{
    (void)state;
    assert_true(url_host_is_loopback(SLICE("localhost")));
    assert_true(url_host_is_loopback(SLICE("127.255.0.1")));
    assert_true(url_host_is_loopback(SLICE("::1")));
    assert_false(url_host_is_loopback(SLICE("localhost.evil.example")));
    assert_false(url_host_is_loopback(SLICE("127.0.0.1.evil.example")));
    assert_false(url_host_is_loopback(SLICE("10.0.0.1")));
    assert_false(url_host_is_loopback(SLICE("::2")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(urls_are_taken_apart),
        TEST(doubtful_urls_are_refused),
        TEST(a_nul_does_not_end_a_host),
        TEST(only_this_machine_is_loopback),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
