/*
 * What a program may count on in a mounted view, as on ext4; docs/view.md says what differs.
 */
#include "test.h"

#include "view/mounted.h"

#include "view/object.h"

#include <sys/file.h>
#include <sys/inotify.h>
#include <sys/mman.h>
#include <sys/statvfs.h>
#include <sys/xattr.h>

#define ENTRIES 100000

static void big_files(const char *repo)
{
    AUTO_FREE char *text = xalloc((4 << 20) + 1);

    memset(text, 'b', 4 << 20);
    fixture_files(repo);
    fixture_put(repo, "big", text);
}

/* The first eight digits of its blob. Not for two at a time. */
static const char *blob_of_text(const char *text)
{
    static char digits[9];
    uint8_t oid[SNAPSHOT_OID_MAX];
    struct hasher *hasher;
    struct fault fault = {0};

    assert_ok(hasher_new(20, &hasher, &fault), fault);
    hasher_object(hasher, OBJECT_BLOB, slice_of(text), oid);
    hasher_free(hasher);
    hex_encode(slice_of_bytes(oid, 4), digits);
    return digits;
}

/* Runs `act` in a process of its own; what it returns is the exit code. */
static pid_t begin_process(int (*act)(int number), int number)
{
    pid_t pid = fork();

    if (pid == 0)
        _exit(act(number));
    assert_true(pid > 0);
    return pid;
}

static int end_process(pid_t pid)
{
    int status = -1;

    assert_int_equal(waitpid(pid, &status, 0), pid);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

/* ---- extended attributes ---- */

static void attributes_of_users_are_kept_within_limits(void **state)
{
    char names[256], value[8192], name[32];
    int kept = 0;

    BEGIN(fixture);
    memset(value, 'v', sizeof(value));
    assert_int_equal(setxattr("README.md", "user.one", "1", 1, XATTR_CREATE), 0);
    expect_errno(setxattr("README.md", "user.one", "1", 1, XATTR_CREATE), EEXIST);
    expect_errno(setxattr("README.md", "user.two", "2", 1, XATTR_REPLACE), ENODATA);
    assert_int_equal(setxattr("README.md", "user.one", "longer", 6, XATTR_REPLACE), 0);
    assert_int_equal(setxattr("README.md", "user.empty", "", 0, 0), 0);
    assert_int_equal(getxattr("README.md", "user.one", NULL, 0), 6);
    assert_int_equal(getxattr("README.md", "user.one", value, sizeof(value)), 6);
    assert_memory_equal(value, "longer", 6);
    expect_errno((int)getxattr("README.md", "user.one", value, 3), ERANGE);
    assert_int_equal(getxattr("README.md", "user.empty", value, sizeof(value)), 0);
    expect_errno((int)getxattr("README.md", "user.none", value, 3), ENODATA);
    assert_int_equal(listxattr("README.md", names, sizeof(names)), 20);
    assert_memory_equal(names, "user.one\0user.empty", 20);
    assert_int_equal(removexattr("README.md", "user.one"), 0);
    expect_errno(removexattr("README.md", "user.one"), ENODATA);
    /* They are the file's, not the name's. */
    assert_int_equal(rename("README.md", "moved"), 0);
    assert_int_equal(listxattr("moved", names, sizeof(names)), 11);
    assert_int_equal(setxattr("src", "user.folder", "1", 1, 0), 0);
    assert_int_equal(getxattr("src", "user.folder", value, 1), 1);
    /* As ext4 with its one block: */
    expect_errno(setxattr("moved", "user.big", value, 5000, 0), ENOSPC);
    while (kept < 1000) {
        (void)snprintf(name, sizeof(name), "user.%d", kept);
        if (setxattr("moved", name, value, 100, 0) != 0)
            break;
        kept++;
    }
    assert_int_equal(errno, ENOSPC);
    assert_true(kept > 20 && kept < 40);
    /* What is not a user's: */
    expect_errno(setxattr("moved", "trusted.a", "1", 1, 0), EPERM);
    expect_errno(setxattr("moved", "security.a", "1", 1, 0), EPERM);
    expect_errno((int)getxattr("moved", "system.posix_acl_access", value, 1), EOPNOTSUPP);
    expect_errno((int)getxattr("moved", "security.capability", value, 1), ENODATA);
    expect_errno((int)getxattr("moved", "trusted.a", value, 1), ENODATA);
    fixture_end(&fixture);
}

/* ---- content ---- */

static void holes_read_as_zeros_and_take_no_room(void **state)
{
    char bytes[4096] = "x", zeros[4096] = {0};
    struct stat stat_a;

    BEGIN(fixture);
    {
        AUTO_CLOSE int fd = open("sparse", O_RDWR | O_CREAT | O_CLOEXEC, 0644);

        assert_int_equal(ftruncate(fd, 1 << 20), 0);
        assert_int_equal(pwrite(fd, "end", 3, 100 << 20), 3);
        assert_int_equal(pread(fd, bytes, sizeof(bytes), 50 << 20), sizeof(bytes));
        assert_memory_equal(bytes, zeros, sizeof(bytes));
        /* The kernel asks before it has written back, so all is told as data. */
        assert_int_equal(lseek(fd, 0, SEEK_DATA), 0);
        assert_int_equal(lseek(fd, 0, SEEK_HOLE), (100 << 20) + 3);
        expect_errno((int)lseek(fd, 101 << 20, SEEK_DATA), ENXIO);
        assert_int_equal(
            fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 100 << 20, 1), 0);
        assert_int_equal(pread(fd, bytes, 3, 100 << 20), 3);
        assert_memory_equal(bytes, "\0nd", 3);
        assert_int_equal(fallocate(fd, 0, 0, 64 << 10), 0);
    }
    assert_int_equal(stat("sparse", &stat_a), 0);
    assert_int_equal(stat_a.st_size, (100 << 20) + 3);
    assert_true(stat_a.st_blocks * 512 >= 64 << 10 && stat_a.st_blocks * 512 < 1 << 20);
    fixture_end(&fixture);
}

