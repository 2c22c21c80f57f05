#include "test.h"

#include "base/hex.h"
#include "base/scope.h"

static void a_buffer_never_exceeds_its_limit(void **state)
{
    AUTO_BUF struct buf buf = buf_with_limit(4);
    struct fault fault = {0};

    (void)state;
    assert_ok(buf_add(&buf, SLICE("abc"), &fault), fault);
    assert_false(buf_add(&buf, SLICE("de"), &fault));
    assert_int_equal(fault.kind, FAULT_LIMIT);
    assert_true(slice_equal(buf_slice(&buf), SLICE("abc")));
    assert_ok(buf_add(&buf, SLICE("d"), &fault), fault);
    assert_string_equal(buf_text(&buf), "abcd");
    buf_drop_front(&buf, 3);
    assert_string_equal(buf_text(&buf), "d");
}

static void cutting_gives_every_part_and_the_last(void **state)
{
    struct slice rest = SLICE("a,,b");
    struct slice part;
    const char *expected[] = {"a", "", "b"};

    (void)state;
    for (size_t i = 0; i < COUNT(expected); i++) {
        assert_true(slice_cut(&rest, ',', &part));
        assert_true(slice_equal(part, slice_of(expected[i])));
    }
    assert_false(slice_cut(&rest, ',', &part));
}

static void hexadecimal_is_lower_case_and_whole(void **state)
{
    uint8_t bytes[2];
    char text[5];

    (void)state;
    assert_true(hex_decode(SLICE("0aff"), bytes, 2));
    hex_encode(slice_of_bytes(bytes, 2), text);
    assert_string_equal(text, "0aff");
    assert_false(hex_decode(SLICE("0AFF"), bytes, 2));
    assert_false(hex_decode(SLICE("0af"), bytes, 2));
    assert_false(hex_decode(SLICE("0ag0"), bytes, 2));
}

/* Against a search byte by byte, for needles and places of every length around a vector's. */
static void a_needle_is_found_where_it_stands_first(void **state)
{
    uint8_t text[80];

    (void)state;
    for (size_t i = 0; i < sizeof(text); i++)
        text[i] = (uint8_t)('a' + i * i % 7 % 3);
    for (size_t len = 1; len < sizeof(text); len += 3)
        for (size_t needle = 1; needle <= 20 && needle <= len; needle++)
            for (size_t at = 0; at + needle <= len; at++) {
                struct slice whole = slice_of_bytes(text, len);
                struct slice part = slice_part(whole, at, at + needle);
                size_t first = 0;

                while (memcmp(text + first, part.at, needle) != 0)
                    first++;
                assert_int_equal(slice_find(whole, part, 0), first);
                assert_int_equal(slice_find(whole, part, at), at);
            }
    assert_int_equal(slice_find(slice_of_bytes(text, 79), SLICE("ad"), 0), SIZE_MAX);
    assert_int_equal(slice_find(slice_of_bytes(text, 79), SLICE(""), 0), SIZE_MAX);
}

static void a_fault_says_what_was_being_done(void **state)
{
    struct fault fault = {0};

    (void)state;
    assert_false(fault_set(&fault, FAULT_DENIED, "no"));
    assert_false(fault_in(&fault, "open %s", "x"));
    assert_string_equal(fault.why, "open x: no");
    assert_int_equal(fault_exit_code(fault.kind), 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_buffer_never_exceeds_its_limit),
        TEST(cutting_gives_every_part_and_the_last),
        TEST(hexadecimal_is_lower_case_and_whole),
        TEST(a_needle_is_found_where_it_stands_first),
        TEST(a_fault_says_what_was_being_done),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
