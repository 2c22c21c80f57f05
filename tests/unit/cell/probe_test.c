/* What doctor finds here, and what it makes of hosts that lack something. */
#include "test.h"

#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>
#include <fcntl.h>

#include "base/scope.h"
#include "cell/probe.h"
#include "os/clock_real.h"
#include "os/file.h"

/* A host on which all is well, as an ordinary user. */
static struct probe_host good_host(void)
{
    struct probe_host host = {.landlock_abi = 7,
                              .seccomp_filter = true,
                              .seccomp_notification = true,
                              .pidfd = true,
                              .mount_setattr = true,
                              .userns_max = 15000,
                              .userns_clone = 1,
                              .apparmor_userns = -1,
                              .state_writable = true,
                              .state_free_bytes = 1ULL << 33,
                              .fuse_mode = 0666,
                              /* so that no degraded place is there, unless a test says so */
                              .offers = {.notification = EINVAL},
                              .cell = true,
                              .canaries_held = 29,
                              .roles = {5, 5},
                              .policy = {8, 8},
                              .records = {8, 8},
                              .approval = {1, 1}};

    (void)snprintf(host.git, sizeof(host.git), "2.39.5");
    (void)snprintf(host.state, sizeof(host.state), "/var/lib/custody");
    return host;
}

static void check(const struct probe_host *host, int id, enum promise_status status,
                  const char *fix)
{
    struct promise promises[PROMISE_COUNT];

    probe_promises(host, promises);
    assert_int_equal(promises[id - 1].id, id);
    if (promises[id - 1].status != status || strstr(promises[id - 1].fix, fix) == NULL)
        fail_msg("promise %d: %s, %s, %s", id, promise_status_name(promises[id - 1].status),
                 promises[id - 1].mechanism, promises[id - 1].fix);
    /* A promise that does not hold says how to get it; one that holds has nothing to say. */
    for (size_t i = 0; i < PROMISE_COUNT; i++) {
        assert_true((promises[i].status == PROMISE_ENFORCED) == (promises[i].fix[0] == '\0'));
        assert_true(promises[i].mechanism[0] != '\0');
    }
}

static void what_is_missing_comes_with_the_command_that_gets_it(void **state)
{
    struct probe_host host = good_host();

    (void)state;
    assert_true(probe_enforceable(&host));
    check(&host, 2, PROMISE_ENFORCED, "");
    check(&host, 4, PROMISE_ENFORCED, "");
    check(&host, 12, PROMISE_ENFORCED, "");

    host.fuse_open = EACCES;
    assert_false(probe_enforceable(&host));
    check(&host, 4, PROMISE_MISSING, "chmod 0666 /dev/fuse");
    check(&host, 12, PROMISE_MISSING, "chmod 0666 /dev/fuse");
    check(&host, 3, PROMISE_ENFORCED, "");
    host.fuse_open = ENOENT;
    check(&host, 4, PROMISE_MISSING, "modprobe fuse");

    host = good_host();
    host.fuse_mount = EPERM;
    assert_false(probe_enforceable(&host));
    check(&host, 4, PROMISE_MISSING, "sudo");

    host = good_host();
    host.cell = false;
    assert_false(probe_enforceable(&host));
    host.userns_max = 0;
    check(&host, 3, PROMISE_MISSING, "user.max_user_namespaces");
    host.userns_max = 15000;
    host.userns_clone = 0;
    check(&host, 2, PROMISE_MISSING, "unprivileged_userns_clone=1");
    host.userns_clone = -1;
    host.apparmor_userns = 1;
    check(&host, 6, PROMISE_MISSING, "apparmor_restrict_unprivileged_userns=0");
    host.apparmor_userns = -1;
    host.root = true;
    check(&host, 6, PROMISE_MISSING, "--privileged");

    host = good_host();
    host.canaries_broken = 1;
    assert_false(probe_enforceable(&host));
    check(&host, 6, PROMISE_MISSING, "do not run agents");

    host = good_host();
    host.landlock_abi = 4;
    assert_true(probe_enforceable(&host));
    check(&host, 6, PROMISE_DEGRADED, "6.12");

    host = good_host();
    host.git[0] = '\0';
    check(&host, 12, PROMISE_MISSING, "install git");
    host.state_writable = false;
    check(&host, 1, PROMISE_MISSING, "CUSTODY_HOME");
    host.state_writable = true;
    host.state_kind = DISK_VOLATILE;
    check(&host, 1, PROMISE_DEGRADED, "CUSTODY_HOME");
    host.state_sync = EIO;
    check(&host, 1, PROMISE_MISSING, "CUSTODY_HOME");
}

