/* What an agent sends to the door: any bytes. What goes on is JSON, all of it was looked at,
 * and nothing is lost. */
#include <stdlib.h>

#include "gateway/door/plan.h"
#include "wire/json.h"

#define BODY_LIMIT 65536

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static unsigned find_mark(void *self, struct slice text, const char *ret_rules[CLASS_COUNT],
                          unsigned *ret_guesses)
{
    (void)self;
    *ret_guesses = 0;
    if (slice_find(text, SLICE("MARK"), 0) == SIZE_MAX)
        return 0;
    ret_rules[CLASS_PHI] = "phi.mark";
    return CLASS_BIT(CLASS_PHI);
}

/* MARK becomes mark: the door's own job is to put that where it belongs. */
static bool replace_mark(void *self, struct slice text, unsigned classes, struct buf *ret_text,
                         door_replaced_note *note, void *note_self, struct fault *fault)
{
    size_t begin = ret_text->len;

    (void)self;
    if (!buf_add(ret_text, text, fault))
        return false;
    for (size_t at; (classes & CLASS_BIT(CLASS_PHI)) != 0 &&
                    (at = slice_find(slice_part(buf_slice(ret_text), begin, ret_text->len),
                                     SLICE("MARK"), 0)) != SIZE_MAX;) {
        struct door_replaced replaced = {.at = at,
                                         .len = 4,
                                         .original = SLICE("MARK"),
                                         .stand_in = SLICE("mark"),
                                         .class = CLASS_PHI,
                                         .rule = "phi.mark"};

        memcpy(ret_text->at + begin + at, "mark", 4);
        note(note_self, &replaced);
    }
    return true;
}

static const struct gateway_model models[] = {
    {.name = "chat", .dialect = DIALECT_OPENAI},
    {.name = "responses",
     .dialect = DIALECT_OPENAI_RESPONSES,
     .allow_redacted = CLASS_BIT(CLASS_PHI)},
    {.name = "messages", .dialect = DIALECT_ANTHROPIC},
    {.name = "gemini", .dialect = DIALECT_GEMINI},
    {.name = "bedrock", .dialect = DIALECT_ANTHROPIC, .service = SERVICE_BEDROCK},
};

static void check_call(const struct plan *plan, struct slice asked)
{
    struct slice sent = buf_slice(&plan->body);
    struct json_value value;
    struct fault fault = {0};

    if (!json_root(sent, &value, &fault) || value.type != JSON_OBJECT ||
        plan->open.body_bytes != sent.len)
        abort();
    if (slice_find(sent, SLICE("MARK"), 0) != SIZE_MAX ||
        (plan->open.replaced == 0 && slice_find(asked, SLICE("MARK"), 0) != SIZE_MAX))
        abort(); /* it stood there in the clear */
    if (!plan->open.strip_usage && plan->open.replaced == 0 && plan->open.model_len > 0 && !slice_equal(sent, asked))
        abort(); /* an untouched request stays as it was */
    if (plan->open.strip_usage &&
        (!json_at(sent, "stream_options.include_usage", &value, &fault) ||
         value.type != JSON_TRUE))
        abort();
    if (!call_text_valid(plan->open.asked, sizeof(plan->open.asked)) ||
        plan->open.model >= COUNT(models) || 
        (operation_rule(plan->route.operation)->served_by &
         DIALECT_BIT(models[plan->open.model].dialect)) == 0 ||
        (uint64_t)plan->open.model_at + plan->open.model_len > sent.len)
        abort();
}

static void check_refusal(const struct door_config *config,
                          const struct http1_request *request, const struct plan *plan)
{
    struct buf room = buf_with_limit(16384);
    struct record record;

    if (plan->status < 400 || plan->status > 599 || plan->reason == NULL ||
        plan->message[0] == 0)
        abort();
    plan_record(config, request, plan, &room, &record);
    buf_free(&room);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct http1_request *request = http1_request_new(BODY_LIMIT);
    struct door_config config = {.models = models,
                                 .model_count = COUNT(models),
                                 .model = size % COUNT(models),
                                 .scan = {.classes = find_mark, .redact = replace_mark}};
    struct buf asked = buf_with_limit(BODY_LIMIT);
    struct plan plan = {0};
    struct fault fault = {0};
    size_t used;

    if (!http1_request_feed(request, slice_of_bytes(data, size), &used, &fault)) {
        plan_broken(request, http1_request_status(request), fault.why, &plan);
    } else if (http1_request_done(request)) {
        if (!buf_add(&asked, http1_request_body(request), &fault))
            abort();
        plan_request(&config, request, &plan);
    } else if (http1_request_head_done(request)) {
        plan_head(request, &plan);
    }
    if (plan.kind == PLAN_CALL)
        check_call(&plan, buf_slice(&asked));
    if (plan.kind == PLAN_REFUSE)
        check_refusal(&config, request, &plan);
    plan_clear(&plan);
    buf_free(&asked);
    http1_request_free(request);
    return 0;
}
