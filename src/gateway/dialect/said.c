#include "gateway/dialect/said.h"

#include <stdlib.h>

#include "base/scope.h"
#include "gateway/dialect/target.h"

#define CHOICES_MAX 128
#define MODEL_BYTES_MAX 4096
#define MODEL_FOLDER "models/"
#define ROOM_BYTES 4096

static const char *const member_names[SAID_MEMBER_COUNT] = {
    [SAID_MODEL] = "model",
    [SAID_STREAM] = "stream",
    [SAID_STREAM_OPTIONS] = "stream_options",
    [SAID_MAX_TOKENS] = "max_tokens",
    [SAID_MAX_COMPLETION_TOKENS] = "max_completion_tokens",
    [SAID_MAX_OUTPUT_TOKENS] = "max_output_tokens",
    [SAID_N] = "n",
    [SAID_GENERATION_CONFIG] = "generationConfig",
    [SAID_GENERATION_CONFIG_SNAKE] = "generation_config",
    [SAID_BACKGROUND] = "background",
    [SAID_ANTHROPIC_VERSION] = "anthropic_version",
    [SAID_ANTHROPIC_BETA] = "anthropic_beta",
};

/* Where a body of Gemini's may name the model beside the path; each of `requests` may, too. */
static const char *const model_places[] = {"model", "generateContentRequest.model",
                                           "generate_content_request.model"};

bool said_member(void *self, struct slice name, const struct json_value *value,
                 struct fault *fault)
{
    struct said *said = self;

    (void)fault;
    for (int i = 0; i < SAID_MEMBER_COUNT; i++)
        if (json_key_is(name, member_names[i])) {
            said->set[i] = true;
            said->name[i] = name;
            said->value[i] = *value;
        }
    return true;
}

static bool said_is(const struct said *said, enum said_member member, enum json_type type)
{
    return said->set[member] && said->value[member].type == type;
}

static void take_most(const struct json_value *value, int64_t *most)
{
    struct fault fault = {0};
    int64_t number;

    if (json_whole_number(value, &number, &fault) && number > *most)
        *most = number;
}

static void take_config(const struct json_value *config, int64_t *most, int64_t *choices)
{
    static const char *const tokens[] = {"maxOutputTokens", "max_output_tokens"};
    static const char *const counts[] = {"candidateCount", "candidate_count"};
    struct json_value value;
    struct fault fault = {0};

    for (size_t i = 0; i < COUNT(tokens); i++) {
        if (json_member(config->raw, tokens[i], &value, &fault))
            take_most(&value, most);
        if (json_member(config->raw, counts[i], &value, &fault))
            (void)!json_whole_number(&value, choices, &fault);
    }
}

static int64_t output_tokens(const struct said *said)
{
    int64_t most = 0, choices = 1;
    struct fault fault = {0};

    for (int i = SAID_MAX_TOKENS; i <= SAID_MAX_OUTPUT_TOKENS; i++)
        if (said->set[i])
            take_most(&said->value[i], &most);
    for (int i = SAID_GENERATION_CONFIG; i <= SAID_GENERATION_CONFIG_SNAKE; i++)
        if (said_is(said, (enum said_member)i, JSON_OBJECT))
            take_config(&said->value[i], &most, &choices);
    if (said->set[SAID_N])
        (void)!json_whole_number(&said->value[SAID_N], &choices, &fault);
    if (choices < 1 || choices > CHOICES_MAX)
        choices = CHOICES_MAX;
    return most > INT32_MAX ? INT32_MAX * choices : most * choices;
}

static struct slice without_folder(struct slice name)
{
    return slice_starts_with(name, SLICE(MODEL_FOLDER))
               ? slice_part(name, strlen(MODEL_FOLDER), name.len)
               : name;
}

/* G43: a model in the body must be the one that the path names. */
static bool agree(struct slice in_path, const struct json_value *value, struct fault *fault)
{
    AUTO_BUF struct buf name = buf_with_limit(MODEL_BYTES_MAX);

    if (value->type != JSON_STRING || !json_text(value, &name, fault) ||
        !slice_equal(without_folder(buf_slice(&name)), in_path))
        return fault_set(fault, FAULT_INVALID, "path and body name two models");
    return true;
}

static bool request_agrees(void *self, struct slice name, const struct json_value *value,
                           struct fault *fault)
{
    const struct slice *in_path = self;
    struct json_value model;
    struct fault missing = {0};

    (void)name;
    return value->type != JSON_OBJECT ||
           !json_member(value->raw, "model", &model, &missing) ||
           agree(*in_path, &model, fault);
}

