#include "gateway/translate/translate.h"

#include <stdlib.h>

#include "base/scope.h"
#include "gateway/dialect/dialect.h"
#include "gateway/translate/turn.h"
#include "wire/sse.h"

#define ANSWER_BYTES_MAX (16UL * 1024 * 1024) /* of a document; of an event */
#define NAME_BYTES_MAX 4096

/* What a provider of each dialect is asked; OPERATION_COUNT: it has no such thing. */
static const struct operation_row {
    enum operation asked;
    enum operation sent[DIALECT_COUNT];
} operations[] = {
    {OPERATION_CHAT,
     {OPERATION_COUNT, OPERATION_RESPONSE, OPERATION_MESSAGE, OPERATION_COUNT}},
    {OPERATION_RESPONSE, {OPERATION_CHAT, OPERATION_COUNT, OPERATION_MESSAGE, OPERATION_COUNT}},
    {OPERATION_MESSAGE, {OPERATION_CHAT, OPERATION_RESPONSE, OPERATION_COUNT, OPERATION_COUNT}},
    {OPERATION_RESPONSE_COUNT,
     {OPERATION_COUNT, OPERATION_COUNT, OPERATION_MESSAGE_COUNT, OPERATION_COUNT}},
    {OPERATION_MESSAGE_COUNT,
     {OPERATION_COUNT, OPERATION_RESPONSE_COUNT, OPERATION_COUNT, OPERATION_COUNT}},
};

/* A dialect's name for people, and what is done with it here. */
static const struct dialect_row {
    const char *title;
    ask_read_fn *read;
    ask_write_fn *write;
    turn_read_fn *event, *body;
    const struct teller *teller;
} dialects[DIALECT_COUNT] = {
    [DIALECT_OPENAI] = {"Chat Completions", ask_read_chat, ask_write_chat,
                        turn_read_chat_event, turn_read_chat_body, &teller_chat},
    [DIALECT_OPENAI_RESPONSES] = {"Responses", ask_read_responses, ask_write_responses,
                                  turn_read_responses_event, turn_read_responses_body,
                                  &teller_responses},
    [DIALECT_ANTHROPIC] = {"Messages", ask_read_messages, ask_write_messages,
                           turn_read_messages_event, turn_read_messages_body,
                           &teller_messages},
};

static const struct dialect_row *row_of(enum operation operation)
{
    return &dialects[operation_rule(operation)->dialect];
}

bool translate_operation(enum operation asked, enum dialect dialect, enum operation *ret_sent)
{
    for (size_t i = 0; i < COUNT(operations); i++)
        if (operations[i].asked == asked &&
            operations[i].sent[dialect] != OPERATION_COUNT) {
            *ret_sent = operations[i].sent[dialect];
            return true;
        }
    return false;
}

void translation_free(struct translation *translation)
{
    if (translation == NULL)
        return;
    for (size_t i = 0; i < translation->tool_count; i++) {
        free(translation->tools[i].sent);
        free(translation->tools[i].name);
        free(translation->tools[i].name_space);
    }
    free(translation->tools);
    free(translation);
}

/* ---- requests ---- */

/* Tools that the provider knows in another form, by the name that it knows. */
static bool note_tool(struct translation *translation, const struct ask_tool *tool,
                      struct fault *fault)
{
    AUTO_BUF struct buf quoted = buf_with_limit(NAME_BYTES_MAX),
                        sent = buf_with_limit(NAME_BYTES_MAX);
    struct writer writer = {&quoted, fault, false};
    struct json_value name = {.type = JSON_STRING};

    if (tool->kind == ASK_FUNCTION && tool->name_space.len == 0)
        return true;
    ask_write_name(&writer, tool->name_space, tool->name);
    name.raw = buf_slice(&quoted);
    if (writer.failed || !json_text(&name, &sent, fault))
        return false;
    translation->tools = xgrow(translation->tools, &translation->tool_room,
                               translation->tool_count + 1, sizeof(*translation->tools));
    translation->tools[translation->tool_count++] =
        (struct translation_tool){.kind = tool->kind,
                                  .sent = slice_dup(buf_slice(&sent)),
                                  .name = slice_dup(write_inner(tool->name)),
                                  .name_space = slice_dup(write_inner(tool->name_space))};
    return true;
}

/* A last message of the assistant's is one to be gone on with for Messages, and done for the
 * others. */
