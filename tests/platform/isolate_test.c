/* What we assume of the kernel when a role gives things up. Each try runs in a child. */
#include "test.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/scope.h"
#include "os/isolate.h"

/* Exit code of `act` in a child; 200 + signal when one ended it. */
static int in_child(int (*act)(const void *), const void *self)
{
    pid_t pid = fork();
    int status = 0;

    assert_true(pid >= 0);
    if (pid == 0)
        _exit(act(self));
    assert_int_equal(waitpid(pid, &status, 0), pid);
    return WIFSIGNALED(status) ? 200 + WTERMSIG(status) : WEXITSTATUS(status);
}

static int errno_of(long result)
{
    return result < 0 ? errno : 0;
}

static int try_open(void)
{
    return errno_of(open("/etc/hostname", O_RDONLY | O_CLOEXEC));
}

static int try_create(void)
{
    return errno_of(open("/tmp", O_TMPFILE | O_WRONLY, 0600));
}

static int try_internet(void)
{
    return errno_of(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
}

static int try_internet_in_disguise(void)
{
    return errno_of(syscall(SYS_socket, 0x100000000L | AF_INET, SOCK_STREAM, 0));
}

static int try_packet(void)
{
    return errno_of(socket(AF_PACKET, SOCK_RAW, 0));
}

static int try_local(void)
{
    return errno_of(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
}

static int try_pair(void)
{
    int ends[2];

    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) < 0)
        return errno;
    return close(ends[0]) < 0 || close(ends[1]) < 0 ? errno : 0;
}

static int try_process(void)
{
    pid_t pid = fork();

    if (pid == 0)
        _exit(0);
    return errno_of(pid);
}

static int try_exec(void)
{
    static char *const argv[] = {(char *)(uintptr_t) "/bin/true", NULL};

    return errno_of(execv(argv[0], argv)); /* true exits 0 */
}

static int try_trace(void)
{
    return errno_of(syscall(SYS_ptrace, 0 /* TRACEME */, 0, 0, 0));
}

static int try_mount(void)
{
    return errno_of(syscall(SYS_mount, "none", "/nowhere", "tmpfs", 0, NULL));
}

static int try_namespace(void)
{
    return errno_of(syscall(SYS_unshare, CLONE_NEWUSER));
}

static int try_ring(void)
{
    return errno_of(syscall(SYS_io_uring_setup, 4, NULL));
}

static int try_executable_memory(void)
{
    void *at = mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    return at == MAP_FAILED ? errno : 0;
}

static int try_write(void)
{
    int ends[2];

    if (pipe(ends) < 0 || write(ends[1], "x", 1) != 1)
        return errno;
    return close(ends[0]) < 0 || close(ends[1]) < 0 ? errno : 0;
}

static int try_call_of_the_future(void)
{
    return errno_of(syscall(900));
}

struct attempt {
    int (*act)(void);
    int profile;
};

static int attempt_under_profile(const void *self)
{
    const struct attempt *attempt = self;
    struct fault fault = {0};

    if (!isolate_syscalls((enum isolate_profile)attempt->profile, &fault))
        return 255;
    return attempt->act();
}