static void what_was_not_tried_is_not_enforced(void **state)
{
    struct probe_host host = good_host();
    const struct {
        struct probe_trial *trial;
        int id;
        enum promise_status status;
    } rows[] = {
        {&host.policy, 5, PROMISE_MISSING},
        {&host.approval, 8, PROMISE_MISSING},
        {&host.records, 10, PROMISE_MISSING},
        {&host.roles, 11, PROMISE_DEGRADED},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct probe_trial good = *rows[i].trial;

        check(&host, rows[i].id, PROMISE_ENFORCED, "");
        rows[i].trial->held--;
        check(&host, rows[i].id, rows[i].status, "install");
        *rows[i].trial = (struct probe_trial){0};
        check(&host, rows[i].id, rows[i].status, "install");
        *rows[i].trial = good;
    }
}

static size_t entries_of(const char *path)
{
    DIR *folder = opendir(path);
    size_t count = 0;

    while (folder != NULL && readdir(folder) != NULL)
        count++;
    if (folder != NULL)
        (void)closedir(folder);
    return count;
}

static const struct probe_place *place_of(const struct probe_place *places, const char *name)
{
    for (size_t i = 0; i < CELL_MODE_COUNT; i++)
        if (strcmp(cell_mode_name(places[i].mode), name) == 0)
            return &places[i];
    fail_msg("no place %s", name);
    return NULL;
}

/* One thing is taken away from a host that has every place; that place is gone, and says why. */
static void each_place_says_why_it_is_not_to_be_had(void **state)
{
    static const struct {
        const char *place, *why;
        struct probe_host lacks; /* what is not 0 here is so there */
    } cases[] = {
        {"namespaces/fuse", "/dev/fuse: Permission denied", {.fuse_open = EACCES}},
        {"namespaces/fuse", "mounting FUSE: ", {.fuse_mount = EPERM}},
        {"namespaces/injected", "attacks got through", {.canaries_broken = 3}},
        {"namespaces/fuse", "no namespaces for this user", {.offers = {.namespaces = ENOSPC}}},
        {"landlock/fuse", "fusermount3 says no", {.fusermount_why = "fusermount3 says no"}},
        {"landlock/fuse", "ptrace_scope=1", {.offers = {.ptrace_scope = 2}}},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct probe_host host = good_host();
        const struct probe_host *lacks = &cases[i].lacks;
        struct probe_place places[CELL_MODE_COUNT];
        const struct probe_place *place;

        host.offers = (struct cell_host){.landlock_abi = 7};
        probe_places(&host, places);
        assert_true(place_of(places, cases[i].place)->works);
        assert_string_equal(place_of(places, cases[i].place)->why, "");
        host.fuse_open = lacks->fuse_open;
        host.fuse_mount = lacks->fuse_mount;
        host.canaries_broken = lacks->canaries_broken;
        host.offers.namespaces = lacks->offers.namespaces;
        host.offers.ptrace_scope = lacks->offers.ptrace_scope;
        memcpy(host.fusermount_why, lacks->fusermount_why, sizeof(host.fusermount_why));
        probe_places(&host, places);
        place = place_of(places, cases[i].place);
        assert_false(place->works);
        if (strstr(place->why, cases[i].why) == NULL)
            fail_msg("%s: %s", cases[i].place, place->why);
    }
}

