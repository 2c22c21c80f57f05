#include "gateway/door/answer/sink.h"

#include <strings.h>

/* Tools as agents name them, without regard to case. */
static const struct {
    const char *name;
    enum tool_kind kind;
} tools[] = {
    {"read", TOOL_FILES},
    {"write", TOOL_FILES},
    {"edit", TOOL_FILES},
    {"multiedit", TOOL_FILES},
    {"notebookedit", TOOL_FILES},
    {"glob", TOOL_FILES},
    {"grep", TOOL_FILES},
    {"ls", TOOL_FILES},
    {"list", TOOL_FILES},
    {"find", TOOL_FILES},
    {"view", TOOL_FILES},
    {"patch", TOOL_FILES},
    {"replace", TOOL_FILES},
    {"apply_patch", TOOL_FILES},
    {"read_file", TOOL_FILES},
    {"write_file", TOOL_FILES},
    {"edit_file", TOOL_FILES},
    {"create_file", TOOL_FILES},
    {"list_dir", TOOL_FILES},
    {"list_directory", TOOL_FILES},
    {"read_many_files", TOOL_FILES},
    {"search_file_content", TOOL_FILES},
    {"grep_search", TOOL_FILES},
    {"file_search", TOOL_FILES},
    {"replace_in_file", TOOL_FILES},
    {"write_to_file", TOOL_FILES},
    {"str_replace_editor", TOOL_FILES},
    {"str_replace_based_edit_tool", TOOL_FILES},
    {"todowrite", TOOL_FILES},
    {"todoread", TOOL_FILES},
    {"update_plan", TOOL_FILES},
    {"bash", TOOL_SHELL},
    {"shell", TOOL_SHELL},
    {"shell_command", TOOL_SHELL},
    {"local_shell", TOOL_SHELL},
    {"exec", TOOL_SHELL},
    {"exec_command", TOOL_SHELL},
    {"execute_command", TOOL_SHELL},
    {"run_command", TOOL_SHELL},
    {"run_shell_command", TOOL_SHELL},
    {"run_terminal_cmd", TOOL_SHELL},
    {"run_in_terminal", TOOL_SHELL},
    {"terminal", TOOL_SHELL},
    {"container.exec", TOOL_SHELL},
    {"write_stdin", TOOL_SHELL},
};

/* Calls that do not end in the cell. */
static const char *const remote_types[] = {
    "server_tool_use",      "mcp_tool_use",          "mcp_call",
    "mcp_approval_request", "mcp_list_tools",        "web_search_call",
    "file_search_call",     "code_interpreter_call", "image_generation_call",
    "computer_call",
};

/* Calls that the agent carries out, and where what they are given stands. */
static const char *const tool_types[] = {"tool_use", "function_call", "custom_tool_call",
                                         "local_shell_call", "function"};

/* Programs that reach out of the cell, carry something out of it, or run what cannot be read
 * here. As words. */
static const char *const programs[] = {
    "curl",   "wget",   "ssh",      "scp",        "sftp",    "rsync",     "ftp",     "tftp",
    "nc",     "ncat",   "netcat",   "socat",      "telnet",  "mosh",      "git",     "gh",
    "glab",   "hub",    "svn",      "hg",         "http",    "https",     "httpie",  "xh",
    "aws",    "gcloud", "gsutil",   "az",         "kubectl", "helm",      "docker",  "podman",
    "skopeo", "npm",    "pnpm",     "yarn",       "npx",     "pip",       "pip3",    "twine",
    "cargo",  "gem",    "go",       "mvn",        "gradle",  "mail",      "mailx",   "sendmail",
    "mutt",   "msmtp",  "swaks",    "dig",        "drill",   "nslookup",  "host",    "ping",
    "ping6",  "getent", "resolvectl", "traceroute", "openssl", "gnutls-cli", "lynx",  "w3m",
    "links",  "aria2c", "axel",     "rclone",     "s3cmd",   "restic",    "irc",     "nmap",
    "logger", "wscat",  "websocat", "grpcurl",    "iwr",     "irm",       "urllib",  "urllib2",
    "urllib3", "requests", "httpx", "aiohttp",    "socket",  "sockets",   "fetch",   "axios",
    "smtplib", "ftplib", "paramiko", "boto3",     "eval",    "base64",    "xxd",     "psql",
    "mysql",  "redis-cli", "mongo", "mongosh",    "kafkacat", "mcp",
};

