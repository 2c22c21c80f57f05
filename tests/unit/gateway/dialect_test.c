/* What differs between the model APIs, row by row: paths, targets, errors, lists, bodies. */
#include "gateway/dialect/dialect.h"
#include "gateway/dialect/models.h"
#include "gateway/dialect/operation.h"
#include "gateway/dialect/said.h"
#include "gateway/dialect/target.h"

#include "base/scope.h"
#include "test.h"

static void paths_lead_to_operations_with_versions_missing_or_doubled(void **state)
{
    static const struct {
        const char *path;
        enum route_kind kind;
        enum dialect dialect;
        enum operation operation;
        const char *model;
    } cases[] = {
        {"/v1/chat/completions", ROUTE_CALL, DIALECT_OPENAI, OPERATION_CHAT, ""},
        {"/chat/completions", ROUTE_CALL, DIALECT_OPENAI, OPERATION_CHAT, ""},
        {"/v1/completions", ROUTE_CALL, DIALECT_OPENAI, OPERATION_COMPLETION, ""},
        {"/v1/embeddings", ROUTE_CALL, DIALECT_OPENAI, OPERATION_EMBEDDING, ""},
        {"/v1/v1/messages", ROUTE_CALL, DIALECT_ANTHROPIC, OPERATION_MESSAGE, ""},
        {"/v1/messages/count_tokens", ROUTE_CALL, DIALECT_ANTHROPIC, OPERATION_MESSAGE_COUNT,
         ""},
        {"/responses", ROUTE_CALL, DIALECT_OPENAI_RESPONSES, OPERATION_RESPONSE, ""},
        {"/v1/responses/input_tokens", ROUTE_CALL, DIALECT_OPENAI_RESPONSES,
         OPERATION_RESPONSE_COUNT, ""},
        {"/v1beta/models/gemini-2.5-pro:generateContent", ROUTE_CALL, DIALECT_GEMINI,
         OPERATION_GENERATE, "gemini-2.5-pro"},
        {"/v1beta/models/g:streamGenerateContent", ROUTE_CALL, DIALECT_GEMINI,
         OPERATION_GENERATE_STREAM, "g"},
        {"/v1/v1beta/models/g:countTokens", ROUTE_CALL, DIALECT_GEMINI,
         OPERATION_GENERATE_COUNT, "g"},
        {"/v1beta/models/g:batchEmbedContents", ROUTE_CALL, DIALECT_GEMINI,
         OPERATION_EMBED_MANY, "g"},
        {"/v1beta/models/g:batchGenerateContent", ROUTE_UNKNOWN, DIALECT_GEMINI, 0, "g"},
        {"/v1beta/models/../g:generateContent", ROUTE_UNKNOWN, DIALECT_GEMINI, 0, ""},
        {"/v1beta/models/a%2Fg:generateContent", ROUTE_UNKNOWN, DIALECT_GEMINI, 0, ""},
        {"/v1beta/models/:generateContent", ROUTE_UNKNOWN, DIALECT_GEMINI, 0, ""},
        {"/v1/models", ROUTE_MODELS, DIALECT_OPENAI, 0, ""},
        {"/v1beta/models", ROUTE_MODELS, DIALECT_GEMINI, 0, ""},
        {"/v1/models/gpt-5", ROUTE_MODEL, DIALECT_OPENAI, 0, "gpt-5"},
        {"/v1/responses/resp_1", ROUTE_KEPT, DIALECT_OPENAI, 0, ""},
        {"/v1/files", ROUTE_KEPT, DIALECT_OPENAI, 0, ""},
        {"/v1/messages/batches", ROUTE_KEPT, DIALECT_OPENAI, 0, ""},
        {"/v1beta/cachedContents", ROUTE_KEPT, DIALECT_GEMINI, 0, ""},
        {"/v1/v1/v1/messages", ROUTE_UNKNOWN, DIALECT_OPENAI, 0, ""},
        {"/v1/messages/", ROUTE_UNKNOWN, DIALECT_OPENAI, 0, ""},
        {"/V1/messages", ROUTE_UNKNOWN, DIALECT_OPENAI, 0, ""},
        {"//v1/messages", ROUTE_UNKNOWN, DIALECT_OPENAI, 0, ""},
        {"", ROUTE_UNKNOWN, DIALECT_OPENAI, 0, ""},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct route route = operation_route(slice_of(cases[i].path));

        if (route.kind != cases[i].kind || route.dialect != cases[i].dialect ||
            route.operation != cases[i].operation ||
            !slice_equal(route.model, slice_of(cases[i].model)))
            fail_msg("%s", cases[i].path);
    }
}

