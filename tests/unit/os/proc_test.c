/* What the kernel says of a process, whatever that calls itself. */
#include "test.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/prctl.h>
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
        {"12 (sh)" REST, true},       {"12 (a) S 1 (b) c)" REST, true}, {"12 (\n)" REST, true},
        {"12 ()" REST, true},         {"", false},                     {")", false},
        {"12 (sh) S 7 8", false},     {"12 (sh", false},               {"12 (sh)", false},
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

int main(void)
{
    const struct CMUnitTest tests[] = {TEST(a_name_may_hold_anything),
                                       TEST(a_process_finds_itself)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
