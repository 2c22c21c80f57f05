#include "wire/terminal.h"

#include "base/scope.h"
#include "test.h"

#define OUT_BYTES_MAX (64 * 1024)

struct shown {
    struct buf out;
    struct terminal_dropped dropped;
};

/* Fed in steps; `ended`: what the end undoes is in it. */
static struct shown show(enum terminal_use use, struct slice raw, size_t step, bool ended)
{
    struct shown shown = {.out = buf_with_limit(OUT_BYTES_MAX)};
    struct terminal *terminal = terminal_new(use);
    struct fault fault = {0};

    for (size_t at = 0; at < raw.len; at += step)
        assert_ok(terminal_show(terminal, slice_part(raw, at, at + step), &shown.out, &fault),
                  fault);
    if (ended)
        assert_ok(terminal_end(terminal, &shown.out, &fault), fault);
    shown.dropped = *terminal_dropped(terminal);
    terminal_free(terminal);
    return shown;
}

static uint64_t sum(const struct terminal_dropped *dropped)
{
    uint64_t all = 0;

    for (size_t i = 0; i < TERMINAL_DROP_COUNT; i++)
        all += dropped->count[i];
    return all;
}

/* A screen that passes it as it is, lines that pass it or not. */
static void what_agents_draw_with_passes(void **state)
{
    static const struct {
        const char *raw;
        bool lines;
    } rows[] = {
        {"plain\r\n\ttext\b", true},
        {"caf\xc3\xa9 \xe2\x96\x88 \xf0\x9f\x98\x80", true},
        {"\x1b[1;32mok\x1b[0m \x1b[38;2;1;2;3m \x1b[38:2::1:2:3m \x1b[4:3m\x1b[m", true},
        {"\x1b[K\x1b[2K\x1b[12G", true},
        {"\x1b]8;;https://example.org/a?b=1\x07text\x1b]8;;\x07", true},
        {"\x1b]8;id=a1;http://example.org/\x07text\x1b]8;;\x07", true},
        {"\x1b[H\x1b[2J\x1b[10;20H\x1b[A\x1b[3B\x1b[C\x1b[D\x1b[s\x1b[u\x1b"
         "7\x1b"
         "8",
         false},
        {"\x1b[L\x1b[2M\x1b[P\x1b[4@\x1b[X\x1b[3b\x1b[d\x1b[S\x1b[2T\x1b[1;20r\x1b[r", false},
        {"\x1b[?1049h\x1b[?25l\x1b[?25h\x1b[?1049l", false},
        {"\x1b[?1000h\x1b[?1002h\x1b[?1003h\x1b[?1006h\x1b[?1004h", false},
        {"\x1b[?2004h\x1b[?2026h\x1b[?2026l\x1b[?2031h\x1b[?1h\x1b=\x1b[?7l\x1b>", false},
        {"\x1b[>1u\x1b[?u\x1b[<u\x1b[=5;1u\x1b[>4;2m\x1b[>4m", false},
        {"\x1b[6n\x1b[c\x1b[>c\x1b[>0q\x1b[?2026$p\x1b[?996n", false},
        {"\x1b(0lqk\x1b(B\x0e\x0f\x07", false},
        {"\x1b]0;claude \xe2\x9c\xb3 work\x07\x1b]2;t\x07\x1b[ q\x1b[6 q\x1b[!p", false},
        {"family \xf0\x9f\x91\xa9\xe2\x80\x8d\xf0\x9f\x91\xa7 \xe2\x98\x82\xef\xb8\x8e",
         false},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++)
        for (enum terminal_use use = TERMINAL_LINES; use <= TERMINAL_SCREEN; use++) {
            struct slice raw = slice_of(rows[i].raw);
            struct shown shown = show(use, raw, raw.len, false);
            bool same = slice_equal(buf_slice(&shown.out), raw);

            if (same != (use == TERMINAL_SCREEN || rows[i].lines) ||
                (same && sum(&shown.dropped) != 0))
                fail_msg("row %zu, use %d: %s", i, (int)use, buf_text(&shown.out));
            buf_free(&shown.out);
        }
}

