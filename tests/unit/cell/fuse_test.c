/* A cell whose repository is a FUSE mount that a process outside answers, as the view does. */
#include "test.h"

#define FUSE_USE_VERSION 312
#include <errno.h>
#include <fcntl.h>
#include <fuse_lowlevel.h>
#include <grp.h>
#include <signal.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/scope.h"
#include "ground.h"
#include "os/file.h"

#define WHO 2 /* a file whose content is the executable of who reads it */
#define TIMEOUT_S 60.0

static uid_t view_uid;
static gid_t view_gid;
static int proc_of_cell;
static pid_t server;

static const struct node {
    const char *name;
    fuse_ino_t number;
    mode_t mode;
} nodes[] = {{"", FUSE_ROOT_ID, S_IFDIR | 0755},
             {"who", WHO, S_IFREG | 0644},
             {".git", 3, S_IFDIR | 0755},
             {"build", 4, S_IFDIR | 0755}};

static bool describe(fuse_ino_t number, struct stat *ret_stat)
{
    for (size_t i = 0; i < COUNT(nodes); i++)
        if (nodes[i].number == number) {
            *ret_stat = (struct stat){.st_ino = number,
                                      .st_mode = nodes[i].mode,
                                      .st_nlink = 1,
                                      .st_size = 4096,
                                      .st_uid = view_uid,
                                      .st_gid = view_gid};
            return true;
        }
    return false;
}

static void on_lookup(fuse_req_t request, fuse_ino_t parent, const char *name)
{
    struct fuse_entry_param entry = {.attr_timeout = TIMEOUT_S, .entry_timeout = TIMEOUT_S};

    for (size_t i = 1; i < COUNT(nodes); i++)
        if (parent == FUSE_ROOT_ID && strcmp(name, nodes[i].name) == 0) {
            entry.ino = nodes[i].number;
            (void)describe(entry.ino, &entry.attr);
            (void)fuse_reply_entry(request, &entry);
            return;
        }
    (void)fuse_reply_err(request, ENOENT);
}

static void on_getattr(fuse_req_t request, fuse_ino_t number, struct fuse_file_info *info)
{
    struct stat stat;

    (void)info;
    if (describe(number, &stat))
        (void)fuse_reply_attr(request, &stat, TIMEOUT_S);
    else
        (void)fuse_reply_err(request, ENOENT);
}

static void on_open(fuse_req_t request, fuse_ino_t number, struct fuse_file_info *info)
{
    (void)number;
    info->direct_io = 1; /* so that the content may be shorter than the size */
    (void)fuse_reply_open(request, info);
}

/* Who reads is known by the cell's own /proc: pids of the request are the cell's. */
static void on_read(fuse_req_t request, fuse_ino_t number, size_t size, off_t offset,
                    struct fuse_file_info *info)
{
    AUTO_FREE char *link = xformat("%d/exe", (int)fuse_req_ctx(request)->pid);
    char text[256];
    ssize_t len = readlinkat(proc_of_cell, link, text, sizeof(text) - 1);

    (void)number;
    (void)size;
    (void)info;
    if (len < 0) {
        (void)fuse_reply_err(request, errno);
        return;
    }
    text[len++] = '\n';
    (void)fuse_reply_buf(request, text, offset > 0 ? 0 : (size_t)len);
}

static void on_create(fuse_req_t request, fuse_ino_t parent, const char *name, mode_t mode,
                      struct fuse_file_info *info)
{
    (void)parent;
    (void)name;
    (void)mode;
    (void)info;
    (void)fuse_reply_err(request, EACCES);
}

static int serve_view(int fuse)
{
    static const struct fuse_lowlevel_ops operations = {.lookup = on_lookup,
                                                        .getattr = on_getattr,
                                                        .open = on_open,
                                                        .read = on_read,
                                                        .create = on_create};
    char name[] = "view";
    char *argv[] = {name, NULL};
    struct fuse_args arguments = FUSE_ARGS_INIT(1, argv);
    AUTO_FREE char *mountpoint = xformat("/dev/fd/%d", fuse);
    struct fuse_session *session =
        fuse_session_new(&arguments, &operations, sizeof(operations), NULL);

    if (session == NULL || fuse_session_mount(session, mountpoint) != 0)
        return 1;
    return fuse_session_loop(session) == 0 ? 0 : 1;
}

static void start_view(int fuse, int proc)
{
    proc_of_cell = proc;
    server = fork();
    if (server == 0)
        _exit(serve_view(fuse));
}

static void end_view(void)
{
    (void)kill(server, SIGKILL);
    (void)waitpid(server, NULL, 0);
}

