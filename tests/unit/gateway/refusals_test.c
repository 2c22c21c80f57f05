/* What the door refuses: in the client's own dialect, with a record, and nothing reaches a
 * provider. */
#include "world.h"

#include <sys/socket.h>

#define CHAT "/v1/chat/completions"
#define RESPONSES "/v1/responses"
#define MESSAGES "/v1/messages"
#define CARD                                                                                  \
    "4111"                                                                                    \
    "1111"                                                                                    \
    "1111"                                                                                    \
    "1111"
#define TOKEN                                                                                 \
    "ghp_"                                                                                    \
    "a1B2c3D4e5F6g7H8i9J0"                                                                    \
    "k1L2m3N4o5P6q7R8"
#define ASK "{\"model\":\"m\",\"messages\":[]}"
#define ANSWER                                                                                \
    "{\"choices\":[],\"content\":[],\"usage\":{\"prompt_tokens\":1,\"completion_tokens\":1}}"
#define JSON "Content-Type: application/json\r\n"

static void answer_right(struct link *link, struct slice request)
{
    (void)request;
    link_answer(link, 200, "application/json", ANSWER);
}

static void check_nothing_was_called(struct world *world)
{
    AUTO_FREE char *log = upstream_log(&world->upstream);

    assert_string_equal(log, "");
    ASSERT_RECORDS(world, 0, "\"model.intent\"");
}

