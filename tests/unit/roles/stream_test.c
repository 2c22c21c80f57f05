#include "test.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/scope.h"
#include "base/utf8.h"
#include "roles/core/stream.h"

/* Two streams write to one terminal; each in pieces. */
static void no_piece_ends_within_a_sequence_or_a_character(void **state)
{
    struct core_stream_told told = {0};
    struct fault fault = {0};
    struct core_stream *stream;
    struct loop *loop;
    int agent[2], person[2];
    static uint8_t seen[65536];
    size_t pieces = 0;
    ssize_t got;

    (void)state;
    for (size_t shift = 0; shift < 24; shift++) {
        AUTO_BUF struct buf raw = buf_with_limit(32768);

        for (size_t i = 0; i < shift; i++)
            assert_true(buf_add_byte(&raw, 'x', &fault));
        for (size_t i = 0; i < 700; i++)
            assert_true(buf_add_text(
                &raw, i % 2 == 0 ? "\xc3\xa9\xf0\x9f\x98\x80\xff" : "\x1b[38;5;1m", &fault));
        for (size_t i = 0; i < 2000; i++)
            assert_true(buf_add_text(&raw, "\xe2\x96\x88\xff", &fault));
        assert_ok(loop_new(&loop, &fault), fault);
        assert_int_equal(pipe2(agent, O_CLOEXEC), 0);
        assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, person), 0);
        assert_ok(core_stream_new(loop, agent[0], person[1], CORE_STREAM_LINES, NULL, &stream,
                                  &fault),
                  fault);
        assert_int_equal(write(agent[1], raw.at, raw.len), raw.len);
        (void)close(agent[1]);
        assert_true(core_stream_end(stream, &told));
        (void)close(person[1]);
        while ((got = read(person[0], seen, sizeof(seen))) > 0) { /* a packet a write */
            struct slice piece = slice_of_bytes(seen, (size_t)got);
            struct slice rest = piece;

            while (rest.len > 0 && rest.at[rest.len - 1] != 0x1b)
                rest.len--;
            assert_true(utf8_is_valid(piece));
            assert_true(rest.len == 0 || slice_find_byte(piece, 'm', rest.len) != SIZE_MAX);
            pieces++;
        }
        loop_free(loop);
        (void)close(agent[0]);
        (void)close(person[0]);
    }
    assert_true(pieces > 100);
}

static void a_terminal_is_not_steered_and_bytes_are_bytes(void **state)
{
    static const struct {
        enum core_stream_way way;
        const char *shown;
        uint64_t dropped;
    } rows[] = {
        {CORE_STREAM_BYTES, "\x1b[2Ja\x1b]52;c;aGk=\x07\x1b[31mz", 0},
        {CORE_STREAM_LINES, "a\x1b[31mz\x1b[0m", 1},
        {CORE_STREAM_SCREEN, "\x1b[2Ja\x1b[31mz\x1b[0m", 1},
    };
    struct slice raw = SLICE("\x1b[2Ja\x1b]52;c;aGk=\x07\x1b[31mz");

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct core_stream_told told = {0};
        struct core_output kept = {.fd = -1};
        struct core_stream *stream;
        struct fault fault = {0};
        struct loop *loop;
        int agent[2], person[2];
        char seen[200] = {0};

        assert_ok(loop_new(&loop, &fault), fault);
        assert_int_equal(pipe2(agent, O_CLOEXEC), 0);
        assert_int_equal(pipe2(person, O_CLOEXEC), 0);
        assert_ok(
            core_stream_new(loop, agent[0], person[1], rows[i].way, &kept, &stream, &fault),
            fault);
        assert_int_equal(write(agent[1], raw.at, raw.len), raw.len);
        (void)close(agent[1]);
        assert_true(core_stream_end(stream, &told));
        assert_true(read(person[0], seen, sizeof(seen) - 1) > 0);
        assert_string_equal(seen, rows[i].shown);
        assert_int_equal(told.dropped.count[TERMINAL_DROP_CLIPBOARD], rows[i].dropped);
        assert_int_equal(kept.bytes, raw.len); /* whatever was shown */
        core_output_free(&kept);
        loop_free(loop);
        (void)close(agent[0]);
        (void)close(person[0]);
        (void)close(person[1]);
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
    struct core_stream_told told = {0};
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
    assert_ok(
        core_stream_new(loop, agent[0], person[1], CORE_STREAM_BYTES, NULL, &stream, &fault),
        fault);
    for (int round = 0; round < 8; round++) {
        while ((put = write(agent[1], chunk, sizeof(chunk))) > 0)
            accepted += (size_t)put;
        assert_ok(loop_timer(loop, 20000, stop, loop, &timer, &fault), fault);
        assert_ok(loop_run(loop, &fault), fault);
    }
    assert_true(accepted < 512 * 1024);
    (void)close(agent[1]);
    (void)close(person[0]);
    assert_true(core_stream_end(stream, &told)); /* a reader that is gone takes everything */
    loop_free(loop);
    (void)close(agent[0]);
    (void)close(person[1]);
}

static void everything_arrives(void **state)
{
    struct fault fault = {0};
    struct core_stream_told told = {0};
    struct core_stream *stream;
    struct loop *loop;
    int agent[2], person[2];
    static uint8_t chunk[30000], seen[40000];

    (void)state;
    memset(chunk, 'x', sizeof(chunk));
    assert_int_equal(pipe2(agent, O_CLOEXEC), 0);
    assert_int_equal(pipe2(person, O_CLOEXEC), 0);
    assert_ok(loop_new(&loop, &fault), fault);
    assert_ok(
        core_stream_new(loop, agent[0], person[1], CORE_STREAM_LINES, NULL, &stream, &fault),
        fault);
    assert_int_equal(write(agent[1], chunk, sizeof(chunk)), sizeof(chunk));
    (void)close(agent[1]);
    assert_true(core_stream_end(stream, &told));
    assert_int_equal(read(person[0], seen, sizeof(seen)), sizeof(chunk));
    loop_free(loop);
    (void)close(agent[0]);
    (void)close(person[0]);
    (void)close(person[1]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_terminal_is_not_steered_and_bytes_are_bytes),
        TEST(no_piece_ends_within_a_sequence_or_a_character),
        TEST(who_does_not_read_holds_up_the_agent_and_not_the_loop),
        TEST(everything_arrives),
    };

    (void)signal(SIGPIPE, SIG_IGN);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