static bool ends_well(const struct translation *translation, const struct ask *ask,
                      struct fault *fault)
{
    bool of_messages =
        operation_rule(translation->asked)->dialect == DIALECT_ANTHROPIC ||
        operation_rule(translation->sent)->dialect == DIALECT_ANTHROPIC;
    const struct ask_piece *last =
        ask->piece_count == 0 ? NULL : &ask->pieces[ask->piece_count - 1];

    return !of_messages || last == NULL || last->role != ASK_ASSISTANT ||
           fault_set(fault, FAULT_INVALID,
                     "a conversation whose last message is the assistant's has no counterpart "
                     "there");
}

static bool rewrite(struct translation *translation, struct slice body, struct ask *ask,
                    struct buf *ret_body, struct fault *fault)
{
    struct writer writer = {ret_body, fault, false};
    struct json_value root;

    if (!json_root(body, &root, fault) || !row_of(translation->asked)->read(&root, ask, fault) ||
        !ends_well(translation, ask, fault))
        return false;
    ask->counts = operation_rule(translation->asked)->free;
    translation->usage_asked = ask->usage_asked;
    for (size_t i = 0; i < ask->tool_count; i++)
        if (!note_tool(translation, &ask->tools[i], fault))
            return false;
    row_of(translation->sent)->write(ask, &writer);
    return !writer.failed;
}

bool translate_request(enum operation asked, enum operation sent, struct slice body,
                       struct buf *ret_body, struct translation **ret_translation,
                       struct fault *fault)
{
    struct translation *translation = xalloc(sizeof(*translation));
    struct ask ask = {0};
    bool ok;

    translation->asked = asked;
    translation->sent = sent;
    ok = rewrite(translation, body, &ask, ret_body, fault);
    ask_free(&ask);
    if (!ok) {
        translation_free(translation);
        return fault_in(fault, "from %s to %s", row_of(asked)->title, row_of(sent)->title);
    }
    *ret_translation = translation;
    return true;
}

/* ---- answers ---- */

struct translator {
    const struct translation *translation;
    int status;
    bool is_stream;
    struct sse *sse;
    struct buf body;
    struct turn turn;
};

struct translator *translator_new(const struct translation *translation, int status,
                                  bool is_stream, int64_t now_s)
{
    struct translator *translator = xalloc(sizeof(*translator));
    struct turn *turn = &translator->turn;

    translator->translation = translation;
    translator->status = status;
    translator->is_stream = is_stream;
    translator->sse = is_stream ? sse_new(ANSWER_BYTES_MAX) : NULL;
    translator->body = buf_with_limit(ANSWER_BYTES_MAX);
    turn->translation = translation;
    turn->teller = row_of(translation->asked)->teller;
    turn->is_stream = is_stream;
    turn->now_s = now_s;
    turn->usage = usage_none();
    turn->whole = buf_with_limit(TURN_BYTES_MAX);
    turn->text = buf_with_limit(TURN_BYTES_MAX);
    turn->refusal = buf_with_limit(TURN_BYTES_MAX);
    return translator;
}

void translator_free(struct translator *translator)
{
    if (translator == NULL)
        return;
    sse_free(translator->sse);
    buf_free(&translator->body);
    turn_free(&translator->turn);
    free(translator);
}

size_t translator_held(const struct translator *translator)
{
    const struct turn *turn = translator == NULL ? NULL : &translator->turn;

    if (turn == NULL)
        return 0;
    return translator->body.len + turn->whole.len + turn->text.len + turn->refusal.len +
           turn->waiting_bytes;
}

static void take_event(struct translator *translator, struct slice data)
{
    enum dialect dialect = operation_rule(translator->translation->sent)->dialect;
    struct turn *turn = &translator->turn;

    if (slice_equal(data, SLICE("[DONE]"))) {
        turn_end(turn);
        return;
    }
    if (!json_walk(data, NULL, turn->writer.fault)) {
        turn->writer.failed = true;
        return;
    }
    (void)usage_take_event(dialect, SLICE(""), data, &turn->usage);
    dialects[dialect].event(turn, data);
}

