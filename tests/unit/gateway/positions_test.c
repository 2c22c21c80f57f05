/* Real values in every place of a request, with the real classifier: what may leave only
 * redacted leaves redacted, all else byte for byte. */
#include <stdio.h>

#include "base/scope.h"
#include "classify/rules.h"
#include "gateway/dialect/operation.h"
#include "gateway/door/plan.h"
#include "places.h"
#include "roles/door_texts.h"
#include "test.h"
#include "wire/base64.h"
#include "wire/json.h"

#define SSN "457-55" "-5462"
#define CARD "4929" "5123" "4567" "8903" /* passes Luhn */

static struct gateway_model models[] = {
    {.name = "chat", .dialect = DIALECT_OPENAI},
    {.name = "responses", .dialect = DIALECT_OPENAI_RESPONSES},
    {.name = "messages", .dialect = DIALECT_ANTHROPIC},
    {.name = "gemini", .dialect = DIALECT_GEMINI},
};

static struct door_texts texts;

static struct plan plan_of(const char *path, const char *body, unsigned redacted)
{
    struct door_config config = {.models = models,
                                 .model_count = COUNT(models),
                                 .takes_other_names = true,
                                 .scan = door_texts_scan(&texts)};
    struct http1_request *request = http1_request_new(GATEWAY_BODY_BYTES_MAX);
    AUTO_FREE char *text = xformat("POST %s HTTP/1.1\r\nHost: a\r\nContent-Type: "
                                   "application/json\r\nContent-Length: %zu\r\n\r\n%s",
                                   path, strlen(body), body);
    struct fault fault = {0};
    struct plan plan;
    size_t used;

    for (size_t i = 0; i < COUNT(models); i++)
        models[i].allow_redacted = redacted;
    config.model = (size_t)operation_route(slice_of(path)).dialect;
    assert_ok(http1_request_feed(request, slice_of(text), &used, &fault), fault);
    plan_request(&config, request, &plan);
    http1_request_free(request);
    return plan;
}

/* The card number of this test, with its check digit made right. */
static const char *card(void)
{
    static char digits[] = CARD;
    unsigned sum = 0;

    for (int i = 14; i >= 0; i--) {
        unsigned digit = (unsigned)(digits[i] - '0') * (i % 2 == 0 ? 2 : 1);

        sum += digit > 9 ? digit - 9 : digit;
    }
    digits[15] = (char)('0' + (10 - sum % 10) % 10);
    return digits;
}

/* "@" stands for the value. The caller frees. */
static char *with(const char *shape, const char *value)
{
    const char *at = strchr(shape, '@');

    return xformat("%.*s%s%s", (int)(at - shape), shape, value, at + 1);
}

static char *base64_of(const char *text)
{
    AUTO_BUF struct buf out = buf_with_limit(4096);
    struct fault fault = {0};

    assert_ok(base64_encode(slice_of(text), &out, &fault), fault);
    return slice_dup(buf_slice(&out));
}

/* May this place be edited at all? */
static bool is_editable(const struct place *place)
{
    return strstr(place->body, "\"@\":") == NULL &&     /* a key */
           strstr(place->body, "\"model\":\"@") == NULL && /* a word of the protocol */
           strstr(place->body, "thinking") == NULL;     /* signed */
}

/* All bytes but the value's are the same: the value is as long as its stand-in. */
static void assert_only_changed(const char *asked, struct slice sent, const char *value)
{
    const char *at = strstr(asked, value);
    size_t from = at == NULL ? 0 : (size_t)(at - asked);

    assert_non_null(at);
    assert_int_equal(sent.len, strlen(asked));
    assert_memory_equal(sent.at, asked, from);
    assert_memory_not_equal(sent.at + from, value, strlen(value));
    assert_memory_equal(sent.at + from + strlen(value), at + strlen(value),
                        strlen(at + strlen(value)));
}

static void check_place(const struct place *place, const char *shape, bool stream)
{
    AUTO_FREE char *plain = with(shape, card());
    AUTO_FREE char *encoded = base64_of(plain);
    bool is_carried = strstr(place->body, "base64,") != NULL;
    const char *value = is_carried ? encoded : card();
    AUTO_FREE char *body = place_planted(place, is_carried ? encoded : plain, stream);
    struct plan refused = plan_of(place->path, body, 0);
    struct plan plan = plan_of(place->path, body, CLASS_BIT(CLASS_PAN));
    bool edits = is_editable(place);

    if (refused.kind != PLAN_REFUSE || refused.status != 400)
        fail_msg("passed: %s", body);
    if (plan.kind != (edits ? PLAN_CALL : PLAN_REFUSE))
        fail_msg("%s: %s", body, plan.message);
    if (edits && !plan.open.strip_usage && !is_carried)
        assert_only_changed(body, buf_slice(&plan.body), value);
    if (edits) {
        assert_null(strstr(buf_text(&plan.body), card()));
        assert_null(strstr(buf_text(&plan.body), value));
        assert_true(json_walk(buf_slice(&plan.body), NULL, &(struct fault){0}));
        assert_int_equal(plan.open.replaced, 1);
        assert_int_equal(plan.redaction.values[0].class, CLASS_PAN);
        if (!is_carried)
            assert_true(slice_equal(plan.redaction.values[0].original, slice_of(card())));
    }
    plan_clear(&plan);
    plan_clear(&refused);
}

