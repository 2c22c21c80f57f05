/* Accounts that several gateways share: never passed together, nothing lost, whoever dies. */
#include "gateway/money/book.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/scope.h"
#include "os/file.h"
#include "test.h"

#define NOW_US (INT64_C(20000) * 86400 * 1000000)
#define DAY_US (INT64_C(86400) * 1000000)
#define EXITS 10000
#define OPEN_MAX_AT_ONCE 16
#define KILLS 150

struct place {
    char folder[40];
    int home;
};

static struct place place_new(void)
{
    struct place place;

    (void)snprintf(place.folder, sizeof(place.folder), "/tmp/custody-book-XXXXXX");
    assert_non_null(mkdtemp(place.folder));
    place.home = open(place.folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    assert_true(place.home >= 0);
    return place;
}

static void place_free(struct place *place)
{
    struct fault fault = {0};

    scope_close(&place->home);
    assert_ok(file_remove_tree(AT_FDCWD, place->folder, &fault), fault);
}

static uint64_t next_random(uint64_t *random)
{
    *random ^= *random << 13, *random ^= *random >> 7, *random ^= *random << 17;
    return *random;
}

static struct book *open_book(int home, const char *run, struct amounts run_limit,
                              struct amounts day_limit)
{
    const struct book_account accounts[] = {{BOOK_RUN, run, run_limit},
                                            {BOOK_PERSON_DAY, "maria", day_limit},
                                            {BOOK_REPOSITORY_DAY, "/srv/payments", day_limit}};
    struct book *book;
    struct fault fault = {0};
    int fd = -1;

    if (home >= 0)
        assert_ok(book_file_open(home, &fd, &fault), fault);
    assert_ok(book_open(fd, run, accounts, COUNT(accounts), &book, &fault), fault);
    return book;
}

static void assert_sums(struct book *book, bool is_open)
{
    struct book_sums sums = book_sums(book);

    for (size_t k = 0; k < AMOUNT_COUNT; k++) {
        assert_int_equal(sums.reserved.of[k],
                         sums.settled.of[k] + sums.released.of[k] + sums.open.of[k]);
        assert_true(is_open || sums.open.of[k] == 0);
    }
}

struct standing {
    struct amounts spent, reserved;
    size_t count;
};

static bool add_person(void *self, const struct book_line *line, struct fault *fault)
{
    struct standing *standing = self;

    (void)fault;
    if (line->kind != BOOK_PERSON_DAY)
        return true;
    standing->spent = line->spent;
    standing->reserved = line->reserved;
    standing->count++;
    return true;
}

static struct standing person(int home)
{
    struct standing standing = {0};
    struct fault fault = {0};

