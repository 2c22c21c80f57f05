/* Pid 1 lists nothing but folders of the view, whatever stands where the view has named one. */
#include "test.h"

#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/scope.h"
#include "cell/lister.h"
#include "os/file.h"

/* Two trees beside each other: what is listed in either is told by the kernel. */
struct ground {
    char root[64];
    int repository, asked, asking, told;
};

static void in_ground(const struct ground *ground, const char *name, char path[static 128])
{
    (void)snprintf(path, 128, "%s/%s", ground->root, name);
}

static void make_folder(const struct ground *ground, const char *name)
{
    char path[128];

    in_ground(ground, name, path);
    assert_int_equal(mkdir(path, 0755), 0);
    assert_true(inotify_add_watch(ground->told, path, IN_ACCESS | IN_OPEN | IN_ONLYDIR) >= 0);
}

static void make_link(const struct ground *ground, const char *name, const char *target)
{
    char path[128];

    in_ground(ground, name, path);
    assert_int_equal(symlink(target, path), 0);
}

static void ground_begin(struct ground *ground)
{
    static const char *const folders[] = {"outside", "outside/below", "repository",
                                          "repository/plain", "repository/plain/below"};
    char path[128];
    int ends[2];

    *ground = (struct ground){.root = "/tmp/custody-lister-XXXXXX",
                              .told = inotify_init1(IN_NONBLOCK | IN_CLOEXEC)};
    assert_non_null(mkdtemp(ground->root));
    for (size_t i = 0; i < COUNT(folders); i++)
        make_folder(ground, folders[i]);
    in_ground(ground, "repository", path);
    ground->repository = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
    assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends), 0);
    ground->asking = ends[0];
    ground->asked = ends[1];
}

static void ground_end(struct ground *ground)
{
    struct fault fault = {0};

    (void)close(ground->repository);
    (void)close(ground->asking);
    (void)close(ground->asked);
    (void)close(ground->told);
    assert_ok(file_remove_tree(AT_FDCWD, ground->root, &fault), fault);
}

/* Was any folder opened or listed? */
static bool is_listed(const struct ground *ground, const char *path)
{
    char events[4096];
    bool any;

    while (read(ground->told, events, sizeof(events)) > 0)
        continue;
    assert_int_equal(send(ground->asking, path, strlen(path), 0), (ssize_t)strlen(path));
    assert_true(lister_take(ground->asked, ground->repository));
    any = read(ground->told, events, sizeof(events)) > 0;
    return any;
}

static void a_folder_of_the_repository_is_listed(void **state)
{
    static const char *const paths[] = {".", "plain", "plain/below"};
    struct ground ground;

    (void)state;
    ground_begin(&ground);
    for (size_t i = 0; i < COUNT(paths); i++)
        if (!is_listed(&ground, paths[i]))
            fail_msg("%s is not listed", paths[i]);
    ground_end(&ground);
}

static void no_link_is_followed_and_nothing_above_is_listed(void **state)
{
    static const char *const links[][2] = {
        {"repository/out", "../outside"}, {"repository/plain/out", "../../outside"},
        {"repository/in", "plain"},       {"repository/here", "."},
        {"repository/twice", "out"},      {"repository/root", "/"},
    };
    static const char *const paths[] = {
        "out",
        "out/",
        "out/below",
        "plain/out",
        "plain/out/below",
        "in",
        "in/below",
        "here",
        "here/plain",
        "twice",
        "twice/below",
        "absolute",
        "process",
        "process/1",
        "..",
        "../outside",
        "plain/../..",
        "plain/../../outside",
        "root",
        "root/tmp",
        "/",
        "/proc/self/fd",
    };
    struct ground ground;
    char outside[128];

    (void)state;
    ground_begin(&ground);
    for (size_t i = 0; i < COUNT(links); i++)
        make_link(&ground, links[i][0], links[i][1]);
    in_ground(&ground, "outside", outside);
    make_link(&ground, "repository/absolute", outside);
    make_link(&ground, "repository/process", "/proc/self/root");
    for (size_t i = 0; i < COUNT(paths); i++)
        if (is_listed(&ground, paths[i]))
            fail_msg("something was listed for %s", paths[i]);
    /* by the kernel's own links, whose names are not in any path */
    for (int fd = 3; fd < 16; fd++) {
        AUTO_FREE char *path = xformat("/proc/self/fd/%d", fd);

        assert_false(is_listed(&ground, path));
    }
    assert_true(is_listed(&ground, "plain")); /* it still lists what it should */
    ground_end(&ground);
}

/* In place of a folder that the view has named: another file system's, and a link between two packets. */
static void a_folder_that_was_replaced_meanwhile_is_left_out(void **state)
{
    struct ground ground;
    char plain[128], away[128];

    (void)state;
    ground_begin(&ground);
    in_ground(&ground, "repository/plain", plain);
    in_ground(&ground, "repository/away", away);
    assert_true(is_listed(&ground, "plain"));
    assert_int_equal(rename(plain, away), 0);
    assert_false(is_listed(&ground, "plain")); /* nothing is there */
    make_link(&ground, "repository/plain", "../outside");
    assert_false(is_listed(&ground, "plain"));
    assert_false(is_listed(&ground, "plain/below"));
    assert_true(is_listed(&ground, "away"));
    ground_end(&ground);
}

static void no_other_file_system_is_entered(void **state)
{
    struct ground ground;
    char plain[128];

    (void)state;
    if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0) {
        print_message("skipped: mounts need root\n");
        skip();
    }
    ground_begin(&ground);
    in_ground(&ground, "repository/plain", plain);
    assert_int_equal(mount("none", plain, "tmpfs", 0, NULL), 0);
    assert_true(inotify_add_watch(ground.told, plain, IN_ACCESS | IN_OPEN | IN_ONLYDIR) >= 0);
    assert_false(is_listed(&ground, "plain"));
    assert_true(is_listed(&ground, "."));
    assert_int_equal(umount(plain), 0);
    ground_end(&ground);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_folder_of_the_repository_is_listed),
        TEST(no_link_is_followed_and_nothing_above_is_listed),
        TEST(a_folder_that_was_replaced_meanwhile_is_left_out),
        TEST(no_other_file_system_is_entered),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
