/* tests/unit/change/repository.h - a throw-away repository, made with the real git. */
#ifndef CUSTODY_TESTS_UNIT_CHANGE_REPOSITORY_H
#define CUSTODY_TESTS_UNIT_CHANGE_REPOSITORY_H

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>

#include "base/scope.h"
#include "os/file.h"
#include "os/spawn.h"
#include "test.h"

/* Runs a program in `folder`; returns its exit code. `ret_output` may be NULL. */
static inline int run_in(const char *folder, struct buf *ret_output, const char *const *argv)
{
    static const char *const environment[] = {"PATH=/usr/local/bin:/usr/bin:/bin",
                                              "HOME=/nonexistent",
                                              "LC_ALL=C",
                                              "GIT_CONFIG_NOSYSTEM=1",
                                              "GIT_CONFIG_GLOBAL=/dev/null",
                                              "GIT_AUTHOR_NAME=Ada",
                                              "GIT_AUTHOR_EMAIL=ada@example.org",
                                              "GIT_COMMITTER_NAME=Ada",
                                              "GIT_COMMITTER_EMAIL=ada@example.org",
                                              "GIT_AUTHOR_DATE=1700000000 +0000",
                                              "GIT_COMMITTER_DATE=1700000000 +0000",
                                              NULL};
    struct spawn_program program = {
        .argv = argv, .environment = environment, .folder = folder};
    AUTO_BUF struct buf output = buf_with_limit(1 << 20);
    struct fault fault = {0};
    int status = -1;

    assert_ok(spawn_run(&program, (struct slice){0}, &output, &status, &fault), fault);
    if (ret_output != NULL)
        *ret_output = take_buf(&output);
    else if (status != 0)
        print_message("%s %s: %s\n", argv[0], argv[1], fault.why);
    return status;
}

#define RUN(folder, ...) run_in(folder, NULL, (const char *const[]){__VA_ARGS__, NULL})
#define GIT(folder, ...) assert_int_equal(RUN(folder, "git", __VA_ARGS__), 0)

/* What git prints, without the line break; the caller frees. */
static inline char *git_says(const char *folder, const char *const *argv)
{
    struct buf output = {0};
    char *text;

    assert_int_equal(run_in(folder, &output, argv), 0);
    text = slice_dup(slice_trim(buf_slice(&output)));
    buf_free(&output);
    return text;
}

#define GIT_SAYS(folder, ...) git_says(folder, (const char *const[]){"git", __VA_ARGS__, NULL})

static inline void write_below(const char *folder, const char *name, const char *text)
{
    AUTO_FREE char *path = xformat("%s/%s", folder, name);
    FILE *file = fopen(path, "w");

    assert_non_null(file);
    (void)fputs(text, file);
    (void)fclose(file);
}

/* A folder under /tmp with `repo` (one commit: a.txt, src/b.c, custody.yaml) and `scratch`. */
struct place {
    char root[32];
    char repo[48];
    char scratch[48];
};

static inline void place_make(struct place *place)
{
    struct fault fault = {0};

    (void)snprintf(place->root, sizeof(place->root), "/tmp/custody-test.XXXXXX");
    assert_non_null(mkdtemp(place->root));
    (void)snprintf(place->repo, sizeof(place->repo), "%s/repo", place->root);
    (void)snprintf(place->scratch, sizeof(place->scratch), "%s/scratch", place->root);
    assert_ok(file_make_folders(place->scratch, 0700, &fault), fault);
    assert_ok(file_make_folders(place->repo, 0755, &fault), fault);
    GIT(place->repo, "init", "-q", "-b", "main");
    write_below(place->repo, "a.txt", "one\ntwo\nthree\n");
    write_below(place->repo, "custody.yaml", "version: 1\n");
    assert_int_equal(RUN(place->repo, "mkdir", "src"), 0);
    write_below(place->repo, "src/b.c", "int b;\n");
    GIT(place->repo, "add", "-A");
    GIT(place->repo, "commit", "-q", "-m", "first");
}

static inline void place_remove(struct place *place)
{
    struct fault fault = {0};

    assert_ok(file_remove_tree(AT_FDCWD, place->root, &fault), fault);
}

#endif
