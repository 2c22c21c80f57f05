/* The door's decisions, without processes: every place of a request is looked at, and an
 * untouched one stays. */
#include "gateway/door/plan.h"

#include <stdio.h>

#include "base/scope.h"
#include "gateway/dialect/operation.h"
#include "places.h"
#include "test.h"

#define MARK "SENSITIVE-VALUE"
#define MARK_64 "aGVsbG8gd29ybGQsIGhlcmUgaXMgYSBTRU5TSVRJVkUtVkFMVUUgaW4gYmFzZTY0"

/* Finds the mark, and nothing else. */
static unsigned find_mark(void *self, struct slice text, const char *ret_rules[CLASS_COUNT],
                          unsigned *ret_guesses)
{
    size_t *bytes = self;

    *ret_guesses = 0;
    *bytes += text.len;
    if (slice_find(text, SLICE(MARK), 0) == SIZE_MAX)
        return 0;
    ret_rules[CLASS_PHI] = "phi.mark";
    return CLASS_BIT(CLASS_PHI);
}

static unsigned mark_across(void *self, struct slice text, const char *ret_rules[CLASS_COUNT])
{
    unsigned guesses;

    return find_mark(self, text, ret_rules, &guesses);
}

static const struct gateway_model models[] = {
    {.name = "chat", .dialect = DIALECT_OPENAI},
    {.name = "responses", .dialect = DIALECT_OPENAI_RESPONSES},
    {.name = "messages", .dialect = DIALECT_ANTHROPIC},
    {.name = "gemini", .dialect = DIALECT_GEMINI},
    {.name = "may-see-it",
     .dialect = DIALECT_OPENAI,
     .allow = CLASS_BIT(CLASS_PHI),
     .reach = REACH_BIT(REACH_URLS)},
};

static struct plan plan_by(struct door_config config, const char *path, const char *body)
{
    struct http1_request *request = http1_request_new(GATEWAY_BODY_BYTES_MAX);
    AUTO_FREE char *text = xformat(
        "POST %s HTTP/1.1\r\nHost: a\r\nContent-Type: application/json; charset=utf-8\r\n"
        "Content-Length: %zu\r\n\r\n%s",
        path, strlen(body), body);
    struct fault fault = {0};
    struct plan plan;
    size_t used;

    config.model = (size_t)operation_route(slice_of(path)).dialect;
    assert_ok(http1_request_feed(request, slice_of(text), &used, &fault), fault);
    assert_true(http1_request_done(request));
    plan_request(&config, request, &plan);
    http1_request_free(request);
    return plan;
}

static struct plan plan_with(const struct door_scan *scan, const char *path, const char *body)
{
    return plan_by((struct door_config){.models = models,
                                        .model_count = COUNT(models),
                                        .takes_other_names = true,
                                        .scan = *scan},
                   path, body);
}

static struct plan plan_of(const char *path, const char *body, size_t *ret_scanned)
{
    size_t scanned = 0;
    struct plan plan = plan_with(&(struct door_scan){.classes = find_mark, .self = &scanned}, path, body);

    if (ret_scanned != NULL)
        *ret_scanned = scanned;
    return plan;
}

static void every_place_of_every_dialect_is_looked_at(void **state)
{
    static const char *const plants[] = {MARK, "S\\u0045NSITIVE-VALUE", "x " MARK "\\n" MARK};

    (void)state;
    for (size_t i = 0; i < place_count; i++)
        for (size_t p = 0; p < 2 * COUNT(plants); p++) {
            bool nested = strstr(places[i].body, "\\\"") != NULL,
                 url = strstr(places[i].body, "base64,") != NULL;
            const char *plant = url ? MARK_64 : plants[nested ? 0 : p / 2];
            AUTO_FREE char *body = place_planted(&places[i], plant, p % 2 == 1);
            struct plan plan = plan_of(places[i].path, body, NULL);

            if (plan.kind != PLAN_REFUSE || plan.status != 400 ||
                strcmp(plan.reason, "data-class") != 0)
                fail_msg("%s passed: %s", body, plan.message);
            assert_null(strstr(plan.message, MARK));
            assert_string_equal(plan.rule, "phi.mark");
            plan_clear(&plan);
        }
}

