/* Tokens and money: what providers say is read, and what was reserved is settled, always. */
#include "gateway/dialect/usage.h"
#include "gateway/money/prices.h"

#include "test.h"


static void figures_are_read_wherever_the_dialect_puts_them(void **state)
{
    static const struct {
        enum dialect dialect;
        const char *body;
        int64_t input, output, cached,
            reasoning; /* input as accounted: cached ones included */
    } cases[] = {
        {DIALECT_OPENAI,
         "{\"usage\":{\"prompt_tokens\":10,\"completion_tokens\":5,\"prompt_tokens_details\":{"
         "\"cached_tokens\":4},"
         "\"completion_tokens_details\":{\"reasoning_tokens\":2}}}",
         10, 5, 4, 2},
        {DIALECT_OPENAI_RESPONSES,
         "{\"usage\":{\"input_tokens\":10,\"output_tokens\":5,\"input_tokens_details\":{"
         "\"cached_tokens\":4},"
         "\"output_tokens_details\":{\"reasoning_tokens\":2}}}",
         10, 5, 4, 2},
        {DIALECT_OPENAI_RESPONSES,
         "{\"response\":{\"usage\":{\"input_tokens\":10,\"output_tokens\":5}}}", 10, 5, 0, 0},
        {DIALECT_ANTHROPIC,
         "{\"usage\":{\"input_tokens\":1,\"cache_read_input_tokens\":2,\"cache_creation_input_"
         "tokens\":4,\"output_tokens\":5}}",
         7, 5, 2, 0},
        {DIALECT_GEMINI,
         "{\"usageMetadata\":{\"promptTokenCount\":8,\"toolUsePromptTokenCount\":2,"
         "\"candidatesTokenCount\":3,\"thoughtsTokenCount\":2,\"cachedContentTokenCount\":4}}",
         10, 5, 4, 2},
        {DIALECT_OPENAI, "{\"usage\":null}", 0, 0, 0, 0},
        {DIALECT_OPENAI, "{\"usage\":{\"prompt_tokens\":-10,\"completion_tokens\":1.5}}", 0, 0,
         0, 0},
        {DIALECT_OPENAI, "{\"usage\":{\"prompt_tokens\":\"10\"}}", 0, 0, 0, 0},
        {DIALECT_OPENAI, "{\"usage\":{\"input_tokens\":10}}", 0, 0, 0, 0},
        {DIALECT_OPENAI, "{\"usage\":{\"prompt_tokens\":10}", 0, 0, 0, 0}, /* no JSON */
        {DIALECT_OPENAI, "{\"usage\":{\"prompt_tokens\":9007199254740992}}", INT64_C(1) << 40,
         0, 0, 0},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct usage usage = usage_none();

        usage_take_body(cases[i].dialect, slice_of(cases[i].body), &usage);
        assert_int_equal(usage_input(cases[i].dialect, &usage), cases[i].input);
        assert_int_equal(usage_output(cases[i].dialect, &usage), cases[i].output);
        assert_int_equal(usage.cached, cases[i].cached);
        assert_int_equal(usage.reasoning, cases[i].reasoning);
        assert_int_equal(usage.seen, cases[i].input + cases[i].output > 0);
    }
}

static void figures_of_a_stream_only_grow(void **state)
{
    struct usage usage = usage_none();

    (void)state;
    (void)usage_take_event(
        DIALECT_ANTHROPIC, SLICE("message_start"),
        SLICE("{\"message\":{\"usage\":{\"input_tokens\":6,\"output_tokens\":1}}}"), &usage);
    assert_false(usage.finished);
    (void)usage_take_event(DIALECT_ANTHROPIC, SLICE(""),
                           SLICE("{\"usage\":{\"output_tokens\":7}}"), &usage);
    (void)usage_take_event(DIALECT_ANTHROPIC, SLICE(""),
                           SLICE("{\"usage\":{\"input_tokens\":0,\"output_tokens\":3}}"),
                           &usage);
    (void)usage_take_event(DIALECT_ANTHROPIC, SLICE("message_stop"),
                           SLICE("{\"type\":\"message_stop\"}"), &usage);
    assert_int_equal(usage.input, 6);
    assert_int_equal(usage.output, 7);
    assert_true(usage.finished);
}

