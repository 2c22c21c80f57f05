#include "cell/place.h"

#include <errno.h>

#include "test.h"

static const struct cell_host all_there = {.landlock_abi = 6};

static void each_mode_has_a_name_of_its_own_that_is_read_back(void **state)
{
    (void)state;
    for (size_t i = 0; i < CELL_MODE_COUNT; i++) {
        struct cell_mode mode;

        assert_true(cell_mode_parse(slice_of(cell_mode_name(cell_modes[i])), &mode));
        assert_true(cell_mode_same(mode, cell_modes[i]));
    }
    struct cell_mode mode;

    assert_false(cell_mode_parse(SLICE("namespaces"), &mode));
    assert_false(cell_mode_parse(SLICE("namespaces/fuse "), &mode));
    assert_false(cell_mode_parse(SLICE(""), &mode));
}

static void the_strongest_that_the_host_has_is_chosen(void **state)
{
    struct fault fault = {0};
    struct cell_mode mode = {CELL_LANDLOCK, CELL_INJECTED};

    (void)state;
    assert_true(cell_mode_choose(&all_there, false, NULL, &mode, &fault));
    assert_string_equal(cell_mode_name(mode), "namespaces/fuse");
    assert_true(cell_mode_choose(&all_there, true, NULL, &mode, &fault));
    assert_string_equal(cell_mode_name(mode), "namespaces/fuse");
}

static void a_host_with_none_says_what_is_missing_and_what_to_do(void **state)
{
    const struct cell_host host = {
        .namespaces = EPERM, .fuse = EACCES, .fusermount = ENOENT, .notification = EINVAL};
    struct fault fault = {0};
    struct cell_mode mode;

    (void)state;
    assert_false(cell_mode_choose(&host, true, NULL, &mode, &fault));
    assert_int_equal(fault.kind, FAULT_HOST);
    assert_non_null(strstr(fault.why, "namespaces/fuse: no namespaces for this user"));
    assert_non_null(strstr(fault.why, "landlock/fuse: "));
}

static void a_need_that_is_not_met_is_named_with_its_remedy(void **state)
{
    static const struct {
        struct cell_host host;
        const char *why;
    } cases[] = {
        {{.fuse = EACCES, .landlock_abi = 6}, "chmod 0666 /dev/fuse"},
        {{.fuse = ENOENT, .landlock_abi = 6}, "modprobe fuse"},
        {{.namespaces = ENOSPC, .landlock_abi = 6}, "no namespaces for this user"},
    };
    char why[CELL_WHY_BYTES];

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        assert_false(cell_host_offers(&cases[i].host, cell_modes[0], why));
        assert_non_null(strstr(why, cases[i].why));
    }
    assert_true(cell_host_offers(&all_there, cell_modes[0], why));
    assert_string_equal(why, "");
}

/* A host without namespaces for its users, and all that it takes to do without. */
static const struct cell_host shared_host = {.namespaces = ENOSPC, .landlock_abi = 7};

static void without_namespaces_there_is_a_place_that_policy_must_take(void **state)
{
    struct fault fault = {0};
    struct cell_mode mode;

    (void)state;
    assert_true(cell_mode_choose(&shared_host, true, NULL, &mode, &fault));
    assert_string_equal(cell_mode_name(mode), "landlock/fuse");
    assert_true(cell_mode_is_degraded(mode));
    assert_false(cell_mode_choose(&shared_host, false, NULL, &mode, &fault));
    assert_non_null(strstr(fault.why, "containment: degraded"));
}

static void what_that_place_needs_is_named_with_its_remedy(void **state)
{
    static const struct {
        struct cell_host host;
        const char *why;
    } cases[] = {
        {{.root = true, .landlock_abi = 7}, "ordinary user"},
        {{.landlock_abi = 0}, "no Landlock ("},
        {{.landlock_abi = 5}, "at least 6.12"},
        {{.landlock_abi = 7, .notification = EINVAL}, "at least 5.9"},
        {{.landlock_abi = 7, .ptrace_scope = 2}, "ptrace_scope=1"},
        {{.landlock_abi = 7, .fusermount = ENOENT}, "apt-get install fuse3"},
        {{.landlock_abi = 7, .fusermount = EPERM}, "set-user-id root"},
        {{.landlock_abi = 7, .fusermount = EACCES}, "no_new_privs"},
        {{.landlock_abi = 7, .fusermount = ESRCH}, "/etc/passwd"},
        {{.landlock_abi = 7, .fuse = ENOENT}, "modprobe fuse"},
    };
    const struct cell_mode wanted = {CELL_LANDLOCK, CELL_FUSE};
    const struct cell_host closed = {.landlock_abi = 7, .fuse = EACCES};
    char why[CELL_WHY_BYTES];

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        assert_false(cell_host_offers(&cases[i].host, wanted, why));
        assert_non_null(strstr(why, cases[i].why));
    }
    assert_true(cell_host_offers(&closed, wanted, why)); /* fusermount3 opens /dev/fuse */
}

static void nobody_chooses_what_the_host_does_not_have(void **state)
{
    const struct cell_host host = {.fuse = EACCES, .landlock_abi = 6};
    const struct cell_mode wanted = {CELL_NAMESPACES, CELL_FUSE};
    struct fault fault = {0};
    struct cell_mode mode;

    (void)state;
    assert_false(cell_mode_choose(&host, true, &wanted, &mode, &fault));
    assert_int_equal(fault.kind, FAULT_HOST);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(each_mode_has_a_name_of_its_own_that_is_read_back),
        TEST(the_strongest_that_the_host_has_is_chosen),
        TEST(a_host_with_none_says_what_is_missing_and_what_to_do),
        TEST(a_need_that_is_not_met_is_named_with_its_remedy),
        TEST(without_namespaces_there_is_a_place_that_policy_must_take),
        TEST(what_that_place_needs_is_named_with_its_remedy),
        TEST(nobody_chooses_what_the_host_does_not_have),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
