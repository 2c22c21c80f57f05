/* Stand-ins of every shape and form: never real, known again, and what is around them parses. */
#include "test.h"
#include "values.h"

#include <ctype.h>

#include <stdio.h>

#include "base/scope.h"
#include "classify/ascii.h"
#include "classify/letters.h"
#include "classify/shape.h"
#include "classify/surrogate.h"
#include "classify/validate.h"

static const struct surrogate_key key = {.bytes = {1, 2, 3}};
static const struct surrogate_key other = {.bytes = {9}};

#define TEXT_BYTES 256

/* The stand-in of a text, NUL-terminated. */
static enum surrogate_trust make_by(const struct surrogate_key *by, enum surrogate_shape shape,
                                    enum finding_form form, const char *text, unsigned salt,
                                    char ret_text[TEXT_BYTES])
{
    struct surrogate_pair pair = {.original = slice_of(text)};
    struct fault fault = {0};

    assert_true(pair.original.len < TEXT_BYTES);
    memset(ret_text, 0, TEXT_BYTES);
    pair.surrogate = slice_of_bytes(ret_text, pair.original.len);
    assert_ok(surrogate_make(by, shape, form, salt, &pair, &fault), fault);
    assert_int_equal(strlen(ret_text), pair.original.len);
    return pair.trust;
}

static enum surrogate_trust make(enum surrogate_shape shape, enum finding_form form,
                                 const char *text, unsigned salt, char ret_text[TEXT_BYTES])
{
    return make_by(&key, shape, form, text, salt, ret_text);
}

/* Does the text look so? '#' a digit, 'a' a letter, '*' the rest; others stand for themselves. */
static bool looks_like(const char *text, const char *picture)
{
    for (; *picture != 0; picture++, text++) {
        if (*picture == '*')
            return true;
        if (*picture == '#' ? !is_digit((uint8_t)*text)
            : *picture == 'a' ? !is_letter((uint8_t)*text)
                              : *picture != *text)
            return false;
    }
    return *text == 0;
}

