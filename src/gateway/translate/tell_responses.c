/* Answers as the Responses API has them: events that end with full copies, or one object. */
#include "gateway/translate/turn.h"

#include "base/scope.h"

/* How an answer ended. */
static const struct stop_row {
    const char *status, *why; /* why: it is incomplete */
} stops[TURN_STOPS] = {
    [TURN_GOES_ON] = {"completed", NULL},
    [TURN_DONE] = {"completed", NULL},
    [TURN_CALLS] = {"completed", NULL},
    [TURN_LENGTH] = {"incomplete", "max_output_tokens"},
    [TURN_SEQUENCE] = {"completed", NULL},
    [TURN_FILTER] = {"incomplete", "content_filter"},
};

/* What an item is, by its part: how it is written, and the events of its text. */
enum item_kind {
    ITEM_TEXT,
    ITEM_REFUSAL,
    ITEM_FUNCTION,
    ITEM_CUSTOM,
    ITEM_SHELL,
};
static const struct item_row {
    const char *prefix; /* of its id */
    const char *item; /* id, status, then call's id, name and namespace, then the text */
    const char *part; /* of a message: its content; the text */
    const char *delta, *done; /* events; NULL: it is told as a whole */
    const char *member;       /* of `done` that holds the text */
} items[] = {
    [ITEM_TEXT] = {"msg", NULL, "{'type':'output_text','text':'@','annotations':[]}",
                   "response.output_text.delta", "response.output_text.done", "text"},
    [ITEM_REFUSAL] = {"msg", NULL, "{'type':'refusal','refusal':'@'}", "response.refusal.delta",
                      "response.refusal.done", "refusal"},
    [ITEM_FUNCTION] = {"fc",
                       "{'id':'@','type':'function_call','status':'@','call_id':'@','name':'@'"
                       "@,'arguments':'@'}",
                       NULL, "response.function_call_arguments.delta",
                       "response.function_call_arguments.done", "arguments"},
    [ITEM_CUSTOM] = {"ctc",
                     "{'id':'@','type':'custom_tool_call','status':'@','call_id':'@','name':"
                     "'@'@,'input':'@'}",
                     NULL, "response.custom_tool_call_input.delta",
                     "response.custom_tool_call_input.done", "input"},
    [ITEM_SHELL] = {"lsh", NULL, NULL, NULL, NULL, NULL},
};

static enum item_kind kind_of(const struct turn_part *part)
{
    static const enum item_kind of_tool[] = {
        [ASK_FUNCTION] = ITEM_FUNCTION, [ASK_CUSTOM] = ITEM_CUSTOM, [ASK_SHELL] = ITEM_SHELL};

    if (part->kind != TURN_CALL)
        return part->kind == TURN_TEXT ? ITEM_TEXT : ITEM_REFUSAL;
    return part->tool == NULL ? ITEM_FUNCTION : of_tool[part->tool->kind];
}

static void write_usage(struct turn *turn)
{
    struct writer *writer = &turn->writer;
    int64_t in = turn_input(turn), out = turn->usage.output;

    WRITE(writer, "{'input_tokens':");
    write_number(writer, in);
    WRITE(writer, ",'input_tokens_details':{'cached_tokens':");
    write_number(writer, turn->usage.cached);
    WRITE(writer, "},'output_tokens':");
    write_number(writer, out);
    WRITE(writer, ",'output_tokens_details':{'reasoning_tokens':");
    write_number(writer, turn->usage.reasoning);
    WRITE(writer, "},'total_tokens':");
    write_number(writer, in + out);
    WRITE(writer, "}");
}

/* The response itself. row NULL: it is under way. */
static void write_response(struct turn *turn, const struct stop_row *row)
{
    struct writer *writer = &turn->writer;

    WRITE(writer, "{'id':'@','object':'response','created_at':", slice_of(turn->id));
    write_number(writer, turn->now_s);
    WRITE(writer, ",'status':'@','model':'@','error':null,'incomplete_details':",
          row == NULL ? SLICE("in_progress") : slice_of(row->status), slice_of(turn->model));
    if (row != NULL && row->why != NULL)
        WRITE(writer, "{'reason':'@'}", slice_of(row->why));
    else
        WRITE(writer, "null");
    WRITE(writer, ",'instructions':null,'metadata':{},'parallel_tool_calls':true,"
                  "'temperature':null,'tool_choice':'auto','tools':[],'top_p':null,'store':false,"
                  "'output':[@],'usage':",
          row == NULL ? SLICE("") : buf_slice(&turn->whole));
    if (row == NULL)
        WRITE(writer, "null");
    else
        write_usage(turn);
    WRITE(writer, "}");
}

