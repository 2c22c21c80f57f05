/* Whose a connection is: the door's, or of the process that carries what `egress` allows. */
#include "gateway/door/handed.h"

#include "test.h"

static const struct door_place places[] = {{"npm.example.org", 443}, {"127.0.0.1", 4873}};
static const struct door_egress egress = {
    .socket = -1, .places = places, .place_count = COUNT(places)};

static void a_proxys_connections_are_known_by_their_first_line(void **state)
{
    static const struct {
        const char *bytes;
        enum handed whose;
    } cases[] = {
        {"CONNECT npm.example.org:443 HTTP/1.1\r\n", HANDED_YES},
        {"CONNECT evil.example:443 HTTP/1.1\r\n", HANDED_YES}, /* refused and recorded there */
        {"CONNECT 127.0.0.1:9187 HTTP/1.1\r\n", HANDED_YES},
        {"GET http://npm.example.org/x HTTP/1.1\r\n", HANDED_YES},
        {"GET http://evil.example/ HTTP/1.1\r\n", HANDED_YES},
        {"PUT http://evil.example?x HTTP/1.1\r\n", HANDED_YES},
        {"GET http://evil.example HTTP/1.1\r\n", HANDED_YES},
        {"GET http://0x7f.1/ HTTP/1.1\r\n", HANDED_YES},
        {"GET http://a@b/ HTTP/1.1\r\n", HANDED_YES},
        {"GET http://127.0.0.1:4873/x HTTP/1.1\r\n", HANDED_YES},
        {"POST http://127.0.0.1:9187/v1/messages HTTP/1.1\r\n", HANDED_NO},
        {"GET http://localhost/v1/models HTTP/1.1\r\n", HANDED_NO},
        {"POST /v1/messages HTTP/1.1\r\n", HANDED_NO},
        {"GET https://npm.example.org/ HTTP/1.1\r\n", HANDED_NO},
        {"GET  http://npm.example.org/ HTTP/1.1\r\n", HANDED_NO},
        {"\x16\x03\x01\x02\x01\x01\x01\x01\x01\x03\x03\x01\x01\x01\x01\x01\x01", HANDED_NO},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct slice bytes = slice_of(cases[i].bytes);

        if (handed_read(&egress, bytes) != cases[i].whose)
            fail_msg("%s", cases[i].bytes);
        /* no shorter piece says something else */
        for (size_t len = 0; len < bytes.len; len++) {
            enum handed sooner = handed_read(&egress, slice_part(bytes, 0, len));

            if (sooner != HANDED_UNKNOWN && sooner != cases[i].whose)
                fail_msg("%.*s", (int)len, cases[i].bytes);
        }
    }
}

static void a_line_that_does_not_end_is_decided(void **state)
{
    char line[HANDED_BYTES_MAX + 1];

    (void)state;
    memset(line, 'a', sizeof(line));
    memcpy(line, "GET http://", 11);
    assert_int_equal(handed_read(&egress, slice_of_bytes(line, HANDED_BYTES_MAX - 1)),
                     HANDED_UNKNOWN);
    assert_int_equal(handed_read(&egress, slice_of_bytes(line, HANDED_BYTES_MAX)), HANDED_YES);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_proxys_connections_are_known_by_their_first_line),
        TEST(a_line_that_does_not_end_is_decided),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
