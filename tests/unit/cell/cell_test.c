/* What a cell is, from outside and from inside. Runs as whoever starts it; as root a second
 * time as an ordinary user. */
#include "test.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/scope.h"
#include "ground.h"
#include "os/file.h"

#define SHELL(text)                                                                           \
    (const char *const[])                                                                     \
    {                                                                                         \
        "sh", "-c", text, NULL                                                                \
    }

static char *text_of(struct outcome *outcome)
{
    return slice_dup(buf_slice(&outcome->output));
}

/* Runs a shell line in a cell of the plainest kind and expects these words from it. */
static void expect_output(const char *line, const char *expected)
{
    struct ground ground;
    struct outcome outcome;
    AUTO_FREE char *text = NULL;

    ground_begin(&ground);
    ground_run(&ground, SHELL(line), NULL, &outcome);
    text = text_of(&outcome);
    outcome_free(&outcome);
    ground_end(&ground);
    assert_string_equal(text, expected);
}

static void the_agent_ends_and_core_learns_how(void **state)
{
    static const struct {
        const char *line;
        int status, signal;
    } cases[] = {
        {"exit 0", 0, 0}, {"exit 7", 7, 0}, {"kill -9 $$", 137, 9}, {"kill -11 $$", 139, 11}};
    struct ground ground;

    (void)state;
    ground_begin(&ground);
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct outcome outcome;

        ground_run(&ground, SHELL(cases[i].line), NULL, &outcome);
        if (!outcome.exited)
            fail_msg("%s", outcome.last.fault.why);
        assert_true(outcome.sealed && outcome.started);
        assert_int_equal(outcome.last.exit.status, cases[i].status);
        assert_int_equal(outcome.last.exit.signal, cases[i].signal);
        outcome_free(&outcome);
    }
    ground_end(&ground);
}

static void a_program_that_is_not_there_is_a_fault(void **state)
{
    struct ground ground;
    struct outcome outcome;

    (void)state;
    ground_begin(&ground);
    ground_run(&ground, (const char *const[]){"no-such-program", NULL}, NULL, &outcome);
    assert_true(outcome.failed);
    assert_int_equal(outcome.last.fault.kind, FAULT_MISSING);
    outcome_free(&outcome);
    ground_end(&ground);
}

static void inside_there_is_what_the_plan_says_and_no_more(void **state)
{
    (void)state;
    expect_output("id -u; id -g; id -un; pwd; hostname; umask",
                  "1000\n1000\nagent\n/srv/payments/repo\ncell\n0022\n");
    expect_output("env | sort | grep -v ^PWD= | grep -v ^_= | grep -v ^SHLVL=",
                  "HOME=/home/agent\nLANG=C\nPATH=/usr/local/bin:/usr/bin:/bin\n");
    expect_output(
        "for f in /proc/self/fd/*; do echo ${f##*/}; done | sort -n | head -3 | tr '\\n' ' ';"
        "test -e /proc/self/fd/3; echo $?",
        "0 1 2 1\n");
    expect_output("ls -d /sys /etc/shadow /root /boot /proc/1 /etc/resolv.conf /etc/gitconfig "
                  "2>/dev/null;"
                  "ls /home /srv /srv/payments",
                  "/home:\nagent\n\n/srv:\npayments\n\n/srv/payments:\nrepo\n");
    expect_output(
        "grep -h -E '^(Cap(Inh|Prm|Eff|Bnd|Amb)|NoNewPrivs|Seccomp):' /proc/self/status |"
        "tr -d ' \\t' | tr '\\n' ' '",
        "CapInh:0000000000000000 CapPrm:0000000000000000 CapEff:0000000000000000 "
        "CapBnd:0000000000000000 CapAmb:0000000000000000 NoNewPrivs:1 Seccomp:2 ");
    expect_output(
        "ulimit -c; cat /proc/self/oom_score_adj; ls /dev | tr '\\n' ' '",
        "0\n500\nfd full null ptmx pts random shm stderr stdin stdout tty urandom zero ");
    expect_output(
        "cut -d' ' -f2,4 /proc/mounts | grep -v nosuid; echo; "
        "cut -d' ' -f2,4 /proc/mounts | grep -v nodev | cut -d' ' -f1 | sort | tr '\\n' ' '",
        "\n/dev/full /dev/null /dev/pts /dev/random /dev/tty /dev/urandom /dev/zero ");
}

