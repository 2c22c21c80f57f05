#include "test.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/scope.h"
#include "os/clock_real.h"
#include "os/file.h"
#include "store/store.h"

struct opened {
    char root[32];
    char path[48];
    struct store *store;
};

static void open_store(struct opened *opened)
{
    struct fault fault = {0};

    (void)snprintf(opened->root, sizeof(opened->root), "/tmp/custody-store.XXXXXX");
    assert_non_null(mkdtemp(opened->root));
    (void)snprintf(opened->path, sizeof(opened->path), "%s/store.db", opened->root);
    assert_ok(store_open(opened->path, &opened->store, &fault), fault);
}

static void close_store(struct opened *opened)
{
    struct fault fault = {0};

    store_close(opened->store);
    assert_ok(file_remove_tree(AT_FDCWD, opened->root, &fault), fault);
}

static const struct store_change sample = {
    .id = "c-20261124-035446-7f3a",
    .run = "r-20261124-035440-0001",
    .repository = "/repo",
    .branch = "custody/r",
    .into = "main",
    .state = "ready",
    .base = "b",
    .head = "h",
    .tree = "t",
    .files = 3,
    .lines = 42,
    .reasons = "",
    .requester = "ada",
    .policy = "p",
    .zones = "cde phi",
    .diff = "d",
    .landed = "",
    .needed = 2,
    .made_us = 5,
};

static bool same_change(void *self, const struct store_change *change, struct fault *fault)
{
    (void)self, (void)fault;
    assert_string_equal(change->id, sample.id);
    assert_string_equal(change->zones, "cde phi");
    assert_int_equal(change->lines, 42);
    assert_int_equal(change->needed, 2);
    return true;
}

static void what_goes_in_comes_out(void **state)
{
    struct opened opened;
    struct fault fault = {0};
    struct stat stat_of_file;
    size_t count = 0;

    (void)state;
    open_store(&opened);
    assert_ok(store_put_change(opened.store, &sample, &fault), fault);
    assert_ok(store_put_change(opened.store, &sample, &fault), fault);
    store_close(opened.store);
    assert_ok(store_open(opened.path, &opened.store, &fault), fault);
    assert_ok(store_changes(opened.store, NULL, same_change, NULL, &count, &fault), fault);
    assert_int_equal(count, 1);
    assert_ok(store_changes(opened.store, "c-2026", same_change, NULL, &count, &fault), fault);
    assert_int_equal(count, 1);
    assert_ok(store_changes(opened.store, "c-2027", same_change, NULL, &count, &fault), fault);
    assert_int_equal(count, 0);
    assert_ok(store_changes(opened.store, "c-%", same_change, NULL, &count, &fault), fault);
    assert_int_equal(count, 0);
    assert_int_equal(stat(opened.path, &stat_of_file), 0);
    assert_int_equal(stat_of_file.st_mode & 0777, 0600);
    close_store(&opened);
}

static bool note_run(void *self, const struct store_run *run, struct fault *fault)
{
    (void)fault;
    (void)snprintf(self, STORE_ID_BYTES, "%s", run->id);
    return false; /* the newest is the first */
}

static bool count_run(void *self, const struct store_run *run, struct fault *fault)
{
    (void)self;
    (void)fault;
    return run->id != NULL;
}

static void runs_come_newest_first(void **state)
{
    struct opened opened;
    struct store_run run = {.id = "r-20261124-000000-0001", .started_us = 1, .tokens = 7};
    struct fault fault = {0};
    char first[STORE_ID_BYTES] = "";

    (void)state;
    open_store(&opened);
    assert_ok(store_put_run(opened.store, &run, &fault), fault);
    run.id = "r-20261124-000001-0002";
    run.started_us = 2;
    assert_ok(store_put_run(opened.store, &run, &fault), fault);
    run.id = "r-20261124-000001-0001"; /* the same second: the id's end is by chance */
    run.started_us = 3;
    assert_ok(store_put_run(opened.store, &run, &fault), fault);
    assert_false(store_runs(opened.store, NULL, note_run, first, NULL, &fault));
    assert_string_equal(first, "r-20261124-000001-0001");
    close_store(&opened);
}

