/* What the kernel says of a process, whatever that calls itself. */
#include "test.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "base/scope.h"
#include "os/proc.h"

#define REST " S 7 8 8 0 -1 4194560 1 0 0 0 0 0 0 0 20 0 1 0 4711 1 2 3"

static void a_name_may_hold_anything(void **state)
{
    static const struct {
        const char *text;
        bool ok;
    } cases[] = {
        {"12 (sh)" REST, true},
        {"12 (a) S 1 (b) c)" REST, true},
        {"12 (\n)" REST, true},
        {"12 ()" REST, true},
        {"", false},
        {")", false},
        {"12 (sh) S 7 8", false},
        {"12 (sh", false},
        {"12 (sh)", false},
        {"12 (sh) S 7 8 8 0 -1 4194560 1 0 0 0 0 0 0 0 20 0 1 0 0 1", false},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct proc_stat stat = {0};

        assert_int_equal(proc_stat_parse(slice_of(cases[i].text), &stat), cases[i].ok);
        assert_int_equal(stat.parent, cases[i].ok ? 7 : 0);
        assert_int_equal(stat.started, cases[i].ok ? 4711 : 0);
    }
}

static void a_terminal_is_told_by_its_number(void **state)
{
    static const struct {
        unsigned device;
        int number;
    } cases[] = {{0, -1},
                 {34816, 0},
                 {34819, 3},
                 {0x401, -1},
                 {0x1088ff, 511},
                 {34816 | 255, 255},
                 {0xfff088ff, 0xfffff},
                 {137 << 8, -1}};

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct proc_stat stat = {0};
        char text[200];

        (void)snprintf(text, sizeof(text),
                       "4 (x) S 7 4 4 %d 4 0 0 0 0 0 0 0 0 0 0 0 0 0 4711 0",
                       (int)cases[i].device);
        assert_true(proc_stat_parse(slice_of(text), &stat));
        assert_int_equal(stat.terminal, cases[i].number);
    }
}

static void a_process_finds_itself(void **state)
{
    AUTO_CLOSE int folder = open("/proc/self", O_PATH | O_DIRECTORY | O_CLOEXEC);
    struct proc_stat stat, again;

    (void)state;
    assert_true(proc_stat_read(folder, &stat));
    assert_int_equal(prctl(PR_SET_NAME, ") 1 1 ("), 0);
    assert_true(proc_stat_read(folder, &again));
    assert_int_equal(stat.parent, getppid());
    assert_int_equal(again.parent, getppid());
    assert_true(stat.started > 0 && stat.started == again.started);
}

static void its_own_memory_is_no_cache(void **state)
{
    static const char rollup[] = "00400000-7fff r--p 00000000 00:00 0  [rollup]\n"
                                 "Rss:  9000 kB\nPss: 5000 kB\nPss_Anon: 30 kB\n"
                                 "Pss_File: 4000 kB\nPss_Shmem: 7 kB\nSwapPss: 5 kB\n";
    uint64_t bytes = 0;

    (void)state;
    assert_true(proc_own_parse(slice_of(rollup), &bytes));
    assert_int_equal(bytes, 42 * 1024);
    assert_false(proc_own_parse(slice_of("Pss: 5000 kB\n"), &bytes)); /* an older kernel */
    assert_false(proc_own_parse(slice_of(""), &bytes));
}

static void what_is_written_is_resident(void **state)
{
    AUTO_CLOSE int folder = open("/proc/self", O_PATH | O_DIRECTORY | O_CLOEXEC);
    AUTO_CLOSE int nobody = open("/proc/sys", O_PATH | O_DIRECTORY | O_CLOEXEC);
    uint64_t before = proc_own_bytes(folder);
    const size_t len = 32 << 20, slack = 4 << 20; /* statm is a little behind */
    /* Not malloc: what is written and freed, a compiler may leave out. */
    void *more = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    (void)state;
    assert_true(more != MAP_FAILED);
    memset(more, 1, len);
    assert_true(proc_own_bytes(folder) + slack >= before + len);
    assert_true(proc_resident_bytes(folder) + slack >= proc_own_bytes(folder));
    (void)munmap(more, len);
    assert_int_equal(proc_resident_bytes(nobody), 0);
    assert_true(proc_shared_bytes() < UINT64_MAX);
}

/* What is sent and not received is in nobody's table of descriptors. */
static void a_socket_tells_of_descriptors_in_it(void **state)
{
    AUTO_CLOSE int folder = open("/proc/self", O_PATH | O_DIRECTORY | O_CLOEXEC);
    union {
        struct cmsghdr header;
        char room[CMSG_SPACE(sizeof(int))];
    } control = {.header = {.cmsg_len = CMSG_LEN(sizeof(int)),
                            .cmsg_level = SOL_SOCKET,
                            .cmsg_type = SCM_RIGHTS}};
    struct iovec byte = {.iov_base = &(char){'x'}, .iov_len = 1};
    struct msghdr message = {.msg_iov = &byte,
                             .msg_iovlen = 1,
                             .msg_control = &control,
                             .msg_controllen = sizeof(control.room)};
    AUTO_FREE char *name = NULL;
    int ends[2];

    (void)state;
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
    name = xformat("%d", ends[1]);
    assert_int_equal(write(ends[0], "y", 1), 1);
    assert_false(proc_socket_holds_descriptors(folder, name));
    memcpy(CMSG_DATA(&control.header), &folder, sizeof(folder));
    assert_int_equal(sendmsg(ends[0], &message, 0), 1);
    if (!proc_socket_holds_descriptors(folder, name)) {
        struct utsname host;

        assert_int_equal(uname(&host), 0);
        if (strverscmp(host.release, "5.6") >= 0)
            fail_msg("Linux %s does not say", host.release);
    }
    (void)close(ends[0]);
    (void)close(ends[1]);
    assert_false(proc_socket_holds_descriptors(folder, name));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_name_may_hold_anything),    TEST(a_terminal_is_told_by_its_number),
        TEST(a_process_finds_itself),      TEST(its_own_memory_is_no_cache),
        TEST(what_is_written_is_resident), TEST(a_socket_tells_of_descriptors_in_it)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
