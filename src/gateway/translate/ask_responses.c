/* Requests of the Responses API, read and written. */
#include "gateway/translate/ask.h"

enum {
    TOP_MODEL, TOP_INPUT, TOP_INSTRUCTIONS, TOP_STREAM, TOP_MAX_TOKENS, TOP_TEMPERATURE,
    TOP_TOP_P, TOP_TOOLS, TOP_CHOICE, TOP_PARALLEL, TOP_TEXT, TOP_REASONING, TOP_REST,
};
static const struct field top_rows[] = {
    [TOP_MODEL] = {"model", FIELD_CARRIED, NULL},
    [TOP_INPUT] = {"input", FIELD_CARRIED, NULL},
    [TOP_INSTRUCTIONS] = {"instructions", FIELD_CARRIED, NULL},
    [TOP_STREAM] = {"stream", FIELD_CARRIED, NULL},
    [TOP_MAX_TOKENS] = {"max_output_tokens", FIELD_CARRIED, NULL},
    [TOP_TEMPERATURE] = {"temperature", FIELD_CARRIED, NULL},
    [TOP_TOP_P] = {"top_p", FIELD_CARRIED, NULL},
    [TOP_TOOLS] = {"tools", FIELD_CARRIED, NULL},
    [TOP_CHOICE] = {"tool_choice", FIELD_CARRIED, NULL},
    [TOP_PARALLEL] = {"parallel_tool_calls", FIELD_CARRIED, NULL},
    [TOP_TEXT] = {"text", FIELD_CARRIED, NULL},
    [TOP_REASONING] = {"reasoning", FIELD_CARRIED, NULL},
    [TOP_REST] = {"background", FIELD_REFUSED, "false"},
    {"top_logprobs", FIELD_REFUSED, "0"},
    {"previous_response_id", FIELD_REFUSED, NULL},
    {"conversation", FIELD_REFUSED, NULL},
    {"prompt", FIELD_REFUSED, NULL},
    {"max_tool_calls", FIELD_REFUSED, NULL},
    {"include", FIELD_DROPPED, NULL},
    {"store", FIELD_DROPPED, NULL},
    {"metadata", FIELD_DROPPED, NULL},
    {"user", FIELD_DROPPED, NULL},
    {"client_metadata", FIELD_DROPPED, NULL},
    {"service_tier", FIELD_DROPPED, NULL},
    {"stream_options", FIELD_DROPPED, NULL},
    {"truncation", FIELD_DROPPED, NULL},
    {"safety_identifier", FIELD_DROPPED, NULL},
    {"prompt_cache_key", FIELD_DROPPED, NULL},
    {"prompt_cache_retention", FIELD_DROPPED, NULL},
};
static const struct field_table top_table = FIELD_TABLE("the request", top_rows);

enum { TEXT_FORMAT, TEXT_VERBOSITY, TEXT_ROWS };
static const struct field text_rows[TEXT_ROWS] = {
    [TEXT_FORMAT] = {"format", FIELD_CARRIED, NULL},
    [TEXT_VERBOSITY] = {"verbosity", FIELD_CARRIED, NULL},
};
static const struct field_table text_table = FIELD_TABLE("`text`", text_rows);

enum { REASONING_EFFORT, REASONING_REST };
static const struct field reasoning_rows[] = {
    [REASONING_EFFORT] = {"effort", FIELD_CARRIED, NULL},
    [REASONING_REST] = {"summary", FIELD_DROPPED, NULL},
    {"generate_summary", FIELD_DROPPED, NULL},
    {"context", FIELD_DROPPED, NULL},
};
static const struct field_table reasoning_table = FIELD_TABLE("`reasoning`", reasoning_rows);

/* Items of all types that are carried. */
enum { ITEM_TYPE, ITEM_ROLE, ITEM_CONTENT, ITEM_CALL_ID, ITEM_NAME, ITEM_NAMESPACE,
       ITEM_ARGUMENTS, ITEM_INPUT, ITEM_ACTION, ITEM_OUTPUT, ITEM_ID, ITEM_REST };