static bool can_mount(void)
{
    return access("/dev/fuse", R_OK | W_OK) == 0;
}

static void the_view_answers_for_the_repository(void **state)
{
    struct ground ground;
    struct outcome outcome;
    struct cell_scratch scratch;
    AUTO_FREE char *text = NULL;
    int git;

    (void)state;
    if (!can_mount()) {
        print_message("skipped: /dev/fuse is not for this user\n");
        skip();
    }
    ground_begin(&ground);
    ground.plan.view = true;
    ground.serve = start_view;
    view_uid = cell_view_uid(&ground.plan);
    view_gid = cell_view_gid(&ground.plan);
    scratch = (struct cell_scratch){.path = "build", .fd = ground_folder(&ground, "s0")};
    ground.plan.git_fd = git = ground_folder(&ground, "git");
    ground.plan.scratch = &scratch;
    ground.plan.scratch_count = 1;
    ground.plan.canary.denied_path = "secret.pem";
    ground.plan.canary.forbidden_path = "custody.yaml";
    ground_run(&ground,
               (const char *const[]){
                   "sh", "-c",
                   "cat who; stat -c '%u %g %a' who; echo b > build/out && cat build/out;"
                   "echo ref > .git/HEAD && cat .git/HEAD; touch new 2>/dev/null || echo no;"
                   "stat -f -c %T .; umount . 2>/dev/null || echo stays",
                   NULL},
               NULL, &outcome);
    end_view();
    text = slice_dup(buf_slice(&outcome.output));
    if (outcome.seal.canaries_broken != 0 || !outcome.exited)
        fail_msg("%s %s", outcome.last.fault.why, outcome.go.why);
    assert_string_equal(text, "/usr/bin/cat\n1000 1000 644\nb\nref\nno\nfuseblk\nstays\n");
    (void)close(scratch.fd);
    (void)close(git);
    outcome_free(&outcome);
    ground_end(&ground);
}

/* The view killed under a running agent: the repository is closed, not open. */
static void without_its_view_a_repository_is_closed(void **state)
{
    struct ground ground;
    struct outcome outcome;
    AUTO_FREE char *text = NULL;

    (void)state;
    if (!can_mount()) {
        print_message("skipped: /dev/fuse is not for this user\n");
        skip();
    }
    ground_begin(&ground);
    ground.plan.view = true;
    ground.plan.door_port = 8378;
    ground.serve = start_view;
    view_uid = cell_view_uid(&ground.plan);
    view_gid = cell_view_gid(&ground.plan);
    {
        struct cell *cell = NULL;
        struct cell_packet packet;
        struct fault fault = {0};
        int output[2];

        assert_int_equal(pipe2(output, O_CLOEXEC), 0);
        ground.plan.argv = (const char *const[]){
            "sh", "-c", "cat who; sleep 1; cat who 2>&1; ls . 2>&1", NULL};
        ground.plan.out = output[1];
        assert_ok(cell_start(&ground.plan, &cell, &fault), fault);
        assert_ok(cell_receive(cell, 10000, &packet, &fault), fault);
        assert_int_equal(packet.type, CELL_MOUNTED);
        start_view(packet.fuse_fd, packet.proc_fd);
        (void)close(packet.fuse_fd);
        (void)close(packet.proc_fd);
        (void)close(packet.door_fd);
        assert_ok(cell_view_ready(cell, &fault), fault);
        assert_ok(cell_receive(cell, 20000, &packet, &fault), fault);
        assert_int_equal(packet.type, CELL_SEALED);
        assert_ok(cell_go(cell, &fault), fault);
        assert_ok(cell_receive(cell, 10000, &packet, &fault), fault);
        assert_int_equal(packet.type, CELL_STARTED);
        (void)usleep(300000);
        end_view();
        assert_ok(cell_receive(cell, 20000, &packet, &fault), fault);
        assert_int_equal(packet.type, CELL_EXITED);
        assert_ok(cell_end(cell, &fault), fault);
        (void)close(output[1]);
        outcome.output = buf_with_limit(65536);
        assert_ok(file_read_fd(output[0], &outcome.output, &fault), fault);
        (void)close(output[0]);
    }
    text = slice_dup(buf_slice(&outcome.output));
    assert_non_null(strstr(text, "/usr/bin/cat\n"));
    assert_null(strstr(strstr(text, "/usr/bin/cat\n") + 1, "/usr/bin/cat\n"));
    assert_non_null(strstr(text, "not connected"));
    buf_free(&outcome.output);
    ground_end(&ground);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(the_view_answers_for_the_repository),
        TEST(without_its_view_a_repository_is_closed),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
