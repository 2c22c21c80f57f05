/*
 * The leak harness, with real processes: a card number in every place of a request of every
 * dialect, streamed and not, refused and redacted. The provider keeps each byte that it got, and
 * sends what it was sent back, a few bytes at a time: the agent gets its own value again, in
 * an answer that is whole.
 */
#include "world.h"

#include "places.h"

#define CARD_HEAD "4111"
#define CARD                                                                                  \
    CARD_HEAD "1111"                                                                          \
              "1111"                                                                          \
              "1111"
#define BEFORE "note-"

/* What stands in front of " is on file" in the request: the value, or its stand-in. */
static struct slice said(struct slice request)
{
    size_t end = slice_find(request, SLICE(" is on file"), 0), from = end;

    if (end == SIZE_MAX)
        return SLICE("nothing");
    while (from > 0 && request.at[from - 1] >= '0' && request.at[from - 1] <= '9')
        from--;
    return slice_part(request, from, end);
}

static void stream_in_pieces(struct link *link, const char *text)
{
    size_t len = strlen(text), step = 1 + len % 7;

    link_stream(link);
    for (size_t at = 0; at < len; at += step) {
        AUTO_FREE char *piece = xformat("%.*s", (int)(step < len - at ? step : len - at), text + at);

        link_chunk(link, piece);
    }
    link_chunk_end(link);
}

static bool asks(struct slice request, const char *part)
{
    return slice_find(request, slice_of(part), 0) != SIZE_MAX;
}

/* The answers of each dialect; %.*s, twice: the first half of what was said, and the rest. */
static void answer_echo(struct link *link, struct slice request)
{
    struct slice value = said(request);
    AUTO_FREE char *a = xformat("%.*s", (int)(value.len / 2), (const char *)value.at);
    AUTO_FREE char *b = xformat("%.*s", (int)(value.len - value.len / 2),
                                (const char *)value.at + value.len / 2);
    bool stream =
        asks(request, "\"stream\":true") || asks(request, ":streamGenerateContent");
    AUTO_FREE char *text = NULL;

    if (asks(request, "POST /v1/messages"))
        text = stream ? xformat(
                   "event: message_start\ndata: {\"type\":\"message_start\",\"message\":{"
                   "\"usage\":{\"input_tokens\":3,\"output_tokens\":1}}}\n\n"
                   "event: content_block_delta\ndata: {\"type\":\"content_block_delta\","
                   "\"index\":0,\"delta\":{\"type\":\"text_delta\",\"text\":\"" BEFORE "> %s\"}}\n\n"
                   "event: content_block_delta\ndata: {\"type\":\"content_block_delta\","
                   "\"index\":0,\"delta\":{\"type\":\"text_delta\",\"text\":\"%s\"}}\n\n"
                   "event: message_stop\ndata: {\"type\":\"message_stop\"}\n\n", a, b)
                      : xformat("{\"content\":[{\"type\":\"text\",\"text\":\"" BEFORE
                                "> %s%s\"}],\"usage\":{\"input_tokens\":3,\"output_tokens\":1}}",
                                a, b);
    else if (asks(request, "POST /v1/responses"))
        text = stream ? xformat(
                   "event: response.output_text.delta\ndata: {\"type\":"
                   "\"response.output_text.delta\",\"output_index\":0,\"content_index\":0,"
                   "\"delta\":\"" BEFORE "> %s\"}\n\n"
                   "data: {\"type\":\"response.output_text.delta\",\"output_index\":0,"
                   "\"content_index\":0,\"delta\":\"%s\"}\n\n"
                   "event: response.completed\ndata: {\"type\":\"response.completed\","
                   "\"response\":{\"usage\":{\"input_tokens\":3,\"output_tokens\":1}}}\n\n",
                   a, b)
                      : xformat("{\"output\":[{\"type\":\"message\",\"content\":[{\"type\":"
                                "\"output_text\",\"text\":\"" BEFORE "> %s%s\"}]}],\"usage\":{"
                                "\"input_tokens\":3,\"output_tokens\":1}}", a, b);
    else if (asks(request, ":streamGenerateContent?alt=sse"))
        text = xformat("data: {\"candidates\": [{\"content\": {\"parts\": [{\"text\": \"" BEFORE
                       "> %s\"}],\"role\": \"model\"},\"index\": 0}]}\r\n\r\n"
                       "data: {\"candidates\": [{\"content\": {\"parts\": [{\"text\": \"%s\"}],"
                       "\"role\": \"model\"},\"index\": 0}]}\r\n\r\n"
                       "data: {\"candidates\": [{\"content\": {\"parts\": [{\"text\": \"\"}]},"
                       "\"finishReason\": \"STOP\",\"index\": 0}],\"usageMetadata\": {"
                       "\"promptTokenCount\": 3,\"candidatesTokenCount\": 1}}\r\n\r\n", a, b);
    else if (asks(request, "generateContent"))
        text = xformat("{\"candidates\":[{\"content\":{\"parts\":[{\"text\":\"" BEFORE
                       "> %s%s\"}]}}]}", a, b);
    else
        text = stream ? xformat(
                   "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"" BEFORE
                   "> %s\"}}]}\n\n"
                   "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"%s\"}}]}\n\n"
                   "data: {\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}]}"
                   "\n\ndata: [DONE]\n\n", a, b)
                      : xformat("{\"choices\":[{\"index\":0,\"message\":{\"content\":\"" BEFORE
                                "> %s%s\"}}],\"usage\":{\"prompt_tokens\":3,"
                                "\"completion_tokens\":1}}", a, b);
    if (stream)
        stream_in_pieces(link, text);
    else
        link_answer(link, 200, "application/json", text);
}