    assert_ok(book_each(home, add_person, &standing, &fault), fault);
    assert_int_equal(standing.count, 1);
    return standing;
}

static void what_is_reserved_is_settled_in_every_account(void **state)
{
    const struct amounts limit = {{100, 0, 0, 0}};
    const struct amounts want = {{80, 500, 1, 0}}, least = {{10, 0, 0, 0}},
                         spent = {{30, 200, 1, 5}};
    struct place place = place_new();
    struct book *book = open_book(place.home, "r-1", (struct amounts){0}, limit);
    struct amounts granted;
    struct fault fault = {0};
    uint32_t first, second, third;

    (void)state;
    assert_ok(book_reserve(book, NOW_US, &want, &least, &first, &granted, &fault), fault);
    assert_int_equal(granted.of[AMOUNT_TOKENS], 80);
    assert_ok(book_reserve(book, NOW_US, &want, &least, &second, &granted, &fault), fault);
    assert_int_equal(granted.of[AMOUNT_TOKENS], 20); /* what was left */
    assert_false(book_reserve(book, NOW_US, &want, &least, &third, &granted, &fault));
    assert_int_equal(fault.kind, FAULT_LIMIT);
    assert_non_null(strstr(fault.why, "budgets.person_day of maria: 100 tokens"));
    book_settle(book, first, &spent);
    assert_sums(book, true);
    assert_int_equal(person(place.home).spent.of[AMOUNT_TOKENS], 30);
    assert_int_equal(person(place.home).reserved.of[AMOUNT_TOKENS], 20);
    assert_ok(book_extend(book, second, &want, &least, &granted, &fault), fault);
    assert_int_equal(granted.of[AMOUNT_TOKENS], 70);
    book_settle(book, second, &(struct amounts){{90, 1, 1, 1}}); /* more than it had */
    assert_int_equal(person(place.home).spent.of[AMOUNT_TOKENS], 120);
    assert_sums(book, false);
    assert_false(book_check(book, NOW_US, &fault));
    assert_true(book_check(book, NOW_US + DAY_US, &fault)); /* a new day */
    book_close(book);
    place_free(&place);
}

static void another_run_meets_the_same_day(void **state)
{
    const struct amounts limit = {{100, 0, 0, 0}}, run_limit = {{60, 0, 0, 0}};
    const struct amounts want = {{60, 0, 1, 0}}, least = {{60, 0, 0, 0}};
    struct place place = place_new();
    struct book *one = open_book(place.home, "r-1", run_limit, limit);
    struct book *two = open_book(place.home, "r-2", run_limit, limit);
    struct amounts granted;
    struct fault fault = {0};
    uint32_t id;

    (void)state;
    assert_ok(book_reserve(one, NOW_US, &want, &least, &id, &granted, &fault), fault);
    assert_false(book_reserve(one, NOW_US, &want, &least, &id, &granted, &fault));
    assert_non_null(strstr(fault.why, "budgets.run of r-1"));
    assert_false(book_reserve(two, NOW_US, &want, &least, &id, &granted, &fault));
    assert_non_null(strstr(fault.why, "budgets.person_day"));
    book_meter(one, id, &(struct amounts){{12, 0, 1, 0}});
    book_close(one); /* settles what was metered, releases the rest */
    assert_int_equal(person(place.home).spent.of[AMOUNT_TOKENS], 12);
    assert_ok(book_reserve(two, NOW_US, &want, &least, &id, &granted, &fault), fault);
    book_close(two);
    place_free(&place);
}

static void one_process_alone_needs_no_file(void **state)
{
    const struct amounts want = {{60, 0, 1, 0}};
    struct book *book =
        open_book(-1, "r-1", (struct amounts){{100, 0, 0, 0}}, (struct amounts){0});
    struct amounts granted;
    struct fault fault = {0};
    uint32_t id;

    (void)state;
    assert_ok(book_reserve(book, NOW_US, &want, &want, &id, &granted, &fault), fault);
    assert_false(book_reserve(book, NOW_US, &want, &want, &id, &granted, &fault));
    book_close(book);
}

static void runs_of_a_whole_day_find_room(void **state)
{
    const struct amounts want = {{1, 1, 1, 1}};
    struct place place = place_new();
    struct fault fault = {0};

    (void)state;
    for (int i = 0; i < 1100; i++) {
        AUTO_FREE char *run = xformat("r-%d", i);
        struct book *book =
            open_book(place.home, run, (struct amounts){0}, (struct amounts){0});
        struct amounts granted;
        uint32_t id;

        assert_ok(book_reserve(book, NOW_US, &want, &want, &id, &granted, &fault), fault);
        book_settle(book, id, &want);
        book_close(book);
    }
    assert_int_equal(person(place.home).spent.of[AMOUNT_CALLS], 1100);
    place_free(&place);
}

static void a_file_that_is_no_book_is_refused(void **state)
{
    struct place place = place_new();
    struct fault fault = {0};
    struct book *book;
    int fd;

    (void)state;
    assert_ok(file_create(place.home, BOOK_FILE, SLICE("something else"), 0600, &fault),
              fault);
    assert_ok(book_file_open(place.home, &fd, &fault), fault);
    assert_false(book_open(fd, "r-1", NULL, 0, &book, &fault));
    assert_int_equal(fault.kind, FAULT_INVALID);
    assert_non_null(strstr(fault.why, "remove it"));
    place_free(&place);
}

/* One exit: whatever happens to a call, it happens here. Returns what it has spent. */
static void random_call(struct book *book, uint64_t *random, uint32_t *open, size_t *count)
{
    struct fault fault = {0};
    struct amounts granted;
    uint32_t id;

    if (*count < OPEN_MAX_AT_ONCE && next_random(random) % 2 == 0) {
        int64_t tokens = 1 + (int64_t)(next_random(random) % 900);
        const struct amounts want = {{tokens, tokens * 3, 1, 1000}}, least = {{1, 1, 1, 1}};

        if (!book_reserve(book, NOW_US, &want, &least, &id, &granted, &fault)) {
            assert_int_equal(fault.kind, FAULT_LIMIT);
            return;
        }
        book_meter(book, id, &(struct amounts){{1, 1, 1, 1}});
        open[(*count)++] = id;
    } else if (*count > 0) {
        size_t at = next_random(random) % *count;
        const struct amounts more = {{5, 5, 0, 5}}, least = {{1, 1, 0, 1}};
        const struct amounts spent = {{1, (int64_t)(next_random(random) % 2), 1, 1}};

        if (next_random(random) % 4 == 0)
            (void)!book_extend(book, open[at], &more, &least, &granted, &fault);
        if (next_random(random) % 8 == 0)
            book_settle(book, open[at], &(struct amounts){0}); /* never left */
        else
            book_settle(book, open[at], &spent);
        open[at] = open[--*count];
    }
}

static void work_until_killed(int home, uint64_t seed)
{
    uint32_t open[OPEN_MAX_AT_ONCE];
    size_t count = 0;
    struct book *book =
        open_book(home, "r-killed", (struct amounts){0}, (struct amounts){{9000000, 0, 0, 0}});

    for (;;)
        random_call(book, &seed, open, &count);
}

static void kill_after(pid_t child, uint64_t *random)
{
    const struct timespec pause = {.tv_nsec = (long)(next_random(random) % 4000000)};
    int status;

    (void)nanosleep(&pause, NULL);
    assert_int_equal(kill(child, SIGKILL), 0);
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSIGNALED(status));
}

