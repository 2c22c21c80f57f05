/* Names in prose: what is found, where, and what hostile bytes cannot do to it. */
#include "test.h"

#include "classify/names.h"
#include "classify/names/model.h"
#include "base/scope.h"
#include "classify/names/token.h"
#include "classify/names/trim.h"

struct list {
    size_t count, limit;
    struct name_span at[64];
};

static bool keep(void *self, const struct name_span *span)
{
    struct list *list = self;

    if (list->count < COUNT(list->at))
        list->at[list->count++] = *span;
    return list->limit == 0 || list->count < list->limit;
}

static struct list find(struct slice text, enum names_source source)
{
    struct list list = {0};

    assert_true(names_find(text, source, keep, &list));
    return list;
}

/* Is there a span of `label` that is exactly `words`? */
static bool holds(const struct list *list, const char *text, enum name_label label,
                  const char *words)
{
    for (size_t i = 0; i < list->count; i++)
        if (list->at[i].label == label &&
            slice_equal(slice_part(slice_of(text), list->at[i].start, list->at[i].end),
                        slice_of(words)))
            return true;
    return false;
}

static void people_are_found_in_sentences(void **state)
{
    static const struct {
        const char *text, *person;
    } cases[] = {
        {"Patient was seen by Dr. Margaret Okafor for hypertension.", "Margaret Okafor"},
        {"Mr. Lindqvist is a 67 year old man with chest pain.", "Lindqvist"},
        {"Please call her brother, Jean-Paul O'Brien, tomorrow.", "Jean-Paul O'Brien"},
        {"My name is Krist\xc3\xb3"
         "f Sz\xc3\xa1nt\xc3\xb3 and I live here.",
         "Krist\xc3\xb3"
         "f Sz\xc3\xa1nt\xc3\xb3"},
        {"PATIENT: JOHN MILLER\nDATE OF SERVICE: 1/2/2020", "JOHN MILLER"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct list list = find(slice_of(cases[i].text), NAMES_IN_PROSE);

        if (!holds(&list, cases[i].text, NAME_PERSON, cases[i].person))
            fail_msg("%s is not found in: %s", cases[i].person, cases[i].text);
    }
}

/* What the field says, and what is left of it. */
static void names_end_where_names_end(void **state)
{
    static const struct {
        const char *text, *span, *pieces[3];
    } cases[] = {
        {"better than early Okafor was", "than early Okafor", {"Okafor"}},
        {"by Eklund, Michael and Hodge", "Eklund, Michael", {"Eklund", "Michael"}},
        {"Roe, Jane (patient)", "Roe, Jane", {"Roe, Jane"}},
        {"Elizabeth: yes", "Elizabeth:", {"Elizabeth"}},
        {"Thanks to Jonathan Baker.\nNew in this", "Jonathan Baker.\nNew", {"Jonathan Baker"}},
        {"J. R. van der Berg Jr. came", "J. R. van der Berg Jr.", {"J. R. van der Berg Jr."}},
        {"see lang.Appendable there", "lang.Appendable", {0}},
        {"fixed LANG-123 by", "LANG", {0}},
        {"call LocaleUtils#toLocale", "LocaleUtils#toLocale", {0}},
        {"Dr.Roe", "Dr.Roe", {"Dr.Roe"}},
        {"token a b c", "a b c", {0}},
    };
    struct model model;

    (void)state;
    assert_true(model_open(slice_of_bytes(names_embedded[0].at, names_embedded[0].len), &model));
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct slice text = slice_of(cases[i].text);
        size_t start = slice_find(text, slice_of(cases[i].span), 0), count, wanted = 0;
        const struct name_span span = {.start = start, .end = start + strlen(cases[i].span)};
        struct name_span pieces[NAME_PIECES_MAX];

        assert_int_not_equal(start, SIZE_MAX);
        count = names_trim(&model, text, &span, pieces);
        while (wanted < 3 && cases[i].pieces[wanted] != NULL)
            wanted++;
        if (count != wanted)
            fail_msg("%s: %zu pieces", cases[i].text, count);
        for (size_t p = 0; p < count; p++)
            if (!slice_equal(slice_part(text, pieces[p].start, pieces[p].end),
                             slice_of(cases[i].pieces[p])))
                fail_msg("%s: %.*s", cases[i].text,
                         SLICE_ARGS(slice_part(text, pieces[p].start, pieces[p].end)));
    }
}

