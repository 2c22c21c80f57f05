/*
 * bench/writes.c - what small writes cost in the folder where it is run: bench-writes ROUNDS.
 * Prints medians in milliseconds of wall time. To be run in an ordinary folder and, by
 * view-mount, in a view; BENCH_TAR is an archive and BENCH_REPOSITORY a git folder.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define ROUNDS_MAX 100

static double now_ms(void)
{
    struct timespec now;

    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec * 1e3 + (double)now.tv_nsec / 1e6;
}

static void fail(const char *what)
{
    perror(what);
    exit(1);
}

static void run(const char *script)
{
    char *argv[] = {(char[]){"sh"}, (char[]){"-e"}, (char[]){"-c"}, strdup(script), NULL};
    int status;
    pid_t pid = fork();

    if (pid == 0) {
        (void)execvp("sh", argv);
        _exit(127);
    }
    if (waitpid(pid, &status, 0) < 0 || status != 0)
        fail(script);
    free(argv[3]);
}

static void write_pieces(const char *name, size_t size, size_t count, int flags)
{
    char bytes[4096];
    int fd = open(name, O_WRONLY | O_CREAT | flags, 0644);

    memset(bytes, 'b', sizeof(bytes));
    for (size_t i = 0; i < count; i++)
        if (write(fd, bytes, size) != (ssize_t)size)
            fail("write");
    if (close(fd) < 0)
        fail("close");
}

static void blocks(void)
{
    write_pieces("blocks", 4096, 8192, O_TRUNC);
}

static void blocks_again(void)
{
    write_pieces("blocks", 4096, 8192, 0);
}

static void appends(void)
{
    write_pieces("appends", 100, 50000, O_APPEND);
}

static void appends_opened(void)
{
    for (int i = 0; i < 2000; i++)
        write_pieces("log", 100, 1, O_APPEND);
}

static void small_files(void)
{
    char name[32];

    for (int i = 0; i < 2000; i++) {
        (void)snprintf(name, sizeof(name), "small-%d", i);
        write_pieces(name, 2000, 1, O_TRUNC);
    }
}

static void sqlite(void)
{
    run("i=0; while [ $i -lt 20 ]; do echo 'begin;'; j=0; while [ $j -lt 200 ]; do "
        "echo \"insert into t values ($i, $j, 'some text in a row of a table');\"; "
        "j=$((j+1)); done; echo 'commit;'; i=$((i+1)); done > /tmp/custody-bench-sql.$$; "
        "rm -f db; (echo 'create table t (a, b, c); create index i on t (b);'; "
        "cat /tmp/custody-bench-sql.$$) | sqlite3 db; rm /tmp/custody-bench-sql.$$");
}

static void tar(void)
{
    run("rm -rf tree; mkdir tree; tar -xf \"$BENCH_TAR\" -C tree");
}

static void checkout(void)
{
    run("rm -rf tree; mkdir tree; "
        "git --git-dir=\"$BENCH_REPOSITORY\" --work-tree=tree checkout -q -f HEAD -- .");
}

static const struct {
    const char *name;
    void (*work)(void);
} works[] = {
    {"32 MiB in 4-KiB writes, new file", blocks},
    {"the same over an old file", blocks_again},
    {"50,000 appends of 100 bytes", appends},
    {"2,000 times open, append 100 bytes, close", appends_opened},
    {"2,000 files of 2 KB", small_files},
    {"sqlite, 20 transactions of 200 rows", sqlite},
    {"tar -x of 5,000 files", tar},
    {"git checkout of 5,000 files", checkout},
};

static int compare(const void *a, const void *b)
{
    double one = *(const double *)a, other = *(const double *)b;

    return one < other ? -1 : one > other;
}

int main(int argc, char **argv)
{
    int rounds = argc > 1 ? (int)strtol(argv[1], NULL, 10) : 5;
    double took[ROUNDS_MAX];

    if (rounds < 1 || rounds > ROUNDS_MAX)
        return 3;
    for (size_t i = 0; i < sizeof(works) / sizeof(works[0]); i++) {
        for (int round = 0; round < rounds; round++) {
            double from = now_ms();

            works[i].work();
            took[round] = now_ms() - from;
        }
        qsort(took, (size_t)rounds, sizeof(took[0]), compare);
        (void)printf("%s\t%.1f\n", works[i].name, took[rounds / 2]);
        (void)fflush(stdout);
    }
    return 0;
}
