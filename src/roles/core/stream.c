#include "roles/core/stream.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

#include "base/scope.h"
#include "os/clock_real.h"
#include "roles/core/terminal_keeper.h"

#define RAW_BYTES_MAX 4096
/* What is left of one reading, and what the end undoes. */
#define SHOWN_BYTES_MAX (TERMINAL_SHOWN_MAX(RAW_BYTES_MAX) + TERMINAL_SHOWN_MAX(0))
#define PIECE_BYTES                                                                           \
    4096 /* PIPE_BUF: what a pipe that polls as writable takes without blocking */
#define END_MS 5000

struct core_stream {
    struct loop *loop;
    int from, to;              /* `to` is our own duplicate: two streams may have one target */
    bool broken;               /* nobody reads any more; we go on draining */
    struct terminal *terminal; /* the filter; NULL: bytes */
    bool is_screen;            /* of the agent's */
    struct core_output *kept;  /* or NULL */
    struct buf raw, shown;
    struct loop_watch *watch; /* of `from` while there is nothing to write, else of `to` */
};

static bool takes(int fd, int timeout_ms)
{
    struct pollfd ready = {.fd = fd, .events = POLLOUT};

    return poll(&ready, 1, timeout_ms) > 0;
}

/*
 * Two streams may have one terminal: none of them stops within a sequence or a character, or
 * what the other writes next would become part of it. What the filter gives out has its ESC
 * at the front only, and no sequence is as long as a piece.
 */
static size_t piece_bytes(const struct core_stream *stream)
{
    const uint8_t *at = stream->shown.at, *begin;
    size_t len = stream->shown.len < PIECE_BYTES ? stream->shown.len : PIECE_BYTES;

    if (stream->terminal == NULL || len == stream->shown.len)
        return len;
    begin = memrchr(at + 1, '\x1b', len - 1);
    if (begin != NULL)
        return (size_t)(begin - at);
    while (len > 1 && at[len] >> 6 == 2)
        len--;
    return len;
}

/*
 * A terminal that does not block may take half of a piece: the rest of it is waited for.
 * False: an error.
 */
static bool put_piece(struct core_stream *stream)
{
    size_t left = piece_bytes(stream);

    while (left > 0) {
        ssize_t put = write(stream->to, stream->shown.at, left);

        if (put < 0 && errno != EINTR && errno != EAGAIN)
            return false;
        if (put > 0) {
            buf_drop_front(&stream->shown, (size_t)put);
            left -= (size_t)put;
        }
        if (left == 0 || stream->terminal == NULL)
            break;
        if (!takes(stream->to, END_MS))
            return false;
    }
    return true;
}

/* Writes what the target takes now. True: all of it is gone. */
static bool flush(struct core_stream *stream, int timeout_ms)
{
    size_t len;

    while (stream->shown.len > 0 && !stream->broken) {
        if (!takes(stream->to, timeout_ms))
            return false;
        len = stream->shown.len;
        stream->broken = !put_piece(stream);
        if (!stream->broken && stream->shown.len == len && timeout_ms == 0)
            return false; /* it said that it would: once more round the loop */
    }
    buf_clear(&stream->shown);
    return true;
}

/* Should this process be killed with the agent's screen on. */
static void note_undo(const struct core_stream *stream)
{
    AUTO_BUF struct buf undo = buf_with_limit(TERMINAL_SHOWN_MAX(0));
    struct fault none = {0};

    if (terminal_undo(stream->terminal, &undo, &none))
        terminal_keeper_note(buf_slice(&undo));
}

static void prepare(struct core_stream *stream)
{
    struct slice raw = buf_slice(&stream->raw);
    struct fault none = {0};
    bool ok = stream->terminal != NULL
                  ? terminal_show(stream->terminal, raw, &stream->shown, &none)
                  : buf_add(&stream->shown, raw, &none);

    if (stream->is_screen)
        note_undo(stream);
    stream->broken = stream->broken || !ok;
    buf_clear(&stream->raw);
}