/* Up to 16 KiB in memory, then in a file: nobody can tell. */
static void files_grow_and_shrink_past_what_is_kept_in_memory(void **state)
{
    static const off_t sizes[] = {0, 1, 100, 16384, 16385, 65536, 16384, 10, 20000, 0, 5};
    AUTO_BUF struct buf expected = buf_with_limit(1 << 20);
    char bytes[256];

    BEGIN(fixture);
    memset(bytes, 'a', sizeof(bytes));
    for (size_t i = 0; i < COUNT(sizes); i++) {
        AUTO_CLOSE int fd = open("grows", O_RDWR | O_CREAT | O_CLOEXEC, 0644);
        AUTO_BUF struct buf seen = buf_with_limit(1 << 20);
        struct fault fault = {0};
        size_t size = (size_t)sizes[i];

        if (expected.len > size)
            expected.len = size;
        while (expected.len < size)
            assert_ok(buf_add_byte(&expected, 0, &fault), fault);
        assert_int_equal(ftruncate(fd, sizes[i]), 0);
        if (size >= 3) {
            memcpy(expected.at + size - 3, "end", 3);
            assert_int_equal(pwrite(fd, "end", 3, sizes[i] - 3), 3);
        }
        assert_int_equal(close(take_fd(&fd)), 0);
        assert_ok(file_read(AT_FDCWD, "grows", &seen, &fault), fault);
        assert_int_equal(seen.len, size);
        assert_true(slice_equal(buf_slice(&seen), buf_slice(&expected)));
    }
    fixture_end(&fixture);
}

static int append_lines(int number)
{
    char line[16];
    int fd = open("log", O_WRONLY | O_APPEND | O_CLOEXEC);

    for (int i = 0; i < 500; i++) {
        (void)snprintf(line, sizeof(line), "%02d %04d .....\n", number, i);
        if (write(fd, line, 14) != 14)
            return 1;
    }
    return close(fd) == 0 ? 0 : 2;
}

