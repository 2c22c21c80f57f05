#include "test.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/scope.h"
#include "os/durable.h"

#define FILES 40

/* Both ways; the ring only where the kernel lets us. */
static size_t ways(struct durable ret_ways[2])
{
    struct fault fault = {0};

    ret_ways[0] = durable_plain;
    if (durable_ring(&ret_ways[1], &fault))
        return 2;
    assert_int_equal(fault.kind, FAULT_HOST);
    print_message("# skipped for io_uring: %s\n", fault.why);
    return 1;
}

static int unnamed_file(void)
{
    int fd = open("/tmp", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);

    assert_true(fd >= 0);
    return fd;
}

static void what_is_begun_is_there_when_it_is_finished(void **state)
{
    struct durable all[2];
    size_t count = ways(all);

    (void)state;
    for (size_t way = 0; way < count; way++) {
        AUTO_FREE uint8_t *bytes = xalloc(1 << 20), *again = xalloc(1 << 20);
        AUTO_CLOSE int fd = unnamed_file();
        struct fault fault = {0};
        bool done;

        memset(bytes, 'x', 1 << 20);
        for (size_t len = 1; len <= 1 << 20; len *= 32) {
            assert_ok(all[way].begin(all[way].self, fd, slice_of_bytes(bytes, len), 3, &fault),
                      fault);
            do
                assert_ok(all[way].finish(all[way].self, len % 2 == 0, &done, &fault), fault);
            while (!done);
            assert_int_equal(pread(fd, again, len, 3), len);
            assert_memory_equal(again, bytes, len);
        }
        durable_free(&all[way]);
    }
}

static void a_write_that_fails_says_so(void **state)
{
    struct durable all[2];
    size_t count = ways(all);

    (void)state;
    for (size_t way = 0; way < count; way++) {
        AUTO_CLOSE int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
        struct fault fault = {0};
        bool done;
        bool ok = all[way].begin(all[way].self, fd, SLICE("x"), 0, &fault) &&
                  all[way].finish(all[way].self, true, &done, &fault);

        assert_false(ok);
        assert_non_null(strstr(fault.why, "Bad file descriptor"));
        durable_free(&all[way]);
    }
}

static void many_files_are_synced_at_once(void **state)
{
    struct durable all[2];
    size_t count = ways(all);

    (void)state;
    for (size_t way = 0; way < count; way++) {
        struct fault fault = {0};
        int fds[FILES];
        bool done;

        for (size_t i = 0; i < FILES; i++) {
            fds[i] = unnamed_file();
            assert_int_equal(write(fds[i], "x", 1), 1);
        }
        assert_ok(all[way].begin_files(all[way].self, fds, FILES, &fault), fault);
        assert_ok(all[way].finish(all[way].self, true, &done, &fault), fault);
        assert_true(done);
        for (size_t i = 0; i < FILES; i++)
            (void)close(fds[i]);
        fds[1] = -1;
        assert_false(all[way].begin_files(all[way].self, fds + 1, 1, &fault) &&
                     all[way].finish(all[way].self, true, &done, &fault));
        durable_free(&all[way]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(what_is_begun_is_there_when_it_is_finished),
        TEST(a_write_that_fails_says_so),
        TEST(many_files_are_synced_at_once),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
