#include "gateway/door/plan.h"

#include <stdio.h>
#include <strings.h>

#include "base/scope.h"
#include "gateway/dialect/dialect.h"
#include "gateway/dialect/models.h"
#include "gateway/dialect/said.h"
#include "gateway/door/leaves.h"
#include "gateway/door/translated.h"
#include "gateway/money/route.h"
#include "wire/json.h"
#include "wire/url.h"

#define ADAPTED_BYTES_MORE 8192
#define PATH_SHOWN_BYTES 256
#define METHOD_SHOWN_BYTES 16
#define REDACTION_ROUNDS 3

void plan_refuse(struct plan *plan, int status, const char *reason, const char *message)
{
    plan->kind = PLAN_REFUSE;
    plan->status = status;
    plan->reason = reason;
    (void)snprintf(plan->message, sizeof(plan->message), "custody: %s", message);
}

static void refuse(struct plan *plan, int status, const char *reason, const char *message)
{
    plan_refuse(plan, status, reason, message);
}

static bool method_is(const struct http1_request *request, const char *method)
{
    return slice_equal(http1_request_method(request), slice_of(method));
}

bool plan_host_is_door(struct slice host)
{
    return url_host_is_loopback(host) || slice_equal(host, SLICE("model.invalid"));
}

/* Clients that take the door for a proxy write the whole URL; only the door itself is meant.
 */
static bool authority_is_door(struct slice authority)
{
    struct fault fault = {0};
    struct slice host;
    uint16_t port;

    if (authority.len == 0)
        return true;
    return url_authority_parse(authority, &host, &port, &fault) && plan_host_is_door(host);
}

/* Which API the client speaks, as far as its request shows. */
static struct route route_of(const struct http1_request *request)
{
    struct route route = operation_route(http1_request_path(request));

    if (route.kind == ROUTE_CALL)
        return route;
    if (http1_request_header(request, "anthropic-version").at != NULL)
        route.dialect = DIALECT_ANTHROPIC;
    else if (http1_request_header(request, "x-goog-api-key").at != NULL)
        route.dialect = DIALECT_GEMINI;
    return route;
}

static bool takes_method(const struct http1_request *request, enum route_kind kind)
{
    return method_is(request, kind == ROUTE_CALL ? "POST" : "GET");
}

/* A stream of Gemini's that is one JSON array cannot be looked at piece by piece. */
static bool is_array_stream(const struct http1_request *request, const struct route *route)
{
    return route->kind == ROUTE_CALL && operation_rule(route->operation)->always_streams &&
           slice_find(http1_request_query(request), SLICE("alt=sse"), 0) == SIZE_MAX;
}

void plan_clear(struct plan *plan)
{
    buf_free(&plan->body);
    buf_free(&plan->headers);
    redaction_free(&plan->redaction);
    buf_free(&plan->lineage);
    mcp_call_clear(&plan->mcp);
    translation_free(plan->translation);
    plan->translation = NULL;
}

void plan_broken(const struct http1_request *request, int status, const char *why,
                 struct plan *ret_plan)
{
    struct plan plan = {.route = route_of(request)};

    plan.dialect = plan.route.dialect;
    refuse(&plan, status,
           status == 413 || status == 414 || status == 431 ? "too-large" : "malformed", why);
    *ret_plan = plan;
}

void plan_head(const struct http1_request *request, struct plan *ret_plan)
{
    struct plan plan = {.kind = PLAN_READ_ON, .route = route_of(request)};

    plan.dialect = plan.route.dialect;
    if (method_is(request, "CONNECT"))
        refuse(&plan, 405, "connect", "tunnels are refused; this door leads to models only");
    else if (!authority_is_door(http1_request_authority(request)))
        refuse(&plan, 400, "egress", "no other host can be reached from here");
    else if (http1_request_wants_upgrade(request))
        refuse(&plan, 400, "upgrade", "protocol upgrades and WebSockets are refused");
    else if (plan.route.kind == ROUTE_UNKNOWN)
        refuse(&plan, 404, "unknown-path",
               "no such path; models are called at /v1/chat/completions, /v1/responses, "
               "/v1/messages and /v1beta/models/MODEL:generateContent");
    else if (plan.route.kind == ROUTE_KEPT)
        refuse(
            &plan, 400, "kept",
            "what a provider keeps by id (responses, files, batches, conversations, caches) "
            "is refused: nobody here has looked at what is in it. Send the text itself, "
            "with each request");
    else if (!takes_method(request, plan.route.kind))
        refuse(&plan, 405, "method", "this path does not take that method");
    else if (is_array_stream(request, &plan.route))
        refuse(&plan, 400, "stream-form", "streams are asked for with ?alt=sse");
    else if (http1_request_header(request, "content-encoding").at != NULL)
        refuse(&plan, 415, "encoded", "compressed requests are refused");
    *ret_plan = plan;
}

