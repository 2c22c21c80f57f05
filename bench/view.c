/*
 * bench/view.c - the view over 20,000 files of which 50 are redacted: what starting it takes
 * of the processor, and git status, git grep and grep -r in it against the repository itself.
 * As root.
 */
#include "test.h"

#include "view/fixture.h"

#include <sys/resource.h>

#define FOLDERS 1000
#define FILES 20
#define REDACTED 50
#define RUNS 7

static void many_files(const char *repo)
{
    char name[64];

    for (int folder = 0; folder < FOLDERS; folder++)
        for (int file = 0; file < FILES; file++) {
            AUTO_BUF struct buf text = buf_with_limit(1 << 20);
            bool redacted = file == 0 && folder % (FOLDERS / REDACTED) == 0;
            int lines = 20 + (folder * 7 + file * 13) % 160;
            struct fault fault = {0};

            for (int line = 0; line < lines; line++)
                assert_ok(buf_add_format(&text, &fault,
                                         redacted ? "%d,4111111111111%03d,name\n"
                                                  : "int value_%d(void) { return %d; }\n",
                                         line, line % 1000),
                          fault);
            (void)snprintf(name, sizeof(name), "d%02d/e%02d/f%02d.%s", folder / 40,
                           folder % 40, file, redacted ? "csv" : "c");
            fixture_put(repo, name, buf_text(&text));
        }
}

