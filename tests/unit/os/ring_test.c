#include "test.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

#include "base/scope.h"
#include "os/clock_real.h"
#include "os/ring.h"

static struct ring *ring_that_polls(uint32_t flags)
{
    struct ring_settings settings = {.entries = 4,
                                     .flags = flags,
                                     .features = IORING_FEAT_EXT_ARG,
                                     .operations = {IORING_OP_POLL_ADD},
                                     .operation_count = 1};
    struct fault fault = {0};
    struct ring *ring;

    if (ring_new(&settings, &ring, &fault))
        return ring;
    assert_int_equal(fault.kind, FAULT_HOST);
    print_message("skipped: %s\n", fault.why);
    skip();
    return NULL;
}

static void add(struct ring *ring, uint8_t operation, int fd, uint64_t tag)
{
    struct io_uring_sqe *entry = ring_add(ring);

    assert_non_null(entry);
    entry->opcode = operation;
    entry->fd = fd;
    entry->user_data = tag;
    if (operation == IORING_OP_POLL_ADD)
        entry->poll32_events = POLLIN;
}

static void a_ring_does_what_it_is_bound_to_and_nothing_else(void **state)
{
    static const uint32_t flags[] = {0, IORING_SETUP_SQE128};

    (void)state;
    for (size_t i = 0; i < COUNT(flags); i++) {
        struct ring *ring = ring_that_polls(flags[i]);
        struct io_uring_cqe completion;
        struct fault fault = {0};
        int32_t results[3] = {0};
        int ends[2];

        assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
        assert_int_equal(write(ends[1], "x", 1), 1);
        add(ring, IORING_OP_POLL_ADD, ends[0], 0);
        assert_ok(ring_enter(ring, true, -1, &fault), fault);
        add(ring, IORING_OP_READ, ends[0], 1);
        assert_ok(ring_enter(ring, true, -1, &fault), fault);
        add(ring, IORING_OP_OPENAT, AT_FDCWD, 2);
        assert_ok(ring_enter(ring, true, -1, &fault), fault);
        while (ring_take(ring, &completion))
            results[completion.user_data % 3] = completion.res;
        assert_int_equal(results[0], POLLIN);
        assert_int_equal(results[1], -EACCES);
        assert_int_equal(results[2], -EACCES);
        ring_free(ring);
        (void)close(ends[0]);
        (void)close(ends[1]);
    }
}

static void waiting_ends_in_time_and_room_is_bounded(void **state)
{
    struct ring *ring = ring_that_polls(0);
    struct io_uring_cqe completion;
    struct fault fault = {0};
    int64_t before = clock_monotonic_us(&clock_real);
    int ends[2];

    (void)state;
    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    for (unsigned i = 0; i < 4; i++)
        add(ring, IORING_OP_POLL_ADD, ends[0], i);
    assert_null(ring_add(ring));
    assert_ok(ring_enter(ring, true, 20000, &fault), fault);
    assert_true(clock_monotonic_us(&clock_real) - before >= 20000);
    assert_false(ring_take(ring, &completion));
    assert_non_null(ring_add(ring));
    ring_free(ring);
    (void)close(ends[0]);
    (void)close(ends[1]);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        TEST(a_ring_does_what_it_is_bound_to_and_nothing_else),
        TEST(waiting_ends_in_time_and_room_is_bounded),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
