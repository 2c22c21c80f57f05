#include "test.h"

#include "view/mounted.h"

#include <sys/file.h>
#include <sys/inotify.h>
#include <sys/mman.h>
#include <sys/statvfs.h>
#include <sys/xattr.h>

static void files_are_read_written_and_replaced(void **state)
{
    char room[64] = {0};
    struct stat stat_a, stat_b;

    BEGIN(fixture);
    expect("README.md", "# payments\n");
    {
        AUTO_CLOSE int fd = open("link", O_RDONLY | O_CLOEXEC);

        assert_int_equal(read(fd, room, 8), 8);
        assert_string_equal(room, "int main");
    }
    expect("data/empty", "");
    put("README.md", "new\n");
    expect("README.md", "new\n");
    put("made.txt", "made");
    expect("made.txt", "made");
    {
        AUTO_CLOSE int fd = open("made.txt", O_WRONLY | O_APPEND | O_CLOEXEC);

        assert_int_equal(write(fd, "+1", 2), 2);
        assert_int_equal(write(fd, "+2", 2), 2);
    }
    expect("made.txt", "made+1+2");
    {
        AUTO_CLOSE int fd = open("src/main.c", O_RDWR | O_CLOEXEC);

        assert_int_equal(pwrite(fd, "INT", 3, 0), 3);
        assert_int_equal(pread(fd, room, 8, 0), 8);
        assert_string_equal(room, "INT main");
        assert_int_equal(ftruncate(fd, 3), 0);
    }
    expect("src/main.c", "INT");
    assert_int_equal(truncate("src/main.c", 0), 0);
    expect("src/main.c", "");
    put("a", "A");
    put("b", "B");
    assert_int_equal(rename("a", "b"), 0);
    expect("b", "A");
    expect_errno(access("a", F_OK), ENOENT);
    assert_int_equal(stat("b", &stat_a), 0);
    assert_int_equal(link("b", "c"), 0);
    assert_int_equal(stat("c", &stat_b), 0);
    assert_int_equal(stat_a.st_ino, stat_b.st_ino);
    assert_int_equal(stat_b.st_nlink, 2);
    put("c", "via c");
    expect("b", "via c");
    assert_int_equal(unlink("b"), 0);
    expect("c", "via c");
    fixture_end(&fixture);
}

static void open_files_outlive_their_names(void **state)
{
    char room[64] = {0};

    BEGIN(fixture);
    {
        AUTO_CLOSE int clean = open("src/deep/er/x.txt", O_RDONLY | O_CLOEXEC);
        AUTO_CLOSE int old = open("data/plain.csv", O_RDWR | O_CLOEXEC);
        AUTO_CLOSE int own = open("own", O_RDWR | O_CREAT | O_CLOEXEC, 0600);

        assert_int_equal(write(own, "own", 3), 3);
        assert_int_equal(unlink("src/deep/er/x.txt"), 0);
        assert_int_equal(unlink("own"), 0);
        put("new", "new bytes");
        assert_int_equal(rename("new", "data/plain.csv"), 0);
        assert_int_equal(pread(clean, room, 2, 0), 2);
        assert_memory_equal(room, "x\n", 2);
        assert_int_equal(pread(old, room, 4, 0), 4); /* the old bytes, not the new file's */
        assert_memory_equal(room, "a,b\n", 4);
        assert_int_equal(pwrite(old, "OLD", 3, 0), 3);
        assert_int_equal(pread(own, room, 3, 0), 3);
        assert_memory_equal(room, "own", 3);
        assert_int_equal(pwrite(own, "more", 4, 3), 4);
        expect("data/plain.csv", "new bytes");
    }
    assert_int_equal(rmdir("src/deep/er"), 0);
    expect_errno(access("src/deep/er", F_OK), ENOENT);
    fixture_end(&fixture);
}

