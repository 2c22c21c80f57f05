#include "test.h"

#include <signal.h>
#include <stdio.h>

#include "base/scope.h"
#include "classify/rules.h"
#include "roles/scan.h"

#define WORKERS 2
#define SMALL 300 /* contents: more than one packet has */
#define PATH SLICE("notes/a.txt")

static void use_rules(void)
{
    AUTO_BUF struct buf image = buf_with_limit(RULES_IMAGE_BYTES_MAX);
    char key[RULES_KEY_LEN + 1];
    struct fault fault = {0};

    rules_key(NULL, 0, key);
    assert_ok(rules_image_make(NULL, 0, &image, &fault), fault);
    assert_ok(rules_use(buf_slice(&image), key, &fault), fault);
}

/* A text of so many mail addresses, with so many bytes before each. */
static struct buf text_of(size_t addresses, size_t before)
{
    struct buf text = buf_with_limit(8UL << 20);
    struct fault fault = {0};

    for (size_t i = 0; i < addresses; i++) {
        for (size_t at = 0; at < before; at++)
            assert_true(buf_add_text(&text, at % 70 == 69 ? "\n" : "-", &fault));
        assert_true(buf_add_format(&text, &fault, " maria%zu@hospital.org\n", i));
    }
    return text;
}

struct told {
    struct buf texts[SMALL];
    bool is_told[SMALL];
    size_t count;
};

/* Just what the classifier says in this process. */
static bool compare(void *self, size_t token, const struct finding *findings, size_t count,
                    unsigned class_mask, struct fault *fault)
{
    struct told *told = self;
    AUTO_FREE struct finding *expected = NULL;
    size_t expected_count = 0;
    unsigned expected_mask = 0;

    assert_true(token < SMALL && !told->is_told[token]);
    told->is_told[token] = true;
    told->count++;
    assert_ok(classify_scan(buf_slice(&told->texts[token]), PATH, &expected, &expected_count,
                            &expected_mask, fault),
              *fault);
    assert_int_equal(count, expected_count);
    assert_int_equal(class_mask, expected_mask);
    for (size_t i = 0; i < count; i++)
        assert_true(findings[i].start == expected[i].start &&
                    findings[i].end == expected[i].end &&
                    findings[i].rule == expected[i].rule &&
                    findings[i].class == expected[i].class &&
                    findings[i].confidence == expected[i].confidence &&
                    findings[i].form == expected[i].form);
    return true;
}

static void submit(struct scan_pool *pool, struct told *told, size_t token, struct buf text)
{
    const struct scan_sink sink = {compare, told};
    struct fault fault = {0};

    told->texts[token] = text;
    assert_ok(scan_pool_submit(pool, token, buf_slice(&told->texts[token]), PATH, &sink, &fault),
              fault);
}

static void told_free(struct told *told)
{
    for (size_t i = 0; i < SMALL; i++)
        buf_free(&told->texts[i]);
    *told = (struct told){0};
}

static void workers_say_what_the_classifier_says(void **state)
{
    static struct told told;
    const struct scan_sink sink = {compare, &told};
    struct scan_pool *pool = NULL;
    struct fault fault = {0};

    (void)state;
    use_rules();
    assert_ok(scan_pool_new(WORKERS, &pool, &fault), fault);
    for (size_t token = 0; token < SMALL; token++)
        submit(pool, &told, token,
               token % 50 == 7   ? text_of(20, 7000)  /* larger than a packet */
               : token % 50 == 9 ? text_of(16000, 0)  /* findings of more than one packet */
               : token % 50 == 11 ? text_of(18, 6600) /* just below what a packet holds */
                                  : text_of(token % 4, token)); /* some are empty */
    assert_ok(scan_pool_drain(pool, &sink, &fault), fault);
    assert_int_equal(told.count, SMALL);
    scan_pool_free(pool);
    told_free(&told);
}

