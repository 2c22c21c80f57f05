#include "wire/json.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/scope.h"
#include "test.h"

static void only_strict_json_is_taken(void **state)
{
    static const struct {
        const char *text;
        bool ok;
    } cases[] = {
        {"{}", true},
        {"[]", true},
        {" \t\r\n[1] ", true},
        {"\"a\"", true},
        {"null", true},
        {"-0.5e+10", true},
        {"0", true},
        {"{\"a\":{\"a\":1},\"b\":[{\"a\":2},{\"a\":3}]}", true},
        {"\"\\u00e9\\ud83d\\ude00\\/\\b\"", true},
        {"\"\\ud83d\"", true},
        {"[true,false,null]", true},
        {"\"\xC3\xA9\xF0\x9F\x98\x80\"", true},
        {"\"0123456789abcdef0123456789\xC3\xA9\"", true},
        {"", false},
        {" ", false},
        {"{", false},
        {"[", false},
        {"[1,]", false},
        {"{\"a\":1,}", false},
        {"{a:1}", false},
        {"{\"a\" 1}", false},
        {"{\"a\":}", false},
        {"[1 2]", false},
        {"01", false},
        {"+1", false},
        {"1.", false},
        {".5", false},
        {"1e", false},
        {"-", false},
        {"0x1", false},
        {"nul", false},
        {"True", false},
        {"NaN", false},
        {"'a'", false},
        {"\"a", false},
        {"\"a\nb\"", false},
        {"\"\\x41\"", false},
        {"\"\\u12\"", false},
        {"\"\\u123g\"", false},
        {"\"\x80\"", false},
        {"\"\xC0\xAF\"", false},
        {"\"\xED\xA0\x80\"", false},
        {"\"\xF4\x90\x80\x80\"", false},
        {"\"\xE2\x82\"", false},
        {"\xEF\xBB\xBF{}", false},
        {"{} {}", false},
        {"{}x", false},
        {"[1]]", false},
        {"/* */ {}", false},
        {"{\"a\":1,\"a\":2}", false},
        {"{\"a\":1,\"\\u0061\":2}", false},
        {"{\"\":1,\"\":2}", false},
        {"{\"a\":1,\"b\":{\"c\":1,\"c\":2}}", false},
        {"\"abcdefg\x01\"", false},
        {"\"abcdefghijklmnopqrstuv\tw\"", false},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct fault fault = {0};

        if (json_walk(slice_of(cases[i].text), NULL, &fault) != cases[i].ok)
            fail_msg("%s: %s", cases[i].text, fault.why);
    }
}

static void duplicates_are_found_among_many_keys(void **state)
{
    AUTO_BUF struct buf text = buf_with_limit(1 << 20);
    struct fault fault = {0};

    (void)state;
    assert_true(buf_add_byte(&text, '{', &fault));
    for (int i = 0; i < 1000; i++)
        assert_true(buf_add_format(&text, &fault, "\"key%d\":{\"key%d\":%d},", i, i, i));
    assert_true(buf_add_text(&text, "\"key500\":1}", &fault));
    assert_false(json_walk(buf_slice(&text), NULL, &fault));
    text.at[text.len - 10] = 'z'; /* "zey500" */
    fault = (struct fault){0};
    assert_ok(json_walk(buf_slice(&text), NULL, &fault), fault);
}

static void nesting_has_a_limit(void **state)
{
    char text[2 * JSON_DEPTH_MAX + 3] = {0};
    struct fault fault = {0};

    (void)state;
    memset(text, '[', JSON_DEPTH_MAX);
    memset(text + JSON_DEPTH_MAX, ']', JSON_DEPTH_MAX);
    assert_ok(json_walk(slice_of(text), NULL, &fault), fault);
    memset(text, '[', JSON_DEPTH_MAX + 1);
    memset(text + JSON_DEPTH_MAX + 1, ']', JSON_DEPTH_MAX + 1);
    assert_false(json_walk(slice_of(text), NULL, &fault));
}