static void renames_have_their_flags(void **state)
{
    BEGIN(fixture);
    put("a", "A");
    put("b", "B");
    expect_errno(renameat2(AT_FDCWD, "a", AT_FDCWD, "b", RENAME_NOREPLACE), EEXIST);
    assert_int_equal(renameat2(AT_FDCWD, "a", AT_FDCWD, "b", RENAME_EXCHANGE), 0);
    expect("a", "B");
    expect("b", "A");
    assert_int_equal(renameat2(AT_FDCWD, "src", AT_FDCWD, "data", RENAME_EXCHANGE), 0);
    expect("src/plain.csv", "a,b\n1,2\n");
    expect("data/deep/er/x.txt", "x\n");
    expect_errno(rename("data", "data/deep/inside"), EINVAL);
    expect_errno(rename("data", "src"), ENOTEMPTY);
    expect_errno(rename("a", "src"), EISDIR);
    expect_errno(rename("src", "a"), ENOTDIR);
    assert_int_equal(mkdir("into", 0755), 0);
    assert_int_equal(rename("data", "into/data"), 0);
    expect("into/data/deep/er/x.txt", "x\n");
    put("into/data/deep/er/x.txt", "written after the move\n");
    expect("into/data/deep/er/x.txt", "written after the move\n");
    expect_errno(rmdir("into"), ENOTEMPTY);
    fixture_end(&fixture);
}

static void attributes_are_kept(void **state)
{
    struct timespec times[2] = {{.tv_sec = 1234567890, .tv_nsec = 5000},
                                {.tv_sec = 1234567891}};
    struct statvfs volume;
    struct stat stat_a;

    BEGIN(fixture);
    assert_int_equal(stat("README.md", &stat_a), 0);
    assert_int_equal(stat_a.st_mode, S_IFREG | 0644);
    assert_int_equal(stat_a.st_uid, FIXTURE_UID);
    assert_int_equal(stat_a.st_mtime, 1700000000);
    assert_int_equal(stat("run.sh", &stat_a), 0);
    assert_int_equal(stat_a.st_mode, S_IFREG | 0755);
    assert_int_equal(chmod("README.md", 0755), 0);
    assert_int_equal(stat("README.md", &stat_a), 0);
    assert_int_equal(stat_a.st_mode, S_IFREG | 0755);
    assert_int_equal(utimensat(AT_FDCWD, "README.md", times, 0), 0);
    assert_int_equal(stat("README.md", &stat_a), 0);
    assert_int_equal(stat_a.st_mtime, 1234567891);
    assert_int_equal(stat_a.st_atim.tv_nsec, 5000);
    expect_errno(chown("README.md", 0, 0), EPERM);
    assert_int_equal(statvfs(".", &volume), 0);
    assert_true(volume.f_blocks * volume.f_frsize <= 256U << 20);
    {
        AUTO_CLOSE int fd = open("locked-out", O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0400);

        assert_true(fd >= 0); /* the mode is for the next to open it */
        assert_int_equal(write(fd, "x", 1), 1);
        expect_errno(open("locked-out", O_WRONLY | O_CLOEXEC), EACCES);
    }
    {
        AUTO_CLOSE int fd = open("sparse", O_RDWR | O_CREAT | O_CLOEXEC, 0644);
        char byte = 1;

        assert_int_equal(pwrite(fd, "z", 1, 100 << 20), 1);
        assert_int_equal(pread(fd, &byte, 1, 50 << 20), 1);
        assert_int_equal(byte, 0);
        assert_int_equal(fstat(fd, &stat_a), 0);
        assert_true(stat_a.st_blocks < 1000);
        assert_int_equal(posix_fallocate(fd, 0, 1 << 20), 0);
        assert_int_equal(posix_fallocate(fd, 0, 1 << 30), ENOSPC);
    }
    fixture_end(&fixture);
}