bool plan_content_is_json(const struct http1_request *request)
{
    struct slice type = http1_request_header(request, "content-type");
    size_t end = slice_find_byte(type, ';', 0);

    type = slice_trim(slice_part(type, 0, end));
    return type.len == 16 && strncasecmp((const char *)type.at, "application/json", 16) == 0;
}

static void copy_headers(const struct http1_request *request, struct leaves *leaves,
                         struct plan *plan)
{
    struct fault fault = {0};

    plan->headers = buf_with_limit(CALL_HEADERS_BYTES);
    for (unsigned i = 0; i < CALL_HEADER_COUNT; i++) {
        struct slice value = http1_request_header(request, call_header_names[i]);
        char text[CALL_HEADER_BYTES];

        call_text(text, sizeof(text), value);
        plan->open.header_bytes[i] = (uint16_t)strlen(text);
        (void)!buf_add_text(&plan->headers, text, &fault); /* there is room for all of them */
    }
    for (unsigned i = 0; i < CALL_HEADER_COUNT; i++)
        leaves_text(leaves, call_header(&plan->open, buf_slice(&plan->headers),
                                        (enum call_header)i));
}

static void refuse_classes(const struct leaves *leaves, unsigned denied, struct plan *plan)
{
    enum data_class class = class_of_mask(denied);
    char text[240];

    (void)snprintf(text, sizeof(text),
                   "the request holds data of class %s (rule %s), which policy does not let "
                   "this model see",
                   class_name(class), leaves->rules[class]);
    refuse(plan, 400, "data-class", text);
    plan->classes = denied;
    plan->rule = leaves->rules[class];
}

/* Puts the body as the provider wants it; what it need not be changed in stays byte for byte.
 */
static bool adapt(const struct door_config *config, const struct said *said, struct plan *plan,
                  struct fault *fault)
{
    struct slice body = buf_slice(&plan->body);
    struct slice beta =
        call_header(&plan->open, buf_slice(&plan->headers), CALL_HEADER_ANTHROPIC_BETA);
    struct buf edited = buf_with_limit(body.len + ADAPTED_BYTES_MORE);
    struct said_edits edits;
    bool ok;

    if (!said_adapt(&config->models[plan->open.model], plan->sent, said, body, beta,
                    &edits, fault))
        return false;
    ok = edits.count == 0 || json_splice(body, edits.at, edits.count, &edited, fault);
    if (ok && edits.count > 0) {
        buf_free(&plan->body);
        plan->body = take_buf(&edited);
        plan->open.strip_usage = edits.asks_usage;
    }
    plan->open.model_at = (uint32_t)edits.model_at;
    plan->open.model_len = (uint32_t)edits.model_len;
    buf_free(&edited);
    buf_free(&edits.room);
    return ok;
}

/* What the provider would bring in by itself and policy does not let this model use. */
static bool refuse_references(const struct door_config *config, const struct said *said,
                              struct references *references, struct plan *plan)
{
    unsigned denied;
    char text[320];
    enum reach reach = 0;

    if (said->background) {
        references->reach |= REACH_BIT(REACH_STATE);
        references->where[REACH_STATE] = "background";
    }
    denied = references->reach & ~config->models[plan->open.model].reach;
    if (denied == 0)
        return false;
    while ((denied & REACH_BIT(reach)) == 0)
        reach++;
    (void)snprintf(text, sizeof(text), "%s: %s", references->where[reach],
                   references_say(reach));
    refuse(plan, 400, references_reason(reach), text);
    return true;
}

/* Fills plan->open from what the request says; false has refused. */
static bool read_request(const struct door_config *config, struct said *said,
                         struct plan *plan, struct fault *fault)
{
    AUTO_BUF struct buf asked = buf_with_limit(GATEWAY_BODY_BYTES_MAX);