static void sentences_without_people_have_none(void **state)
{
    static const char *const texts[] = {
        "Returns the number of bytes that were written, or a fault.",
        "Permission is hereby granted, free of charge, to any person obtaining a copy.",
        "A Foley catheter was placed. Continue Lasix and check potassium on Monday.",
        "",
        "\n \t\n",
    };

    (void)state;
    for (size_t i = 0; i < COUNT(texts); i++) {
        struct list list = find(slice_of(texts[i]), NAMES_IN_PROSE);

        for (size_t j = 0; j < list.count; j++)
            if (list.at[j].label == NAME_PERSON)
                fail_msg("a person in: %s", texts[i]);
    }
}

static void an_address_is_one_span(void **state)
{
    const char *text = "Send it to 482 Maple Street, Springfield, IL 62704 by Friday.";
    struct list list = find(slice_of(text), NAMES_IN_PROSE);

    (void)state;
    assert_true(holds(&list, text, NAME_ADDRESS, "482 Maple Street, Springfield, IL 62704"));
}

static void bytes_that_are_not_utf8_blind_nobody(void **state)
{
    const char *text = "\xff\xfe Patient was seen by Dr. Jos\xe9 Garc\xed"
                       "a today. \xc3";
    struct list list = find(slice_of(text), NAMES_IN_PROSE);

    (void)state;
    assert_true(holds(&list, text, NAME_PERSON,
                      "Jos\xe9 Garc\xed"
                      "a"));
}

static void names_in_a_long_text_are_found_across_windows(void **state)
{
    AUTO_BUF struct buf text = buf_with_limit(1 << 20);
    struct fault fault = {0};
    struct list list;
    size_t people = 0;

    (void)state;
    for (size_t i = 0; i < 40; i++) {
        for (size_t word = 0; word < 3 + i; word++)
            assert_ok(buf_add_text(&text, "and then ", &fault), fault);
        assert_ok(buf_add_text(&text, "he saw Dr. Susan Miller. ", &fault), fault);
    }
    list = find(buf_slice(&text), NAMES_IN_PROSE);
    for (size_t i = 0; i < list.count; i++)
        people += slice_equal(slice_part(buf_slice(&text), list.at[i].start, list.at[i].end),
                              SLICE("Susan Miller"));
    assert_int_equal(people, 40);
}

static void code_is_not_prose_but_its_comments_are(void **state)
{
    const char *code = "static int readJohnSmith(struct Patient *john, Smith smith)\n{\n"
                       "    return new Martin(Anderson, Miller) + David.Johnson;\n}\n"
                       "/* a patient called Michael Johnson was lost by this loop */\n";
    struct list list = find(slice_of(code), NAMES_IN_CODE);

    (void)state;
    assert_int_equal(list.count, 1);
    assert_true(holds(&list, code, NAME_PERSON, "Michael Johnson"));
}

static void who_wrote_a_file_is_of_low_confidence(void **state)
{
    const char *text = "# Copyright (C) 2019 Michael Johnson and other people of this file\n";
    struct list list = find(slice_of(text), NAMES_IN_CODE);

    (void)state;
    assert_true(holds(&list, text, NAME_PERSON, "Michael Johnson"));
    for (size_t i = 0; i < list.count; i++)
        assert_int_equal(list.at[i].confidence, CONFIDENCE_LOW);
}

static void a_sink_can_stop(void **state)
{
    const char *text = "Dr. Susan Miller met Dr. David Cohen.";
    struct list list = {.limit = 1};

    (void)state;
    assert_false(names_find(slice_of(text), NAMES_IN_PROSE, keep, &list));
    assert_int_equal(list.count, 1);
}