static void links_and_folders_work(void **state)
{
    char room[300];
    ssize_t len;
    int names = 0;
    DIR *dir;

    BEGIN(fixture);
    len = readlink("link", room, sizeof(room));
    assert_int_equal(len, strlen("src/main.c"));
    assert_memory_equal(room, "src/main.c", (size_t)len);
    assert_int_equal(symlink("../elsewhere", "src/made"), 0);
    len = readlink("src/made", room, sizeof(room));
    assert_int_equal(len, 12);
    expect_errno(mkdir("src", 0755), EEXIST);
    expect_errno(rmdir("src"), ENOTEMPTY);
    expect_errno(unlink("src"), EISDIR);
    expect_errno(rmdir("README.md"), ENOTDIR);
    assert_int_equal(mkdir("many", 0755), 0);
    for (int i = 0; i < 3000; i++) {
        (void)snprintf(room, sizeof(room), "many/%d", i);
        put(room, "");
    }
    dir = opendir("many");
    for (struct dirent *entry; (entry = readdir(dir)) != NULL;) { /* removing while listing */
        if (entry->d_name[0] == '.')
            continue;
        names++;
        (void)snprintf(room, sizeof(room), "many/%s", entry->d_name);
        assert_int_equal(unlink(room), 0);
    }
    (void)closedir(dir);
    assert_int_equal(names, 3000);
    assert_int_equal(rmdir("many"), 0);
    assert_int_equal(mkfifo("pipe", 0644), 0);
    expect_errno(mknod("device", S_IFCHR | 0644, 1), EPERM);
    fixture_end(&fixture);
}

static void mappings_locks_watches_and_scripts_work(void **state)
{
    AUTO_BUF struct buf output = buf_with_limit(1000);
    AUTO_CLOSE int watch = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
    char events[4096];
    char *map;

    BEGIN(fixture);
    assert_true(inotify_add_watch(watch, ".", IN_CREATE | IN_MODIFY) >= 0);
    {
        AUTO_CLOSE int fd = open("mapped", O_RDWR | O_CREAT | O_CLOEXEC, 0644);
        AUTO_CLOSE int other = open("mapped", O_RDWR | O_CLOEXEC);

        assert_int_equal(ftruncate(fd, 8192), 0);
        map = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
        assert_true(map != MAP_FAILED);
        memcpy(map + 4096, "mapped", 6);
        assert_int_equal(msync(map, 8192, MS_SYNC), 0);
        (void)munmap(map, 8192);
        assert_int_equal(flock(fd, LOCK_EX | LOCK_NB), 0);
        expect_errno(flock(other, LOCK_EX | LOCK_NB), EWOULDBLOCK);
        assert_int_equal(fsync(fd), 0);
    }
    {
        AUTO_CLOSE int fd = open("mapped", O_RDONLY | O_CLOEXEC);

        assert_int_equal(pread(fd, events, 6, 4096), 6);
        assert_memory_equal(events, "mapped", 6);
    }
    assert_true(read(watch, events, sizeof(events)) > 0);
    assert_int_equal(RUN(".", &output, "./run.sh"), 0);
    assert_string_equal(buf_text(&output), "ran\n");
    fixture_end(&fixture);
}

