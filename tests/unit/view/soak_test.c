/*
 * Processes that do random things to files, each thing in the view and in an ordinary folder
 * beside it: both must answer the same, be the same at the end, and what is collected must be
 * how the folder differs from the base. CUSTODY_SOAK_SECONDS says for how long.
 */
#include "test.h"

#include "view/mounted.h"
#include "view/object.h"

#include <sys/file.h>
#include <sys/mman.h>

#define ACTORS 8
#define SECONDS_DEFAULT "20"
#define FILES 12
#define BYTES_MAX 60000
#define NAME_ROOM 64
#define RENAME_KINDS 5 /* the last exchanges */

struct actor {
    int roots[2]; /* the view, the folder beside it */
    int lock;     /* for what more than one may touch */
    int number;
    uint64_t state;
    uint64_t acts, done;
    char bytes[2][BYTES_MAX];
};

static uint32_t random_below(struct actor *actor, uint32_t limit)
{
    actor->state ^= actor->state << 13;
    actor->state ^= actor->state >> 7;
    actor->state ^= actor->state << 17;
    return (uint32_t)(actor->state >> 33) % limit;
}

/* A name in the actor's own folder, or in the one that is everybody's. */
static void name_of(struct actor *actor, bool shared, char ret_name[NAME_ROOM])
{
    uint32_t file = random_below(actor, FILES), depth = random_below(actor, 4);
    char top[16] = "shared";

    if (!shared)
        (void)snprintf(top, sizeof(top), "p%d", actor->number);
    if (depth == 0)
        (void)snprintf(ret_name, NAME_ROOM, "%s/d%u/f%u", top, random_below(actor, 3), file);
    else
        (void)snprintf(ret_name, NAME_ROOM, "%s/%s%u", top, depth == 1 ? "d" : "f",
                       depth == 1 ? random_below(actor, 3) : file);
}

/* ---- acts: each gives 0 or an errno, and is done twice with the same arguments ---- */

struct act_arguments {
    const char *name, *to;
    const char *bytes;
    uint32_t size, at, choice;
};

typedef int act_function(int root, const struct act_arguments *arguments);

static int result_of(int result)
{
    return result < 0 ? errno : 0;
}

static int act_write(int root, const struct act_arguments *arguments)
{
    static const int flags[] = {O_CREAT | O_TRUNC, 0, O_APPEND, O_CREAT | O_EXCL};
    AUTO_CLOSE int fd = openat(
        root, arguments->name,
        O_WRONLY | O_CLOEXEC | O_NOFOLLOW | flags[arguments->choice % COUNT(flags)], 0644);
    uint32_t at = arguments->choice % COUNT(flags) == 1 ? arguments->at : 0;

    if (fd < 0)
        return errno;
    for (uint32_t done = 0; done < arguments->size;) { /* in pieces, as programs do */
        uint32_t piece = arguments->size - done < 777 ? arguments->size - done : 777;

        if (pwrite(fd, arguments->bytes + done, piece, at + done) != (ssize_t)piece)
            return errno;
        done += piece;
    }
    if (arguments->choice % 8 == 0 && fsync(fd) < 0)
        return errno;
    return result_of(close(take_fd(&fd)));
}

static int act_map(int root, const struct act_arguments *arguments)
{
    AUTO_CLOSE int fd = openat(root, arguments->name, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
    size_t size = arguments->size + 1;
    struct stat stat;
    char *map;

    if (fd < 0)
        return errno;
    if (fstat(fd, &stat) < 0 || (stat.st_size < (off_t)size && ftruncate(fd, (off_t)size) < 0))
        return errno;
    map = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (map == MAP_FAILED)
        return errno;
    memcpy(map + arguments->size / 2, arguments->bytes, size - arguments->size / 2 - 1);
    return result_of(munmap(map, size));
}

static int act_cut(int root, const struct act_arguments *arguments)
{
    AUTO_CLOSE int fd = openat(root, arguments->name, O_WRONLY | O_CLOEXEC | O_NOFOLLOW);

    return fd < 0 ? errno : result_of(ftruncate(fd, (off_t)arguments->size));
}

static int act_punch(int root, const struct act_arguments *arguments)
{
    AUTO_CLOSE int fd = openat(root, arguments->name, O_RDWR | O_CLOEXEC | O_NOFOLLOW);

    return fd < 0 ? errno
                  : result_of(fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
                                        arguments->at, arguments->size + 1));
}