static const struct field item_rows[] = {
    [ITEM_TYPE] = {"type", FIELD_CARRIED, NULL},
    [ITEM_ROLE] = {"role", FIELD_CARRIED, NULL},
    [ITEM_CONTENT] = {"content", FIELD_CARRIED, NULL},
    [ITEM_CALL_ID] = {"call_id", FIELD_CARRIED, NULL},
    [ITEM_NAME] = {"name", FIELD_CARRIED, NULL},
    [ITEM_NAMESPACE] = {"namespace", FIELD_CARRIED, NULL},
    [ITEM_ARGUMENTS] = {"arguments", FIELD_CARRIED, NULL},
    [ITEM_INPUT] = {"input", FIELD_CARRIED, NULL},
    [ITEM_ACTION] = {"action", FIELD_CARRIED, NULL},
    [ITEM_OUTPUT] = {"output", FIELD_CARRIED, NULL},
    [ITEM_ID] = {"id", FIELD_CARRIED, NULL},
    [ITEM_REST] = {"status", FIELD_DROPPED, NULL},
    {"phase", FIELD_DROPPED, NULL},
    {"internal_chat_message_metadata_passthrough", FIELD_DROPPED, NULL},
};
static const struct field_table item_table = FIELD_TABLE("an input item", item_rows);

enum { PART_TYPE, PART_TEXT, PART_REFUSAL, PART_IMAGE, PART_FILE, PART_NAME, PART_REST };
static const struct field part_rows[] = {
    [PART_TYPE] = {"type", FIELD_CARRIED, NULL},
    [PART_TEXT] = {"text", FIELD_CARRIED, NULL},
    [PART_REFUSAL] = {"refusal", FIELD_CARRIED, NULL},
    [PART_IMAGE] = {"image_url", FIELD_CARRIED, NULL},
    [PART_FILE] = {"file_data", FIELD_CARRIED, NULL},
    [PART_NAME] = {"filename", FIELD_CARRIED, NULL},
    [PART_REST] = {"detail", FIELD_DROPPED, NULL},
    {"annotations", FIELD_DROPPED, NULL},
    {"logprobs", FIELD_DROPPED, NULL},
};
static const struct field_table part_table = FIELD_TABLE("a part of an item", part_rows);

enum { TOOL_TYPE, TOOL_NAME, TOOL_DESCRIPTION, TOOL_PARAMETERS, TOOL_STRICT, TOOL_FORMAT,
       TOOL_TOOLS, TOOL_REST };
static const struct field tool_rows[] = {
    [TOOL_TYPE] = {"type", FIELD_CARRIED, NULL},
    [TOOL_NAME] = {"name", FIELD_CARRIED, NULL},
    [TOOL_DESCRIPTION] = {"description", FIELD_CARRIED, NULL},
    [TOOL_PARAMETERS] = {"parameters", FIELD_CARRIED, NULL},
    [TOOL_STRICT] = {"strict", FIELD_CARRIED, NULL},
    [TOOL_FORMAT] = {"format", FIELD_CARRIED, NULL},
    [TOOL_TOOLS] = {"tools", FIELD_CARRIED, NULL},
    [TOOL_REST] = {"defer_loading", FIELD_REFUSED, "false"},
    {"output_schema", FIELD_DROPPED, NULL},
};
static const struct field_table tool_table = FIELD_TABLE("a tool", tool_rows);

/* ---- reading ---- */

static bool read_part(void *self, struct slice name, const struct json_value *value,
                      struct fault *fault)
{
    static const struct {
        const char *type;
        int row;
        enum ask_kind kind;
    } rows[] = {
        {"input_text", PART_TEXT, ASK_TEXT},    {"output_text", PART_TEXT, ASK_TEXT},
        {"text", PART_TEXT, ASK_TEXT},          {"refusal", PART_REFUSAL, ASK_TEXT},
        {"input_image", PART_IMAGE, ASK_IMAGE}, {"input_file", PART_FILE, ASK_FILE},
    };
    struct json_value values[COUNT(part_rows)];
    struct ask_reading *reading = self;