static void the_end_of_a_stream_is_the_providers_and_not_the_models(void **state)
{
    static const struct {
        enum dialect dialect;
        const char *data;
        bool finished, extra;
    } cases[] = {
        {DIALECT_OPENAI, "[DONE]", true, false},
        {DIALECT_OPENAI, "{\"choices\":[{\"finish_reason\":\"stop\"}]}", true, false},
        {DIALECT_OPENAI, "{\"choices\":[{\"finish_reason\": \"stop\"}]}", true, false},
        {DIALECT_OPENAI, "{\"choices\":[{\"finish_reason\":null}]}", false, false},
        {DIALECT_OPENAI,
         "{\"choices\":[{\"delta\":{\"content\":\"\\\"finish_reason\\\":\\\"stop\\\"\"}}]}",
         false, false},
        {DIALECT_OPENAI, "{\"choices\":[],\"usage\":{\"prompt_tokens\":1}}", false, true},
        {DIALECT_OPENAI, "{\"choices\":[{\"delta\":{}}],\"usage\":{\"prompt_tokens\":1}}",
         false, false},
        {DIALECT_OPENAI, "{\"choices\":[],\"usage\":null}", false, false},
        {DIALECT_OPENAI_RESPONSES, "{\"type\":\"response.incomplete\"}", true, false},
        {DIALECT_OPENAI_RESPONSES, "{\"delta\":\"\\\"response.completed\\\"\"}", false, false},
        {DIALECT_ANTHROPIC, "{\"type\":\"message_stop\"}", true, false},
        {DIALECT_ANTHROPIC, "{\"type\":\"message_delta\"}", false, false},
        {DIALECT_GEMINI, "{\"candidates\":[{\"finishReason\": \"STOP\"}]}", true, false},
        {DIALECT_GEMINI, "{\"promptFeedback\":{\"blockReason\":\"SAFETY\"}}", true, false},
        {DIALECT_GEMINI,
         "{\"candidates\":[{\"content\":{\"parts\":[{\"functionCall\":{\"args\":{"
         "\"finishReason\":\"STOP\"}}}]}}]}",
         false, false},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct usage usage = usage_none();
        bool extra =
            usage_take_event(cases[i].dialect, SLICE(""), slice_of(cases[i].data), &usage);

        if (extra != cases[i].extra || usage.finished != cases[i].finished)
            fail_msg("%s", cases[i].data);
    }
}

static void the_model_that_has_answered_is_read(void **state)
{
    static const struct {
        const char *data, *served;
    } cases[] = {
        {"{\"model\":\"gpt-5-2026\"}", "gpt-5-2026"},
        {"{\"response\":{\"model\":\"a\"}}", "a"},
        {"{\"message\":{\"model\":\"b\"}}", "b"},
        {"{\"modelVersion\":\"c\"}", "c"},
        {"{\"model\":\"d\\n\\u0000e\"}", "de"}, /* printable, or not at all */
        {"{\"model\":7}", ""},
        {"{\"choices\":[{\"model\":\"x\"}]}", ""},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct usage event = usage_none(), body = usage_none();

        (void)usage_take_event(DIALECT_OPENAI, SLICE(""), slice_of(cases[i].data), &event);
        usage_take_body(DIALECT_OPENAI, slice_of(cases[i].data), &body);
        assert_string_equal(event.served, cases[i].served);
        assert_string_equal(body.served, cases[i].served);
        (void)usage_take_event(DIALECT_OPENAI, SLICE(""), SLICE("{\"model\":\"later\"}"),
                               &event);
        if (cases[i].served[0] != 0)
            assert_string_equal(event.served, cases[i].served); /* the first one stays */
    }
}

static void costs_are_rounded_up_and_never_overflow(void **state)
{
    (void)state;
    assert_int_equal(prices_of(0, 3000000), 0);
    assert_int_equal(prices_of(1, 3000000), 3);
    assert_int_equal(prices_of(1, 1), 1);
    assert_int_equal(prices_of(1000000, 1), 1);
    assert_int_equal(prices_of(1000001, 1), 2);
    assert_true(prices_of(INT64_C(1) << 40, INT64_C(1000000000000)) > 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(figures_are_read_wherever_the_dialect_puts_them),
        TEST(figures_of_a_stream_only_grow),
        TEST(the_end_of_a_stream_is_the_providers_and_not_the_models),
        TEST(the_model_that_has_answered_is_read),
        TEST(costs_are_rounded_up_and_never_overflow),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
