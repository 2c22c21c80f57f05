#include "wire/sse.h"

#include "base/scope.h"
#include "test.h"

/* "name|data;" for each event with data, and the raw bytes of all, events and what is pending.
 */
static void read_stream(struct slice text, size_t step, struct buf *events, struct buf *raw)
{
    struct sse *sse = sse_new(4096);
    struct fault fault = {0};

    for (size_t at = 0; at < text.len;) {
        struct slice piece = slice_part(text, at, at + step);
        bool event;
        size_t used;

        assert_ok(sse_feed(sse, piece, &used, &event, &fault), fault);
        at += used;
        if (!event) {
            assert_int_equal(used, piece.len);
            continue;
        }
        assert_true(buf_add(raw, sse_raw(sse), &fault));
        if (sse_data(sse).len > 0)
            assert_true(buf_add_format(events, &fault, "%.*s|%.*s;", SLICE_ARGS(sse_name(sse)),
                                       SLICE_ARGS(sse_data(sse))));
    }
    assert_true(buf_add(raw, sse_pending(sse), &fault));
    sse_free(sse);
}

static void a_stream_cut_anywhere_gives_the_same_events_and_bytes(void **state)
{
    static const struct {
        const char *text, *events;
    } cases[] = {
        {"data: a\n\ndata: b\n\n", "|a;|b;"},
        {"data: a\r\n\r\ndata: b\r\n\r\n", "|a;|b;"},
        {"data: a\r\rdata: b\r\r", "|a;|b;"},
        {"\xEF\xBB\xBF"
         "data: a\n\n",
         "|a;"},
        {"event: x\ndata: a\ndata: b\n\n", "x|a\nb;"},
        {"data:a\ndata\ndata:  b\n\n", "|a\n\n b;"},
        {": comment\n\ndata: a\n\n", "|a;"},
        {"id: 1\nretry: 5\nunknown: x\nevent: a\nevent: b\ndata: c\n\n", "b|c;"},
        {"\n\n\ndata: a\n\n\n", "|a;"},
        {"event: lost\n\ndata: a\n\n", "|a;"},
        {"data: a\r\n\ndata: b\n\r\n", "|a;|b;"},
        {"data: \xC3\xA9\xF0\x9F\x98\x80\n\ndata: cut", "|\xC3\xA9\xF0\x9F\x98\x80;"},
        {"data: a\r\n\r\n\r\ndata: b\r\n\r\n", "|a;|b;"},
        {"data: a\r\n\rdata: b\r\n\r\n", "|a;|b;"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++)
        for (size_t step = 1; step <= strlen(cases[i].text); step++) {
            AUTO_BUF struct buf events = buf_with_limit(4096), raw = buf_with_limit(4096);

            read_stream(slice_of(cases[i].text), step, &events, &raw);
            if (strcmp(buf_text(&events), cases[i].events) != 0)
                fail_msg("case %zu in steps of %zu: %s", i, step, buf_text(&events));
            assert_string_equal(buf_text(&raw), cases[i].text);
        }
}

/* Holding back the last byte of an event until the next one comes would delay every event. */
static void an_event_is_given_out_with_its_last_byte(void **state)
{
    static const char *const texts[] = {"data: a\n\n", "data: a\r\n\r\n", "data: a\r\r"};

    (void)state;
    for (size_t i = 0; i < COUNT(texts); i++) {
        struct sse *sse = sse_new(4096);
        struct fault fault = {0};
        bool event = false;
        size_t used;

        assert_ok(sse_feed(sse, slice_of(texts[i]), &used, &event, &fault), fault);
        assert_true(event);
        assert_int_equal(used, strlen(texts[i]));
        assert_int_equal(sse_pending(sse).len, 0);
        sse_free(sse);
    }
}

static void an_event_without_end_hits_the_limit(void **state)
{
    struct sse *sse = sse_new(64);
    struct fault fault = {0};
    bool event, ok = true;
    size_t used;

    (void)state;
    for (int i = 0; ok && i < 100; i++)
        ok = sse_feed(sse, SLICE("data: 0123456789\n"), &used, &event, &fault);
    assert_false(ok);
    assert_int_equal(fault.kind, FAULT_LIMIT);
    sse_free(sse);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_stream_cut_anywhere_gives_the_same_events_and_bytes),
        TEST(an_event_is_given_out_with_its_last_byte),
        TEST(an_event_without_end_hits_the_limit),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