    (void)name;
    if (!fields_read(value, &part_table, values, fault))
        return false;
    for (size_t i = 0; i < COUNT(rows); i++)
        if (field_is(&values[PART_TYPE], rows[i].type) &&
            values[rows[i].row].type == JSON_STRING) {
            bool ok;

            reading->piece.name =
                values[PART_NAME].type == JSON_STRING ? values[PART_NAME].raw : SLICE("");
            ok = ask_read_piece(reading, rows[i].kind, values[rows[i].row].raw, fault);
            reading->piece.name = SLICE("");
            return ok;
        }
    return fault_set(fault, FAULT_INVALID, "a part of an item has no counterpart there");
}

static bool read_content(struct ask_reading *reading, const struct json_value *content,
                         struct fault *fault)
{
    if (content->type == JSON_STRING)
        return ask_read_piece(reading, ASK_TEXT, content->raw, fault);
    return content->type == JSON_ARRAY
               ? json_each(content->raw, read_part, reading, fault)
               : fault_set(fault, FAULT_INVALID, "an item's content is of another type");
}

static bool read_message(struct ask_reading *reading, const struct json_value *values,
                         struct fault *fault)
{
    static const struct {
        const char *word;
        enum ask_role role;
    } roles[] = {{"system", ASK_SYSTEM},
                 {"developer", ASK_SYSTEM},
                 {"user", ASK_USER},
                 {"assistant", ASK_ASSISTANT}};

    for (size_t i = 0; i < COUNT(roles); i++)
        if (field_is(&values[ITEM_ROLE], roles[i].word)) {
            reading->piece.role = roles[i].role;
            return read_content(reading, &values[ITEM_CONTENT], fault);
        }
    return fault_set(fault, FAULT_INVALID, "the role of a message has no counterpart there");
}

/* The types of calls, of what they are given, and of their results. */
static const struct call_row {
    const char *type, *result;
    int given;
    enum json_type given_type;
    enum ask_form form;
} calls[] = {
    {"function_call", "function_call_output", ITEM_ARGUMENTS, JSON_STRING, ASK_STRING},
    {"custom_tool_call", "custom_tool_call_output", ITEM_INPUT, JSON_STRING, ASK_FREE},
    {"local_shell_call", "local_shell_call_output", ITEM_ACTION, JSON_OBJECT, ASK_ACTION},
};
#define SHELL_NAME "\"local_shell\""

static bool read_call(struct ask_reading *reading, const struct call_row *row,
                      const struct json_value *values, struct fault *fault)
{
    bool is_shell = row->form == ASK_ACTION;

    if (values[ITEM_CALL_ID].type != JSON_STRING ||
        values[row->given].type != row->given_type ||
        (!is_shell && values[ITEM_NAME].type != JSON_STRING) ||
        !field_type(&values[ITEM_NAMESPACE], JSON_STRING, "namespace", fault))
        return fault_set(fault, FAULT_INVALID, "a call without its id, name or arguments");
    reading->piece.role = ASK_ASSISTANT;
    reading->piece.form = row->form;
    reading->piece.id = values[ITEM_CALL_ID].raw;
    reading->piece.name = is_shell ? SLICE(SHELL_NAME) : values[ITEM_NAME].raw;
    reading->piece.name_space = values[ITEM_NAMESPACE].raw;
    return ask_read_piece(reading, ASK_CALL, values[row->given].raw, fault);
}

static bool read_result(struct ask_reading *reading, const struct json_value *values,
                        struct fault *fault)
{
    const struct json_value *id = values[ITEM_CALL_ID].type == JSON_STRING
                                      ? &values[ITEM_CALL_ID]
                                      : &values[ITEM_ID]; /* some of a local shell's */

