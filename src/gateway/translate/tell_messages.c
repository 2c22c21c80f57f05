/* Answers as the Messages API has them: events of blocks, or one object. */
#include "gateway/translate/turn.h"

#include "base/scope.h"

static const char *const stop_words[TURN_STOPS] = {
    [TURN_GOES_ON] = "end_turn",   [TURN_DONE] = "end_turn",
    [TURN_CALLS] = "tool_use",     [TURN_LENGTH] = "max_tokens",
    [TURN_SEQUENCE] = "stop_sequence", [TURN_FILTER] = "refusal",
};

/* Tokens of the prompt that were neither read from a cache nor written to one. */
static void write_usage(struct turn *turn)
{
    struct writer *writer = &turn->writer;
    int64_t kept = turn->usage.cached + turn->usage.cache_written, in = turn_input(turn);

    WRITE(writer, "{'input_tokens':");
    write_number(writer, in > kept ? in - kept : 0);
    WRITE(writer, ",'cache_creation_input_tokens':");
    write_number(writer, turn->usage.cache_written);
    WRITE(writer, ",'cache_read_input_tokens':");
    write_number(writer, turn->usage.cached);
    WRITE(writer, ",'output_tokens':");
    write_number(writer, turn->usage.output);
    WRITE(writer, "}");
}

static void write_head(struct turn *turn)
{
    WRITE(&turn->writer,
          "{'id':'@','type':'message','role':'assistant','model':'@','content':[@],",
          slice_of(turn->id), slice_of(turn->model), buf_slice(&turn->whole));
}

static void begin(struct turn *turn)
{
    if (!turn->is_stream)
        return;
    WRITE(&turn->writer, "event: message_start\ndata: {'type':'message_start','message':");
    write_head(turn);
    WRITE(&turn->writer, "'stop_reason':null,'stop_sequence':null,'usage':");
    write_usage(turn);
    WRITE(&turn->writer, "}}\n\n");
}

/* An event of the block under way, up to its index. */
static void begin_event(struct turn *turn, const char *name)
{
    WRITE(&turn->writer, "event: @\ndata: {'type':'@','index':", slice_of(name),
          slice_of(name));
    write_number(&turn->writer, turn->sequence);
}

static void open_part(struct turn *turn, const struct turn_part *part)
{
    buf_clear(&turn->text);
    if (!turn->is_stream)
        return;
    begin_event(turn, "content_block_start");
    if (part->kind == TURN_CALL)
        WRITE(&turn->writer,
              ",'content_block':{'type':'tool_use','id':'@','name':'@','input':{}}}\n\n",
              slice_of(part->id), slice_of(part->name));
    else
        WRITE(&turn->writer, ",'content_block':{'type':'text','text':''}}\n\n");
}

static void piece_of(struct turn *turn, const struct turn_part *part, struct slice piece,
                     struct slice text)
{
    (void)text;
    if (turn->is_stream) {
        begin_event(turn, "content_block_delta");
        WRITE(&turn->writer,
              part->kind == TURN_CALL ? ",'delta':{'type':'input_json_delta','partial_json':"
                                        "'@'}}\n\n"
                                      : ",'delta':{'type':'text_delta','text':'@'}}\n\n",
              piece);
    } else if (!turn->writer.failed && !buf_add(&turn->text, piece, turn->writer.fault)) {
        turn->writer.failed = true;
    }
}

static void add_block(struct turn *turn, const struct turn_part *part)
{
    const struct ask_piece call = {.kind = ASK_CALL, .text = buf_slice(&turn->text)};
    struct writer whole = {&turn->whole, turn->writer.fault, turn->writer.failed};
    AUTO_BUF struct buf quoted = buf_with_limit(TURN_BYTES_MAX);
    struct writer quote = {&quoted, turn->writer.fault, turn->writer.failed};

    WRITE(&quote, "'@'", call.text);
    whole.failed = quote.failed;
    WRITE(&whole, turn->whole.len > 0 ? "," : "");
    if (part->kind == TURN_CALL) {
        struct ask_piece arguments = {.kind = ASK_CALL, .text = buf_slice(&quoted)};

        WRITE(&whole, "{'type':'tool_use','id':'@','name':'@','input':", slice_of(part->id),
              slice_of(part->name));
        ask_write_arguments(&whole, &arguments, false);
        WRITE(&whole, "}");
    } else {
        WRITE(&whole, "{'type':'text','text':@}", buf_slice(&quoted));
    }
    turn->writer.failed = whole.failed;
}

static void close_part(struct turn *turn, const struct turn_part *part)
{
    if (!turn->is_stream) {
        add_block(turn, part);
        return;
    }
    begin_event(turn, "content_block_stop");
    WRITE(&turn->writer, "}\n\n");
    turn->sequence++;
}

static void end(struct turn *turn)
{
    struct slice stop = slice_of(stop_words[turn_stopped(turn)]);

    if (!turn->is_stream) {
        write_head(turn);
        WRITE(&turn->writer, "'stop_reason':'@','stop_sequence':null,'usage':", stop);
        write_usage(turn);
        WRITE(&turn->writer, "}");
        return;
    }
    WRITE(&turn->writer,
          "event: message_delta\ndata: {'type':'message_delta','delta':{'stop_reason':'@',"
          "'stop_sequence':null},'usage':",
          stop);
    write_usage(turn);
    WRITE(&turn->writer,
          "}\n\nevent: message_stop\ndata: {'type':'message_stop'}\n\n");
}

static void wait(struct turn *turn)
{
    WRITE(&turn->writer, "event: ping\ndata: {'type':'ping'}\n\n");
}

const struct teller teller_messages = {begin, open_part, piece_of, close_part, end, wait};
