#include "gateway/door/translated.h"

#include <stdio.h>

#include "base/scope.h"
#include "gateway/money/route.h"

#define MESSAGES_VERSION "2023-06-01"

static bool is_called(const struct gateway_model *model, const char *asked)
{
    return strcmp(model->name, asked) == 0 ||
           (model->model != NULL && strcmp(model->model, asked) == 0);
}

static bool serves(const struct gateway_model *model, enum operation operation,
                   enum operation *ret_sent)
{
    *ret_sent = operation;
    return (operation_rule(operation)->served_by & DIALECT_BIT(model->dialect)) != 0 ||
           (model->translate && translate_operation(operation, model->dialect, ret_sent));
}

static bool refuse(const struct gateway_model *model, enum operation operation,
                   struct fault *why)
{
    const struct operation_rule *rule = operation_rule(operation);
    enum operation sent;

    return fault_set(why, FAULT_INVALID, "the model of this run speaks %s, not %s%s%s",
                     dialect_name(model->dialect), dialect_name(rule->dialect),
                     translate_operation(operation, model->dialect, &sent)
                         ? "; with `translate: true` in its entry (policy: models) requests "
                           "are translated"
                         : ", and has no counterpart of ",
                     translate_operation(operation, model->dialect, &sent) ? "" : rule->path);
}

/* With those that there are, as far as there is room. False: none can be asked so, whatever its
 * name. */
static bool refuse_name(const struct door_config *config, enum operation operation,
                        struct fault *why)
{
    char names[120];
    enum operation sent;
    size_t len = 0;

    for (size_t i = 0; i < config->model_count && len < sizeof(names); i++)
        if (serves(&config->models[i], operation, &sent))
            len += (size_t)snprintf(names + len, sizeof(names) - len, "%s%s",
                                    len == 0 ? "" : ", ", config->models[i].name);
    if (len > 0)
        (void)fault_set(why, FAULT_MISSING,
                        "policy has no model of that name that is asked so; there are: %s%s",
                        names, len < sizeof(names) ? "" : " ...");
    return len > 0;
}

bool translated_pick(const struct door_config *config, enum operation operation,
                     const char *asked, uint32_t *ret_model, enum operation *ret_sent,
                     struct fault *why)
{
    size_t count = config->model_count;
    size_t model = route_asked(config->models, count, operation_rule(operation)->served_by,
                               asked);

    for (size_t i = 0; model == count && i < count; i++)
        if (is_called(&config->models[i], asked) &&
            serves(&config->models[i], operation, ret_sent))
            model = i;
    for (size_t i = 0; model == count && !config->takes_other_names && i < count; i++)
        if (is_called(&config->models[i], asked))
            return refuse(&config->models[i], operation, why);
    if (model == count && asked[0] != 0 && !config->takes_other_names &&
        refuse_name(config, operation, why))
        return false;
    if (model == count)
        model = config->model;
    if (!serves(&config->models[model], operation, ret_sent))
        return refuse(&config->models[model], operation, why);
    *ret_model = (uint32_t)model;
    return true;
}

/* What the client's dialect says in headers is not for another one's provider; what that one's
 * wants to be told is. */
static bool change_headers(struct plan *plan, struct fault *fault)
{
    bool is_messages = operation_rule(plan->sent)->dialect == DIALECT_ANTHROPIC;
    struct slice texts[CALL_HEADER_COUNT] = {
        [CALL_HEADER_ACCEPT] =
            call_header(&plan->open, buf_slice(&plan->headers), CALL_HEADER_ACCEPT),
        [CALL_HEADER_ANTHROPIC_VERSION] = is_messages ? SLICE(MESSAGES_VERSION) : SLICE("")};
    struct buf headers = buf_with_limit(plan->headers.limit);
    bool ok = true;

    for (unsigned i = 0; ok && i < CALL_HEADER_COUNT; i++) {
        ok = texts[i].len == 0 || buf_add(&headers, texts[i], fault);
        plan->open.header_bytes[i] = (uint16_t)texts[i].len;
    }
    buf_free(&plan->headers);
    plan->headers = headers;
    return ok;
}

/* Texts meet others now: all of it is looked at as it leaves. */
static bool look_again(const struct gateway_model *model, const struct leaves *after,
                       struct fault *fault)
{
    unsigned denied = after->classes & ~model->allow & ~CLASS_BIT(CLASS_CODE);

    if (denied != 0)
        return fault_set(fault, FAULT_DENIED,
                         "the translated request holds data of class %s (rule %s), which policy "
                         "does not let this model see",
                         class_name(class_of_mask(denied)),
                         after->rules[class_of_mask(denied)]);
    return after->seen_bytes == after->scanned_bytes ||
           fault_set(fault, FAULT_DENIED,
                     "not every byte of the translated request could be looked at");
}

bool translated_body(const struct gateway_model *model, struct plan *plan,
                     struct leaves *leaves, struct said *said, struct fault *fault)
{
    struct leaves after = {.scan = leaves->scan, .said = said};
    struct buf body = buf_with_limit(GATEWAY_BODY_BYTES_MAX);
    AUTO_BUF struct buf name = buf_with_limit(GATEWAY_BODY_BYTES_MAX);
    bool ok;

    *said = (struct said){0};
    ok = translate_request(plan->route.operation, plan->sent, buf_slice(&plan->body), &body,
                           &plan->translation, fault) &&
         leaves_walk(&after, buf_slice(&body), fault) && look_again(model, &after, fault) &&
         said_read(plan->sent, SLICE(""), buf_slice(&body), said, &name, fault);
    if (!ok) {
        leaves_free(&after);
        buf_free(&body);
        return false;
    }
    buf_free(&plan->body);
    plan->body = body;
    plan->open.output_tokens = said->output_tokens;
    after.classes |= leaves->classes;
    leaves_free(leaves);
    *leaves = after;
    return change_headers(plan, fault);
}