static int act_nameless(int root, const struct act_arguments *arguments)
{
    AUTO_CLOSE int fd = openat(root, "shared", O_TMPFILE | O_RDWR | O_CLOEXEC, 0644);
    char path[64];

    if (fd < 0)
        return errno;
    if (write(fd, arguments->bytes, arguments->size) != (ssize_t)arguments->size)
        return errno;
    (void)snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    return result_of(linkat(AT_FDCWD, path, root, arguments->name, AT_SYMLINK_FOLLOW));
}

static int act_remove(int root, const struct act_arguments *arguments)
{
    return result_of(
        unlinkat(root, arguments->name, arguments->choice % 3 == 0 ? AT_REMOVEDIR : 0));
}

static int act_rename(int root, const struct act_arguments *arguments)
{
    static const unsigned flags[RENAME_KINDS] = {0, 0, 0, RENAME_NOREPLACE, RENAME_EXCHANGE};

    return result_of(renameat2(root, arguments->name, root, arguments->to,
                               flags[arguments->choice % RENAME_KINDS]));
}

static int act_link(int root, const struct act_arguments *arguments)
{
    return result_of(linkat(root, arguments->name, root, arguments->to, 0));
}

static int act_symlink(int root, const struct act_arguments *arguments)
{
    return result_of(symlinkat(arguments->to, root, arguments->name));
}

static int act_folder(int root, const struct act_arguments *arguments)
{
    return result_of(mkdirat(root, arguments->name, 0755));
}

static int act_mode(int root, const struct act_arguments *arguments)
{
    struct stat stat;

    if (fstatat(root, arguments->name, &stat, AT_SYMLINK_NOFOLLOW) < 0)
        return errno;
    return S_ISREG(stat.st_mode)
               ? result_of(fchmodat(root, arguments->name,
                                    arguments->choice % 2 == 0 ? 0755 : 0644, 0))
               : 0;
}

static const struct {
    act_function *act;
    uint32_t weight;
    bool two_names;
} acts[] = {
    {act_write, 30, false}, {act_map, 6, false},      {act_cut, 6, false},
    {act_punch, 3, false},  {act_nameless, 4, false}, {act_remove, 12, false},
    {act_rename, 14, true}, {act_link, 5, true},      {act_symlink, 4, true},
    {act_folder, 6, false}, {act_mode, 6, false},
};

static bool same_content(struct actor *actor, const char *name)
{
    ssize_t got[2];

    for (int i = 0; i < 2; i++) {
        AUTO_CLOSE int fd = openat(actor->roots[i], name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);

        got[i] = fd < 0 ? -errno : read(fd, actor->bytes[i], BYTES_MAX);
        if (got[i] < 0)
            got[i] = -errno;
    }
    return got[0] == got[1] &&
           (got[0] <= 0 || memcmp(actor->bytes[0], actor->bytes[1], (size_t)got[0]) == 0);
}

static bool is_shared(const char *name)
{
    return strncmp(name, "sh", 2) == 0;
}

/*
 * What has two names stays with its actor: two could write it at once, and in the view the
 * other order might come first.
 */
static bool may_act(struct actor *actor, act_function *act,
                    const struct act_arguments *arguments)
{
    struct stat stat;

    if (act == act_symlink || is_shared(arguments->name) == is_shared(arguments->to))
        return true;
    return act == act_rename && arguments->choice % RENAME_KINDS != RENAME_KINDS - 1 &&
           fstatat(actor->roots[0], arguments->name, &stat, AT_SYMLINK_NOFOLLOW) == 0 &&
           !S_ISDIR(stat.st_mode) && stat.st_nlink == 1;
}