static void inside_one_can_work(void **state)
{
    (void)state;
    expect_output(
        "echo x > a && mv a b && cat b; echo y > /tmp/t && cat /tmp/t;"
        "echo z > ~/h && cat ~/h; echo s > /dev/shm/s && cat /dev/shm/s; echo q > /dev/null;"
        "head -c 4 /dev/zero | wc -c",
        "x\ny\nz\ns\n4\n");
    expect_output(
        "touch /usr/x /etc/x /x /run/x /proc/sys/kernel/hostname 2>/dev/null; echo $?;"
        "(echo w > /proc/sys/kernel/hostname) 2>/dev/null || echo refused;"
        "test -s /proc/kcore || echo blank",
        "1\nrefused\nblank\n");
}

static void every_canary_holds(void **state)
{
    struct ground ground;
    struct outcome outcome;
    size_t not_tried = 0;

    (void)state;
    ground_begin(&ground);
    ground_run(&ground, SHELL("true"), NULL, &outcome);
    for (size_t i = 0; i < outcome.seal.canary_count; i++) {
        const struct cell_canary *canary = &outcome.seal.canaries[i];

        if (canary->outcome == CANARY_BROKEN)
            fail_msg("%s: %s", canary->id, canary->seen);
        not_tried += canary->outcome == CANARY_NOT_TRIED;
    }
    assert_true(outcome.seal.canary_count >= 30);
    assert_true(not_tried <=
                (outcome.seal.sealed.scope_signals ? 3 : 4)); /* the planted ones */
    assert_int_equal(strlen(outcome.seal.sealed.filter_digest), 64);
    outcome_free(&outcome);
    ground_end(&ground);
}

/* In a plain folder nothing is redacted or denied: the canaries must sing. */
static void a_canary_that_gets_through_refuses_the_run(void **state)
{
    static const struct {
        struct cell_canary_plan plan;
        const char *id;
    } cases[] = {
        {{.card_path = "card.txt", .card_number = "4000000000000002"}, "card-number"},
        {{.card_path = "absent.txt", .card_number = "4000000000000002"}, "card-number"},
        {{.denied_path = "card.txt"}, "denied-file"},
        {{.forbidden_path = "custody.yaml"}, "forbidden-write"},
    };
    struct ground ground;

    (void)state;
    ground_begin(&ground);
    for (size_t i = 0; i < COUNT(cases); i++) {
        AUTO_FREE char *path = xformat("%s/card.txt", ground.plain);
        struct fault fault = {0};
        struct outcome outcome;
        bool broken = false;

        (void)unlink(path);
        assert_ok(file_create(AT_FDCWD, path, SLICE("card 4000000000000002\n"), 0644, &fault),
                  fault);
        ground.plan.canary = cases[i].plan;
        ground_run(&ground, SHELL("echo ran"), NULL, &outcome);
        assert_true(outcome.sealed);
        assert_false(outcome.started);
        assert_int_equal(outcome.go.kind, FAULT_HOST);
        assert_int_equal(outcome.output.len, 0);
        assert_int_equal(outcome.seal.canaries_broken, 1);
        for (size_t k = 0; k < outcome.seal.canary_count; k++)
            broken = broken || (outcome.seal.canaries[k].outcome == CANARY_BROKEN &&
                                strcmp(outcome.seal.canaries[k].id, cases[i].id) == 0);
        assert_true(broken);
        outcome_free(&outcome);
    }
    ground_end(&ground);
}

static size_t mounts_of_ours(void)
{
    AUTO_BUF struct buf text = buf_with_limit(1 << 20);
    struct fault fault = {0};
    size_t count = 0;
    struct slice rest, line;

    assert_ok(file_read(AT_FDCWD, "/proc/self/mountinfo", &text, &fault), fault);
    rest = buf_slice(&text);
    while (slice_cut(&rest, '\n', &line))
        count++;
    return count;
}

