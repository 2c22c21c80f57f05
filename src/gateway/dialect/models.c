#include "gateway/dialect/models.h"

#include "base/scope.h"
#include "wire/json.h"

#define NAME_BYTES_MAX 4096

/* What stands around the names: "@" is a name. */
static const struct form {
    const char *head, *tail;
    const char *entry;
} forms[DIALECT_COUNT] = {
    [DIALECT_OPENAI] = {"{\"object\":\"list\",\"data\":[", "]}",
                        "{\"id\":\"@\",\"object\":\"model\",\"created\":0,\"owned_by\":\"policy\"}"},
    [DIALECT_OPENAI_RESPONSES] = {"{\"object\":\"list\",\"data\":[", "]}",
                                  "{\"id\":\"@\",\"object\":\"model\",\"created\":0,"
                                  "\"owned_by\":\"policy\"}"},
    [DIALECT_ANTHROPIC] = {"{\"has_more\":false,\"first_id\":null,\"last_id\":null,\"data\":[",
                           "]}",
                           "{\"type\":\"model\",\"id\":\"@\",\"display_name\":\"@\","
                           "\"created_at\":\"1970-01-01T00:00:00Z\"}"},
    [DIALECT_GEMINI] = {"{\"models\":[", "]}",
                        "{\"name\":\"models/@\",\"displayName\":\"@\",\"version\":\"policy\","
                        "\"supportedGenerationMethods\":[\"generateContent\","
                        "\"streamGenerateContent\",\"countTokens\",\"embedContent\","
                        "\"batchEmbedContents\"]}"},
};

/* A name as it stands between quotes. */
static bool add_name(struct buf *out, const char *name, struct fault *fault)
{
    AUTO_BUF struct buf quoted = buf_with_limit(NAME_BYTES_MAX);

    return json_add_string(&quoted, slice_of(name), fault) &&
           buf_add(out, slice_part(buf_slice(&quoted), 1, quoted.len - 1), fault);
}

static bool add_entry(enum dialect dialect, const char *name, struct buf *out,
                      struct fault *fault)
{
    struct slice rest = slice_of(forms[dialect].entry), part;

    for (bool first = true; slice_cut(&rest, '@', &part); first = false)
        if ((!first && !add_name(out, name, fault)) || !buf_add(out, part, fault))
            return false;
    return true;
}

bool models_list(enum dialect dialect, const struct gateway_model *models, size_t count,
                 struct buf *out, struct fault *fault)
{
    if (!buf_add_text(out, forms[dialect].head, fault))
        return false;
    for (size_t i = 0; i < count; i++)
        if ((i > 0 && !buf_add_byte(out, ',', fault)) ||
            !add_entry(dialect, models[i].name, out, fault))
            return false;
    return buf_add_text(out, forms[dialect].tail, fault);
}

bool models_one(enum dialect dialect, const struct gateway_model *models, size_t count,
                struct slice name, struct buf *out, struct fault *fault)
{
    for (size_t i = 0; i < count; i++)
        if (slice_equal(slice_of(models[i].name), name))
            return add_entry(dialect, models[i].name, out, fault);
    return fault_set(fault, FAULT_MISSING, "policy has no such model");
}
