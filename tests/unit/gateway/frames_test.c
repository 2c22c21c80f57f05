/* Bedrock's messages become the events of the Messages dialect. */
#include "gateway/dialect/frames.h"

#include "base/scope.h"
#include "test.h"
#include "wire/base64.h"
#include "wire/eventstream.h"

static void add_chunk(struct buf *wire, const char *json)
{
    static const char *const headers[][2] = {{":message-type", "event"},
                                             {":event-type", "chunk"}};
    AUTO_BUF struct buf payload = buf_with_limit(4096);
    struct fault fault = {0};

    assert_ok(buf_add_text(&payload, "{\"bytes\":\"", &fault) &&
                  base64_encode(slice_of(json), &payload, &fault) &&
                  buf_add_text(&payload, "\",\"p\":\"abc\"}", &fault) &&
                  eventstream_write(headers, COUNT(headers), buf_slice(&payload), wire, &fault),
              fault);
}

static void add_exception(struct buf *wire, const char *name, const char *payload)
{
    const char *const headers[][2] = {{":message-type", "exception"}, {":exception-type", name}};
    struct fault fault = {0};

    assert_ok(eventstream_write(headers, COUNT(headers), slice_of(payload), wire, &fault),
              fault);
}

static void chunks_become_named_events_at_any_cut(void **state)
{
    static const char want[] =
        "event: message_start\ndata: {\"type\":\"message_start\"}\n\n"
        "event: ping\ndata: { \"type\":\"ping\"}\n\n"
        "data: {\"type\":\"odd name\\n\"}\n\n"
        "event: error\ndata: {\"type\":\"error\",\"error\":{\"type\":\"rate_limit_error\","
        "\"message\":\"slow \\\"down\\\"\"}}\n\n";
    AUTO_BUF struct buf wire = buf_with_limit(8192);

    (void)state;
    add_chunk(&wire, "{\"type\":\"message_start\"}");
    add_chunk(&wire, "{\n\"type\":\"ping\"}");
    add_chunk(&wire, "{\"type\":\"odd name\\n\"}");
    add_exception(&wire, "throttlingException", "{\"message\":\"slow \\\"down\\\"\"}");
    add_exception(&wire, "internalServerException", "{\"message\":\"said once is enough\"}");
    add_chunk(&wire, "{\"type\":\"ping\"}");
    for (size_t step = 1; step <= wire.len; step++) {
        struct frames *frames = frames_new(8192);
        AUTO_BUF struct buf events = buf_with_limit(8192);
        struct fault fault = {0};

        for (size_t at = 0; at < wire.len; at += step)
            assert_ok(frames_feed(frames, slice_part(buf_slice(&wire), at, at + step), &events,
                                  &fault),
                      fault);
        assert_string_equal(buf_text(&events), want);
        frames_free(frames);
    }
}

static void what_is_no_chunk_is_not_passed_on(void **state)
{
    static const char *const other[][2] = {{":message-type", "event"},
                                           {":event-type", "initial-response"}};
    static const char *const odd[][2] = {{":message-type", "odd"}};
    static const char *const chunk[][2] = {{":message-type", "event"}, {":event-type", "chunk"}};
    const struct {
        const char *const (*headers)[2];
        size_t count;
        const char *payload;
        bool passes;
    } cases[] = {
        {other, 2, "{}", true},
        {odd, 1, "{}", false},
        {chunk, 2, "{\"p\":\"x\"}", false},
        {chunk, 2, "{\"bytes\":\"e30\"}", false},     /* not canonical */
        {chunk, 2, "{\"bytes\":\"e319\"}", false},    /* not JSON: "{}}" */
        {chunk, 2, "no json", false},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct frames *frames = frames_new(8192);
        AUTO_BUF struct buf wire = buf_with_limit(8192), events = buf_with_limit(8192);
        struct fault fault = {0};

        assert_ok(eventstream_write(cases[i].headers, cases[i].count,
                                    slice_of(cases[i].payload), &wire, &fault),
                  fault);
        assert_int_equal(frames_feed(frames, buf_slice(&wire), &events, &fault),
                         cases[i].passes);
        assert_int_equal(events.len, 0);
        frames_free(frames);
    }
}

static void errors_are_told_in_the_clients_dialect(void **state)
{
    AUTO_BUF struct buf one = buf_with_limit(4096), other = buf_with_limit(4096);
    struct fault fault = {0};

    (void)state;
    assert_ok(frames_error(429, SLICE("{\"message\":\"Too many\"}"), &one, &fault), fault);
    assert_string_equal(buf_text(&one), "{\"type\":\"error\",\"error\":{\"type\":"
                                        "\"rate_limit_error\",\"message\":\"Too many\"}}");
    assert_ok(frames_error(403, SLICE("<html>"), &other, &fault), fault);
    assert_non_null(strstr(buf_text(&other), "gave no reason"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(chunks_become_named_events_at_any_cut),
        TEST(what_is_no_chunk_is_not_passed_on),
        TEST(errors_are_told_in_the_clients_dialect),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
