#include "test.h"

#include <fcntl.h>
#include <unistd.h>

#include "view/fixture.h"
#include "view/serve_ring.h"

struct seen {
    unsigned requests, looks;
};

static bool on_request(void *self, uint8_t *bytes, size_t len, struct fault *fault)
{
    (void)bytes;
    (void)len;
    (void)fault;
    ((struct seen *)self)->requests++;
    return true;
}

static bool on_device(void *self, struct fault *fault)
{
    (void)fault;
    ((struct seen *)self)->looks++;
    return true;
}

static struct serve_ring *ring_or_skip(void)
{
    struct fixture_switch taken = {.fd = -1};
    const char *reason = fixture_switch_on(&taken);
    struct serve_ring *ring = NULL;
    struct fault fault = {0};

    if (reason == NULL && !serve_ring_new(&ring, &fault))
        reason = fault.why;
    fixture_switch_back(&taken);
    if (reason == NULL)
        return ring;
    print_message("skipped: %s\n", reason);
    skip();
    return NULL;
}

/* /dev/null takes any command and says that it is done: there is no request in the memory. */
static void what_is_no_request_ends_it(void **state)
{
    struct serve_ring *ring = ring_or_skip();
    struct seen seen = {0};
    struct serve_ring_calls calls = {&seen, on_request, on_device};
    AUTO_CLOSE int null = open("/dev/null", O_RDWR | O_CLOEXEC);
    struct fault fault = {0};
    bool asked, other;

    (void)state;
    assert_false(serve_ring_is_begun(ring));
    assert_ok(serve_ring_begin(ring, null, 1 << 20, &fault), fault);
    assert_true(serve_ring_is_begun(ring));
    assert_false(serve_ring_wait(ring, -1, 1000, &calls, &asked, &other, &fault));
    assert_int_equal(fault.kind, FAULT_IO);
    assert_int_equal(seen.requests, 0);
    serve_ring_free(ring);
}

/* A pipe takes no commands. */
static void what_takes_no_commands_ends_it(void **state)
{
    struct serve_ring *ring = ring_or_skip();
    struct seen seen = {0};
    struct serve_ring_calls calls = {&seen, on_request, on_device};
    struct fault fault = {0};
    bool asked, other;
    int ends[2];

    (void)state;
    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    assert_ok(serve_ring_begin(ring, ends[0], 1 << 20, &fault), fault);
    assert_false(serve_ring_wait(ring, -1, 1000, &calls, &asked, &other, &fault));
    assert_int_equal(seen.requests, 0);
    serve_ring_free(ring);
    (void)close(ends[0]);
    (void)close(ends[1]);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        TEST(what_is_no_request_ends_it),
        TEST(what_takes_no_commands_ends_it),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