static void encoded_values_are_found_too(void **state)
{
    static const char *const plants[] = {
        MARK_64, "{\\\"a\\\":\\\"S\\\\u0045NSITIVE-VALUE\\\"}",   /* JSON in a string */
        "[\\\"{\\\\\\\"a\\\\\\\":\\\\\\\"" MARK "\\\\\\\"}\\\"]", /* and once more */
    };

    (void)state;
    for (size_t i = 0; i < COUNT(plants); i++) {
        AUTO_FREE char *body = place_planted(&places[4], plants[i], false);
        struct plan plan = plan_of(CHAT, body, NULL);

        if (plan.kind != PLAN_REFUSE || strcmp(plan.reason, "data-class") != 0)
            fail_msg("%s passed: %s", body, plan.message);
        plan_clear(&plan);
    }
}

static void what_cannot_be_looked_into_is_opaque(void **state)
{
    static const char *const plants[] = {
        "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJ", /* a PNG's head */
        "data:image/jpeg;base64,/9j/4AAQSkZJRgABAQ==",
        "data:application/octet-stream;base64,gIGCg4SFhoeIiQ==",
    };

    (void)state;
    for (size_t i = 0; i < COUNT(plants); i++) {
        AUTO_FREE char *only = xformat("{\"model\":\"m\",\"messages\":[\"%s\"]}", plants[i]);
        struct plan plan = plan_of(CHAT, only, NULL);

        if (plan.kind != PLAN_REFUSE || plan.classes != CLASS_BIT(CLASS_OPAQUE))
            fail_msg("%s passed: %s", only, plan.message);
        plan_clear(&plan);
    }
}

static void an_untouched_request_stays_byte_for_byte(void **state)
{
    static const char body[] =
        " { \"messages\" : [ {\"role\":\"user\", \"content\":\"caf\\u00e9 \\/ \xC3\xA9\"} ],\n"
        "\t\"model\":\"m\",\"temperature\":1.50e0,\"n\":2 ,\"max_tokens\": 12 } ";
    size_t scanned;
    struct plan plan = plan_of(CHAT, body, &scanned);

    (void)state;
    assert_int_equal(plan.kind, PLAN_CALL);
    assert_true(slice_equal(buf_slice(&plan.body), slice_of(body)));
    assert_int_equal(plan.open.body_bytes, strlen(body));
    assert_int_equal(plan.open.output_tokens, 24);
    assert_int_equal(plan.open.leaves, 13);
    assert_false(plan.open.stream);
    assert_false(plan.open.strip_usage);
    plan_clear(&plan);
}

static void the_usage_of_a_stream_is_asked_for_and_nothing_else_changes(void **state)
{
    static const struct {
        const char *body, *sent; /* NULL: as it came */
    } cases[] = {
        {"{\"stream\":true,\"model\":\"m\"}",
         "{\"stream_options\":{\"include_usage\":true},\"stream\":true,\"model\":\"m\"}"},
        {" { \"stream\":true,\"model\":\"m\"}",
         " {\"stream_options\":{\"include_usage\":true}, \"stream\":true,\"model\":\"m\"}"},
        {"{\"stream\":true,\"model\":\"m\",\"stream_options\":{}}",
         "{\"stream\":true,\"model\":\"m\",\"stream_options\":{\"include_usage\":true}}"},
        {"{\"stream\":true,\"model\":\"m\",\"stream_options\":{\"a\":1}}",
         "{\"stream\":true,\"model\":\"m\",\"stream_options\":{\"include_usage\":true,\"a\":1}"
         "}"},
        {"{\"stream\":true,\"model\":\"m\",\"stream_options\":{\"include_usage\":false}}",
         "{\"stream\":true,\"model\":\"m\",\"stream_options\":{\"include_usage\":true}}"},
        {"{\"stream\":true,\"model\":\"m\",\"stream_options\":null}",
         "{\"stream\":true,\"model\":\"m\",\"stream_options\":{\"include_usage\":true}}"},
        {"{\"stream\":true,\"model\":\"m\",\"stream_options\":{\"include_usage\":true}}",
         NULL},
        {"{\"stream\":false,\"model\":\"m\"}", NULL},
        {"{\"stream\":\"true\",\"model\":\"m\"}", NULL},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct plan plan = plan_of(CHAT, cases[i].body, NULL);

        assert_int_equal(plan.kind, PLAN_CALL);
        assert_string_equal(buf_text(&plan.body),
                            cases[i].sent == NULL ? cases[i].body : cases[i].sent);
        assert_int_equal(plan.open.strip_usage, cases[i].sent != NULL);
        plan_clear(&plan);
    }
}

