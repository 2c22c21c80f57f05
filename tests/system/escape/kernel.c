/* Attempts on the kernel's doors that nobody in a cell needs. */
#include "escape.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define CALLS(function, ...)                                                                  \
    static int function(const struct target *target)                                          \
    {                                                                                         \
        (void)target;                                                                         \
        return errno_of_fd(syscall(__VA_ARGS__));                                             \
    }

CALLS(unshare_user, SYS_unshare, CLONE_NEWUSER)
CALLS(unshare_mount, SYS_unshare, CLONE_NEWNS)
CALLS(unshare_net, SYS_unshare, CLONE_NEWNET)
CALLS(unshare_time, SYS_unshare, 0x80 /* CLONE_NEWTIME */)
CALLS(call_bpf, SYS_bpf, 0, NULL, 0)
CALLS(call_userfaultfd, SYS_userfaultfd, 0)
CALLS(call_perf, SYS_perf_event_open, NULL, 0, -1, -1, 0)
CALLS(call_keyctl, SYS_keyctl, 0, -3, 0, 0, 0)
CALLS(call_add_key, SYS_add_key, "user", "escape", "x", 1, -3)
CALLS(call_request_key, SYS_request_key, "user", "escape", NULL, -3)
CALLS(call_kexec, SYS_kexec_load, 0, 0, NULL, 0)
CALLS(call_init_module, SYS_init_module, NULL, 0, "")
CALLS(call_finit_module, SYS_finit_module, 0, "", 0)
CALLS(call_reboot, SYS_reboot, 0, 0, 0, NULL)
CALLS(call_swapon, SYS_swapon, "/tmp/swap", 0)
CALLS(call_acct, SYS_acct, "/tmp/acct")
CALLS(call_syslog, SYS_syslog, 3, NULL, 0)
CALLS(call_quotactl, SYS_quotactl, 0, "/dev/vda", 0, NULL)
CALLS(call_settimeofday, SYS_settimeofday, NULL, NULL)
CALLS(call_sethostname, SYS_sethostname, "x", 1)
CALLS(call_fanotify, SYS_fanotify_init, 0, 0)
CALLS(call_attach, SYS_ptrace, 16 /* ATTACH */, 1, 0, 0)
CALLS(call_traceme, SYS_ptrace, 0, 0, 0, 0)
CALLS(call_vm_readv, SYS_process_vm_readv, 1, NULL, 0, NULL, 0, 0)
CALLS(call_vm_writev, SYS_process_vm_writev, 1, NULL, 0, NULL, 0, 0)
CALLS(call_kcmp, SYS_kcmp, 1, 1, 0, 0, 0)
CALLS(call_personality, SYS_personality, 0x0100000 /* MMAP_PAGE_ZERO */)
CALLS(call_future, SYS_pidfd_open + 1000, 0)
#ifdef __x86_64__
CALLS(call_modify_ldt, SYS_modify_ldt, 0, NULL, 0)
CALLS(call_iopl, SYS_iopl, 3)
CALLS(call_x32, 0x40000000 + SYS_getpid)
#endif

static int clone_user(const struct target *target)
{
    long pid = syscall(SYS_clone, CLONE_NEWUSER | SIGCHLD, NULL, NULL, NULL, NULL);

    (void)target;
    if (pid == 0)
        _exit(0);
    return errno_of(pid);
}

/* Bits above the 32 that the kernel reads must not hide the flag. */
static int clone_user_in_disguise(const struct target *target)
{
    long pid =
        syscall(SYS_clone, 0x100000000UL | CLONE_NEWUSER | SIGCHLD, NULL, NULL, NULL, NULL);

    (void)target;
    if (pid == 0)
        _exit(0);
    return errno_of(pid);
}

static int clone3_user(const struct target *target)
{
    unsigned long long arguments[11] = {[0] = CLONE_NEWUSER, [4] = SIGCHLD};
    long pid = syscall(SYS_clone3, arguments, sizeof(arguments));

    (void)target;
    if (pid == 0)
        _exit(0);
    return errno_of(pid);
}

static int join_init(const struct target *target)
{
    int fd = open("/proc/1/ns/mnt", O_RDONLY);

    (void)target;
    return errno_of(syscall(SYS_setns, fd < 0 ? 0 : fd, 0));
}

static int ring(const struct target *target)
{
    char parameters[120] = {0};

    (void)target;
    return errno_of_fd(syscall(SYS_io_uring_setup, 4, parameters));
}

static int steal_descriptor(const struct target *target)
{
    long process = syscall(SYS_pidfd_open, 1, 0);

    (void)target;
    return errno_of_fd(syscall(SYS_pidfd_getfd, process < 0 ? 0 : process, 3, 0));
}

static int push_input(const struct target *target)
{
    (void)target;
    return errno_of(ioctl(0, TIOCSTI, "x"));
}