static void denied_is_absent_and_redacted_is_replaced(void **state)
{

    BEGIN(fixture);
    expect_errno(open("secrets/server.pem", O_RDONLY | O_CLOEXEC), ENOENT);
    expect_errno(access("secrets", F_OK), ENOENT);
    expect_errno(open("any.pem", O_RDONLY | O_CLOEXEC), ENOENT);
    expect_errno(open("any.pem", O_RDONLY | O_CLOEXEC), ENOENT);
    assert_int_equal(fixture_records(&fixture, "refused read any.pem"), 1); /* once a name */
    expect_errno(open("any.pem", O_WRONLY | O_CREAT | O_CLOEXEC, 0644), EACCES);
    expect_errno(mkdir("dir.pem", 0755), EACCES);
    expect_errno(symlink("x", "link.pem"), EACCES);
    expect_errno(rename("README.md", "moved.pem"), EACCES);
    expect_errno(link("README.md", "linked.pem"), EACCES);
    assert_int_equal(fixture_records(&fixture, "refused create any.pem"), 1);
    assert_int_equal(fixture_records(&fixture, "refused mkdir dir.pem"), 1);
    assert_int_equal(fixture_records(&fixture, "refused rename README.md -> moved.pem"), 1);
    assert_int_equal(fixture_records(&fixture, "refused link README.md -> linked.pem"), 1);
    expect("data/cards.csv", "name,card\nada,0000000000000000\nbob,0000000000000000\n");
    assert_int_equal(fixture_records(&fixture, "read data/cards.csv class=2 redact durable"),
                     1);
    expect_errno(link("data/cards.csv", "alias"), EACCES);
    assert_int_equal(fixture_records(&fixture, "refused link data/cards.csv -> alias"), 1);
    assert_int_equal(rename("data/cards.csv", "moved.csv"), 0);
    expect("moved.csv", "name,card\nada,0000000000000000\nbob,0000000000000000\n");
    assert_int_equal(
        fixture_records(&fixture, "rename data/cards.csv -> moved.csv class=2 redact"), 1);
    fixture_end(&fixture);
}

static void what_policy_keeps_from_writing_stays(void **state)
{
    AUTO_FREE char *mine = NULL;
    struct stat stat_a;

    BEGIN(fixture);
    mine = xformat("refused modify custody.yaml class=0 deny pid=%d", (int)getpid());
    expect_errno(open("custody.yaml", O_WRONLY | O_APPEND | O_CLOEXEC), EACCES);
    assert_int_equal(fixture_records(&fixture, mine), 1);
    expect_errno(open("custody.yaml", O_RDWR | O_CLOEXEC), EACCES);
    expect_errno(open("custody.yaml", O_RDONLY | O_TRUNC | O_CLOEXEC), EACCES);
    expect_errno(open("custody.yaml", O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644), EACCES);
    expect_errno(truncate("custody.yaml", 0), EACCES);
    expect_errno(setxattr("custody.yaml", "user.a", "b", 1, 0), EACCES);
    assert_int_equal(fixture_records(&fixture, mine), 6);
    /* What only looks is no attempt: */
    expect("custody.yaml", "version: 1\n");
    assert_int_equal(stat("custody.yaml", &stat_a), 0);
    assert_int_equal(stat_a.st_mode, S_IFREG | 0444);
    expect_errno(access("custody.yaml", W_OK), EACCES);
    assert_int_equal(fixture_records(&fixture, mine), 6);
    expect_errno(chmod("custody.yaml", 0644), EACCES);
    expect_errno(unlink("custody.yaml"), EACCES);
    expect_errno(rename("custody.yaml", "x"), EACCES);
    expect_errno(rename("README.md", "custody.yaml"), EACCES);
    expect_errno(link("custody.yaml", "src/alias"), EACCES);
    expect_errno(rename("infra", "infrastructure"), EACCES);
    expect_errno(rename("src", "infra/src"), EACCES);
    expect_errno(open("infra/new", O_WRONLY | O_CREAT | O_CLOEXEC, 0644), EACCES);
    expect_errno(mkdir("src/.git", 0755), EACCES);
    expect_errno(open("src/.GIT", O_WRONLY | O_CREAT | O_CLOEXEC, 0644), EACCES);
    expect_errno(rmdir("build"), EBUSY);
    expect("custody.yaml", "version: 1\n");
    assert_int_equal(fixture_records(&fixture, "refused delete custody.yaml"), 1);
    assert_int_equal(fixture_records(&fixture, "refused chmod custody.yaml"), 1);
    assert_int_equal(
        fixture_records(&fixture, "refused rename infra/net.tf -> infrastructure/net.tf"), 1);
    assert_int_equal(fixture_records(&fixture, "refused create infra/new"), 1);
    assert_int_equal(fixture_records(&fixture, "refused mkdir src/.git"), 1);
    fixture_end(&fixture);
}

