/* Requests of the Messages API, read and written. */
#include "gateway/translate/ask.h"

#include <stdlib.h>

#include "base/scope.h"

#define MAX_TOKENS "16384" /* the API wants a maximum; what budgets assume where none is named */
#define NUMBER_BYTES_MAX 64

enum {
    TOP_MODEL, TOP_MESSAGES, TOP_SYSTEM, TOP_STREAM, TOP_MAX_TOKENS, TOP_TEMPERATURE, TOP_TOP_P,
    TOP_STOP, TOP_TOOLS, TOP_CHOICE, TOP_CONFIG, TOP_FORMAT, TOP_REST,
};
static const struct field top_rows[] = {
    [TOP_MODEL] = {"model", FIELD_CARRIED, NULL},
    [TOP_MESSAGES] = {"messages", FIELD_CARRIED, NULL},
    [TOP_SYSTEM] = {"system", FIELD_CARRIED, NULL},
    [TOP_STREAM] = {"stream", FIELD_CARRIED, NULL},
    [TOP_MAX_TOKENS] = {"max_tokens", FIELD_CARRIED, NULL},
    [TOP_TEMPERATURE] = {"temperature", FIELD_CARRIED, NULL},
    [TOP_TOP_P] = {"top_p", FIELD_CARRIED, NULL},
    [TOP_STOP] = {"stop_sequences", FIELD_CARRIED, NULL},
    [TOP_TOOLS] = {"tools", FIELD_CARRIED, NULL},
    [TOP_CHOICE] = {"tool_choice", FIELD_CARRIED, NULL},
    [TOP_CONFIG] = {"output_config", FIELD_CARRIED, NULL},
    [TOP_FORMAT] = {"output_format", FIELD_CARRIED, NULL},
    [TOP_REST] = {"thinking", FIELD_DROPPED, NULL},
    {"metadata", FIELD_DROPPED, NULL},
    {"cache_control", FIELD_DROPPED, NULL},
    {"context_management", FIELD_DROPPED, NULL},
    {"service_tier", FIELD_DROPPED, NULL},
    {"speed", FIELD_DROPPED, NULL},
    {"top_k", FIELD_REFUSED, NULL},
    {"container", FIELD_REFUSED, NULL},
    {"mcp_servers", FIELD_REFUSED, "[]"},
    {"inference_geo", FIELD_REFUSED, NULL},
};
static const struct field_table top_table = FIELD_TABLE("the request", top_rows);

enum { CONFIG_EFFORT, CONFIG_FORMAT, CONFIG_BUDGET, CONFIG_ROWS };
static const struct field config_rows[CONFIG_ROWS] = {
    [CONFIG_EFFORT] = {"effort", FIELD_CARRIED, NULL},
    [CONFIG_FORMAT] = {"format", FIELD_CARRIED, NULL},
    [CONFIG_BUDGET] = {"task_budget", FIELD_DROPPED, NULL},
};
static const struct field_table config_table = FIELD_TABLE("`output_config`", config_rows);

enum { MESSAGE_ROLE, MESSAGE_CONTENT, MESSAGE_ROWS };
static const struct field message_rows[MESSAGE_ROWS] = {
    [MESSAGE_ROLE] = {"role", FIELD_CARRIED, NULL},
    [MESSAGE_CONTENT] = {"content", FIELD_CARRIED, NULL},
};
static const struct field_table message_table = FIELD_TABLE("a message", message_rows);

enum { BLOCK_TYPE, BLOCK_TEXT, BLOCK_SOURCE, BLOCK_TITLE, BLOCK_ID, BLOCK_NAME, BLOCK_INPUT,
       BLOCK_USE_ID, BLOCK_CONTENT, BLOCK_REST };