static bool act_once(struct actor *actor)
{
    uint32_t total = 0, picked, kind = 0;
    bool shared = random_below(actor, 6) == 0;
    char name[NAME_ROOM], to[NAME_ROOM];
    struct act_arguments arguments = {.name = name, .to = to};
    int results[2];

    for (size_t i = 0; i < COUNT(acts); i++)
        total += acts[i].weight;
    picked = random_below(actor, total);
    while (picked >= acts[kind].weight)
        picked -= acts[kind++].weight;
    name_of(actor, shared, name);
    name_of(actor, random_below(actor, 6) == 0, to);
    arguments.choice = random_below(actor, 1000);
    arguments.size = random_below(actor, random_below(actor, 3) == 0 ? 40000 : 3000);
    arguments.at = random_below(actor, 20000);
    arguments.bytes = actor->bytes[1];
    memset(actor->bytes[1], (int)('a' + random_below(actor, 26)), BYTES_MAX);
    (void)flock(actor->lock, is_shared(name) || (acts[kind].two_names && is_shared(to))
                                 ? LOCK_EX
                                 : LOCK_SH);
    if (acts[kind].two_names && !may_act(actor, acts[kind].act, &arguments)) {
        (void)flock(actor->lock, LOCK_UN);
        return true;
    }
    for (int i = 0; i < 2; i++)
        results[i] = acts[kind].act(actor->roots[i], &arguments);
    actor->acts++;
    actor->done += results[0] == 0;
    if (results[0] != results[1])
        (void)fprintf(stderr, "# act %u of %s (%s): %s in the view, %s beside it\n", kind,
                      name, to, strerror(results[0]), strerror(results[1]));
    if (results[0] == results[1] && !same_content(actor, name)) {
        (void)fprintf(stderr, "# act %u of %s: other content\n", kind, name);
        results[0] = -1;
    }
    (void)flock(actor->lock, LOCK_UN);
    return results[0] == results[1];
}