static void each_profile_allows_its_row_and_nothing_else(void **state)
{
    static const struct {
        const char *name;
        int (*act)(void);
        int expected[ISOLATE_PROFILE_COUNT]; /* SCAN VIEW DOOR GATEWAY COLLECT LEDGER
                                                 OBSERVER GUARD UNPACK */
    } rows[] = {
        {"write", try_write, {0, 0, 0, 0, 0, 0, 0, 0, 0}},
        {"open", try_open, {EPERM, 0, EPERM, 0, 0, 0, 0, 0, 0}},
        {"create", try_create, {EPERM, 0, EPERM, 0, 0, 0, 0, 0, 0}},
        {"internet",
         try_internet,
         {EPERM, EPERM, EPERM, 0, EPERM, EPERM, EPERM, EPERM, EPERM}},
        {"disguise",
         try_internet_in_disguise,
         {EPERM, EPERM, EPERM, 0, EPERM, EPERM, EPERM, EPERM, EPERM}},
        {"packet",
         try_packet,
         {EPERM, EPERM, EPERM, EPERM, EPERM, EPERM, EPERM, EPERM, EPERM}},
        {"local", try_local, {EPERM, EPERM, EPERM, 0, 0, 0, EPERM, EPERM, EPERM}},
        {"process", try_process, {EPERM, EPERM, EPERM, EPERM, 0, EPERM, EPERM, EPERM, EPERM}},
        {"exec", try_exec, {EPERM, EPERM, EPERM, EPERM, 0, EPERM, EPERM, EPERM, EPERM}},
        {"trace", try_trace, {EPERM, EPERM, EPERM, EPERM, EPERM, EPERM, EPERM, EPERM, EPERM}},
        {"mount", try_mount, {EPERM, EPERM, EPERM, EPERM, EPERM, EPERM, EPERM, EPERM, EPERM}},
        {"namespace",
         try_namespace,
         {EPERM, EPERM, EPERM, EPERM, EPERM, EPERM, EPERM, EPERM, EPERM}},
        {"ring", try_ring, {EPERM, EPERM, EPERM, EPERM, EPERM, EPERM, EPERM, EPERM, EPERM}},
        {"future",
         try_call_of_the_future,
         {EPERM, EPERM, EPERM, EPERM, EPERM, EPERM, EPERM, EPERM, EPERM}},
        {"pair", try_pair, {EPERM, EPERM, EPERM, 0, 0, 0, EPERM, 0, EPERM}},
        {"executable memory",
         try_executable_memory,
         {EPERM, EPERM, EPERM, 0, 0, 0, EPERM, EPERM, EPERM}},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++)
        for (int profile = 0; profile < ISOLATE_PROFILE_COUNT; profile++) {
            struct attempt attempt = {.act = rows[i].act, .profile = profile};
            int seen = in_child(attempt_under_profile, &attempt);

            if (seen != rows[i].expected[profile])
                fail_msg("%s under profile %d: %d, not %d", rows[i].name, profile, seen,
                         rows[i].expected[profile]);
        }
}

#ifdef __x86_64__
static int call_i386(void)
{
    long result;

    /* getpid by the i386 door: its number is x86_64's writev */
    __asm__ volatile("int $0x80"
                     : "=a"(result)
                     : "a"(20L)
                     : "memory", "r8", "r9", "r10", "r11");
    return result > 0 ? 0 : 1;
}

static int call_x32(void)
{
    return errno_of(syscall(0x40000000L + SYS_getpid));
}
#endif

static void foreign_architectures_kill(void **state)
{
    (void)state;
#ifdef __x86_64__
    for (int profile = 0; profile < ISOLATE_PROFILE_COUNT; profile++) {
        struct attempt i386 = {.act = call_i386, .profile = profile};
        struct attempt x32 = {.act = call_x32, .profile = profile};

        assert_int_equal(in_child(attempt_under_profile, &i386), 200 + SIGSYS);
        assert_int_equal(in_child(attempt_under_profile, &x32), 200 + SIGSYS);
    }
#else
    print_message("skipped: this architecture has no second door\n");
    skip();
#endif
}

struct landlock_case {
    int abi;
    const char *folder;
};

/* 0: as promised; else which promise broke. */
static int files_within(const void *self)
{
    const struct landlock_case *at = self;
    struct isolate_path paths[] = {
        {.path = at->folder, .access = ISOLATE_READ | ISOLATE_WRITE},
        {.path = "/usr", .access = ISOLATE_READ | ISOLATE_EXECUTE},
        {.path = "/nowhere/at/all", .access = ISOLATE_READ, .optional = true},
    };
    struct isolate_enforced enforced = {0};
    struct fault fault = {0};

    if (!isolate_files(paths, COUNT(paths), at->abi, &enforced, &fault) ||
        enforced.abi != at->abi)
        return 1;
    if (open("/etc/hostname", O_RDONLY) >= 0 || errno != EACCES)
        return 2;
    if (chdir(at->folder) < 0 || open("new", O_CREAT | O_WRONLY, 0600) < 0 ||
        unlink("new") < 0)
        return 3;
    if (open("/usr/bin/env", O_RDONLY) < 0)
        return 4;
    if (open("/usr/new", O_CREAT | O_WRONLY, 0600) >= 0)
        return 5;
    /* From ABI 6 on signals stay inside, whoever the outside process belongs to. */
    if (at->abi >= 6 && (kill(getppid(), 0) == 0 || errno != EPERM))
        return 6;
    if (at->abi < 6 && kill(getppid(), 0) < 0)
        return 7;
    return 0;
}

