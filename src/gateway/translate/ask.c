#include "gateway/translate/ask.h"

#include "base/scope.h"
#include "gateway/translate/arguments.h"

#define TEXT_BYTES_MAX (64UL * 1024 * 1024)

void ask_free(struct ask *ask)
{
    free(ask->pieces);
    free(ask->tools);
    *ask = (struct ask){0};
}

bool ask_add(struct ask *ask, const struct ask_piece *piece, struct fault *fault)
{
    if (ask->piece_count == ASK_PIECES_MAX)
        return fault_set(fault, FAULT_LIMIT, "more than %u pieces of a conversation",
                         ASK_PIECES_MAX);
    ask->pieces =
        xgrow(ask->pieces, &ask->piece_room, ask->piece_count + 1, sizeof(*ask->pieces));
    ask->pieces[ask->piece_count++] = *piece;
    return true;
}

bool ask_read_piece(struct ask_reading *reading, enum ask_kind kind, struct slice text,
                    struct fault *fault)
{
    struct ask_piece piece = reading->piece;

    piece.kind = kind;
    piece.text = text;
    reading->piece.begins = false;
    return ask_add(reading->ask, &piece, fault);
}

bool ask_add_tool(struct ask *ask, const struct ask_tool *tool, struct fault *fault)
{
    if (ask->tool_count == ASK_TOOLS_MAX)
        return fault_set(fault, FAULT_LIMIT, "more than %u tools", ASK_TOOLS_MAX);
    if (tool->name.len < 3 || tool->name.len + tool->name_space.len > ASK_NAME_BYTES_MAX)
        return fault_set(fault, FAULT_INVALID, "a tool has no name, or one of more than %d bytes",
                         ASK_NAME_BYTES_MAX);
    ask->tools = xgrow(ask->tools, &ask->tool_room, ask->tool_count + 1, sizeof(*ask->tools));
    ask->tools[ask->tool_count++] = *tool;
    return true;
}

enum { FORMAT_TYPE, FORMAT_NAME, FORMAT_SCHEMA, FORMAT_STRICT, FORMAT_DESCRIPTION, FORMAT_WRAPPED,
       FORMAT_ROWS };
static const struct field format_rows[FORMAT_ROWS] = {
    [FORMAT_TYPE] = {"type", FIELD_CARRIED, NULL},
    [FORMAT_NAME] = {"name", FIELD_CARRIED, NULL},
    [FORMAT_SCHEMA] = {"schema", FIELD_CARRIED, NULL},
    [FORMAT_STRICT] = {"strict", FIELD_CARRIED, NULL},
    [FORMAT_DESCRIPTION] = {"description", FIELD_CARRIED, NULL},
    [FORMAT_WRAPPED] = {"json_schema", FIELD_CARRIED, NULL},
};
static const struct field_table format_table = FIELD_TABLE("the response format", format_rows);

bool ask_read_format(const struct json_value *format, struct ask *ask, struct fault *fault)
{
    static const char *const words[] = {
        [ASK_PLAIN] = "text", [ASK_JSON] = "json_object", [ASK_SCHEMA] = "json_schema"};
    struct json_value values[FORMAT_ROWS], type;

    if (!fields_read(format, &format_table, values, fault))
        return false;
    type = values[FORMAT_TYPE];
    if (field_set(&values[FORMAT_WRAPPED])) { /* Chat Completions: a level deeper */
        struct json_value inner = values[FORMAT_WRAPPED];

        if (!fields_read(&inner, &format_table, values, fault))
            return false;
    }
    if (!field_type(&values[FORMAT_NAME], JSON_STRING, "name", fault) ||
        !field_type(&values[FORMAT_DESCRIPTION], JSON_STRING, "description", fault))
        return false;
    for (size_t i = 0; i < COUNT(words); i++)
        if (field_is(&type, words[i])) {
            ask->format = (enum ask_format)i;
            ask->format_name = values[FORMAT_NAME].raw;
            ask->format_schema = values[FORMAT_SCHEMA].raw;
            ask->format_description = values[FORMAT_DESCRIPTION].raw;
            ask->format_strict = values[FORMAT_STRICT].type == JSON_TRUE;
            return ask->format != ASK_SCHEMA || values[FORMAT_SCHEMA].type == JSON_OBJECT ||
                   fault_set(fault, FAULT_INVALID, "the response format has no schema");
        }
    return fault_set(fault, FAULT_INVALID, "the response format has no counterpart there");
}

bool ask_read_choice(const struct json_value *word, struct ask *ask, struct fault *fault)
{
    static const struct {
        const char *word;
        enum ask_choice choice;
    } rows[] = {
        {"auto", ASK_AUTO}, {"none", ASK_NONE}, {"required", ASK_ANY}, {"any", ASK_ANY}};

    for (size_t i = 0; i < COUNT(rows); i++)
        if (field_is(word, rows[i].word)) {
            ask->choice = rows[i].choice;
            return true;
        }
    return fault_set(fault, FAULT_INVALID, "`tool_choice` has no counterpart there");
}

