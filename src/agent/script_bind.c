/* From what a script wants done to a call of a tool that the client offers. */
#include <stdio.h>
#include <strings.h>

#include "agent/script_parts.h"
#include "base/scope.h"

#define COMMAND_BYTES_MAX (4 * 1024 * 1024)
#define NAMES_MAX 8

/* What known agents call the tools and their parameters; the first that fits is taken. */
static const char *const tool_names[SCRIPT_ACTION_COUNT][NAMES_MAX] = {
    [SCRIPT_SHELL] = {"exec_command", "bash", "run_shell_command", "Bash", "run_commands",
                      "shell"},
    [SCRIPT_READ] = {"read", "read_file", "Read", "read_files"},
    [SCRIPT_WRITE] = {"write", "write_file", "Write", "editor"},
    [SCRIPT_EDIT] = {"edit", "replace", "Edit", "editor"},
};

static const char *const parameter_names[SCRIPT_ARGUMENT_COUNT][NAMES_MAX] = {
    [SCRIPT_COMMAND] = {"cmd", "command", "commands"},
    [SCRIPT_PATH] = {"path", "filePath", "file_path", "filepath"},
    [SCRIPT_CONTENT] = {"content", "new_text"},
    [SCRIPT_OLD] = {"old", "oldString", "old_string", "oldText", "old_text"},
    [SCRIPT_NEW] = {"new", "newString", "new_string", "newText", "new_text"},
    [SCRIPT_TEXT] = {"text"},
};

static const char *text_of(json_t *object, const char *key)
{
    return json_string_value(json_object_get(object, key));
}

/* A schema's type; of several the first. */
static const char *type_of(json_t *schema)
{
    static const char *const choices[] = {"anyOf", "oneOf"};
    json_t *type = json_object_get(schema, "type");

    if (json_is_array(type))
        type = json_array_get(type, 0);
    for (size_t i = 0; type == NULL && i < COUNT(choices); i++)
        type = json_object_get(json_array_get(json_object_get(schema, choices[i]), 0), "type");
    return json_is_string(type) ? json_string_value(type) : "string";
}

/* A value that a required parameter takes which the script says nothing about. */
static json_t *filling(json_t *schema)
{
    static const struct {
        const char *type;
        const char *value;
    } rows[] = {
        {"boolean", "false"}, {"integer", "1"}, {"number", "1"},
        {"array", "[]"},      {"object", "{}"},
    };
    json_t *choices = json_object_get(schema, "enum");

    if (json_array_size(choices) > 0)
        return json_incref(json_array_get(choices, 0));
    for (size_t i = 0; i < COUNT(rows); i++)
        if (strcasecmp(type_of(schema), rows[i].type) == 0)
            return json_loads(rows[i].value, JSON_DECODE_ANY, NULL);
    return json_string("scripted");
}

/* Puts `value` into `out` as the parameter's schema has it; false where it cannot. */
static bool put(json_t *out, const char *name, json_t *schema, const char *value)
{
    const char *type = type_of(schema);

    if (strcasecmp(type, "string") == 0) /* Gemini writes types in capitals */
        return json_object_set_new(out, name, json_string(value)) == 0;
    if (strcasecmp(type, "array") != 0 ||
        strcasecmp(type_of(json_object_get(schema, "items")), "string") != 0)
        return false;
    /* `shell` of older agents takes words and no shell's line. */
    if (strcmp(name, "command") == 0)
        return json_object_set_new(out, name, json_pack("[s,s,s]", "/bin/sh", "-c", value)) ==
               0;
    return json_object_set_new(out, name, json_pack("[s]", value)) == 0;
}

static bool put_argument(json_t *out, json_t *properties, enum script_argument argument,
                         const char *value)
{
    for (size_t i = 0; i < NAMES_MAX && parameter_names[argument][i] != NULL; i++) {
        const char *name = parameter_names[argument][i];
        json_t *schema = json_object_get(properties, name);

        if (schema != NULL && put(out, name, schema, value))
            return true;
    }
    return false;
}

static void fill_required(json_t *out, json_t *schema)
{
    json_t *required = json_object_get(schema, "required");
    json_t *properties = json_object_get(schema, "properties");
    size_t i;
    json_t *name;

    json_array_foreach(required, i, name)
    {
        const char *key = json_string_value(name);

        if (key != NULL && json_object_get(out, key) == NULL)
            (void)json_object_set_new(out, key, filling(json_object_get(properties, key)));
    }
}

/* Arguments for a tool of that schema; `deep`: what is left over may go into a list of
 * objects. */
static json_t *fit(json_t *schema, const char *const arguments[SCRIPT_ARGUMENT_COUNT],
                   bool deep)
{
    json_t *properties = json_object_get(schema, "properties");
    const char *left[SCRIPT_ARGUMENT_COUNT] = {0};
    json_t *out = json_object(), *property;
    const char *name;
    bool done = true;

    for (unsigned i = 0; i < SCRIPT_ARGUMENT_COUNT; i++)
        if (arguments[i] != NULL &&
            !put_argument(out, properties, (enum script_argument)i, arguments[i])) {
            left[i] = arguments[i];
            done = false;
        }
    json_object_foreach(properties, name, property)
    {
        json_t *inner = done || !deep || strcasecmp(type_of(property), "array") != 0
                            ? NULL
                            : fit(json_object_get(property, "items"), left, false);

        if (inner != NULL) {
            (void)json_object_set_new(out, name, json_pack("[o]", inner));
            done = true;
        }
    }
    if (!done) {
        json_decref(out);
        return NULL;
    }
    fill_required(out, schema);
    return out;
}