static bool path_agrees(struct slice in_path, struct slice body, struct fault *fault)
{
    struct json_value value;
    struct fault missing = {0};

    for (size_t i = 0; i < COUNT(model_places); i++)
        if (json_at(body, model_places[i], &value, &missing) && !agree(in_path, &value, fault))
            return false;
    return !json_member(body, "requests", &value, &missing) || value.type != JSON_ARRAY ||
           json_each(value.raw, request_agrees, &in_path, fault);
}

bool said_read(enum operation operation, struct slice in_path, struct slice body,
               struct said *said, struct buf *ret_model, struct fault *fault)
{
    const struct operation_rule *rule = operation_rule(operation);
    struct slice text = slice_trim(body);

    if (text.len == 0 || text.at[0] != '{')
        return fault_set(fault, FAULT_INVALID, "the body is not a JSON object");
    if (in_path.len > 0) {
        if (!path_agrees(in_path, body, fault) || !buf_add(ret_model, in_path, fault))
            return false;
    } else if (!said_is(said, SAID_MODEL, JSON_STRING) ||
               !json_text(&said->value[SAID_MODEL], ret_model, fault)) {
        return fault_set(fault, FAULT_INVALID, "the request names no model");
    }
    said->stream = rule->always_streams ||
                   (rule->streams && said_is(said, SAID_STREAM, JSON_TRUE));
    said->background = said_is(said, SAID_BACKGROUND, JSON_TRUE);
    said->output_tokens = output_tokens(said);
    return true;
}

static struct json_edit edit_of(struct slice body, struct slice what, struct slice with)
{
    size_t from = (size_t)(what.at - body.at);

    return (struct json_edit){from, from + what.len, with};
}

/* The members between which one may be put: an object without any has no comma. */
static bool is_empty(struct slice object)
{
    return slice_trim(slice_part(object, 1, object.len - 1)).len == 0;
}

/* Asks for the usage chunk where the client has not. */
static bool ask_usage(const struct said *said, struct slice body, struct json_edit *ret_edit)
{
    const struct json_value *options = &said->value[SAID_STREAM_OPTIONS];
    struct json_value include;
    struct fault missing = {0};

    if (said_is(said, SAID_STREAM_OPTIONS, JSON_OBJECT)) {
        if (json_member(options->raw, "include_usage", &include, &missing)) {
            *ret_edit = edit_of(body, include.raw, SLICE("true"));
            return include.type != JSON_TRUE;
        }
        *ret_edit = edit_of(body, slice_of_bytes(options->raw.at + 1, 0),
                            is_empty(options->raw) ? SLICE("\"include_usage\":true")
                                                   : SLICE("\"include_usage\":true,"));
    } else if (said->set[SAID_STREAM_OPTIONS]) {
        /* null, or nonsense that the provider would refuse */
        *ret_edit = edit_of(body, options->raw, SLICE("{\"include_usage\":true}"));
    } else {
        *ret_edit =
            edit_of(body, slice_of_bytes(body.at + slice_find_byte(body, '{', 0) + 1, 0),
                    SLICE("\"stream_options\":{\"include_usage\":true},"));
    }
    return true;
}

/* A member with its name. */
static struct slice whole_member(const struct said *said, enum said_member member)
{
    const uint8_t *from = said->name[member].at - 1;
    struct slice raw = said->value[member].raw;

    return slice_of_bytes(from, (size_t)(raw.at + raw.len - from));
}

static bool is_space(uint8_t byte)
{
    return byte == ' ' || byte == '\t' || byte == '\n' || byte == '\r';
}

/* A member that is not the only one, with one of the commas beside it. */
static struct slice member_and_comma(const struct said *said, enum said_member member,
                                     struct slice body)
{
    struct slice what = whole_member(said, member);
    size_t from = (size_t)(what.at - body.at), to = from + what.len, at = to;

    while (at < body.len && is_space(body.at[at]))
        at++;
    if (at < body.len && body.at[at] == ',')
        return slice_part(body, from, at + 1);
    while (from > 0 && body.at[from] != ',')
        from--;
    return slice_part(body, from, to);
}

#define BEDROCK_VERSION "\"anthropic_version\":\"bedrock-2023-05-31\""

static bool add_betas(struct slice beta, struct buf *room, struct fault *fault)
{
    bool first = true;
    struct slice rest = beta, name;

    if (beta.len == 0)
        return true;
    if (!buf_add_text(room, ",\"anthropic_beta\":[", fault))
        return false;
    while (slice_cut(&rest, ',', &name)) {
        if (slice_trim(name).len == 0)
            continue;
        if ((!first && !buf_add_byte(room, ',', fault)) ||
            !json_add_string(room, slice_trim(name), fault))
            return false;
        first = false;
    }
    return buf_add_byte(room, ']', fault);
}