static const struct field block_rows[] = {
    [BLOCK_TYPE] = {"type", FIELD_CARRIED, NULL},
    [BLOCK_TEXT] = {"text", FIELD_CARRIED, NULL},
    [BLOCK_SOURCE] = {"source", FIELD_CARRIED, NULL},
    [BLOCK_TITLE] = {"title", FIELD_CARRIED, NULL},
    [BLOCK_ID] = {"id", FIELD_CARRIED, NULL},
    [BLOCK_NAME] = {"name", FIELD_CARRIED, NULL},
    [BLOCK_INPUT] = {"input", FIELD_CARRIED, NULL},
    [BLOCK_USE_ID] = {"tool_use_id", FIELD_CARRIED, NULL},
    [BLOCK_CONTENT] = {"content", FIELD_CARRIED, NULL},
    [BLOCK_REST] = {"cache_control", FIELD_DROPPED, NULL},
    {"citations", FIELD_DROPPED, NULL},
    {"is_error", FIELD_DROPPED, NULL},
    {"caller", FIELD_REFUSED, "{\"type\":\"direct\"}"},
};
static const struct field_table block_table = FIELD_TABLE("a block", block_rows);

enum { SOURCE_TYPE, SOURCE_MEDIA, SOURCE_DATA, SOURCE_URL, SOURCE_ROWS };
static const struct field source_rows[SOURCE_ROWS] = {
    [SOURCE_TYPE] = {"type", FIELD_CARRIED, NULL},
    [SOURCE_MEDIA] = {"media_type", FIELD_CARRIED, NULL},
    [SOURCE_DATA] = {"data", FIELD_CARRIED, NULL},
    [SOURCE_URL] = {"url", FIELD_CARRIED, NULL},
};
static const struct field_table source_table = FIELD_TABLE("a source", source_rows);

enum { TOOL_TYPE, TOOL_NAME, TOOL_DESCRIPTION, TOOL_SCHEMA, TOOL_STRICT, TOOL_REST };
static const struct field tool_rows[] = {
    [TOOL_TYPE] = {"type", FIELD_CARRIED, NULL},
    [TOOL_NAME] = {"name", FIELD_CARRIED, NULL},
    [TOOL_DESCRIPTION] = {"description", FIELD_CARRIED, NULL},
    [TOOL_SCHEMA] = {"input_schema", FIELD_CARRIED, NULL},
    [TOOL_STRICT] = {"strict", FIELD_CARRIED, NULL},
    [TOOL_REST] = {"cache_control", FIELD_DROPPED, NULL},
    {"eager_input_streaming", FIELD_DROPPED, NULL},
    {"input_examples", FIELD_DROPPED, NULL},
    {"defer_loading", FIELD_REFUSED, "false"},
};
static const struct field_table tool_table = FIELD_TABLE("a tool", tool_rows);

enum { CHOICE_TYPE, CHOICE_NAME, CHOICE_ONE, CHOICE_ROWS };
static const struct field choice_rows[CHOICE_ROWS] = {
    [CHOICE_TYPE] = {"type", FIELD_CARRIED, NULL},
    [CHOICE_NAME] = {"name", FIELD_CARRIED, NULL},
    [CHOICE_ONE] = {"disable_parallel_tool_use", FIELD_CARRIED, NULL},
};
static const struct field_table choice_table = FIELD_TABLE("`tool_choice`", choice_rows);

/* ---- reading ---- */

typedef bool block_fn(struct ask_reading *reading, const struct json_value *values,
                      struct fault *fault);

static bool read_text(struct ask_reading *reading, const struct json_value *values,
                      struct fault *fault)
{
    return values[BLOCK_TEXT].type == JSON_STRING
               ? ask_read_piece(reading, ASK_TEXT, values[BLOCK_TEXT].raw, fault)
               : fault_set(fault, FAULT_INVALID, "a text block without a text");
}

/* An image or a document. */
static bool read_source(struct ask_reading *reading, const struct json_value *values,
                        struct fault *fault)
{
    bool is_image = field_is(&values[BLOCK_TYPE], "image"), is_base64, is_url, ok;
    enum ask_kind kind = is_image ? ASK_IMAGE : ASK_FILE;
    struct json_value source[SOURCE_ROWS];