static void a_degraded_place_counts_where_policy_takes_it(void **state)
{
    struct probe_host host = good_host();

    (void)state;
    assert_null(probe_place_degraded(&host));
    assert_string_equal(probe_place_taken(&host), "namespaces/fuse");
    host.cell = false;
    host.offers = (struct cell_host){.namespaces = ENOSPC, .landlock_abi = 7};
    host.userns_max = 0;
    assert_false(probe_enforceable(&host));
    assert_null(probe_place_taken(&host));
    assert_string_equal(probe_place_degraded(&host), "landlock/fuse");
    check(&host, 3, PROMISE_DEGRADED, "user.max_user_namespaces");
    check(&host, 4, PROMISE_DEGRADED, "user.max_user_namespaces");
    host.degraded_taken = true;
    assert_true(probe_enforceable(&host));
    assert_string_equal(probe_place_taken(&host), "landlock/fuse");
    host.seccomp_filter = false;
    assert_false(probe_enforceable(&host));
    check(&host, 3, PROMISE_MISSING, "");
}

static void probing_leaves_nothing_behind(void **state)
{
    AUTO_FREE struct probe_host *host = xalloc(sizeof(*host));
    size_t before = entries_of("/sys/fs/cgroup/memory");

    (void)state;
    probe_host("/nowhere/at/all", &clock_real, host);
    assert_int_equal(entries_of("/sys/fs/cgroup/memory"), before);
    assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
    assert_string_equal(host->state, "/nowhere");
    assert_true(host->kernel[0] != '\0');
    if (!host->cell) {
        print_message("no cell here: %s\n", host->cell_why);
        assert_true(host->cell_why[0] != '\0');
        return;
    }
    assert_int_equal(host->canaries_broken, 0);
    assert_true(host->canaries_held >= 25);
}

static void doctor_speaks_json(void **state)
{
    const char *program = getenv("CUSTODY_PROGRAM");
    AUTO_BUF struct buf text = buf_with_limit(1 << 20);
    struct fault fault = {0};
    json_t *answer, *promises, *enforceable;
    int ends[2], status = 0;
    pid_t pid;

    (void)state;
    if (program == NULL) {
        print_message("skipped: CUSTODY_PROGRAM is not set\n");
        skip();
    }
    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    pid = fork();
    if (pid == 0) {
        (void)dup2(ends[1], 1);
        (void)execl(program, "custody", "doctor", "--json", (char *)NULL);
        _exit(127);
    }
    (void)close(ends[1]);
    assert_ok(file_read_fd(ends[0], &text, &fault), fault);
    (void)close(ends[0]);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    answer = json_loadb((const char *)text.at, text.len, JSON_REJECT_DUPLICATES, NULL);
    assert_non_null(answer);
    enforceable = json_object_get(answer, "enforceable");
    assert_true(json_is_boolean(enforceable));
    assert_int_equal(WEXITSTATUS(status), json_is_true(enforceable) ? 0 : 4);
    promises = json_object_get(answer, "promises");
    assert_int_equal(json_array_size(promises), PROMISE_COUNT);
    for (size_t i = 0; i < PROMISE_COUNT; i++) {
        json_t *promise = json_array_get(promises, i);

        assert_int_equal(json_integer_value(json_object_get(promise, "id")),
                         (json_int_t)i + 1);
        assert_true(json_is_string(json_object_get(promise, "status")));
        assert_true(json_is_string(json_object_get(promise, "mechanism")));
        assert_true(json_is_string(json_object_get(promise, "fix")));
        assert_true(json_is_string(json_object_get(promise, "unprobed")));
    }
    assert_true(json_is_object(json_object_get(answer, "host")));
    json_decref(answer);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(what_is_missing_comes_with_the_command_that_gets_it),
        TEST(what_was_not_tried_is_not_enforced),
        TEST(each_place_says_why_it_is_not_to_be_had),
        TEST(a_degraded_place_counts_where_policy_takes_it),
        TEST(probing_leaves_nothing_behind),
        TEST(doctor_speaks_json),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