static pid_t any_child(void)
{
    FILE *file = fopen("/proc/thread-self/children", "r");
    int pid = 0;

    if (file == NULL)
        return 0;
    if (fscanf(file, "%d", &pid) != 1) /* NOLINT(cert-err34-c) */
        pid = 0;
    (void)fclose(file);
    return pid;
}

static bool never(void *self, size_t token, const struct finding *findings, size_t count,
                  unsigned class_mask, struct fault *fault)
{
    (void)self, (void)token, (void)findings, (void)count, (void)class_mask, (void)fault;
    fail_msg("content %zu was told though it is lost", token);
    return false;
}

/* Who gave a content and heard that it is lost does not wait for it: its token may be nothing. */
static void what_is_lost_with_a_worker_is_not_told_later(void **state)
{
    static struct told told;
    const struct scan_sink sink = {compare, &told}, lost = {never, NULL};
    struct scan_pool *pool = NULL;
    struct fault fault = {0};
    pid_t worker;

    (void)state;
    use_rules();
    assert_ok(scan_pool_new(1, &pool, &fault), fault);
    worker = any_child();
    if (worker == 0) {
        scan_pool_free(pool);
        print_message("skipped: this kernel has no list of children\n");
        skip();
    }
    assert_int_equal(kill(worker, SIGSTOP), 0); /* it answers none of these */
    for (size_t token = 0; token < 3; token++)
        submit(pool, &told, token, text_of(16, 6600)); /* a packet each: two under way, one to come */
    assert_int_equal(kill(worker, SIGKILL), 0);
    assert_false(scan_pool_drain(pool, &lost, &fault));
    assert_int_equal(fault.kind, FAULT_IO);
    assert_ok(scan_pool_drain(pool, &lost, &fault), fault);
    told_free(&told);
    submit(pool, &told, 5, text_of(3, 10));
    assert_ok(scan_pool_drain(pool, &sink, &fault), fault);
    assert_int_equal(told.count, 1);
    scan_pool_free(pool);
    told_free(&told);
}

/* Pages of a process that are no file's and can be run; -1: one of any kind can be written and run. */
static int pages_of_code(pid_t process)
{
    AUTO_FREE char *path = xformat("/proc/%d/maps", (int)process);
    FILE *file = fopen(path, "r");
    char line[512], permissions[8];
    int count = 0, behind;

    assert_non_null(file);
    while (count >= 0 && fgets(line, sizeof(line), file) != NULL) {
        behind = 0;
        if (sscanf(line, "%*s %7s %*s 00:00 0 %n", permissions, &behind) == 1 && behind > 0 &&
            line[behind] == 0)
            count += strcmp(permissions, "r-xp") == 0;
        if (strstr(line, " rwx") != NULL)
            count = -1;
    }
    (void)fclose(file);
    return count;
}

static void who_has_much_to_do_has_code_that_nobody_changes(void **state)
{
    static struct told told;
    const struct scan_sink sink = {compare, &told};
    struct scan_pool *pool = NULL;
    struct fault fault = {0};
    pid_t first;

    (void)state;
    use_rules(); /* which makes code in this process, that workers are forked with */
    assert_ok(scan_pool_new(1, &pool, &fault), fault);
    first = any_child();
    for (size_t token = 0; token < 150; token++)
        submit(pool, &told, token, text_of(16, 6600));
    assert_ok(scan_pool_drain(pool, &sink, &fault), fault);
    assert_int_equal(told.count, 150);
    if (first == 0)
        print_message("skipped in part: this kernel has no list of children\n");
    else {
        assert_int_not_equal(any_child(), first);
        assert_true(pages_of_code(any_child()) > 0);
    }
    scan_pool_free(pool);
    told_free(&told);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(workers_say_what_the_classifier_says),
        TEST(what_is_lost_with_a_worker_is_not_told_later),
        TEST(who_has_much_to_do_has_code_that_nobody_changes),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