    if (!fields_read(&values[BLOCK_SOURCE], &source_table, source, fault))
        return false;
    if (field_is(&source[SOURCE_TYPE], "text") && source[SOURCE_DATA].type == JSON_STRING)
        return ask_read_piece(reading, ASK_TEXT, source[SOURCE_DATA].raw, fault);
    is_base64 = field_is(&source[SOURCE_TYPE], "base64") &&
                source[SOURCE_DATA].type == JSON_STRING &&
                source[SOURCE_MEDIA].type == JSON_STRING;
    is_url = is_image && field_is(&source[SOURCE_TYPE], "url") &&
             source[SOURCE_URL].type == JSON_STRING;
    if (!is_base64 && !is_url)
        return fault_set(fault, FAULT_INVALID,
                         "the source of an image or document has no counterpart there");
    reading->piece.form = is_base64 ? ASK_BASE64 : ASK_STRING;
    reading->piece.media = source[SOURCE_MEDIA].raw;
    reading->piece.name =
        values[BLOCK_TITLE].type == JSON_STRING ? values[BLOCK_TITLE].raw : SLICE("");
    ok = ask_read_piece(reading, kind,
                        is_base64 ? source[SOURCE_DATA].raw : source[SOURCE_URL].raw, fault);
    reading->piece.form = ASK_STRING;
    reading->piece.media = reading->piece.name = SLICE("");
    return ok;
}

static bool read_call(struct ask_reading *reading, const struct json_value *values,
                      struct fault *fault)
{
    bool ok;

    if (values[BLOCK_ID].type != JSON_STRING || values[BLOCK_NAME].type != JSON_STRING ||
        values[BLOCK_INPUT].type != JSON_OBJECT)
        return fault_set(fault, FAULT_INVALID, "a tool_use needs `id`, `name` and `input`");
    reading->piece.form = ASK_OBJECT;
    reading->piece.id = values[BLOCK_ID].raw;
    reading->piece.name = values[BLOCK_NAME].raw;
    ok = ask_read_piece(reading, ASK_CALL, values[BLOCK_INPUT].raw, fault);
    reading->piece.form = ASK_STRING;
    reading->piece.id = reading->piece.name = SLICE("");
    return ok;
}

static bool read_content(struct ask_reading *reading, const struct json_value *content,
                         struct fault *fault);

static bool read_result(struct ask_reading *reading, const struct json_value *values,
                        struct fault *fault)
{
    bool ok;

    if (values[BLOCK_USE_ID].type != JSON_STRING || reading->piece.in_result)
        return fault_set(fault, FAULT_INVALID, "a tool_result without `tool_use_id`");
    reading->piece.id = values[BLOCK_USE_ID].raw;
    ok = ask_read_piece(reading, ASK_RESULT, SLICE(""), fault);
    reading->piece.id = SLICE("");
    reading->piece.in_result = true;
    ok = ok && (!field_set(&values[BLOCK_CONTENT]) ||
                read_content(reading, &values[BLOCK_CONTENT], fault));
    reading->piece.in_result = false;
    return ok;
}

static const struct block_row {
    const char *type;
    block_fn *read; /* NULL: what one provider has thought is not for another */
} blocks[] = {
    {"text", read_text},         {"image", read_source},  {"document", read_source},
    {"tool_use", read_call},     {"tool_result", read_result},
    {"thinking", NULL},          {"redacted_thinking", NULL},
};

static const struct block_row *row_of(const struct json_value *block)
{
    struct json_value type;
    struct fault missing = {0};

    if (block->type == JSON_OBJECT && json_member(block->raw, "type", &type, &missing))
        for (size_t i = 0; i < COUNT(blocks); i++)
            if (field_is(&type, blocks[i].type))
                return &blocks[i];
    return NULL;
}

