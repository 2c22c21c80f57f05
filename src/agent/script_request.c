/* What a request offers and how far its history has come. */
#include <stdlib.h>

#include "agent/script_parts.h"

#define MARK "scripted_t"
#define TURN_MAX 100000

static const char *text_of(json_t *object, const char *key)
{
    return json_string_value(json_object_get(object, key));
}

static void add_tool(json_t *tools, json_t *tool, const char *schema, const char *namespace)
{
    const char *name = text_of(tool, "name");
    json_t *row;

    if (name == NULL || !json_is_object(json_object_get(tool, schema)))
        return;
    row = json_pack("{s:s,s:O}", "name", name, "schema", json_object_get(tool, schema));
    if (row != NULL && namespace != NULL)
        (void)json_object_set_new(row, "namespace", json_string(namespace));
    if (row != NULL)
        (void)json_array_append_new(tools, row);
}

static bool is_type(json_t *object, const char *type)
{
    const char *text = text_of(object, "type");

    return text != NULL && strcmp(text, type) == 0;
}

/* Gemini: a schema in one of two members. */
static void add_declarations(json_t *tools, json_t *tool)
{
    json_t *declaration;
    size_t at;

    json_array_foreach(json_object_get(tool, "functionDeclarations"), at, declaration)
        add_tool(tools, declaration,
                 json_object_get(declaration, "parametersJsonSchema") != NULL
                     ? "parametersJsonSchema"
                     : "parameters",
                 NULL);
}

json_t *script_tools(enum script_dialect dialect, json_t *request)
{
    json_t *tools = json_array(), *tool, *inner;
    size_t at, k;

    json_array_foreach(json_object_get(request, "tools"), at, tool)
    {
        if (dialect == SCRIPT_MESSAGES)
            add_tool(tools, tool, "input_schema", NULL);
        else if (dialect == SCRIPT_GEMINI)
            add_declarations(tools, tool);
        else if (dialect == SCRIPT_CHAT)
            add_tool(tools, json_object_get(tool, "function"), "parameters", NULL);
        else if (is_type(tool, "function"))
            add_tool(tools, tool, "parameters", NULL);
        else if (is_type(tool, "namespace"))
            json_array_foreach(json_object_get(tool, "tools"), k, inner)
                add_tool(tools, inner, "parameters", text_of(tool, "name"));
    }
    return tools;
}

/* Turn that is written into a call id of ours, plus one; 0: not ours. */
static size_t turn_of_id(const char *id)
{
    const char *mark = id == NULL ? NULL : strstr(id, MARK);
    unsigned long turn;

    if (mark == NULL)
        return 0;
    turn = strtoul(mark + strlen(MARK), NULL, 10);
    return turn < TURN_MAX ? (size_t)turn + 1 : 0;
}

static size_t later(size_t a, size_t b)
{
    return a > b ? a : b;
}

/* The latest turn that the ids in one item name. */
static size_t turn_of_item(json_t *item)
{
    size_t turn = later(turn_of_id(text_of(item, "call_id")), turn_of_id(text_of(item, "id"))),
           at;
    json_t *part;

    json_array_foreach(json_object_get(item, "tool_calls"), at, part) turn =
        later(turn, turn_of_id(text_of(part, "id")));
    json_array_foreach(json_object_get(item, "content"), at, part) turn =
        later(turn, turn_of_id(text_of(part, "id")));
    json_array_foreach(json_object_get(item, "parts"), at, part) turn =
        later(turn, turn_of_id(text_of(json_object_get(part, "functionCall"), "id")));
    return turn;
}

static bool is_by_model(json_t *item)
{
    const char *role = text_of(item, "role");
    const char *type = text_of(item, "type");
    size_t len = type == NULL ? 0 : strlen(type);

    return (role != NULL && (strcmp(role, "assistant") == 0 || strcmp(role, "model") == 0)) ||
           (type != NULL && strcmp(type, "reasoning") == 0) ||
           (len > 5 && strcmp(type + len - 5, "_call") == 0);
}

/* One rule for all dialects: what the model said in a row is one turn. */
size_t script_turns_had(json_t *history)
{
    size_t turns = 0, at;
    bool in_turn = false;
    json_t *item;

    json_array_foreach(history, at, item)
    {
        size_t named;

        if (!is_by_model(item)) {
            in_turn = false;
            continue;
        }
        if (!in_turn)
            turns++;
        in_turn = true;
        named = turn_of_item(item);
        if (named > 0)
            turns = named; /* our own ids know better than counting, whatever the client left
                              out */
    }
    return turns;
}
