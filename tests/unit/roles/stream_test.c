#include "test.h"

#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#include "base/scope.h"
#include "roles/core/stream.h"

static void a_terminal_gets_colours_and_obeys_nothing_else(void **state)
{
    static const struct {
        const char *raw, *shown;
    } rows[] = {
        {"plain\n", "plain\n"},
        {"\x1b[1;32mok\x1b[0m", "\x1b[1;32mok\x1b[0m"},
        {"10%\r20%", "10%\r20%"},
        {"\x1b[2J\x1b]0;title\x07", "^[[2J^[]0;title^G"},
        {"\x1b]52;c;aGk=\x1b\\", "^[]52;c;aGk=^[\\"},
        {"caf\xc3\xa9 \xe2\x80\xae", "caf\xc3\xa9 <U+202E>"},
        {"\x1b", "^["},
        {"\xc3", "<C3>"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++)
        for (size_t cut = 0; cut <= strlen(rows[i].raw); cut++) {
            AUTO_BUF struct buf out = buf_with_limit(400);
            struct slice raw = slice_of(rows[i].raw);
            size_t used = core_stream_show(slice_part(raw, 0, cut), false, &out);

            assert_true(used <= cut);
            assert_int_equal(core_stream_show(slice_part(raw, used, raw.len), true, &out),
                             raw.len - used);
            assert_string_equal(buf_text(&out), rows[i].shown);
        }
}

static void stop(void *self)
{
    loop_stop(self);
}

/* Nobody reads: the writer is held up, the loop is not. */
static void who_does_not_read_holds_up_the_agent_and_not_the_loop(void **state)
{
    struct fault fault = {0};
    struct core_stream *stream;
    struct loop_timer *timer;
    struct loop *loop;
    int agent[2], person[2];
    static const uint8_t chunk[65536];
    size_t accepted = 0;
    ssize_t put;

    (void)state;
    assert_int_equal(pipe2(agent, O_CLOEXEC | O_NONBLOCK), 0);
    assert_int_equal(pipe2(person, O_CLOEXEC), 0);
    assert_ok(loop_new(&loop, &fault), fault);
    assert_ok(core_stream_new(loop, agent[0], person[1], false, NULL, &stream, &fault), fault);
    for (int round = 0; round < 8; round++) {
        while ((put = write(agent[1], chunk, sizeof(chunk))) > 0)
            accepted += (size_t)put;
        assert_ok(loop_timer(loop, 20000, stop, loop, &timer, &fault), fault);
        assert_ok(loop_run(loop, &fault), fault);
    }
    assert_true(accepted < 512 * 1024);
    (void)close(agent[1]);
    (void)close(person[0]);
    assert_true(core_stream_end(stream)); /* a reader that is gone takes everything */
    loop_free(loop);
    (void)close(agent[0]);
    (void)close(person[1]);
}

static void everything_arrives(void **state)
{
    struct fault fault = {0};
    struct core_stream *stream;
    struct loop *loop;
    int agent[2], person[2];
    static uint8_t chunk[30000], seen[40000];

    (void)state;
    memset(chunk, 'x', sizeof(chunk));
    assert_int_equal(pipe2(agent, O_CLOEXEC), 0);
    assert_int_equal(pipe2(person, O_CLOEXEC), 0);
    assert_ok(loop_new(&loop, &fault), fault);
    assert_ok(core_stream_new(loop, agent[0], person[1], true, NULL, &stream, &fault), fault);
    assert_int_equal(write(agent[1], chunk, sizeof(chunk)), sizeof(chunk));
    (void)close(agent[1]);
    assert_true(core_stream_end(stream));
    assert_int_equal(read(person[0], seen, sizeof(seen)), sizeof(chunk));
    loop_free(loop);
    (void)close(agent[0]);
    (void)close(person[0]);
    (void)close(person[1]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_terminal_gets_colours_and_obeys_nothing_else),
        TEST(who_does_not_read_holds_up_the_agent_and_not_the_loop),
        TEST(everything_arrives),
    };

    (void)signal(SIGPIPE, SIG_IGN);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