    if (id->type != JSON_STRING)
        return fault_set(fault, FAULT_INVALID, "a result without the id of its call");
    reading->piece.id = id->raw;
    if (!ask_read_piece(reading, ASK_RESULT, SLICE(""), fault))
        return false;
    reading->piece.id = SLICE("");
    reading->piece.in_result = true;
    return read_content(reading, &values[ITEM_OUTPUT], fault);
}

static bool is_type(const struct json_value *item, const char *type)
{
    struct json_value value;
    struct fault missing = {0};

    return item->type == JSON_OBJECT && json_member(item->raw, "type", &value, &missing) &&
           field_is(&value, type);
}

static bool read_item(void *self, struct slice name, const struct json_value *value,
                      struct fault *fault)
{
    struct json_value values[COUNT(item_rows)];
    struct ask_reading reading = {self, {.role = ASK_USER, .begins = true}};

    (void)name;
    if (is_type(value, "reasoning"))
        return true; /* what one provider has thought is not for another */
    if (!fields_read(value, &item_table, values, fault))
        return false;
    if (!field_set(&values[ITEM_TYPE]) || field_is(&values[ITEM_TYPE], "message"))
        return read_message(&reading, values, fault);
    for (size_t i = 0; i < COUNT(calls); i++) {
        if (field_is(&values[ITEM_TYPE], calls[i].type))
            return read_call(&reading, &calls[i], values, fault);
        if (field_is(&values[ITEM_TYPE], calls[i].result))
            return read_result(&reading, values, fault);
    }
    return fault_set(fault, FAULT_INVALID, "the type of an input item has no counterpart there");
}

struct tools {
    struct ask *ask;
    struct slice name_space;
};

static bool read_tool(void *self, struct slice name, const struct json_value *value,
                      struct fault *fault);

static bool read_namespace(struct ask *ask, const struct json_value *values,
                           struct fault *fault)
{
    struct tools inner = {ask, values[TOOL_NAME].raw};

    if (values[TOOL_NAME].type != JSON_STRING || values[TOOL_TOOLS].type != JSON_ARRAY)
        return fault_set(fault, FAULT_INVALID, "a namespace without a name or without tools");
    return json_each(values[TOOL_TOOLS].raw, read_tool, &inner, fault);
}

/* The grammar of a custom tool: {"type":"grammar","syntax":...,"definition":...}. */
static struct slice grammar_of(const struct json_value *format)
{
    struct json_value definition;
    struct fault missing = {0};

    return format->type == JSON_OBJECT &&
                   json_member(format->raw, "definition", &definition, &missing) &&
                   definition.type == JSON_STRING
               ? definition.raw
               : SLICE("");
}

static bool read_tool(void *self, struct slice name, const struct json_value *value,
                      struct fault *fault)
{
    static const struct {
        const char *type;
        enum ask_tool_kind kind;
    } kinds[] = {
        {"function", ASK_FUNCTION}, {"custom", ASK_CUSTOM}, {"local_shell", ASK_SHELL}};
    struct json_value values[COUNT(tool_rows)];
    const struct tools *tools = self;
    struct ask_tool tool = {.name_space = tools->name_space};

    (void)name;
    if (!fields_read(value, &tool_table, values, fault) ||
        !field_type(&values[TOOL_NAME], JSON_STRING, "name", fault) ||
        !field_type(&values[TOOL_DESCRIPTION], JSON_STRING, "description", fault) ||
        !field_type(&values[TOOL_PARAMETERS], JSON_OBJECT, "parameters", fault))
        return false;
    if (field_is(&values[TOOL_TYPE], "namespace") && tools->name_space.len == 0)
        return read_namespace(tools->ask, values, fault);
    for (size_t i = 0; i < COUNT(kinds); i++)
        if (field_is(&values[TOOL_TYPE], kinds[i].type)) {
            tool.kind = kinds[i].kind;
            tool.name = tool.kind == ASK_SHELL ? SLICE(SHELL_NAME) : values[TOOL_NAME].raw;
            tool.description = values[TOOL_DESCRIPTION].raw;
            tool.schema = values[TOOL_PARAMETERS].raw;
            tool.strict = values[TOOL_STRICT].type == JSON_TRUE;
            tool.format = grammar_of(&values[TOOL_FORMAT]);
            return ask_add_tool(tools->ask, &tool, fault);
        }
    return fault_set(fault, FAULT_INVALID, "the type of a tool has no counterpart there");
}

