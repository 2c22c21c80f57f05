#include "gateway/door/plan.h"

#include <stdio.h>
#include <strings.h>

#include "base/scope.h"
#include "gateway/dialect/dialect.h"
#include "gateway/door/leaves.h"
#include "gateway/money/route.h"
#include "wire/json.h"
#include "wire/url.h"

#define CHOICES_MAX 128
#define PATH_SHOWN_BYTES 256
#define METHOD_SHOWN_BYTES 16

/* Members of the request that decide something; all dialects' names, as none means two things.
 */
enum member {
    MEMBER_MODEL,
    MEMBER_STREAM,
    MEMBER_STREAM_OPTIONS,
    MEMBER_MAX_TOKENS,
    MEMBER_MAX_COMPLETION_TOKENS,
    MEMBER_MAX_OUTPUT_TOKENS,
    MEMBER_N,
    MEMBER_COUNT,
};

static const char *const member_names[MEMBER_COUNT] = {
    [MEMBER_MODEL] = "model",
    [MEMBER_STREAM] = "stream",
    [MEMBER_STREAM_OPTIONS] = "stream_options",
    [MEMBER_MAX_TOKENS] = "max_tokens",
    [MEMBER_MAX_COMPLETION_TOKENS] = "max_completion_tokens",
    [MEMBER_MAX_OUTPUT_TOKENS] = "max_output_tokens",
    [MEMBER_N] = "n",
};

struct members {
    bool set[MEMBER_COUNT];
    struct json_value value[MEMBER_COUNT];
};

static void refuse(struct plan *plan, int status, const char *reason, const char *message)
{
    plan->kind = PLAN_REFUSE;
    plan->status = status;
    plan->reason = reason;
    (void)snprintf(plan->message, sizeof(plan->message), "custody: %s", message);
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
    return url_authority_parse(authority, &host, &port, &fault) &&
           plan_host_is_door(host);
}

/* Which API the client speaks, as far as its request shows. */
static enum route route_of(const struct http1_request *request, enum dialect *ret_dialect)
{
    enum route route = dialect_route(http1_request_path(request), ret_dialect);

    if (route != ROUTE_CALL && http1_request_header(request, "anthropic-version").at != NULL)
        *ret_dialect = DIALECT_ANTHROPIC;
    return route;
}

void plan_broken(const struct http1_request *request, int status, const char *why,
                 struct plan *ret_plan)
{
    struct plan plan = {0};

    (void)route_of(request, &plan.dialect);
    refuse(&plan, status,
           status == 413 || status == 414 || status == 431 ? "too-large" : "malformed", why);
    *ret_plan = plan;
}

void plan_head(const struct http1_request *request, struct plan *ret_plan)
{
    struct plan plan = {.kind = PLAN_READ_ON};
    enum route route = route_of(request, &plan.dialect);

    if (method_is(request, "CONNECT"))
        refuse(&plan, 405, "connect", "tunnels are refused; this door leads to models only");
    else if (!authority_is_door(http1_request_authority(request)))
        refuse(&plan, 400, "egress", "no other host can be reached from here");
    else if (http1_request_wants_upgrade(request))
        refuse(&plan, 400, "upgrade", "protocol upgrades and WebSockets are refused");
    else if (route == ROUTE_UNKNOWN)
        refuse(&plan, 404, "unknown-path",
               "no such path; models are called at /v1/chat/completions, "
               "/v1/responses and /v1/messages");
    else if (!method_is(request, route == ROUTE_CALL ? "POST" : "GET"))
        refuse(&plan, 405, "method", "this path does not take that method");
    else if (http1_request_header(request, "content-encoding").at != NULL)
        refuse(&plan, 415, "encoded", "compressed requests are refused");
    *ret_plan = plan;
}

static bool on_member(void *self, struct slice name, const struct json_value *value,
                      struct fault *fault)
{
    struct members *members = self;

    (void)fault;
    for (int i = 0; i < MEMBER_COUNT; i++)
        if (name.at != NULL && json_key_is(name, member_names[i])) {
            members->set[i] = true;
            members->value[i] = *value;
        }
    return true;
}

static bool member_is(const struct members *members, enum member member, enum json_type type)
{
    return members->set[member] && members->value[member].type == type;
}