static void appends_of_several_processes_do_not_mix(void **state)
{
    AUTO_BUF struct buf text = buf_with_limit(1 << 20);
    int next[4] = {0}, number, count;
    struct fault fault = {0};
    struct slice rest, line;
    pid_t pids[4];

    BEGIN(fixture);
    put("log", "");
    for (int i = 0; i < 4; i++)
        pids[i] = begin_process(append_lines, i);
    for (int i = 0; i < 4; i++)
        assert_int_equal(end_process(pids[i]), 0);
    assert_ok(file_read(AT_FDCWD, "log", &text, &fault), fault);
    assert_int_equal(text.len, 4 * 500 * 14);
    (void)buf_text(&text);
    rest = buf_slice(&text);
    while (rest.len > 0 && slice_cut(&rest, '\n', &line)) {
        assert_int_equal(line.len, 13);
        assert_int_equal(sscanf((const char *)line.at, "%d %d", &number, &count), 2);
        assert_int_equal(count, next[number]++); /* each one's own order */
    }
    fixture_end(&fixture);
}

static void nameless_files_get_a_name_or_go(void **state)
{
    struct stat stat_a;
    char path[64];

    BEGIN(fixture);
    {
        AUTO_CLOSE int fd = open("src", O_TMPFILE | O_RDWR | O_CLOEXEC, 0640);
        AUTO_CLOSE int kept = open("src", O_TMPFILE | O_RDWR | O_EXCL | O_CLOEXEC, 0640);

        assert_true(fd >= 0 && kept >= 0);
        assert_int_equal(write(fd, "nameless", 8), 8);
        assert_int_equal(fstat(fd, &stat_a), 0);
        assert_int_equal(stat_a.st_nlink, 0);
        assert_int_equal(stat_a.st_mode, S_IFREG | 0640);
        assert_int_equal(fixture_records(&fixture, "create"), 0);
        (void)snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
        expect_errno(linkat(AT_FDCWD, path, AT_FDCWD, "infra/x", AT_SYMLINK_FOLLOW), EACCES);
        expect_errno(linkat(AT_FDCWD, path, AT_FDCWD, "x.pem", AT_SYMLINK_FOLLOW), EACCES);
        assert_int_equal(linkat(AT_FDCWD, path, AT_FDCWD, "named", AT_SYMLINK_FOLLOW), 0);
        (void)snprintf(path, sizeof(path), "/proc/self/fd/%d", kept);
        expect_errno(linkat(AT_FDCWD, path, AT_FDCWD, "other", AT_SYMLINK_FOLLOW), ENOENT);
    }
    expect("named", "nameless");
    assert_int_equal(stat("named", &stat_a), 0);
    assert_int_equal(stat_a.st_nlink, 1);
    assert_int_equal(fixture_records(&fixture, "create named"), 1);
    assert_int_equal(fixture_records(&fixture, "modify named"), 0);
    assert_int_equal(fixture_records(&fixture, "refused create infra/x"), 1);
    assert_int_equal(fixture_records(&fixture, "refused create x.pem"), 1);
    fixture_end(&fixture);
}

