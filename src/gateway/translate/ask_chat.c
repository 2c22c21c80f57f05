/* Requests of Chat Completions, read and written. */
#include "gateway/translate/ask.h"

#include "base/scope.h"

enum {
    TOP_MODEL, TOP_MESSAGES, TOP_STREAM, TOP_STREAM_OPTIONS, TOP_MAX_TOKENS, TOP_MAX_COMPLETION,
    TOP_TEMPERATURE, TOP_TOP_P, TOP_STOP, TOP_TOOLS, TOP_CHOICE, TOP_PARALLEL, TOP_FORMAT,
    TOP_EFFORT, TOP_VERBOSITY, TOP_REST,
};
static const struct field top_rows[] = {
    [TOP_MODEL] = {"model", FIELD_CARRIED, NULL},
    [TOP_MESSAGES] = {"messages", FIELD_CARRIED, NULL},
    [TOP_STREAM] = {"stream", FIELD_CARRIED, NULL},
    [TOP_STREAM_OPTIONS] = {"stream_options", FIELD_CARRIED, NULL},
    [TOP_MAX_TOKENS] = {"max_tokens", FIELD_CARRIED, NULL},
    [TOP_MAX_COMPLETION] = {"max_completion_tokens", FIELD_CARRIED, NULL},
    [TOP_TEMPERATURE] = {"temperature", FIELD_CARRIED, NULL},
    [TOP_TOP_P] = {"top_p", FIELD_CARRIED, NULL},
    [TOP_STOP] = {"stop", FIELD_CARRIED, NULL},
    [TOP_TOOLS] = {"tools", FIELD_CARRIED, NULL},
    [TOP_CHOICE] = {"tool_choice", FIELD_CARRIED, NULL},
    [TOP_PARALLEL] = {"parallel_tool_calls", FIELD_CARRIED, NULL},
    [TOP_FORMAT] = {"response_format", FIELD_CARRIED, NULL},
    [TOP_EFFORT] = {"reasoning_effort", FIELD_CARRIED, NULL},
    [TOP_VERBOSITY] = {"verbosity", FIELD_CARRIED, NULL},
    [TOP_REST] = {"n", FIELD_REFUSED, "1"},
    {"frequency_penalty", FIELD_REFUSED, "0"},
    {"presence_penalty", FIELD_REFUSED, "0"},
    {"logprobs", FIELD_REFUSED, "false"},
    {"top_logprobs", FIELD_REFUSED, "0"},
    {"logit_bias", FIELD_REFUSED, "{}"},
    {"modalities", FIELD_REFUSED, "[\"text\"]"},
    {"seed", FIELD_DROPPED, NULL},
    {"prediction", FIELD_DROPPED, NULL},
    {"store", FIELD_DROPPED, NULL},
    {"metadata", FIELD_DROPPED, NULL},
    {"user", FIELD_DROPPED, NULL},
    {"service_tier", FIELD_DROPPED, NULL},
    {"safety_identifier", FIELD_DROPPED, NULL},
    {"prompt_cache_key", FIELD_DROPPED, NULL},
    {"prompt_cache_retention", FIELD_DROPPED, NULL},
};
static const struct field_table top_table = FIELD_TABLE("the request", top_rows);

enum { MESSAGE_ROLE, MESSAGE_CONTENT, MESSAGE_REFUSAL, MESSAGE_CALLS, MESSAGE_CALL_ID,
       MESSAGE_REST };
static const struct field message_rows[] = {
    [MESSAGE_ROLE] = {"role", FIELD_CARRIED, NULL},
    [MESSAGE_CONTENT] = {"content", FIELD_CARRIED, NULL},
    [MESSAGE_REFUSAL] = {"refusal", FIELD_CARRIED, NULL},
    [MESSAGE_CALLS] = {"tool_calls", FIELD_CARRIED, NULL},
    [MESSAGE_CALL_ID] = {"tool_call_id", FIELD_CARRIED, NULL},
    [MESSAGE_REST] = {"name", FIELD_DROPPED, NULL},
    {"annotations", FIELD_DROPPED, NULL},
    {"reasoning_content", FIELD_DROPPED, NULL},
    {"reasoning", FIELD_DROPPED, NULL},
    {"reasoning_details", FIELD_DROPPED, NULL},
};
static const struct field_table message_table = FIELD_TABLE("a message", message_rows);