static int64_t cpu_us(int who)
{
    struct rusage usage;

    (void)getrusage(who, &usage);
    return (usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * 1000000 + usage.ru_utime.tv_usec +
           usage.ru_stime.tv_usec;
}

static int64_t server_cpu_us(pid_t pid)
{
    AUTO_FREE char *path = xformat("/proc/%d/schedstat", (int)pid);
    AUTO_BUF struct buf text = buf_with_limit(4096);
    struct fault fault = {0};

    assert_ok(file_read(AT_FDCWD, path, &text, &fault), fault);
    return (int64_t)(strtoull(buf_text(&text), NULL, 10) / 1000);
}

/* From forking to ready, without the seccomp filter and the ledger. */
static void time_start(struct fixture *fixture)
{
    for (int run = 0; run < RUNS; run++) {
        pid_t pid = fork();

        if (pid == 0) {
            AUTO_FREE char *git = xformat("%s/bench-git-%d", fixture->folder, run);
            AUTO_FREE char *folder = xformat("%s/" FIXTURE_KEY, fixture->folder);
            struct gitdir_settings git_settings = {.branch = "main",
                                                   .user_name = "coder",
                                                   .user_email = "coder@run.invalid",
                                                   .time_s = 1,
                                                   .message = "base\n",
                                                   .alternates = "/objects"};
            struct view_settings settings = {.upper_bytes_max = 1 << 20,
                                             .clock = &clock_real,
                                             .upper_fd = open(fixture->folder, O_RDONLY)};
            int64_t at[5];
            struct snapshot *snapshot;
            struct redacted *redacted;
            struct gitdir_result result;
            struct view *view;
            struct fault fault = {0};

            (void)mkdir(git, 0755);
            at[0] = cpu_us(RUSAGE_SELF);
            if (!snapshot_open(open(folder, O_RDONLY), &snapshot, &fault))
                _exit(1);
            at[1] = cpu_us(RUSAGE_SELF);
            if (!redacted_make(snapshot, fixture->content_fd, &fixture_redactor, &redacted,
                               &fault))
                _exit(1);
            at[2] = cpu_us(RUSAGE_SELF);
            if (!gitdir_write(open(git, O_RDONLY), snapshot, redacted, &git_settings, &result,
                              &fault))
                _exit(1);
            at[3] = cpu_us(RUSAGE_SELF);
            settings.snapshot = snapshot;
            settings.redacted = redacted;
            if (!view_new(&settings, &view, &fault))
                _exit(1);
            at[4] = cpu_us(RUSAGE_SELF);
            (void)printf("start, CPU us: open %lld, redact %lld, git folder %lld, view %lld; "
                         "in all %lld\n",
                         (long long)(at[1] - at[0]), (long long)(at[2] - at[1]),
                         (long long)(at[3] - at[2]), (long long)(at[4] - at[3]),
                         (long long)at[4]);
            (void)fflush(stdout);
            _exit(0);
        }
        (void)waitpid(pid, NULL, 0);
    }
}

struct timing {
    int64_t wall_us, cpu_us;
};

/* Where there is no FUSE: the files written out, and looked through when the cell is dead. */
static void time_plain(struct fixture *fixture)
{
    for (int run = 0; run < RUNS; run++) {
        AUTO_FREE char *folder = xformat("%s/bench-plain-%d", fixture->folder, run);
        AUTO_CLOSE int fd = fixture_folder(folder);
        AUTO_CLOSE int identities = memfd_create("identities", MFD_CLOEXEC);
        struct view_settings settings = fixture_settings(fixture, NULL);
        struct fault fault = {0};
        int64_t wall[3], cpu[3];
        struct view *view;
        uint64_t bytes;

        settings.upper_fd = fd;
        assert_ok(view_new(&settings, &view, &fault), fault);
        cpu[0] = cpu_us(RUSAGE_SELF);
        wall[0] = clock_monotonic_us(&clock_real);
        assert_ok(plain_write(view, fd, identities, &bytes, &fault), fault);
        cpu[1] = cpu_us(RUSAGE_SELF);
        wall[1] = clock_monotonic_us(&clock_real);
        assert_ok(plain_read(view, fd, identities, &fault), fault);
        cpu[2] = cpu_us(RUSAGE_SELF);
        wall[2] = clock_monotonic_us(&clock_real);
        (void)printf(
            "without FUSE: written in %lld ms (CPU %lld), read back in %lld ms (CPU "
            "%lld)\n",
            (long long)(wall[1] - wall[0]) / 1000, (long long)(cpu[1] - cpu[0]) / 1000,
            (long long)(wall[2] - wall[1]) / 1000, (long long)(cpu[2] - cpu[1]) / 1000);
        view_free(view);
    }
}

static struct timing time_once(struct fixture *fixture, const char *folder,
                               const char *const *argv)
{
    int64_t wall = clock_monotonic_us(&clock_real), cpu = cpu_us(RUSAGE_CHILDREN);
    int64_t server = server_cpu_us(fixture->server);
    int status = fixture_run(folder, (struct slice){0}, NULL, argv[0], argv[1], argv[2],
                             argv[3], argv[4], (char *)NULL);

    if (status > 1 && status != 141)
        (void)fprintf(stderr, "%s %s: exit %d\n", argv[0], argv[1], status);
    return (struct timing){clock_monotonic_us(&clock_real) - wall,
                           cpu_us(RUSAGE_CHILDREN) - cpu + server_cpu_us(fixture->server) -
                               server};
}

static int compare_cpu(const void *a, const void *b)
{
    const struct timing *one = a, *other = b;

    return (one->cpu_us > other->cpu_us) - (one->cpu_us < other->cpu_us);
}

static void time_workload(struct fixture *fixture, const char *name, const char *const *argv)
{
    struct timing cold = time_once(fixture, fixture->mount, argv);
    struct timing native[RUNS], view[RUNS];

    for (int i = 0; i < 3; i++) /* FUSE asks for attributes once more after a first read */
        (void)time_once(fixture, fixture->mount, argv);
    (void)time_once(fixture, fixture->repo, argv);
    for (int i = 0; i < RUNS; i++) {
        native[i] = time_once(fixture, fixture->repo, argv);
        view[i] = time_once(fixture, fixture->mount, argv);
    }
    qsort(native, RUNS, sizeof(native[0]), compare_cpu);
    qsort(view, RUNS, sizeof(view[0]), compare_cpu);
    (void)printf("%-10s native %lld ms, view first %lld ms (wall %lld), view warm %lld ms: "
                 "CPU ratio %.2f\n",
                 name, (long long)native[RUNS / 2].cpu_us / 1000,
                 (long long)cold.cpu_us / 1000, (long long)cold.wall_us / 1000,
                 (long long)view[RUNS / 2].cpu_us / 1000,
                 (double)view[RUNS / 2].cpu_us / (double)native[RUNS / 2].cpu_us);
}

int main(void)
{
    static const struct {
        const char *name;
        const char *argv[5];
    } workloads[] = {
        {"git status", {"git", "status", "--porcelain", NULL, NULL}},
        {"grep -r", {"grep", "-rl", "absent word", ".", "--exclude-dir=.git"}},
        {"git grep", {"git", "grep", "-l", "absent word", NULL}},
    };
    struct fixture fixture = {.hide_names = true};
    struct fault fault = {0};
    int64_t start;
    const char *reason;

    (void)setvbuf(stdout, NULL, _IOLBF, 0);
    start = clock_monotonic_us(&clock_real);
    if (!fixture_repository(&fixture, many_files, &fault)) {
        (void)fprintf(stderr, "%s\n", fault.why);
        return 2;
    }
    (void)printf("repository and first snapshot: %lld ms\n",
                 (long long)(clock_monotonic_us(&clock_real) - start) / 1000);
    time_start(&fixture);
    time_plain(&fixture);
    reason = fixture_mount(&fixture);
    if (reason != NULL) {
        (void)printf("skipped: %s\n", reason);
        fixture_end(&fixture);
        return 0;
    }
    fixture_as_agent(false);
    (void)RUN(fixture.folder, NULL, "chown", "-R", "1000:1000", "repo");
    fixture_as_agent(true);
    (void)RUN(fixture.repo, NULL, "git", "update-index", "-q", "--refresh");
    for (size_t i = 0; i < COUNT(workloads); i++)
        time_workload(&fixture, workloads[i].name, workloads[i].argv);
    fixture_end(&fixture);
    return 0;
}