/* Anywhere. */
static const char *const fragments[] = {"://", "/dev/tcp", "/dev/udp", "http.client",
                                        "Net::", "LWP", "WebRequest", "IO::Socket"};

static bool is_in(const char *text, const char *const *names, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (strcmp(text, names[i]) == 0)
            return true;
    return false;
}

enum tool_kind sink_tool(const char *name)
{
    for (size_t i = 0; i < COUNT(tools); i++)
        if (strcasecmp(name, tools[i].name) == 0)
            return tools[i].kind;
    return TOOL_OTHER;
}

bool sink_is_remote(const char *type)
{
    return is_in(type, remote_types, COUNT(remote_types));
}

static bool in_word(uint8_t byte)
{
    return (byte >= '0' && byte <= '9') || (byte >= 'a' && byte <= 'z') ||
           (byte >= 'A' && byte <= 'Z') || byte == '_' || byte >= 0x80;
}

/* As a word of its own; behind "\n" and the like of a JSON string, too. */
static bool holds_word(struct slice text, const char *word)
{
    size_t len = strlen(word);

    for (size_t at = 0; (at = slice_find(text, slice_of(word), at)) != SIZE_MAX; at++) {
        bool escaped = at > 1 && text.at[at - 2] == '\\' && strchr("nrt", text.at[at - 1]);

        if ((at == 0 || escaped || !in_word(text.at[at - 1])) &&
            (at + len == text.len || !in_word(text.at[at + len])))
            return true;
    }
    return false;
}

bool sink_reaches_out(struct slice command)
{
    for (size_t i = 0; i < COUNT(fragments); i++)
        if (slice_find(command, slice_of(fragments[i]), 0) != SIZE_MAX)
            return true;
    for (size_t i = 0; i < COUNT(programs); i++)
        if (holds_word(command, programs[i]))
            return true;
    return false;
}

/* ---- where a string stands ---- */

struct place {
    const struct facts *facts;
    const struct json_leaf *leaf;
    const char *tool;
};

static bool key_at(const struct json_leaf *leaf, size_t depth, const char *name)
{
    return depth < leaf->depth && leaf->path[depth].is_key &&
           json_key_is(leaf->path[depth].key, name);
}

static bool last_key(const struct json_leaf *leaf, const char *name)
{
    return leaf->depth > 0 && key_at(leaf, leaf->depth - 1, name);
}

static bool has_key(const struct json_leaf *leaf, const char *name)
{
    for (size_t i = 0; i + 1 < leaf->depth; i++)
        if (key_at(leaf, i, name))
            return true;
    return false;
}

static bool type_is(const struct place *place, size_t depth, const char *type)
{
    const struct fact *fact = facts_of(place->facts, place->leaf, depth);

    return fact != NULL && strcmp(fact->text[FACT_TYPE], type) == 0;
}

/* The tool that the string is for: of the innermost object around it that is a call. */
static const char *tool_of(const struct place *place)
{
    for (size_t i = place->leaf->depth; i-- > 0;) {
        const struct fact *fact = facts_of(place->facts, place->leaf, i);
        bool is_function = i > 0 && (key_at(place->leaf, i - 1, "function") ||
                                     key_at(place->leaf, i - 1, "function_call") ||
                                     key_at(place->leaf, i - 1, "functionCall"));

        if (fact == NULL)
            continue;
        if (strcmp(fact->text[FACT_TYPE], "local_shell_call") == 0)
            return "local_shell";
        if (fact->text[FACT_NAME][0] != 0 &&
            (is_function || is_in(fact->text[FACT_TYPE], tool_types, COUNT(tool_types))))
            return fact->text[FACT_NAME];
    }
    return place->tool;
}

static bool is_remote(const struct place *place)
{
    for (size_t i = 0; i < place->leaf->depth; i++) {
        const struct fact *fact = facts_of(place->facts, place->leaf, i);

        if (fact != NULL && sink_is_remote(fact->text[FACT_TYPE]))
            return true;
    }
    return false;
}