/* Providers take letters, digits, "_" and "-". */
void ask_write_name(struct writer *writer, struct slice name_space, struct slice name)
{
    WRITE(writer, name_space.len > 0 ? "'@__@'" : "'@@'", write_inner(name_space),
          write_inner(name));
}

/* Arguments that are no object, which a model may have written, become the member `arguments`
 * of one: what it wrote stays in the conversation. */
static bool as_object(const struct ask_piece *call, struct buf *out, struct fault *fault)
{
    AUTO_BUF struct buf text = buf_with_limit(TEXT_BYTES_MAX);
    struct writer writer = {out, fault, false};
    struct json_value string = {JSON_STRING, call->text};

    switch (call->form) {
    case ASK_OBJECT:
        WRITE(&writer, "@", call->text);
        break;
    case ASK_FREE:
        WRITE(&writer, "{'input':@}", call->text);
        break;
    case ASK_ACTION:
        if (!arguments_of_action(call->text, out, fault))
            return false;
        break;
    case ASK_STRING:
    case ASK_BASE64:
        if (!json_text(&string, &text, fault) ||
            !arguments_object(buf_slice(&text), out, fault))
            return false;
        break;
    }
    return !writer.failed;
}

void ask_write_arguments(struct writer *writer, const struct ask_piece *call, bool as_string)
{
    AUTO_BUF struct buf object = buf_with_limit(TEXT_BYTES_MAX);

    if (as_string && call->form == ASK_STRING) {
        WRITE(writer, "@", call->text);
        return;
    }
    if (writer->failed)
        return;
    if (!as_object(call, &object, writer->fault))
        writer->failed = true;
    else if (as_string)
        write_string(writer, buf_slice(&object));
    else
        WRITE(writer, "@", buf_slice(&object));
}

void ask_write_schema(struct writer *writer, const struct ask_tool *tool)
{
    static const char *const schemas[] = {
        [ASK_FUNCTION] = "{'type':'object','properties':{}}",
        [ASK_CUSTOM] = "{'type':'object','properties':{'input':{'type':'string'}},"
                       "'required':['input'],'additionalProperties':false}",
        [ASK_SHELL] = "{'type':'object','properties':{"
                      "'command':{'type':'array','items':{'type':'string'}},"
                      "'timeout_ms':{'type':'integer'},'working_directory':{'type':'string'}},"
                      "'required':['command'],'additionalProperties':false}",
    };

    if (tool->kind == ASK_FUNCTION && tool->schema.len > 0)
        WRITE(writer, "@", tool->schema);
    else
        WRITE(writer, schemas[tool->kind]);
}

void ask_write_description(struct writer *writer, const struct ask_tool *tool)
{
    switch (tool->kind) {
    case ASK_FUNCTION:
        WRITE(writer, "'@'", write_inner(tool->description));
        break;
    case ASK_SHELL:
        WRITE(writer, "'Runs a program, given as a list of words, and answers with its "
                      "output.'");
        break;
    case ASK_CUSTOM:
        WRITE(writer, "'@\\n\\nGive the text of the call as it is, as the one string `input`.@@'",
              write_inner(tool->description),
              tool->format.len > 0 ? SLICE(" It follows this grammar:\\n\\n") : SLICE(""),
              write_inner(tool->format));
        break;
    }
}

void ask_write_url(struct writer *writer, const struct ask_piece *piece)
{
    if (piece->form == ASK_BASE64)
        WRITE(writer, "'data:@;base64,@'", write_inner(piece->media), write_inner(piece->text));
    else
        WRITE(writer, "@", piece->text);
}

void ask_write_setting(struct writer *writer, const char *name, struct slice value)
{
    if (value.len > 0)
        WRITE(writer, ",'@':@", slice_of(name), value);
}

struct slice ask_effort(struct writer *writer, const struct ask *ask, bool for_anthropic)
{
    static const struct {
        const char *word, *openai, *anthropic; /* NULL: is not said */
    } rows[] = {
        {"none", "\"none\"", NULL},
        {"minimal", "\"minimal\"", "\"low\""},
        {"low", "\"low\"", "\"low\""},
        {"medium", "\"medium\"", "\"medium\""},
        {"high", "\"high\"", "\"high\""},
        {"xhigh", "\"xhigh\"", "\"xhigh\""},
        {"max", "\"xhigh\"", "\"max\""},
    };
    const struct json_value effort = {JSON_STRING, ask->effort};

    if (ask->effort.len == 0)
        return SLICE("");
    for (size_t i = 0; i < COUNT(rows); i++)
        if (field_is(&effort, rows[i].word)) {
            const char *word = for_anthropic ? rows[i].anthropic : rows[i].openai;

            return word == NULL ? SLICE("") : slice_of(word);
        }
    write_fault(writer, FAULT_INVALID, "this effort of reasoning has no counterpart there");
    return SLICE("");
}
