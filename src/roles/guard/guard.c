#include "roles/guard/guard.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "base/scope.h"
#include "ledger/ledger.h"
#include "os/isolate.h"
#include "os/isolate_calls.h"
#include "os/message.h"
#include "roles/guard/parts.h"
#include "roles/packet.h"
#include "roles/view_role/view.h"

/* The first byte of a packet. */
#define GUARD_LISTEN 'L' /* core: descriptors {listener, the cell's /proc}, once */
#define GUARD_READY 'R'
#define GUARD_DISARM 'D'  /* core: the planted entries are gone */
#define GUARD_WITNESS 'W' /* what was seen of them: three numbers */
#define GUARD_FAILED 'F'  /* why; the guard ends */
#define FIFO_MS 1000      /* callers that wait for the other side of a pipe may be killed */
#ifndef SECCOMP_IOCTL_NOTIF_SET_FLAGS
#define SECCOMP_IOCTL_NOTIF_SET_FLAGS SECCOMP_IOW(4, __u64) /* Linux 6.6 */
#define SECCOMP_USER_NOTIF_FD_SYNC_WAKE_UP (1UL << 0)
#endif

/* The whole of what a cell may ask; cell/listener.c says what it hands over. */
static const struct {
    const char *call;
    guard_handler *handle;
} rows[GUARD_ROWS] = {
    {"execve", guard_execve},       {"execveat", guard_execveat},
    {"open", guard_open},           {"openat", guard_openat},
    {"creat", guard_creat},         {"connect", guard_connect},
    {"chmod", guard_chmod},         {"fchmod", guard_fchmod},
    {"fchmodat", guard_fchmodat},   {"fchmodat2", guard_fchmodat2},
    {"utimensat", guard_utimensat},
};

bool guard_is_waiting(const struct guard *guard)
{
    return seccomp_notify_id_valid(guard->listener, guard->call->id) == 0;
}

void guard_record_begin(const struct guard *guard, const struct caller *caller,
                        enum record_type type, struct record *record)
{
    record_begin(record, type);
    record_word(record, RECORD_RUN, guard->config->run);
    record_word(record, RECORD_AGENT, guard->config->agent);
    record_word(record, RECORD_ON_BEHALF_OF, guard->config->on_behalf_of);
    record_word(record, RECORD_POLICY, guard->config->policy);
    record_word(record, RECORD_MECHANISM, "guard");
    record_number(record, RECORD_PID, caller->process);
    if (caller->parent > 0)
        record_number(record, RECORD_PARENT, caller->parent);
}

bool guard_refused(struct guard *guard, struct caller *caller,
                   const struct guard_refusal *refusal)
{
    AUTO_BUF struct buf path = buf_with_limit(4 * 4 * CALLER_PATH_BYTES_MAX);
    AUTO_FREE char *peer = refusal->host == NULL
                               ? NULL
                               : xformat("%s %lld", refusal->host, (long long)refusal->port);
    struct record record;
    bool is_known;
    uint32_t count;

    if (!caller_place(caller)) /* it is gone */
        return true;
    count = refusals_add(guard->refusals, refusal->reason,
                         peer == NULL ? refusal->path : slice_of(peer), &is_known);
    if (count == 0)
        return true;
    if (guard->programs_recorded++ >= guard->config->records_max)
        return fault_set(&guard->fault, FAULT_LIMIT, "more than %llu acts to record",
                         (unsigned long long)guard->config->records_max);
    guard_record_begin(guard, caller, RECORD_REFUSED, &record);
    record_word(&record, RECORD_REASON, refusal->reason);
    record_word(&record, RECORD_OUTCOME, "refused");
    if (count > 1)
        record_number(&record, RECORD_COUNT, count);
    if (is_known && refusal->path.len > 0) {
        if (!record_printable(refusal->path, &path, &guard->fault))
            return false;
        record_text(&record, RECORD_PATH, buf_slice(&path));
    }
    if (is_known && refusal->host != NULL) {
        record_word(&record, RECORD_HOST, refusal->host);
        record_number(&record, RECORD_PORT, refusal->port);
    }
    return ledger_record(guard->ledger, &record, NULL, &guard->fault);
}

bool guard_find_root(struct guard *guard, const struct caller *caller)
{
    return guard->reach.whole.limit != 0 ||
           reach_begin(&guard->reach, caller, guard->cell_proc, &guard->fault);
}

static enum guard_verdict judge(struct guard *guard, int *ret_error)
{
    enum guard_verdict verdict = GUARD_REFUSE;
    struct fault gone = {0};
    struct caller caller;

    *ret_error = ENOSYS; /* in no row */
    if (!caller_open(guard->host_proc, guard->cell_proc, guard->config->opener,
                     (pid_t)guard->call->pid, &caller, &gone)) {
        *ret_error = EPERM; /* nobody waits for it, or nothing can be said of it */
    } else if (guard_is_waiting(guard)) {
        for (size_t i = 0; i < COUNT(rows); i++)
            if (guard->numbers[i] == guard->call->data.nr)
                verdict = rows[i].handle(guard, &caller, ret_error);
    }
    caller_close(&caller);
    return verdict;
}

