/* The agent runs: its output is passed on, time and signals are watched, until the cell is
 * dead. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <unistd.h>

#include "base/scope.h"
#include "os/clock_real.h"
#include "os/file.h"
#include "os/loop.h"
#include "roles/core/parts.h"
#include "roles/core/stream.h"
#include "roles/core/terminal.h"

#define DISK_US 500000
#define MEMORY_US 500000
#define MEMORY_NEAR_US 50000

struct role_watch {
    struct work *work;
    const char *role; /* and the word for why the run ends */
    struct loop_watch *watch;
};

struct work {
    struct run *run;
    struct loop *loop;
    struct core_stream *out, *err, *in;
    struct loop_watch *cell, *signals, *gateway, *ledger, *dirty;
    struct role_watch view, door, guard, observer, egress, dialer;
    struct loop_timer *limit, *disk, *memory;
    bool ended;
    unsigned long long killed; /* programs that used more than resources.memory */
    struct fault fault;
};

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

/* With uncommitted changes the run should not have begun: it is refused, and nothing kept. */
static bool judge_dirty(struct run *run, struct fault *fault)
{
    struct fault unsaid = {0};

    if (core_dirty_checked(run, fault))
        return true;
    if (fault->kind == FAULT_DENIED &&
        !run_step(&run->result->state, RUN_EVENT_DIRTY, &unsaid))
        return fault_in(fault, "%s", unsaid.why);
    return false;
}

static void on_dirty_answer(void *self, uint32_t events)
{
    struct work *work = self;

    (void)events;
    loop_unwatch(work->dirty);
    work->dirty = NULL;
    if (!judge_dirty(work->run, &work->fault))
        end_work(work, NULL);
}

/* Of a large tree, beside the agent's work. */
static void look_for_dirt(struct work *work)
{
    struct run *run = work->run;

    if (!core_dirty_begin(run, &work->fault) ||
        !loop_watch(work->loop, collect_socket(run->collect), EPOLLIN, on_dirty_answer, work,
                    &work->dirty, &work->fault))
        end_work(work, "repository");
}

/*
 * The kernel kills in a control group whose memory is used up. An agent that outlives one of
 * its programs goes on, and is told of; one that was killed itself was killed for this.
 */
static const char *killed_for_memory(struct work *work, bool agent_killed)
{
    unsigned long long kills = cell_memory_kills(work->run->cell);

    if (kills == 0)
        return NULL;
    if (!agent_killed) {
        work->killed = kills;
        return NULL;
    }
    (void)fault_set(&work->fault, FAULT_LIMIT,
                    "the agent used more memory than resources.memory allows; it was killed");
    return "memory-limit";
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
        if (!gateway_role_begin(work->run->gateway.control, &work->fault)) {
            end_work(work, "gateway");
            break;
        }
        if (work->run->dirty_late)
            look_for_dirt(work);
        core_put_begun(work->run); /* for `custody runs`: it is working now */
        break;
    case CELL_EXITED:
        work->run->exit = packet.exit;
        work->run->result->agent_exit = packet.exit.status;
        work->run->result->ended_us = clock_monotonic_us(&clock_real);
        end_work(work, killed_for_memory(work, packet.exit.signal == SIGKILL));
        break;
    case CELL_FAILED:
        work->fault = packet.fault;
        if (work->fault.kind == FAULT_DENIED) /* the program's own mode: wrong use, no refusal */
            work->fault.kind = FAULT_INVALID;
        end_work(work, packet.fault.kind == FAULT_IO ? "cell" : "agent-start");
        break;
    case CELL_GONE:
        if (killed_for_memory(work, true) != NULL) {
            end_work(work, "memory-limit");
            break;
        }
        (void)fault_set(&work->fault, FAULT_IO, "the cell's first process was killed");
        end_work(work, "cell");
        break;
    case CELL_MOUNTED:
    case CELL_LISTENER:
    case CELL_SEALED:
        (void)fault_set(&work->fault, FAULT_IO, "the cell spoke out of turn");
        end_work(work, "cell");
        break;
    }
}

static void on_signal(void *self, uint32_t events)
{
    struct work *work = self;
    bool terminal = work->run->request->terminal;
    int number = run_signal(work->run);

    (void)events;
    if (number == SIGCONT && terminal) /* the shell has had it meanwhile */
        core_terminal_raw();
    if ((number == SIGWINCH || number == SIGCONT) && terminal)
        core_terminal_resize(work->run->agent_in);
    if (number == 0 || !run_signal_ends(number))
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
    const char *reason = core_disk_exceeded(work->run, &work->fault);

    work->disk = NULL;
    if (reason == NULL &&
        !loop_timer(work->loop, DISK_US, on_disk, work, &work->disk, &work->fault))
        reason = "disk-watch";
    if (reason == NULL)
        return;
    end_work(work, reason);
}

static void on_memory(void *self)
{
    struct work *work = self;
    const char *reason = core_memory_exceeded(work->run, &work->fault);
    int64_t next_us = core_memory_is_near(work->run) ? MEMORY_NEAR_US : MEMORY_US;

    work->memory = NULL;
    if (reason == NULL &&
        !loop_timer(work->loop, next_us, on_memory, work, &work->memory, &work->fault))
        reason = "memory-watch";
    if (reason == NULL)
        return;
    end_work(work, reason);
}

/* A role that dies takes the run with it: nothing goes on unrecorded. */
static void on_role_gone(void *self, uint32_t events)
{
    const struct role_watch *watch = self;

    (void)events;
    (void)fault_set(&watch->work->fault, FAULT_IO, "the %s ended; the cell was killed",
                    watch->role);
    end_work(watch->work, watch->role);
}