static void nothing_stays_behind(void **state)
{
    struct ground ground;
    struct outcome outcome;
    size_t before = mounts_of_ours();

    (void)state;
    ground_begin(&ground);
    ground.plan.memory_bytes = 1 << 30;
    ground.plan.cpu_percent = 100;
    ground_run(&ground, SHELL("setsid sleep 98761 & sleep 98762 & (sleep 98763 &) ; exit 3"),
               NULL, &outcome);
    assert_true(outcome.exited);
    assert_int_equal(outcome.last.exit.status, 3);
    assert_false(ground_process_exists("98761") || ground_process_exists("98762") ||
                 ground_process_exists("98763"));
    assert_int_equal(mounts_of_ours(), before);
    assert_int_equal(ground_groups("unit", getpid()), 0);
    assert_int_equal(waitpid(-1, NULL, WNOHANG),
                     -1); /* no child is left, the keeper neither */
    assert_int_equal(errno, ECHILD);
    outcome_free(&outcome);
    ground_end(&ground);
}

static bool patiently(bool (*done)(const void *self), const void *self)
{
    for (int i = 0; i < 500; i++) {
        const struct timespec pause = {.tv_nsec = 10000000};

        if (done(self))
            return true;
        (void)nanosleep(&pause, NULL);
    }
    return false;
}

static bool sleeper_runs(const void *self)
{
    (void)self;
    return ground_process_exists("98764");
}

static bool sleeper_is_gone(const void *self)
{
    (void)self;
    return !ground_process_exists("98764");
}

static bool groups_are_gone(const void *self)
{
    return ground_groups("killed", *(const pid_t *)self) == 0;
}

static void core_killed_means_cell_killed(void **state)
{
    struct ground ground;
    pid_t pid;

    (void)state;
    ground_begin(&ground);
    ground.plan.run = "killed";
    pid = fork();
    if (pid == 0) {
        struct outcome outcome;

        ground_run(&ground, SHELL("sleep 98764"), NULL, &outcome);
        _exit(0);
    }
    assert_true(patiently(sleeper_runs, NULL));
    assert_int_equal(kill(pid, SIGKILL), 0);
    assert_int_equal(waitpid(pid, NULL, 0), pid);
    assert_true(patiently(sleeper_is_gone, NULL));
    assert_true(patiently(groups_are_gone, &pid));
    ground_end(&ground);
}

static void stopping_a_cell_stops_it(void **state)
{
    struct ground ground;
    struct cell *cell = NULL;
    struct cell_packet packet;
    struct fault fault = {0};

    (void)state;
    ground_begin(&ground);
    ground.plan.argv = SHELL("sleep 98765");
    assert_ok(cell_start(&ground.plan, &cell, &fault), fault);
    assert_ok(cell_receive(cell, 10000, &packet, &fault), fault);
    assert_int_equal(packet.type, CELL_MOUNTED);
    (void)close(packet.proc_fd);
    assert_false(cell_go(cell, &fault)); /* not sealed */
    assert_int_equal(fault.kind, FAULT_HOST);
    cell_kill(cell);
    assert_ok(cell_receive(cell, 10000, &packet, &fault), fault);
    assert_int_equal(packet.type, CELL_GONE);
    assert_ok(cell_end(cell, &fault), fault);
    assert_ok(cell_end(NULL, &fault), fault);
    assert_false(ground_process_exists("98765"));
    ground_end(&ground);
}

static void limits_hold(void **state)
{
    struct ground ground;
    struct outcome outcome;
    AUTO_FREE char *text = NULL;

    (void)state;
    ground_begin(&ground);
    ground.plan.tmp_bytes = 1 << 20;
    ground.plan.home_bytes = 1 << 20;
    ground.plan.pids = 40;
    ground.plan.memory_bytes = 96 << 20;
    ground_run(
        &ground,
        SHELL("head -c 8000000 /dev/zero > /tmp/full; stat -c %s /tmp/full;"
              "head -c 8000000 /dev/zero > ~/full; stat -c %s ~/full;"
              "rm /tmp/full; i=0; while [ $i -lt 100 ]; do sleep 50 & i=$((i+1)); done"),
        NULL, &outcome);
    text = text_of(&outcome);
    assert_non_null(strstr(text, "1048576\n"));
    assert_non_null(strstr(text, "No space left on device"));
    assert_non_null(strstr(text, "ork")); /* Cannot fork; fork: retry: ... */
    outcome_free(&outcome);
    free(take_pointer(&text));
    ground_run(&ground, SHELL("head -c 400000000 /dev/zero | tail | wc -c; echo after"), NULL,
               &outcome);
    text = text_of(&outcome);
    if (outcome.seal.sealed.limit[CELL_LIMIT_MEMORY])
        assert_null(strstr(text, "400000000\n"));
    outcome_free(&outcome);
    ground_end(&ground);
}

