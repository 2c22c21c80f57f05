#include "test.h"

#include <jansson.h>

#include "base/scope.h"
#include "wire/record.h"
#include "wire/record_table.h"

static const uint8_t zeros[32];
static const uint8_t salt[16] = {0xa0, 0xa1, 0xa2};
static const struct record_header header = {.src = {(const uint8_t *)"view/r1~0.1", 11},
                                            .seq = 42,
                                            .prev = zeros,
                                            .salt = salt,
                                            .t_us = 1790000000123456};

#define HEX40 "0123456789abcdef0123456789abcdef01234567"
#define HEX64 "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

static void file_read(struct record *record)
{
    record_begin(record, RECORD_FILE_READ);
    record_word(record, RECORD_RUN, "r1");
    record_word(record, RECORD_AGENT, "coder@payments#r1");
    record_word(record, RECORD_PATH, "src/a \"b\".c");
    record_word(record, RECORD_BLOB, HEX40);
    record_word(record, RECORD_CLASS, "code");
    record_word(record, RECORD_VERDICT, "allow");
    record_word(record, RECORD_ENGINE, "codex");
    record_number(record, RECORD_PID, 7);
}

static void a_record_is_canonical_json(void **state)
{
    AUTO_BUF struct buf text = buf_with_limit(RECORD_BYTES_MAX);
    struct record record;
    struct fault fault = {0};

    (void)state;
    file_read(&record);
    assert_ok(record_encode(&record, &header, &text, &fault), fault);
    assert_string_equal(
        buf_text(&text),
        "{\"agent\":\"coder@payments#r1\",\"class\":\"code\",\"object\":{\"blob\":\"" HEX40
        "\",\"path\":\"src/a "
        "\\\"b\\\".c\"},\"prev\":\"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\","
        "\"process\":{\"engine\":\"codex\",\"pid\":7},\"run\":\"r1\",\"salt\":"
        "\"oKGiAAAAAAAAAAAAAAAAAA==\","
        "\"seq\":42,\"src\":\"view/"
        "r1~0.1\",\"t_us\":1790000000123456,\"type\":\"file.read\",\"v\":\"rec/v1\","
        "\"verdict\":\"allow\"}");
}

static void what_was_written_is_read_again(void **state)
{
    const struct record_header *headers[] = {NULL, &header};

    (void)state;
    for (size_t i = 0; i < COUNT(headers); i++) {
        AUTO_BUF struct buf text = buf_with_limit(RECORD_BYTES_MAX);
        AUTO_BUF struct buf arena = buf_with_limit(RECORD_BYTES_MAX + 1);
        struct record_header got_header;
        struct record record, got;
        struct fault fault = {0};

        file_read(&record);
        assert_ok(record_encode(&record, headers[i], &text, &fault), fault);
        assert_ok(record_decode(buf_slice(&text), &got, &got_header, &arena, &fault), fault);
        assert_int_equal(got.type, RECORD_FILE_READ);
        assert_true(slice_equal(got.field[RECORD_PATH].text, SLICE("src/a \"b\".c")));
        assert_int_equal(got.field[RECORD_PID].number, 7);
        assert_false(got.field[RECORD_HOST].set);
        assert_int_equal(got_header.src.len, i == 0 ? 0 : 11);
        if (i == 1) {
            assert_int_equal(got_header.seq, 42);
            assert_memory_equal(got_header.salt, salt, sizeof(salt));
            assert_memory_equal(got_header.prev, zeros, sizeof(zeros));
            assert_false(record_decode(buf_slice(&text), &got, NULL, &arena, &fault));
        }
    }
}

/* Gives every field of every type a value of its kind: jansson must see sorted, unique keys.
 */
