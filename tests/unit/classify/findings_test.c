#include <stdlib.h>

#include "test.h"

#include "classify/findings.h"

#define TEXT "url: app:hunter2@db.internal (x)"
#define LOW CONFIDENCE_LOW
#define MEDIUM CONFIDENCE_MEDIUM
#define HIGH CONFIDENCE_HIGH

struct row {
    size_t start, end;
    uint8_t confidence;
    uint16_t rule;
    uint8_t form;
};

/* What comes in, and what stays; an end of 0 ends a list. */
static const struct {
    struct row in[5], out[5];
} cases[] = {
    {{{0}}, {{0}}},
    {{{5, 9, LOW, 1, 0}}, {{5, 9, LOW, 1, 0}}},
    /* a sign at an end that was not cut stays */
    {{{4, 28, LOW, 1, 0}}, {{4, 28, LOW, 1, 0}}},
    /* as sure: the longer one */
    {{{5, 20, MEDIUM, 1, 0}, {9, 28, MEDIUM, 2, 0}}, {{9, 28, MEDIUM, 2, 0}}},
    /* a guess hides nothing that is sure, and keeps what is beside it */
    {{{5, 28, LOW, 1, 0}, {9, 16, HIGH, 2, 0}},
     {{5, 8, LOW, 1, 0}, {9, 16, HIGH, 2, 0}, {17, 28, LOW, 1, 0}}},
    {{{9, 28, MEDIUM, 1, 0}, {9, 16, HIGH, 2, 0}}, {{9, 16, HIGH, 2, 0}, {17, 28, MEDIUM, 1, 0}}},
    {{{5, 16, LOW, 1, 0}, {9, 28, HIGH, 2, 0}}, {{5, 8, LOW, 1, 0}, {9, 28, HIGH, 2, 0}}},
    {{{9, 16, LOW, 1, 0}, {5, 28, HIGH, 2, 0}}, {{5, 28, HIGH, 2, 0}}},
    {{{9, 16, LOW, 1, 0}, {9, 16, HIGH, 2, 0}}, {{9, 16, HIGH, 2, 0}}},
    /* two guesses between three */
    {{{0, 20, LOW, 1, 0}, {20, 31, LOW, 1, 0}, {2, 4, HIGH, 2, 0}, {18, 22, MEDIUM, 3, 0}},
     {{0, 2, LOW, 1, 0}, {2, 4, HIGH, 2, 0}, {5, 18, LOW, 1, 0}, {18, 22, MEDIUM, 3, 0}, {22, 31, LOW, 1, 0}}},
    /* nothing of what is encoded can be cut */
    {{{5, 28, LOW, 1, FORM_BASE64}, {9, 16, HIGH, 2, 0}}, {{5, 28, HIGH, 1, FORM_BASE64}}},
    {{{5, 16, LOW, 1, 0}, {9, 28, HIGH, 2, FORM_HEX}}, {{9, 28, HIGH, 2, FORM_HEX}}},
    {{{9, 16, LOW, 1, FORM_SEALED}, {9, 16, HIGH, 2, FORM_SEALED}}, {{9, 16, HIGH, 2, FORM_SEALED}}},
};

static void the_surer_one_stays_and_the_rest_of_the_other(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct findings findings = {0};
        size_t count = 0;

        for (const struct row *row = cases[i].in; row < cases[i].in + 5 && row->end > 0; row++)
            findings_add(&findings, (struct finding){.start = row->start,
                                                     .end = row->end,
                                                     .confidence = row->confidence,
                                                     .rule = row->rule,
                                                     .form = row->form});
        findings_resolve(&findings, SLICE(TEXT));
        while (count < 5 && cases[i].out[count].end > 0)
            count++;
        if (findings.count != count)
            fail_msg("case %zu: %zu stay, not %zu", i, findings.count, count);
        for (size_t j = 0; j < count; j++) {
            const struct row *row = &cases[i].out[j];
            const struct finding *at = &findings.at[j];

            if (at->start != row->start || at->end != row->end || at->rule != row->rule ||
                at->confidence != row->confidence || at->form != row->form)
                fail_msg("case %zu: [%zu, %zu) of rule %u, confidence %u", i, at->start, at->end,
                         at->rule, at->confidence);
        }
        free(findings.at);
    }
}

static void what_is_encoded_has_all_classes_that_are_in_it(void **state)
{
    static const struct {
        struct finding in[3];
        unsigned classes;
    } mixes[] = {
        /* of one run, as sure and not */
        {{{.start = 5, .end = 28, .class = CLASS_PAN, .rule = 1, .confidence = HIGH, .form = FORM_BASE64},
          {.start = 5, .end = 28, .class = CLASS_PII, .rule = 2, .confidence = HIGH, .form = FORM_BASE64}},
         CLASS_BIT(CLASS_PAN) | CLASS_BIT(CLASS_PII)},
        {{{.start = 5, .end = 28, .class = CLASS_PII, .rule = 1, .confidence = MEDIUM, .form = FORM_HEX},
          {.start = 5, .end = 28, .class = CLASS_SECRET, .rule = 2, .confidence = HIGH, .form = FORM_HEX},
          {.start = 9, .end = 20, .class = CLASS_PHI, .rule = 3, .confidence = MEDIUM}},
         CLASS_BIT(CLASS_PII) | CLASS_BIT(CLASS_SECRET) | CLASS_BIT(CLASS_PHI)},
        /* a guess is for reports only */
        {{{.start = 5, .end = 28, .class = CLASS_PAN, .rule = 1, .confidence = HIGH, .form = FORM_SEALED},
          {.start = 5, .end = 28, .class = CLASS_SECRET, .rule = 2, .confidence = LOW, .form = FORM_SEALED}},
         CLASS_BIT(CLASS_PAN)},
        /* what stands as it is can be cut */
        {{{.start = 5, .end = 28, .class = CLASS_PAN, .rule = 1, .confidence = HIGH},
          {.start = 5, .end = 28, .class = CLASS_SECRET, .rule = 2, .confidence = HIGH}},
         CLASS_BIT(CLASS_PAN)},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(mixes); i++) {
        struct findings findings = {0};

        for (size_t n = 0; n < 3 && mixes[i].in[n].end > 0; n++)
            findings_add(&findings, mixes[i].in[n]);
        findings_resolve(&findings, SLICE(TEXT));
        assert_int_equal(findings.count, 1);
        assert_int_equal(finding_classes(&findings.at[0]), mixes[i].classes);
        free(findings.at);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(the_surer_one_stays_and_the_rest_of_the_other),
        TEST(what_is_encoded_has_all_classes_that_are_in_it),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