    if (!said_read(plan->route.operation, plan->route.model, buf_slice(&plan->body), said,
                   &asked, fault)) {
        refuse(plan, 400, "malformed", fault->why);
        return false;
    }
    call_text(plan->open.asked, sizeof(plan->open.asked), buf_slice(&asked));
    plan->open.stream = said->stream;
    plan->open.output_tokens = said->output_tokens;
    if (!translated_pick(config, plan->route.operation, plan->open.asked, &plan->open.model,
                         &plan->sent, fault)) {
        refuse(plan, 400, fault->kind == FAULT_MISSING ? "model" : "dialect", fault->why);
        return false;
    }
    return true;
}

/* Methods, paths and model names are the agent's words: what is sensitive in them stays out of
 * records. */
static bool harmless(const struct door_config *config, struct slice text)
{
    struct leaves leaves = {.scan = &config->scan};

    leaves_text(&leaves, text);
    return (leaves.classes & ~CLASS_BIT(CLASS_CODE)) == 0;
}

/* Replaces values in the body; leaves `leaves` with what the edited body still holds. */
static bool redact_once(struct leaves *leaves, unsigned classes, struct plan *plan,
                        struct fault *fault)
{
    struct leaves after = {.scan = leaves->scan, .before = leaves, .said = leaves->said};
    struct buf edited = buf_with_limit(GATEWAY_BODY_BYTES_MAX);
    bool ok;

    plan->redaction.scan = leaves->scan;
    plan->redaction.classes = classes;
    ok = redact_document(&plan->redaction, buf_slice(&plan->body), leaves, &edited, fault) &&
         leaves_walk(&after, buf_slice(&edited), fault);
    if (!ok) {
        leaves_free(&after);
        buf_free(&edited);
        return false;
    }
    buf_free(&plan->body);
    plan->body = edited;
    leaves_free(leaves);
    *leaves = after;
    leaves->before = NULL;
    return true;
}

/* What the model may not see as it is, of all that was found. */
static unsigned denied_of(const struct leaves *leaves, const struct gateway_model *model)
{
    return leaves->classes & ~model->allow & ~CLASS_BIT(CLASS_CODE);
}

/* What it may see only replaced, guesses as well. */
static unsigned replaceable_of(const struct leaves *leaves, const struct gateway_model *model)
{
    return leaves->scan->redact == NULL
               ? 0
               : (leaves->classes | leaves->guesses) & ~model->allow & model->allow_redacted &
                     ~CLASS_BIT(CLASS_OPAQUE) & ~CLASS_BIT(CLASS_CODE);
}

/* False has refused. What leaves has been looked at as it leaves. */
static bool redact(const struct gateway_model *model, struct leaves *leaves, struct plan *plan)
{
    unsigned allowed = leaves->classes & (model->allow | CLASS_BIT(CLASS_CODE));
    struct fault fault = {0};

    for (int round = 0; round < REDACTION_ROUNDS; round++) {
        unsigned denied = denied_of(leaves, model), wanted = replaceable_of(leaves, model);

        if ((round > 0 && denied == 0) || wanted == 0 || (denied & ~wanted) != 0)
            break;
        if (!redact_once(leaves, wanted, plan, &fault)) {
            refuse(plan, 400, "redaction", fault.why);
            return false;
        }
    }
    leaves->classes |= allowed;
    return true;
}

static void fill_open(const struct door_config *config, const struct leaves *leaves,
                      struct plan *plan)
{
    if (!harmless(config, slice_of(plan->open.asked)))
        plan->open.asked[0] = 0;
    plan->kind = PLAN_CALL;
    plan->open.packet = CALL_OPEN;
    plan->open.operation = (uint32_t)plan->sent;
    plan->open.spoken = (uint32_t)plan->dialect;
    plan->open.classes = leaves->classes;
    plan->open.signed_blocks = leaves->has_signed;
    plan->open.replaced = (uint32_t)plan->redaction.count;
    for (size_t i = 0; i < plan->redaction.count; i++)
        plan->open.redacted |= CLASS_BIT(plan->redaction.values[i].class);
    plan->open.leaves = leaves->count;
    plan->open.scanned_bytes = leaves->scanned_bytes;
    plan->open.body_bytes = plan->body.len;
    plan->open.lineage_bytes = (uint32_t)plan->lineage.len;
}