static bool read_block(void *self, struct slice name, const struct json_value *value,
                       struct fault *fault)
{
    const struct block_row *row = row_of(value);
    struct json_value values[COUNT(block_rows)];

    (void)name;
    if (row == NULL)
        return fault_set(fault, FAULT_INVALID, "the type of a block has no counterpart there");
    return row->read == NULL || (fields_read(value, &block_table, values, fault) &&
                                 row->read(self, values, fault));
}

static bool read_content(struct ask_reading *reading, const struct json_value *content,
                         struct fault *fault)
{
    if (content->type == JSON_STRING)
        return ask_read_piece(reading, ASK_TEXT, content->raw, fault);
    return content->type == JSON_ARRAY
               ? json_each(content->raw, read_block, reading, fault)
               : fault_set(fault, FAULT_INVALID, "`content` is of another type");
}

static bool read_message(void *self, struct slice name, const struct json_value *value,
                         struct fault *fault)
{
    struct json_value values[MESSAGE_ROWS];
    struct ask_reading reading = {self, {.role = ASK_USER, .begins = true}};

    (void)name;
    if (!fields_read(value, &message_table, values, fault))
        return false;
    if (field_is(&values[MESSAGE_ROLE], "assistant"))
        reading.piece.role = ASK_ASSISTANT;
    else if (field_is(&values[MESSAGE_ROLE], "system"))
        reading.piece.role = ASK_SYSTEM;
    else if (!field_is(&values[MESSAGE_ROLE], "user"))
        return fault_set(fault, FAULT_INVALID, "the role of a message has no counterpart there");
    return read_content(&reading, &values[MESSAGE_CONTENT], fault);
}

static bool read_tool(void *self, struct slice name, const struct json_value *value,
                      struct fault *fault)
{
    struct json_value values[COUNT(tool_rows)];
    struct ask_tool tool = {.kind = ASK_FUNCTION};

    (void)name;
    if (!fields_read(value, &tool_table, values, fault) ||
        !field_type(&values[TOOL_DESCRIPTION], JSON_STRING, "description", fault))
        return false;
    if (field_set(&values[TOOL_TYPE]) && !field_is(&values[TOOL_TYPE], "custom"))
        return fault_set(fault, FAULT_INVALID, "the type of a tool has no counterpart there");
    if (values[TOOL_NAME].type != JSON_STRING || values[TOOL_SCHEMA].type != JSON_OBJECT)
        return fault_set(fault, FAULT_INVALID, "a tool needs `name` and `input_schema`");
    tool.name = values[TOOL_NAME].raw;
    tool.description = values[TOOL_DESCRIPTION].raw;
    tool.schema = values[TOOL_SCHEMA].raw;
    tool.strict = values[TOOL_STRICT].type == JSON_TRUE;
    return ask_add_tool(self, &tool, fault);
}

static bool read_choice(const struct json_value *value, struct ask *ask, struct fault *fault)
{
    struct json_value values[CHOICE_ROWS];

    if (!field_set(value))
        return true;
    if (!fields_read(value, &choice_table, values, fault))
        return false;
    ask->one_at_a_time = values[CHOICE_ONE].type == JSON_TRUE;
    if (!field_is(&values[CHOICE_TYPE], "tool"))
        return ask_read_choice(&values[CHOICE_TYPE], ask, fault);
    ask->choice = ASK_ONE;
    ask->choice_name = values[CHOICE_NAME].raw;
    return values[CHOICE_NAME].type == JSON_STRING ||
           fault_set(fault, FAULT_INVALID, "`tool_choice` names no tool");
}

static bool read_config(const struct json_value *config, struct ask *ask, struct fault *fault)
{
    struct json_value values[CONFIG_ROWS];

    if (!field_set(config))
        return true;
    if (!fields_read(config, &config_table, values, fault) ||
        !field_type(&values[CONFIG_EFFORT], JSON_STRING, "effort", fault))
        return false;
    ask->effort = values[CONFIG_EFFORT].raw;
    return !field_set(&values[CONFIG_FORMAT]) ||
           ask_read_format(&values[CONFIG_FORMAT], ask, fault);
}

