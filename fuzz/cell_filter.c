/*
 * The cell's filter of system calls, as the kernel runs it: whatever is called with whatever arguments, what a
 * cell must not do is not allowed. The rules are written here once more, in other words.
 */
#include <assert.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/sched.h>
#include <linux/seccomp.h>
#include <netinet/in.h>
#include <sched.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>

#include "cell/filter.h"
#include "os/isolate_calls.h"

#define X32 0x40000000U
#define LINUX_CONSOLE 0x541cU /* TIOCLINUX */
#define NAMESPACES                                                                            \
    (CLONE_NEWNS | CLONE_NEWCGROUP | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWUSER |            \
     CLONE_NEWPID | CLONE_NEWNET)
#if defined(__x86_64__)
#define NATIVE AUDIT_ARCH_X86_64
#elif defined(__aarch64__)
#define NATIVE AUDIT_ARCH_AARCH64
#endif

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What libseccomp makes of its rules: loads of words, comparisons, masks, and an end. */
static uint32_t run(const struct calls_program *program, const struct seccomp_data *call)
{
    uint32_t a = 0;

    for (size_t at = 0; at < program->count; at++) {
        const struct sock_filter *step = &program->at[at];
        bool jump;

        switch (step->code) {
        case BPF_LD | BPF_W | BPF_ABS:
            assert(step->k + sizeof(a) <= sizeof(*call));
            memcpy(&a, (const uint8_t *)call + step->k, sizeof(a));
            continue;
        case BPF_ALU | BPF_AND | BPF_K:
            a &= step->k;
            continue;
        case BPF_RET | BPF_K:
            return step->k;
        case BPF_JMP | BPF_JA:
            at += step->k;
            continue;
        case BPF_JMP | BPF_JEQ | BPF_K:
            jump = a == step->k;
            break;
        case BPF_JMP | BPF_JGT | BPF_K:
            jump = a > step->k;
            break;
        case BPF_JMP | BPF_JGE | BPF_K:
            jump = a >= step->k;
            break;
        default:
            abort();
        }
        at += jump ? step->jt : step->jf;
    }
    abort();
}

static bool is_allowed(enum cell_place place, const struct seccomp_data *call)
{
    return run(&filter_programs[place].allow, call) == SECCOMP_RET_ALLOW &&
           run(&filter_programs[place].refuse, call) == SECCOMP_RET_ALLOW;
}

/* A filter that allows nothing would hold all that follows. */
static void check_that_some_is_allowed(void)
{
    for (int place = 0; place < CELL_PLACE_COUNT; place++)
        assert(is_allowed((enum cell_place)place,
                          &(struct seccomp_data){.arch = NATIVE, .nr = SYS_read}));
}

static bool is_named(const char *const *names, long number)
{
    for (; *names != NULL; names++)
        if (seccomp_syscall_resolve_name(*names) == number)
            return true;
    return false;
}

static bool socket_is_forbidden(enum cell_place place, const uint32_t *low)
{
    uint32_t type = low[1] & 0xf;

    if (place == CELL_LANDLOCK) /* the host's network: what leads to the door, and no more */
        return low[0] != AF_INET || type != SOCK_STREAM;
    if (low[0] == AF_UNIX)
        return false;
    if (low[0] == AF_NETLINK)
        return low[2] != 0;
    return (low[0] != AF_INET && low[0] != AF_INET6) ||
           (type != SOCK_STREAM && type != SOCK_DGRAM) ||
           (low[2] != 0 && low[2] != IPPROTO_TCP && low[2] != IPPROTO_UDP);
}