static int push_input_in_disguise(const struct target *target)
{
    (void)target;
    return errno_of(syscall(SYS_ioctl, 0, 0xffffffff00000000UL | TIOCSTI, "x"));
}

static int select_console(const struct target *target)
{
    (void)target;
    return errno_of(ioctl(0, 0x541c /* TIOCLINUX */, "x"));
}

#ifdef __x86_64__
static int call_i386(const struct target *target)
{
    long result;

    (void)target;
    /* open(2) by the i386 door: 5 is fstat in x86_64 numbers */
    __asm__ volatile("int $0x80"
                     : "=a"(result)
                     : "a"(20L)
                     : "memory", "r8", "r9", "r10", "r11");
    return result > 0 ? GOT_THROUGH : ENOSYS;
}
#endif

const struct attempt attempts_on_kernel[] = {
    {"namespace-user", "unshare a user namespace", unshare_user, {EPERM}, SILENT},
    {"namespace-mount", "unshare a mount namespace", unshare_mount, {EPERM}, SILENT},
    {"namespace-net", "unshare a network namespace", unshare_net, {EPERM}, SILENT},
    {"namespace-time", "unshare a time namespace", unshare_time, {EPERM, ENOSYS}, SILENT},
    {"namespace-clone", "clone into a user namespace", clone_user, {EPERM}, SILENT},
    {"namespace-clone-disguise",
     "the same with bits above 32",
     clone_user_in_disguise,
     {EPERM},
     SILENT},
    {"namespace-clone3", "the same by clone3", clone3_user, {ENOSYS}, SILENT},
    {"namespace-join", "setns to pid 1", join_init, {EPERM}, SILENT},
    {"io-uring", "io_uring, which acts past a filter", ring, {EPERM}, SILENT},
    {"bpf", "bpf", call_bpf, {EPERM}, SILENT},
    {"userfaultfd", "userfaultfd", call_userfaultfd, {EPERM}, SILENT},
    {"perf", "perf_event_open", call_perf, {EPERM}, SILENT},
    {"keyring", "keyctl", call_keyctl, {EPERM}, SILENT},
    {"keyring-add", "add_key", call_add_key, {EPERM}, SILENT},
    {"keyring-request", "request_key", call_request_key, {EPERM}, SILENT},
    {"kexec", "kexec_load", call_kexec, {EPERM}, SILENT},
    {"module", "init_module", call_init_module, {EPERM}, SILENT},
    {"module-file", "finit_module", call_finit_module, {EPERM}, SILENT},
    {"reboot", "reboot", call_reboot, {EPERM}, SILENT},
    {"swap", "swapon", call_swapon, {EPERM}, SILENT},
    {"accounting", "acct", call_acct, {EPERM}, SILENT},
    {"kernel-log", "syslog", call_syslog, {EPERM}, SILENT},
    {"quota", "quotactl", call_quotactl, {EPERM}, SILENT},
    {"time", "settimeofday", call_settimeofday, {EPERM}, SILENT},
    {"hostname", "sethostname", call_sethostname, {EPERM}, SILENT},
    {"fanotify", "fanotify_init", call_fanotify, {EPERM}, SILENT},
    {"trace-init", "ptrace attach to pid 1", call_attach, {EPERM}, SILENT},
    {"trace-me", "ptrace at all", call_traceme, {EPERM}, SILENT},
    {"memory-read", "process_vm_readv", call_vm_readv, {EPERM}, SILENT},
    {"memory-write", "process_vm_writev", call_vm_writev, {EPERM}, SILENT},
    {"descriptor-steal", "pidfd_getfd from pid 1", steal_descriptor, {EPERM}, SILENT},
    {"compare", "kcmp", call_kcmp, {EPERM}, SILENT},
    {"personality",
     "personality with a page at zero",
     call_personality,
     {ENOSYS, EPERM},
     SILENT},
    {"future-call", "a call newer than the table", call_future, {ENOSYS}, SILENT},
    {"terminal-push", "TIOCSTI", push_input, {EPERM}, SILENT},
    {"terminal-push-disguise",
     "TIOCSTI with bits above 32",
     push_input_in_disguise,
     {EPERM},
     SILENT},
    {"terminal-console", "TIOCLINUX", select_console, {EPERM}, SILENT},
#ifdef __x86_64__
    {"ldt", "modify_ldt", call_modify_ldt, {EPERM}, SILENT},
    {"ports", "iopl", call_iopl, {EPERM}, SILENT},
    {"abi-i386", "system calls of i386", call_i386, {KILLED}, SILENT},
    {"abi-x32", "system calls of x32", call_x32, {KILLED}, SILENT},
#endif
};
const size_t attempts_on_kernel_count = COUNT(attempts_on_kernel);