static void what_acts_on_more_than_the_screen_is_dropped_and_counted(void **state)
{
    static const struct {
        const char *raw, *shown;
        enum terminal_drop drop;
        uint64_t count;
    } rows[] = {
        {"a\x1b]52;c;aGk=\x07z", "az", TERMINAL_DROP_CLIPBOARD, 1},
        {"a\x1b]52;c;?\x1b\\z", "az", TERMINAL_DROP_CLIPBOARD, 1},
        {"a\x1b]052;c;aGk=\x07z", "az", TERMINAL_DROP_COMMAND, 1},
        {"a\x1b]1337;File=inline=1:AAAA\x07z", "az", TERMINAL_DROP_COMMAND, 1},
        {"a\x1b]11;?\x1b\\\x1b]4;1;red\x07\x1b]9;note\x07\x1b]777;notify;a;b\x07z", "az",
         TERMINAL_DROP_COMMAND, 4},
        {"a\x1b]7;file://h/p\x07\x1b]133;A\x07\x1b]50;#1\x07z", "az", TERMINAL_DROP_COMMAND,
         3},
        {"a\x1bP$q\"p\x1b\\\x1bP+q544e\x1b\\\x1bPq#0;2;0;0;0\x1b\\z", "az",
         TERMINAL_DROP_DEVICE, 3},
        {"a\x1bP has \x07 inside\x1b\\z", "az", TERMINAL_DROP_DEVICE, 1},
        {"a\x1b_Gt=f;L2V0Yy9wYXNzd2Q=\x1b\\\x1b^pm\x1b\\\x1bXsos\x1b\\z", "az",
         TERMINAL_DROP_PROGRAM, 3},
        {"a\x1b[21t\x1b[8;5;5t\x1b[22;0t\x1b[>2tz", "az", TERMINAL_DROP_WINDOW, 4},
        {"a\x1b[1;1;1;1;1;1*y\x1b[=c\x1b[x\x1b[?15n\x1b[4$p\x1b[5nz", "az",
         TERMINAL_DROP_REPORT, 6},
        {"a\x1b[?1001h\x1b[?3h\x1b[?9001h\x1b[20h\x1b[?1s\x1b[?1r\x1b[<uz", "az",
         TERMINAL_DROP_MODE, 7},
        {"a\x1b[?25;9999;1hz", "a\x1b[?25h\x1b[?1hz", TERMINAL_DROP_MODE, 1},
        {"a\x1b[3J\x1b"
         "c\x1b[5i\x1b[?4i\x1b%@\x1b%G\x1b[99999A\x1b[5000b\x1b[1;2;3;4;5T\x1b#8\x1bNz",
         "az", TERMINAL_DROP_SEQUENCE, 11},
        {"a\x05\x00", "a", TERMINAL_DROP_CONTROL, 1},
        {"a\x05\x11\x13\x7f\x0b\x0cz", "az", TERMINAL_DROP_CONTROL, 6},
        {"a\x9b"
         "31mz\x9d",
         "a31mz", TERMINAL_DROP_CONTROL, 2},
        {"a\xc2\x9b"
         "31m\xc2\x85z",
         "a31mz", TERMINAL_DROP_CONTROL, 2},
        {"a\xe2\x80\xae\xe2\x81\xa6\xf3\xa0\x81\x81z", "az", TERMINAL_DROP_HIDDEN, 3},
        {"a\x1bktitle\x1b\\z", "az", TERMINAL_DROP_SEQUENCE, 1},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct slice raw = slice_of(rows[i].raw);
        struct shown shown = show(TERMINAL_SCREEN, raw, raw.len, false);

        if (strcmp(buf_text(&shown.out), rows[i].shown) != 0 ||
            shown.dropped.count[rows[i].drop] != rows[i].count ||
            sum(&shown.dropped) != rows[i].count)
            fail_msg("row %zu: %s, %llu of %llu", i, buf_text(&shown.out),
                     (unsigned long long)shown.dropped.count[rows[i].drop],
                     (unsigned long long)sum(&shown.dropped));
        buf_free(&shown.out);
    }
}

