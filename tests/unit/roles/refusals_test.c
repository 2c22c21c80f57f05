#include "test.h"

#include <stdio.h>

#include "base/scope.h"
#include "roles/guard/refusals.h"

static void the_first_is_told_and_then_each_doubling(void **state)
{
    struct refusals *refusals = refusals_new();
    bool is_known;
    unsigned told = 0;

    (void)state;
    for (uint32_t i = 1; i <= 100000; i++) {
        uint32_t count = refusals_add(refusals, "connect", SLICE("192.0.2.1 80"), &is_known);

        assert_true(is_known);
        assert_true(count == 0 || count == i);
        told += count != 0;
    }
    assert_int_equal(told, 17); /* 1, 2, 4, ... 65536 */
    /* another object, another act, and none: each by itself */
    assert_int_equal(refusals_add(refusals, "connect", SLICE("192.0.2.1 8"), &is_known), 1);
    assert_int_equal(refusals_add(refusals, "chmod", SLICE("192.0.2.1 80"), &is_known), 1);
    assert_int_equal(refusals_add(refusals, "connect", SLICE(""), &is_known), 1);
    assert_int_equal(refusals_add(refusals, "connect", SLICE(""), &is_known), 2);
    refusals_free(refusals);
    refusals_free(NULL);
}

/* However many objects an agent makes up. */
static void records_are_bounded(void **state)
{
    struct refusals *refusals = refusals_new();
    AUTO_FREE uint8_t *wide = xalloc(2 * REFUSALS_OBJECT_BYTES_MAX);
    unsigned told = 0, known = 0;
    bool is_known;

    (void)state;
    for (unsigned i = 0; i < 200000; i++) {
        AUTO_FREE char *object = xformat("/tmp/%u", i);

        told += refusals_add(refusals, "open", slice_of(object), &is_known) != 0;
        known += is_known;
    }
    assert_int_equal(known, REFUSALS_OBJECTS_MAX);
    assert_in_range(told, REFUSALS_OBJECTS_MAX + 1, REFUSALS_OBJECTS_MAX + 18);
    /* and what is known still counts by itself */
    assert_int_equal(refusals_add(refusals, "open", SLICE("/tmp/0"), &is_known), 2);
    assert_true(is_known);
    assert_int_equal(refusals_add(refusals, "exec",
                                  slice_of_bytes(wide, 2 * REFUSALS_OBJECT_BYTES_MAX),
                                  &is_known),
                     1);
    assert_false(is_known);
    refusals_free(refusals);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(the_first_is_told_and_then_each_doubling),
        TEST(records_are_bounded),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