struct listing {
    struct buf text;
};

static bool list_leaf(void *self, const struct json_leaf *leaf, struct fault *fault)
{
    struct buf *text = &((struct listing *)self)->text;

    for (size_t i = 0; i < leaf->depth; i++)
        if (leaf->path[i].is_key
                ? !buf_add_format(text, fault, ".%.*s", SLICE_ARGS(leaf->path[i].key))
                : !buf_add_format(text, fault, "[%zu]", leaf->path[i].index))
            return false;
    return buf_add_format(text, fault, "%s%.*s;", leaf->is_key ? "#" : "=",
                          SLICE_ARGS(leaf->text));
}

static void every_string_key_and_number_is_visited_with_its_place(void **state)
{
    struct listing listing = {.text = buf_with_limit(4096)};
    struct json_visitor visitor = {.leaf = list_leaf, .self = &listing};
    struct fault fault = {0};

    (void)state;
    assert_ok(json_walk(SLICE("{\"a\":[\"x\\ny\",{\"b\":1.5}],\"\\u0063\":null,\"d\":\"\"}"),
                        &visitor, &fault),
              fault);
    assert_string_equal(buf_text(&listing.text),
                        "#a;.a[0]=x\ny;.a[1]#b;.a[1].b=1.5;#c;#d;.d=;");
    buf_free(&listing.text);
}

static const char filler[] =
    "plain text of which as much is taken as is needed, here and behind the piece";

/* What is written at one place of a string: good ones with what they say, bad ones without. */
static const struct piece {
    const char *written, *says;
} pieces[] = {
    {"\\n", "\n"},        {"\\\"", "\""},
    {"\\\\", "\\"},      {"\\u00e9", "\xC3\xA9"},
    {"\xE2\x82\xAC", "\xE2\x82\xAC"}, {"\\ud83d\\ude00", "\xF0\x9F\x98\x80"},
    {"\\x", NULL},        {"\x80", NULL},
    {"\x01", NULL},       {"\xC3", NULL},
    {"\\u12", NULL},      {"\x7F", "\x7F"},
};

static bool is_text(void *self, const struct json_leaf *leaf, struct fault *fault)
{
    (void)fault;
    return slice_equal(leaf->text, *(const struct slice *)self);
}

/* Long enough that every place of a block and of two blocks is met. */
static void a_string_says_the_same_wherever_its_escapes_stand(void **state)
{
    (void)state;
    for (size_t len = 0; len < 70; len++)
        for (size_t at = 0; at <= len; at++)
            for (size_t i = 0; i < COUNT(pieces); i++) {
                AUTO_BUF struct buf written = buf_with_limit(256), says = buf_with_limit(256);
                struct slice text;
                struct json_visitor visitor = {.leaf = is_text, .self = &text};
                const char *said = pieces[i].says == NULL ? "" : pieces[i].says;
                struct fault fault = {0};
                uint8_t *exact;

                assert_ok(buf_add_format(&written, &fault, "\"%.*s%s%.*s\"", (int)at, filler,
                                         pieces[i].written, (int)(len - at), filler),
                          fault);
                assert_ok(buf_add_format(&says, &fault, "%.*s%s%.*s", (int)at, filler, said,
                                         (int)(len - at), filler),
                          fault);
                text = buf_slice(&says);
                exact = malloc(written.len); /* nothing behind it may be read */
                memcpy(exact, written.at, written.len);
                if (json_walk(slice_of_bytes(exact, written.len), &visitor, &fault) !=
                    (pieces[i].says != NULL))
                    fail_msg("piece %zu at %zu of %zu", i, at, len);
                free(exact);
            }
}