static void a_base_url_leads_to_the_target(void **state)
{
    static const struct {
        struct gateway_model model;
        enum operation operation;
        bool stream;
        const char *target; /* NULL: there is none */
    } cases[] = {
        {{.url = "https://a.example"}, OPERATION_CHAT, false, "/v1/chat/completions"},
        {{.url = "https://a.example/v1/"}, OPERATION_CHAT, true, "/v1/chat/completions"},
        {{.url = "https://a.example/api/openai"},
         OPERATION_CHAT,
         false,
         "/api/openai/chat/completions"},
        {{.url = "https://a.example/v1?api-version=1"},
         OPERATION_EMBEDDING,
         false,
         "/v1/embeddings?api-version=1"},
        {{.url = "http://[::1]:80/v1", .dialect = DIALECT_OPENAI_RESPONSES},
         OPERATION_RESPONSE,
         true,
         "/v1/responses"},
        {{.url = "https://a.example", .dialect = DIALECT_ANTHROPIC},
         OPERATION_MESSAGE,
         true,
         "/v1/messages"},
        {{.url = "https://a.example/anthropic", .dialect = DIALECT_ANTHROPIC},
         OPERATION_MESSAGE_COUNT,
         false,
         "/anthropic/v1/messages/count_tokens"},
        {{.url = "https://a.example", .dialect = DIALECT_GEMINI, .model = "g-2"},
         OPERATION_GENERATE_STREAM,
         true,
         "/v1beta/models/g-2:streamGenerateContent?alt=sse"},
        {{.url = "https://a.example/v1alpha?x=1", .dialect = DIALECT_GEMINI, .model = "g"},
         OPERATION_GENERATE_STREAM,
         true,
         "/v1alpha/models/g:streamGenerateContent?alt=sse&x=1"},
        {{.url = "https://a.example", .dialect = DIALECT_GEMINI, .model = "../g"},
         OPERATION_GENERATE,
         false,
         NULL},
        {{.url = "https://r.openai.azure.com", .service = SERVICE_AZURE, .name = "gpt"},
         OPERATION_CHAT,
         false,
         "/openai/v1/chat/completions"},
        {{.url = "https://r.openai.azure.com/openai/v1/",
          .service = SERVICE_AZURE,
          .api_version = "preview",
          .dialect = DIALECT_OPENAI_RESPONSES},
         OPERATION_RESPONSE,
         false,
         "/openai/v1/responses?api-version=preview"},
        {{.url = "https://r.openai.azure.com",
          .service = SERVICE_AZURE,
          .api_version = "2024-10-21",
          .model = "my gpt"},
         OPERATION_CHAT,
         false,
         "/openai/deployments/my%20gpt/chat/completions?api-version=2024-10-21"},
        {{.url = "https://r.openai.azure.com",
          .service = SERVICE_AZURE,
          .api_version = "2025-04-01-preview",
          .dialect = DIALECT_OPENAI_RESPONSES},
         OPERATION_RESPONSE,
         false,
         "/openai/responses?api-version=2025-04-01-preview"},
        {{.url = "https://bedrock-runtime.us-east-1.amazonaws.com",
          .service = SERVICE_BEDROCK,
          .dialect = DIALECT_ANTHROPIC,
          .model = "anthropic.claude-3-v1:0"},
         OPERATION_MESSAGE,
         true,
         "/model/anthropic.claude-3-v1%3A0/invoke-with-response-stream"},
        {{.url = "https://b.example",
          .service = SERVICE_BEDROCK,
          .dialect = DIALECT_ANTHROPIC,
          .model = "arn:aws:x/y"},
         OPERATION_MESSAGE,
         false,
         "/model/arn%3Aaws%3Ax%2Fy/invoke"},
        {{.url = "https://b.example",
          .service = SERVICE_BEDROCK,
          .dialect = DIALECT_ANTHROPIC,
          .model = "m"},
         OPERATION_MESSAGE_COUNT,
         false,
         NULL},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        AUTO_BUF struct buf target = buf_with_limit(1024);
        struct fault fault = {0};
        bool ok = target_path(&cases[i].model, cases[i].operation, cases[i].stream, &target,
                              &fault);

        assert_int_equal(ok, cases[i].target != NULL);
        if (ok)
            assert_string_equal(buf_text(&target), cases[i].target);
    }
}

