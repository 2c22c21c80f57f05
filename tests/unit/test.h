/* tests/unit/test.h - a test is a true sentence; TEST(f) also counts descriptors. */
#ifndef CUSTODY_TESTS_UNIT_TEST_H
#define CUSTODY_TESTS_UNIT_TEST_H

#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/bytes.h"
#include "base/fault.h"

/* How many times as long something may take: sanitizers look at each access. */
#ifdef __SANITIZE_ADDRESS__
#define TEST_SLOWER 20
#else
#define TEST_SLOWER 1
#endif

static inline size_t test_descriptor_count(void)
{
    DIR *dir = opendir("/proc/self/fd");
    size_t count = 0;

    while (dir != NULL && readdir(dir) != NULL)
        count++;
    if (dir != NULL)
        (void)closedir(dir);
    return count;
}

static inline int test_before(void **state)
{
    size_t *count = malloc(sizeof(*count));

    *count = test_descriptor_count();
    *state = count;
    return 0;
}

static inline int test_after(void **state)
{
    size_t before = *(size_t *)*state;

    free(*state);
    if (test_descriptor_count() != before) {
        print_error("descriptors leaked: %zu before, %zu after\n", before,
                    test_descriptor_count());
        return -1;
    }
    return 0;
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, test_before, test_after)

/* Fails with the fault's own words. */
#define assert_ok(expression, fault)                                                          \
    do {                                                                                      \
        if (!(expression))                                                                    \
            fail_msg("%s: %s", #expression, (fault).why);                                     \
    } while (0)

#endif
