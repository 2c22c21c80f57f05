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

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(the_surer_one_stays_and_the_rest_of_the_other),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