static void a_state_changes_only_from_what_it_was(void **state)
{
    struct opened opened;
    struct fault fault = {0};

    (void)state;
    open_store(&opened);
    assert_ok(store_put_change(opened.store, &sample, &fault), fault);
    assert_ok(store_step_change(opened.store, sample.id, "ready", "approved", NULL, &fault),
              fault);
    assert_false(
        store_step_change(opened.store, sample.id, "ready", "approved", NULL, &fault));
    assert_int_equal(fault.kind, FAULT_CONFLICT);
    assert_ok(store_step_change(opened.store, sample.id, "approved", "landed", "x", &fault),
              fault);
    close_store(&opened);
}

static bool count_valid(void *self, const struct store_approval *approval, struct fault *fault)
{
    (void)fault;
    *(size_t *)self += !approval->is_void;
    return true;
}

static void a_person_approves_once_until_it_is_void(void **state)
{
    struct opened opened;
    struct store_approval approval = {
        .change = "c-1", .person = "maria", .tree = "t", .time_us = 1};
    struct fault fault = {0};
    size_t valid = 0, count = 0;

    (void)state;
    open_store(&opened);
    assert_ok(store_add_approval(opened.store, &approval, &fault), fault);
    assert_false(store_add_approval(opened.store, &approval, &fault));
    assert_int_equal(fault.kind, FAULT_CONFLICT);
    assert_ok(store_void_approvals(opened.store, "c-1", &count, &fault), fault);
    assert_int_equal(count, 1);
    assert_ok(store_add_approval(opened.store, &approval, &fault), fault);
    assert_ok(store_approvals(opened.store, "c-1", count_valid, &valid, &count, &fault),
              fault);
    assert_int_equal(count, 2);
    assert_int_equal(valid, 1);
    close_store(&opened);
}

static void ids_are_ordered_by_time_and_lower_case(void **state)
{
    char id[STORE_ID_BYTES];

    (void)state;
    store_id('r', 1795492486123456, (const uint8_t[]){0x7f, 0x3a}, id);
    assert_string_equal(id, "r-20261124-035446-7f3a");
}

/* Opens a store that may not be there yet and writes a row of its own; the exit code says
 * whether it could. */
static int open_and_write(const char *path, int number)
{
    struct store_run run = {.started_us = 1};
    struct store *store = NULL;
    struct fault fault = {0};
    char id[STORE_ID_BYTES];
    bool ok;

    (void)snprintf(id, sizeof(id), "r-20261124-000000-%04d", number);
    run.id = id;
    ok = store_open(path, &store, &fault) && store_put_run(store, &run, &fault);
    store_close(store);
    return ok ? 0 : 1;
}

static void many_may_open_a_new_store_at_once(void **state)
{
    enum { OPENERS = 12 };
    struct opened opened = {.root = "/tmp/custody-store.XXXXXX"};
    struct fault fault = {0};
    pid_t openers[OPENERS];
    char first[STORE_ID_BYTES] = "";
    size_t count = 0;

    (void)state;
    assert_non_null(mkdtemp(opened.root));
    (void)snprintf(opened.path, sizeof(opened.path), "%s/store.db", opened.root);
    for (int i = 0; i < OPENERS; i++) {
        openers[i] = fork();
        assert_true(openers[i] >= 0);
        if (openers[i] == 0)
            _exit(open_and_write(opened.path, i));
    }
    for (int i = 0; i < OPENERS; i++) {
        int status = -1;

        assert_int_equal(waitpid(openers[i], &status, 0), openers[i]);
        assert_int_equal(status, 0);
    }
    assert_ok(store_open(opened.path, &opened.store, &fault), fault);
    assert_ok(store_runs(opened.store, NULL, count_run, first, &count, &fault), fault);
    assert_int_equal(count, OPENERS);
    close_store(&opened);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(what_goes_in_comes_out),
        TEST(runs_come_newest_first),
        TEST(a_state_changes_only_from_what_it_was),
        TEST(a_person_approves_once_until_it_is_void),
        TEST(ids_are_ordered_by_time_and_lower_case),
        TEST(many_may_open_a_new_store_at_once),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
