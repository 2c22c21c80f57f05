/* What a plan may say, and what the filter's table says. */
#include "test.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/scope.h"
#include "cell/filter.h"
#include "ground.h"
#include "cell/plan.h"

static const char *const argv_true[] = {"true", NULL};

static enum fault_kind check(const struct ground *ground)
{
    struct fault fault = {0};

    return plan_check(&ground->plan, &fault) ? FAULT_NONE : fault.kind;
}

static void a_repository_covers_nothing_that_the_cell_needs(void **state)
{
    static const struct {
        const char *path;
        bool ok;
    } cases[] = {
        {"/data/x", true},
        {"/var/tmp/x", false},
        {"/home/me/x", true},
        {"/usr/src/x", true},
        {"/tmp/x", true},
        {"/srv/x", true},
        {"/devel", true},
        {"", false},
        {"work/x", false},
        {"/", false},
        {"/usr", false},
        {"/tmp", false},
        {"/home", false},
        {"/proc/1", false},
        {"/proc", false},
        {"/dev/shm/x", false},
        {"/etc/x", false},
        {"/sys/x", false},
        {"/run/custody/x", false},
        {"/opt/engine/x", false},
        {"/a/../etc", false},
        {"/a/./b", false},
        {"/a//b", false},
        {"/a/", false},
        {"/home/agent", false},
    };
    struct ground ground;

    (void)state;
    ground_begin(&ground);
    ground.plan.argv = argv_true;
    for (size_t i = 0; i < COUNT(cases); i++) {
        ground.plan.repository = cases[i].path;
        if ((check(&ground) == FAULT_NONE) != cases[i].ok)
            fail_msg("%s", cases[i].path);
    }
    ground_end(&ground);
}

static void standard_streams_lead_nowhere(void **state)
{
    struct ground ground;
    int pair[2], ends[2];
    int file, null, folder;

    (void)state;
    ground_begin(&ground);
    ground.plan.argv = argv_true;
    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
    file = open("/etc/hostname", O_RDONLY | O_CLOEXEC);
    null = open("/dev/null", O_RDWR | O_CLOEXEC);
    folder = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    {
        const struct {
            int fd;
            enum fault_kind kind;
        } cases[] = {{-1, FAULT_NONE},      {ends[0], FAULT_NONE},   {null, FAULT_NONE},
                     {file, FAULT_INVALID}, {folder, FAULT_INVALID}, {pair[0], FAULT_INVALID}};

        for (size_t i = 0; i < COUNT(cases); i++) {
            ground.plan.err = cases[i].fd;
            assert_int_equal(check(&ground), cases[i].kind);
        }
    }
    ground.plan.err = -1;
    ground.plan.terminal = true; /* one of the cell's */
    assert_int_equal(check(&ground), FAULT_NONE);
    ground.plan.in = null; /* and no terminal */
    assert_int_equal(check(&ground), FAULT_INVALID);
    ground.plan.in = -1;
    (void)close(file);
    (void)close(null);
    (void)close(folder);
    for (int i = 0; i < 2; i++) {
        (void)close(ends[i]);
        (void)close(pair[i]);
    }
    ground_end(&ground);
}

static void paths_of_a_plan_stay_where_they_are_put(void **state)
{
    static const char *const bad[] = {"..", "a/../b", "/abs", "", "a//b", "./a", "a/"};
    struct ground ground;

    (void)state;
    ground_begin(&ground);
    ground.plan.argv = argv_true;
    for (size_t i = 0; i < COUNT(bad); i++) {
        struct cell_scratch scratch = {.path = bad[i], .fd = 0};
        struct cell_file file = {.path = bad[i]};
        struct cell_mount mount = {.kind = CELL_FOLDER, .target = bad[i]};
        size_t count = ground.plan.mounts.count;

        ground.plan.scratch = &scratch;
        ground.plan.scratch_count = 1;
        assert_int_equal(check(&ground), FAULT_INVALID);
        ground.plan.scratch_count = 0;
        ground.plan.files = &file;
        ground.plan.file_count = 1;
        assert_int_equal(check(&ground), FAULT_INVALID);
        ground.plan.file_count = 0;
        ground.plan.canary.denied_path = bad[i];
        assert_int_equal(check(&ground), FAULT_INVALID);
        ground.plan.canary.denied_path = NULL;
        if (bad[i][0] == '/')
            continue;
        cell_mounts_add(&ground.plan.mounts, &mount);
        assert_int_equal(check(&ground), FAULT_INVALID);
        free((void *)(uintptr_t)ground.plan.mounts.at[count].target);
        ground.plan.mounts.count = count;
    }
    assert_int_equal(check(&ground), FAULT_NONE);
    ground_end(&ground);
}