enum { PART_TYPE, PART_TEXT, PART_REFUSAL, PART_IMAGE, PART_FILE, PART_REST };
static const struct field part_rows[] = {
    [PART_TYPE] = {"type", FIELD_CARRIED, NULL},
    [PART_TEXT] = {"text", FIELD_CARRIED, NULL},
    [PART_REFUSAL] = {"refusal", FIELD_CARRIED, NULL},
    [PART_IMAGE] = {"image_url", FIELD_CARRIED, NULL},
    [PART_FILE] = {"file", FIELD_CARRIED, NULL},
    [PART_REST] = {"cache_control", FIELD_DROPPED, NULL},
};
static const struct field_table part_table = FIELD_TABLE("a part of a message", part_rows);

enum { IMAGE_URL, IMAGE_DETAIL, IMAGE_ROWS };
static const struct field image_rows[IMAGE_ROWS] = {
    [IMAGE_URL] = {"url", FIELD_CARRIED, NULL},
    [IMAGE_DETAIL] = {"detail", FIELD_DROPPED, NULL},
};
static const struct field_table image_table = FIELD_TABLE("an image", image_rows);

enum { FILE_DATA, FILE_NAME, FILE_ROWS };
static const struct field file_rows[FILE_ROWS] = {
    [FILE_DATA] = {"file_data", FIELD_CARRIED, NULL},
    [FILE_NAME] = {"filename", FIELD_CARRIED, NULL},
};
static const struct field_table file_table = FIELD_TABLE("a file", file_rows);

/* A call, a tool or a choice of one: a type, and what it is of. */
enum { CALL_TYPE, CALL_ID, CALL_FUNCTION, CALL_REST };
static const struct field call_rows[] = {
    [CALL_TYPE] = {"type", FIELD_CARRIED, NULL},
    [CALL_ID] = {"id", FIELD_CARRIED, NULL},
    [CALL_FUNCTION] = {"function", FIELD_CARRIED, NULL},
    [CALL_REST] = {"index", FIELD_DROPPED, NULL},
    {"cache_control", FIELD_DROPPED, NULL},
};
static const struct field_table call_table = FIELD_TABLE("a tool or its call", call_rows);

enum { FUNCTION_NAME, FUNCTION_ARGUMENTS, FUNCTION_DESCRIPTION, FUNCTION_PARAMETERS,
       FUNCTION_STRICT, FUNCTION_ROWS };
static const struct field function_rows[FUNCTION_ROWS] = {
    [FUNCTION_NAME] = {"name", FIELD_CARRIED, NULL},
    [FUNCTION_ARGUMENTS] = {"arguments", FIELD_CARRIED, NULL},
    [FUNCTION_DESCRIPTION] = {"description", FIELD_CARRIED, NULL},
    [FUNCTION_PARAMETERS] = {"parameters", FIELD_CARRIED, NULL},
    [FUNCTION_STRICT] = {"strict", FIELD_CARRIED, NULL},
};
static const struct field_table function_table = FIELD_TABLE("a function", function_rows);

/* ---- reading ---- */

static bool read_image(struct ask_reading *reading, const struct json_value *value,
                       struct fault *fault)
{
    struct json_value values[IMAGE_ROWS];

    return fields_read(value, &image_table, values, fault) &&
           (values[IMAGE_URL].type == JSON_STRING ||
            fault_set(fault, FAULT_INVALID, "an image without a URL")) &&
           ask_read_piece(reading, ASK_IMAGE, values[IMAGE_URL].raw, fault);
}

static bool read_file(struct ask_reading *reading, const struct json_value *value,
                      struct fault *fault)
{
    struct json_value values[FILE_ROWS];
    bool ok;

    if (!fields_read(value, &file_table, values, fault) ||
        !field_type(&values[FILE_NAME], JSON_STRING, "filename", fault))
        return false;
    if (values[FILE_DATA].type != JSON_STRING)
        return fault_set(fault, FAULT_INVALID, "a file without its data");
    reading->piece.name = values[FILE_NAME].raw;
    ok = ask_read_piece(reading, ASK_FILE, values[FILE_DATA].raw, fault);
    reading->piece.name = SLICE("");
    return ok;
}