bool guard_answer(struct guard *guard, uint64_t call, enum guard_verdict verdict, int error,
                  struct fault *fault)
{
    if (verdict == GUARD_ANSWERED)
        return true;
    *guard->answer = (struct seccomp_notif_resp){
        .id = call,
        .val = verdict == GUARD_RESULT ? guard->result : 0,
        .error = verdict == GUARD_REFUSE ? -error : 0,
        .flags = verdict == GUARD_CONTINUE ? SECCOMP_USER_NOTIF_FLAG_CONTINUE : 0};
    return seccomp_notify_respond(guard->listener, guard->answer) == 0 || errno == ENOENT ||
           fault_errno(fault, "answer a call of the cell");
}

/* False: the guard ends. */
static bool answer_one(struct guard *guard, struct fault *fault)
{
    enum guard_verdict verdict;
    int error = 0;

    memset(guard->call, 0, sizeof(*guard->call));
    if (seccomp_notify_receive(guard->listener, guard->call) != 0)
        return errno == ENOENT || errno == EINTR || errno == EAGAIN ||
               fault_errno(fault, "receive a call of the cell");
    verdict = judge(guard, &error);
    if (verdict == GUARD_END) {
        *fault = guard->fault;
        return false;
    }
    return guard_answer(guard, guard->call->id, verdict, error, fault);
}

static void say(const struct guard *guard, char what, const char *why)
{
    AUTO_BUF struct buf packet = buf_with_limit(1024);
    struct fault unsent = {0};

    if (buf_add_byte(&packet, (uint8_t)what, &unsent) && buf_add_text(&packet, why, &unsent))
        (void)!message_send(guard->config->control, buf_slice(&packet), NULL, &unsent);
}

static bool on_listen(struct guard *guard, struct message_fds *fds, struct fault *fault)
{
    uint64_t wake = SECCOMP_USER_NOTIF_FD_SYNC_WAKE_UP;

    if (fds->count != 2 || guard->listener >= 0)
        return fault_set(fault, FAULT_INVALID, "a packet without a listener, or a second one");
    guard->listener = fds->fd[0];
    guard->cell_proc = fds->fd[1];
    fds->count = 0; /* taken */
    if (guard->config->files != NULL &&
        !files_new(guard->config->files, guard->cell_proc, &guard->files, fault))
        return false;
    /* The caller is on our processor and sleeps: an old kernel wakes it by the long way. */
    (void)ioctl(guard->listener, SECCOMP_IOCTL_NOTIF_SET_FLAGS, wake);
    say(guard, GUARD_READY, "");
    return true;
}

static bool on_disarm(struct guard *guard, struct message_fds *fds, struct fault *fault)
{
    AUTO_BUF struct buf packet = buf_with_limit(MESSAGE_BYTES_MAX);
    struct view_counts counts;

    if (fds->count != 0 || guard->files == NULL)
        return fault_set(fault, FAULT_INVALID, "nothing is planted");
    counts = files_counts(guard->files);
    files_disarm(guard->files);
    return buf_add_byte(&packet, GUARD_WITNESS, fault) &&
           packet_put_number(&packet, counts.reads_recorded, fault) &&
           packet_put_number(&packet, counts.reads_refused, fault) &&
           packet_put_number(&packet, counts.refused - counts.reads_refused, fault) &&
           message_send(guard->config->control, buf_slice(&packet), NULL, fault);
}

static bool on_control(struct guard *guard, bool *ret_end, struct fault *fault)
{
    AUTO_BUF struct buf body = buf_with_limit(MESSAGE_BYTES_MAX);
    struct message_fds fds = {0};
    bool done;

    if (!message_receive(guard->config->control, &body, &fds, -1, ret_end, fault))
        return false;
    if (*ret_end)
        return true;
    if (body.len == 1 && body.at[0] == GUARD_LISTEN)
        done = on_listen(guard, &fds, fault);
    else if (body.len == 1 && body.at[0] == GUARD_DISARM)
        done = on_disarm(guard, &fds, fault);
    else
        done = fault_set(fault, FAULT_INVALID, "a packet that core does not send");
    message_fds_close(&fds);
    return done;
}

static bool serve(struct guard *guard, struct fault *fault)
{
    for (;;) {
        struct pollfd fds[2 + FIFOS_MAX] = {{.fd = guard->config->control, .events = POLLIN},
                                            {.fd = guard->listener, .events = POLLIN}};
        unsigned count = 2 + fifo_poll(&guard->fifos, fds + 2);
        bool end = false;

        if (poll(fds, count, guard->fifos.count > 0 ? FIFO_MS : -1) < 0) {
            if (errno == EINTR)
                continue;
            return fault_errno(fault, "wait");
        }
        if (fds[0].revents != 0 && (!on_control(guard, &end, fault) || end))
            return end;
        if (guard->fifos.count > 0)
            fifo_look(guard);
        if ((fds[1].revents & POLLIN) != 0 && !answer_one(guard, fault))
            return false;
        if ((fds[1].revents & (POLLHUP | POLLERR)) != 0 && (fds[1].revents & POLLIN) == 0)
            scope_close(&guard->listener); /* nobody is left who could call */
    }
}