static bool feed_stream(struct translator *translator, struct slice bytes, struct fault *fault)
{
    struct turn *turn = &translator->turn;

    while (bytes.len > 0 && !turn->writer.failed) {
        size_t used;
        bool is_event;

        if (!sse_feed(translator->sse, bytes, &used, &is_event, fault))
            return false;
        bytes = slice_part(bytes, used, bytes.len);
        if (!is_event || turn->over)
            continue;
        if (sse_data(translator->sse).len > 0)
            take_event(translator, sse_data(translator->sse));
        else if (slice_starts_with(sse_raw(translator->sse), SLICE(":")))
            WRITE(&turn->writer, ": waiting\n\n");
    }
    return !turn->writer.failed;
}

bool translator_feed(struct translator *translator, struct slice bytes, struct buf *out,
                     struct fault *fault)
{
    translator->turn.writer = (struct writer){out, fault, false};
    return translator->is_stream ? feed_stream(translator, bytes, fault)
                                 : buf_add(&translator->body, bytes, fault);
}

/* What a provider's error says, wherever it says it. */
static bool write_error(const struct translator *translator, struct buf *out,
                        struct fault *fault)
{
    static const char *const messages[] = {"error.message", "message", "error", "detail"};
    static const char *const codes[] = {"error.code", "error.type", "type"};
    AUTO_BUF struct buf text = buf_with_limit(ANSWER_BYTES_MAX),
                        code = buf_with_limit(ANSWER_BYTES_MAX);
    struct slice body = buf_slice(&translator->body), message = {0}, word = {0};
    struct json_value value = {.type = JSON_STRING};
    struct fault none = {0};
    AUTO_FREE char *says = NULL, *named = NULL;

    if (json_walk(body, NULL, &none)) {
        for (size_t i = 0; message.len == 0 && i < COUNT(messages); i++)
            message = turn_member(body, messages[i], JSON_STRING);
        for (size_t i = 0; word.len == 0 && i < COUNT(codes); i++)
            word = turn_member(body, codes[i], JSON_STRING);
    }
    value.raw = message;
    (void)!(message.len > 2 && json_text(&value, &text, &none));
    value.raw = word;
    (void)!(word.len > 2 && json_text(&value, &code, &none));
    says = text.len > 0 ? slice_dup(buf_slice(&text))
                        : xformat("the model's provider answered with HTTP %d",
                                  translator->status);
    named = slice_dup(slice_part(buf_slice(&code), 0, 64));
    for (char *c = named; *c != 0; c++)
        if (strchr("\"\\", *c) != NULL || (uint8_t)*c < 0x20 || (uint8_t)*c > 0x7E)
            *c = '_';
    return dialect_error(operation_rule(translator->translation->asked)->dialect,
                         translator->status, named[0] == 0 ? "upstream" : named, says, out,
                         fault);
}

static bool write_count(struct translator *translator)
{
    struct slice count =
        turn_member(buf_slice(&translator->body), "input_tokens", JSON_NUMBER);
    struct writer *writer = &translator->turn.writer;

    if (count.len == 0)
        write_fault(writer, FAULT_INVALID, "no count of tokens");
    WRITE(writer,
          translator->translation->asked == OPERATION_RESPONSE_COUNT
              ? "{'object':'response.input_tokens','input_tokens':@}"
              : "{'input_tokens':@}",
          count);
    return !writer->failed;
}

static bool end_stream(struct translator *translator, struct fault *fault)
{
    struct turn *turn = &translator->turn;

    /* some providers leave out the last blank line */
    if (!feed_stream(translator, SLICE("\n\n"), fault))
        return false;
    if (turn->stop != TURN_GOES_ON)
        turn_end(turn);
    turn_error(turn, SLICE("\"upstream-cut\""),
               SLICE("\"custody: the model's provider broke off its answer\""));
    return !turn->writer.failed;
}

bool translator_end(struct translator *translator, struct buf *out, struct fault *fault)
{
    enum dialect dialect = operation_rule(translator->translation->sent)->dialect;
    struct slice body = buf_slice(&translator->body);
    struct turn *turn = &translator->turn;

    turn->writer = (struct writer){out, fault, false};
    if (translator->is_stream)
        return end_stream(translator, fault);
    if (translator->status >= 300)
        return write_error(translator, out, fault);
    if (!json_walk(body, NULL, fault))
        return false;
    if (operation_rule(translator->translation->sent)->free)
        return write_count(translator);
    usage_take_body(dialect, body, &turn->usage);
    dialects[dialect].body(turn, body);
    return !turn->writer.failed;
}