static void every_first_read_and_change_is_recorded_once(void **state)
{
    AUTO_FREE char *mine = NULL;
    char exe[256] = {0};

    BEGIN(fixture);
    for (int i = 0; i < 3; i++)
        expect("README.md", "# payments\n");
    assert_int_equal(fixture_records(&fixture, "read README.md class=32 allow pid="), 1);
    assert_true(readlink("/proc/self/exe", exe, sizeof(exe) - 1) > 0);
    mine = xformat("read README.md class=32 allow pid=%d exe=%s", (int)getpid(), exe);
    assert_int_equal(fixture_records(&fixture, mine), 1);
    assert_int_equal(RUN(".", NULL, "cat", "src.txt"), 0);
    assert_int_equal(RUN(".", NULL, "cat", "src.txt"), 0);
    assert_int_equal(fixture_records(&fixture, "read src.txt"), 1);
    put("README.md", "1\n");
    put("README.md", "2\n");
    assert_int_equal(fixture_records(&fixture, "modify README.md"), 1);
    put("made", "x");
    put("made", "y");
    assert_int_equal(fixture_records(&fixture, "create made"), 1);
    assert_int_equal(fixture_records(&fixture, "modify made"), 0);
    assert_int_equal(rename("made", "moved"), 0);
    put("moved", "z");
    assert_int_equal(fixture_records(&fixture, "modify moved"), 1); /* another path */
    assert_int_equal(chmod("moved", 0700), 0);
    assert_int_equal(unlink("moved"), 0);
    assert_int_equal(mkdir("d", 0755), 0);
    assert_int_equal(rmdir("d"), 0);
    assert_int_equal(fixture_records(&fixture, "rename made -> moved"), 1);
    assert_int_equal(fixture_records(&fixture, "chmod moved"), 1);
    assert_int_equal(fixture_records(&fixture, "delete moved"), 1);
    assert_int_equal(fixture_records(&fixture, "mkdir d"), 1);
    assert_int_equal(fixture_records(&fixture, "rmdir d"), 1);
    fixture_end(&fixture);
}

static void planted_entries_go_when_disarmed(void **state)
{
    static const struct view_planted planted[] = {
        {.name = "canary.csv",
         .content = {(const uint8_t *)"0000000000000000\n", 17},
         .class_mask = CLASS_BIT(CLASS_PAN),
         .verdict = VERDICT_REDACT},
        {.name = "canary.key",
         .content = {(const uint8_t *)"secret", 6},
         .verdict = VERDICT_DENY},
    };
    struct fixture fixture = {
        .hide_names = true, .planted = planted, .planted_count = COUNT(planted)};
    AUTO_BUF struct buf answer = buf_with_limit(MESSAGE_BYTES_MAX);
    AUTO_BUF struct buf before = buf_with_limit(65536);
    AUTO_BUF struct buf after = buf_with_limit(65536);

    (void)state;
    begin_with(&fixture);
    expect("canary.csv", "0000000000000000\n");
    expect_errno(open("canary.key", O_RDONLY | O_CLOEXEC), ENOENT);
    expect_errno(open("canary.key", O_WRONLY | O_CREAT | O_CLOEXEC, 0644), EACCES);
    expect_errno(open("canary.csv", O_WRONLY | O_CLOEXEC), EACCES);
    expect_errno(unlink("canary.csv"), EACCES);
    assert_int_equal(RUN(".", &before, "ls", "-a"), 0);
    assert_int_not_equal(slice_find(buf_slice(&before), SLICE("canary.csv"), 0), SIZE_MAX);
    fixture_ask(&fixture, 'D', &answer);
    expect_errno(open("canary.csv", O_RDONLY | O_CLOEXEC), ENOENT);
    assert_int_equal(RUN(".", &after, "ls", "-a"), 0);
    assert_int_equal(slice_find(buf_slice(&after), SLICE("canary"), 0), SIZE_MAX);
    put("canary.key", "now it may be\n");
    expect("canary.key", "now it may be\n");
    fixture_end(&fixture);
}

