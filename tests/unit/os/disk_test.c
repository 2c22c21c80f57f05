#include "test.h"

#include <fcntl.h>
#include <unistd.h>

#include "base/scope.h"
#include "os/disk.h"

#define MIB (UINT64_C(1) << 20)
#define GIB (UINT64_C(1) << 30)

static void a_limit_is_a_share_of_a_small_disk_and_a_size_of_a_large_one(void **state)
{
    static const struct {
        uint64_t total, warn, refuse;
    } cases[] = {
        {0, 0, 0},
        {100 * MIB, 20 * MIB, 5 * MIB},
        {4 * GIB, 4 * GIB / 100 * 20, 4 * GIB / 100 * 5},
        {16384 * GIB, GIB, 256 * MIB},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        assert_true(disk_limit(DISK_WARN, cases[i].total) == cases[i].warn);
        assert_true(disk_limit(DISK_REFUSE, cases[i].total) == cases[i].refuse);
    }
}

/* A disk of 1000 MiB: warn below 200, refuse below 50; back again above 225 and 56.25. */
static void leaving_a_level_takes_more_than_entering_it(void **state)
{
    static const struct {
        uint64_t free_mib;
        enum disk_level before, now;
    } cases[] = {
        {1000, DISK_OK, DISK_OK},       {200, DISK_OK, DISK_OK},
        {199, DISK_OK, DISK_WARN},      {210, DISK_WARN, DISK_WARN},
        {226, DISK_WARN, DISK_OK},      {50, DISK_WARN, DISK_WARN},
        {49, DISK_OK, DISK_REFUSE},     {0, DISK_OK, DISK_REFUSE},
        {55, DISK_REFUSE, DISK_REFUSE}, {57, DISK_REFUSE, DISK_WARN},
        {999, DISK_REFUSE, DISK_OK},    {999, DISK_FULL, DISK_FULL},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct disk_space space = {.total = 1000 * MIB, .free = cases[i].free_mib * MIB};
        enum disk_level now = disk_level_of(&space, cases[i].before);

        if (now != cases[i].now)
            fail_msg("%llu MiB after %s: %s", (unsigned long long)cases[i].free_mib,
                     disk_level_name(cases[i].before), disk_level_name(now));
    }
}

static void file_systems_have_names_and_kinds(void **state)
{
    AUTO_CLOSE int proc = open("/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    AUTO_CLOSE int memory = open("/dev/shm", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    struct disk_space space;
    struct fault fault = {0};
    enum disk_kind kind;
    const char *name;

    (void)state;
    assert_ok(disk_kind_of(proc, &kind, &name, &fault), fault);
    assert_int_equal(kind, DISK_LOCAL);
    assert_string_equal(name, "other");
    if (memory < 0)
        return;
    assert_ok(disk_kind_of(memory, &kind, &name, &fault), fault);
    assert_int_equal(kind, DISK_VOLATILE);
    assert_string_equal(name, "tmpfs");
    assert_ok(disk_space_of(memory, &space, &fault), fault);
    assert_true(space.free <= space.total);
    assert_false(disk_space_of(-1, &space, &fault));
}

static void sizes_are_said_in_round_numbers(void **state)
{
    static const struct {
        uint64_t bytes;
        const char *text;
    } cases[] = {{0, "0 bytes"},
                 {10239, "10239 bytes"},
                 {10240, "10 KiB"},
                 {3 * MIB, "3072 KiB"},
                 {300 * MIB, "300 MiB"},
                 {UINT64_MAX, "17179869183 GiB"}};
    char text[DISK_TEXT_BYTES];

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        disk_size_text(cases[i].bytes, text);
        assert_string_equal(text, cases[i].text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_limit_is_a_share_of_a_small_disk_and_a_size_of_a_large_one),
        TEST(leaving_a_level_takes_more_than_entering_it),
        TEST(file_systems_have_names_and_kinds),
        TEST(sizes_are_said_in_round_numbers),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