/* HEAD, then a blank line and BODY; each on a connection of its own. */
static const struct refusal {
    const char *request;
    int status;
    const char *reason;
    const char *dialect; /* of the error body */
} refusals[] = {
    {"GET " CHAT " HTTP/1.1\r\nHost: a\r\n\r\n", 405, "method", "openai"},
    {"PUT " CHAT " HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n", 405, "method", "openai"},
    {"DELETE " MESSAGES " HTTP/1.1\r\nHost: a\r\n\r\n", 405, "method", "anthropic"},
    {"POST /v1/models HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n", 405, "method",
     "openai"},
    {"POST /v1/images HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\n{}", 404,
     "unknown-path", "openai"},
    {"POST /v1/files HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\n{}", 400, "kept",
     "openai"},
    {"POST /v1beta/models/g:predict HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\n{}", 404,
     "unknown-path", "gemini"},
    {"POST /v1beta/models/g:streamGenerateContent HTTP/1.1\r\nHost: a\r\n" JSON
     "Content-Length: 2\r\n\r\n{}",
     400, "stream-form", "gemini"},
    {"GET / HTTP/1.1\r\nHost: a\r\n\r\n", 404, "unknown-path", "openai"},
    {"POST /v1/../files HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\n{}", 404,
     "unknown-path", "openai"},
    {"POST /v1/messages/count HTTP/1.1\r\nHost: a\r\nanthropic-version: "
     "1\r\nContent-Length: 2\r\n\r\n{}",
     404, "unknown-path", "anthropic"},
    {"CONNECT example.org:443 HTTP/1.1\r\nHost: example.org:443\r\n\r\n", 405, "connect",
     "openai"},
    {"GET http://example.org/ HTTP/1.1\r\nHost: example.org\r\n\r\n", 400, "egress", "openai"},
    {"POST http://example.org" CHAT " HTTP/1.1\r\nHost: example.org\r\n" JSON
     "Content-Length: 2\r\n\r\n{}",
     400, "egress", "openai"},
    {"GET " RESPONSES
     " HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n",
     400, "upgrade", "openai"},
    {"POST " CHAT " HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\n{}", 415, "content-type",
     "openai"},
    {"POST " CHAT
     " HTTP/1.1\r\nHost: a\r\nContent-Type: text/plain\r\nContent-Length: 2\r\n\r\n{}",
     415, "content-type", "openai"},
    {"POST " CHAT " HTTP/1.1\r\nHost: a\r\n" JSON
     "Content-Encoding: gzip\r\nContent-Length: 2\r\n\r\n{}",
     415, "encoded", "openai"},
    {"POST " CHAT " HTTP/1.1\r\nHost: a\r\n" JSON "Content-Length: 5\r\n\r\n{\"a\":", 400,
     "malformed", "openai"},
    {"POST " CHAT " HTTP/1.1\r\nHost: a\r\n" JSON "Content-Length: 2\r\n\r\n{}", 400,
     "malformed", "openai"},
    {"POST " CHAT " HTTP/1.1\r\nHost: a\r\n" JSON "Content-Length: 11\r\n\r\n{\"model\":1}",
     400, "malformed", "openai"},
    {"POST " CHAT " HTTP/1.1\r\nHost: a\r\n" JSON "Content-Length: 2\r\n\r\n[]", 400,
     "malformed", "openai"},
    {"POST " CHAT " HTTP/1.1\r\nHost: a\r\n" JSON "Content-Length: 0\r\n\r\n", 400,
     "malformed", "openai"},
    {"POST " CHAT " HTTP/1.1\r\nHost: a\r\n" JSON
     "Content-Length: 27\r\n\r\n{\"model\":\"a\",\"mod\\u0065l\":1}",
     400, "malformed", "openai"},
    {"POST " CHAT " HTTP/1.1\r\nHost: a\r\n" JSON
     "Content-Length: 21\r\n\r\n{\"model\":\"a\",\"b\":\"\xFF\"}",
     400, "malformed", "openai"},
    {"POST " MESSAGES " HTTP/1.1\r\nHost: a\r\n" JSON
     "Content-Length: 13\r\n\r\n{\"model\":\"m\"}",
     400, "dialect", "anthropic"},
    {"POST " RESPONSES " HTTP/1.1\r\nHost: a\r\n" JSON
     "Content-Length: 13\r\n\r\n{\"model\":\"m\"}",
     400, "dialect", "openai"},
    {"POST " CHAT " HTTP/1.1\r\nHost: a\r\n" JSON "Content-Length: 33554433\r\n\r\n", 413,
     "too-large", "openai"},
    {"POST " MESSAGES " HTTP/1.1\r\nHost: a\r\n" JSON "Content-Length: 33554433\r\n\r\n", 413,
     "too-large", "anthropic"},
    {"POST " MESSAGES " HTTP/1.1\r\nHost: a\r\nX: b\r\n c\r\n\r\n", 400, "malformed",
     "anthropic"},
    /* smuggling: each has made two servers read two requests out of the same bytes */
    {"POST " CHAT " HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nTransfer-Encoding: "
     "chunked\r\n\r\n0\r\n\r\n",
     400, "malformed", "openai"},
    {"POST " CHAT
     " HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello!",
     400, "malformed", "openai"},
    {"POST " CHAT " HTTP/1.1\nHost: a\nContent-Length: 0\n\n", 400, "malformed", "openai"},
    {"POST " CHAT " HTTP/1.1\r\nHost: a\r\nX: b\r\n Content-Length: 5\r\n\r\n", 400,
     "malformed", "openai"},
    {"POST " CHAT
     " HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5;x=y\r\nhello\r\n0\r\n\r\n",
     400, "malformed", "openai"},
    {"POST " CHAT " HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
     501, "malformed", "openai"},
    {"POST " CHAT " HTTP/1.1\r\nHost: a\r\nHost: b\r\nContent-Length: 0\r\n\r\n", 400,
     "malformed", "openai"},
    {"POST " CHAT " HTTP/1.0\r\nHost: a\r\n\r\n", 505, "malformed", "openai"},
    {"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505, "malformed", "openai"},
    {"\x16\x03\x01\x02\x01\x01\x02\r\n\r\n", 400, "malformed", "openai"},
};

static void check_refusal(const struct world *world, const struct refusal *refusal)
{
    AUTO_CLOSE int socket = world_connect(world);
    const char *member = strcmp(refusal->dialect, "gemini") == 0 ? "reason" : "code";
    AUTO_FREE char *answer = NULL, *code = xformat("\"%s\":\"%s\"", member, refusal->reason);

    (void)world_send(socket, slice_of(refusal->request));
    (void)shutdown(socket, SHUT_WR);
    answer = world_read_all(socket, 10000);
    if (world_status(answer) != refusal->status)
        fail_msg("%s\n%d wanted: %s", refusal->request, refusal->status, answer);
    if (strcmp(refusal->dialect, "anthropic") == 0)
        ASSERT_HAS(answer, "{\"type\":\"error\",\"error\":{\"type\":\"");
    else
        ASSERT_HAS(answer, code);
    ASSERT_HAS(answer, "custody: ");
    ASSERT_HAS(answer, "content-type: application/json\r\n");
    if (strstr(answer, "}HTTP/1.1 ") != NULL)
        fail_msg("%s\nwas answered twice: %s", refusal->request, answer);
}

static void everything_but_a_model_call_is_refused_and_recorded(void **state)
{
    struct world world = {.answer = answer_right};

    (void)state;
    world_begin(&world);
    for (size_t i = 0; i < COUNT(refusals); i++)
        check_refusal(&world, &refusals[i]);
    check_nothing_was_called(&world);
    ASSERT_RECORDS(&world, COUNT(refusals), "\"refused\"", "\"mechanism\":\"door\"",
                   "\"verdict\":\"deny\"", "maria");
    ASSERT_RECORDS(&world, 5, "\"reason\":\"unknown-path\"", "\"status\":404");
    ASSERT_RECORDS(&world, 1, "\"reason\":\"connect\"", "\"path\":\"example.org:443\"",
                   "CONNECT");
    ASSERT_RECORDS(&world, 1, "\"path\":\"/v1/images\"");
    world_end(&world);
}

static const struct {
    enum dialect dialect;
    const char *path, *body, *rule;
    const char *class;
} secrets[] = {
    {DIALECT_OPENAI, CHAT,
     "{\"model\":\"m\",\"messages\":[{\"role\":\"user\",\"content\":\"my card is " CARD
     "\"}]}",
     "pan.", "pan"},
    {DIALECT_OPENAI, CHAT,
     "{\"model\":\"m\",\"stream\":true,\"messages\":[{\"role\":\"tool\",\"content\":"
     "\"TOKEN=" TOKEN "\"}]}",
     "secret.", "secret"},
    {DIALECT_OPENAI_RESPONSES, RESPONSES,
     "{\"model\":\"m\",\"input\":[{\"type\":\"function_call_output\",\"output\":"
     "\"card 4111 \\u0031111 1111 1111\"}]}",
     "pan.", "pan"},
    {DIALECT_OPENAI_RESPONSES, RESPONSES,
     "{\"model\":\"m\",\"input\":[{\"type\":\"function_call\",\"arguments\":\"{\\\"card\\\":"
     "\\\"" CARD "\\\"}\"}]}",
     "pan.", "pan"},
    {DIALECT_ANTHROPIC, MESSAGES,
     "{\"model\":\"m\",\"messages\":[{\"role\":\"user\",\"content\":[{\"type\":\"tool_"
     "result\",\"content\":\"" TOKEN "\"}]}]}",
     "secret.", "secret"},
    {DIALECT_ANTHROPIC, MESSAGES, "{\"model\":\"m\",\"" CARD "\":1,\"messages\":[]}", "pan.",
     "pan"},
    {DIALECT_ANTHROPIC, MESSAGES, "{\"model\":\"m\",\"messages\":[],\"x\":" CARD "}", "pan.",
     "pan"},
};

static void what_is_sensitive_does_not_leave(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(secrets); i++) {
        struct world world = {.answer = answer_right, .dialect = secrets[i].dialect};
        AUTO_FREE char *answer = NULL, *class = xformat("\"class\":\"%s\"", secrets[i].class);

        world_begin(&world);
        answer = world_post(&world, secrets[i].path, secrets[i].body);
        if (world_status(answer) != 400)
            fail_msg("%s: %s", secrets[i].body, answer);
        ASSERT_HAS(answer, secrets[i].rule);
        ASSERT_LACKS(answer, CARD);
        ASSERT_LACKS(answer, TOKEN);
        check_nothing_was_called(&world);
        ASSERT_RECORDS(&world, 1, "\"refused\"", "\"reason\":\"data-class\"", class,
                       secrets[i].rule);
        ASSERT_RECORDS(&world, 0, CARD);
        ASSERT_RECORDS(&world, 0, TOKEN);
        world_end(&world);
    }
}