static bool bind_tool(json_t *tool, const char *const arguments[SCRIPT_ARGUMENT_COUNT],
                      struct script_bound *ret_bound)
{
    json_t *fitted = fit(json_object_get(tool, "schema"), arguments, true);

    if (fitted == NULL)
        return false;
    ret_bound->name = text_of(tool, "name");
    ret_bound->namespace = text_of(tool, "namespace");
    ret_bound->arguments = json_dumps(fitted, JSON_COMPACT);
    json_decref(fitted);
    return ret_bound->arguments != NULL;
}

/* Agents put the name of its server before that of a tool, each in its own way. */
static bool bind_named(const char *const arguments[SCRIPT_ARGUMENT_COUNT], json_t *tools,
                       struct script_bound *ret_bound)
{
    const char *without_name[SCRIPT_ARGUMENT_COUNT] = {[SCRIPT_TEXT] = arguments[SCRIPT_TEXT]};
    size_t at;
    json_t *tool;

    json_array_foreach(tools, at, tool)
    {
        const char *name = text_of(tool, "name");

        if (name != NULL && slice_ends_with(slice_of(name), slice_of(arguments[SCRIPT_NAME])) &&
            bind_tool(tool, without_name, ret_bound))
            return true;
    }
    return false;
}

static bool bind_action(enum script_action action,
                        const char *const arguments[SCRIPT_ARGUMENT_COUNT], json_t *tools,
                        struct script_bound *ret_bound)
{
    if (action == SCRIPT_TOOL)
        return bind_named(arguments, tools, ret_bound);
    for (size_t i = 0; i < NAMES_MAX && tool_names[action][i] != NULL; i++) {
        size_t at;
        json_t *tool;

        json_array_foreach(tools, at, tool)
        {
            const char *name = text_of(tool, "name");
            if (name != NULL && strcmp(name, tool_names[action][i]) == 0 &&
                bind_tool(tool, arguments, ret_bound))
                return true;
        }
    }
    return false;
}

bool script_offers_tool(json_t *tools)
{
    size_t at;
    json_t *tool;

    json_array_foreach(
        tools, at,
        tool) for (size_t action = 0; action < SCRIPT_ACTION_COUNT;
                   action++) for (size_t i = 0; i < NAMES_MAX && tool_names[action][i] != NULL;
                                  i++) if (text_of(tool, "name") != NULL &&
                                           strcmp(text_of(tool, "name"),
                                                  tool_names[action][i]) == 0) return true;
    return false;
}

/* In single quotes; one inside ends them, stands escaped, and opens them again. */
static bool add_quoted(struct buf *out, const char *text, struct fault *fault)
{
    if (!buf_add_byte(out, '\'', fault))
        return false;
    for (const char *c = text; *c != 0; c++)
        if (!(*c == '\'' ? buf_add_text(out, "'\\''", fault)
                         : buf_add_byte(out, (uint8_t)*c, fault)))
            return false;
    return buf_add_byte(out, '\'', fault);
}

/* What an agent without a tool for it would have its shell do; %P path, %C content, %O old, %N
 * new. */
static const char *const by_shell[SCRIPT_ACTION_COUNT] = {
    [SCRIPT_READ] = "cat -- %P",
    [SCRIPT_WRITE] = "mkdir -p -- \"$(dirname -- %P)\" && printf %%s %C > %P",
    [SCRIPT_EDIT] = "OLD=%O NEW=%N perl -0777 -pi -e '$done += s/\\Q$ENV{OLD}\\E/$ENV{NEW}/; "
                    "END { $? = 1 unless $done }' -- %P",
};

static bool shell_line(const char *form, const char *const arguments[SCRIPT_ARGUMENT_COUNT],
                       struct buf *out, struct fault *fault)
{
    static const char letters[SCRIPT_ARGUMENT_COUNT + 1] = "XPCONMT";

    for (const char *c = form; *c != 0; c++) {
        const char *letter = *c == '%' && c[1] != 0 ? strchr(letters, c[1]) : NULL;

        if (letter != NULL && arguments[letter - letters] != NULL) {
            if (!add_quoted(out, arguments[letter - letters], fault))
                return false;
            c++;
        } else {
            if (*c == '%' && c[1] == '%')
                c++;
            if (!buf_add_byte(out, (uint8_t)*c, fault))
                return false;
        }
    }
    return true;
}

bool script_bind(const struct script *script, const struct script_call *call, json_t *tools,
                 struct script_bound *ret_bound, struct fault *fault)
{
    AUTO_BUF struct buf line = buf_with_limit(COMMAND_BYTES_MAX);
    AUTO_FREE char *absolute = NULL;
    const char *arguments[SCRIPT_ARGUMENT_COUNT];
    const char *shell[SCRIPT_ARGUMENT_COUNT] = {0};

    for (size_t i = 0; i < SCRIPT_ARGUMENT_COUNT; i++)
        arguments[i] = call->arguments[i];
    if (arguments[SCRIPT_PATH] != NULL && arguments[SCRIPT_PATH][0] != '/' &&
        script->folder != NULL)
        arguments[SCRIPT_PATH] = absolute =
            xformat("%s/%s", script->folder, arguments[SCRIPT_PATH]);
    if (bind_action(call->action, arguments, tools, ret_bound))
        return true;
    if (call->action != SCRIPT_SHELL && call->action != SCRIPT_TOOL) {
        if (!shell_line(by_shell[call->action], arguments, &line, fault))
            return false;
        shell[SCRIPT_COMMAND] = buf_text(&line);
        if (bind_action(SCRIPT_SHELL, shell, tools, ret_bound))
            return true;
    }
    return fault_set(fault, FAULT_MISSING, "no tool that is offered fits the script's call");
}