/* Refuses or edits what must not leave. */
static bool look_at_body(const struct gateway_model *to, struct leaves *leaves,
                         struct plan *plan)
{
    unsigned denied;

    if (!redact(to, leaves, plan))
        return false;
    denied = denied_of(leaves, to);
    if (leaves->seen_bytes != leaves->scanned_bytes)
        refuse(plan, 400, "coverage", "not every byte of the request could be looked at");
    else if (denied != 0)
        refuse_classes(leaves, denied, plan);
    return plan->kind != PLAN_REFUSE;
}

/* The same of a model's request, with its head. */
static bool look(const struct door_config *config, const struct http1_request *request,
                 struct leaves *leaves, struct plan *plan)
{
    struct leaves headers = {.scan = &config->scan};
    const struct gateway_model *model = &config->models[plan->open.model];
    unsigned denied;

    copy_headers(request, &headers, plan);
    leaves_text(&headers, plan->route.model);
    denied = denied_of(&headers, model);
    if (denied != 0)
        refuse_classes(&headers, denied, plan);
    else
        (void)!look_at_body(model, leaves, plan);
    leaves->classes |= headers.classes;
    leaves_free(&headers);
    return plan->kind != PLAN_REFUSE;
}

/* What each fault of a translation is, for the client and the record. */
static bool translate(const struct door_config *config, struct leaves *leaves,
                      struct said *said, struct plan *plan)
{
    struct fault fault = {0};

    if (plan->sent == plan->route.operation ||
        translated_body(&config->models[plan->open.model], plan, leaves, said, &fault))
        return true;
    if (fault.kind == FAULT_LIMIT)
        refuse(plan, 413, "too-large", fault.why);
    else
        refuse(plan, 400, fault.kind == FAULT_DENIED ? "data-class" : "translation", fault.why);
    return false;
}

/* Every leaf once, as the client has sent it. */
static bool walk(const struct door_config *config, struct leaves *leaves, struct plan *plan,
                 struct fault *fault)
{
    const struct door_lineage *lineage = config->lineage;
    bool ok;

    leaves->lineage = lineage;
    if (lineage != NULL)
        lineage->begin(lineage->self);
    ok = leaves_walk(leaves, buf_slice(&plan->body), fault);
    leaves->lineage = NULL;
    if (lineage == NULL || !ok)
        return ok;
    plan->lineage = buf_with_limit(DOOR_LINEAGE_BYTES_MAX);
    return lineage->list(lineage->self, &plan->lineage, fault);
}

bool plan_look(const struct door_config *config, const struct gateway_model *to,
               struct leaves *leaves, struct plan *plan)
{
    struct fault fault = {0};

    if (!walk(config, leaves, plan, &fault)) {
        refuse(plan, 400, "malformed", fault.why);
        return false;
    }
    return look_at_body(to, leaves, plan);
}

static void plan_call(const struct door_config *config, const struct http1_request *request,
                      struct leaves *leaves, struct plan *plan)
{
    struct references references = {.dialect = plan->dialect};
    struct said said;
    struct fault fault = {0};

    if (!plan_content_is_json(request)) {
        refuse(plan, 415, "content-type", "the body must be application/json");
        return;
    }
    leaves->references = &references;
    leaves->said = &said;
    if (!walk(config, leaves, plan, &fault)) {
        refuse(plan, 400, "malformed", fault.why);
        return;
    }
    leaves->references = NULL;
    if (!read_request(config, &said, plan, &fault) || !look(config, request, leaves, plan))
        return;
    if (plan->redaction.count > 0 && !read_request(config, &said, plan, &fault))
        return; /* it is another body: what was said is elsewhere in it */
    if (refuse_references(config, &said, &references, plan) ||
        !translate(config, leaves, &said, plan))
        return;
    if (!adapt(config, &said, plan, &fault)) {
        refuse(plan, fault.kind == FAULT_LIMIT ? 413 : 400,
               fault.kind == FAULT_LIMIT ? "too-large" : "malformed", fault.why);
        return;
    }
    fill_open(config, leaves, plan);
}