static void written_mappings_are_shared_and_saved(void **state)
{
    char *one, *other;

    BEGIN(fixture);
    {
        AUTO_CLOSE int fd = open("mapped", O_RDWR | O_CREAT | O_CLOEXEC, 0644);
        AUTO_CLOSE int again = open("mapped", O_RDWR | O_CLOEXEC);

        assert_int_equal(ftruncate(fd, 3 * 4096), 0);
        one = mmap(NULL, 3 * 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
        other = mmap(NULL, 3 * 4096, PROT_READ, MAP_SHARED, again, 0);
        assert_true(one != MAP_FAILED && other != MAP_FAILED);
    }
    memcpy(one + 5000, "shared", 6);
    assert_memory_equal(other + 5000, "shared", 6);
    assert_int_equal(munmap(one, 3 * 4096), 0);
    assert_int_equal(munmap(other, 3 * 4096), 0);
    {
        AUTO_CLOSE int fd = open("mapped", O_RDWR | O_CLOEXEC);
        char bytes[6];

        assert_int_equal(pread(fd, bytes, 6, 5000), 6);
        assert_memory_equal(bytes, "shared", 6);
        one = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
        assert_int_equal(pwrite(fd, "by write", 8, 0), 8);
        assert_memory_equal(one, "by write", 8);
        memcpy(one, "BY", 2);
        assert_int_equal(pread(fd, bytes, 6, 0), 6);
        assert_memory_equal(bytes, "BY wri", 6);
        assert_int_equal(ftruncate(fd, 1), 0);
        assert_int_equal(munmap(one, 4096), 0);
    }
    expect("mapped", "B");
    fixture_end(&fixture);
}

/* ---- locks and watches ---- */

static int try_locks(int number)
{
    struct flock range = {.l_type = F_WRLCK, .l_start = 10, .l_len = 10};
    int fd = open("locked", O_RDWR | O_CLOEXEC);

    (void)number;
    if (flock(fd, LOCK_EX | LOCK_NB) == 0 || errno != EWOULDBLOCK)
        return 1;
    if (fcntl(fd, F_SETLK, &range) == 0 || errno != EAGAIN)
        return 2;
    range.l_start = 20;
    if (fcntl(fd, F_SETLK, &range) != 0)
        return 3;
    range.l_start = 40;
    if (fcntl(fd, F_OFD_SETLK, &range) == 0 || errno != EAGAIN)
        return 4;
    return 0;
}

static void locks_are_between_processes(void **state)
{
    struct flock range = {.l_type = F_WRLCK, .l_start = 10, .l_len = 10};

    BEGIN(fixture);
    {
        AUTO_CLOSE int fd = open("locked", O_RDWR | O_CREAT | O_CLOEXEC, 0644);

        assert_int_equal(flock(fd, LOCK_EX), 0);
        assert_int_equal(fcntl(fd, F_SETLK, &range), 0);
        range.l_start = 40;
        assert_int_equal(fcntl(fd, F_OFD_SETLK, &range), 0);
        assert_int_equal(end_process(begin_process(try_locks, 0)), 0);
    }
    fixture_end(&fixture);
}

static void watches_tell_what_happens(void **state)
{
    AUTO_CLOSE int watch = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
    uint32_t seen = 0;
    char events[4096];
    ssize_t got;

    BEGIN(fixture);
    assert_true(inotify_add_watch(watch, ".", IN_ALL_EVENTS) >= 0);
    put("watched", "x");
    assert_int_equal(chmod("watched", 0600), 0);
    expect("watched", "x");
    assert_int_equal(rename("watched", "elsewhere"), 0);
    assert_int_equal(unlink("elsewhere"), 0);
    while ((got = read(watch, events, sizeof(events))) > 0)
        for (ssize_t at = 0; at < got;) {
            const struct inotify_event *event = (const void *)(events + at);

            seen |= event->mask;
            at += (ssize_t)(sizeof(*event) + event->len);
        }
    assert_int_equal(seen & (IN_CREATE | IN_OPEN | IN_MODIFY | IN_CLOSE_WRITE | IN_ATTRIB |
                             IN_ACCESS | IN_MOVED_FROM | IN_MOVED_TO | IN_DELETE),
                     IN_CREATE | IN_OPEN | IN_MODIFY | IN_CLOSE_WRITE | IN_ATTRIB | IN_ACCESS |
                         IN_MOVED_FROM | IN_MOVED_TO | IN_DELETE);
    fixture_end(&fixture);
}

/* ---- names ---- */

static void names_are_bytes(void **state)
{
    char longest[256], too_long[257];
    AUTO_BUF struct buf listing = buf_with_limit(1 << 20);

    BEGIN(fixture);
    memset(longest, 'n', 255);
    longest[255] = 0;
    memset(too_long, 'n', 256);
    too_long[256] = 0;
    put("Case", "upper");
    put("case", "lower");
    put("caf\xc3\xa9", "composed");
    put("cafe\xcc\x81", "decomposed");
    put("\xff\xfe\n", "no text");
    put(longest, "long");
    expect("Case", "upper");
    expect("case", "lower");
    expect("caf\xc3\xa9", "composed");
    expect("cafe\xcc\x81", "decomposed");
    expect("\xff\xfe\n", "no text");
    expect(longest, "long");
    expect_errno(open(too_long, O_WRONLY | O_CREAT | O_CLOEXEC, 0644), ENAMETOOLONG);
    expect_errno(mkdir(too_long, 0755), ENAMETOOLONG);
    assert_int_equal(RUN(".", &listing, "ls"), 0);
    assert_true(slice_find(buf_slice(&listing), SLICE("cafe\xcc\x81"), 0) != SIZE_MAX);
    assert_true(slice_find(buf_slice(&listing), SLICE("caf\xc3\xa9"), 0) != SIZE_MAX);
    fixture_end(&fixture);
}

static void hundred_thousand_files_fit_in_a_folder(void **state)
{
    AUTO_FREE bool *seen = xalloc_array(ENTRIES, sizeof(*seen));
    char name[32];
    int count = 0;
    DIR *dir;

    BEGIN(fixture);
    assert_int_equal(mkdir("many", 0755), 0);
    assert_int_equal(chdir("many"), 0);
    for (int i = 0; i < ENTRIES; i++) {
        (void)snprintf(name, sizeof(name), "%d", i);
        assert_int_equal(mknod(name, S_IFREG | 0644, 0), 0);
    }
    dir = opendir(".");
    for (const struct dirent *entry; (entry = readdir(dir)) != NULL;) {
        int number = (int)strtol(entry->d_name, NULL, 10);

        if (entry->d_name[0] == '.')
            continue;
        assert_true(number >= 0 && number < ENTRIES && !seen[number]);
        seen[number] = true;
        count++;
    }
    (void)closedir(dir);
    assert_int_equal(count, ENTRIES);
    assert_int_equal(rename("77777", "again"), 0);
    expect_errno(access("77777", F_OK), ENOENT);
    assert_int_equal(chdir(".."), 0);
    fixture_end(&fixture);
}

/* ---- attributes ---- */

static void times_have_nanoseconds(void **state)
{
    struct timespec times[2] = {{.tv_sec = 1000000000, .tv_nsec = 123456789},
                                {.tv_sec = 5000000000, .tv_nsec = 1}};
    struct stat before, after;

    BEGIN(fixture);
    assert_int_equal(utimensat(AT_FDCWD, "src.txt", times, 0), 0);
    assert_int_equal(stat("src.txt", &after), 0);
    assert_int_equal(after.st_atim.tv_nsec, 123456789);
    assert_int_equal(after.st_mtim.tv_sec, 5000000000);
    assert_int_equal(after.st_mtim.tv_nsec, 1);
    times[0].tv_nsec = UTIME_OMIT;
    times[1].tv_nsec = UTIME_NOW;
    assert_int_equal(utimensat(AT_FDCWD, "src.txt", times, 0), 0);
    assert_int_equal(stat("src.txt", &after), 0);
    assert_int_equal(after.st_atim.tv_sec, 1000000000);
    assert_true(after.st_mtim.tv_sec > 1700000000 && after.st_mtim.tv_sec < 5000000000);
    times[0] = (struct timespec){.tv_sec = 1};
    assert_int_equal(utimensat(AT_FDCWD, "link", times, AT_SYMLINK_NOFOLLOW), 0);
    assert_int_equal(lstat("link", &after), 0);
    assert_int_equal(after.st_atim.tv_sec, 1);
    /* A write changes them, once and for all who look. */
    assert_int_equal(stat("README.md", &before), 0);
    put("README.md", "changed\n");
    assert_int_equal(stat("README.md", &after), 0);
    assert_true(after.st_mtim.tv_sec > before.st_mtim.tv_sec);
    assert_int_equal(after.st_size, 8);
    assert_int_equal(stat("README.md", &before), 0);
    assert_memory_equal(&before.st_mtim, &after.st_mtim, sizeof(after.st_mtim));
    /* What cp -p and tar set after writing stays. */
    {
        AUTO_CLOSE int fd = open("kept", O_WRONLY | O_CREAT | O_CLOEXEC, 0644);

        assert_int_equal(write(fd, "kept", 4), 4);
        times[0] = times[1] = (struct timespec){.tv_sec = 42, .tv_nsec = 7};
        assert_int_equal(futimens(fd, times), 0);
    }
    assert_int_equal(stat("kept", &after), 0);
    assert_int_equal(after.st_mtim.tv_sec, 42);
    assert_int_equal(after.st_mtim.tv_nsec, 7);
    fixture_end(&fixture);
}

static void files_keep_their_identity(void **state)
{
    struct stat before, after, root;

    BEGIN(fixture);
    assert_int_equal(stat(".", &root), 0);
    assert_int_equal(stat("src/main.c", &before), 0);
    assert_int_equal(before.st_dev, root.st_dev);
    put("src/main.c", "changed");
    assert_int_equal(stat("src/main.c", &after), 0);
    assert_int_equal(after.st_ino, before.st_ino);
    assert_int_equal(rename("src", "moved"), 0);
    assert_int_equal(link("moved/main.c", "alias"), 0);
    assert_int_equal(stat("alias", &after), 0);
    assert_int_equal(after.st_ino, before.st_ino);
    assert_int_equal(after.st_dev, before.st_dev);
    assert_int_equal(after.st_nlink, 2);
    assert_int_equal(unlink("moved/main.c"), 0);
    put("moved/main.c", "another");
    assert_int_equal(stat("moved/main.c", &after), 0);
    assert_int_not_equal(after.st_ino, before.st_ino);
    assert_int_equal(stat("alias", &after), 0);
    assert_int_equal(after.st_nlink, 1);
    fixture_end(&fixture);
}

static void room_is_what_is_left_of_the_share(void **state)
{
    struct statvfs before, after;

    BEGIN(fixture);
    assert_int_equal(statvfs(".", &before), 0);
    assert_int_equal(before.f_namemax, 255);
    {
        AUTO_CLOSE int fd = open("big", O_RDWR | O_CREAT | O_CLOEXEC, 0644);

        assert_int_equal(fallocate(fd, 0, 0, 64 << 20), 0);
        assert_int_equal(statvfs(".", &after), 0);
        assert_true(before.f_bavail * before.f_frsize - after.f_bavail * after.f_frsize >=
                    64U << 20);
    }
    assert_int_equal(unlink("big"), 0);
    assert_true(after.f_ffree < before.f_ffree);
    fixture_end(&fixture);
}

/* ---- who wrote, and what did not fit ---- */

static int write_once(int number)
{
    static const char *const names[] = {"README.md", "src/main.c", "data/plain.csv"};
    AUTO_CLOSE int fd = open(names[number], O_RDWR | O_CLOEXEC);

    if (number == 2)
        return ftruncate(fd, 1) == 0 ? 0 : 1;
    return pwrite(fd, "!", 1, number == 0 ? 0 : 20) == 1 ? 0 : 1;
}

static void first_write_names_its_process(void **state)
{
    static const char *const names[] = {"README.md", "src/main.c", "data/plain.csv"};

    BEGIN(fixture);
    for (int i = 0; i < 3; i++) {
        pid_t pid = begin_process(write_once, i);
        AUTO_FREE char *told =
            xformat("modify %s class=32 allow pid=%d exe=/", names[i], (int)pid);
        AUTO_FREE char *any = xformat("modify %s", names[i]);

        assert_int_equal(end_process(pid), 0);
        assert_int_equal(fixture_records(&fixture, told), 1);
        pid = begin_process(write_once, i);
        assert_int_equal(end_process(pid), 0);
        assert_int_equal(fixture_records(&fixture, any), 1);
    }
    fixture_end(&fixture);
}

/* The record is there before the write returns: the kernel still has the bytes. */
static void first_write_is_told_before_it_is_written_back(void **state)
{
    AUTO_FREE char *moved = NULL;

    BEGIN(fixture);
    {
        AUTO_CLOSE int fd = open("README.md", O_WRONLY | O_CLOEXEC);

        assert_int_equal(fixture_records(&fixture, "modify"), 0);
        assert_int_equal(pwrite(fd, "X", 1, 0), 1);
        assert_int_equal(fixture_records(&fixture, "modify README.md"), 1);
        assert_int_equal(rename("README.md", "moved"), 0);
        assert_int_equal(fixture_records(&fixture, "modify moved"), 0);
        assert_int_equal(pwrite(fd, "Y", 1, 1), 1);
        moved = xformat("modify moved class=32 allow pid=%d exe=/", (int)getpid());
        assert_int_equal(fixture_records(&fixture, moved), 1);
    }
    expect("moved", "XYpayments\n");
    /* To ask for the attribute that the kernel asks for is no write. */
    expect_errno((int)getxattr("src.txt", "security.capability", NULL, 0), ENODATA);
    assert_int_equal(fixture_records(&fixture, "modify src.txt"), 0);
    fixture_end(&fixture);
}

static void what_does_not_fit_is_told_at_close_and_in_a_record(void **state)
{
    struct fixture fixture = {.hide_names = true, .upper_bytes_max = 4U << 20};
    AUTO_FREE char *bytes = xalloc(1 << 20);
    ssize_t put_last = 0;
    int error = 0;

    (void)state;
    begin_with(&fixture);
    {
        AUTO_CLOSE int fd = open("big", O_WRONLY | O_CREAT | O_CLOEXEC, 0644);

        for (int i = 0; i < 12 && put_last >= 0; i++)
            put_last = write(fd, bytes, 1 << 20);
        if (put_last < 0 || fsync(fd) < 0)
            error = errno;
        if (close(take_fd(&fd)) < 0)
            error = errno;
    }
    assert_int_equal(error, ENOSPC);
    assert_int_equal(fixture_records(&fixture, "refused modify big"), 1);
    assert_int_equal(unlink("big"), 0);
    put("small", "fits again");
    expect("small", "fits again");
    fixture_end(&fixture);
}

/* ---- versions and ranges ---- */

static void blobs_before_and_after_are_told(void **state)
{
    AUTO_BUF struct buf answer = buf_with_limit(MESSAGE_BYTES_MAX);
    AUTO_CLOSE int fd = -1;

    BEGIN(fixture);
    fd = open("src/log", O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
    assert_int_equal(write(fd, "x", 1), 1);
    assert_int_equal(fsync(fd), 0);
    assert_int_equal(fsync(fd), 0);
    assert_int_equal(fixture_records(&fixture, "sync src/log"), 1);
    put("README.tmp", "# two\n");
    assert_int_equal(rename("README.tmp", "README.md"), 0);
    put("src.txt", "in place\n");
    assert_int_equal(rename("data/plain.csv", "data/moved.csv"), 0);
    assert_int_equal(unlink("data/empty"), 0);
    fixture_ask(&fixture, 'C', &answer);
    assert_int_equal(fixture_records_with(&fixture, "create README.tmp ", "after= "), 1);
    assert_int_equal(fixture_records_with(&fixture, "rename README.tmp -> README.md ",
                                          "blob= after=%s ", blob_of_text("# two\n")),
                     1);
    assert_int_equal(fixture_records_with(&fixture, "modify README.md ", "blob=%s ",
                                          blob_of_text("# payments\n")),
                     1);
    assert_int_equal(fixture_records_with(&fixture, "modify README.md ", "after=%s ",
                                          blob_of_text("# two\n")),
                     1);
    assert_int_equal(
        fixture_records_with(&fixture, "sync src/log ", "after=%s ", blob_of_text("x")), 1);
    assert_int_equal(fixture_records_with(&fixture, "collect src.txt ", "after=%s ",
                                          blob_of_text("in place\n")),
                     1);
    /* Told already, in this version under this name: */
    assert_int_equal(fixture_records(&fixture, "collect README.md"), 0);
    assert_int_equal(fixture_records(&fixture, "collect src/log"), 0);
    assert_int_equal(fixture_records(&fixture, "collect data/"), 0);
    fixture_end(&fixture);
}

static void ranges_are_told_where_a_part_was_read(void **state)
{
    enum { SIZE = 4 << 20 };
    AUTO_FREE char *bytes = xalloc(SIZE + 1);
    AUTO_CLOSE int fd = -1;

    BEGIN_WITH(fixture, big_files);
    fd = open("big", O_RDONLY | O_CLOEXEC);
    assert_int_equal(posix_fadvise(fd, 0, 0, POSIX_FADV_RANDOM), 0); /* no reading ahead */
    assert_int_equal(pread(fd, bytes, 4096, 1 << 20), 4096);
    assert_int_equal(fixture_records(&fixture, "read big "), 1);
    assert_int_equal(fixture_records_with(&fixture, "read big ", "first=1048576 end=1052672"),
                     1);
    assert_int_equal(pread(fd, bytes, 100, 1 << 20), 100);
    assert_int_equal(fixture_records(&fixture, "read big "), 1);
    assert_int_equal(pread(fd, bytes, 100, 3 << 20), 100);
    assert_int_equal(fixture_records(&fixture, "read big "), 2);
    assert_int_equal(fixture_records_with(&fixture, "read big ", "first=0 end=0"), 1);
    assert_int_equal(pread(fd, bytes, SIZE, 0), SIZE);
    assert_int_equal(fixture_records(&fixture, "read big "), 2);
    expect("README.md", "# payments\n");
    assert_int_equal(fixture_records_with(&fixture, "read README.md ", "first=0 end=0"), 1);
    fixture_end(&fixture);
}

static int open_own(int number)
{
    AUTO_CLOSE int fd = open("src.txt", O_RDONLY | O_CLOEXEC);

    (void)number;
    return fd < 0 ? 1 : 0;
}

static void every_open_is_told_where_all_are_to_be(void **state)
{
    struct fixture fixture = {.hide_names = true, .opens = true};
    AUTO_FREE char *told = NULL;
    AUTO_CLOSE int fd = -1;
    pid_t pid;

    (void)state;
    begin_with(&fixture);
    for (int i = 0; i < 3; i++)
        expect("README.md", "# payments\n");
    assert_int_equal(fixture_records(&fixture, "open README.md "), 3);
    assert_int_equal(fixture_records(&fixture, "read README.md "), 1);
    pid = begin_process(open_own, 0);
    assert_int_equal(end_process(pid), 0);
    told = xformat("open src.txt class=32 allow pid=%d exe=/", (int)pid);
    assert_int_equal(fixture_records(&fixture, told), 1); /* opened, and never read */
    assert_int_equal(fixture_records(&fixture, "read src.txt "), 0);
    put("made", "x");
    put("made", "y");
    expect("made", "y");
    assert_int_equal(fixture_records(&fixture, "open-to-write made "), 2);
    assert_int_equal(fixture_records(&fixture, "open made "), 1);
    assert_int_equal(RUN(".", NULL, "./run.sh"), 0);
    assert_true(fixture_records(&fixture, "open run.sh ") >= 1);
    expect_errno(open("custody.yaml", O_WRONLY | O_CLOEXEC), EACCES);
    assert_int_equal(fixture_records(&fixture, "refused modify custody.yaml"), 1);
    fd = open("src.txt", O_RDWR | O_CLOEXEC);
    assert_int_equal(unlink("src.txt"), 0);
    assert_int_equal(pwrite(fd, "gone", 4, 0), 4);
    fixture_end(&fixture);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(attributes_of_users_are_kept_within_limits),
        TEST(holes_read_as_zeros_and_take_no_room),
        TEST(files_grow_and_shrink_past_what_is_kept_in_memory),
        TEST(appends_of_several_processes_do_not_mix),
        TEST(nameless_files_get_a_name_or_go),
        TEST(written_mappings_are_shared_and_saved),
        TEST(locks_are_between_processes),
        TEST(watches_tell_what_happens),
        TEST(names_are_bytes),
        TEST(hundred_thousand_files_fit_in_a_folder),
        TEST(times_have_nanoseconds),
        TEST(files_keep_their_identity),
        TEST(room_is_what_is_left_of_the_share),
        TEST(blobs_before_and_after_are_told),
        TEST(ranges_are_told_where_a_part_was_read),
        TEST(every_open_is_told_where_all_are_to_be),
        TEST(first_write_names_its_process),
        TEST(first_write_is_told_before_it_is_written_back),
        TEST(what_does_not_fit_is_told_at_close_and_in_a_record),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
