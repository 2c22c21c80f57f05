#include "roles/core/stream.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

#include "base/scope.h"
#include "base/utf8.h"
#include "os/clock_real.h"

#define RAW_BYTES_MAX 4096
#define SHOWN_BYTES_MAX (16 * RAW_BYTES_MAX)
#define PIECE_BYTES                                                                           \
    4096 /* PIPE_BUF: what a pipe that polls as writable takes without blocking */
#define COLOUR_BYTES_MAX 32
#define END_MS 5000

struct core_stream {
    struct loop *loop;
    int from, to; /* `to` is our own duplicate: two streams may have one target */
    bool tame;
    bool broken;              /* nobody reads any more; we go on draining */
    struct core_output *kept; /* or NULL */
    struct buf raw, shown;
    struct loop_watch *watch; /* of `from` while there is nothing to write, else of `to` */
};

/* Length of a colour (CSI ... m) at the front of `text`; 0: none; SIZE_MAX: it may become one.
 */
static size_t colour(struct slice text)
{
    size_t at = 2;

    if (text.at[0] != 0x1b)
        return 0;
    if (text.len == 1)
        return SIZE_MAX;
    if (text.at[1] != '[')
        return 0;
    while (at < text.len && at < COLOUR_BYTES_MAX &&
           ((text.at[at] >= '0' && text.at[at] <= '9') || text.at[at] == ';' ||
            text.at[at] == ':'))
        at++;
    if (at == text.len && at < COLOUR_BYTES_MAX)
        return SIZE_MAX;
    return at < text.len && text.at[at] == 'm' ? at + 1 : 0;
}

/* May these bytes, the last there are, become a character with the next? */
static bool is_cut(struct slice text)
{
    size_t want = text.at[0] >= 0xf0 ? 4 : text.at[0] >= 0xe0 ? 3 : text.at[0] >= 0xc2 ? 2 : 1;

    for (size_t i = 1; i < text.len; i++)
        if (text.at[i] >> 6 != 2)
            return false;
    return text.len < want;
}

size_t core_stream_show(struct slice raw, bool last, struct buf *out)
{
    struct fault none = {0};
    size_t at = 0;

    while (at < raw.len) {
        struct slice rest = slice_part(raw, at, raw.len);
        size_t len = colour(rest);
        bool passes = (len > 0 && len != SIZE_MAX) || rest.at[0] == '\r';

        if (len == SIZE_MAX && !last)
            return at;
        if (!passes) {
            len = utf8_next(rest, 0, NULL);
            if (len == 0 && !last && is_cut(rest))
                return at;
        }
        len = len == 0 || len == SIZE_MAX ? 1 : len;
        if (passes ? !buf_add(out, slice_part(rest, 0, len), &none)
                   : !utf8_add_visible(out, slice_part(rest, 0, len), &none))
            return at; /* no room: the caller comes again */
        at += len;
    }
    return at;
}

static bool takes(int fd, int timeout_ms)
{
    struct pollfd ready = {.fd = fd, .events = POLLOUT};

    return poll(&ready, 1, timeout_ms) > 0;
}

/* Writes what the target takes now. True: all of it is gone. */
static bool flush(struct core_stream *stream, int timeout_ms)
{
    while (stream->shown.len > 0 && !stream->broken) {
        struct slice piece = slice_part(buf_slice(&stream->shown), 0, PIECE_BYTES);
        ssize_t put;

        if (!takes(stream->to, timeout_ms))
            return false;
        put = write(stream->to, piece.at, piece.len);
        if (put > 0)
            buf_drop_front(&stream->shown, (size_t)put);
        else if (put < 0 && errno != EINTR && errno != EAGAIN)
            stream->broken = true;
    }
    buf_clear(&stream->shown);
    return true;
}

static void prepare(struct core_stream *stream, bool last)
{
    struct slice raw = buf_slice(&stream->raw);
    struct fault none = {0};
    size_t used = stream->tame ? core_stream_show(raw, last, &stream->shown)
                  : buf_add(&stream->shown, raw, &none) ? raw.len
                                                        : 0;

    buf_drop_front(&stream->raw, used);
}

/* False at the end of the stream. */
static bool take(struct core_stream *stream)
{
    ssize_t got =
        read(stream->from, stream->raw.at + stream->raw.len, RAW_BYTES_MAX - stream->raw.len);

    if (got < 0 && (errno == EINTR || errno == EAGAIN))
        return true;
    if (got <= 0)
        return false;
    if (stream->kept != NULL)
        core_output_add(stream->kept,
                        slice_of_bytes(stream->raw.at + stream->raw.len, (size_t)got));
    stream->raw.len += (size_t)got;
    prepare(stream, false);
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

bool core_stream_new(struct loop *loop, int from, int to, bool tame, struct core_output *kept,
                     struct core_stream **ret_stream, struct fault *fault)
{
    struct core_stream *stream = xalloc(sizeof(*stream));

    *stream = (struct core_stream){.loop = loop,
                                   .from = from,
                                   .to = fcntl(to, F_DUPFD_CLOEXEC, 3),
                                   .tame = tame,
                                   .kept = kept,
                                   .raw = buf_with_limit(RAW_BYTES_MAX),
                                   .shown = buf_with_limit(SHOWN_BYTES_MAX)};
    if (stream->to >= 0 && buf_reserve(&stream->raw, RAW_BYTES_MAX, fault) &&
        loop_watch(loop, from, EPOLLIN, on_source, stream, &stream->watch, fault)) {
        *ret_stream = stream;
        return true;
    }
    if (stream->to < 0)
        (void)fault_errno(fault, "duplicate an output");
    scope_close(&stream->to);
    buf_free(&stream->raw);
    free(stream);
    return false;
}

void core_stream_drop(struct core_stream *stream)
{
    if (stream == NULL)
        return;
    loop_unwatch(stream->watch);
    (void)close(stream->to);
    buf_free(&stream->raw);
    buf_free(&stream->shown);
    free(stream);
}

bool core_stream_end(struct core_stream *stream)
{
    int64_t until_us = clock_monotonic_us(&clock_real) + END_MS * 1000;
    struct pollfd ready = {.fd = stream == NULL ? -1 : stream->from, .events = POLLIN};
    bool flushed;

    if (stream == NULL)
        return true;
    while ((flushed = flush(stream, END_MS)) && ready.fd >= 0 &&
           clock_monotonic_us(&clock_real) < until_us && poll(&ready, 1, END_MS) > 0)
        if (!take(stream))
            ready.fd = -1;
    prepare(stream, true);
    flushed = flushed && flush(stream, END_MS);
    core_stream_drop(stream);
    return flushed;
}