/* ---- events ---- */

static void begin_event(struct turn *turn, const char *name)
{
    WRITE(&turn->writer, "event: @\ndata: {'type':'@','sequence_number':", slice_of(name),
          slice_of(name));
    write_number(&turn->writer, turn->sequence++);
}

static void end_event(struct turn *turn)
{
    WRITE(&turn->writer, "}\n\n");
}

static void response_event(struct turn *turn, const char *name, const struct stop_row *row)
{
    begin_event(turn, name);
    WRITE(&turn->writer, ",'response':");
    write_response(turn, row);
    end_event(turn);
}

/* Items are counted from 0 in their order. */
static void write_id(struct writer *writer, const struct turn *turn, enum item_kind kind)
{
    WRITE(writer, "@_", slice_of(items[kind].prefix));
    write_number(writer, (int64_t)turn->current);
    WRITE(writer, "_@", slice_of(turn->id));
}

/* Which item of the output, which part of it. */
static void write_place(struct turn *turn, enum item_kind kind)
{
    WRITE(&turn->writer, ",'item_id':'");
    write_id(&turn->writer, turn, kind);
    WRITE(&turn->writer, "','output_index':");
    write_number(&turn->writer, (int64_t)turn->current);
    WRITE(&turn->writer, items[kind].part != NULL ? ",'content_index':0" : "");
}

/* ---- items ---- */

static void write_message(struct writer *writer, const struct turn *turn, enum item_kind kind,
                          bool is_whole)
{
    WRITE(writer, "{'id':'");
    write_id(writer, turn, kind);
    WRITE(writer, "','type':'message','role':'assistant','status':'@','content':[",
          is_whole ? SLICE("completed") : SLICE("in_progress"));
    if (is_whole)
        WRITE(writer, items[kind].part, buf_slice(&turn->text));
    WRITE(writer, "]}");
}

static void write_call(struct writer *writer, const struct turn *turn, enum item_kind kind,
                       const struct turn_part *part, bool is_whole)
{
    const struct translation_tool *tool = part->tool;
    AUTO_FREE char *name_space =
        tool == NULL || tool->name_space[0] == 0
            ? xstrdup("")
            : xformat(",\"namespace\":\"%s\"", tool->name_space);
    AUTO_BUF struct buf id = buf_with_limit(1024UL * 1024);
    struct writer writes = {&id, writer->fault, writer->failed};

    write_id(&writes, turn, kind);
    writer->failed = writes.failed;
    WRITE(writer, items[kind].item, buf_slice(&id),
          is_whole ? SLICE("completed") : SLICE("in_progress"), slice_of(part->id),
          slice_of(tool == NULL ? part->name : tool->name), slice_of(name_space),
          is_whole ? buf_slice(&turn->text) : SLICE(""));
}

/* What a local shell is given is an object. */
static void write_shell(struct writer *writer, const struct turn *turn,
                        const struct turn_part *part)
{
    AUTO_BUF struct buf quoted = buf_with_limit(TURN_BYTES_MAX);
    AUTO_BUF struct buf text = buf_with_limit(TURN_BYTES_MAX);
    struct writer writes = {&quoted, writer->fault, writer->failed};
    struct json_value string = {.type = JSON_STRING};

    WRITE(writer, "{'id':'");
    write_id(writer, turn, ITEM_SHELL);
    WRITE(writer, "','type':'local_shell_call','status':'completed','call_id':'@','action':",
          slice_of(part->id));
    WRITE(&writes, "'@'", buf_slice(&turn->text));
    string.raw = buf_slice(&quoted);
    if (writer->failed || writes.failed || !json_text(&string, &text, writer->fault) ||
        !arguments_to_action(buf_slice(&text), writer->out, writer->fault))
        writer->failed = true;
    WRITE(writer, "}");
}

static void write_item(struct writer *writer, const struct turn *turn,
                       const struct turn_part *part, bool is_whole)
{
    enum item_kind kind = kind_of(part);

    if (kind == ITEM_SHELL)
        write_shell(writer, turn, part);
    else if (items[kind].item != NULL)
        write_call(writer, turn, kind, part, is_whole);
    else
        write_message(writer, turn, kind, is_whole);
}

