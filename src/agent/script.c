#include "agent/script.h"

#include <stdio.h>

#include "agent/script_parts.h"
#include "wire/yaml.h"
#include "base/scope.h"

#define TURNS_MAX 500
#define WAIT_MS_MAX 600000
#define TOKENS_MAX 1000000000

static bool read_copy(char **into, const struct yaml *node, struct fault *fault)
{
    const char *text;

    if (!yaml_text(node, &text, fault))
        return false;
    *into = xstrdup(text);
    return true;
}

static bool read_int(int *into, const struct yaml *node, int min, int max, struct fault *fault)
{
    int64_t number;

    if (!yaml_number(node, min, max, &number, fault))
        return false;
    *into = (int)number;
    return true;
}

#define ARGUMENT_READER(name, argument)                                                       \
    static bool name(void *into, const struct yaml *node, struct fault *fault)                \
    {                                                                                         \
        return read_copy(&((struct script_call *)into)->arguments[argument], node, fault);    \
    }

ARGUMENT_READER(read_command, SCRIPT_COMMAND)
ARGUMENT_READER(read_path, SCRIPT_PATH)
ARGUMENT_READER(read_content, SCRIPT_CONTENT)
ARGUMENT_READER(read_old, SCRIPT_OLD)
ARGUMENT_READER(read_new, SCRIPT_NEW)
ARGUMENT_READER(read_name, SCRIPT_NAME)
ARGUMENT_READER(read_said, SCRIPT_TEXT)

/* The actions and what each needs. */
static const struct action_rule {
    const char *name;
    enum script_action action;
    struct yaml_key keys[3];
    size_t key_count;
} actions[] = {
    {"shell", SCRIPT_SHELL, {{"command", true, read_command}}, 1},
    {"read", SCRIPT_READ, {{"path", true, read_path}}, 1},
    {"write", SCRIPT_WRITE, {{"path", true, read_path}, {"content", true, read_content}}, 2},
    {"edit",
     SCRIPT_EDIT,
     {{"path", true, read_path}, {"old", true, read_old}, {"new", true, read_new}},
     3},
    {"tool", SCRIPT_TOOL, {{"name", true, read_name}, {"text", false, read_said}}, 2},
};

static bool read_call(struct script_call *call, const struct yaml *node, struct fault *fault)
{
    if (!yaml_is(node, YAML_MAPPING, fault))
        return false;
    if (node->count != 1)
        return yaml_refuse(node, fault, "a call is one of shell, read, write, edit, tool");
    for (size_t i = 0; i < COUNT(actions); i++)
        if (strcmp(actions[i].name, node->keys[0]) == 0) {
            call->action = actions[i].action;
            return yaml_read(&node->children[0], actions[i].keys, actions[i].key_count, call,
                             fault);
        }
    return yaml_refuse(node, fault,
                       "unknown key %.60s: a call is one of shell, read, write, edit, tool",
                       node->keys[0]);
}

static bool read_calls(void *into, const struct yaml *node, struct fault *fault)
{
    struct script_turn *turn = into;

    if (!yaml_is(node, YAML_SEQUENCE, fault))
        return false;
    if (node->count > SCRIPT_CALLS_MAX)
        return yaml_refuse(node, fault, "more than %d calls", SCRIPT_CALLS_MAX);
    turn->calls = xalloc_array(node->count + 1, sizeof(turn->calls[0]));
    for (size_t i = 0; i < node->count; i++)
        if (!read_call(&turn->calls[turn->call_count++], &node->children[i], fault))
            return false;
    return true;
}

#define TURN_TEXT_READER(name, field)                                                         \
    static bool name(void *into, const struct yaml *node, struct fault *fault)                \
    {                                                                                         \
        return read_copy(&((struct script_turn *)into)->field, node, fault);                  \
    }
#define TURN_INT_READER(name, field, min, max)                                                \
    static bool name(void *into, const struct yaml *node, struct fault *fault)                \
    {                                                                                         \
        return read_int(&((struct script_turn *)into)->field, node, min, max, fault);         \
    }
#define USAGE_READER(name, field)                                                             \
    static bool name(void *into, const struct yaml *node, struct fault *fault)                \
    {                                                                                         \
        return yaml_number(node, 0, TOKENS_MAX, &((struct script_usage *)into)->field,        \
                           fault);                                                            \
    }