static void door_accepts(int socket)
{
    pid_t pid = fork();

    if (pid == 0) {
        int flags = fcntl(socket, F_GETFL);
        AUTO_CLOSE int client = -1;

        (void)fcntl(socket, F_SETFL, flags & ~O_NONBLOCK);
        (void)alarm(20);
        client = accept(socket, NULL, NULL);
        _exit(client >= 0 && write(client, "welcome\n", 8) == 8 ? 0 : 1);
    }
}

static void the_door_is_the_only_way_out(void **state)
{
    struct ground ground;
    struct outcome outcome;
    AUTO_FREE char *text = NULL;

    (void)state;
    if (access("/usr/bin/bash", X_OK) < 0) {
        print_message("skipped: no bash to connect with\n");
        skip();
    }
    ground_begin(&ground);
    ground.plan.door_port = 8377;
    ground_run(&ground,
               (const char *const[]){
                   "bash", "-c",
                   "exec 3<>/dev/tcp/127.0.0.1/8377; head -1 <&3;"
                   "(exec 4<>/dev/tcp/127.0.0.1/22) 2>/dev/null || echo refused;"
                   "(exec 4<>/dev/tcp/192.0.2.1/80) 2>&1 | grep -o unreachable | head -1;"
                   "cut -d: -f1 /proc/net/dev | tail -n +3 | tr -d ' '",
                   NULL},
               door_accepts, &outcome);
    text = text_of(&outcome);
    assert_string_equal(text, "welcome\nrefused\nunreachable\nlo\n");
    (void)waitpid(-1, NULL, 0);
    outcome_free(&outcome);
    ground_end(&ground);
}