static void tokens_cover_every_byte_once(void **state)
{
    static const struct {
        const char *text;
        size_t tokens;
    } cases[] = {{"O'Brien's", 3},    {"a@b.co, c", 3}, {"67yo", 2}, {"x_1 B12", 2},
                 {"http://a.b/c", 1}, {"../x", 1},      {"", 0},     {"\xe2\x80\x99", 1}};

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct token_reader reader = {.text = slice_of(cases[i].text)};
        struct token token;
        size_t count = 0, at = 0;

        while (token_next(&reader, &token)) {
            assert_true(token.start >= at && token.end > token.start);
            at = token.end;
            count++;
        }
        assert_int_equal(count, cases[i].tokens);
    }
}

static void a_text_of_unknown_origin_is_code_where_it_looks_so(void **state)
{
    (void)state;
    assert_int_equal(
        names_source_of(SLICE("#include <a.h>\n\nint f(void)\n{\n    int a = 1;\n"
                              "    if (a > 0)\n        return a;\n    return 0;\n}\n")),
        NAMES_IN_CODE);
    assert_int_equal(names_source_of(SLICE("- one\n- two\n- three\n- four\n- five\n- six\n- "
                                           "seven\n- eight, as Jane Miller said.\n")),
                     NAMES_IN_PROSE);
    assert_int_equal(names_source_of(SLICE("return 0;\n}\n")), NAMES_IN_PROSE);
    assert_int_equal(names_source_of(SLICE("")), NAMES_IN_PROSE);
}

/* Hashes that are in the keys or next to them: what the sift leaves out the keys do not have, either. */
static void a_sift_leaves_out_no_feature_that_there_is(void **state)
{
    static struct model_sift sift;
    struct model plain, sifted;
    size_t found = 0, left_out = 0;

    (void)state;
    assert_true(model_open(slice_of_bytes(names_embedded[0].at, names_embedded[0].len), &plain));
    sifted = plain;
    model_use_sift(&sifted, &sift);
    assert_non_null(sifted.sift);
    for (uint32_t slot = 0; slot < 1U << plain.head.feature_bits; slot++) {
        struct model_key key;
        uint32_t features[8], kept[8];
        const uint8_t *rows[8], *sifted_rows[8];
        size_t count, sifted_count;

        memcpy(&key, plain.keys + slot * sizeof(key), sizeof(key));
        for (uint32_t i = 0; i < COUNT(features); i++)
            features[i] = ((slot - i) & 0xffff) | (uint32_t)(key.high ^ (i == 7 ? 4 : 0)) << 16;
        memcpy(kept, features, sizeof(kept));
        count = model_find(&plain, features, COUNT(features), rows);
        sifted_count = model_expect(&sifted, kept, COUNT(kept));
        left_out += COUNT(kept) - sifted_count;
        sifted_count = model_find(&sifted, kept, sifted_count, sifted_rows);
        assert_int_equal(sifted_count, count);
        assert_memory_equal(sifted_rows, rows, count * sizeof(rows[0]));
        found += count;
    }
    assert_true(found >= plain.head.features);
    assert_true(left_out > found);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(people_are_found_in_sentences),
        TEST(names_end_where_names_end),
        TEST(sentences_without_people_have_none),
        TEST(an_address_is_one_span),
        TEST(bytes_that_are_not_utf8_blind_nobody),
        TEST(names_in_a_long_text_are_found_across_windows),
        TEST(code_is_not_prose_but_its_comments_are),
        TEST(a_text_of_unknown_origin_is_code_where_it_looks_so),
        TEST(who_wrote_a_file_is_of_low_confidence),
        TEST(a_sink_can_stop),
        TEST(tokens_cover_every_byte_once),
        TEST(a_sift_leaves_out_no_feature_that_there_is),
    };

    return cmocka_run_group_tests_name("names", tests, NULL, NULL);
}