static void what_is_broken_ends_and_leaves_nothing(void **state)
{
    static const struct {
        const char *raw, *shown;
    } rows[] = {
        {"a\x1b[31\x18z", "az"},
        {"a\x1b[31\x1b[0mz", "a\x1b[0mz"},
        {"a\x1b[3\n1m", "a\n1m"},
        {"a\x1b[3\xc3\xa9m", "a\xc3\xa9m"},
        {"a\x1b]0;t\x1b[1mz\x1b[0m", "a\x1b[1mz\x1b[0m"},
        {"a\x1bPx\x1b\x1b]52;c;x\x07z", "az"},
        {"a\x1b]0;t\x1az", "az"},
        {"a\x1b\\z", "az"},
        {"a\x1b[", "a"},
        {"a\x1b]0;never", "a"},
        {"a\xe2\x96", "a\xef\xbf\xbd"},
        {"a\xff\xc3z", "a\xef\xbf\xbd\xef\xbf\xbdz"},
        {"\xe0\x80\x80", "\xef\xbf\xbd"},
        {"\xed\xa0\x80", "\xef\xbf\xbd\xef\xbf\xbd"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++)
        for (size_t step = 1; step <= strlen(rows[i].raw); step++) {
            struct shown shown = show(TERMINAL_SCREEN, slice_of(rows[i].raw), step, true);

            if (strcmp(buf_text(&shown.out), rows[i].shown) != 0)
                fail_msg("row %zu in steps of %zu: %s", i, step, buf_text(&shown.out));
            buf_free(&shown.out);
        }
}

static void links_go_to_the_web_and_titles_are_short_text(void **state)
{
    static const struct {
        const char *raw, *shown;
    } rows[] = {
        {"\x1b]8;;https://a.example/\x1b\\", "\x1b]8;;https://a.example/\x07"},
        {"\x1b]8;;https://a\x01.exa\nmple\x07", "\x1b]8;;https://a.example\x07"},
        {"\x1b]8;x=1:id=q.1:y=2;https://a\x07", "\x1b]8;id=q.1;https://a\x07"},
        {"\x1b]8;id=a b;https://a;b\x07", "\x1b]8;;https://a;b\x07"},
        {"\x1b]8;;file:///etc/passwd\x07", "\x1b]8;;\x07"},
        {"\x1b]8;;javascript:x\x07", "\x1b]8;;\x07"},
        {"\x1b]8;;ssh://-oProxyCommand=x\x07", "\x1b]8;;\x07"},
        {"\x1b]8;;https://a b\x07", "\x1b]8;;\x07"},
        {"\x1b]8;;https://\xd0\xb0\x07", "\x1b]8;;\x07"},
        {"\x1b]8\x07", "\x1b]8;;\x07"},
        {"\x1b]0;a\nb\xe2\x80\xae\xc2\x9b\xff"
         "c\x07",
         "\x1b]0;abc\x07"},
        {"\x1b]2;a;b\x1b\\", "\x1b]2;a;b\x07"},
    };
    AUTO_BUF struct buf title = buf_with_limit(3000);
    struct fault fault = {0};
    struct shown shown;

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        shown = show(TERMINAL_SCREEN, slice_of(rows[i].raw), SIZE_MAX / 2, false);
        if (strcmp(buf_text(&shown.out), rows[i].shown) != 0)
            fail_msg("row %zu: %s", i, buf_text(&shown.out));
        buf_free(&shown.out);
    }
    assert_true(buf_add_text(&title, "\x1b]0;", &fault));
    for (size_t i = 0; i < 1000; i++)
        assert_true(buf_add_byte(&title, 't', &fault));
    assert_true(buf_add_byte(&title, '\a', &fault));
    shown = show(TERMINAL_SCREEN, buf_slice(&title), title.len, false);
    assert_int_equal(shown.out.len, 4 + 256 + 1);
    buf_free(&shown.out);
}

/* What never ends is not kept. */
static void memory_is_bounded(void **state)
{
    static const char *const begins[] = {"\x1b]52;c;", "\x1bP", "\x1b[", "\x1b]0;", "\x1b("};
    static const enum terminal_drop drops[] = {TERMINAL_DROP_CLIPBOARD, TERMINAL_DROP_DEVICE,
                                               TERMINAL_DROP_SEQUENCE, TERMINAL_DROP_COMMAND,
                                               TERMINAL_DROP_SEQUENCE};
    static uint8_t many[1 << 17];

    (void)state;
    for (size_t i = 0; i < COUNT(begins); i++) {
        AUTO_BUF struct buf out = buf_with_limit(TERMINAL_SHOWN_MAX(4096));
        struct terminal *terminal = terminal_new(TERMINAL_SCREEN);
        struct fault fault = {0};

        memset(many, begins[i][1] == '(' ? ' ' : '1', sizeof(many));
        assert_ok(terminal_show(terminal, slice_of(begins[i]), &out, &fault), fault);
        assert_ok(terminal_show(terminal, slice_of_bytes(many, sizeof(many)), &out, &fault),
                  fault);
        assert_int_equal(out.len, 0);
        assert_ok(terminal_show(terminal, SLICE("m\x1b\\"), &out, &fault), fault);
        assert_ok(terminal_show(terminal, SLICE("z"), &out, &fault), fault);
        assert_string_equal(buf_text(&out), "z");
        assert_int_equal(terminal_dropped(terminal)->count[drops[i]], 1);
        terminal_free(terminal);
    }
}

