#include "gateway/door/facts.h"

#include <stdlib.h>

#include "base/scope.h"

#define FACTS_MAX (1U << 18)

static const struct {
    const char *key;
    enum fact_text text;
} texts[] = {{"type", FACT_TYPE}, {"name", FACT_NAME}};

static const struct {
    const char *key;
    enum fact_index index;
} indices[] = {{"index", FACT_INDEX},
               {"output_index", FACT_OUTPUT_INDEX},
               {"content_index", FACT_CONTENT_INDEX},
               {"summary_index", FACT_SUMMARY_INDEX}};

/* A key is one place of the document, an index a number: both tell one object from the next. */
static uint64_t object_of(const struct facts *facts, const struct json_leaf *leaf,
                          size_t depth)
{
    uint64_t hash = UINT64_C(0xCBF29CE484222325);

    for (size_t i = 0; i < depth; i++) {
        const struct json_step *step = &leaf->path[i];
        uint64_t number = step->is_key ? (uint64_t)(step->key.at - facts->document.at) << 1
                                       : (uint64_t)step->index << 1 | 1;

        hash = (hash ^ number) * UINT64_C(0x9E3779B97F4A7C15);
        hash ^= hash >> 29;
    }
    return hash;
}

static uint32_t *slot_of(const struct facts *facts, uint64_t object)
{
    size_t slot = (size_t)object & facts->mask;

    while (facts->slots[slot] != 0 && facts->at[facts->slots[slot] - 1].object != object)
        slot = (slot + 1) & facts->mask;
    return &facts->slots[slot];
}

static void widen(struct facts *facts)
{
    free(facts->slots);
    facts->mask = facts->mask * 2 + 1;
    facts->slots = xalloc_array(facts->mask + 1, sizeof(*facts->slots));
    for (size_t i = 0; i < facts->count; i++)
        *slot_of(facts, facts->at[i].object) = (uint32_t)i + 1;
}

static struct fact *fact_for(struct facts *facts, uint64_t object)
{
    uint32_t *slot = slot_of(facts, object);

    if (*slot == 0) {
        facts->at = xgrow(facts->at, &facts->room, facts->count + 1, sizeof(*facts->at));
        facts->at[facts->count++] = (struct fact){.object = object};
        *slot = (uint32_t)facts->count;
        if (facts->count * 2 > facts->mask) {
            widen(facts);
            slot = slot_of(facts, object);
        }
    }
    return &facts->at[*slot - 1];
}

static void note_text(struct facts *facts, const struct json_leaf *leaf, enum fact_text which)
{
    struct fact *fact = fact_for(facts, object_of(facts, leaf, leaf->depth - 1));
    struct slice text = slice_part(leaf->text, 0, FACT_TEXT_BYTES - 1);

    memset(fact->text[which], 0, FACT_TEXT_BYTES);
    if (text.len > 0)
        memcpy(fact->text[which], text.at, text.len);
}

static void note_index(struct facts *facts, const struct json_leaf *leaf,
                       enum fact_index which)
{
    struct json_value value = {JSON_NUMBER, leaf->raw};
    struct fault none = {0};
    struct fact *fact;
    int64_t number;

    if (!json_whole_number(&value, &number, &none) || number < 0 || number > UINT32_MAX)
        return;
    fact = fact_for(facts, object_of(facts, leaf, leaf->depth - 1));
    fact->index[which] = (uint32_t)number;
    fact->has_index |= (uint8_t)(1U << which);
}

static bool on_leaf(void *self, const struct json_leaf *leaf, struct fault *fault)
{
    struct facts *facts = self;
    const struct json_step *step = leaf->depth == 0 ? NULL : &leaf->path[leaf->depth - 1];

    if (leaf->is_key || step == NULL || !step->is_key)
        return true;
    if (facts->count == FACTS_MAX)
        return fault_set(fault, FAULT_LIMIT, "JSON: more than %u objects", FACTS_MAX);
    for (size_t i = 0; leaf->type == JSON_STRING && i < COUNT(texts); i++)
        if (json_key_is(step->key, texts[i].key))
            note_text(facts, leaf, texts[i].text);
    for (size_t i = 0; leaf->type == JSON_NUMBER && i < COUNT(indices); i++)
        if (json_key_is(step->key, indices[i].key))
            note_index(facts, leaf, indices[i].index);
    return true;
}

bool facts_take(const struct json_leaf *leaf)
{
    const struct json_step *step = leaf->depth == 0 ? NULL : &leaf->path[leaf->depth - 1];

    if (leaf->is_key || step == NULL || !step->is_key)
        return false;
    for (size_t i = 0; leaf->type == JSON_STRING && i < COUNT(texts); i++)
        if (json_key_is(step->key, texts[i].key))
            return true;
    for (size_t i = 0; leaf->type == JSON_NUMBER && i < COUNT(indices); i++)
        if (json_key_is(step->key, indices[i].key))
            return true;
    return false;
}

bool facts_read(struct slice document, struct facts *ret_facts, struct fault *fault)
{
    struct json_visitor visitor = {.leaf = on_leaf, .self = ret_facts};

    *ret_facts = (struct facts){.document = document, .mask = 31};
    ret_facts->slots = xalloc_array(ret_facts->mask + 1, sizeof(*ret_facts->slots));
    return json_walk(document, &visitor, fault);
}

void facts_free(struct facts *facts)
{
    free(facts->at);
    free(facts->slots);
    *facts = (struct facts){0};
}

const struct fact *facts_of(const struct facts *facts, const struct json_leaf *leaf,
                            size_t depth)
{
    uint32_t number = *slot_of(facts, object_of(facts, leaf, depth));

    return number == 0 ? NULL : &facts->at[number - 1];
}

static bool key_is_in(struct slice key, const char *const *names, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (json_key_is(key, names[i]))
            return true;
    return false;
}

bool facts_signed(const struct facts *facts, const struct json_leaf *leaf)
{
    static const char *const keys[] = {
        "thinking",          "signature",         "encrypted_content", "thoughtSignature",
        "thought_signature", "reasoning_content", "reasoning_details"};
    static const char *const types[] = {"thinking", "redacted_thinking", "reasoning",
                                        "compaction"};

    for (size_t i = 0; i < leaf->depth; i++) {
        const struct fact *fact;

        if (leaf->path[i].is_key && key_is_in(leaf->path[i].key, keys, COUNT(keys)))
            return true;
        fact = facts_of(facts, leaf, i);
        for (size_t j = 0; fact != NULL && j < COUNT(types); j++)
            if (strcmp(fact->text[FACT_TYPE], types[j]) == 0)
                return true;
    }
    return false;
}

bool facts_protocol(const struct json_leaf *leaf)
{
    static const char *const words[] = {"role",         "type",        "id",       "call_id",
                                        "tool_call_id", "tool_use_id", "model",    "status",
                                        "phase",        "media_type",  "mime_type"};
    static const char *const free_form[] = {"input",  "args",       "arguments",   "response",
                                            "output", "parameters", "input_schema"};
    const struct json_step *last = leaf->depth == 0 ? NULL : &leaf->path[leaf->depth - 1];

    if (last == NULL || !last->is_key || !key_is_in(last->key, words, COUNT(words)))
        return false;
    for (size_t i = 1; i + 1 < leaf->depth; i++)
        if (leaf->path[i].is_key && key_is_in(leaf->path[i].key, free_form, COUNT(free_form)))
            return false;
    return true;
}