static void landlock_holds_with_every_abi_this_kernel_has(void **state)
{
    char folder[] = "/tmp/custody-landlock-XXXXXX";
    int kernel = isolate_landlock_abi();

    (void)state;
    if (kernel == 0) {
        print_message("skipped: this kernel has no Landlock\n");
        skip();
    }
    assert_non_null(mkdtemp(folder));
    for (int abi = 1; abi <= kernel; abi++) {
        struct landlock_case at = {.abi = abi, .folder = folder};
        int broken = in_child(files_within, &at);

        if (broken != 0)
            fail_msg("ABI %d: promise %d broke", abi, broken);
    }
    assert_int_equal(rmdir(folder), 0);
}

static int files_without_landlock(const void *self)
{
    struct isolate_enforced enforced = {.abi = 9};
    struct fault fault = {0};

    (void)self;
    return isolate_files(NULL, 0, 0, &enforced, &fault) && enforced.abi == 0 && try_open() == 0
               ? 0
               : 1;
}

static void a_kernel_without_landlock_is_told_not_hidden(void **state)
{
    (void)state;
    assert_int_equal(in_child(files_without_landlock, NULL), 0);
}

static int become_nobody(const void *self)
{
    const uint64_t keep = *(const uint64_t *)self;
    struct fault fault = {0};
    int death = 0;
    uid_t real, effective, saved;

    if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0 || !isolate_user(65534, 65534, keep, &fault))
        return 1;
    if (getresuid(&real, &effective, &saved) < 0 || real != 65534 || effective != 65534 ||
        saved != 65534 || getgroups(0, NULL) != 0)
        return 2;
    if (prctl(PR_GET_PDEATHSIG, &death) < 0 || death != SIGKILL)
        return 3;
    if (prctl(PR_GET_DUMPABLE) != 0)
        return 4;
    if (setuid(0) == 0)
        return 5;
    if ((open("/etc/shadow", O_RDONLY) >= 0) != (keep != 0))
        return 6;
    if (prctl(PR_CAPBSET_READ, CAP_SYS_ADMIN, 0, 0, 0) != 0)
        return 7;
    return 0;
}

static void root_becomes_somebody_and_stays_it(void **state)
{
    static const uint64_t keeps[] = {0, 1ULL << CAP_DAC_READ_SEARCH};

    (void)state;
    if (geteuid() != 0) {
        print_message("skipped: only root can become somebody else\n");
        skip();
    }
    for (size_t i = 0; i < COUNT(keeps); i++)
        assert_int_equal(in_child(become_nobody, &keeps[i]), 0);
}

static int drop_all(const void *self)
{
    struct fault fault = {0};

    (void)self;
    if (!isolate_capabilities(0, &fault) || !isolate_no_new_privs(&fault))
        return 1;
    if (unshare(CLONE_NEWNET) == 0 || errno != EPERM)
        return 2;
    return 0;
}

static void capabilities_are_gone_for_good(void **state)
{
    (void)state;
    assert_int_equal(in_child(drop_all, NULL), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(each_profile_allows_its_row_and_nothing_else),
        TEST(foreign_architectures_kill),
        TEST(landlock_holds_with_every_abi_this_kernel_has),
        TEST(a_kernel_without_landlock_is_told_not_hidden),
        TEST(root_becomes_somebody_and_stays_it),
        TEST(capabilities_are_gone_for_good),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