bool ask_read_messages(const struct json_value *body, struct ask *ask, struct fault *fault)
{
    struct ask_reading systems = {ask, {.role = ASK_SYSTEM, .begins = true}};
    struct json_value values[COUNT(top_rows)];

    if (!fields_read(body, &top_table, values, fault) ||
        !field_type(&values[TOP_TOOLS], JSON_ARRAY, "tools", fault))
        return false;
    if (values[TOP_MESSAGES].type != JSON_ARRAY)
        return fault_set(fault, FAULT_INVALID, "the request has no `messages`");
    ask->model = values[TOP_MODEL].raw;
    ask->stream = values[TOP_STREAM].type == JSON_TRUE;
    ask->max_tokens = values[TOP_MAX_TOKENS].raw;
    ask->temperature = values[TOP_TEMPERATURE].raw;
    ask->top_p = values[TOP_TOP_P].raw;
    ask->stop = values[TOP_STOP].raw;
    return (!field_set(&values[TOP_SYSTEM]) ||
            read_content(&systems, &values[TOP_SYSTEM], fault)) &&
           json_each(values[TOP_MESSAGES].raw, read_message, ask, fault) &&
           (!field_set(&values[TOP_TOOLS]) ||
            json_each(values[TOP_TOOLS].raw, read_tool, ask, fault)) &&
           read_choice(&values[TOP_CHOICE], ask, fault) &&
           read_config(&values[TOP_CONFIG], ask, fault) &&
           (!field_set(&values[TOP_FORMAT]) ||
            ask_read_format(&values[TOP_FORMAT], ask, fault));
}

/* ---- writing ---- */

/* The API takes letters, digits, "_" and "-"; a call and its result change alike. */
static void write_id(struct writer *writer, struct slice raw)
{
    static const char plain[] =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-";
    struct slice inner = write_inner(raw);
    char text[ASK_ID_BYTES_MAX + 1] = {0};

    if (inner.len > ASK_ID_BYTES_MAX) {
        write_fault(writer, FAULT_INVALID, "an id of more than %d bytes", ASK_ID_BYTES_MAX);
        return;
    }
    for (size_t i = 0; i < inner.len; i++)
        text[i] = inner.at[i] != 0 && strchr(plain, inner.at[i]) != NULL ? (char)inner.at[i] : '_';
    WRITE(writer, "'@'", slice_of(text));
}

/* data:MEDIA;base64,DATA as the API has it, any other URL as one that is fetched. */
static void write_source(const struct ask_piece *piece, struct writer *writer)
{
    struct slice url = write_inner(piece->text);
    size_t comma = slice_find_byte(url, ',', 0);
    struct slice head = slice_part(url, 0, comma);

    if (piece->form == ASK_BASE64) {
        WRITE(writer, "{'type':'base64','media_type':@,'data':@}", piece->media, piece->text);
        return;
    }
    if (comma == SIZE_MAX || !slice_starts_with(url, SLICE("data:"))) {
        if (slice_starts_with(url, SLICE("data:")) || piece->kind == ASK_FILE)
            write_fault(writer, FAULT_INVALID, "a file that is no data: URL has no counterpart "
                                               "there");
        WRITE(writer, "{'type':'url','url':@}", piece->text);
        return;
    }
    if (!slice_ends_with(head, SLICE(";base64")) ||
        slice_find_byte(head, '\\', 0) != SIZE_MAX)
        write_fault(writer, FAULT_INVALID, "a data: URL that is not base64 has no counterpart "
                                           "there");
    WRITE(writer, "{'type':'base64','media_type':'@','data':'@'}",
          slice_part(head, strlen("data:"), head.len - strlen(";base64")),
          slice_part(url, comma + 1, url.len));
}