static void what_policy_allows_a_model_to_see_leaves(void **state)
{
    struct world world = {.answer = answer_right, .allow = CLASS_BIT(CLASS_PAN)};
    AUTO_FREE char *card = NULL, *token = NULL, *log = NULL;

    (void)state;
    world_begin(&world);
    card = world_post(&world, CHAT, secrets[0].body);
    ASSERT_HAS(card, "HTTP/1.1 200 ");
    token = world_post(&world, CHAT, secrets[1].body);
    ASSERT_HAS(token, "HTTP/1.1 400 ");
    log = upstream_log(&world.upstream);
    ASSERT_HAS(log, secrets[0].body);
    ASSERT_LACKS(log, TOKEN);
    ASSERT_RECORDS(&world, 1, "\"model.intent\"", "\"class\":\"pan\"");
    world_end(&world);
}

static void what_a_model_may_see_only_redacted_leaves_so_and_the_intent_tells(void **state)
{
    struct world world = {.answer = answer_right, .allow_redacted = CLASS_BIT(CLASS_PAN)};
    AUTO_FREE char *card = NULL, *log = NULL;

    (void)state;
    world_begin(&world);
    card = world_post(&world, CHAT, secrets[0].body);
    ASSERT_HAS(card, "HTTP/1.1 200 ");
    log = upstream_log(&world.upstream);
    ASSERT_HAS(log, "\"messages\"");
    ASSERT_LACKS(log, CARD);
    ASSERT_RECORDS(&world, 1, "\"model.intent\"", "\"verdict\":\"redact\"",
                   "\"receipts\":\"pan.", "+16 #1=");
    ASSERT_RECORDS(&world, 0, CARD);
    world_end(&world);
}