static bool is_echoed(const struct place *place)
{
    static const char *const paths[] = {CHAT, RESPONSES, MESSAGES, GENERATE};

    for (size_t i = 0; i < COUNT(paths); i++)
        if (strcmp(place->path, paths[i]) == 0)
            return true;
    return false;
}

static bool is_editable(const struct place *place)
{
    return strstr(place->body, "\"@\":") == NULL && strstr(place->body, "\"model\":\"@") == NULL &&
           strstr(place->body, "thinking") == NULL;
}

static enum dialect dialect_of(const struct place *place)
{
    if (strcmp(place->path, RESPONSES) == 0)
        return DIALECT_OPENAI_RESPONSES;
    if (strncmp(place->path, MESSAGES, strlen(MESSAGES)) == 0)
        return DIALECT_ANTHROPIC;
    return strncmp(place->path, "/v1beta/", 8) == 0 ? DIALECT_GEMINI : DIALECT_OPENAI;
}

/* The halves of a stream's text, joined. The value may stand in the first alone. */
static void assert_restored(const char *answer, const struct place *place, const char *plant)
{
    const char *at = strstr(answer, BEFORE "> ");

    if (at == NULL || strncmp(at + strlen(BEFORE "> "), CARD, strlen(CARD)) != 0)
        fail_msg("%s with %s is not put back: %s", place->path, plant, answer);
}

static void send_all(struct world *world, unsigned *ret_sent)
{
    for (size_t i = 0; i < place_count; i++)
        for (int stream = 0; stream < 2; stream++) {
            const struct place *place = &places[i];
            AUTO_FREE char *body = NULL, *answer = NULL;
            bool in_path = stream != 0 && strcmp(place->path, GENERATE) == 0;
            bool passes = world->allow_redacted != 0 && is_editable(place);

            if (dialect_of(place) != world->dialect || strstr(place->body, "base64,") != NULL)
                continue;
            body = place_planted(place, CARD " is on file", stream != 0 && !in_path);
            answer = world_post(world, in_path ? GENERATE_STREAM : place->path, body);
            if (world_status(answer) != (passes ? 200 : 400))
                fail_msg("%s: %s", body, answer);
            if (passes && is_echoed(place))
                assert_restored(answer, place, body);
            else if (!passes)
                ASSERT_LACKS(answer, CARD);
            *ret_sent += passes;
        }
}

static void no_value_leaks_from_any_place_and_no_answer_breaks(void **state)
{
    (void)state;
    for (unsigned d = 0; d < DIALECT_COUNT; d++)
        for (int redact = 0; redact < 2; redact++) {
            struct world world = {.answer = answer_echo,
                                  .dialect = (enum dialect)d,
                                  .allow_redacted = redact != 0 ? CLASS_BIT(CLASS_PAN) : 0};
            AUTO_FREE char *log = NULL;
            unsigned sent = 0;

            world_begin(&world);
            send_all(&world, &sent);
            log = upstream_log(&world.upstream);
            ASSERT_LACKS(log, CARD);
            ASSERT_LACKS(log, CARD_HEAD "\\u");
            assert_true(redact == 0 ? sent == 0 : sent >= 10);
            ASSERT_RECORDS(&world, sent, "\"model.intent\"", "\"receipts\":\"pan.");
            ASSERT_RECORDS(&world, 0, CARD);
            world_end(&world);
        }
}