static void ten_thousand_aborts_leave_no_drift(void **state)
{
    struct place place = place_new();
    struct amounts limit = {{9000000, 0, 0, 0}};
    struct book *book = open_book(place.home, "r-1", (struct amounts){0}, limit);
    uint32_t open[OPEN_MAX_AT_ONCE];
    uint64_t random = 88172645463325252U;
    struct standing standing;
    struct book_sums sums;
    size_t count = 0;

    (void)state;
    for (int i = 0; i < EXITS; i++) {
        if (i % (EXITS / KILLS) == 0) {
            pid_t child = fork();

            if (child == 0)
                work_until_killed(place.home, next_random(&random) + (uint64_t)i);
            kill_after(child, &random);
        }
        random_call(book, &random, open, &count);
        if (i % 1000 == 0)
            assert_sums(book, true);
    }
    while (count > 0)
        book_settle(book, open[--count], &(struct amounts){0});
    standing = person(place.home); /* sweeps the dead, too */
    assert_sums(book, false);
    sums = book_sums(book);
    for (size_t k = 0; k < AMOUNT_COUNT; k++) {
        assert_int_equal(standing.reserved.of[k], 0);
        assert_int_equal(standing.spent.of[k], sums.settled.of[k] + sums.beyond.of[k]);
    }
    assert_true(standing.spent.of[AMOUNT_CALLS] > EXITS / 8);
    assert_int_equal(sums.beyond.of[AMOUNT_TOKENS], 0);
    assert_true(standing.spent.of[AMOUNT_TOKENS] <= limit.of[AMOUNT_TOKENS]);
    book_close(book);
    place_free(&place);
}

static void who_is_stopped_in_the_middle_does_not_hold_up_the_others(void **state)
{
    const struct amounts want = {{7, 11, 1, 0}}, spent = {{5, 0, 1, 0}};
    struct place place = place_new();
    struct book *book = open_book(place.home, "r-1", (struct amounts){0}, (struct amounts){0});
    struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_len = 1};
    struct fault fault = {0};
    struct timespec before, after;
    struct amounts granted;
    uint32_t id, none;
    int fd = openat(place.home, BOOK_FILE, O_RDWR | O_CLOEXEC);

    (void)state;
    assert_ok(book_reserve(book, NOW_US, &want, &want, &id, &granted, &fault), fault);
    assert_int_equal(fcntl(fd, F_OFD_SETLK, &lock), 0); /* as one that is stopped in a change */
    (void)clock_gettime(CLOCK_MONOTONIC, &before);
    assert_false(book_reserve(book, NOW_US, &want, &want, &none, &granted, &fault));
    assert_int_equal(fault.kind, FAULT_IO);
    assert_non_null(strstr(fault.why, "does not go on"));
    for (int i = 0; i < 100; i++) /* one wait is enough */
        assert_false(book_check(book, NOW_US, &fault));
    book_settle(book, id, &spent);
    (void)clock_gettime(CLOCK_MONOTONIC, &after);
    assert_true(after.tv_sec - before.tv_sec < 20); /* a second, on a host that is not busy */
    (void)close(fd);
    assert_ok(book_check(book, NOW_US, &fault), fault);
    assert_sums(book, false); /* what ended meanwhile is settled */
    assert_int_equal(person(place.home).spent.of[AMOUNT_TOKENS], 5);
    book_close(book);
    place_free(&place);
}

/* All that it is given is spent, until there is no more. */
static int spend_all(int home, const char *run)
{
    const struct amounts want = {{7, 11, 1, 0}};
    struct book *book =
        open_book(home, run, (struct amounts){0}, (struct amounts){{10000, 0, 0, 0}});
    struct amounts granted;
    struct fault fault = {0};
    uint32_t id;

    while (book_reserve(book, NOW_US, &want, &(struct amounts){{7, 0, 0, 0}}, &id, &granted,
                        &fault))
        book_settle(book, id, &granted);
    book_close(book);
    return fault.kind == FAULT_LIMIT ? 0 : 1;
}

static void runs_at_once_never_pass_the_limit_together(void **state)
{
    struct place place = place_new();
    pid_t child[3];
    int status;

    (void)state;
    for (size_t i = 0; i < COUNT(child); i++) {
        AUTO_FREE char *run = xformat("r-%zu", i);

        child[i] = fork();
        if (child[i] == 0)
            _exit(spend_all(place.home, run));
    }
    for (size_t i = 0; i < COUNT(child); i++) {
        assert_int_equal(waitpid(child[i], &status, 0), child[i]);
        assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    }
    assert_int_equal(person(place.home).spent.of[AMOUNT_TOKENS], 10000 / 7 * 7);
    assert_int_equal(person(place.home).reserved.of[AMOUNT_TOKENS], 0);
    place_free(&place);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(what_is_reserved_is_settled_in_every_account),
        TEST(another_run_meets_the_same_day),
        TEST(one_process_alone_needs_no_file),
        TEST(runs_of_a_whole_day_find_room),
        TEST(a_file_that_is_no_book_is_refused),
        TEST(ten_thousand_aborts_leave_no_drift),
        TEST(who_is_stopped_in_the_middle_does_not_hold_up_the_others),
        TEST(runs_at_once_never_pass_the_limit_together),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
