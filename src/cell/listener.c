#include "cell/listener.h"

#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/bytes.h"
#include "os/isolate_calls.h"

#define CALLS_MAX 16
#ifndef SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV
#define SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV (1UL << 5) /* Linux 5.19 */
#endif

const struct listener_call listener_calls[] = {
    {"execve", LISTENER_ALWAYS, false},    {"execveat", LISTENER_ALWAYS, false},
    {"open", LISTENER_FILES, false},       {"openat", LISTENER_FILES, false},
    {"creat", LISTENER_FILES, false},      {"openat2", LISTENER_FILES, true},
    {"connect", LISTENER_SHARED, false},   {"chmod", LISTENER_SHARED, false},
    {"fchmod", LISTENER_SHARED, false},    {"fchmodat", LISTENER_SHARED, false},
    {"fchmodat2", LISTENER_SHARED, false}, {"utimensat", LISTENER_SHARED, false},
};
const size_t listener_call_count = COUNT(listener_calls);

/* Foreign architectures and x32 are the other filters' to kill: their answer counts more. */
static unsigned short build(struct cell_mode mode, struct sock_filter *program)
{
    const bool here[] = {
        [LISTENER_ALWAYS] = true,
        [LISTENER_FILES] = mode.files == CELL_INJECTED,
        [LISTENER_SHARED] = mode.place == CELL_LANDLOCK,
    };
    const struct sock_filter load =
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr));
    const struct sock_filter tell = BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_USER_NOTIF);
    const struct sock_filter refuse =
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ((unsigned)ENOSYS & SECCOMP_RET_DATA));
    const struct sock_filter allow = BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
    unsigned short count = 0;

    program[count++] = load;
    for (size_t i = 0; i < listener_call_count; i++) {
        int number = calls_number(listener_calls[i].name);
        const struct sock_filter is_other =
            BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (unsigned)number, 0, 1);

        if (number < 0 || !here[listener_calls[i].when])
            continue;
        program[count++] = is_other;
        program[count++] = listener_calls[i].refused ? refuse : tell;
    }
    program[count++] = allow;
    return count;
}

bool listener_install(struct cell_mode mode, int *ret_fd, struct fault *fault)
{
    struct sock_filter program[2 + 2 * CALLS_MAX];
    struct sock_fprog filter = {.filter = program};
    /* With it only a fatal signal interrupts a call that the guard has seen already. */
    const unsigned long flags[] = {SECCOMP_FILTER_FLAG_NEW_LISTENER |
                                       SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV,
                                   SECCOMP_FILTER_FLAG_NEW_LISTENER};
    long fd = -1;

    _Static_assert(COUNT(listener_calls) <= CALLS_MAX, "room for the calls");
    filter.len = build(mode, program);
    for (size_t i = 0; i < COUNT(flags) && fd < 0; i++)
        fd = syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, flags[i], &filter);
    if (fd < 0) {
        (void)fault_errno(fault, "ask to be told of the cell's calls");
        fault->kind = FAULT_HOST;
        return false;
    }
    *ret_fd = (int)fd;
    return true;
}
