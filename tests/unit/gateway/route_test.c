/* Which model may have a call, and what it costs. */
#include "base/scope.h"
#include "gateway/money/price_list.h"
#include "gateway/money/prices.h"
#include "gateway/money/route.h"
#include "test.h"

#define NOW_US INT64_C(1000000)
#define PHI CLASS_BIT(CLASS_PHI)
#define PAN CLASS_BIT(CLASS_PAN)
#define CODE CLASS_BIT(CLASS_CODE)
#define CHAT (1U << DIALECT_OPENAI)

static void a_model_may_have_what_its_contract_covers(void **state)
{
    static const struct {
        struct gateway_model model;
        unsigned classes, redacted;
        const char *refused;
    } cases[] = {
        {{.allow = CODE}, 0, 0, NULL},
        {{.allow = CODE}, CODE, 0, NULL},
        {{.allow = CODE}, PHI, 0, "data-class"},
        {{.allow = CODE}, 0, PHI, "data-class"},
        {{.allow = CODE, .allow_redacted = PHI}, 0, PHI, NULL},
        {{.allow = CODE, .allow_redacted = PHI}, PHI, 0, "data-class"},
        {{.allow = CODE | PHI}, PHI, PHI, NULL},
        {{.allow = CODE | PHI}, PHI | PAN, 0, "data-class"},
        {{.allow = CODE, .kept_away = PHI}, 0, PHI, "residency"},
        {{.allow = CODE | PHI, .kept_away = PHI}, PHI, 0, "residency"},
        {{.allow = CODE, .expires_us = NOW_US}, 0, 0, NULL},
        {{.allow = CODE, .expires_us = NOW_US - 1}, 0, 0, "expired"},
        {{.allow = CODE, .dialect = DIALECT_ANTHROPIC}, 0, 0, "dialect"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        const struct route_call call = {
            .dialects = CHAT, .classes = cases[i].classes, .redacted = cases[i].redacted};
        const char *refused = route_refuses(&cases[i].model, &call, NOW_US);

        if ((refused == NULL) != (cases[i].refused == NULL) ||
            (refused != NULL && strcmp(refused, cases[i].refused) != 0))
            fail_msg("case %zu: %s", i, refused == NULL ? "may" : refused);
        assert_true(refused == NULL || strlen(route_says(refused)) > strlen(refused));
    }
}

static const struct gateway_model models[] = {
    {.name = "first", .model = "m-1", .url = "https://a.example.org/v1", .allow = CODE | PHI},
    {.name = "far", .url = "https://b.example.org/v1", .allow = CODE, .kept_away = PHI},
    {.name = "over", .url = "https://a.example.org/v2", .allow = CODE | PHI, .expires_us = 1},
    {.name = "other",
     .url = "https://a.example.org",
     .allow = CODE | PHI,
     .dialect = DIALECT_ANTHROPIC},
    {.name = "same", .url = "https://a.example.org:443/x", .allow = CODE | PHI},
    {.name = "port", .url = "https://a.example.org:8443/x", .allow = CODE | PHI},
};
static const size_t fallback[] = {0, 1, 2, 3, 5, 4};

static void what_follows_a_failure_obeys_the_same_rules(void **state)
{
    static const struct {
        unsigned classes;
        bool is_signed;
        const char *names; /* in order */
    } cases[] = {
        {0, false, "far port same "},
        {PHI, false, "port same "},
        {0, true, "same "}, /* what one provider has signed stays with it */
        {PAN, false, ""},
    };
    const struct route_table table = {models, COUNT(models), fallback, COUNT(fallback)};

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        const struct route_call call = {.dialects = CHAT,
                                        .classes = cases[i].classes,
                                        .signed_blocks = cases[i].is_signed};
        AUTO_BUF struct buf names = buf_with_limit(64);
        struct fault fault = {0};
        size_t cursor = 0, at;

        while (route_next(&table, &call, NOW_US, &cursor, &at))
            assert_ok(buf_add_format(&names, &fault, "%s ", models[at].name), fault);
        assert_string_equal(buf_text(&names), cases[i].names);
        assert_false(route_next(&table, &call, NOW_US, &cursor, &at));
    }
}

static void a_model_is_asked_for_by_our_name_or_its_providers(void **state)
{
    (void)state;
    assert_int_equal(route_asked(models, COUNT(models), CHAT, "first"), 0);
    assert_int_equal(route_asked(models, COUNT(models), CHAT, "m-1"), 0);
    assert_int_equal(route_asked(models, COUNT(models), CHAT, "same"), 4);
    assert_int_equal(route_asked(models, COUNT(models), CHAT, "other"), COUNT(models));
    assert_int_equal(route_asked(models, COUNT(models), CHAT, "none"), COUNT(models));
}

static void what_is_signed_is_told_by_its_name(void **state)
{
    static const char *const words[] = {"signature", "redacted_thinking", "encrypted_content",
                                        "thoughtSignature", "thought_signature"};

    (void)state;
    for (size_t i = 0; i < COUNT(words); i++)
        assert_true(route_is_signed(slice_of(words[i])));
    assert_false(route_is_signed(SLICE("a \"signature\" in words")));
    assert_false(route_is_signed(SLICE("thinking")));
}

