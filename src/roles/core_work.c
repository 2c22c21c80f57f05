/* The agent runs: its output is passed on, time and signals are watched, until the cell is dead. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <unistd.h>

#include "base/scope.h"
#include "os/clock_real.h"
#include "os/file.h"
#include "os/loop.h"
#include "roles/core_environment.h"
#include "roles/core_parts.h"

#define CHUNK_BYTES 8192
#define DISK_US 500000
#define DRAIN_MS 2000 /* what dead processes left in the pipes */

struct stream {
    struct work *work;
    int from;
    int to;
    bool broken; /* nobody reads any more; we go on draining */
    struct loop_watch *watch;
};

struct work {
    struct run *run;
    struct loop *loop;
    struct stream out, err, in;
    struct loop_watch *cell, *signals, *view, *door, *gateway;
    struct loop_timer *limit, *disk;
    bool ended;
    struct fault fault;
};

/* False at the end of the stream. */
static bool pass_on(struct stream *stream)
{
    uint8_t chunk[CHUNK_BYTES];
    struct fault fault = {0};
    ssize_t got = read(stream->from, chunk, sizeof(chunk));

    if (got < 0 && (errno == EINTR || errno == EAGAIN))
        return true;
    if (got <= 0)
        return false;
    if (!stream->broken)
        stream->broken = !file_write_all(stream->to, slice_of_bytes(chunk, (size_t)got), &fault);
    return true;
}

static void on_stream(void *self, uint32_t events)
{
    struct stream *stream = self;

    (void)events;
    if (!pass_on(stream)) {
        loop_unwatch(stream->watch);
        stream->watch = NULL;
    }
}

static void end_work(struct work *work, const char *reason)
{
    if (work->ended)
        return;
    work->ended = true;
    if (reason != NULL)
        (void)run_because(work->run, reason);
    cell_kill(work->run->cell);
    loop_stop(work->loop);
}

static void on_cell(void *self, uint32_t events)
{
    struct work *work = self;
    struct cell_packet packet = {0};

    (void)events;
    if (!cell_receive(work->run->cell, 0, &packet, &work->fault)) {
        end_work(work, "cell");
        return;
    }
    switch (packet.type) {
    case CELL_STARTED:
        work->run->started = true;
        work->run->result->start_us = clock_monotonic_us(&clock_real) - work->run->begun_us;
        break;
    case CELL_EXITED:
        work->run->exit = packet.exit;
        work->run->result->agent_exit = packet.exit.status;
        end_work(work, NULL);
        break;
    case CELL_FAILED:
        work->fault = packet.fault;
        end_work(work, "cell");
        break;
    case CELL_GONE:
        (void)fault_set(&work->fault, FAULT_IO, "the cell's first process was killed");
        end_work(work, "cell");
        break;
    case CELL_MOUNTED:
    case CELL_SEALED:
        (void)fault_set(&work->fault, FAULT_IO, "the cell spoke out of turn");
        end_work(work, "cell");
        break;
    }
}

static void on_signal(void *self, uint32_t events)
{
    struct work *work = self;
    int number = run_signal(work->run);

    (void)events;
    if (number == SIGWINCH && work->run->request->terminal)
        core_terminal_resize(work->run->agent_in);
    if (number == SIGWINCH || number == 0)
        return;
    work->run->stop_signal = number;
    end_work(work, "stopped");
}

static void on_time_limit(void *self)
{
    struct work *work = self;

    work->limit = NULL;
    work->run->timed_out = true;
    end_work(work, "time-limit");
}

static void on_disk(void *self)
{
    struct work *work = self;
    const char *reason = core_disk_exceeded(work->run);

    work->disk = NULL;
    if (reason == NULL && !loop_timer(work->loop, DISK_US, on_disk, work, &work->disk, &work->fault))
        reason = "disk-watch";
    if (reason == NULL)
        return;
    if (work->fault.kind == FAULT_NONE)
        (void)fault_set(&work->fault, FAULT_LIMIT, "the host's disk fills up (%s); the cell was killed",
                        reason);
    end_work(work, reason);
}

/* A role that dies takes the run with it: nothing goes on unrecorded. */
static void on_view_gone(void *self, uint32_t events)
{
    (void)events;
    (void)fault_set(&((struct work *)self)->fault, FAULT_IO, "the view ended; the cell was killed");
    end_work(self, "view");
}

static void on_door_gone(void *self, uint32_t events)
{
    (void)events;
    (void)fault_set(&((struct work *)self)->fault, FAULT_IO, "the door ended; the cell was killed");
    end_work(self, "door");
}

static void on_gateway_gone(void *self, uint32_t events)
{
    (void)events;
    (void)fault_set(&((struct work *)self)->fault, FAULT_IO, "the gateway ended; the cell was killed");
    end_work(self, "gateway");
}

static bool watch_stream(struct work *work, struct stream *stream, int from, int to,
                         struct fault *fault)
{
    *stream = (struct stream){.work = work, .from = from, .to = to};
    if (from < 0)
        return true;
    return loop_watch(work->loop, from, EPOLLIN, on_stream, stream, &stream->watch, fault);
}

static bool watch_all(struct work *work, struct fault *fault)
{
    struct run *run = work->run;
    int64_t limit_us = (int64_t)run->policy->budget_run.minutes * 60 * 1000000;

    if (!watch_stream(work, &work->out, run->agent_out, run->request->agent_out, fault) ||
        !watch_stream(work, &work->err, run->agent_err, 2, fault))
        return false;
    if (run->request->terminal && !watch_stream(work, &work->in, 0, run->agent_in, fault))
        return false;
    if (limit_us > 0 && !loop_timer(work->loop, limit_us, on_time_limit, work, &work->limit, fault))
        return false;
    if (!loop_timer(work->loop, 0, on_disk, work, &work->disk, fault))
        return false;
    return loop_watch(work->loop, cell_socket(run->cell), EPOLLIN, on_cell, work, &work->cell, fault) &&
           loop_watch(work->loop, run->signals, EPOLLIN, on_signal, work, &work->signals, fault) &&
           loop_watch(work->loop, run->view.process.pidfd, EPOLLIN, on_view_gone, work, &work->view, fault) &&
           loop_watch(work->loop, run->door.process.pidfd, EPOLLIN, on_door_gone, work, &work->door, fault) &&
           loop_watch(work->loop, run->gateway.process.pidfd, EPOLLIN, on_gateway_gone, work,
                      &work->gateway, fault);
}

/* Every writer is dead: what is left in the pipe ends with an end of file. */
static void drain(struct stream *stream)
{
    int64_t until_us = clock_monotonic_us(&clock_real) + DRAIN_MS * 1000;
    struct pollfd ready = {.fd = stream->from, .events = POLLIN};

    if (stream->watch == NULL || stream->from < 0)
        return;
    while (clock_monotonic_us(&clock_real) < until_us && poll(&ready, 1, DRAIN_MS) > 0)
        if (!pass_on(stream))
            break;
    loop_unwatch(stream->watch);
    stream->watch = NULL;
}

bool core_work(struct run *run, struct fault *fault)
{
    struct work work = {.run = run};
    bool ok;

    if (!loop_new(&work.loop, fault))
        return false;
    if (run->request->terminal)
        core_terminal_raw(true);
    ok = watch_all(&work, fault) && cell_go(run->cell, fault) && loop_run(work.loop, fault);
    cell_kill(run->cell);
    drain(&work.out);
    drain(&work.err);
    core_terminal_raw(false);
    loop_free(work.loop);
    if (ok && work.fault.kind != FAULT_NONE) {
        *fault = work.fault;
        ok = false;
    }
    return ok;
}