/* Chat Completions, legacy completions */
static bool in_choices(const struct place *place, struct sink *sink)
{
    const struct json_leaf *leaf = place->leaf;

    if (!key_at(leaf, 0, "choices"))
        return false;
    sink->is_partial = has_key(leaf, "delta") || last_key(leaf, "text");
    if (last_key(leaf, "arguments")) {
        sink->kind = SINK_TOOL;
        sink->is_json = true;
    } else if (last_key(leaf, "content") || last_key(leaf, "refusal") ||
               last_key(leaf, "text")) {
        sink->kind = SINK_TEXT;
    }
    return true;
}

/* Events of the Responses API, by their type */
static bool in_event(const struct place *place, struct sink *sink)
{
    static const struct {
        const char *type, *key;
        struct sink sink;
    } rows[] = {
        {"response.output_text.delta", "delta", {SINK_TEXT, 0, false, true}},
        {"response.output_text.done", "text", {SINK_TEXT, 0, false, false}},
        {"response.refusal.delta", "delta", {SINK_TEXT, 0, false, true}},
        {"response.refusal.done", "refusal", {SINK_TEXT, 0, false, false}},
        {"response.function_call_arguments.delta", "delta", {SINK_TOOL, 0, true, true}},
        {"response.function_call_arguments.done", "arguments", {SINK_TOOL, 0, true, false}},
        {"response.custom_tool_call_input.delta", "delta", {SINK_TOOL, 0, false, true}},
        {"response.custom_tool_call_input.done", "input", {SINK_TOOL, 0, false, false}},
    };

    for (size_t i = 0; i < COUNT(rows); i++)
        if (place->leaf->depth == 1 && last_key(place->leaf, rows[i].key) &&
            type_is(place, 0, rows[i].type)) {
            *sink = rows[i].sink;
            return true;
        }
    return false;
}

/* Pieces of Anthropic's blocks */
static bool in_block_delta(const struct place *place, struct sink *sink)
{
    if (!type_is(place, 0, "content_block_delta") || !key_at(place->leaf, 0, "delta"))
        return false;
    sink->is_partial = true;
    if (last_key(place->leaf, "text")) {
        sink->kind = SINK_TEXT;
    } else if (last_key(place->leaf, "partial_json")) {
        sink->kind = SINK_TOOL;
        sink->is_json = true;
    }
    return true;
}

/* Blocks and items as a whole, and Gemini's parts */
static void in_item(const struct place *place, struct sink *sink)
{
    const struct json_leaf *leaf = place->leaf;
    size_t object = leaf->depth - 1;

    if (last_key(leaf, "text") && (type_is(place, object, "text") ||
                                   type_is(place, object, "output_text") ||
                                   has_key(leaf, "parts"))) {
        sink->kind = SINK_TEXT;
        sink->is_partial = has_key(leaf, "parts");
    } else if (last_key(leaf, "refusal")) {
        sink->kind = SINK_TEXT;
    } else if (last_key(leaf, "arguments")) {
        sink->kind = SINK_TOOL;
        sink->is_json = true;
    } else if (last_key(leaf, "input") || has_key(leaf, "input") || has_key(leaf, "args") ||
               has_key(leaf, "action")) {
        sink->kind = SINK_TOOL;
    }
}

struct sink sink_of(const struct facts *facts, const struct json_leaf *leaf, const char *tool)
{
    struct place place = {facts, leaf, tool};
    struct sink sink = {.is_partial = has_key(leaf, "delta") || last_key(leaf, "delta")};
    const char *name;

    if (leaf->depth == 0 || facts_signed(facts, leaf) || is_remote(&place))
        return sink;
    if (!in_choices(&place, &sink) && !in_event(&place, &sink) && !in_block_delta(&place, &sink))
        in_item(&place, &sink);
    if (sink.kind != SINK_TOOL)
        return sink;
    name = tool_of(&place);
    sink.tool = name == NULL ? TOOL_OTHER : sink_tool(name);
    if (sink.tool == TOOL_OTHER)
        sink.kind = SINK_KEPT;
    return sink;
}