static void plan_models(const struct door_config *config, struct plan *plan)
{
    const struct route *route = &plan->route;
    struct fault fault = {0};
    bool ok;

    plan->body = buf_with_limit(1024 * 1024);
    ok = route->kind == ROUTE_MODELS
             ? models_list(plan->dialect, config->models, config->model_count, &plan->body,
                           &fault)
             : models_one(plan->dialect, config->models, config->model_count, route->model,
                          &plan->body, &fault);
    if (ok)
        plan->kind = PLAN_MODELS;
    else
        refuse(plan, fault.kind == FAULT_MISSING ? 404 : 500, "unknown-model", fault.why);
}

void plan_request(const struct door_config *config, struct http1_request *request,
                  struct plan *ret_plan)
{
    struct plan plan;

    plan_head(request, &plan);
    if (plan.kind == PLAN_READ_ON && plan.route.kind != ROUTE_CALL) {
        plan_models(config, &plan);
    } else if (plan.kind == PLAN_READ_ON) {
        struct leaves leaves = {.scan = &config->scan};

        plan.body = http1_request_take_body(request);
        plan_call(config, request, &leaves, &plan);
        leaves_free(&leaves);
    }
    *ret_plan = plan;
}

static struct slice printable(struct buf *room, struct slice text)
{
    size_t from = room->len;
    struct fault fault = {0};

    if (!record_printable(slice_part(text, 0, PATH_SHOWN_BYTES), room, &fault))
        return SLICE("");
    return slice_part(buf_slice(room), from, room->len);
}

void plan_record(const struct door_config *config, const struct http1_request *request,
                 const struct plan *plan, struct buf *room, struct record *ret_record)
{
    const struct gateway_identity *identity = &config->identity;
    struct fault fault = {0};
    struct slice path, method;

    record_begin(ret_record, RECORD_REFUSED);
    record_word(ret_record, RECORD_RUN, identity->run);
    record_word(ret_record, RECORD_AGENT, identity->agent);
    record_word(ret_record, RECORD_ON_BEHALF_OF, identity->on_behalf_of);
    record_word(ret_record, RECORD_POLICY, identity->policy);
    record_word(ret_record, RECORD_MECHANISM, "door");
    record_word(ret_record, RECORD_OUTCOME, "refused");
    record_word(ret_record, RECORD_VERDICT, verdict_name(VERDICT_DENY));
    record_word(ret_record, RECORD_REASON, plan->reason);
    record_word(ret_record, RECORD_DIALECT, dialect_name(plan->dialect));
    record_number(ret_record, RECORD_STATUS, plan->status);
    if (plan->classes != 0)
        record_word(ret_record, RECORD_CLASS, class_name(class_of_mask(plan->classes)));
    record_word(ret_record, RECORD_RULE, plan->rule);
    mcp_call_record(&plan->mcp, ret_record);
    /* room for both at once, so that none moves */
    if (!buf_reserve(room, 9 * PATH_SHOWN_BYTES, &fault))
        return;
    path = http1_request_path(request).len > 0 ? http1_request_path(request)
                                               : http1_request_authority(request);
    method = slice_part(http1_request_method(request), 0, METHOD_SHOWN_BYTES);
    if (method.len > 0 && harmless(config, method))
        record_text(ret_record, RECORD_METHOD, printable(room, method));
    if (path.len > 0 && harmless(config, path))
        record_text(ret_record, RECORD_PATH, printable(room, path));
}

bool plan_record_answer(const struct door_config *config, const struct http1_request *request,
                        const struct plan *plan, unsigned classes,
                        const char *const rules[CLASS_COUNT], bool is_cut, struct buf *room,
                        struct record *ret_record)
{
    struct plan found = {.dialect = plan->dialect, .reason = "answer", .status = 200};

    found.classes = classes & ~config->models[plan->open.model].allow & ~CLASS_BIT(CLASS_CODE);
    if (found.classes == 0)
        return false;
    found.rule = rules[class_of_mask(found.classes)];
    plan_record(config, request, &found, room, ret_record);
    record_word(ret_record, RECORD_OUTCOME, is_cut ? "cut" : "reported");
    record_word(ret_record, RECORD_VERDICT,
                verdict_name(is_cut ? VERDICT_DENY : VERDICT_ALLOW));
    return true;
}