/* False at the end of the stream. */
static bool take(struct core_stream *stream)
{
    ssize_t got = read(stream->from, stream->raw.at, RAW_BYTES_MAX);

    if (got < 0 && (errno == EINTR || errno == EAGAIN))
        return true;
    if (got <= 0)
        return false;
    if (stream->kept != NULL)
        core_output_add(stream->kept, slice_of_bytes(stream->raw.at, (size_t)got));
    stream->raw.len = (size_t)got;
    prepare(stream);
    return true;
}

static void on_target(void *self, uint32_t events);
static void on_source(void *self, uint32_t events);

static void watch(struct core_stream *stream, bool target)
{
    struct fault fault = {0};

    loop_unwatch(stream->watch);
    stream->watch = NULL;
    if (!loop_watch(stream->loop, target ? stream->to : stream->from,
                    target ? EPOLLOUT : EPOLLIN, target ? on_target : on_source, stream,
                    &stream->watch, &fault))
        stream->broken = true;
}

static void on_target(void *self, uint32_t events)
{
    struct core_stream *stream = self;

    (void)events;
    if (flush(stream, 0))
        watch(stream, false);
}

static void on_source(void *self, uint32_t events)
{
    struct core_stream *stream = self;

    (void)events;
    if (!take(stream)) {
        loop_unwatch(stream->watch);
        stream->watch = NULL;
        return;
    }
    if (!flush(stream, 0))
        watch(stream, true);
}

bool core_stream_new(struct loop *loop, int from, int to, enum core_stream_way way,
                     struct core_output *kept, struct core_stream **ret_stream,
                     struct fault *fault)
{
    struct core_stream *stream = xalloc(sizeof(*stream));

    *stream = (struct core_stream){.loop = loop,
                                   .from = from,
                                   .to = fcntl(to, F_DUPFD_CLOEXEC, 3),
                                   .kept = kept,
                                   .is_screen = way == CORE_STREAM_SCREEN,
                                   .raw = buf_with_limit(RAW_BYTES_MAX),
                                   .shown = buf_with_limit(SHOWN_BYTES_MAX)};
    if (way != CORE_STREAM_BYTES)
        stream->terminal =
            terminal_new(way == CORE_STREAM_SCREEN ? TERMINAL_SCREEN : TERMINAL_LINES);
    if (stream->to >= 0 && buf_reserve(&stream->raw, RAW_BYTES_MAX, fault) &&
        loop_watch(loop, from, EPOLLIN, on_source, stream, &stream->watch, fault)) {
        *ret_stream = stream;
        return true;
    }
    if (stream->to < 0)
        (void)fault_errno(fault, "duplicate an output");
    core_stream_drop(stream);
    return false;
}

void core_stream_drop(struct core_stream *stream)
{
    if (stream == NULL)
        return;
    loop_unwatch(stream->watch);
    scope_close(&stream->to);
    terminal_free(stream->terminal);
    buf_free(&stream->raw);
    buf_free(&stream->shown);
    free(stream);
}

bool core_stream_end(struct core_stream *stream, struct core_stream_told *told)
{
    int64_t until_us = clock_monotonic_us(&clock_real) + END_MS * 1000;
    struct pollfd ready = {.fd = stream == NULL ? -1 : stream->from, .events = POLLIN};
    struct fault none = {0};
    AUTO_BUF struct buf undo = buf_with_limit(TERMINAL_SHOWN_MAX(0));
    bool flushed;

    if (stream == NULL)
        return true;
    while ((flushed = flush(stream, END_MS)) && ready.fd >= 0 &&
           clock_monotonic_us(&clock_real) < until_us && poll(&ready, 1, END_MS) > 0)
        if (!take(stream))
            ready.fd = -1;
    if (stream->terminal != NULL) {
        stream->broken = !terminal_end(stream->terminal, &undo, &none) ||
                         !buf_add(&stream->shown, buf_slice(&undo), &none) || stream->broken;
        terminal_dropped_add(&told->dropped, terminal_dropped(stream->terminal));
        told->has_asked = told->has_asked || terminal_has_asked(stream->terminal);
    }
    flushed = flush(stream, END_MS) && flushed;
    if ((!flushed || stream->broken) && undo.len < sizeof(told->undo))
        memcpy(told->undo, buf_text(&undo), undo.len + 1);
    core_stream_drop(stream);
    return flushed;
}
