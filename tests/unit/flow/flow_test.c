#include "test.h"

#include "flow/flow.h"

static void only_steps_of_the_table_can_happen(void **state)
{
    struct fault fault = {0};
    enum run_state run = RUN_PREPARING;
    enum change_state change = CHANGE_BLOCKED;

    (void)state;
    assert_false(run_step(&run, RUN_EVENT_CHANGE_READY, &fault));
    assert_int_equal(run, RUN_PREPARING);
    assert_ok(run_step(&run, RUN_EVENT_PREPARED, &fault), fault);
    assert_ok(run_step(&run, RUN_EVENT_ENFORCED, &fault), fault);
    assert_ok(run_step(&run, RUN_EVENT_AGENT_ENDED, &fault), fault);
    assert_ok(run_step(&run, RUN_EVENT_CHANGE_READY, &fault), fault);
    assert_true(run_state_is_final(run));
    assert_false(change_step(&change, CHANGE_EVENT_APPROVED, &fault));
    assert_int_equal(fault.kind, FAULT_CONFLICT);
    assert_int_equal(change, CHANGE_BLOCKED);
}

static void a_landed_change_stays_landed(void **state)
{
    (void)state;
    for (unsigned event = 0; event < CHANGE_EVENT_COUNT; event++) {
        struct fault fault = {0};
        enum change_state change = CHANGE_LANDED;

        assert_false(change_step(&change, (enum change_event)event, &fault));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(only_steps_of_the_table_can_happen),
        TEST(a_landed_change_stays_landed),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