/* It may have said why: what it needs to call anybody is loaded when it is ready already. */
static void on_gateway_gone(void *self, uint32_t events)
{
    struct work *work = self;

    (void)events;
    (void)fault_set(&work->fault, FAULT_IO, "the gateway ended");
    if (!gateway_role_wait_ready(work->run->gateway.control, 0, &work->fault))
        (void)fault_in(&work->fault, "the cell was killed");
    end_work(work, "gateway");
}

static void on_ledger_gone(void *self, uint32_t events)
{
    (void)events;
    (void)fault_set(&((struct work *)self)->fault, FAULT_IO,
                    "the ledger ended; the cell was killed");
    end_work(self, "ledger");
}

/* With -it the terminal is the agent's; without, it stays the person's. */
static enum core_stream_way way_to(const struct run *run, int fd)
{
    return isatty(fd) == 0          ? CORE_STREAM_BYTES
           : run->request->terminal ? CORE_STREAM_SCREEN
                                    : CORE_STREAM_LINES;
}

static bool watch_streams(struct work *work, struct fault *fault)
{
    struct run *run = work->run;
    int out = run->request->agent_out;

    return (run->agent_out < 0 ||
            core_stream_new(work->loop, run->agent_out, out, way_to(run, out), &run->output,
                            &work->out, fault)) &&
           (run->agent_err < 0 || core_stream_new(work->loop, run->agent_err, 2, way_to(run, 2),
                                                  &run->output, &work->err, fault)) &&
           (!run->request->terminal ||
            core_stream_new(work->loop, 0, run->agent_in, CORE_STREAM_BYTES, NULL, &work->in,
                            fault));
}

static bool watch_role(struct role_watch *watch, struct work *work, const char *role,
                       const struct peer *peer, struct fault *fault)
{
    *watch = (struct role_watch){.work = work, .role = role};
    return loop_watch(work->loop, peer->process.pidfd, EPOLLIN, on_role_gone, watch,
                      &watch->watch, fault);
}

static bool watch_all(struct work *work, struct fault *fault)
{
    struct run *run = work->run;
    int64_t limit_us = (int64_t)run->policy->budget_run.minutes * 60 * 1000000;

    if (!watch_streams(work, fault))
        return false;
    if (limit_us > 0 &&
        !loop_timer(work->loop, limit_us, on_time_limit, work, &work->limit, fault))
        return false;
    if (!loop_timer(work->loop, 0, on_disk, work, &work->disk, fault))
        return false;
    if (run->memory.watched &&
        !loop_timer(work->loop, 0, on_memory, work, &work->memory, fault))
        return false;
    return loop_watch(work->loop, cell_socket(run->cell), EPOLLIN, on_cell, work, &work->cell,
                      fault) &&
           loop_watch(work->loop, run->signals, EPOLLIN, on_signal, work, &work->signals,
                      fault) &&
           watch_role(&work->view, work, "view", &run->view, fault) &&
           watch_role(&work->door, work, "door", &run->door, fault) &&
           watch_role(&work->guard, work, "guard", &run->guard, fault) &&
           (run->policy->egress_count == 0 ||
            (watch_role(&work->egress, work, "egress", &run->egress, fault) &&
             watch_role(&work->dialer, work, "dialer", &run->dialer, fault))) &&
           (!run->observed ||
            watch_role(&work->observer, work, "observer", &run->observer, fault)) &&
           loop_watch(work->loop, run->gateway.process.pidfd, EPOLLIN, on_gateway_gone, work,
                      &work->gateway, fault) &&
           loop_watch(work->loop, ledger_client_socket(run->ledger), EPOLLRDHUP,
                      on_ledger_gone, work, &work->ledger, fault);
}

/* Every writer is dead: what is left in the pipes ends with an end of file. The terminal is the
 * person's again, and shows what is said from now on. */
static void end_streams(struct work *work)
{
    struct core_stream_told told = {0};
    bool out = core_stream_end(work->out, &told);
    bool err = core_stream_end(work->err, &told);

    work->run->result->dropped = told.dropped;
    memcpy(work->run->result->terminal_undo, told.undo, sizeof(told.undo));
    core_terminal_restore(told.has_asked ? work->run->request->agent_out : -1);
    if (!out || !err)
        run_say(work->run,
                "warning: the end of the agent's output was not read; it is left out");
    if (work->killed > 0)
        run_say(work->run,
                "warning: the kernel killed %llu processes of the cell for using more than "
                "resources.memory",
                work->killed);
    core_stream_drop(work->in);
}

static bool give_terminal(struct run *run, struct fault *fault)
{
    if (!core_terminal_give(run->request->agent_out, fault))
        return false;
    core_terminal_resize(run->agent_in);
    return true;
}

bool core_work(struct run *run, struct fault *fault)
{
    struct work work = {.run = run};
    bool ok;

    if (!loop_new(&work.loop, fault))
        return false;
    ok = (!run->request->terminal || give_terminal(run, fault)) && watch_all(&work, fault) &&
         cell_go(run->cell, fault) && loop_run(work.loop, fault);
    cell_kill(run->cell);
    (void)cell_await_end(run->cell); /* cell_end tells of what is left */
    end_streams(&work);
    loop_free(work.loop);
    if (ok && work.fault.kind != FAULT_NONE) {
        *fault = work.fault;
        ok = false;
    }
    return ok && judge_dirty(run, fault);
}