static void write_part(const struct ask_piece *piece, struct writer *writer)
{
    switch (piece->kind) {
    case ASK_TEXT:
        WRITE(writer, "{'type':'text','text':@}", piece->text);
        break;
    case ASK_IMAGE:
    case ASK_FILE:
        WRITE(writer, "{'type':'@','source':",
              piece->kind == ASK_IMAGE ? SLICE("image") : SLICE("document"));
        write_source(piece, writer);
        if (piece->kind == ASK_FILE)
            ask_write_setting(writer, "title", piece->name);
        WRITE(writer, "}");
        break;
    case ASK_CALL:
        WRITE(writer, "{'type':'tool_use','id':");
        write_id(writer, piece->id);
        WRITE(writer, ",'name':");
        ask_write_name(writer, piece->name_space, piece->name);
        WRITE(writer, ",'input':");
        ask_write_arguments(writer, piece, false);
        WRITE(writer, "}");
        break;
    case ASK_RESULT:
        WRITE(writer, "{'type':'tool_result','tool_use_id':");
        write_id(writer, piece->id);
        break; /* its content follows */
    }
}

/* The API refuses empty texts. */
static bool is_empty(const struct ask_piece *piece)
{
    return piece->kind == ASK_TEXT && piece->text.len <= 2;
}

static size_t write_result(const struct ask *ask, size_t at, struct writer *writer)
{
    bool first = true;

    write_part(&ask->pieces[at++], writer);
    for (; at < ask->piece_count && ask->pieces[at].in_result &&
           ask->pieces[at].kind != ASK_RESULT;
         at++) {
        if (is_empty(&ask->pieces[at]))
            continue;
        WRITE(writer, first ? ",'content':[" : ",");
        first = false;
        write_part(&ask->pieces[at], writer);
    }
    WRITE(writer, first ? "}" : "]}");
    return at;
}

static bool is_assistants(const struct ask_piece *piece)
{
    return piece->role == ASK_ASSISTANT;
}

/* Results come first in a user's turn: so the API wants it. */
static void write_turn(const struct ask *ask, size_t from, size_t to, struct writer *writer)
{
    bool first = true;

    for (size_t at = from; at < to;) {
        if (ask->pieces[at].kind != ASK_RESULT) {
            at++;
            continue;
        }
        write_comma(writer, &first);
        at = write_result(ask, at, writer);
    }
    for (size_t at = from; at < to; at++) {
        const struct ask_piece *piece = &ask->pieces[at];

        if (piece->kind == ASK_RESULT || piece->in_result || is_empty(piece))
            continue;
        write_comma(writer, &first);
        write_part(piece, writer);
    }
}

static bool has_content(const struct ask *ask, size_t from, size_t to)
{
    for (size_t at = from; at < to; at++)
        if (!is_empty(&ask->pieces[at]) && !ask->pieces[at].in_result)
            return true;
    return false;
}

/* What follows one another on one side is one turn. */
static void write_messages(const struct ask *ask, size_t at, struct writer *writer)
{
    bool first = true;

    while (at < ask->piece_count) {
        size_t end = at;

        while (end < ask->piece_count &&
               is_assistants(&ask->pieces[end]) == is_assistants(&ask->pieces[at]))
            end++;
        if (has_content(ask, at, end)) {
            write_comma(writer, &first);
            WRITE(writer, "{'role':'@','content':[",
                  is_assistants(&ask->pieces[at]) ? SLICE("assistant") : SLICE("user"));
            write_turn(ask, at, end, writer);
            WRITE(writer, "]}");
        }
        at = end;
    }
}

/* The system's texts at the beginning; returns where the conversation begins. */
static size_t write_system(const struct ask *ask, struct writer *writer)
{
    size_t at = 0;
    bool first = true;

    for (; at < ask->piece_count && ask->pieces[at].role == ASK_SYSTEM &&
           ask->pieces[at].kind == ASK_TEXT;
         at++) {
        if (is_empty(&ask->pieces[at]))
            continue;
        WRITE(writer, first ? ",'system':[" : ",");
        first = false;
        write_part(&ask->pieces[at], writer);
    }
    WRITE(writer, first ? "" : "]");
    return at;
}