/* The most tokens that the request lets the model write; 0: it does not say. */
static int64_t output_tokens(const struct members *members)
{
    int64_t most = 0, choices = 1;
    struct fault fault = {0};

    for (int i = MEMBER_MAX_TOKENS; i <= MEMBER_MAX_OUTPUT_TOKENS; i++) {
        int64_t number;

        if (members->set[i] && json_whole_number(&members->value[i], &number, &fault) &&
            number > most)
            most = number;
    }
    if (members->set[MEMBER_N])
        (void)!json_whole_number(&members->value[MEMBER_N], &choices, &fault);
    if (choices < 1 || choices > CHOICES_MAX)
        choices = CHOICES_MAX;
    return most > INT32_MAX ? INT32_MAX * choices : most * choices;
}

static bool content_is_json(const struct http1_request *request)
{
    struct slice type = http1_request_header(request, "content-type");
    size_t end = slice_find_byte(type, ';', 0);

    type = slice_trim(slice_part(type, 0, end));
    return type.len == 16 && strncasecmp((const char *)type.at, "application/json", 16) == 0;
}

static void copy_headers(const struct http1_request *request, struct leaves *leaves,
                         struct call_open *open)
{
    for (int i = 0; i < CALL_HEADER_COUNT; i++) {
        struct slice value = http1_request_header(request, call_header_names[i]);

        call_text(open->headers[i], sizeof(open->headers[i]), value);
        leaves_text(leaves, slice_of(open->headers[i]));
    }
}

/* The policy's entry of that name, by its own or its provider's word, else the run's own. False:
 * it speaks another dialect. */
