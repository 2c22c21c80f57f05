#include "gateway/money/route.h"

#include "wire/url.h"

static const struct {
    const char *word, *says;
} reasons[] = {
    {"expired", "the contract of the policy's entry for this model has expired"},
    {"residency",
     "policy (routing) does not let this class of data go to where this model is"},
    {"data-class", "policy (models, allow) does not let this model see this class of data"},
    {"no-key", "this model has no usable key or CA file here"},
    {"dialect", "this model speaks another dialect, or is asked in another way"},
};

/* Members whose values are good with one provider only (Anthropic, Responses, Gemini). */
#define SIGNED_BYTES_MIN 9 /* so long are these */
#define SIGNED_BYTES_MAX 17
static const char *const signed_members[] = {
    "signature", "redacted_thinking", "encrypted_content", "thoughtSignature",
    "thought_signature",
};

const char *route_refuses(const struct gateway_model *model, const struct route_call *call,
                          int64_t now_us)
{
    unsigned plain = call->classes & ~CLASS_BIT(CLASS_CODE);

    if ((call->dialects & DIALECT_BIT(model->dialect)) == 0 || model->service != call->service)
        return "dialect";
    if (model->expires_us != 0 && now_us > model->expires_us)
        return "expired";
    if (((plain | call->redacted) & model->kept_away) != 0)
        return "residency";
    if ((plain & ~model->allow) != 0 ||
        (call->redacted & ~(model->allow | model->allow_redacted)) != 0)
        return "data-class";
    return NULL;
}

const char *route_says(const char *word)
{
    for (size_t i = 0; i < COUNT(reasons); i++)
        if (strcmp(reasons[i].word, word) == 0)
            return reasons[i].says;
    return word;
}

static bool same_provider(const struct gateway_model *a, const struct gateway_model *b)
{
    struct fault unread = {0};
    struct url of_a, of_b;

    return url_parse(slice_of(a->url), &of_a, &unread) &&
           url_parse(slice_of(b->url), &of_b, &unread) && slice_equal(of_a.host, of_b.host) &&
           of_a.port == of_b.port;
}

bool route_next(const struct route_table *route, const struct route_call *call, int64_t now_us,
                size_t *cursor, size_t *ret_model)
{
    while (*cursor < route->fallback_count) {
        size_t at = route->fallback[(*cursor)++];
        const struct gateway_model *model = &route->models[at];

        if (at == call->model || route_refuses(model, call, now_us) != NULL)
            continue;
        if (call->signed_blocks && !same_provider(model, &route->models[call->model]))
            continue;
        *ret_model = at;
        return true;
    }
    return false;
}

size_t route_asked(const struct gateway_model *models, size_t count, unsigned dialects,
                   const char *asked)
{
    for (size_t i = 0; i < count; i++)
        if ((dialects & DIALECT_BIT(models[i].dialect)) != 0 &&
            strcmp(models[i].name, asked) == 0)
            return i;
    for (size_t i = 0; i < count; i++)
        if ((dialects & DIALECT_BIT(models[i].dialect)) != 0 && models[i].model != NULL &&
            strcmp(models[i].model, asked) == 0)
            return i;
    return count;
}

bool route_is_signed(struct slice word)
{
    if (word.len < SIGNED_BYTES_MIN || word.len > SIGNED_BYTES_MAX)
        return false;
    for (size_t i = 0; i < COUNT(signed_members); i++)
        if (slice_equal(word, slice_of(signed_members[i])))
            return true;
    return false;
}
