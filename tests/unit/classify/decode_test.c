#include "test.h"

#include <stdio.h>

#include "base/hex.h"
#include "base/scope.h"
#include "classify/decode.h"
#include "wire/base64.h"

#define VALUE "the value: 457-00-1234 \xc3\xa9\n"

struct chain {
    struct reading at[DECODE_DEPTH + 1];
};

static void read_all(struct slice content, const char *path, struct chain *ret_chain)
{
    struct fault fault = {0};

    assert_ok(reading_make(content, slice_of(path), &ret_chain->at[0], &fault), fault);
    for (unsigned i = 0; i < DECODE_DEPTH; i++)
        assert_ok(reading_decode(&ret_chain->at[i], i, &ret_chain->at[i + 1], &fault), fault);
}

static void free_all(struct chain *chain)
{
    for (size_t i = DECODE_DEPTH + 1; i-- > 0;)
        reading_free(&chain->at[i]);
}

/* How deep the value is, and where it is in the content. */
static bool find(const struct chain *chain, const char *value, size_t *ret_from,
                 size_t *ret_to, enum finding_form *ret_form)
{
    for (size_t i = 0; i <= DECODE_DEPTH; i++) {
        size_t at = slice_find(chain->at[i].text, slice_of(value), 0);

        if (at == SIZE_MAX)
            continue;
        decode_map(chain->at, i + 1, at, at + strlen(value), ret_from, ret_to, ret_form);
        return true;
    }
    return false;
}

static void check(struct slice content, const char *path, const char *value, struct slice raw,
                  enum finding_form form)
{
    struct chain chain;
    enum finding_form found_form;
    size_t from, to;

    read_all(content, path, &chain);
    if (!find(&chain, value, &from, &to, &found_form))
        fail_msg("%s is not found in %.*s", value, SLICE_ARGS(content));
    if (!slice_equal(slice_part(content, from, to), raw))
        fail_msg("%s is in\n%.*s, not in\n%.*s", value,
                 SLICE_ARGS(slice_part(content, from, to)), SLICE_ARGS(raw));
    assert_int_equal(found_form, form);
    free_all(&chain);
}

static void escapes_are_resolved_where_they_stand(void **state)
{
    static const struct {
        const char *content, *path, *value, *raw;
        enum finding_form form;
    } cases[] = {
        {"x = \"\\x41\\102\\u0043\\n457-00-1234\"", "a.c", "ABC", "\\x41\\102\\u0043",
         FORM_BACKSLASH},
        {"x\n\"a\\n457-00-1234\"", "a.py", "\n457-00-1234", "\\n457-00-1234", FORM_BACKSLASH},
        {"u=a%40b%2ex&v=1", "", "a@b.x", "a%40b%2ex", FORM_PERCENT},
        {"u=a%2540b&v=1", "", "a@b", "a%2540b", FORM_MIXED},
        {"<p>&#52;5&#x37;&amp;00</p>", "a.html", "457&00", "&#52;5&#x37;&amp;00", FORM_ENTITY},
        {"Content-Transfer-Encoding: quoted-printable\n\npass=3D4=\n57", "a.eml", "pass=457",
         "pass=3D4=\n57", FORM_MIXED},
        {"4111\xe2\x80\x91"
         "1111 x",
         "", "4111-1111",
         "4111\xe2\x80\x91"
         "1111",
         FORM_PLAIN},
        {"41\xc2\xad"
         "11\xc2\xa0"
         "1111 x",
         "", "4111 1111",
         "41\xc2\xad"
         "11\xc2\xa0"
         "1111",
         FORM_PLAIN},
        {"\xef\xbc\x94\xef\xbc\x95 x", "", "45", "\xef\xbc\x94\xef\xbc\x95", FORM_MIXED},
        {"pay 4111 1111\n  1111 1111 now", "", "4111 1111 1111 1111", "4111 1111\n  1111 1111",
         FORM_PLAIN},
        {"{\"arguments\":\"{\\\"ssn\\\": \\\"a\\\\nb\\\"}\"}", "", "a\nb", "a\\\\nb",
         FORM_MIXED},
        {"{\"a\":\"x\\u2011y\"}", "", "x-y", "x\\u2011y", FORM_BACKSLASH},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++)
        check(slice_of(cases[i].content), cases[i].path, cases[i].value,
              slice_of(cases[i].raw), cases[i].form);
}