static void write_tools(const struct ask *ask, struct writer *writer)
{
    static const char *const words[] = {
        [ASK_UNSAID] = "auto", [ASK_AUTO] = "auto", [ASK_NONE] = "none", [ASK_ANY] = "any",
        [ASK_ONE] = "tool"};

    for (size_t i = 0; i < ask->tool_count; i++) {
        const struct ask_tool *tool = &ask->tools[i];

        WRITE(writer, i == 0 ? ",'tools':[" : ",");
        WRITE(writer, "{'name':");
        ask_write_name(writer, tool->name_space, tool->name);
        WRITE(writer, ",'description':");
        ask_write_description(writer, tool);
        WRITE(writer, ",'input_schema':");
        ask_write_schema(writer, tool);
        WRITE(writer, "}");
    }
    if (ask->tool_count == 0)
        return;
    WRITE(writer, "]");
    if (ask->choice == ASK_UNSAID && !ask->one_at_a_time)
        return;
    WRITE(writer, ",'tool_choice':{'type':'@'", slice_of(words[ask->choice]));
    if (ask->choice == ASK_ONE) {
        WRITE(writer, ",'name':");
        ask_write_name(writer, ask->choice_name_space, ask->choice_name);
    }
    WRITE(writer, ask->one_at_a_time && ask->choice != ASK_NONE
                      ? ",'disable_parallel_tool_use':true}"
                      : "}");
}

static void write_config(const struct ask *ask, struct writer *writer)
{
    struct slice effort = ask_effort(writer, ask, true);

    if (ask->format == ASK_JSON)
        write_fault(writer, FAULT_INVALID, "the response format json_object has no counterpart "
                                           "there; json_schema has");
    if (effort.len == 0 && ask->format == ASK_PLAIN)
        return;
    WRITE(writer, ",'output_config':{");
    if (effort.len > 0)
        WRITE(writer, "'effort':@", effort);
    if (ask->format == ASK_SCHEMA)
        WRITE(writer, effort.len > 0 ? ",'format':{'type':'json_schema','schema':@}"
                                     : "'format':{'type':'json_schema','schema':@}",
              ask->format_schema);
    WRITE(writer, "}");
}

static void write_sampling(const struct ask *ask, struct writer *writer)
{
    char text[NUMBER_BYTES_MAX] = {0};

    memcpy(text, ask->temperature.len > 0 ? (const void *)ask->temperature.at : "",
           ask->temperature.len < sizeof(text) ? ask->temperature.len : 0);
    if (strtod(text, NULL) > 1.0)
        write_fault(writer, FAULT_INVALID, "a temperature above 1 has no counterpart there");
    ask_write_setting(writer, "temperature", ask->temperature);
    ask_write_setting(writer, "top_p", ask->top_p);
    if (ask->stop.len > 0)
        WRITE(writer, ask->stop.at[0] == '[' ? ",'stop_sequences':@" : ",'stop_sequences':[@]",
              ask->stop);
}

void ask_write_messages(const struct ask *ask, struct writer *writer)
{
    size_t at;

    WRITE(writer, "{'model':@", ask->model);
    at = write_system(ask, writer);
    WRITE(writer, ",'messages':[");
    write_messages(ask, at, writer);
    WRITE(writer, "]");
    if (!ask->counts) {
        WRITE(writer, ",'max_tokens':@",
              ask->max_tokens.len > 0 ? ask->max_tokens : SLICE(MAX_TOKENS));
        WRITE(writer, ask->stream ? ",'stream':true" : "");
        write_sampling(ask, writer);
    }
    write_tools(ask, writer);
    write_config(ask, writer);
    WRITE(writer, "}");
}