static void keys_are_sorted_whatever_the_fields(void **state)
{
    (void)state;
    for (unsigned type = 0; type < RECORD_TYPE_COUNT; type++) {
        AUTO_BUF struct buf text = buf_with_limit(RECORD_BYTES_MAX);
        struct record record;
        struct fault fault = {0};
        json_t *json;
        char *sorted;
        size_t fields = 0;

        record_begin(&record, (enum record_type)type);
        for (unsigned field = 0; field < RECORD_FIELD_COUNT; field++) {
            static const char *const values[] = {"code", "allow", "word", HEX40, HEX64};
            struct record probe = record;
            bool fits = false;

            probe.field[field] = (struct record_value){.set = true, .number = 5};
            for (size_t i = 0; i < COUNT(values) && !fits; i++) {
                AUTO_BUF struct buf ignored = buf_with_limit(RECORD_BYTES_MAX);

                probe.field[field].text = slice_of(values[i]);
                /* a required field may still be missing: that is said only when the values fit
                 */
                fits = record_encode(&probe, NULL, &ignored, &fault) ||
                       strstr(fault.why, " needs ") != NULL;
            }
            if (fits) {
                record = probe;
                fields++;
            }
        }
        assert_true(fields > 0);
        assert_ok(record_encode(&record, &header, &text, &fault), fault);
        json = json_loadb((const char *)text.at, text.len, JSON_REJECT_DUPLICATES, NULL);
        assert_non_null(json);
        sorted = json_dumps(json, JSON_COMPACT | JSON_SORT_KEYS);
        assert_string_equal(buf_text(&text), sorted);
        free(sorted);
        json_decref(json);
    }
}

static void the_table_decides_what_a_record_may_say(void **state)
{
    AUTO_BUF struct buf text = buf_with_limit(RECORD_BYTES_MAX);
    struct record record;
    struct fault fault = {0};

    (void)state;
    record_begin(&record, RECORD_FILE_READ);
    record_word(&record, RECORD_RUN, "r1");
    assert_false(record_encode(&record, NULL, &text, &fault));
    assert_string_equal(fault.why, "record file.read needs object.path");
    file_read(&record);
    record_number(&record, RECORD_TOKENS_IN, 5);
    assert_false(record_encode(&record, NULL, &text, &fault));
    assert_string_equal(fault.why, "record file.read may not have tokens_in");
    record_begin(&record, RECORD_TYPE_COUNT);
    assert_false(record_encode(&record, NULL, &text, &fault));
    assert_int_equal(text.len, 0);
}

static void values_are_of_their_kind(void **state)
{
    static const struct {
        enum record_field field;
        const char *text;
        bool ok;
    } cases[] = {
        {RECORD_REASON, "not-allowed", true},
        {RECORD_REASON, "Free text", false},
        {RECORD_REASON, "a b", false},
        {RECORD_CLASS, "phi", true},
        {RECORD_CLASS, "other", false},
        {RECORD_VERDICT, "deny", true},
        {RECORD_VERDICT, "maybe", false},
        {RECORD_DIGEST, HEX64, true},
        {RECORD_DIGEST, HEX40, false},
        {RECORD_BLOB, HEX40, true},
        {RECORD_BLOB, "0123", false},
        {RECORD_BLOB, "0123456789ABCDEF0123456789abcdef01234567", false},
        {RECORD_PATH, "a\nb", false},
        {RECORD_PATH, "\xff", false},
        {RECORD_PATH, "\xc3\xa9", true},
        {RECORD_AGENT, "a\x01", false},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        AUTO_BUF struct buf text = buf_with_limit(RECORD_BYTES_MAX);
        struct record record;
        struct fault fault = {0};

        file_read(&record);
        record_word(&record, cases[i].field, cases[i].text);
        assert_int_equal(record_encode(&record, NULL, &text, &fault), cases[i].ok);
        if (!cases[i].ok)
            assert_int_equal(fault.kind, FAULT_INVALID);
    }
}

/* A name without room for its end would be written and not be known again. */
static void every_name_of_the_table_has_its_end(void **state)
{
    (void)state;
    for (size_t i = 0; i < record_place_count; i++)
        if (memchr(record_places[i].member, 0, sizeof(record_places[i].member)) == NULL ||
            memchr(record_places[i].object, 0, sizeof(record_places[i].object)) == NULL)
            fail_msg("row %zu", i);
}