/* Base64 in the given alphabet, lines of `line` characters. */
static void encode64(struct slice bytes, bool is_url, size_t line, struct buf *out)
{
    struct buf text = buf_with_limit(4096);
    struct fault fault = {0};

    assert_ok(base64_encode(bytes, &text, &fault), fault);
    for (size_t i = 0; i < text.len; i++) {
        uint8_t byte = text.at[i];

        if (is_url && byte == '=')
            break;
        byte = is_url && byte == '+' ? '-' : is_url && byte == '/' ? '_' : byte;
        if (line > 0 && i > 0 && i % line == 0)
            assert_ok(buf_add_byte(out, '\n', &fault), fault);
        assert_ok(buf_add_byte(out, byte, &fault), fault);
    }
    buf_free(&text);
}

static void runs_are_decoded_whole(void **state)
{
    struct slice long_text = SLICE(VALUE VALUE VALUE VALUE VALUE VALUE VALUE VALUE);
    struct fault fault = {0};

    (void)state;
    for (unsigned kind = 0; kind < 6; kind++) {
        struct buf run = buf_with_limit(8192), content = buf_with_limit(8192);
        struct buf twice = buf_with_limit(8192);
        char hex[2 * sizeof(VALUE VALUE)];

        if (kind < 3)
            encode64(kind == 2 ? long_text : SLICE(VALUE VALUE), kind == 1, kind == 2 ? 64 : 0,
                     &run);
        if (kind == 3 || kind == 5) { /* twice */
            encode64(SLICE(VALUE VALUE), false, 0, &twice);
            encode64(buf_slice(&twice), false, 0, &run);
        }
        if (kind == 4) {
            hex_encode(SLICE(VALUE VALUE), hex);
            assert_ok(buf_add_text(&run, hex, &fault), fault);
        }
        assert_ok(buf_add_text(&content, kind == 5 ? "{\"a\\n\": \"" : "key: \"", &fault) &&
                      buf_add(&content, buf_slice(&run), &fault) &&
                      buf_add_text(&content, "\" }\n", &fault),
                  fault);
        check(buf_slice(&content), "", "457-00-1234", buf_slice(&run),
              kind == 4                ? FORM_HEX
              : kind == 3 || kind == 5 ? FORM_MIXED
                                       : FORM_BASE64);
        buf_free(&run);
        buf_free(&twice);
        buf_free(&content);
    }
}

static void what_only_looks_encoded_is_left_alone(void **state)
{
    static const char *const cases[] = {
        "a_rather_long_name_of_a_function_in_a_program",
        "src/classify/reading/decode/words/parts",
        "da39a3ee5e6b4b0d3255bfef95601890afd80709",
        "printf(\"100 % of & nothing\");",
        "12345678\n87654321\n",
        "1 2345\n6789 1\n",
        "457-00-1234\n12345678 a\n",
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct chain chain;

        read_all(slice_of(cases[i]), "a.c", &chain);
        if (chain.at[1].text.len > 0)
            fail_msg("%s: %.*s", cases[i], SLICE_ARGS(chain.at[1].text));
        free_all(&chain);
    }
}

/* ASCII as UTF-16. */
static void widen(const char *text, bool is_big, bool is_marked, struct buf *out)
{
    struct fault fault = {0};

    if (is_marked)
        assert_ok(buf_add(out, is_big ? SLICE("\xfe\xff") : SLICE("\xff\xfe"), &fault), fault);
    for (; *text != 0; text++)
        assert_ok(buf_add_byte(out, is_big ? 0 : (uint8_t)*text, &fault) &&
                      buf_add_byte(out, is_big ? (uint8_t)*text : 0, &fault),
                  fault);
}