static void entries_fit_their_service(void **state)
{
    static const struct {
        struct gateway_model model;
        bool fits;
    } cases[] = {
        {{.service = SERVICE_PLAIN}, true},
        {{.service = SERVICE_AZURE, .api_version = "2024-10-21"}, true},
        {{.service = SERVICE_AZURE, .dialect = DIALECT_ANTHROPIC}, false},
        {{.service = SERVICE_AZURE, .api_version = "1&x=2"}, false},
        {{.service = SERVICE_PLAIN, .api_version = "2024-10-21"}, false},
        {{.service = SERVICE_BEDROCK, .dialect = DIALECT_ANTHROPIC, .region = "eu-west-1"},
         true},
        {{.service = SERVICE_BEDROCK, .dialect = DIALECT_ANTHROPIC}, false},
        {{.service = SERVICE_BEDROCK, .dialect = DIALECT_OPENAI, .region = "eu-west-1"}, false},
        {{.service = SERVICE_PLAIN, .region = "eu-west-1"}, false},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct gateway_model model = cases[i].model;
        struct fault fault = {0};

        model.name = "m";
        assert_int_equal(target_check(&model, &fault), cases[i].fits);
    }
}

/* What the provider of `model` gets of `body`; the caller frees. NULL: it is refused. */
static char *adapted(const struct gateway_model *model, enum operation operation,
                     const char *in_path, const char *body, const char *beta)
{
    AUTO_BUF struct buf name = buf_with_limit(1024);
    AUTO_BUF struct buf out = buf_with_limit(4096);
    struct said_edits edits;
    struct said said = {0};
    const struct json_visitor visitor = {.member = said_member, .self = &said};
    struct fault fault = {0};
    char *text = NULL;

    assert_ok(json_walk(slice_of(body), &visitor, &fault), fault);
    assert_ok(said_read(operation, slice_of(in_path), slice_of(body), &said, &name, &fault),
              fault);
    if (!said_adapt(model, operation, &said, slice_of(body), slice_of(beta), &edits, &fault))
        return NULL;
    assert_ok(json_splice(slice_of(body), edits.at, edits.count, &out, &fault), fault);
    assert_ok(json_walk(buf_slice(&out), NULL, &fault), fault);
    if (edits.model_len > 0) {
        struct slice there = slice_part(buf_slice(&out), edits.model_at,
                                        edits.model_at + edits.model_len);

        assert_true(slice_equal(there, SLICE("\"m\"")));
    }
    text = slice_dup(buf_slice(&out));
    buf_free(&edits.room);
    return text;
}

#define VERSION "\"anthropic_version\":\"bedrock-2023-05-31\""

static void bodies_are_put_as_bedrock_wants_them(void **state)
{
    static const struct gateway_model model = {.service = SERVICE_BEDROCK,
                                               .dialect = DIALECT_ANTHROPIC};
    static const struct {
        const char *body, *beta, *sent;
    } cases[] = {
        {"{\"model\":\"m\",\"max_tokens\":5}", "", "{" VERSION ",\"max_tokens\":5}"},
        {"{\"max_tokens\":5, \"model\":\"m\" }", "", "{\"max_tokens\":5, " VERSION " }"},
        {"{\"model\":\"m\",\"stream\":true,\"a\":1}", "", "{" VERSION ",\"a\":1}"},
        {"{\"a\":1,\"model\":\"m\" , \"stream\" : true}", "", "{\"a\":1," VERSION " }"},
        {"{\"stream\":false,\"model\":\"m\"}", "", "{" VERSION "}"},
        {"{\"a\":1,\"stream\":true ,\"model\":\"m\"}", "", "{\"a\":1," VERSION "}"},
        {"{\"model\":\"m\"}", "x-1, y-2",
         "{" VERSION ",\"anthropic_beta\":[\"x-1\",\"y-2\"]}"},
        {"{\"model\":\"m\",\"anthropic_version\":\"z\"}", "", NULL},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        AUTO_FREE char *sent =
            adapted(&model, OPERATION_MESSAGE, "", cases[i].body, cases[i].beta);

        if (cases[i].sent == NULL)
            assert_null(sent);
        else
            assert_string_equal(sent, cases[i].sent);
    }
}

