/*
 * tests/unit/view/mount.c - runs a command in a mounted view of a small repository, for the
 * file system suites of docs/view.md: view-mount [--root] [--records] [--opens] COMMAND...
 *
 * The command runs as the agent, in the root of the view; with --root as root. --records prints
 * what was recorded, --opens records every open. As root.
 */
#include "test.h"

#include "view/fixture.h"

#define SUITE_BYTES_MAX (16ULL << 30)

static void print_records(const struct fixture *fixture)
{
    AUTO_FREE char *path = xformat("%s/records", fixture->folder);
    AUTO_BUF struct buf text = buf_with_limit(1U << 30);
    struct fault fault = {0};

    if (file_read(AT_FDCWD, path, &text, &fault))
        (void)printf("%.*s", SLICE_ARGS(buf_slice(&text)));
}

int main(int argc, char **argv)
{
    struct fixture fixture = {.hide_names = true, .upper_bytes_max = SUITE_BYTES_MAX};
    struct fault fault = {0};
    bool as_root = false, records = false;
    const char *reason;
    int status = 1, at = 1;
    pid_t pid;

    for (; at < argc && strncmp(argv[at], "--", 2) == 0; at++) {
        as_root = as_root || strcmp(argv[at], "--root") == 0;
        fixture.opens = fixture.opens || strcmp(argv[at], "--opens") == 0;
        records = records || strcmp(argv[at], "--records") == 0;
    }
    if (at == argc)
        return 3;
    if (!fixture_repository(&fixture, fixture_files, &fault)) {
        (void)fprintf(stderr, "view-mount: %s\n", fault.why);
        return 1;
    }
    reason = fixture_mount(&fixture);
    if (reason != NULL) {
        (void)fprintf(stderr, "view-mount: %s\n", reason);
        return 1;
    }
    if (as_root)
        fixture_as_agent(false);
    pid = fork();
    if (pid == 0) {
        (void)setresuid(geteuid(), geteuid(), geteuid());
        (void)execvp(argv[at], &argv[at]);
        _exit(127);
    }
    (void)waitpid(pid, &status, 0);
    if (records)
        print_records(&fixture);
    fixture_end(&fixture);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}