/* Through an io_uring the first ones after a death are cut off in other words. */
#define expect_shut(expression)                                                               \
    do {                                                                                      \
        errno = 0;                                                                            \
        assert_int_equal(expression, -1);                                                     \
        assert_true(errno == ENOTCONN ||                                                      \
                    (fixture.ring && (errno == ECANCELED || errno == ECONNABORTED)));         \
    } while (0)

/*
 * Pages of unclassified files that this agent has read already stay readable to it; that was
 * decided and recorded. Nothing else: no cold file, no classified one, no write, no name.
 */
static void dead_view_is_a_shut_view(void **state)
{
    BEGIN(fixture);
    expect("README.md", "# payments\n");
    expect("data/cards.csv", "name,card\nada,0000000000000000\nbob,0000000000000000\n");
    fixture_as_agent(false);
    assert_int_equal(kill(fixture.server, SIGKILL), 0);
    assert_int_equal(waitpid(fixture.server, NULL, 0), fixture.server);
    fixture.server = 0;
    fixture_as_agent(true);
    expect_shut(open("src/main.c", O_RDONLY | O_CLOEXEC));
    expect_shut(open("data/cards.csv", O_RDONLY | O_CLOEXEC));
    expect_shut(truncate("README.md", 0));
    expect_shut(rename("README.md", "x"));
    expect_shut(open("new", O_WRONLY | O_CREAT | O_CLOEXEC, 0644));
    expect_shut(mkdir("d", 0755));
    fixture_end(&fixture);
}

static void names_shown_but_denied_cannot_be_opened(void **state)
{
    struct fixture fixture = {.hide_names = false};
    AUTO_BUF struct buf status = buf_with_limit(65536);
    AUTO_BUF struct buf answer = buf_with_limit(MESSAGE_BYTES_MAX);
    struct stat stat_a;

    (void)state;
    begin_with(&fixture);
    assert_int_equal(stat("secrets/server.pem", &stat_a), 0);
    assert_int_equal(stat_a.st_mode, S_IFREG);
    expect_errno(open("secrets/server.pem", O_RDONLY | O_CLOEXEC), EACCES);
    assert_int_equal(fixture_records(&fixture, "refused read secrets/server.pem"), 1);
    expect_errno(open("secrets/server.pem", O_WRONLY | O_CLOEXEC), EACCES);
    assert_int_equal(fixture_records(&fixture, "refused modify secrets/server.pem"), 1);
    expect_errno(execl("secrets/server.pem", "x", NULL), EACCES);
    assert_int_equal(fixture_records(&fixture, "refused read secrets/server.pem"), 2);
    expect_errno(chmod("secrets/server.pem", 0644), EACCES);
    expect_errno(unlink("secrets/server.pem"), EACCES);
    expect_errno(rename("secrets/server.pem", "x"), EACCES);
    expect_errno(rename("secrets", "public"), EACCES);
    assert_int_equal(RUN(".", &status, "git", "status", "--porcelain"), 0);
    assert_string_equal(buf_text(&status), "");
    fixture_ask(&fixture, 'C', &answer);
    assert_string_equal(buf_text(&answer), "-");
    fixture_end(&fixture);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(files_are_read_written_and_replaced),
        TEST(open_files_outlive_their_names),
        TEST(renames_have_their_flags),
        TEST(attributes_are_kept),
        TEST(links_and_folders_work),
        TEST(mappings_locks_watches_and_scripts_work),
        TEST(denied_is_absent_and_redacted_is_replaced),
        TEST(what_policy_keeps_from_writing_stays),
        TEST(every_first_read_and_change_is_recorded_once),
        TEST(planted_entries_go_when_disarmed),
        TEST(dead_view_is_a_shut_view),
        TEST(names_shown_but_denied_cannot_be_opened),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
