/* Answers as Chat Completions has them: chunks, or one object. */
#include "gateway/translate/turn.h"

static const char *const stop_words[TURN_STOPS] = {
    [TURN_GOES_ON] = "stop", [TURN_DONE] = "stop",     [TURN_CALLS] = "tool_calls",
    [TURN_LENGTH] = "length", [TURN_SEQUENCE] = "stop", [TURN_FILTER] = "content_filter",
};

static void write_head(struct turn *turn, const char *object)
{
    struct writer *writer = &turn->writer;

    WRITE(writer, "{'id':'@','object':'@','created':", slice_of(turn->id), slice_of(object));
    write_number(writer, turn->now_s);
    WRITE(writer, ",'model':'@','choices':[", slice_of(turn->model));
}

static void begin_chunk(struct turn *turn)
{
    WRITE(&turn->writer, "data: ");
    write_head(turn, "chat.completion.chunk");
    WRITE(&turn->writer, "{'index':0,'delta':{");
}

static void end_chunk(struct turn *turn)
{
    WRITE(&turn->writer, "},'logprobs':null,'finish_reason':null}]}\n\n");
}

static void begin(struct turn *turn)
{
    if (!turn->is_stream)
        return;
    begin_chunk(turn);
    WRITE(&turn->writer, "'role':'assistant','content':''");
    end_chunk(turn);
}

/* What of a document waits for its end. */
static struct writer gathering(struct turn *turn, struct buf *into)
{
    return (struct writer){into, turn->writer.fault, turn->writer.failed};
}

static void open_part(struct turn *turn, const struct turn_part *part)
{
    struct writer whole = gathering(turn, &turn->whole);

    if (part->kind != TURN_CALL)
        return;
    if (turn->is_stream) {
        begin_chunk(turn);
        WRITE(&turn->writer, "'tool_calls':[{'index':");
        write_number(&turn->writer, turn->sequence++);
        WRITE(&turn->writer,
              ",'id':'@','type':'function','function':{'name':'@','arguments':''}}]",
              slice_of(part->id), slice_of(part->name));
        end_chunk(turn);
        return;
    }
    WRITE(&whole, turn->whole.len > 0 ? "," : "");
    WRITE(&whole, "{'id':'@','type':'function','function':{'name':'@','arguments':'",
          slice_of(part->id), slice_of(part->name));
    turn->writer.failed = whole.failed;
}

static void piece_of_stream(struct turn *turn, const struct turn_part *part,
                            struct slice piece)
{
    begin_chunk(turn);
    if (part->kind == TURN_CALL) {
        WRITE(&turn->writer, "'tool_calls':[{'index':");
        write_number(&turn->writer, turn->sequence - 1);
        WRITE(&turn->writer, ",'function':{'arguments':'@'}}]", piece);
    } else {
        WRITE(&turn->writer, part->kind == TURN_TEXT ? "'content':'@'" : "'refusal':'@'",
              piece);
    }
    end_chunk(turn);
}

static void piece_of(struct turn *turn, const struct turn_part *part, struct slice piece,
                     struct slice text)
{
    struct buf *into[] = {
        [TURN_TEXT] = &turn->text, [TURN_REFUSAL] = &turn->refusal, [TURN_CALL] = &turn->whole};
    struct writer gathered = gathering(turn, into[part->kind]);

    (void)text;
    if (turn->is_stream) {
        piece_of_stream(turn, part, piece);
        return;
    }
    WRITE(&gathered, "@", piece);
    turn->writer.failed = gathered.failed;
}

static void close_part(struct turn *turn, const struct turn_part *part)
{
    struct writer whole = gathering(turn, &turn->whole);

    if (turn->is_stream || part->kind != TURN_CALL)
        return;
    WRITE(&whole, "'}}");
    turn->writer.failed = whole.failed;
}

static void write_usage(struct turn *turn)
{
    struct writer *writer = &turn->writer;
    int64_t in = turn_input(turn), out = turn->usage.output;

    WRITE(writer, "{'prompt_tokens':");
    write_number(writer, in);
    WRITE(writer, ",'completion_tokens':");
    write_number(writer, out);
    WRITE(writer, ",'total_tokens':");
    write_number(writer, in + out);
    WRITE(writer, ",'prompt_tokens_details':{'cached_tokens':");
    write_number(writer, turn->usage.cached);
    WRITE(writer, "},'completion_tokens_details':{'reasoning_tokens':");
    write_number(writer, turn->usage.reasoning);
    WRITE(writer, "}}");
}

static void end_stream(struct turn *turn)
{
    struct writer *writer = &turn->writer;

    begin_chunk(turn);
    WRITE(writer, "},'logprobs':null,'finish_reason':'@'}]}\n\n",
          slice_of(stop_words[turn_stopped(turn)]));
    if (turn->translation->usage_asked) {
        WRITE(writer, "data: ");
        write_head(turn, "chat.completion.chunk");
        WRITE(writer, "],'usage':");
        write_usage(turn);
        WRITE(writer, "}\n\n");
    }
    WRITE(writer, "data: [DONE]\n\n");
}

static void end(struct turn *turn)
{
    struct writer *writer = &turn->writer;

    if (turn->is_stream) {
        end_stream(turn);
        return;
    }
    write_head(turn, "chat.completion");
    WRITE(writer, "{'index':0,'message':{'role':'assistant','content':");
    WRITE(writer, turn->text.len > 0 ? "'@'" : "null", buf_slice(&turn->text));
    WRITE(writer, ",'refusal':");
    WRITE(writer, turn->refusal.len > 0 ? "'@'" : "null", buf_slice(&turn->refusal));
    if (turn->whole.len > 0)
        WRITE(writer, ",'tool_calls':[@]", buf_slice(&turn->whole));
    WRITE(writer, "},'logprobs':null,'finish_reason':'@'}],'usage':",
          slice_of(stop_words[turn_stopped(turn)]));
    write_usage(turn);
    WRITE(writer, "}");
}

static void wait(struct turn *turn)
{
    WRITE(&turn->writer, ": thinking\n\n");
}

const struct teller teller_chat = {begin, open_part, piece_of, close_part, end, wait};
