#include "gateway/dialect/references.h"

#define TOOLS "tools"

/* Members that hold the name or address of something that is not in the request. */
static const struct reference_row {
    unsigned dialects;   /* DIALECT_BIT */
    const char *key;     /* the member that holds it, or NULL: any below `under` */
    const char *under;   /* the member around it, or NULL: any */
    bool at_top;         /* only at the top of the body: `key`, or `under` with all in it */
    bool unless_data;    /* an address, unless it is a data: URL */
    enum reach reach;
} rows[] = {
#define OPENAI DIALECT_BIT(DIALECT_OPENAI)
#define RESPONSES DIALECT_BIT(DIALECT_OPENAI_RESPONSES)
#define ANTHROPIC DIALECT_BIT(DIALECT_ANTHROPIC)
#define GEMINI DIALECT_BIT(DIALECT_GEMINI)
    {RESPONSES, "previous_response_id", NULL, true, false, REACH_STATE},
    {RESPONSES, "conversation", NULL, true, false, REACH_STATE},
    {RESPONSES, NULL, "conversation", true, false, REACH_STATE},
    {RESPONSES, NULL, "prompt", true, false, REACH_STATE},
    {ANTHROPIC, "container", NULL, true, false, REACH_STATE},
    {ANTHROPIC, NULL, "container", true, false, REACH_STATE},
    {GEMINI, "cachedContent", NULL, true, false, REACH_STATE},
    {GEMINI, "cached_content", NULL, true, false, REACH_STATE},
    {OPENAI, "id", "audio", false, false, REACH_STATE},
    {OPENAI | RESPONSES | ANTHROPIC, "file_id", NULL, false, false, REACH_FILES},
    {RESPONSES, "container_id", NULL, false, false, REACH_FILES},
    {OPENAI | RESPONSES, "url", "image_url", false, true, REACH_URLS},
    {OPENAI | RESPONSES, "image_url", NULL, false, true, REACH_URLS},
    {RESPONSES, "file_url", NULL, false, true, REACH_URLS},
    {RESPONSES, "server_url", NULL, false, false, REACH_TOOLS},
    {ANTHROPIC, "url", "source", false, true, REACH_URLS},
    {GEMINI, "fileUri", NULL, false, true, REACH_URLS},
    {GEMINI, "file_uri", NULL, false, true, REACH_URLS},
    {GEMINI, "uri", "fileData", false, true, REACH_URLS},
    {OPENAI, NULL, "web_search_options", true, false, REACH_TOOLS},
    {ANTHROPIC, NULL, "mcp_servers", true, false, REACH_TOOLS},
};

/* Members whose content is the agent's own data, whatever its keys are called. */
static const struct own_row {
    unsigned dialects;
    const char *key;
    bool below_top; /* at the top the same word is the conversation itself */
} own[] = {
    {OPENAI | RESPONSES, "parameters", false},
    {OPENAI | RESPONSES, "schema", false},
    {OPENAI | RESPONSES | ANTHROPIC, "metadata", false},
    {ANTHROPIC, "input", true},
    {ANTHROPIC, "input_schema", false},
    {GEMINI, "args", false},
    {GEMINI, "response", false},
    {GEMINI, "parameters", false},
    {GEMINI, "parametersJsonSchema", false},
    {GEMINI, "responseSchema", false},
    {GEMINI, "responseJsonSchema", false},
    {GEMINI, "labels", false},
};

/* Types of tools that run here, or only among what the request holds. All others run at the
 * provider. */
static const struct tool_row {
    unsigned dialects;
    const char *type;
    bool is_head; /* what begins so */
} tools[] = {
    {OPENAI | RESPONSES, "function", false},
    {OPENAI | RESPONSES, "custom", false},
    {RESPONSES, "namespace", false},
    {RESPONSES, "local_shell", false},
    {RESPONSES, "apply_patch", false},
    {RESPONSES, "tool_search", false},
    {RESPONSES, "computer", true},
    {ANTHROPIC, "custom", false},
    {ANTHROPIC, "bash_", true},
    {ANTHROPIC, "text_editor_", true},
    {ANTHROPIC, "computer_", true},
    {ANTHROPIC, "memory_", true},
    {ANTHROPIC, "tool_search_tool_", true},
};

static const struct {
    const char *word, *reason, *says;
} reaches[REACH_COUNT] = {
    [REACH_STATE] = {"state", "kept",
                     "what the provider keeps (an earlier response, a conversation, a cache) "
                     "cannot be referred to: send the text itself (policy: models, reach)"},
    [REACH_FILES] = {"files", "file",
                     "files that were uploaded to the provider cannot be referred to: send "
                     "their content (policy: models, reach)"},
    [REACH_URLS] = {"urls", "remote-url",
                    "addresses that the provider would fetch are refused: send the content "
                    "(policy: models, reach)"},
    [REACH_TOOLS] = {"tools", "server-tool",
                     "tools that the provider runs (MCP servers, web search, code) are refused: "
                     "what they send and bring is not seen here (policy: models, reach)"},
};

bool reach_parse(struct slice name, enum reach *ret_reach)
{
    for (unsigned i = 0; i < REACH_COUNT; i++)
        if (slice_equal(slice_of(reaches[i].word), name)) {
            *ret_reach = (enum reach)i;
            return true;
        }
    return false;
}