static void who_asks_for_one_model_is_not_answered_by_another(void **state)
{
    static const struct {
        const char *path, *model, *says;
    } cases[] = {
        {CHAT, "gpt-unknown", "policy has no model of that name that is asked so; there are: chat, may-see-it"},
        {MESSAGES, "claude-x", "there are: messages"},
        {CHAT, "chat", NULL},
        {CHAT, "may-see-it", NULL},
    };
    size_t scanned = 0;
    const struct door_config config = {.models = models,
                                       .model_count = COUNT(models),
                                       .scan = {.classes = find_mark, .self = &scanned}};

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        AUTO_FREE char *body = xformat("{\"model\":\"%s\"}", cases[i].model);
        struct plan plan = plan_by(config, cases[i].path, body);

        assert_int_equal(plan.kind, cases[i].says == NULL ? PLAN_CALL : PLAN_REFUSE);
        if (cases[i].says != NULL) {
            assert_int_equal(plan.status, 400);
            assert_string_equal(plan.reason, "model");
            assert_non_null(strstr(plan.message, cases[i].says));
        }
        plan_clear(&plan);
    }
}

static void the_model_of_the_run_serves_names_that_policy_does_not_know_if_it_says_so(void **state)
{
    static const struct {
        const char *path, *model;
        uint32_t index;
    } cases[] = {
        {CHAT, "gpt-unknown", 0}, {CHAT, "chat", 0},         {CHAT, "may-see-it", 4},
        {CHAT, "messages", 0},    {MESSAGES, "claude-x", 2}, {RESPONSES, "responses", 1},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        AUTO_FREE char *body = xformat("{\"model\":\"%s\"}", cases[i].model);
        struct plan plan = plan_of(cases[i].path, body, NULL);

        assert_int_equal(plan.kind, PLAN_CALL);
        assert_int_equal(plan.open.model, cases[i].index);
        assert_string_equal(plan.open.asked, cases[i].model);
        plan_clear(&plan);
    }
}