/* Input 3, cached .3, written 3.75, output 15 dollars a million; reasoning 20. */
static void each_kind_of_token_has_its_price(void **state)
{
    static const struct gateway_prices prices = {3000000, 300000, 3750000, 15000000, 20000000};
    static const struct {
        enum dialect dialect;
        struct usage usage;
        int64_t cost;
    } cases[] = {
        {DIALECT_OPENAI, {.input = 1000, .output = 100}, 3000 + 1500},
        /* OpenAI counts cached ones among the input, reasoning among the output */
        {DIALECT_OPENAI,
         {.input = 1000, .cached = 400, .output = 100, .reasoning = 60},
         600 * 3 + 120 + 40 * 15 + 60 * 20},
        {DIALECT_OPENAI_RESPONSES, {.input = 1000, .cached = 1000, .output = 1}, 300 + 15},
        /* Anthropic beside it */
        {DIALECT_ANTHROPIC,
         {.input = 1000, .cached = 400, .cache_written = 200, .output = 100},
         3000 + 120 + 750 + 1500},
        /* Gemini: cached among the prompt, thoughts beside the output */
        {DIALECT_GEMINI,
         {.input = 1000, .cached = 400, .output = 100, .reasoning = 60},
         600 * 3 + 120 + 100 * 15 + 60 * 20},
        /* parts that are more than the whole */
        {DIALECT_OPENAI, {.input = 10, .cached = 1000}, 300},
        {DIALECT_OPENAI, {.input = -5, .output = -7}, 0},
    };

    (void)state;
    assert_true(prices_valid(&prices));
    for (size_t i = 0; i < COUNT(cases); i++) {
        int64_t cost = prices_cost(&prices, cases[i].dialect, &cases[i].usage);

        if (cost != cases[i].cost)
            fail_msg("case %zu: %lld", i, (long long)cost);
        assert_true(cost <= prices_upper_bound(
                                &prices, usage_input(cases[i].dialect, &cases[i].usage) + 1000,
                                usage_output(cases[i].dialect, &cases[i].usage)));
    }
}

static void no_price_and_no_figure_overflows(void **state)
{
    const struct gateway_prices most = {PRICE_MAX, PRICE_MAX, PRICE_MAX, PRICE_MAX, PRICE_MAX};
    const struct gateway_prices wrong = {.cached = -1};
    const struct usage all = {.input = INT64_MAX, .output = INT64_MAX, .cached = INT64_MAX};

    (void)state;
    assert_true(prices_valid(&most));
    assert_false(prices_valid(&wrong));
    assert_true(prices_cost(&most, DIALECT_OPENAI, &all) > 0);
    assert_true(prices_upper_bound(&most, INT64_MAX, INT64_MAX) > 0);
}

static void what_a_provider_asks_for_is_listed(void **state)
{
    static const struct {
        const char *url, *model;
        int64_t input, cached, cache_write, output; /* 0: not listed */
    } cases[] = {
        {"https://api.anthropic.com", "claude-sonnet-4-5", 3000000, 300000, 3750000, 15000000},
        {"https://api.anthropic.com/v1", "claude-sonnet-4-5-20250929", 3000000, 300000,
         3750000, 15000000},
        {"https://api.anthropic.com", "claude-sonnet-4-5-2025", 0, 0, 0, 0},
        {"https://api.openai.com/v1", "gpt-5-2025-08-07", 1250000, 125000, 1250000, 10000000},
        {"https://api.openai.com/v1", "gpt-5-nano", 50000, 5000, 50000, 400000},
        {"https://api.openai.com/v1", "gpt-5-large", 0, 0, 0, 0},
        {"https://elsewhere.example.org/v1", "gpt-5", 0, 0, 0, 0},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        const struct gateway_model model = {
            .name = "entry", .model = cases[i].model, .url = cases[i].url};
        struct gateway_prices prices = {0};
        struct fault fault = {0};
        bool found = false;

        assert_ok(price_list_find(&model, &found, &prices, &fault), fault);
        assert_int_equal(found, cases[i].input > 0);
        assert_int_equal(prices.input, cases[i].input);
        assert_int_equal(prices.cached, cases[i].cached);
        assert_int_equal(prices.cache_write, cases[i].cache_write);
        assert_int_equal(prices.output, cases[i].output);
        assert_int_equal(prices.reasoning, cases[i].output);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_model_may_have_what_its_contract_covers),
        TEST(what_follows_a_failure_obeys_the_same_rules),
        TEST(a_model_is_asked_for_by_our_name_or_its_providers),
        TEST(what_is_signed_is_told_by_its_name),
        TEST(each_kind_of_token_has_its_price),
        TEST(what_a_provider_asks_for_is_listed),
        TEST(no_price_and_no_figure_overflows),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