static void the_cells_user_is_root_nowhere(void **state)
{
    struct ground ground;

    (void)state;
    ground_begin(&ground);
    ground.plan.argv = argv_true;
    ground.plan.uid = geteuid() == 0 ? (uid_t)-1 : 5;
    assert_int_equal(check(&ground), FAULT_INVALID);
    ground.plan.uid = 0;
    assert_int_equal(check(&ground), FAULT_INVALID);
    ground_end(&ground);
}

static void a_run_id_is_a_plain_word(void **state)
{
    static const char *const bad[] = {"", ".", "../x", "a/b", "a b", NULL};
    struct ground ground;

    (void)state;
    ground_begin(&ground);
    ground.plan.argv = argv_true;
    for (size_t i = 0; i < COUNT(bad); i++) {
        ground.plan.run = bad[i];
        assert_int_equal(check(&ground), FAULT_INVALID);
    }
    ground_end(&ground);
}

static void a_call_is_judged_once(void **state)
{
    (void)state;
    for (size_t i = 0; i < calls_count; i++) {
        if (calls_number(calls_table[i].name) < 0)
            print_message("not of this architecture: %s\n", calls_table[i].name);
        for (size_t k = i + 1; k < calls_count; k++)
            if (strcmp(calls_table[i].name, calls_table[k].name) == 0)
                fail_msg("twice: %s", calls_table[i].name);
        for (size_t k = 0; k < filter_refused_count; k++)
            if ((calls_table[i].group & (CALLS_RING | CALLS_WATCH)) ==
                    0 && /* never a cell's */
                strcmp(calls_table[i].name, filter_refused[k].call) == 0)
                fail_msg("allowed and refused: %s", calls_table[i].name);
    }
}

static void the_digest_is_that_of_the_table(void **state)
{
    char one[65], two[65];
    struct fault fault = {0};

    (void)state;
    assert_ok(cell_filter_digest(CELL_NAMESPACES, one, &fault), fault);
    assert_ok(cell_filter_digest(CELL_NAMESPACES, two, &fault), fault);
    assert_string_equal(one, two);
    assert_int_equal(strlen(one), 64);
}

static void assert_is_program(scmp_filter_ctx filter, const struct calls_program *program)
{
    static struct sock_filter steps[4096];
    AUTO_CLOSE int fd = memfd_create("filter", MFD_CLOEXEC);

    assert_true(fd >= 0);
    assert_int_equal(seccomp_export_bpf(filter, fd), 0);
    assert_int_equal(pread(fd, steps, sizeof(steps), 0),
                     (size_t)program->count * sizeof(steps[0]));
    assert_memory_equal(steps, program->at, (size_t)program->count * sizeof(steps[0]));
}

/* As they are built with custody, and as the tables say. */
static void filters_that_are_installed_are_those_of_the_tables(void **state)
{
    struct calls_filter filter = {0};
    struct fault fault = {0};

    (void)state;
    for (unsigned i = 0; i < ISOLATE_PROFILE_COUNT; i++) {
        assert_ok(calls_of_profile((enum isolate_profile)i, &filter, &fault), fault);
        assert_is_program(filter.allow, &isolate_programs[i].allow);
        assert_is_program(filter.refuse, &isolate_programs[i].refuse);
        calls_end(&filter);
    }
    for (unsigned i = 0; i < CELL_PLACE_COUNT; i++) {
        assert_ok(filter_build((enum cell_place)i, &filter, &fault), fault);
        assert_is_program(filter.allow, &filter_programs[i].allow);
        assert_is_program(filter.refuse, &filter_programs[i].refuse);
        calls_end(&filter);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_repository_covers_nothing_that_the_cell_needs),
        TEST(standard_streams_lead_nowhere),
        TEST(paths_of_a_plan_stay_where_they_are_put),
        TEST(the_cells_user_is_root_nowhere),
        TEST(a_run_id_is_a_plain_word),
        TEST(a_call_is_judged_once),
        TEST(the_digest_is_that_of_the_table),
        TEST(filters_that_are_installed_are_those_of_the_tables),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
