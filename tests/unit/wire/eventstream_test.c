/* Messages of the event stream: read at any cut, written as they are read, nothing broken
 * believed. */
#include "wire/eventstream.h"

#include "base/scope.h"
#include "test.h"

static const char *const headers[][2] = {{":message-type", "event"},
                                         {":event-type", "chunk"},
                                         {":content-type", "application/json"}};

static void sums_are_those_of_the_standard(void **state)
{
    (void)state;
    assert_int_equal(eventstream_crc32(SLICE("123456789")), 0xCBF43926U);
    assert_int_equal(eventstream_crc32(SLICE("")), 0);
}

/* The empty message of the format's own test data. */
static void a_message_of_nothing_is_sixteen_bytes(void **state)
{
    static const uint8_t want[] = {0x00, 0x00, 0x00, 0x10, 0x00, 0x00, 0x00, 0x00,
                                   0x05, 0xC2, 0x48, 0xEB, 0x7D, 0x98, 0xC8, 0xFF};
    AUTO_BUF struct buf out = buf_with_limit(64);
    struct fault fault = {0};

    (void)state;
    assert_ok(eventstream_write(NULL, 0, SLICE(""), &out, &fault), fault);
    assert_int_equal(out.len, sizeof(want));
    assert_memory_equal(out.at, want, sizeof(want));
}

static void messages_are_read_at_any_cut(void **state)
{
    AUTO_BUF struct buf wire = buf_with_limit(4096);
    struct fault fault = {0};

    (void)state;
    for (int i = 0; i < 2; i++)
        assert_ok(eventstream_write(headers, COUNT(headers),
                                    i == 0 ? SLICE("{\"a\":1}") : SLICE(""), &wire, &fault),
                  fault);
    for (size_t step = 1; step <= wire.len; step++) {
        struct eventstream *stream = eventstream_new(4096);
        struct slice rest = buf_slice(&wire);
        size_t seen = 0;

        while (rest.len > 0) {
            struct slice piece = slice_part(rest, 0, step);

            rest = slice_part(rest, step, rest.len);
            while (piece.len > 0) {
                size_t used;
                bool message;

                assert_ok(eventstream_feed(stream, piece, &used, &message, &fault), fault);
                piece = slice_part(piece, used, piece.len);
                if (!message)
                    continue;
                assert_true(slice_equal(eventstream_payload(stream),
                                        seen == 0 ? SLICE("{\"a\":1}") : SLICE("")));
                assert_true(
                    slice_equal(eventstream_header(stream, ":event-type"), SLICE("chunk")));
                assert_int_equal(eventstream_header(stream, "other").len, 0);
                seen++;
            }
        }
        assert_int_equal(seen, 2);
        eventstream_free(stream);
    }
}

static void no_changed_byte_is_believed(void **state)
{
    AUTO_BUF struct buf wire = buf_with_limit(4096);
    struct fault fault = {0};

    (void)state;
    assert_ok(eventstream_write(headers, COUNT(headers), SLICE("{}"), &wire, &fault), fault);
    for (size_t i = 0; i < wire.len; i++) {
        struct eventstream *stream = eventstream_new(4096);
        size_t used;
        bool message = false;

        wire.at[i] ^= 0x10;
        assert_false(eventstream_feed(stream, buf_slice(&wire), &used, &message, &fault) &&
                     message);
        wire.at[i] ^= 0x10;
        eventstream_free(stream);
    }
}

static void limits_hold(void **state)
{
    AUTO_BUF struct buf wire = buf_with_limit(4096);
    struct eventstream *stream = eventstream_new(64);
    struct fault fault = {0};
    static const char *const twice[][2] = {{"a", "1"}, {"a", "2"}};
    size_t used;
    bool message;

    (void)state;
    assert_ok(eventstream_write(headers, COUNT(headers), SLICE("{}"), &wire, &fault), fault);
    assert_false(eventstream_feed(stream, buf_slice(&wire), &used, &message, &fault));
    assert_int_equal(fault.kind, FAULT_LIMIT);
    eventstream_free(stream);
    stream = eventstream_new(4096);
    buf_clear(&wire);
    assert_ok(eventstream_write(twice, COUNT(twice), SLICE("{}"), &wire, &fault), fault);
    assert_false(eventstream_feed(stream, buf_slice(&wire), &used, &message, &fault));
    assert_int_equal(fault.kind, FAULT_INVALID);
    eventstream_free(stream);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(sums_are_those_of_the_standard),
        TEST(a_message_of_nothing_is_sixteen_bytes),
        TEST(messages_are_read_at_any_cut),
        TEST(no_changed_byte_is_believed),
        TEST(limits_hold),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