static void what_may_leave_only_redacted_leaves_so_from_every_place(void **state)
{
    (void)state;
    for (size_t i = 0; i < place_count; i++)
        for (int stream = 0; stream < 2; stream++) {
            check_place(&places[i], "card @ on file", stream != 0);
            check_place(&places[i], "@", stream != 0);
        }
}

/* Depths of escaping: each string of these holds one value. */
static void values_are_replaced_at_their_depth(void **state)
{
    static const char *const shapes[] = {
        "\\u0061 caf\\u00e9 \\/ @ \\n \\ud83d\\ude00",
        "{\\\"a\\\": \\\"caf\\\\u00e9 @\\\\n\\\" , \\\"b\\\":[1.50]}",
        "[\\\"{\\\\\\\"a\\\\\\\":\\\\\\\"@\\\\\\\"}\\\"]",
        "{\\\"card\\\":@}", /* a number within a string */
        "a\\u0000 @ b",
    };

    (void)state;
    for (size_t i = 0; i < COUNT(shapes); i++) {
        AUTO_FREE char *text = with(shapes[i], card());
        AUTO_FREE char *body = xformat(
            "{ \"model\" : \"m\", \"messages\":[{\"role\":\"tool\",\"content\":\"%s\"}]}", text);
        struct plan plan = plan_of(CHAT, body, CLASS_BIT(CLASS_PAN));

        if (plan.kind != PLAN_CALL)
            fail_msg("%s: %s", body, plan.message);
        assert_only_changed(body, buf_slice(&plan.body), card());
        plan_clear(&plan);
    }
}

/* A document in base64, and base64 within a text. */
static void what_is_encoded_is_replaced_within(void **state)
{
    AUTO_FREE char *line = xformat("Name,Card\nA person,%s\nmore, text follows here\n", card());
    AUTO_FREE char *encoded = base64_of(line);
    static const char *const shapes[] = {"@", "data:text/plain;base64,@", "got: @ ."};

    (void)state;
    for (size_t i = 0; i < COUNT(shapes); i++) {
        AUTO_FREE char *text = with(shapes[i], encoded);
        AUTO_FREE char *body =
            xformat("{\"model\":\"m\",\"messages\":[{\"content\":\"%s\"}]}", text);
        struct plan plan = plan_of(CHAT, body, CLASS_BIT(CLASS_PAN));
        struct slice sent = buf_slice(&plan.body);

        if (plan.kind != PLAN_CALL)
            fail_msg("%s: %s", body, plan.message);
        assert_int_equal(sent.len, strlen(body));
        assert_int_equal(slice_find(sent, slice_of(encoded), 0), SIZE_MAX);
        /* what stands before the value is as it was */
        assert_int_not_equal(slice_find(sent, slice_part(slice_of(encoded), 0, 20), 0), SIZE_MAX);
        plan_clear(&plan);
    }
}

static void the_same_value_is_the_same_stand_in_in_every_turn(void **state)
{
    AUTO_FREE char *one = xformat("{\"model\":\"m\",\"messages\":[\"card %s\"]}", card());
    AUTO_FREE char *two =
        xformat("{\"model\":\"m\",\"messages\":[\"card %s\",\"and again %s\"]}", card(), card());
    struct plan first = plan_of(CHAT, one, CLASS_BIT(CLASS_PAN));
    struct plan second = plan_of(CHAT, two, CLASS_BIT(CLASS_PAN));
    size_t shared = strlen(one) - 2;

    (void)state;
    assert_int_equal(first.kind, PLAN_CALL);
    assert_int_equal(second.kind, PLAN_CALL);
    assert_memory_equal(first.body.at, second.body.at, shared);
    /* what it made itself it lets pass, in a model that may see nothing */
    plan_clear(&second);
    second = plan_of(CHAT, buf_text(&first.body), 0);
    assert_int_equal(second.kind, PLAN_CALL);
    plan_clear(&first);
    plan_clear(&second);
}

static void a_class_that_is_denied_refuses_beside_one_that_is_redacted(void **state)
{
    AUTO_FREE char *body =
        xformat("{\"model\":\"m\",\"messages\":[\"card %s\",\"ssn: " SSN "\"]}", card());
    struct plan plan = plan_of(CHAT, body, CLASS_BIT(CLASS_PAN));

    (void)state;
    assert_int_equal(plan.kind, PLAN_REFUSE);
    assert_int_equal(plan.status, 400);
    assert_int_equal(plan.open.replaced, 0);
    plan_clear(&plan);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(what_may_leave_only_redacted_leaves_so_from_every_place),
        TEST(values_are_replaced_at_their_depth),
        TEST(what_is_encoded_is_replaced_within),
        TEST(the_same_value_is_the_same_stand_in_in_every_turn),
        TEST(a_class_that_is_denied_refuses_beside_one_that_is_redacted),
    };
    struct fault fault = {0};

    if (!rules_use_texts(NULL, 0, &fault)) {
        (void)fprintf(stderr, "%s\n", fault.why);
        return 1;
    }
    texts.has_key = true;
    memset(&texts.key, 7, sizeof(texts.key));
    return cmocka_run_group_tests(tests, NULL, NULL);
}