static int run_actor(const struct fixture *fixture, int number, int64_t until_us)
{
    AUTO_FREE struct actor *actor = xalloc(sizeof(*actor));
    AUTO_FREE char *beside = xformat("%s/beside", fixture->folder);
    AUTO_FREE char *lock = xformat("%s/lock", fixture->folder);

    (void)umask(022);
    actor->number = number;
    actor->state = 88172645463325252ULL + (uint64_t)number * 7919;
    actor->roots[0] = open(fixture->mount, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    actor->roots[1] = open(beside, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    actor->lock = open(lock, O_RDWR | O_CLOEXEC); /* one of its own: flock is the file's */
    if (actor->roots[0] < 0 || actor->roots[1] < 0 || actor->lock < 0)
        return 2;
    while (clock_monotonic_us(&clock_real) < until_us)
        if (!act_once(actor))
            return 1;
    (void)fprintf(stderr, "# process %d: %llu acts, %llu of them done\n", number,
                  (unsigned long long)actor->acts, (unsigned long long)actor->done);
    return actor->done > 100 ? 0 : 3;
}

/* ---- trees as text, a line an entry, in order ---- */

struct lines {
    char **at;
    size_t count, room;
};

static void add_line(struct lines *lines, char *line)
{
    lines->at = xgrow(lines->at, &lines->room, lines->count + 1, sizeof(*lines->at));
    lines->at[lines->count++] = line;
}

static int compare_lines(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static void free_lines(struct lines *lines)
{
    for (size_t i = 0; i < lines->count; i++)
        free(lines->at[i]);
    free(lines->at);
}

static void blob_of_bytes(struct slice bytes, char ret_text[41])
{
    uint8_t oid[SNAPSHOT_OID_MAX];
    struct hasher *hasher;
    struct fault fault = {0};

    assert_ok(hasher_new(20, &hasher, &fault), fault);
    hasher_object(hasher, OBJECT_BLOB, bytes, oid);
    hasher_free(hasher);
    hex_encode(slice_of_bytes(oid, 20), ret_text);
}

/* "PATH MODE BLOB", with link counts where `links`; folders only there. */
static void list_tree(int root, const char *path, bool links, struct lines *lines)
{
    int fd = openat(root, path[0] == 0 ? "." : path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *folder = fdopendir(fd);

    assert_non_null(folder);
    for (const struct dirent *entry; (entry = readdir(folder)) != NULL;) {
        AUTO_FREE char *below =
            path[0] == 0 ? xstrdup(entry->d_name) : xformat("%s/%s", path, entry->d_name);
        AUTO_BUF struct buf bytes = buf_with_limit(1 << 20);
        char blob[41] = "", target[256];
        struct fault fault = {0};
        struct stat stat;

        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0 ||
            strcmp(below, ".git") == 0 || strcmp(below, "build") == 0)
            continue;
        assert_int_equal(fstatat(root, below, &stat, AT_SYMLINK_NOFOLLOW), 0);
        if (S_ISREG(stat.st_mode)) {
            assert_ok(file_read(root, below, &bytes, &fault), fault);
            assert_int_equal(bytes.len, stat.st_size);
            blob_of_bytes(buf_slice(&bytes), blob);
        } else if (S_ISLNK(stat.st_mode)) {
            ssize_t len = readlinkat(root, below, target, sizeof(target));

            assert_true(len > 0);
            blob_of_bytes(slice_of_bytes(target, (size_t)len), blob);
        }
        if (links)
            add_line(lines, xformat("%s %o %s %lu", below, stat.st_mode, blob,
                                    S_ISDIR(stat.st_mode) ? 0 : (unsigned long)stat.st_nlink));
        else if (!S_ISDIR(stat.st_mode))
            add_line(lines, xformat("%s %o %s", below,
                                    S_ISLNK(stat.st_mode)        ? 0120000
                                    : (stat.st_mode & 0100) != 0 ? 0100755
                                                                 : 0100644,
                                    blob));
        if (S_ISDIR(stat.st_mode))
            list_tree(root, below, links, lines);
    }
    (void)closedir(folder);
}

static struct lines tree_of(const char *path, bool links)
{
    AUTO_CLOSE int root = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    struct lines lines = {0};

    assert_true(root >= 0);
    list_tree(root, "", links, &lines);
    qsort(lines.at, lines.count, sizeof(*lines.at), compare_lines);
    return lines;
}

static void assert_same_lines(const struct lines *one, const struct lines *other)
{
    for (size_t i = 0; i < one->count && i < other->count; i++)
        assert_string_equal(one->at[i], other->at[i]);
    assert_int_equal(one->count, other->count);
}

static size_t name_bytes(const char *line)
{
    return (size_t)(strchr(line, ' ') - line);
}

/* How `now` differs from `base`: "added", "modified" and "deleted" lines. */
static struct lines difference(const struct lines *base, const struct lines *now)
{
    struct lines lines = {0};
    size_t i = 0, j = 0;

    while (i < base->count || j < now->count) {
        int order = i == base->count ? 1
                    : j == now->count
                        ? -1
                        : slice_compare(slice_of_bytes(base->at[i], name_bytes(base->at[i])),
                                        slice_of_bytes(now->at[j], name_bytes(now->at[j])));

        if (order < 0)
            add_line(&lines,
                     xformat("deleted %.*s 0 ", (int)name_bytes(base->at[i]), base->at[i]));
        else if (order > 0)
            add_line(&lines, xformat("added %s", now->at[j]));
        else if (strcmp(base->at[i], now->at[j]) != 0)
            add_line(&lines, xformat("modified %s", now->at[j]));
        i += order <= 0;
        j += order >= 0;
    }
    qsort(lines.at, lines.count, sizeof(*lines.at), compare_lines);
    return lines;
}

/* ---- the test ---- */

static void soak_files(const char *repo)
{
    AUTO_FREE char *text = xalloc(BYTES_MAX + 1);
    char name[NAME_ROOM];

    for (int folder = 0; folder <= ACTORS; folder++)
        for (int file = 0; file < FILES; file++) {
            memset(text, 'A' + file, BYTES_MAX);
            text[file == 0 ? 0 : (file * 4817 + folder * 97) % (BYTES_MAX / 2)] = 0;
            if (folder < ACTORS)
                (void)snprintf(name, sizeof(name), "p%d/%sf%d", folder,
                               file % 3 == 0 ? "d0/" : "", file);
            else
                (void)snprintf(name, sizeof(name), "shared/%sf%d", file % 3 == 0 ? "d1/" : "",
                               file);
            fixture_put(repo, name, text);
        }
    fixture_put(repo, "run.sh", "#!/bin/sh\n");
}

static void view_is_what_a_folder_is(void **state)
{
    const char *text = getenv("CUSTODY_SOAK_SECONDS");
    int64_t seconds = strtol(text == NULL ? SECONDS_DEFAULT : text, NULL, 10);
    struct fixture fixture = {.hide_names = true, .upper_bytes_max = 4ULL << 30};
    AUTO_FREE char *beside = NULL;
    AUTO_FREE char *lock = NULL;
    AUTO_FREE char *changes = NULL;
    struct lines base, view, folder, expected, collected = {0};
    AUTO_BUF struct buf told = buf_with_limit(64U << 20);
    AUTO_BUF struct buf answer = buf_with_limit(MESSAGE_BYTES_MAX);
    struct fault fault = {0};
    struct slice rest, line;
    int64_t until_us;
    pid_t pids[ACTORS];

    (void)state;
    begin_of(&fixture, soak_files);
    beside = xformat("%s/beside", fixture.folder);
    lock = xformat("%s/lock", fixture.folder);
    changes = xformat("%s/changes", fixture.folder);
    fixture_as_agent(false);
    assert_int_equal(RUN(fixture.folder, NULL, "cp", "-a", "repo", "beside"), 0);
    assert_int_equal(RUN(beside, NULL, "rm", "-rf", ".git"), 0);
    assert_int_equal(RUN(beside, NULL, "chown", "-R", "1000:1000", "."), 0);
    fixture_put(fixture.folder, "lock", "");
    assert_int_equal(chmod(lock, 0666), 0);
    base = tree_of(fixture.repo, false);
    fixture_as_agent(true);
    until_us = clock_monotonic_us(&clock_real) + seconds * 1000000;
    for (int i = 0; i < ACTORS; i++) {
        pids[i] = fork();
        if (pids[i] == 0)
            _exit(run_actor(&fixture, i, until_us));
    }
    for (int i = 0; i < ACTORS; i++) {
        int status = -1;

        assert_int_equal(waitpid(pids[i], &status, 0), pids[i]);
        assert_int_equal(status, 0);
    }
    view = tree_of(fixture.mount, true);
    folder = tree_of(beside, true);
    assert_same_lines(&view, &folder);
    free_lines(&view);
    free_lines(&folder);
    folder = tree_of(beside, false);
    expected = difference(&base, &folder);
    fixture_ask(&fixture, 'F', &answer);
    fixture_as_agent(false);
    assert_ok(file_read(AT_FDCWD, changes, &told, &fault), fault);
    fixture_as_agent(true);
    rest = buf_slice(&told);
    while (rest.len > 0 && slice_cut(&rest, '\n', &line))
        add_line(&collected, slice_dup(line));
    qsort(collected.at, collected.count, sizeof(*collected.at), compare_lines);
    assert_true(expected.count > 20);
    assert_same_lines(&collected, &expected);
    free_lines(&base);
    free_lines(&folder);
    free_lines(&expected);
    free_lines(&collected);
    fixture_end(&fixture);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(view_is_what_a_folder_is),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