/* Names and paths are the agent's words, and records are not the place to smuggle data into.
 */
static void sensitive_words_stay_out_of_records(void **state)
{
    struct world world = {.answer = answer_right, .allow = CLASS_BIT(CLASS_PAN)};
    AUTO_FREE char *path = NULL, *method = NULL, *model = NULL, *header = NULL;

    (void)state;
    world_begin(&world);
    path = world_raw(&world,
                     "GET /card/" CARD " HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
    ASSERT_HAS(path, "HTTP/1.1 404 ");
    method = world_raw(&world,
                       CARD " /v1/nothing HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
    ASSERT_HAS(method, "HTTP/1.1 404 ");
    model = world_post(&world, CHAT, "{\"model\":\"" CARD "\",\"messages\":[]}");
    ASSERT_HAS(model, "HTTP/1.1 200 ");
    header =
        world_raw(&world, "POST " CHAT " HTTP/1.1\r\nHost: a\r\nConnection: close\r\n" JSON
                          "Accept: " TOKEN "\r\nContent-Length: 27\r\n\r\n" ASK);
    ASSERT_HAS(header, "HTTP/1.1 400 ");
    ASSERT_HAS(header, "secret.");
    ASSERT_RECORDS(&world, 0, CARD);
    ASSERT_RECORDS(&world, 0, TOKEN);
    ASSERT_RECORDS(&world, 2, "\"unknown-path\"");
    ASSERT_RECORDS(&world, 1, "\"model.outcome\"", "\"ok\"");
    world_end(&world);
}

static void the_models_of_policy_are_listed(void **state)
{
    struct world world = {.answer = answer_right};
    AUTO_FREE char *answer = NULL;

    (void)state;
    world_begin(&world);
    answer =
        world_raw(&world, "GET /v1/models HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
    ASSERT_HAS(answer, "HTTP/1.1 200 ");
    ASSERT_HAS(answer, "{\"id\":\"main-model\"");
    ASSERT_HAS(answer, "{\"id\":\"no-key-model\"");
    ASSERT_LACKS(answer, WORLD_KEY);
    check_nothing_was_called(&world);
    world_end(&world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(everything_but_a_model_call_is_refused_and_recorded),
        TEST(what_is_sensitive_does_not_leave),
        TEST(what_policy_allows_a_model_to_see_leaves),
        TEST(what_a_model_may_see_only_redacted_leaves_so_and_the_intent_tells),
        TEST(sensitive_words_stay_out_of_records),
        TEST(the_models_of_policy_are_listed),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