static bool read_part(void *self, struct slice name, const struct json_value *value,
                      struct fault *fault)
{
    static const struct {
        const char *type;
        int row;
    } texts[] = {{"text", PART_TEXT}, {"refusal", PART_REFUSAL}};
    struct json_value values[COUNT(part_rows)];

    (void)name;
    if (!fields_read(value, &part_table, values, fault))
        return false;
    for (size_t i = 0; i < COUNT(texts); i++)
        if (field_is(&values[PART_TYPE], texts[i].type) &&
            values[texts[i].row].type == JSON_STRING)
            return ask_read_piece(self, ASK_TEXT, values[texts[i].row].raw, fault);
    if (field_is(&values[PART_TYPE], "image_url"))
        return read_image(self, &values[PART_IMAGE], fault);
    if (field_is(&values[PART_TYPE], "file"))
        return read_file(self, &values[PART_FILE], fault);
    return fault_set(fault, FAULT_INVALID, "a part of a message has no counterpart there");
}

static bool read_content(struct ask_reading *reading, const struct json_value *content,
                         struct fault *fault)
{
    if (!field_set(content))
        return true;
    if (content->type == JSON_STRING)
        return ask_read_piece(reading, ASK_TEXT, content->raw, fault);
    return content->type == JSON_ARRAY
               ? json_each(content->raw, read_part, reading, fault)
               : fault_set(fault, FAULT_INVALID, "`content` is of another type");
}

static bool read_function(const struct json_value *value, struct json_value *ret_values,
                          struct fault *fault)
{
    struct json_value call[COUNT(call_rows)];

    if (!fields_read(value, &call_table, call, fault))
        return false;
    if (field_set(&call[CALL_TYPE]) && !field_is(&call[CALL_TYPE], "function"))
        return fault_set(fault, FAULT_INVALID, "a tool that is no function has no counterpart "
                                               "there");
    return fields_read(&call[CALL_FUNCTION], &function_table, ret_values, fault) &&
           (ret_values[FUNCTION_NAME].type == JSON_STRING ||
            fault_set(fault, FAULT_INVALID, "a function without a name"));
}

static bool read_call(void *self, struct slice name, const struct json_value *value,
                      struct fault *fault)
{
    struct json_value call[COUNT(call_rows)], function[FUNCTION_ROWS];
    struct ask_reading *reading = self;
    bool ok;

    (void)name;
    if (!read_function(value, function, fault) || !fields_read(value, &call_table, call, fault))
        return false;
    if (call[CALL_ID].type != JSON_STRING || function[FUNCTION_ARGUMENTS].type != JSON_STRING)
        return fault_set(fault, FAULT_INVALID, "a call needs `id` and `arguments`");
    reading->piece.id = call[CALL_ID].raw;
    reading->piece.name = function[FUNCTION_NAME].raw;
    ok = ask_read_piece(reading, ASK_CALL, function[FUNCTION_ARGUMENTS].raw, fault);
    reading->piece.id = reading->piece.name = SLICE("");
    return ok;
}

static bool read_result(struct ask_reading *reading, const struct json_value *values,
                        struct fault *fault)
{
    if (values[MESSAGE_CALL_ID].type != JSON_STRING)
        return fault_set(fault, FAULT_INVALID, "a tool's message without `tool_call_id`");
    reading->piece.id = values[MESSAGE_CALL_ID].raw;
    if (!ask_read_piece(reading, ASK_RESULT, SLICE(""), fault))
        return false;
    reading->piece.id = SLICE("");
    reading->piece.in_result = true;
    return read_content(reading, &values[MESSAGE_CONTENT], fault);
}

static bool read_message(void *self, struct slice name, const struct json_value *value,
                         struct fault *fault)
{
    static const struct {
        const char *word;
        enum ask_role role;
    } roles[] = {{"system", ASK_SYSTEM},
                 {"developer", ASK_SYSTEM},
                 {"user", ASK_USER},
                 {"assistant", ASK_ASSISTANT}};
    struct json_value values[COUNT(message_rows)];
    struct ask_reading reading = {self, {.role = ASK_USER, .begins = true}};
    size_t i = 0;

