/* What tests of a mounted view share: begin in it, put a file, expect a file or an errno. */
#ifndef CUSTODY_TESTS_UNIT_VIEW_MOUNTED_H
#define CUSTODY_TESTS_UNIT_VIEW_MOUNTED_H

#include "view/fixture.h"

/* Mounts and goes there, as the agent. Skips where that cannot be done here. */
static inline void begin_of(struct fixture *fixture, void (*files)(const char *repo))
{
    struct fault fault = {0};
    const char *reason;

    assert_ok(fixture_repository(fixture, files, &fault), fault);
    reason = fixture_mount(fixture);
    if (reason != NULL) {
        print_message("skipped: %s\n", reason);
        fixture_end(fixture);
        skip();
    }
}

static inline void begin_with(struct fixture *fixture)
{
    begin_of(fixture, fixture_files);
}

#define BEGIN(fixture)                                                                        \
    struct fixture fixture = {.hide_names = true};                                            \
    (void)state;                                                                              \
    begin_with(&fixture)

#define BEGIN_WITH(fixture, files)                                                            \
    struct fixture fixture = {.hide_names = true};                                            \
    (void)state;                                                                              \
    begin_of(&fixture, files)

static inline void put(const char *name, const char *text)
{
    AUTO_CLOSE int fd = open(name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);

    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, strlen(text)), strlen(text));
}

static inline void expect(const char *name, const char *text)
{
    AUTO_BUF struct buf bytes = buf_with_limit(1 << 20);
    struct fault fault = {0};

    assert_ok(file_read(AT_FDCWD, name, &bytes, &fault), fault);
    assert_string_equal(buf_text(&bytes), text);
}

#define expect_errno(expression, wanted)                                                      \
    do {                                                                                      \
        errno = 0;                                                                            \
        assert_int_equal(expression, -1);                                                     \
        assert_int_equal(errno, wanted);                                                      \
    } while (0)

#endif