static bool read_choice(const struct json_value *value, struct ask *ask, struct fault *fault)
{
    enum { CHOICE_TYPE, CHOICE_NAME, CHOICE_NAMESPACE, CHOICE_ROWS };
    static const struct field rows[CHOICE_ROWS] = {
        [CHOICE_TYPE] = {"type", FIELD_CARRIED, NULL},
        [CHOICE_NAME] = {"name", FIELD_CARRIED, NULL},
        [CHOICE_NAMESPACE] = {"namespace", FIELD_CARRIED, NULL},
    };
    static const struct field_table table = FIELD_TABLE("`tool_choice`", rows);
    struct json_value values[CHOICE_ROWS];
    bool is_shell;

    if (!field_set(value) || value->type == JSON_STRING)
        return !field_set(value) || ask_read_choice(value, ask, fault);
    if (!fields_read(value, &table, values, fault))
        return false;
    is_shell = field_is(&values[CHOICE_TYPE], "local_shell");
    if (!is_shell && ((!field_is(&values[CHOICE_TYPE], "function") &&
                       !field_is(&values[CHOICE_TYPE], "custom")) ||
                      values[CHOICE_NAME].type != JSON_STRING))
        return fault_set(fault, FAULT_INVALID, "`tool_choice` has no counterpart there");
    ask->choice = ASK_ONE;
    ask->choice_name = is_shell ? SLICE(SHELL_NAME) : values[CHOICE_NAME].raw;
    ask->choice_name_space = values[CHOICE_NAMESPACE].raw;
    return true;
}

static bool read_text(const struct json_value *text, const struct json_value *reasoning,
                      struct ask *ask, struct fault *fault)
{
    struct json_value texts[TEXT_ROWS], reasonings[COUNT(reasoning_rows)];

    if (field_set(text)) {
        if (!fields_read(text, &text_table, texts, fault) ||
            (field_set(&texts[TEXT_FORMAT]) &&
             !ask_read_format(&texts[TEXT_FORMAT], ask, fault)))
            return false;
        ask->verbosity = texts[TEXT_VERBOSITY].raw;
    }
    if (!field_set(reasoning))
        return true;
    if (!fields_read(reasoning, &reasoning_table, reasonings, fault) ||
        !field_type(&reasonings[REASONING_EFFORT], JSON_STRING, "effort", fault))
        return false;
    ask->effort = reasonings[REASONING_EFFORT].raw;
    return true;
}

static bool read_input(const struct json_value *input, const struct json_value *instructions,
                       struct ask *ask, struct fault *fault)
{
    const struct ask_piece first = {
        .role = ASK_SYSTEM, .begins = true, .text = instructions->raw};
    const struct ask_piece only = {.role = ASK_USER, .begins = true, .text = input->raw};

    if (!field_type(instructions, JSON_STRING, "instructions", fault) ||
        (field_set(instructions) && instructions->raw.len > 2 && !ask_add(ask, &first, fault)))
        return false;
    if (input->type == JSON_STRING)
        return ask_add(ask, &only, fault);
    return input->type == JSON_ARRAY ? json_each(input->raw, read_item, ask, fault)
                                     : fault_set(fault, FAULT_INVALID,
                                                 "the request has no `input`");
}