/* Bedrock: the model is in the path, whether it streams too; versions are in the body. */
static bool for_bedrock(const struct said *said, struct slice body, struct slice beta,
                        struct said_edits *edits, struct fault *fault)
{
    if (said->set[SAID_ANTHROPIC_VERSION] || said->set[SAID_ANTHROPIC_BETA])
        return fault_set(fault, FAULT_INVALID,
                         "anthropic_version and anthropic_beta are headers here, not members");
    if (!buf_add_text(&edits->room, BEDROCK_VERSION, fault) ||
        !add_betas(beta, &edits->room, fault))
        return false;
    edits->at[edits->count++] =
        edit_of(body, whole_member(said, SAID_MODEL), buf_slice(&edits->room));
    if (said->set[SAID_STREAM])
        edits->at[edits->count++] =
            edit_of(body, member_and_comma(said, SAID_STREAM, body), SLICE(""));
    return true;
}

/* Every other name of the model in a body of Gemini's becomes the provider's. */
struct renames {
    struct said_edits *edits;
    struct slice body;
};

static bool rename_at(struct renames *renames, const struct json_value *value,
                      struct fault *fault)
{
    struct said_edits *edits = renames->edits;

    if (edits->count == SAID_EDITS_MAX)
        return fault_set(fault, FAULT_LIMIT, "more than %d models in a body", SAID_EDITS_MAX);
    edits->at[edits->count++] =
        edit_of(renames->body, value->raw, buf_slice(&edits->room));
    return true;
}

static bool rename_request(void *self, struct slice name, const struct json_value *value,
                           struct fault *fault)
{
    struct json_value model;
    struct fault missing = {0};

    (void)name;
    return value->type != JSON_OBJECT ||
           !json_member(value->raw, "model", &model, &missing) ||
           rename_at(self, &model, fault);
}

static bool for_gemini(const struct gateway_model *model, struct slice body,
                       struct said_edits *edits, struct fault *fault)
{
    AUTO_FREE char *name = xformat(MODEL_FOLDER "%s", target_model(model));
    struct renames renames = {edits, body};
    struct json_value value;
    struct fault missing = {0};

    if (!json_add_string(&edits->room, slice_of(name), fault))
        return false;
    for (size_t i = 0; i < COUNT(model_places); i++)
        if (json_at(body, model_places[i], &value, &missing) &&
            !rename_at(&renames, &value, fault))
            return false;
    return !json_member(body, "requests", &value, &missing) || value.type != JSON_ARRAY ||
           json_each(value.raw, rename_request, &renames, fault);
}

static int by_place(const void *a, const void *b)
{
    const struct json_edit *one = a, *other = b;

    return one->from < other->from ? -1 : one->from > other->from;
}

/* The gateway puts the provider's name there: which one answers is not known here. */
static void place_model(const struct said *said, struct slice body, struct said_edits *edits)
{
    struct slice raw = said->value[SAID_MODEL].raw;

    edits->model_at = (size_t)(raw.at - body.at);
    edits->model_len = raw.len;
    for (size_t i = 0; i < edits->count && edits->at[i].to <= (size_t)(raw.at - body.at); i++)
        edits->model_at += edits->at[i].with.len - (edits->at[i].to - edits->at[i].from);
}

bool said_adapt(const struct gateway_model *model, enum operation operation,
                const struct said *said, struct slice body, struct slice beta,
                struct said_edits *ret_edits, struct fault *fault)
{
    struct said_edits edits = {.room = buf_with_limit(ROOM_BYTES)};
    bool ok = true;

    if (model->service == SERVICE_BEDROCK)
        ok = for_bedrock(said, body, beta, &edits, fault);
    else if (model->dialect == DIALECT_GEMINI)
        ok = for_gemini(model, body, &edits, fault);
    if (!ok) {
        buf_free(&edits.room);
        return false;
    }
    if (operation_rule(operation)->asks_usage && said->stream &&
        ask_usage(said, body, &edits.at[edits.count])) {
        edits.asks_usage = true;
        edits.count++;
    }
    qsort(edits.at, edits.count, sizeof(edits.at[0]), by_place);
    if (model->service != SERVICE_BEDROCK && model->dialect != DIALECT_GEMINI)
        place_model(said, body, &edits);
    *ret_edits = edits;
    return true;
}