static void at_the_end_the_terminal_is_as_it_was(void **state)
{
    static const struct {
        const char *raw, *undo;
    } rows[] = {
        {"text", ""},
        {"\x1b[31m", "\x1b[0m"},
        {"\x1b[31m\x1b[0m", ""},
        {"\x1b[?25l\x1b[?1000;1006h\x1b[?2004h", "\x1b[?25h\x1b[?1000l\x1b[?1006l\x1b[?2004l"},
        {"\x1b[?1049h\x1b[?1049l", ""},
        {"\x1b[?47h\x1b[?1049l", ""},
        {"\x1b[>1u\x1b[?1049h\x1b[>1u\x1b[>3u", "\x1b[<2u\x1b[?1049l\x1b[<1u"},
        {"\x1b[5;9r", "\x1b"
                      "7\x1b[r\x1b"
                      "8"},
        {"\x1b]8;;https://a\x07", "\x1b]8;;\x07"},
        {"\x1b(0", "\x0f\x1b(B\x1b)B"},
        {"\x1b[>4;2m\x1b[6 q\x1b=", "\x1b>\x1b[0 q\x1b[>4m"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct slice raw = slice_of(rows[i].raw);
        struct shown during = show(TERMINAL_SCREEN, raw, raw.len, false);
        struct shown shown = show(TERMINAL_SCREEN, raw, raw.len, true);

        if (strcmp(buf_text(&shown.out) + during.out.len, rows[i].undo) != 0)
            fail_msg("row %zu: %s", i, buf_text(&shown.out) + during.out.len);
        buf_free(&during.out);
        buf_free(&shown.out);
    }
}

static void lines_spell_out_what_does_not_show(void **state)
{
    static const struct {
        const char *raw, *shown;
    } rows[] = {
        {"caf\xc3\xa9 \xe2\x80\xae", "caf\xc3\xa9 <U+202E>"},
        {"\xff|\xc3", "<FF>|<C3>"},
        {"\x1b[2Jtext\x1b[5A\x1b]0;title\x07\x1b[31mred", "text\x1b[31mred\x1b[0m"},
        {"\x1b[?1049h\x1b[6n\x07z", "z"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++)
        for (size_t step = 1; step <= strlen(rows[i].raw); step++) {
            struct shown shown = show(TERMINAL_LINES, slice_of(rows[i].raw), step, true);

            assert_string_equal(buf_text(&shown.out), rows[i].shown);
            buf_free(&shown.out);
        }
}

static void a_question_that_passed_is_told_of(void **state)
{
    static const struct {
        const char *raw;
        bool asked;
    } rows[] = {
        {"text\x1b[31m", false}, {"\x1b[6n", true}, {"\x1b[c", true}, {"\x1b[21t", false}};

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        AUTO_BUF struct buf out = buf_with_limit(TERMINAL_SHOWN_MAX(100));
        struct terminal *terminal = terminal_new(TERMINAL_SCREEN);
        struct fault fault = {0};

        assert_ok(terminal_show(terminal, slice_of(rows[i].raw), &out, &fault), fault);
        assert_ok(terminal_end(terminal, &out, &fault), fault);
        assert_int_equal(terminal_has_asked(terminal), rows[i].asked);
        terminal_free(terminal);
    }
}

static void every_kind_has_a_word(void **state)
{
    (void)state;
    for (enum terminal_drop drop = 0; drop < TERMINAL_DROP_COUNT; drop++)
        assert_true(strlen(terminal_drop_name(drop)) > 3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(what_agents_draw_with_passes),
        TEST(what_acts_on_more_than_the_screen_is_dropped_and_counted),
        TEST(what_is_broken_ends_and_leaves_nothing),
        TEST(links_go_to_the_web_and_titles_are_short_text),
        TEST(memory_is_bounded),
        TEST(at_the_end_the_terminal_is_as_it_was),
        TEST(lines_spell_out_what_does_not_show),
        TEST(a_question_that_passed_is_told_of),
        TEST(every_kind_has_a_word),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