    (void)name;
    if (!fields_read(value, &message_table, values, fault) ||
        !field_type(&values[MESSAGE_REFUSAL], JSON_STRING, "refusal", fault) ||
        !field_type(&values[MESSAGE_CALLS], JSON_ARRAY, "tool_calls", fault))
        return false;
    if (field_is(&values[MESSAGE_ROLE], "tool"))
        return read_result(&reading, values, fault);
    while (i < COUNT(roles) && !field_is(&values[MESSAGE_ROLE], roles[i].word))
        i++;
    if (i == COUNT(roles))
        return fault_set(fault, FAULT_INVALID, "the role of a message has no counterpart there");
    reading.piece.role = roles[i].role;
    return read_content(&reading, &values[MESSAGE_CONTENT], fault) &&
           (!field_set(&values[MESSAGE_REFUSAL]) ||
            ask_read_piece(&reading, ASK_TEXT, values[MESSAGE_REFUSAL].raw, fault)) &&
           (!field_set(&values[MESSAGE_CALLS]) ||
            json_each(values[MESSAGE_CALLS].raw, read_call, &reading, fault));
}

static bool read_tool(void *self, struct slice name, const struct json_value *value,
                      struct fault *fault)
{
    struct json_value function[FUNCTION_ROWS];
    struct ask_tool tool = {.kind = ASK_FUNCTION};

    (void)name;
    if (!read_function(value, function, fault) ||
        !field_type(&function[FUNCTION_DESCRIPTION], JSON_STRING, "description", fault) ||
        !field_type(&function[FUNCTION_PARAMETERS], JSON_OBJECT, "parameters", fault))
        return false;
    tool.name = function[FUNCTION_NAME].raw;
    tool.description = function[FUNCTION_DESCRIPTION].raw;
    tool.schema = function[FUNCTION_PARAMETERS].raw;
    tool.strict = function[FUNCTION_STRICT].type == JSON_TRUE;
    return ask_add_tool(self, &tool, fault);
}

static bool read_choice(const struct json_value *value, struct ask *ask, struct fault *fault)
{
    struct json_value function[FUNCTION_ROWS];

    if (!field_set(value) || value->type == JSON_STRING)
        return !field_set(value) || ask_read_choice(value, ask, fault);
    if (!read_function(value, function, fault))
        return false;
    ask->choice = ASK_ONE;
    ask->choice_name = function[FUNCTION_NAME].raw;
    return true;
}

bool ask_read_chat(const struct json_value *body, struct ask *ask, struct fault *fault)
{
    struct json_value values[COUNT(top_rows)], include;
    struct fault missing = {0};

    if (!fields_read(body, &top_table, values, fault) ||
        !field_type(&values[TOP_EFFORT], JSON_STRING, "reasoning_effort", fault) ||
        !field_type(&values[TOP_TOOLS], JSON_ARRAY, "tools", fault))
        return false;
    if (values[TOP_MESSAGES].type != JSON_ARRAY)
        return fault_set(fault, FAULT_INVALID, "the request has no `messages`");
    ask->model = values[TOP_MODEL].raw;
    ask->stream = values[TOP_STREAM].type == JSON_TRUE;
    ask->usage_asked =
        values[TOP_STREAM_OPTIONS].type == JSON_OBJECT &&
        json_member(values[TOP_STREAM_OPTIONS].raw, "include_usage", &include, &missing) &&
        include.type == JSON_TRUE;
    ask->max_tokens = field_set(&values[TOP_MAX_COMPLETION]) ? values[TOP_MAX_COMPLETION].raw
                                                             : values[TOP_MAX_TOKENS].raw;
    ask->temperature = values[TOP_TEMPERATURE].raw;
    ask->top_p = values[TOP_TOP_P].raw;
    ask->stop = values[TOP_STOP].raw;
    ask->verbosity = values[TOP_VERBOSITY].raw;
    ask->effort = values[TOP_EFFORT].raw;
    ask->one_at_a_time = values[TOP_PARALLEL].type == JSON_FALSE;
    return json_each(values[TOP_MESSAGES].raw, read_message, ask, fault) &&
           (!field_set(&values[TOP_TOOLS]) ||
            json_each(values[TOP_TOOLS].raw, read_tool, ask, fault)) &&
           read_choice(&values[TOP_CHOICE], ask, fault) &&
           (!field_set(&values[TOP_FORMAT]) ||
            ask_read_format(&values[TOP_FORMAT], ask, fault));
}