static void other_json_is_refused(void **state)
{
    static const char *const refused[] = {
        "",
        "{}",
        "[]",
        "{\"type\":\"heartbeat\"}", /* count is missing */
        "{\"count\":1,\"type\":\"heartbeat\"} ",
        " {\"count\":1,\"type\":\"heartbeat\"}",
        "{\"count\": 1,\"type\":\"heartbeat\"}",
        "{\"type\":\"heartbeat\",\"count\":1}",
        "{\"count\":1,\"count\":1,\"type\":\"heartbeat\"}",
        "{\"count\":01,\"type\":\"heartbeat\"}",
        "{\"count\":1.0,\"type\":\"heartbeat\"}",
        "{\"count\":1e0,\"type\":\"heartbeat\"}",
        "{\"count\":\"1\",\"type\":\"heartbeat\"}",
        "{\"count\":1,\"type\":\"heartbeat\",\"x\":1}",
        "{\"count\":1,\"seq\":1,\"type\":\"heartbeat\"}", /* half a header */
        "{\"count\":1,\"type\":\"hear\\u0074beat\"}",
        "{\"count\":1,\"type\":\"other\"}",
        "{\"count\":1,\"object\":{},\"type\":\"heartbeat\"}",
        "{\"count\":1,\"object\":{\"size\":1,\"type\":\"heartbeat\"}}",
        "{\"count\":1,\"object\":{\"object\":{\"size\":1}},\"type\":\"heartbeat\"}",
        "{\"count\":null,\"type\":\"heartbeat\"}",
        "{\"count\":1,\"type\":\"heartbeat\"",
        "{\"count\":1,\"type\":\"heartbeat\"}}",
        "{\"count\":1,\"type\":\"heartbeat\",}",
    };

    (void)state;
    for (size_t i = 0; i < COUNT(refused); i++) {
        AUTO_BUF struct buf arena = buf_with_limit(RECORD_BYTES_MAX + 1);
        struct record_header got_header;
        struct record record;
        struct fault fault = {0};

        if (record_decode(slice_of(refused[i]), &record, &got_header, &arena, &fault))
            fail_msg("accepted: %s", refused[i]);
    }
}

/* One changed bit may give another record, but never one that is not canonical. */
static void every_flipped_bit_is_refused_or_canonical(void **state)
{
    AUTO_BUF struct buf text = buf_with_limit(RECORD_BYTES_MAX);
    AUTO_BUF struct buf arena = buf_with_limit(RECORD_BYTES_MAX + 1);
    struct record record;
    struct fault fault = {0};

    (void)state;
    file_read(&record);
    assert_ok(record_encode(&record, &header, &text, &fault), fault);
    for (size_t bit = 0; bit < 8 * text.len; bit++) {
        struct record_header got_header;

        text.at[bit / 8] ^= (uint8_t)(1U << bit % 8);
        if (record_decode(buf_slice(&text), &record, &got_header, &arena, &fault)) {
            AUTO_BUF struct buf again = buf_with_limit(RECORD_BYTES_MAX);

            assert_ok(record_encode(&record, &got_header, &again, &fault), fault);
            assert_true(slice_equal(buf_slice(&again), buf_slice(&text)));
        }
        text.at[bit / 8] ^= (uint8_t)(1U << bit % 8);
    }
}

static void names_that_are_not_text_are_written_with_percent_signs(void **state)
{
    static const struct {
        const char *raw, *text;
    } cases[] = {{"src/a.c", "src/a.c"},
                 {"100%", "100%25"},
                 {"a\nb", "a%0Ab"},
                 {"\xc3\xa9", "\xc3\xa9"},
                 {"\xc3\xa9\xff", "%C3%A9%FF"},
                 {"\x7f", "%7F"}};

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        AUTO_BUF struct buf text = buf_with_limit(64);
        struct fault fault = {0};

        assert_ok(record_printable(slice_of(cases[i].raw), &text, &fault), fault);
        assert_string_equal(buf_text(&text), cases[i].text);
    }
}

static void a_record_that_is_too_long_is_refused(void **state)
{
    AUTO_BUF struct buf text = buf_with_limit(1 << 20);
    AUTO_FREE char *path = xalloc(70000);
    struct record record;
    struct fault fault = {0};

    (void)state;
    memset(path, 'a', 69999);
    file_read(&record);
    record_text(&record, RECORD_PATH, slice_of_bytes(path, 69999));
    assert_false(record_encode(&record, NULL, &text, &fault));
    assert_int_equal(text.len, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_record_is_canonical_json),
        TEST(what_was_written_is_read_again),
        TEST(every_name_of_the_table_has_its_end),
        TEST(keys_are_sorted_whatever_the_fields),
        TEST(the_table_decides_what_a_record_may_say),
        TEST(values_are_of_their_kind),
        TEST(other_json_is_refused),
        TEST(every_flipped_bit_is_refused_or_canonical),
        TEST(names_that_are_not_text_are_written_with_percent_signs),
        TEST(a_record_that_is_too_long_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
