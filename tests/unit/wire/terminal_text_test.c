#include "wire/terminal_text.h"

#include <string.h>

#include "base/scope.h"
#include "test.h"

static struct terminal_text *text_of(struct slice raw)
{
    struct terminal_text *text = NULL;
    struct fault fault = {0};

    assert_ok(terminal_text_new(raw, &text, &fault), fault);
    return text;
}

static void what_a_reader_sees_is_whole(void **state)
{
    static const struct {
        const char *raw, *text;
    } rows[] = {
        {"", ""},
        {"plain\r\n\ttext", "plain\r\n\ttext"},
        {"4111\x1b[31m1111\x1b[0;1m1111\x1b[m1111", "4111111111111111"},
        {"4111\x1b[38:2::1:2:3m1111\x1b[?25l\x1b[K11111111", "4111111111111111"},
        /* strings and links: what is in them does not show, what they are around does */
        {"ab\x1b]0;a title\x07"
         "cd\x1b]8;;https://a.example/\x1b\\ef\x1bPq\x1b\\gh\x1b_x\x1b\\ij",
         "abcdefghij"},
        {"ab\x1b]52;c;aGk=", "ab"}, /* never ended: it never shows */
        {"ab\x1b[31", "ab"},
        /* controls that show nothing */
        {"ab\x01\x05\x0e"
         "cd\xc2\x85"
         "ef\x7f",
         "abcdef"},
        {"caf\xc3\xa9\x1b[1m\xe2\x96\x88", "caf\xc3\xa9\xe2\x96\x88"},
        {"ab\xff"
         "cd",
         "ab\xff"
         "cd"},
        /* printed over, to be bold or underlined */
        {"s\bse\bec\bc", "sec"},
        {"_\bs_\be_\bc", "sec"},
        {"\xc3\xa9\b\xc3\xa9x", "\xc3\xa9x"},
        {"secret\b\b\b", "secret"}, /* only gone back over */
        {"secret\b\b\b\n", "secret\n"},
        {"secret\b\b\r\n", "secret\r\n"},
        {"a\n\b\b\bb", "a\nb"},
        {"s\b\x1b[1ms\x1b[me\b\x1b[1me", "se"},
        /* what moves parts */
        {"one\x1b[2;1Htwo", "one\ntwo"},
        {"one\x1b[10Gtwo\x1b[3Cthree", "one two three"},
        {"one\x1b[2Jtwo\x1b"
         "Mthree",
         "one\ntwo\nthree"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct terminal_text *text = text_of(slice_of(rows[i].raw));

        if (!slice_equal(terminal_text_bytes(text), slice_of(rows[i].text)))
            fail_msg("%zu: `%.*s` instead of `%s`", i, SLICE_ARGS(terminal_text_bytes(text)),
                     rows[i].text);
        terminal_text_free(text);
    }
}

static void what_is_found_has_its_place_in_the_output(void **state)
{
    static const struct {
        const char *raw, *value, *place; /* place: all of the output that it takes */
    } rows[] = {
        {"a secret b", "secret", "secret"},
        {"a se\x1b[31mcr\x1b[met b", "secret", "se\x1b[31mcr\x1b[met"},
        {"a \x1b[31msecret\x1b[m b", "secret", "secret"},
        {"caf\xc3\xa9 \x1b[1ms\xc3\xa9"
         "c\x1b[mret",
         "s\xc3\xa9"
         "cret",
         "s\xc3\xa9"
         "c\x1b[mret"},
        {"a _\bs_\be_\bc b", "sec", "s_\be_\bc"},
        {"a\x1b[5Gsec\x1b]0;x\x07ret", "secret", "sec\x1b]0;x\x07ret"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct slice raw = slice_of(rows[i].raw);
        struct terminal_text *text = text_of(raw);
        size_t at = slice_find(terminal_text_bytes(text), slice_of(rows[i].value), 0);
        size_t start = 0, end = 0;

        assert_int_not_equal(at, SIZE_MAX);
        terminal_text_place(text, at, at + strlen(rows[i].value), &start, &end);
        if (!slice_equal(slice_part(raw, start, end), slice_of(rows[i].place)))
            fail_msg("%zu: %zu to %zu", i, start, end);
        terminal_text_free(text);
    }
}

/* Each of them once took time by the square of its length. */
static void a_long_output_takes_no_longer_a_byte(void **state)
{
    static const char *const pieces[] = {"\xa0",  "\b",    "x\b",    "\n\xa0\xa0\xa0\xa0\b\b",
                                         "\x1b[", "\x1b]", "\x1b[m4"};
    const size_t len = 4UL << 20;
    uint8_t *raw = xalloc(len);

    (void)state;
    for (size_t i = 0; i < COUNT(pieces); i++) {
        size_t piece = strlen(pieces[i]);

        for (size_t at = 0; at + piece <= len; at += piece)
            memcpy(raw + at, pieces[i], piece);
        terminal_text_free(text_of(slice_of_bytes(raw, len)));
    }
    memset(raw, 0xa0, len);
    memset(raw + len / 2, '\b', len / 2);
    raw[0] = '\n';
    raw[len - 1] = 'x';
    terminal_text_free(text_of(slice_of_bytes(raw, len)));
    free(raw);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(what_a_reader_sees_is_whole),
        TEST(what_is_found_has_its_place_in_the_output),
        TEST(a_long_output_takes_no_longer_a_byte),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