static void bodies_name_the_providers_model(void **state)
{
    static const struct gateway_model gemini = {.dialect = DIALECT_GEMINI, .model = "g-9"};
    static const struct gateway_model openai = {.dialect = DIALECT_OPENAI, .model = "o"};
    AUTO_FREE char *many =
        adapted(&gemini, OPERATION_EMBED_MANY, "m",
                "{\"requests\":[{\"model\":\"models/m\",\"a\":1},{\"model\":\"m\"}]}", "");
    AUTO_FREE char *none = adapted(&gemini, OPERATION_GENERATE, "m", "{\"contents\": []}", "");
    AUTO_FREE char *usage = adapted(&openai, OPERATION_COMPLETION, "",
                                    "{\"stream\":true,\"model\":\"m\",\"prompt\":\"x\"}", "");

    (void)state;
    assert_string_equal(
        many, "{\"requests\":[{\"model\":\"models/g-9\",\"a\":1},{\"model\":\"models/g-9\"}]}");
    assert_string_equal(none, "{\"contents\": []}");
    assert_string_equal(usage, "{\"stream_options\":{\"include_usage\":true},\"stream\":true,"
                               "\"model\":\"m\",\"prompt\":\"x\"}");
}

static void lists_and_errors_are_json_in_every_dialect(void **state)
{
    static const struct gateway_model models[] = {{.name = "one"}, {.name = "tw\"o"}};
    static const char *const first[DIALECT_COUNT] = {
        [DIALECT_OPENAI] = "{\"object\":\"list\",\"data\":[{\"id\":\"one\"",
        [DIALECT_OPENAI_RESPONSES] = "{\"object\":\"list\",\"data\":[{\"id\":\"one\"",
        [DIALECT_ANTHROPIC] = "{\"has_more\":false",
        [DIALECT_GEMINI] = "{\"models\":[{\"name\":\"models/one\"",
    };

    (void)state;
    for (unsigned i = 0; i < DIALECT_COUNT; i++) {
        enum dialect dialect = (enum dialect)i;
        AUTO_BUF struct buf list = buf_with_limit(4096), one = buf_with_limit(4096),
                            error = buf_with_limit(4096);
        struct fault fault = {0};

        assert_ok(models_list(dialect, models, COUNT(models), &list, &fault), fault);
        assert_ok(json_walk(buf_slice(&list), NULL, &fault), fault);
        assert_true(slice_starts_with(buf_slice(&list), slice_of(first[i])));
        assert_ok(models_one(dialect, models, COUNT(models), SLICE("tw\"o"), &one, &fault),
                  fault);
        assert_ok(json_walk(buf_slice(&one), NULL, &fault), fault);
        assert_false(models_one(dialect, models, COUNT(models), SLICE("three"), &one, &fault));
        assert_int_equal(fault.kind, FAULT_MISSING);
        assert_ok(dialect_error(dialect, 429, "busy", "why \"not\"", &error, &fault), fault);
        assert_ok(json_walk(buf_slice(&error), NULL, &fault), fault);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(paths_lead_to_operations_with_versions_missing_or_doubled),
        TEST(a_base_url_leads_to_the_target),
        TEST(entries_fit_their_service),
        TEST(bodies_are_put_as_bedrock_wants_them),
        TEST(bodies_name_the_providers_model),
        TEST(lists_and_errors_are_json_in_every_dialect),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