static void members_are_found_by_their_decoded_name(void **state)
{
    struct slice text = SLICE(" {\"x\":{\"model\":\"no\"},\"m\\u006fdel\":\"y\\u00e9s\",\"u\":"
                              "{\"v\":{\"n\":-12}}} ");
    AUTO_BUF struct buf decoded = buf_with_limit(64);
    struct json_value value;
    struct fault fault = {0};
    int64_t number = 0;

    (void)state;
    assert_ok(json_member(text, "model", &value, &fault), fault);
    assert_int_equal(value.type, JSON_STRING);
    assert_ok(json_text(&value, &decoded, &fault), fault);
    assert_string_equal(buf_text(&decoded), "y\xC3\xA9s");
    assert_ok(json_at(text, "u.v.n", &value, &fault), fault);
    assert_ok(json_whole_number(&value, &number, &fault), fault);
    assert_int_equal(number, -12);
    assert_false(json_member(text, "none", &value, &fault));
    assert_int_equal(fault.kind, FAULT_MISSING);
    assert_false(json_at(text, "u.v.n.o", &value, &fault));
    assert_int_equal(fault.kind, FAULT_INVALID);
    assert_false(json_member(SLICE("[1]"), "a", &value, &fault));
}

static void integers_are_whole_and_small_enough(void **state)
{
    static const struct {
        const char *text;
        bool ok;
    } cases[] = {{"0", true},
                 {"9007199254740992", true},
                 {"9007199254740993", false},
                 {"1.0", false},
                 {"1e3", false},
                 {"99999999999999999999", false},
                 {"-5", true}};

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct json_value value = {JSON_NUMBER, slice_of(cases[i].text)};
        struct fault fault = {0};
        int64_t number;

        assert_int_equal(json_whole_number(&value, &number, &fault), cases[i].ok);
    }
}

static void strings_survive_writing_and_reading(void **state)
{
    AUTO_BUF struct buf out = buf_with_limit(256), back = buf_with_limit(256);
    struct slice text = slice_of_bytes("a\"\\\n\0\x1f\xC3\xA9", 8);
    struct json_value value;
    struct fault fault = {0};

    (void)state;
    assert_ok(json_add_string(&out, text, &fault), fault);
    assert_string_equal(buf_text(&out), "\"a\\\"\\\\\\u000a\\u0000\\u001f\xC3\xA9\"");
    assert_ok(json_root(buf_slice(&out), &value, &fault), fault);
    assert_ok(json_text(&value, &back, &fault), fault);
    assert_true(slice_equal(buf_slice(&back), text));
    buf_clear(&out);
    assert_ok(json_add_string(&out, SLICE("\xFFz"), &fault), fault);
    assert_string_equal(buf_text(&out), "\"\xEF\xBF\xBDz\"");
}

static void splicing_changes_the_spans_and_nothing_else(void **state)
{
    struct json_edit edits[] = {{0, 0, SLICE("<")}, {2, 4, SLICE("XYZ")}, {6, 6, SLICE(">")}};
    struct json_edit overlapping[] = {{2, 4, SLICE("")}, {3, 5, SLICE("")}};
    AUTO_BUF struct buf out = buf_with_limit(64);
    struct fault fault = {0};

    (void)state;
    assert_ok(json_splice(SLICE("abcdef"), edits, COUNT(edits), &out, &fault), fault);
    assert_string_equal(buf_text(&out), "<abXYZef>");
    assert_false(json_splice(SLICE("abcdef"), overlapping, COUNT(overlapping), &out, &fault));
    edits[2].to = 7;
    assert_false(json_splice(SLICE("abcdef"), &edits[2], 1, &out, &fault));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(only_strict_json_is_taken),
        TEST(duplicates_are_found_among_many_keys),
        TEST(nesting_has_a_limit),
        TEST(every_string_key_and_number_is_visited_with_its_place),
        TEST(a_string_says_the_same_wherever_its_escapes_stand),
        TEST(members_are_found_by_their_decoded_name),
        TEST(integers_are_whole_and_small_enough),
        TEST(strings_survive_writing_and_reading),
        TEST(splicing_changes_the_spans_and_nothing_else),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