static bool start(struct guard *guard, struct fault *fault)
{
    const struct guard_config *config = guard->config;

    (void)signal(SIGINT, SIG_IGN); /* the terminal's: core ends us, when the cell has ended */
    (void)signal(SIGQUIT, SIG_IGN);
    (void)signal(SIGHUP, SIG_IGN);
    guard->ledger = ledger_client_new(config->ledger);
    guard->programs = programs_new(config->programs);
    guard->host_proc = open("/proc", O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (guard->host_proc < 0)
        return fault_errno(fault, "open /proc");
    if (!seen_open(config->seen, true, &guard->seen, fault))
        return false;
    for (size_t i = 0; i < COUNT(rows); i++)
        guard->numbers[i] = calls_number(rows[i].call);
    if (seccomp_notify_alloc(&guard->call, &guard->answer) != 0)
        return fault_set(fault, FAULT_HOST, "this kernel has no user notification of calls");
    if (config->drop_user &&
        !isolate_user(config->uid, config->gid, 1U << CAP_SYS_PTRACE, fault))
        return false;
    return isolate_syscalls(config->door >= 0 ? ISOLATE_GUARD : ISOLATE_VIEW, fault);
}

static void finish(struct guard *guard)
{
    fifo_end(&guard->fifos);
    refusals_free(guard->refusals);
    files_free(guard->files);
    reach_end(&guard->reach);
    ledger_client_free(guard->ledger);
    programs_free(guard->programs);
    seen_close(guard->seen);
    seccomp_notify_free(guard->call, guard->answer);
    scope_close(&guard->listener);
    scope_close(&guard->cell_proc);
    scope_close(&guard->host_proc);
    buf_free(&guard->path);
    buf_free(&guard->whole);
    buf_free(&guard->arguments);
    buf_free(&guard->head);
    buf_free(&guard->text);
}

int guard_role(void *config)
{
    struct guard guard = {.config = config,
                          .listener = -1,
                          .host_proc = -1,
                          .cell_proc = -1,
                          .refusals = refusals_new(),
                          .path = buf_with_limit(CALLER_PATH_BYTES_MAX + 1),
                          .whole = buf_with_limit(4 * CALLER_PATH_BYTES_MAX),
                          .arguments = buf_with_limit(CALLER_ARGUMENT_BYTES_MAX + 1),
                          .head = buf_with_limit(4096),
                          .text = buf_with_limit(4 * 4 * CALLER_PATH_BYTES_MAX)};
    struct fault fault = {0};
    bool ok = start(&guard, &fault) && serve(&guard, &fault);

    if (!ok)
        say(&guard, GUARD_FAILED, fault.why);
    finish(&guard);
    return ok ? 0 : 2;
}

/* One packet to the guard, and its answer, which must be of the kind. */
static bool ask(int control, char what, const struct message_fds *fds, char wanted,
                int timeout_ms, struct buf *ret_body, struct fault *fault)
{
    bool end;

    if (!message_send(control, slice_of_bytes(&what, 1), fds, fault) ||
        !message_receive(control, ret_body, NULL, timeout_ms, &end, fault))
        return false;
    if (end || ret_body->len == 0)
        return fault_set(fault, FAULT_IO, "the guard ended");
    if (ret_body->at[0] == (uint8_t)wanted)
        return true;
    return fault_set(fault, FAULT_IO, "the guard: %s",
                     ret_body->at[0] == GUARD_FAILED ? buf_text(ret_body) + 1
                                                     : "a packet out of turn");
}

bool guard_listen(int control, int listener, int proc, int timeout_ms, struct fault *fault)
{
    struct message_fds fds = {.fd = {listener, proc}, .count = 2};
    AUTO_BUF struct buf body = buf_with_limit(MESSAGE_BYTES_MAX);

    return ask(control, GUARD_LISTEN, &fds, GUARD_READY, timeout_ms, &body, fault) ||
           fault_in(fault, "hand the cell's calls to the guard");
}

bool guard_disarm_planted(int control, int timeout_ms, struct view_witness *ret_witness,
                          struct fault *fault)
{
    AUTO_BUF struct buf body = buf_with_limit(MESSAGE_BYTES_MAX);
    struct packet_reader reader;

    if (!ask(control, GUARD_DISARM, NULL, GUARD_WITNESS, timeout_ms, &body, fault))
        return fault_in(fault, "ask the guard what it saw");
    reader = (struct packet_reader){.rest = slice_part(buf_slice(&body), 1, body.len)};
    ret_witness->reads = packet_number(&reader);
    ret_witness->reads_refused = packet_number(&reader);
    ret_witness->writes_refused = packet_number(&reader);
    return packet_end(&reader, fault);
}