const char *references_say(enum reach reach)
{
    return reaches[reach].says;
}

const char *references_reason(enum reach reach)
{
    return reaches[reach].reason;
}

static void found(struct references *references, enum reach reach, const char *where)
{
    if ((references->reach & REACH_BIT(reach)) == 0)
        references->where[reach] = where;
    references->reach |= REACH_BIT(reach);
}

static bool key_is(const struct json_leaf *leaf, size_t at, const char *key)
{
    return at < leaf->depth && leaf->path[at].is_key && json_key_is(leaf->path[at].key, key);
}

/* The nearest member around step `at`, items of arrays left out. */
static bool under_is(const struct json_leaf *leaf, size_t at, const char *key)
{
    while (at > 0 && !leaf->path[at - 1].is_key)
        at--;
    return at > 0 && json_key_is(leaf->path[at - 1].key, key);
}

static bool is_own(const struct references *references, const struct json_leaf *leaf)
{
    for (size_t at = 0; at < leaf->depth; at++)
        for (size_t i = 0; i < COUNT(own); i++)
            if ((own[i].dialects & DIALECT_BIT(references->dialect)) != 0 &&
                (at > 0 || !own[i].below_top) && key_is(leaf, at, own[i].key))
                return true;
    return false;
}

static bool row_fits(const struct reference_row *row, const struct json_leaf *leaf)
{
    size_t last = leaf->depth - 1;

    if (row->key == NULL)
        return key_is(leaf, 0, row->under);
    while (last > 0 && !leaf->path[last].is_key) /* a list of them */
        last--;
    if (!key_is(leaf, last, row->key) || (row->at_top && last != 0))
        return false;
    if (row->under != NULL && !under_is(leaf, last, row->under))
        return false;
    return !row->unless_data || !slice_starts_with(leaf->text, SLICE("data:"));
}

static void see_member(struct references *references, const struct json_leaf *leaf)
{
    for (size_t i = 0; i < COUNT(rows); i++)
        if ((rows[i].dialects & DIALECT_BIT(references->dialect)) != 0 && leaf->text.len > 0 &&
            row_fits(&rows[i], leaf) && !is_own(references, leaf))
            found(references, rows[i].reach, rows[i].key != NULL ? rows[i].key : rows[i].under);
}

/* tools[i].type, and tools[i].tools[j].type in a namespace. */
static bool is_tool_type(const struct json_leaf *leaf)
{
    size_t depth = leaf->depth;

    return (depth == 3 || (depth == 5 && key_is(leaf, 2, TOOLS))) &&
           key_is(leaf, 0, TOOLS) && key_is(leaf, depth - 1, "type");
}

static void see_tool(struct references *references, const struct json_leaf *leaf)
{
    for (size_t i = 0; i < COUNT(tools); i++)
        if ((tools[i].dialects & DIALECT_BIT(references->dialect)) != 0 &&
            (tools[i].is_head ? slice_starts_with(leaf->text, slice_of(tools[i].type))
                              : slice_equal(leaf->text, slice_of(tools[i].type))))
            return;
    found(references, REACH_TOOLS, TOOLS);
}

/* Gemini's tools are told by their only member. */
static void see_tool_key(struct references *references, const struct json_leaf *leaf)
{
    if (references->dialect == DIALECT_GEMINI && leaf->depth == 2 && key_is(leaf, 0, TOOLS) &&
        !slice_equal(leaf->text, SLICE("functionDeclarations")) &&
        !slice_equal(leaf->text, SLICE("function_declarations")))
        found(references, REACH_TOOLS, TOOLS);
}

/*
 * Names by first byte and length, so that most leaves are done with at once. A name that is
 * escaped in part has the first byte of the plain one, or begins with the escape.
 */
struct names {
    uint32_t lengths[256];
};

static void add_name(struct names *names, const char *text)
{
    names->lengths[(uint8_t)text[0]] |= 1U << strlen(text);
}

static bool may_be(const struct names *names, struct slice raw)
{
    return raw.len > 0 &&
           ((raw.len < 32 && (names->lengths[raw.at[0]] & 1U << raw.len) != 0) ||
            memchr(raw.at, '\\', raw.len) != NULL);
}

static bool may_refer(const struct json_leaf *leaf)
{
    static struct names members, tops;
    static bool made;
    size_t last = leaf->depth - 1;

    for (size_t i = 0; !made && i < COUNT(rows); i++) {
        if (rows[i].key != NULL)
            add_name(&members, rows[i].key);
        else
            add_name(&tops, rows[i].under);
    }
    if (!made)
        add_name(&tops, TOOLS);
    made = true;
    while (last > 0 && !leaf->path[last].is_key)
        last--;
    return (leaf->path[last].is_key && may_be(&members, leaf->path[last].key)) ||
           (leaf->path[0].is_key && may_be(&tops, leaf->path[0].key));
}

void references_see(struct references *references, const struct json_leaf *leaf)
{
    if (leaf->is_key) {
        see_tool_key(references, leaf);
        return;
    }
    if (leaf->type != JSON_STRING || leaf->depth == 0 || !may_refer(leaf))
        return;
    if (is_tool_type(leaf))
        see_tool(references, leaf);
    else
        see_member(references, leaf);
}