static void translate_all(struct world *world, unsigned *ret_sent)
{
    for (size_t i = 0; i < whole_place_count; i++)
        for (int stream = 0; stream < 2; stream++) {
            const struct place *place = &whole_places[i];
            AUTO_FREE char *body = NULL, *answer = NULL;

            if (dialect_of(place) == world->dialect)
                continue;
            body = place_planted(place, CARD " is on file", stream != 0);
            answer = world_post(world, place->path, body);
            if (world_status(answer) != 200)
                fail_msg("%s: %s", body, answer);
            assert_restored(answer, place, body);
            ++*ret_sent;
        }
}

static void what_is_translated_leaks_nothing_and_is_put_back(void **state)
{
    (void)state;
    for (unsigned d = 0; d < DIALECT_GEMINI; d++) {
        struct world world = {.answer = answer_echo,
                              .dialect = (enum dialect)d,
                              .translate = true,
                              .allow_redacted = CLASS_BIT(CLASS_PAN)};
        AUTO_FREE char *log = NULL;
        unsigned sent = 0;

        world_begin(&world);
        translate_all(&world, &sent);
        log = upstream_log(&world.upstream);
        ASSERT_LACKS(log, CARD);
        ASSERT_LACKS(log, CARD_HEAD "\\u");
        assert_true(sent >= 40);
        ASSERT_RECORDS(&world, sent, "\"model.intent\"", "\"spoken\":", "\"receipts\":\"pan.");
        ASSERT_RECORDS(&world, 0, CARD);
        world_end(&world);
    }
}

/* A card number that the model makes up, in two pieces of a stream or in a document. */
static void answer_made_up(struct link *link, struct slice request)
{
    if (asks(request, "\"stream\":true"))
        stream_in_pieces(link, "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"card " CARD_HEAD
                               "\"}}]}\n\n"
                               "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"111111111111 .\"}}"
                               "]}\n\ndata: {\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":"
                               "\"stop\"}]}\n\ndata: [DONE]\n\n");
    else
        link_answer(link, 200, "application/json",
                    "{\"choices\":[{\"index\":0,\"message\":{\"content\":\"card " CARD
                    " .\"}}],\"usage\":{\"prompt_tokens\":3,\"completion_tokens\":1}}");
}

static void what_a_model_makes_up_is_reported_or_cut_as_policy_says(void **state)
{
    (void)state;
    for (int cut = 0; cut < 2; cut++) {
        struct world world = {.answer = answer_made_up,
                              .cut_answers = cut != 0 ? CLASS_BIT(CLASS_PAN) : 0};
        AUTO_FREE char *stream = NULL, *whole = NULL;

        world_begin(&world);
        stream = world_post(&world, CHAT, "{\"model\":\"m\",\"stream\":true,\"messages\":[]}");
        whole = world_post(&world, CHAT, "{\"model\":\"m\",\"messages\":[]}");
        assert_int_equal(world_status(stream), 200);
        assert_int_equal(world_status(whole), cut != 0 ? 400 : 200);
        world_assert_has(stream, "[DONE]", cut == 0);
        world_assert_has(stream, "111111111111", cut == 0);
        world_assert_has(stream, "data: {\"error\":", cut != 0);
        world_assert_has(whole, CARD, cut == 0);
        ASSERT_RECORDS(&world, 2, "\"refused\"", "\"answer\"", "\"class\":\"pan\"",
                       cut != 0 ? "\"outcome\":\"cut\"" : "\"outcome\":\"reported\"");
        ASSERT_RECORDS(&world, 0, CARD);
        world_end(&world);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(no_value_leaks_from_any_place_and_no_answer_breaks),
        TEST(what_is_translated_leaks_nothing_and_is_put_back),
        TEST(what_a_model_makes_up_is_reported_or_cut_as_policy_says),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