static bool pick_model(const struct door_config *config, enum dialect dialect,
                       const char *asked, uint32_t *ret_model)
{
    size_t model = route_asked(config->models, config->model_count, dialect, asked);

    if (model == config->model_count)
        model = config->model;
    if (config->models[model].dialect != dialect)
        return false;
    *ret_model = (uint32_t)model;
    return true;
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

/* Asks for the usage chunk where the client has not; everything else stays byte for byte. */
static bool ask_for_usage(const struct members *members, struct plan *plan,
                          struct fault *fault)
{
    struct slice body = buf_slice(&plan->body);
    const struct json_value *options = &members->value[MEMBER_STREAM_OPTIONS];
    bool has_options = member_is(members, MEMBER_STREAM_OPTIONS, JSON_OBJECT);
    struct json_value include = {0};
    struct fault missing = {0};
    struct json_edit edit;
    struct buf edited = buf_with_limit(body.len + 64);

    if (has_options && json_member(options->raw, "include_usage", &include, &missing)) {
        if (include.type == JSON_TRUE)
            return true;
        edit.with = SLICE("true");
    } else if (has_options) {
        bool empty = slice_trim(slice_part(options->raw, 1, options->raw.len - 1)).len == 0;

        include.raw = slice_of_bytes(options->raw.at + 1, 0);
        edit.with = empty ? SLICE("\"include_usage\":true") : SLICE("\"include_usage\":true,");
    } else if (members->set[MEMBER_STREAM_OPTIONS]) {
        include = *options; /* null, or nonsense that the provider would refuse */
        edit.with = SLICE("{\"include_usage\":true}");
    } else {
        include.raw = slice_of_bytes(body.at + slice_find_byte(body, '{', 0) + 1, 0);
        edit.with = SLICE("\"stream_options\":{\"include_usage\":true},");
    }
    edit.from = (size_t)(include.raw.at - body.at);
    edit.to = edit.from + include.raw.len;
    if (!json_splice(body, &edit, 1, &edited, fault)) {
        buf_free(&edited);
        return false;
    }
    if (plan->open.model_at >= edit.to)
        plan->open.model_at += (uint32_t)(edited.len - body.len);
    buf_free(&plan->body);
    plan->body = edited;
    plan->open.strip_usage = true;
    return true;
}

static bool is_object(struct slice body)
{
    struct slice text = slice_trim(body);

    return text.len > 0 && text.at[0] == '{';
}

/* Fills plan->open from the members; false has refused. */
static bool read_members(const struct door_config *config, struct members *members,
                         struct plan *plan, struct fault *fault)
{
    AUTO_BUF struct buf asked = buf_with_limit(GATEWAY_BODY_BYTES_MAX);

    if (!is_object(buf_slice(&plan->body)) ||
        !json_each(buf_slice(&plan->body), on_member, members, fault)) {
        refuse(plan, 400, "malformed", "the body is not a JSON object");
        return false;
    }
    if (!member_is(members, MEMBER_MODEL, JSON_STRING) ||
        !json_text(&members->value[MEMBER_MODEL], &asked, fault)) {
        refuse(plan, 400, "malformed", "the request names no model");
        return false;
    }
    call_text(plan->open.asked, sizeof(plan->open.asked), buf_slice(&asked));
    plan->open.model_at = (uint32_t)(members->value[MEMBER_MODEL].raw.at - plan->body.at);
    plan->open.model_len = (uint32_t)members->value[MEMBER_MODEL].raw.len;
    plan->open.stream = member_is(members, MEMBER_STREAM, JSON_TRUE);
    plan->open.output_tokens = output_tokens(members);
    if (!pick_model(config, plan->dialect, plan->open.asked, &plan->open.model)) {
        char text[200];

        (void)snprintf(text, sizeof(text), "the model of this run speaks %s, not %s",
                       dialect_name(config->models[config->model].dialect),
                       dialect_name(plan->dialect));
        refuse(plan, 400, "dialect", text);
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

static void plan_call(const struct door_config *config, const struct http1_request *request,
                      struct plan *plan)
{
    struct leaves leaves = {.scan = &config->scan};
    struct members members = {0};
    struct fault fault = {0};
    unsigned denied;

    if (!content_is_json(request)) {
        refuse(plan, 415, "content-type", "the body must be application/json");
        return;
    }
    if (!leaves_walk(&leaves, buf_slice(&plan->body), &fault)) {
        refuse(plan, 400, "malformed", fault.why);
        return;
    }
    if (!read_members(config, &members, plan, &fault))
        return;
    copy_headers(request, &leaves, &plan->open);
    if (leaves.seen_bytes != leaves.scanned_bytes) {
        refuse(plan, 400, "coverage", "not every byte of the request could be looked at");
        return;
    }
    denied = leaves.classes & ~config->models[plan->open.model].allow & ~CLASS_BIT(CLASS_CODE);
    if (denied != 0) {
        refuse_classes(&leaves, denied, plan);
        return;
    }
    if (plan->dialect == DIALECT_OPENAI && plan->open.stream &&
        !ask_for_usage(&members, plan, &fault)) {
        refuse(plan, 413, "too-large", fault.why);
        return;
    }
    if (!harmless(config, slice_of(plan->open.asked)))
        plan->open.asked[0] = 0;
    plan->kind = PLAN_CALL;
    plan->open.packet = CALL_OPEN;
    plan->open.dialect = (uint32_t)plan->dialect;
    plan->open.classes = leaves.classes;
    plan->open.signed_blocks = route_has_signed_blocks(buf_slice(&plan->body));
    plan->open.leaves = leaves.count;
    plan->open.scanned_bytes = leaves.scanned_bytes;
    plan->open.body_bytes = plan->body.len;
}

static void plan_models(const struct door_config *config, struct plan *plan)
{
    struct buf *body = &plan->body;
    struct fault fault = {0};
    bool ok = buf_add_text(body, "{\"object\":\"list\",\"has_more\":false,\"data\":[", &fault);

    for (size_t i = 0; ok && i < config->model_count; i++)
        ok = buf_add_text(body, i == 0 ? "{\"id\":" : ",{\"id\":", &fault) &&
             json_add_string(body, slice_of(config->models[i].name), &fault) &&
             buf_add_text(body,
                          ",\"object\":\"model\",\"type\":\"model\",\"created\":0,\"owned_"
                          "by\":\"policy\","
                          "\"created_at\":\"1970-01-01T00:00:00Z\",\"display_name\":",
                          &fault) &&
             json_add_string(body, slice_of(config->models[i].name), &fault) &&
             buf_add_byte(body, '}', &fault);
    if (!ok || !buf_add_text(body, "]}", &fault))
        refuse(plan, 500, "failed", fault.why);
    else
        plan->kind = PLAN_MODELS;
}

void plan_request(const struct door_config *config, struct http1_request *request,
                  struct plan *ret_plan)
{
    struct plan plan;
    enum dialect ignored;

    plan_head(request, &plan);
    if (plan.kind == PLAN_READ_ON &&
        dialect_route(http1_request_path(request), &ignored) == ROUTE_MODELS) {
        plan.body = buf_with_limit(1024 * 1024);
        plan_models(config, &plan);
    } else if (plan.kind == PLAN_READ_ON) {
        plan.body = http1_request_take_body(request);
        plan_call(config, request, &plan);
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