static void item_event(struct turn *turn, const char *name, const struct turn_part *part,
                       bool is_whole)
{
    begin_event(turn, name);
    WRITE(&turn->writer, ",'output_index':");
    write_number(&turn->writer, (int64_t)turn->current);
    WRITE(&turn->writer, ",'item':");
    write_item(&turn->writer, turn, part, is_whole);
    end_event(turn);
}

static void part_event(struct turn *turn, const char *name, enum item_kind kind)
{
    begin_event(turn, name);
    write_place(turn, kind);
    WRITE(&turn->writer, ",'part':");
    WRITE(&turn->writer, items[kind].part, buf_slice(&turn->text));
    end_event(turn);
}

/* ---- the teller ---- */

static void begin(struct turn *turn)
{
    if (!turn->is_stream)
        return;
    response_event(turn, "response.created", NULL);
    response_event(turn, "response.in_progress", NULL);
}

static void open_part(struct turn *turn, const struct turn_part *part)
{
    enum item_kind kind = kind_of(part);

    buf_clear(&turn->text);
    turn->free_text = (struct free_text){.state = FREE_BEFORE};
    if (!turn->is_stream || items[kind].delta == NULL)
        return;
    item_event(turn, "response.output_item.added", part, false);
    if (items[kind].part != NULL)
        part_event(turn, "response.content_part.added", kind);
}

static void add_text(struct turn *turn, enum item_kind kind, struct slice piece)
{
    if (piece.len == 0 || turn->writer.failed)
        return;
    if (!buf_add(&turn->text, piece, turn->writer.fault)) {
        turn->writer.failed = true;
        return;
    }
    if (!turn->is_stream || items[kind].delta == NULL)
        return;
    begin_event(turn, items[kind].delta);
    write_place(turn, kind);
    WRITE(&turn->writer, ",'delta':'@'", piece);
    end_event(turn);
}

static void add_free(struct turn *turn, struct slice text, bool is_end)
{
    AUTO_BUF struct buf room = buf_with_limit(TURN_BYTES_MAX);
    bool ok = !turn->writer.failed &&
              (is_end ? free_text_end(&turn->free_text, &room, turn->writer.fault)
                      : free_text_feed(&turn->free_text, text, &room, turn->writer.fault));

    turn->writer.failed = !ok;
    add_text(turn, ITEM_CUSTOM, buf_slice(&room));
}

static void piece_of(struct turn *turn, const struct turn_part *part, struct slice piece,
                     struct slice text)
{
    enum item_kind kind = kind_of(part);

    if (kind == ITEM_CUSTOM)
        add_free(turn, text, false);
    else
        add_text(turn, kind, piece);
}

/* The full copies. */
static void close_part(struct turn *turn, const struct turn_part *part)
{
    struct writer whole = {&turn->whole, turn->writer.fault, false};
    enum item_kind kind = kind_of(part);

    if (kind == ITEM_CUSTOM)
        add_free(turn, SLICE(""), true);
    if (turn->is_stream && items[kind].done != NULL) {
        begin_event(turn, items[kind].done);
        write_place(turn, kind);
        WRITE(&turn->writer, ",'@':'@'", slice_of(items[kind].member), buf_slice(&turn->text));
        end_event(turn);
        if (items[kind].part != NULL)
            part_event(turn, "response.content_part.done", kind);
    }
    if (turn->is_stream && items[kind].delta == NULL)
        item_event(turn, "response.output_item.added", part, true);
    if (turn->is_stream)
        item_event(turn, "response.output_item.done", part, true);
    whole.failed = turn->writer.failed;
    WRITE(&whole, turn->whole.len > 0 ? "," : "");
    write_item(&whole, turn, part, true);
    turn->writer.failed = whole.failed;
}

static void end(struct turn *turn)
{
    const struct stop_row *row = &stops[turn_stopped(turn)];

    if (turn->is_stream)
        response_event(turn, row->why == NULL ? "response.completed" : "response.incomplete",
                       row);
    else
        write_response(turn, row);
}

static void wait(struct turn *turn)
{
    response_event(turn, "response.in_progress", NULL);
}

const struct teller teller_responses = {begin, open_part, piece_of, close_part, end, wait};