/* ---- writing ---- */

static const char *const role_words[] = {
    [ASK_SYSTEM] = "system", [ASK_USER] = "user", [ASK_ASSISTANT] = "assistant"};

static void write_part(const struct ask_piece *piece, struct writer *writer)
{
    switch (piece->kind) {
    case ASK_TEXT:
        WRITE(writer, "{'type':'text','text':@}", piece->text);
        break;
    case ASK_IMAGE:
        WRITE(writer, "{'type':'image_url','image_url':{'url':");
        ask_write_url(writer, piece);
        WRITE(writer, "}}");
        break;
    case ASK_FILE:
        WRITE(writer, "{'type':'file','file':{'filename':@,'file_data':",
              piece->name.len > 0 ? piece->name : SLICE("\"document.pdf\""));
        ask_write_url(writer, piece);
        WRITE(writer, "}}");
        break;
    case ASK_CALL:
    case ASK_RESULT:
        break;
    }
}

/* Which of the pieces [from, to) a content is made of. */
struct choice {
    bool texts, others;
};

static bool is_chosen(const struct ask_piece *piece, struct choice choice)
{
    return piece->kind == ASK_TEXT
               ? choice.texts
               : choice.others && (piece->kind == ASK_IMAGE || piece->kind == ASK_FILE);
}

static size_t count_chosen(const struct ask *ask, size_t from, size_t to, struct choice choice)
{
    size_t count = 0;

    for (size_t i = from; i < to; i++)
        count += is_chosen(&ask->pieces[i], choice);
    return count;
}

/* One text is a string, which every server takes; all else a list of parts. */
static void write_content(const struct ask *ask, size_t from, size_t to, struct choice choice,
                          struct writer *writer)
{
    size_t count = count_chosen(ask, from, to, choice);
    bool first = true;

    if (count != 1)
        WRITE(writer, count == 0 ? "''" : "[");
    for (size_t i = from; i < to; i++) {
        if (!is_chosen(&ask->pieces[i], choice))
            continue;
        if (count == 1 && ask->pieces[i].kind == ASK_TEXT) {
            WRITE(writer, "@", ask->pieces[i].text);
            return;
        }
        write_comma(writer, &first);
        WRITE(writer, count == 1 ? "[" : "");
        write_part(&ask->pieces[i], writer);
    }
    WRITE(writer, count == 0 ? "" : "]");
}

static void write_calls(const struct ask *ask, size_t from, size_t to, struct writer *writer)
{
    bool first = true;

    for (size_t i = from; i < to; i++) {
        const struct ask_piece *call = &ask->pieces[i];

        if (call->kind != ASK_CALL)
            continue;
        WRITE(writer, first ? ",'tool_calls':[" : ",");
        first = false;
        WRITE(writer, "{'id':@,'type':'function','function':{'name':", call->id);
        ask_write_name(writer, call->name_space, call->name);
        WRITE(writer, ",'arguments':");
        ask_write_arguments(writer, call, true);
        WRITE(writer, "}}");
    }
    WRITE(writer, first ? "" : "]");
}

static void write_result(const struct ask *ask, size_t at, size_t to, struct writer *writer)
{
    WRITE(writer, "{'role':'tool','tool_call_id':@,'content':", ask->pieces[at].id);
    write_content(ask, at + 1, to, (struct choice){.texts = true}, writer);
    WRITE(writer, "}");
}

static bool is_system(const struct ask *ask, size_t at)
{
    return at < ask->piece_count && ask->pieces[at].role == ASK_SYSTEM;
}

/* The pieces of one message: an assistant's calls belong to what it said before them, and what
 * a system says at the beginning is one message, as many servers want it. */
