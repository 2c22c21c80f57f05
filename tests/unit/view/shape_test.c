#include "test.h"

#include <linux/fuse.h>

#include "base/scope.h"
#include "view/serve_shape.h"

/* A request whose arguments are zeros but for `at`, of four bytes, with `tail` behind them. */
static bool is_whole(uint32_t opcode, size_t arguments, size_t at, uint32_t value,
                     struct slice tail)
{
    struct {
        struct fuse_in_header header;
        uint8_t rest[256];
    } request = {.header = {.opcode = opcode, .unique = 1, .nodeid = 1}};

    assert_true(arguments + tail.len <= sizeof(request.rest));
    memcpy(request.rest + at, &value, sizeof(value));
    if (tail.len > 0)
        memcpy(request.rest + arguments, tail.at, tail.len);
    request.header.len = (uint32_t)(sizeof(request.header) + arguments + tail.len);
    return serve_shape_is_whole(slice_of_bytes(&request, request.header.len));
}

#define TEXT(literal)                                                                         \
    {                                                                                         \
        (const uint8_t *)(literal), sizeof(literal) - 1                                       \
    }

static void requests_are_whole_or_refused(void **state)
{
    static const struct {
        uint32_t opcode;
        size_t arguments, at;
        uint32_t value;
        struct slice tail;
        bool whole;
    } cases[] = {
        {FUSE_LOOKUP, 0, 0, 0, TEXT("src\0"), true},
        {FUSE_LOOKUP, 0, 0, 0, TEXT("src"), false},
        {FUSE_LOOKUP, 0, 0, 0, TEXT("src/a\0"), false},
        {FUSE_LOOKUP, 0, 0, 0, TEXT(""), false},
        {FUSE_SYMLINK, 0, 0, 0, TEXT("link\0../a/b\0"), true},
        {FUSE_SYMLINK, 0, 0, 0, TEXT("a/link\0../a/b\0"), false},
        {FUSE_SYMLINK, 0, 0, 0, TEXT("link\0"), false},
        {FUSE_RENAME2, 16, 0, 0, TEXT("a\0b\0"), true},
        {FUSE_RENAME2, 16, 0, 0, TEXT("a\0b/c\0"), false},
        {FUSE_READ, 40, 0, 0, TEXT(""), true},
        {FUSE_READ, 36, 0, 0, TEXT(""), false},
        {FUSE_WRITE, 40, 16, 5, TEXT("hello"), true},
        {FUSE_WRITE, 40, 16, 6, TEXT("hello"), false},
        {FUSE_WRITE, 40, 16, UINT32_MAX, TEXT("hello"), false},
        {FUSE_SETXATTR, 8, 0, 3, TEXT("user.x\0abc"), true},
        {FUSE_SETXATTR, 8, 0, 4, TEXT("user.x\0abc"), false},
        {FUSE_BATCH_FORGET, 8, 0, 1, TEXT("0123456789abcdef"), true},
        {FUSE_BATCH_FORGET, 8, 0, 2, TEXT("0123456789abcdef"), false},
        {FUSE_BATCH_FORGET, 8, 0, 0x10000000, TEXT("0123456789abcdef"), false},
        {FUSE_INIT, 16, 12, 0, TEXT(""), true},
        {FUSE_INIT, 16, 12, FUSE_INIT_EXT, TEXT(""), false},
        {FUSE_INIT, 64, 12, FUSE_INIT_EXT, TEXT(""), true},
        {FUSE_NOTIFY_REPLY, 40, 0, 0, TEXT(""), false},
        {SERVE_OPCODE_TMPFILE, 16, 0, 0, TEXT("/\0"), true},
        {FUSE_CREATE, 16, 0, 0, TEXT("/\0"), false},
        {4000, 0, 0, 0, TEXT(""), true},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++)
        if (is_whole(cases[i].opcode, cases[i].arguments, cases[i].at, cases[i].value,
                     cases[i].tail) != cases[i].whole)
            fail_msg("case %zu", i);
}

static void the_length_is_that_of_what_came(void **state)
{
    struct fuse_in_header header = {.len = sizeof(header), .opcode = FUSE_STATFS};

    (void)state;
    assert_true(serve_shape_is_whole(slice_of_bytes(&header, sizeof(header))));
    assert_false(serve_shape_is_whole(slice_of_bytes(&header, sizeof(header) - 1)));
    header.len++;
    assert_false(serve_shape_is_whole(slice_of_bytes(&header, sizeof(header))));
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        TEST(requests_are_whole_or_refused),
        TEST(the_length_is_that_of_what_came),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