static void folders_of_the_plan_are_where_they_belong(void **state)
{
    struct ground ground;
    struct outcome outcome;
    struct cell_scratch scratch[2];
    struct cell_file files[2] = {
        {.path = ".codex/deep/config.toml", .content = SLICE("model = 1\n"), .mode = 0600},
        {.path = "plain", .content = SLICE("p\n"), .mode = 0644}};
    AUTO_FREE char *text = NULL;
    AUTO_FREE char *made = NULL;
    int git, objects, engine, plain;

    (void)state;
    ground_begin(&ground);
    plain = open(ground.plain, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    assert_int_equal(mkdirat(plain, "build", 0755), 0);
    assert_int_equal(mkdirat(plain, "web", 0755), 0);
    assert_int_equal(mkdirat(plain, "web/node_modules", 0755), 0);
    assert_int_equal(mkdirat(plain, ".git", 0755), 0);
    (void)close(plain);
    scratch[0] = (struct cell_scratch){.path = "build", .fd = ground_folder(&ground, "s0")};
    scratch[1] =
        (struct cell_scratch){.path = "web/node_modules", .fd = ground_folder(&ground, "s1")};
    ground.plan.git_fd = git = ground_folder(&ground, "git");
    ground.plan.objects_fd = objects = ground_folder(&ground, "objects");
    ground.plan.engine_fd = engine = ground_folder(&ground, "engine");
    ground.plan.scratch = scratch;
    ground.plan.scratch_count = 2;
    ground.plan.files = files;
    ground.plan.file_count = 2;
    ground_run(
        &ground,
        SHELL("echo b > build/out; echo n > web/node_modules/m; echo g > .git/HEAD;"
              "cat ~/.codex/deep/config.toml ~/plain; stat -c %a ~/.codex/deep/config.toml;"
              "touch ~/.codex/deep/new && echo mine;"
              "touch /run/custody/objects/x /opt/engine/x 2>/dev/null || echo fixed"),
        NULL, &outcome);
    text = text_of(&outcome);
    assert_string_equal(text, "model = 1\np\n600\nmine\nfixed\n");
    made = xformat("%s/s1/m", ground.folder);
    assert_int_equal(access(made, F_OK), 0);
    (void)close(scratch[0].fd);
    (void)close(scratch[1].fd);
    (void)close(git);
    (void)close(objects);
    (void)close(engine);
    outcome_free(&outcome);
    ground_end(&ground);
}

/* A repository whose `build` is a link must not move our mount to where the link points. */
static void a_link_in_the_view_carries_no_mount_away(void **state)
{
    struct ground ground;
    struct outcome outcome;
    struct cell_scratch scratch;
    AUTO_FREE char *link = NULL;

    (void)state;
    ground_begin(&ground);
    link = xformat("%s/build", ground.plain);
    assert_int_equal(symlink("/tmp", link), 0);
    scratch = (struct cell_scratch){.path = "build", .fd = ground_folder(&ground, "s0")};
    ground.plan.scratch = &scratch;
    ground.plan.scratch_count = 1;
    ground_run(&ground, SHELL("true"), NULL, &outcome);
    assert_true(outcome.failed && !outcome.started);
    (void)close(scratch.fd);
    outcome_free(&outcome);
    ground_end(&ground);
}

static void two_cells_at_once_do_not_meet(void **state)
{
    struct ground one, two;
    struct outcome outcome;
    pid_t pid;
    int status = 1;

    (void)state;
    ground_begin(&one);
    ground_begin(&two);
    one.plan.run = "one";
    two.plan.run = "two";
    pid = fork();
    if (pid == 0) {
        ground_run(&one, SHELL("sleep 1; ls /tmp | wc -l; ps ax | grep -c 'slee[p] 1'"), NULL,
                   &outcome);
        _exit(outcome.exited ? 0 : 1);
    }
    ground_run(&two, SHELL("touch /tmp/two; sleep 1"), NULL, &outcome);
    assert_true(outcome.exited);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
    outcome_free(&outcome);
    ground_end(&one);
    ground_end(&two);
}

/* Becomes nobody and starts this test again. */
static void start_as_user(void)
{
    if (setgroups(0, NULL) < 0 || setresgid(65534, 65534, 65534) < 0 ||
        setresuid(65534, 65534, 65534) < 0)
        _exit(100);
    if (unshare(CLONE_NEWUSER) < 0)
        _exit(101);
    _exit(0);
}

static void run_as_user(void)
{
    if (setgroups(0, NULL) < 0 || setresgid(65534, 65534, 65534) < 0 ||
        setresuid(65534, 65534, 65534) < 0 || dup2(2, 1) < 0 ||
        setenv("CMOCKA_MESSAGE_OUTPUT", "STDOUT", 1) < 0)
        _exit(100);
    (void)execl("/proc/self/exe", "cell_test", (char *)NULL);
    _exit(102);
}

static int status_of(void (*act)(void))
{
    pid_t pid = fork();
    int status = 0;

    if (pid == 0)
        act();
    assert_int_equal(waitpid(pid, &status, 0), pid);
    return WEXITSTATUS(status);
}

static void all_of_it_holds_for_an_ordinary_user(void **state)
{
    int probed;

    (void)state;
    if (geteuid() != 0) {
        print_message("skipped: this is the ordinary user\n");
        skip();
    }
    probed = status_of(start_as_user);
    if (probed == 101) {
        print_message("skipped: ordinary users get no user namespace here\n");
        skip();
    }
    assert_int_equal(probed, 0);
    assert_int_equal(status_of(run_as_user), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(the_agent_ends_and_core_learns_how),
        TEST(a_program_that_is_not_there_is_a_fault),
        TEST(inside_there_is_what_the_plan_says_and_no_more),
        TEST(inside_one_can_work),
        TEST(every_canary_holds),
        TEST(a_canary_that_gets_through_refuses_the_run),
        TEST(nothing_stays_behind),
        TEST(core_killed_means_cell_killed),
        TEST(stopping_a_cell_stops_it),
        TEST(limits_hold),
        TEST(the_door_is_the_only_way_out),
        TEST(folders_of_the_plan_are_where_they_belong),
        TEST(a_link_in_the_view_carries_no_mount_away),
        TEST(two_cells_at_once_do_not_meet),
        TEST(all_of_it_holds_for_an_ordinary_user),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