bool ask_read_responses(const struct json_value *body, struct ask *ask, struct fault *fault)
{
    struct json_value values[COUNT(top_rows)];
    struct tools tools = {ask, SLICE("")};

    if (!fields_read(body, &top_table, values, fault) ||
        !field_type(&values[TOP_TOOLS], JSON_ARRAY, "tools", fault))
        return false;
    ask->model = values[TOP_MODEL].raw;
    ask->stream = values[TOP_STREAM].type == JSON_TRUE;
    ask->max_tokens = values[TOP_MAX_TOKENS].raw;
    ask->temperature = values[TOP_TEMPERATURE].raw;
    ask->top_p = values[TOP_TOP_P].raw;
    ask->one_at_a_time = values[TOP_PARALLEL].type == JSON_FALSE;
    return read_input(&values[TOP_INPUT], &values[TOP_INSTRUCTIONS], ask, fault) &&
           (!field_set(&values[TOP_TOOLS]) ||
            json_each(values[TOP_TOOLS].raw, read_tool, &tools, fault)) &&
           read_choice(&values[TOP_CHOICE], ask, fault) &&
           read_text(&values[TOP_TEXT], &values[TOP_REASONING], ask, fault);
}

/* ---- writing ---- */

static void write_part(const struct ask_piece *piece, struct writer *writer)
{
    switch (piece->kind) {
    case ASK_TEXT:
        WRITE(writer, "{'type':'@','text':@}",
              piece->role == ASK_ASSISTANT ? SLICE("output_text") : SLICE("input_text"),
              piece->text);
        break;
    case ASK_IMAGE:
        WRITE(writer, "{'type':'input_image','detail':'auto','image_url':");
        ask_write_url(writer, piece);
        WRITE(writer, "}");
        break;
    case ASK_FILE:
        WRITE(writer, "{'type':'input_file','filename':@,'file_data':",
              piece->name.len > 0 ? piece->name : SLICE("\"document.pdf\""));
        ask_write_url(writer, piece);
        WRITE(writer, "}");
        break;
    case ASK_CALL:
    case ASK_RESULT:
        break;
    }
}

static bool is_part(const struct ask_piece *piece)
{
    return piece->kind != ASK_CALL && piece->kind != ASK_RESULT;
}

/* The parts from `at` on that belong together. */
static size_t write_parts(const struct ask *ask, size_t at, struct writer *writer)
{
    const struct ask_piece *head = &ask->pieces[at];
    bool first = true;

    for (bool begun = false; at < ask->piece_count; at++, begun = true) {
        const struct ask_piece *piece = &ask->pieces[at];

        if (!is_part(piece) || piece->role != head->role ||
            piece->in_result != head->in_result ||
            (begun && piece->begins))
            break;
        write_comma(writer, &first);
        write_part(piece, writer);
    }
    return at;
}

static size_t write_result(const struct ask *ask, size_t at, struct writer *writer)
{
    const struct ask_piece *next = at + 1 < ask->piece_count ? &ask->pieces[at + 1] : NULL;
    bool is_empty = next == NULL || !next->in_result || !is_part(next);
    bool is_one = !is_empty && next->kind == ASK_TEXT &&
                  (at + 2 == ask->piece_count || !ask->pieces[at + 2].in_result ||
                   !is_part(&ask->pieces[at + 2]));

    WRITE(writer, "{'type':'function_call_output','call_id':@,'output':", ask->pieces[at].id);
    if (is_empty || is_one) {
        WRITE(writer, "@}", is_empty ? SLICE("\"\"") : next->text);
        return at + (is_empty ? 1 : 2);
    }
    WRITE(writer, "[");
    at = write_parts(ask, at + 1, writer);
    WRITE(writer, "]}");
    return at;
}