static size_t message_end(const struct ask *ask, size_t from)
{
    const struct ask_piece *first = &ask->pieces[from];
    size_t at = from + 1;

    for (; at < ask->piece_count; at++) {
        const struct ask_piece *piece = &ask->pieces[at];
        bool joins = from == 0 && is_system(ask, at);

        if (piece->role != first->role || piece->kind == ASK_RESULT ||
            piece->in_result != (first->kind == ASK_RESULT) ||
            (piece->begins && piece->kind != ASK_CALL && !joins))
            break;
    }
    return at;
}

/* Images that tools answer with: a tool's message holds text alone, so a user's message behind
 * the results has them. */
static void write_shown(const struct ask *ask, size_t from, size_t to, struct writer *writer)
{
    struct choice others = {.others = true};

    if (count_chosen(ask, from, to, others) == 0)
        return;
    WRITE(writer, ",{'role':'user','content':");
    write_content(ask, from, to, others, writer);
    WRITE(writer, "}");
}

static void write_messages(const struct ask *ask, struct writer *writer)
{
    struct choice all = {true, true};
    size_t results = 0, end;
    bool first = true;

    for (size_t at = 0; at < ask->piece_count; at = end) {
        bool is_result = ask->pieces[at].kind == ASK_RESULT;

        end = message_end(ask, at);
        write_comma(writer, &first);
        if (is_result) {
            results = results == 0 ? at + 1 : results;
            write_result(ask, at, end, writer);
        } else {
            WRITE(writer, "{'role':'@','content':", slice_of(role_words[ask->pieces[at].role]));
            if (ask->pieces[at].role == ASK_ASSISTANT && count_chosen(ask, at, end, all) == 0)
                WRITE(writer, "null");
            else
                write_content(ask, at, end, all, writer);
            write_calls(ask, at, end, writer);
            WRITE(writer, "}");
        }
        if (results > 0 && (end == ask->piece_count || ask->pieces[end].kind != ASK_RESULT)) {
            if (is_result)
                write_shown(ask, results - 1, end, writer);
            results = 0;
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
        WRITE(writer, "{'type':'function','function':{'name':");
        ask_write_name(writer, tool->name_space, tool->name);
        WRITE(writer, ",'description':");
        ask_write_description(writer, tool);
        WRITE(writer, ",'parameters':");
        ask_write_schema(writer, tool);
        WRITE(writer, tool->strict ? ",'strict':true}}" : "}}");
    }
    if (ask->tool_count == 0)
        return;
    WRITE(writer, "]");
    if (ask->choice == ASK_ONE) {
        WRITE(writer, ",'tool_choice':{'type':'function','function':{'name':");
        ask_write_name(writer, ask->choice_name_space, ask->choice_name);
        WRITE(writer, "}}");
    } else if (ask->choice != ASK_UNSAID) {
        WRITE(writer, ",'tool_choice':'@'", slice_of(words[ask->choice]));
    }
    WRITE(writer, ask->one_at_a_time ? ",'parallel_tool_calls':false" : "");
}

static void write_format(const struct ask *ask, struct writer *writer)
{
    if (ask->format == ASK_JSON)
        WRITE(writer, ",'response_format':{'type':'json_object'}");
    if (ask->format != ASK_SCHEMA)
        return;
    WRITE(writer, ",'response_format':{'type':'json_schema','json_schema':{'name':@,'schema':@",
          ask->format_name.len > 0 ? ask->format_name : SLICE("\"answer\""),
          ask->format_schema);
    ask_write_setting(writer, "description", ask->format_description);
    WRITE(writer, ask->format_strict ? ",'strict':true}}" : "}}");
}

void ask_write_chat(const struct ask *ask, struct writer *writer)
{
    WRITE(writer, "{'model':@,'messages':[", ask->model);
    write_messages(ask, writer);
    WRITE(writer, "]");
    if (ask->stream)
        WRITE(writer, ",'stream':true,'stream_options':{'include_usage':true}");
    ask_write_setting(writer, "max_completion_tokens", ask->max_tokens);
    ask_write_setting(writer, "temperature", ask->temperature);
    ask_write_setting(writer, "top_p", ask->top_p);
    ask_write_setting(writer, "stop", ask->stop);
    ask_write_setting(writer, "verbosity", ask->verbosity);
    ask_write_setting(writer, "reasoning_effort", ask_effort(writer, ask, false));
    write_tools(ask, writer);
    write_format(ask, writer);
    WRITE(writer, "}");
}