static void wide_text_is_text_of_any_format(void **state)
{
    (void)state;
    for (unsigned kind = 0; kind < 4; kind++) {
        struct buf content = buf_with_limit(4096), raw = buf_with_limit(64);
        struct chain chain;
        enum finding_form form;
        size_t from, to;

        widen("{\"name\": \"a\", \"ssn\": \"457-00\"}\n", kind & 1, kind & 2, &content);
        widen("457-00", kind & 1, false, &raw);
        check(buf_slice(&content), "", "457-00", buf_slice(&raw), FORM_WIDE);
        read_all(buf_slice(&content), "", &chain);
        assert_int_equal(chain.at[0].format, FORMAT_JSON);
        assert_false(chain.at[0].is_opaque);
        assert_int_equal(chain.at[0].element_count, 2);
        assert_true(slice_equal(chain.at[0].elements[1].name, SLICE("ssn")));
        assert_true(find(&chain, "457", &from, &to, &form));
        assert_int_equal(to - from, 6);
        free_all(&chain);
        buf_free(&content);
        buf_free(&raw);
    }
}

static void words_of_two_bytes_a_character_are_found_in_anything(void **state)
{
    struct buf content = buf_with_limit(4096), raw = buf_with_limit(64);
    struct chain chain;
    struct fault fault = {0};

    (void)state;
    assert_ok(buf_add(&content, SLICE("\x01\x02\x00\x03"), &fault), fault);
    widen("password=hunter", false, false, &content);
    assert_ok(buf_add(&content, SLICE("\xff\x00\xff"), &fault), fault);
    widen("password=hunter", false, false, &raw);
    check(buf_slice(&content), "", "password=hunter", buf_slice(&raw), FORM_WIDE);
    read_all(buf_slice(&content), "", &chain);
    assert_true(chain.at[0].is_opaque);
    free_all(&chain);
    buf_free(&content);
    buf_free(&raw);
}

static void hexadecimal_with_something_between_is_read(void **state)
{
    static const char *const ways[] = {"%02x ", "%02X:", "0x%02x, ", "%02x-", "0x%02X,\n"};

    (void)state;
    for (size_t w = 0; w < COUNT(ways); w++)
        for (unsigned lines = 0; lines < 40; lines++) {
            AUTO_BUF struct buf text = buf_with_limit(4096);
            struct fault fault = {0};
            size_t from, to;

            for (unsigned i = 0; i < lines; i++)
                assert_ok(buf_add_byte(&text, (uint8_t)"x 1;\n"[i % 5], &fault), fault);
            assert_ok(buf_add_text(&text, "{ ", &fault), fault);
            from = text.len;
            for (const char *at = VALUE; *at != 0; at++)
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
                assert_ok(buf_add_format(&text, &fault, ways[w], (uint8_t)*at), fault);
#pragma GCC diagnostic pop
            to = text.len;
            while (strchr(" ,:-\n", text.at[to - 1]) != NULL)
                to--;
            assert_ok(buf_add_text(&text, "}", &fault), fault);
            check(buf_slice(&text), "a.txt", "457-00-1234", slice_part(buf_slice(&text), from, to),
                  FORM_HEX);
        }
}

static void numbers_that_are_no_text_are_let_be(void **state)
{
    AUTO_BUF struct buf text = buf_with_limit(1 << 20);
    struct fault fault = {0};
    struct chain chain;

    (void)state;
    for (unsigned i = 0; text.len < 100000; i++)
        assert_ok(buf_add_format(&text, &fault, "%02u, %s", i * 37 % 100, i % 9 == 0 ? "\n" : ""), fault);
    for (unsigned i = 0; i < 100000; i++) /* walked over once */
        assert_ok(buf_add_text(&text, "x x", &fault), fault);
    read_all(buf_slice(&text), "a.txt", &chain);
    assert_true(chain.at[1].text.len < text.len);
    free_all(&chain);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(escapes_are_resolved_where_they_stand),
        TEST(runs_are_decoded_whole),
        TEST(what_only_looks_encoded_is_left_alone),
        TEST(wide_text_is_text_of_any_format),
        TEST(words_of_two_bytes_a_character_are_found_in_anything),
        TEST(hexadecimal_with_something_between_is_read),
        TEST(numbers_that_are_no_text_are_let_be),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