static void each_shape_is_nobodys_and_looks_alike(void **state)
{
    static const struct {
        enum surrogate_shape shape;
        const char *text, *picture;
    } cases[] = {
        {SHAPE_CARD, CARD, "999999##########"},
        {SHAPE_CARD, "4111 1111 1111 1111", "9999 99## #### ####"},
        {SHAPE_CARD, "4111-1111-1111-1111", "9999-99##-####-####"},
        {SHAPE_SSN, SSN, "666-##-####"},
        {SHAPE_SSN, "457555462", "666######"},
        {SHAPE_PHONE, "(212) 867-5309", "(###) 555-01##"},
        {SHAPE_PHONE, "+1 212 867 5309", "+1 ### 555 01##"},
        {SHAPE_PHONE, "2128675309", "###55501##"},
        {SHAPE_PHONE, "867-5309", "555-01##"},
        {SHAPE_PHONE, "+49 30 1234567", "+## 00 #######"},
        {SHAPE_PHONE, "212-867-5309 x22", "###-555-01## x##"},
        {SHAPE_EMAIL, "john.doe@example-clinic.com", "aaaa.aaa@aaaaaaaaaa.invalid"},
        {SHAPE_EMAIL, "jane@acme.org", "aaaa@aaa.test"},
        {SHAPE_EMAIL, "jane@ab.com", "aaaa@a.test"},
        {SHAPE_EMAIL, "jane@a.io", "aa@a.test"},
        {SHAPE_EMAIL, "ab@c.de", "aa@a.zz"},
        {SHAPE_URL, "https://me:pw9@db.acme.org:5432/x/7?a=b", "https://aa:aa#@aaa.invalid:5432/a/#?a=a"},
        {SHAPE_URL, "http://db/x", "http://aa/a"},
        {SHAPE_IPV4, "10.1.2.3", "0.#.#.##"},
        {SHAPE_IPV4, "9.9.9.9", "0.#.#.#"},
        {SHAPE_IPV4, "10.20.1.3", "0.#.##.##"},
        {SHAPE_IPV4, "10.20.30.4", "198.1#.#.#"},
        {SHAPE_IPV4, "192.168.1.10", "198.1#.##.##"},
        {SHAPE_IPV4, "192.168.100.200", "24#.1##.1##.1##"},
        {SHAPE_IPV6, "2a02:8071:b684::1", "2001:db8::*"},
        {SHAPE_IPV6, "2a02:8071:b684:0000:1111:2222:3333:4444", "2001:0db8:*"},
        {SHAPE_IPV6, "2A02:8071:B684::1", "2001:DB8::*"},
        {SHAPE_IPV6, "2a02::1", "100::*"},
        {SHAPE_IBAN, "DE89370400440532013000", "DE00##################"},
        {SHAPE_IBAN, "GB29 NWBK 6016 1331 9268 19", "GB00 aaaa #### #### #### ##"},
        {SHAPE_NAME, "DOE^JANE^Q", "aaa^aaaa^a"},
        {SHAPE_NAME, "Dr. Chalmers", "Dr. aaaaaaaa"},
        {SHAPE_ADDRESS, "12 Marble St, Springfield", "## aaaaaa St, aaaaaaaaaaa"},
        {SHAPE_SECRET, GITHUB, "ghp_*"},
        {SHAPE_KEY_BLOCK, "-----BEGIN X-----\nMIIE==\n-----END X-----",
         "-----BEGIN X-----\naaaa==\n-----END X-----"},
        {SHAPE_TEXT, "MRN 00123-A", "aaa 0####-a"},
        {SHAPE_TEXT, "1EG4-TE5-MK73", "0aa#-aa#-aa##"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++)
        for (unsigned salt = 0; salt < 20; salt++) {
            char text[TEXT_BYTES];

            (void)make(cases[i].shape, FORM_PLAIN, cases[i].text, salt, text);
            if (cases[i].shape == SHAPE_URL || cases[i].shape == SHAPE_TEXT
                    ? strlen(text) != strlen(cases[i].text)
                    : !looks_like(text, cases[i].picture))
                fail_msg("%s became %s", cases[i].text, text);
            if (strcmp(text, cases[i].text) == 0)
                fail_msg("%s stays", text);
            if (!surrogate_is_ours(&key, cases[i].shape, FORM_PLAIN, slice_of(text)))
                fail_msg("%s of %s is not known again", text, cases[i].text);
        }
}

/* Whatever number was there, no validator takes the stand-in for one. */
static void no_stand_in_is_a_number_that_somebody_has(void **state)
{
    static const struct {
        enum surrogate_shape shape;
        const char *text, *validators[4];
    } cases[] = {
        {SHAPE_CARD, CARD, {"card"}},
        {SHAPE_SSN, SSN, {"ssn", "itin"}},
        {SHAPE_TEXT, SSN, {"ssn"}},
        {SHAPE_TEXT, "1234567893", {"npi", "nhs", "medicare_au"}},
        {SHAPE_TEXT, "AB1234563", {"dea"}},
        {SHAPE_TEXT, "1EG4-TE5-MK73", {"mbi"}},
        {SHAPE_TEXT, "1EG4TE5MK73", {"mbi"}},
        {SHAPE_IBAN, "GB29NWBK60161331926819", {"iban"}},
        {SHAPE_TEXT, "021000021", {"aba", "sin", "tfn", "bsn"}},
        {SHAPE_TEXT, "1HGCM82633A004352", {"vin"}},
        {SHAPE_TEXT, "490154203237518", {"imei", "card"}},
        {SHAPE_TEXT, "234567890124", {"aadhaar"}},
        {SHAPE_PHONE, "(212) 867-5309", {"phone"}},
        {SHAPE_EMAIL, "john.doe@acme-clinic.com", {"email"}},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++)
        for (unsigned salt = 0; salt < 300; salt++) {
            char text[TEXT_BYTES];

            (void)make(cases[i].shape, FORM_PLAIN, cases[i].text, salt, text);
            for (size_t j = 0; j < 4 && cases[i].validators[j] != NULL; j++)
                if (validator_find(cases[i].validators[j])(slice_of(text)))
                    fail_msg("%s is a valid %s", text, cases[i].validators[j]);
            if (cases[i].shape == SHAPE_CARD)
                assert_true(luhn_holds((const uint8_t *)text, strlen(text)));
        }
}

static void addresses_of_the_network_are_reserved_ones(void **state)
{
    static const char *const texts[] = {"10.20.30.4", "192.168.1.10", "9.9.9.9",
                                        "93.184.216.34", "193.184.216.134", "10.1.2.3"};

    (void)state;
    for (size_t i = 0; i < COUNT(texts); i++)
        for (unsigned salt = 0; salt < 100; salt++) {
            char text[TEXT_BYTES];

            (void)make(SHAPE_IPV4, FORM_PLAIN, texts[i], salt, text);
            if (!validate_is_reserved_address(slice_of(text)))
                fail_msg("%s may be somebody's", text);
        }
    for (unsigned salt = 0; salt < 100; salt++) {
        char text[TEXT_BYTES];

        (void)make(SHAPE_MAC, FORM_PLAIN, "00:1a:2b:3c:4d:5e", salt, text);
        assert_true(strchr("26ae", text[1]) != NULL && text[2] == ':');
    }
}

/* ---- dates ---- */

static void dates_keep_their_format_and_are_dates(void **state)
{
    static const struct {
        const char *text, *picture;
    } cases[] = {
        {"1980-01-31", "1###-##-##"},   {"19800131", "1#######"},
        {"2020-02-29", "1###-##-##"},   {"19800131123000", "1#######123000"},
        {"01/31/1980", "##/##/1###"},   {"31.01.1980", "##.##.1###"},
        {"1/5/2020", "#/#/1###"},       {"Jan 5, 1999", "aaa #, 1###"},
        {"12 January 1980", "## aaaaaaa 1###"}, {"May 3, 2001", "aaa #, 1###"},
        {"12-JAN-1980", "##-aaa-1###"}, {"1980-01-31T12:00:00Z", "1###-##-##T12:00:00Z"},
        {"198001", "1#####"},           {"1980", "1###"},
        {"20200229-20210301", "1#######-1#######"}, {"01/31/80", "##/##/##"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++)
        for (unsigned k = 0; k < 50; k++) {
            struct surrogate_key by = {.bytes = {(uint8_t)k, 7}};
            char text[TEXT_BYTES];
            struct letters letters;
            uint32_t codes[TEXT_BYTES];
            bool known;

            (void)make_by(&by, SHAPE_DATE, FORM_PLAIN, cases[i].text, 0, text);
            if (!looks_like(text, cases[i].picture))
                fail_msg("%s became %s", cases[i].text, text);
            letters_read(slice_of(text), FORM_PLAIN, &letters);
            if (!date_shift(&letters, &(struct date_secret){0}, 0, codes, &known))
                fail_msg("%s became %s, which is no date", cases[i].text, text);
            letters_free(&letters);
            assert_true(surrogate_is_ours(&by, SHAPE_DATE, FORM_PLAIN, slice_of(text)));
            assert_false(i + 1 < COUNT(cases) &&
                         surrogate_is_ours(&by, SHAPE_DATE, FORM_PLAIN, slice_of(cases[i].text)));
        }
}

static void dates_of_two_digit_years_are_known_again(void **state)
{
    unsigned foreign = 0, count = 0;

    (void)state;
    for (size_t f = 0; f < 3; f++)
        for (unsigned i = 0; i < 700; i++, count++) {
            struct surrogate_key by = {.bytes = {(uint8_t)i, 9}};
            char text[TEXT_BYTES];
            unsigned month = 1 + i % 12, day = 1 + i % 28 % 12;
            AUTO_FREE char *date = f == 0   ? xformat("%02u/%02u/%02u", month, day, i % 100)
                                   : f == 1 ? xformat("%02u.%02u.%02u", day, month, i % 100)
                                            : xformat("%u/%u/%02u", month, day, i % 100);

            (void)make_by(&by, SHAPE_DATE, FORM_PLAIN, date, 0, text);
            if (!surrogate_is_ours(&by, SHAPE_DATE, FORM_PLAIN, slice_of(text)))
                fail_msg("%s became %s, which is not known again", date, text);
            foreign += surrogate_is_ours(&by, SHAPE_DATE, FORM_PLAIN, slice_of(date));
        }
    assert_in_range(foreign, 1, count / 10); /* one in 16 */
}

static void single_letters_are_known_again(void **state)
{
    static const char *const ours[] = {"X", "Q", "x", "q", "8", "9"};

    (void)state;
    for (char letter = '0'; letter <= 'z'; letter++) {
        char value[2] = {letter, 0}, text[TEXT_BYTES];
        bool is_one = false;

        if (!isalnum(letter))
            continue;
        (void)make(SHAPE_NAME, FORM_PLAIN, value, 0, text);
        assert_string_not_equal(text, value);
        if (!surrogate_is_ours(&key, SHAPE_NAME, FORM_PLAIN, slice_of(text)))
            fail_msg("%s became %s", value, text);
        for (size_t i = 0; i < COUNT(ours); i++)
            is_one = is_one || strcmp(ours[i], value) == 0;
        assert_int_equal(surrogate_is_ours(&key, SHAPE_NAME, FORM_PLAIN, slice_of(value)), is_one);
    }
}

/* Days since some day of a YYYY-MM-DD. */
static long day_number(const char *text)
{
    static const int before[] = {0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334};
    long year, month, day, leaps;

    assert_int_equal(sscanf(text, "%4ld-%2ld-%2ld", &year, &month, &day), 3);
    leaps = (year - (month < 3)) / 4 - (year - (month < 3)) / 100 + (year - (month < 3)) / 400;
    return year * 365 + leaps + before[month - 1] + day;
}

static void dates_of_a_run_are_all_moved_alike(void **state)
{
    static const char *const dates[] = {"1931-12-31", "1980-01-31", "1980-02-29",
                                        "1999-12-31", "2000-02-29", "2024-11-26"};
    long distance = 0;

    (void)state;
    for (size_t i = 0; i < COUNT(dates); i++) {
        char text[TEXT_BYTES];
        long moved;

        (void)make(SHAPE_DATE, FORM_PLAIN, dates[i], (unsigned)i, text);
        moved = day_number(dates[i]) - day_number(text);
        assert_true(moved > 51000 && moved < 54000);
        if (i > 0)
            assert_int_equal(moved, distance);
        distance = moved;
    }
}

static void what_is_no_date_does_not_look_like_one_that_was_moved(void **state)
{
    static const char *const texts[] = {"UNKNOWN", "2020-13-45", "1980-02-30", "99999999"};

    (void)state;
    for (size_t i = 0; i < COUNT(texts); i++) {
        char text[TEXT_BYTES];

        (void)make(SHAPE_DATE, FORM_PLAIN, texts[i], 0, text);
        assert_string_not_equal(text, texts[i]);
    }
}

/* ---- forms ---- */

static void a_value_stays_written_as_it_was(void **state)
{
    static const struct {
        enum finding_form form;
        const char *text, *picture;
    } cases[] = {
        {FORM_BACKSLASH, "J\\u00f6rg\\nM\\x41\\\"x", "a\\u00##*"},
        {FORM_BACKSLASH, "a\\nb\\tc\\\\d", "a\\na\\ta\\\\a"},
        {FORM_PLAIN, "a\\tb", "a\\ta"},
        {FORM_PLAIN, "Tom &amp; Jo", "aaa &amp; aa"},
        {FORM_PERCENT, "J%6fe%20Doe", "a%##a%20aaa"},
        {FORM_ENTITY, "Ren&eacute; O&apos;Day", "aaa&#x00a#; a&apos;aaa"},
        {FORM_ENTITY, "&#65;bc&#x42;", "&###aa&#x##;"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        char text[TEXT_BYTES];
        struct letters before, after;

        (void)make(SHAPE_TEXT, cases[i].form, cases[i].text, 0, text);
        letters_read(slice_of(cases[i].text), cases[i].form, &before);
        letters_read(slice_of(text), cases[i].form, &after);
        if (before.count != after.count)
            fail_msg("%s became %s", cases[i].text, text);
        for (size_t j = 0; j < before.count; j++)
            if (before.at[j].len != after.at[j].len ||
                (before.at[j].most == 0) != (after.at[j].most == 0))
                fail_msg("%s became %s", cases[i].text, text);
        letters_free(&before);
        letters_free(&after);
        assert_true(surrogate_is_ours(&key, SHAPE_TEXT, cases[i].form, slice_of(text)) ||
                    strlen(cases[i].text) < 16);
    }
}

static void base64_and_hex_hold_a_stand_in_that_can_be_read(void **state)
{
    static const struct {
        enum finding_form form;
        const char *text, *wrapped;
    } cases[] = {
        {FORM_BASE64, "{\"ssn\":\"457-55-5462\"}", "eyJzc24iOiI0NTctNTUtNTQ2MiJ9"},
        {FORM_HEX, "457-55-5462", "3435372d35352d35343632"},
        {FORM_HEX, "457-55-5462", "3435372D35352D35343632"},
        {FORM_HEX, "457-55-5462", "34 35 37 2d 35 35 2d 35 34 36 32"},
        {FORM_HEX, "457-55-5462", "34:35:37:2D:35:35:2D:35:34:36:32"},
        {FORM_HEX, "457-55-5462", "0x34, 0x35, 0x37, 0x2d, 0x35, 0x35,\n 0x2d, 0x35, 0x34, 0x36, 0x32"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        char text[TEXT_BYTES];
        struct letters letters;

        (void)make(SHAPE_TEXT, cases[i].form, cases[i].wrapped, 0, text);
        letters_read(slice_of(text), cases[i].form, &letters);
        assert_int_equal(letters.text.len, strlen(cases[i].text));
        for (size_t j = 0; j < letters.text.len; j++)
            assert_int_equal(is_alnum(letters.text.at[j]),
                             is_alnum((uint8_t)cases[i].text[j]));
        letters_free(&letters);
        assert_true(
            surrogate_is_ours(&key, SHAPE_TEXT, cases[i].form, slice_of(text)));
    }
}

static void what_is_sealed_is_refused(void **state)
{
    (void)state;
    assert_false(surrogate_fits(FORM_SEALED, 8));
    assert_false(surrogate_fits(FORM_MIXED, 8));
    assert_true(surrogate_fits(FORM_BASE64, 1 << 20));
    assert_false(surrogate_fits(FORM_PLAIN, (1 << 20) + 1));
}

static void letters_of_other_scripts_stay_in_their_script(void **state)
{
    static const char *const texts[] = {"J\xc3\xb6rg", "\xd0\x98\xd0\xb2\xd0\xb0\xd0\xbd",
                                        "\xe7\x8e\x8b\xe5\xb0\x8f\xe6\x98\x8e", "M\xfcller"};

    (void)state;
    for (size_t i = 0; i < COUNT(texts); i++) {
        char text[TEXT_BYTES];

        assert_true(make(SHAPE_NAME, FORM_PLAIN, texts[i], 0, text) != SURROGATE_NONE);
        for (size_t j = 0; texts[i][j] != 0; j++)
            assert_int_equal((uint8_t)texts[i][j] < 0x80, (uint8_t)text[j] < 0x80);
        assert_string_not_equal(text, texts[i]);
    }
    {
        char text[TEXT_BYTES];

        assert_int_equal(make(SHAPE_NAME, FORM_PLAIN, "-- * --", 0, text), SURROGATE_NONE);
    }
}

/* A number in a program stays one, and is not larger. */
static void a_number_stays_a_number(void **state)
{
    static const char *const texts[] = {"1234567893", "2147483647", "9123372036854775807",
                                        "7", "42", "457555462"};

    (void)state;
    for (size_t i = 0; i < COUNT(texts); i++)
        for (unsigned salt = 0; salt < 50; salt++) {
            char text[TEXT_BYTES];

            (void)make(SHAPE_TEXT, FORM_PLAIN, texts[i], salt, text);
            assert_true(text[0] != '0');
            if (strlen(texts[i]) == 10)
                assert_true(strcmp(text, "2147483647") <= 0);
        }
}

/* ---- marks ---- */

static void a_mark_is_as_strong_as_its_shape_allows(void **state)
{
    static const struct {
        enum surrogate_shape shape;
        const char *value;
        size_t most; /* of 2,000 of a stranger, how many may pass for ours */
    } cases[] = {
        {SHAPE_SECRET, GITHUB, 0},
        {SHAPE_CARD, CARD, 8},
        {SHAPE_TEXT, "19800131", 8},
        {SHAPE_NAME, "Chalmers", 20},
        {SHAPE_EMAIL, "john.doe@acme.com", 0},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        size_t passed = 0;
        char text[TEXT_BYTES];

        for (unsigned salt = 0; salt < 2000; salt++) {
            (void)make_by(&other, cases[i].shape, FORM_PLAIN, cases[i].value, salt, text);
            passed += surrogate_is_ours(&key, cases[i].shape, FORM_PLAIN, slice_of(text));
        }
        if (passed > cases[i].most)
            fail_msg("%zu of 2,000 pass for %s", passed, cases[i].value);
        assert_false(surrogate_is_ours(&key, cases[i].shape, FORM_PLAIN,
                                       slice_of(cases[i].value)));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(each_shape_is_nobodys_and_looks_alike),
        TEST(no_stand_in_is_a_number_that_somebody_has),
        TEST(addresses_of_the_network_are_reserved_ones),
        TEST(dates_keep_their_format_and_are_dates),
        TEST(single_letters_are_known_again),
        TEST(dates_of_two_digit_years_are_known_again),
        TEST(dates_of_a_run_are_all_moved_alike),
        TEST(what_is_no_date_does_not_look_like_one_that_was_moved),
        TEST(a_value_stays_written_as_it_was),
        TEST(base64_and_hex_hold_a_stand_in_that_can_be_read),
        TEST(what_is_sealed_is_refused),
        TEST(letters_of_other_scripts_stay_in_their_script),
        TEST(a_number_stays_a_number),
        TEST(a_mark_is_as_strong_as_its_shape_allows),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