/* In the kernel's own terms: what of an argument it reads. */
static bool is_forbidden(enum cell_place place, const struct seccomp_data *call)
{
    static const char *const never[] = {"mount",
                                        "umount2",
                                        "pivot_root",
                                        "setns",
                                        "chroot",
                                        "fsopen",
                                        "fsmount",
                                        "open_tree",
                                        "move_mount",
                                        "ptrace",
                                        "bpf",
                                        "process_vm_readv",
                                        "process_vm_writev",
                                        "pidfd_getfd",
                                        "kcmp",
                                        "add_key",
                                        "request_key",
                                        "keyctl",
                                        "io_uring_setup",
                                        "io_uring_enter",
                                        "userfaultfd",
                                        "open_by_handle_at",
                                        "perf_event_open",
                                        "init_module",
                                        "finit_module",
                                        "kexec_load",
                                        "reboot",
                                        "swapon",
                                        "syslog",
                                        "iopl",
                                        "ioperm",
                                        "modify_ldt",
                                        "clone3",
                                        "fanotify_init",
                                        "memfd_secret",
                                        "acct",
                                        "quotactl",
                                        "settimeofday",
                                        "clock_settime",
                                        "sethostname",
                                        NULL};
    static const char *const shared[] = {"shmget", "semget", "msgget", "mq_open",
                                         "listen", "bind",   NULL};
    uint32_t low[6];

    for (int i = 0; i < 6; i++)
        low[i] = (uint32_t)call->args[i];
    if (call->arch != NATIVE || ((uint32_t)call->nr & X32) != 0 || call->nr < 0)
        return true;
    if (is_named(never, call->nr) || (place == CELL_LANDLOCK && is_named(shared, call->nr)))
        return true;
    switch (call->nr) {
    case SYS_ioctl:
        return low[1] == TIOCSTI || low[1] == LINUX_CONSOLE || low[1] == TIOCSETD ||
               low[1] == TIOCCONS;
    case SYS_clone:
        return (low[0] & NAMESPACES) != 0;
    case SYS_unshare:
        return (low[0] & (NAMESPACES | CLONE_NEWTIME)) != 0;
    case SYS_socket:
        return socket_is_forbidden(place, low);
    case SYS_socketpair:
        return low[0] != AF_UNIX;
    case SYS_prlimit64:
        return low[0] != 0 || (low[1] == RLIMIT_CORE && call->args[2] != 0);
    case SYS_setrlimit:
        return low[0] == RLIMIT_CORE;
    default:
        return false;
    }
}

/* Arguments that the kernel reads as 32 bits: what stands above them must not matter. */
static void clear_upper(struct seccomp_data *call)
{
    static const struct {
        long call;
        unsigned arguments; /* a bit each */
    } narrow[] = {{SYS_ioctl, 2},       {SYS_socket, 7},    {SYS_socketpair, 7},
                  {SYS_personality, 1}, {SYS_prlimit64, 3}, {SYS_clone, 1}};

    for (size_t n = 0; n < COUNT(narrow); n++)
        for (unsigned i = 0; i < 6 && narrow[n].call == call->nr; i++)
            if ((narrow[n].arguments & (1U << i)) != 0)
                call->args[i] &= UINT32_MAX;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const uint32_t architectures[] = {NATIVE, NATIVE, NATIVE, AUDIT_ARCH_I386,
                                             AUDIT_ARCH_ARM};
    struct {
        uint16_t number;
        uint8_t place, architecture;
        uint32_t above; /* of the number: x32, or nonsense */
        uint64_t arguments[6];
    } input = {0};
    struct seccomp_data call = {0}, plain;
    enum cell_place place;

    check_that_some_is_allowed();
    memcpy(&input, data, size < sizeof(input) ? size : sizeof(input));
    place = (enum cell_place)(input.place % CELL_PLACE_COUNT);
    call.arch = architectures[input.architecture % COUNT(architectures)];
    call.nr = (int)((uint32_t)input.number % 1024 | (input.above & 0xffff0000));
    memcpy(call.args, input.arguments, sizeof(input.arguments));
    assert(!is_forbidden(place, &call) || !is_allowed(place, &call));
    plain = call;
    clear_upper(&plain);
    assert(is_allowed(place, &call) == is_allowed(place, &plain));
    return 0;
}