static void write_input(const struct ask *ask, struct writer *writer)
{
    static const char *const roles[] = {
        [ASK_SYSTEM] = "system", [ASK_USER] = "user", [ASK_ASSISTANT] = "assistant"};
    bool first = true;

    for (size_t at = 0; at < ask->piece_count;) {
        const struct ask_piece *piece = &ask->pieces[at];

        write_comma(writer, &first);
        if (piece->kind == ASK_CALL) {
            WRITE(writer, "{'type':'function_call','call_id':@,'name':", piece->id);
            ask_write_name(writer, piece->name_space, piece->name);
            WRITE(writer, ",'arguments':");
            ask_write_arguments(writer, piece, true);
            WRITE(writer, "}");
            at++;
        } else if (piece->kind == ASK_RESULT) {
            at = write_result(ask, at, writer);
        } else {
            WRITE(writer, "{'type':'message','role':'@','content':[",
                  slice_of(roles[piece->role]));
            at = write_parts(ask, at, writer);
            WRITE(writer, "]}");
        }
    }
}

static void write_tools(const struct ask *ask, struct writer *writer)
{
    static const char *const words[] = {
        [ASK_UNSAID] = "", [ASK_AUTO] = "auto", [ASK_NONE] = "none", [ASK_ANY] = "required",
        [ASK_ONE] = ""};

    for (size_t i = 0; i < ask->tool_count; i++) {
        const struct ask_tool *tool = &ask->tools[i];

        WRITE(writer, i == 0 ? ",'tools':[" : ",");
        WRITE(writer, "{'type':'function','name':");
        ask_write_name(writer, tool->name_space, tool->name);
        WRITE(writer, ",'description':");
        ask_write_description(writer, tool);
        WRITE(writer, ",'parameters':");
        ask_write_schema(writer, tool);
        WRITE(writer, tool->strict ? ",'strict':true}" : ",'strict':false}");
    }
    if (ask->tool_count == 0)
        return;
    WRITE(writer, "]");
    if (ask->choice == ASK_ONE) {
        WRITE(writer, ",'tool_choice':{'type':'function','name':");
        ask_write_name(writer, ask->choice_name_space, ask->choice_name);
        WRITE(writer, "}");
    } else if (ask->choice != ASK_UNSAID) {
        WRITE(writer, ",'tool_choice':'@'", slice_of(words[ask->choice]));
    }
    WRITE(writer, ask->one_at_a_time ? ",'parallel_tool_calls':false" : "");
}

static void write_text(const struct ask *ask, struct writer *writer)
{
    bool first = true;

    if (ask->format == ASK_PLAIN && ask->verbosity.len == 0)
        return;
    WRITE(writer, ",'text':{");
    if (ask->verbosity.len > 0) {
        write_comma(writer, &first);
        WRITE(writer, "'verbosity':@", ask->verbosity);
    }
    if (ask->format != ASK_PLAIN)
        write_comma(writer, &first);
    if (ask->format == ASK_JSON)
        WRITE(writer, "'format':{'type':'json_object'}");
    if (ask->format == ASK_SCHEMA) {
        WRITE(writer, "'format':{'type':'json_schema','name':@,'schema':@",
              ask->format_name.len > 0 ? ask->format_name : SLICE("\"answer\""),
              ask->format_schema);
        ask_write_setting(writer, "description", ask->format_description);
        WRITE(writer, ask->format_strict ? ",'strict':true}" : ",'strict':false}");
    }
    WRITE(writer, "}");
}

void ask_write_responses(const struct ask *ask, struct writer *writer)
{
    struct slice effort = ask_effort(writer, ask, false);

    if (ask->stop.len > 0)
        write_fault(writer, FAULT_INVALID, "stop sequences have no counterpart there");
    WRITE(writer, "{'model':@,'input':[", ask->model);
    write_input(ask, writer);
    WRITE(writer, "]");
    if (!ask->counts) {
        WRITE(writer, ask->stream ? ",'store':false,'stream':true" : ",'store':false");
        ask_write_setting(writer, "max_output_tokens", ask->max_tokens);
        ask_write_setting(writer, "temperature", ask->temperature);
        ask_write_setting(writer, "top_p", ask->top_p);
    }
    if (effort.len > 0)
        WRITE(writer, ",'reasoning':{'effort':@}", effort);
    write_tools(ask, writer);
    write_text(ask, writer);
    WRITE(writer, "}");
}