/* References that a provider would follow, each refused with its word. */
static void what_nobody_here_has_seen_is_refused(void **state)
{
    static const struct {
        const char *path, *body, *reason;
    } cases[] = {
        {RESPONSES, "{\"model\":\"m\",\"previous_response_id\":\"resp_1\"}", "kept"},
        {RESPONSES, "{\"model\":\"m\",\"conversation\":{\"id\":\"c\"}}", "kept"},
        {RESPONSES, "{\"model\":\"m\",\"prompt\":{\"id\":\"p\"}}", "kept"},
        {RESPONSES, "{\"model\":\"m\",\"background\":true}", "kept"},
        {MESSAGES, "{\"model\":\"m\",\"container\":\"c\"}", "kept"},
        {GENERATE, "{\"cachedContent\":\"cachedContents/1\"}", "kept"},
        {RESPONSES,
         "{\"model\":\"m\",\"input\":[{\"content\":[{\"type\":\"input_file\",\"file_id\":\"f\"}]}"
         "]}",
         "file"},
        {CHAT,
         "{\"model\":\"m\",\"messages\":[{\"content\":[{\"type\":\"file\",\"file\":{\"file_id\":"
         "\"f\"}}]}]}",
         "file"},
        {MESSAGES,
         "{\"model\":\"m\",\"messages\":[{\"content\":[{\"type\":\"document\",\"source\":{"
         "\"type\":\"file\",\"file_id\":\"f\"}}]}]}",
         "file"},
        {MESSAGES,
         "{\"model\":\"m\",\"messages\":[{\"content\":[{\"source\":{\"fi\\u006ce_id\":\"f\"}},"
         "{\"source\":{\"\\u0066ile_id\":\"f\"}}]}]}",
         "file"},
        {CHAT,
         "{\"model\":\"m\",\"messages\":[{\"content\":[{\"type\":\"image_url\",\"image_url\":{"
         "\"url\":\"https://a.example/?q\"}}]}]}",
         "remote-url"},
        {RESPONSES,
         "{\"model\":\"m\",\"input\":[{\"content\":[{\"image_url\":\"https://a.example/\"}]}]}",
         "remote-url"},
        {MESSAGES,
         "{\"model\":\"m\",\"messages\":[{\"content\":[{\"type\":\"tool_result\",\"content\":[{"
         "\"type\":\"image\",\"source\":{\"type\":\"url\",\"url\":\"https://a.example/\"}}]}]}]}",
         "remote-url"},
        {GENERATE,
         "{\"contents\":[{\"parts\":[{\"fileData\":{\"fileUri\":\"https://a.example/\"}}]}]}",
         "remote-url"},
        {GENERATE,
         "{\"contents\":[{\"parts\":[{\"file_data\":{\"file_uri\":\"gs://a/b\"}}]}]}",
         "remote-url"},
        {RESPONSES, "{\"model\":\"m\",\"tools\":[{\"type\":\"web_search\"}]}", "server-tool"},
        {RESPONSES,
         "{\"model\":\"m\",\"tools\":[{\"type\":\"mcp\",\"server_url\":\"https://a.example/\"}]}",
         "server-tool"},
        {RESPONSES, "{\"model\":\"m\",\"tools\":[{\"type\":\"something_new\"}]}",
         "server-tool"},
        {CHAT, "{\"model\":\"m\",\"web_search_options\":{\"search_context_size\":\"low\"}}",
         "server-tool"},
        {MESSAGES, "{\"model\":\"m\",\"tools\":[{\"type\":\"web_search_20250305\"}]}",
         "server-tool"},
        {MESSAGES, "{\"model\":\"m\",\"mcp_servers\":[{\"type\":\"url\",\"name\":\"x\"}]}",
         "server-tool"},
        {GENERATE, "{\"tools\":[{\"googleSearch\":{}}]}", "server-tool"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct plan plan = plan_of(cases[i].path, cases[i].body, NULL);

        if (plan.kind != PLAN_REFUSE || plan.status != 400 ||
            strcmp(plan.reason, cases[i].reason) != 0)
            fail_msg("%s: %s", cases[i].body, plan.reason == NULL ? "passed" : plan.message);
        plan_clear(&plan);
    }
}

static void what_policy_lets_a_model_reach_passes(void **state)
{
    static const char body[] =
        "{\"model\":\"may-see-it\",\"messages\":[{\"content\":[{\"image_url\":{\"url\":"
        "\"https://a.example/\"}}]}]}";
    static const char other[] =
        "{\"model\":\"may-see-it\",\"messages\":[{\"content\":[{\"file_id\":\"f\"}]}]}";
    struct plan plan = plan_of(CHAT, body, NULL);

    (void)state;
    assert_int_equal(plan.kind, PLAN_CALL);
    plan_clear(&plan);
    plan = plan_of(CHAT, other, NULL);
    assert_string_equal(plan.reason, "file");
    plan_clear(&plan);
}

static void the_agents_own_data_is_no_reference(void **state)
{
    static const struct {
        const char *path, *body;
    } cases[] = {
        {CHAT, "{\"model\":\"m\",\"tools\":[{\"type\":\"function\",\"function\":{\"parameters\":{"
               "\"properties\":{\"file_id\":{\"type\":\"string\",\"default\":\"f\"}}}}}]}"},
        {CHAT, "{\"model\":\"m\",\"messages\":[{\"content\":[{\"image_url\":{\"url\":"
               "\"data:text/plain;base64,aGVsbG8=\"}}]}]}"},
        {RESPONSES,
         "{\"model\":\"m\",\"previous_response_id\":null,\"conversation\":null,"
         "\"background\":false,\"tools\":[{\"type\":\"function\",\"name\":\"f\"},{\"type\":"
         "\"namespace\",\"name\":\"n\",\"tools\":[{\"type\":\"function\",\"name\":\"g\"}]}]}"},
        {MESSAGES, "{\"model\":\"m\",\"mcp_servers\":[],\"tools\":[{\"name\":\"f\"},{\"type\":"
                   "\"bash_20250124\",\"name\":\"bash\"}]}"},
        {MESSAGES,
         "{\"model\":\"m\",\"messages\":[{\"content\":[{\"type\":\"tool_use\",\"input\":{"
         "\"file_id\":\"f\",\"source\":{\"url\":\"https://a.example/\"}}}]}]}"},
        {GENERATE, "{\"tools\":[{\"functionDeclarations\":[{\"name\":\"f\"}]}],\"contents\":[{"
                   "\"parts\":[{\"functionCall\":{\"args\":{\"fileUri\":\"x\"}}}]}]}"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct plan plan = plan_of(cases[i].path, cases[i].body, NULL);

        if (plan.kind != PLAN_CALL)
            fail_msg("%s: %s", cases[i].body, plan.message);
        plan_clear(&plan);
    }
}

static void path_and_body_name_one_model(void **state)
{
    static const struct {
        const char *body;
        bool passes;
    } cases[] = {
        {"{\"contents\":[]}", true},
        {"{\"model\":\"models/gemini\"}", true},
        {"{\"model\":\"gemini\"}", true},
        {"{\"model\":\"other\"}", false},
        {"{\"model\":7}", false},
        {"{\"generateContentRequest\":{\"model\":\"models/other\"}}", false},
        {"{\"requests\":[{\"model\":\"models/gemini\"},{\"model\":\"models/other\"}]}", false},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct plan plan = plan_of(GENERATE, cases[i].body, NULL);

        if ((plan.kind == PLAN_CALL) != cases[i].passes)
            fail_msg("%s", cases[i].body);
        plan_clear(&plan);
    }
}

/* Neither half is anything by itself; between them may stand what is only protocol. */
static void texts_are_looked_at_where_they_meet(void **state)
{
    static const struct {
        const char *path, *body;
        bool is_found;
    } cases[] = {
        {CHAT,
         "[{\"role\":\"user\",\"content\":\"x SENSI\"},{\"role\":\"user\",\"content\":"
         "\"TIVE-VALUE x\"}]",
         true},
        {CHAT,
         "[{\"role\":\"user\",\"content\":\"SENSITIVE-\"},{\"role\":\"user\",\"content\":"
         "\"VA\"},{\"role\":\"tool\",\"tool_call_id\":\"c1\",\"content\":\"LUE\"}]",
         true},
        {MESSAGES,
         "[{\"role\":\"user\",\"content\":[{\"type\":\"text\",\"text\":\"SENSITI\"},"
         "{\"type\":\"text\",\"text\":\"VE-VALUE\"}]}]",
         true},
        {CHAT, "[\"SENSITIVE\",\"-VALUE\"]", true},
        {CHAT, "[{\"content\":\"SENSITIVE\"},{\"content\":\" \"},{\"content\":\"-VALUE\"}]",
         false},
        {CHAT, "[{\"SENSITIVE\":1,\"-VALUE\":2}]", false},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        AUTO_FREE char *body = xformat("{\"model\":\"m\",\"messages\":%s}", cases[i].body);
        size_t whole = 0;
        struct plan plan =
            plan_with(&(struct door_scan){find_mark, &whole, mark_across, NULL}, cases[i].path, body);

        if ((plan.kind == PLAN_REFUSE) != cases[i].is_found ||
            (cases[i].is_found && strcmp(plan.reason, "data-class") != 0))
            fail_msg("%s", body);
        plan_clear(&plan);
        plan = plan_of(cases[i].path, body, NULL); /* who does not look there finds nothing */
        assert_int_equal(plan.kind, PLAN_CALL);
        plan_clear(&plan);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(every_place_of_every_dialect_is_looked_at),
        TEST(encoded_values_are_found_too),
        TEST(texts_are_looked_at_where_they_meet),
        TEST(what_cannot_be_looked_into_is_opaque),
        TEST(an_untouched_request_stays_byte_for_byte),
        TEST(the_usage_of_a_stream_is_asked_for_and_nothing_else_changes),
        TEST(who_asks_for_one_model_is_not_answered_by_another),
        TEST(the_model_of_the_run_serves_names_that_policy_does_not_know_if_it_says_so),
        TEST(what_nobody_here_has_seen_is_refused),
        TEST(what_policy_lets_a_model_reach_passes),
        TEST(the_agents_own_data_is_no_reference),
        TEST(path_and_body_name_one_model),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