TURN_TEXT_READER(read_text, text)
TURN_TEXT_READER(read_reasoning, reasoning)
TURN_TEXT_READER(read_message, message)
TURN_INT_READER(read_delay, delay_ms, 0, WAIT_MS_MAX)
TURN_INT_READER(read_pace, pace_ms, 0, WAIT_MS_MAX)
TURN_INT_READER(read_status, status, 400, 599)
TURN_INT_READER(read_times, times, 1, 1000000)
USAGE_READER(read_input, input)
USAGE_READER(read_output, output)
USAGE_READER(read_cached, cached)

static bool read_usage(void *into, const struct yaml *node, struct fault *fault)
{
    static const struct yaml_key keys[] = {
        {"input", false, read_input},
        {"output", false, read_output},
        {"cached", false, read_cached},
    };

    return yaml_read(node, keys, COUNT(keys), &((struct script_turn *)into)->usage, fault);
}

static const struct yaml_key turn_keys[] = {
    {"text", false, read_text},       {"reasoning", false, read_reasoning},
    {"calls", false, read_calls},     {"usage", false, read_usage},
    {"delay_ms", false, read_delay},  {"pace_ms", false, read_pace},
    {"status", false, read_status},   {"times", false, read_times},
    {"message", false, read_message},
};

static bool read_turns(void *into, const struct yaml *node, struct fault *fault)
{
    struct script *script = into;

    if (!yaml_is(node, YAML_SEQUENCE, fault))
        return false;
    if (node->count == 0 || node->count > TURNS_MAX)
        return yaml_refuse(node, fault, "from 1 to %d turns", TURNS_MAX);
    script->turns = xalloc_array(node->count, sizeof(script->turns[0]));
    for (size_t i = 0; i < node->count; i++) {
        struct script_turn *turn = &script->turns[script->turn_count++];

        turn->usage = (struct script_usage){.input = -1, .output = -1, .cached = -1};
        turn->times = 1;
        if (!yaml_read(&node->children[i], turn_keys, COUNT(turn_keys), turn, fault))
            return false;
        if (turn->text == NULL && turn->call_count == 0 && turn->status == 0)
            return yaml_refuse(&node->children[i], fault,
                               "a turn has text, calls or a status");
    }
    return true;
}

static bool read_version(void *into, const struct yaml *node, struct fault *fault)
{
    int64_t version;

    (void)into;
    return yaml_number(node, 1, 1, &version, fault);
}

static bool read_model(void *into, const struct yaml *node, struct fault *fault)
{
    return read_copy(&((struct script *)into)->model, node, fault);
}

static bool read_side(void *into, const struct yaml *node, struct fault *fault)
{
    return read_copy(&((struct script *)into)->side, node, fault);
}

static const struct yaml_key script_keys[] = {
    {"version", true, read_version},
    {"model", false, read_model},
    {"side", false, read_side},
    {"turns", true, read_turns},
};

bool script_parse(struct slice text, const char *where, struct script **ret_script,
                  struct fault *fault)
{
    AUTO_YAML struct yaml *root = NULL;
    struct script *script;

    if (text.len > SCRIPT_BYTES_MAX)
        return fault_set(fault, FAULT_LIMIT, "%s: more than %d bytes", where,
                         SCRIPT_BYTES_MAX);
    if (!yaml_parse(text, where, &root, fault))
        return false;
    script = xalloc(sizeof(*script));
    if (!yaml_read(root, script_keys, COUNT(script_keys), script, fault)) {
        script_free(script);
        return false;
    }
    if (script->model == NULL)
        script->model = xstrdup("scripted-1");
    if (script->side == NULL)
        script->side = xstrdup("Scripted side answer");
    *ret_script = script;
    return true;
}

void script_free(struct script *script)
{
    if (script == NULL)
        return;
    for (size_t i = 0; i < script->turn_count; i++) {
        struct script_turn *turn = &script->turns[i];

        for (size_t call = 0; call < turn->call_count; call++)
            for (size_t k = 0; k < SCRIPT_ARGUMENT_COUNT; k++)
                free(turn->calls[call].arguments[k]);
        free(turn->calls);
        free(turn->text);
        free(turn->reasoning);
        free(turn->message);
    }
    free(script->turns);
    free(script->model);
    free(script->side);
    free(script->folder);
    free(script);
}

void script_set_folder(struct script *script, const char *folder)
{
    free(script->folder);
    script->folder = folder == NULL ? NULL : xstrdup(folder);
}
