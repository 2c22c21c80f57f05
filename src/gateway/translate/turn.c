#include "gateway/translate/turn.h"

#include <stdlib.h>

#include "base/scope.h"
#include "gateway/dialect/dialect.h"

#define PIECE_BYTES_MAX (32UL * 1024 * 1024)
#define MESSAGE_BYTES_MAX 4096

static char *text_of(struct slice bytes)
{
    return slice_dup(bytes);
}

void turn_free(struct turn *turn)
{
    for (size_t i = 0; i < turn->part_count; i++) {
        free(turn->parts[i].id);
        free(turn->parts[i].name);
        buf_free(&turn->parts[i].waiting);
    }
    free(turn->id);
    free(turn->model);
    buf_free(&turn->whole);
    buf_free(&turn->text);
    buf_free(&turn->refusal);
}

struct slice turn_member(struct slice object, const char *path, enum json_type type)
{
    struct json_value value;
    struct fault missing = {0};

    return object.len > 0 && json_at(object, path, &value, &missing) && value.type == type
               ? value.raw
               : SLICE("");
}

struct gathering {
    const char *const *names;
    size_t count;
    struct json_value *values;
};

static bool gather(void *self, struct slice name, const struct json_value *value,
                   struct fault *fault)
{
    const struct gathering *gathering = self;

    (void)fault;
    for (size_t i = 0; i < gathering->count; i++)
        if (json_key_is(name, gathering->names[i]))
            gathering->values[i] = *value;
    return true;
}

void turn_members(struct slice object, const char *const *names, size_t count,
                  struct json_value *ret_values)
{
    struct gathering gathering = {names, count, ret_values};
    struct fault none = {0};

    for (size_t i = 0; i < count; i++)
        ret_values[i] = (struct json_value){.type = JSON_NULL};
    if (object.len > 0 && object.at[0] == '{')
        (void)!json_each(object, gather, &gathering, &none);
}

size_t turn_word(struct slice raw, const char *const *words, size_t count)
{
    const struct json_value value = {JSON_STRING, raw};
    size_t i = 0;

    while (i < count && (raw.len < 2 || words[i] == NULL || !field_is(&value, words[i])))
        i++;
    return i;
}

int64_t turn_input(const struct turn *turn)
{
    return usage_input(operation_rule(turn->translation->sent)->dialect, &turn->usage);
}

enum turn_stop turn_stopped(const struct turn *turn)
{
    return turn->called && turn->stop == TURN_DONE ? TURN_CALLS : turn->stop;
}

void turn_begin(struct turn *turn, struct slice id, struct slice model)
{
    if (turn->begun || turn->over)
        return;
    turn->begun = true;
    turn->id = text_of(id.len > 2 ? write_inner(id) : SLICE("custody"));
    turn->model = text_of(write_inner(model));
    turn->teller->begin(turn);
}

/* ---- parts ---- */

static void decode(struct turn *turn, struct slice piece, struct buf *text)
{
    AUTO_BUF struct buf raw = buf_with_limit(PIECE_BYTES_MAX);
    struct json_value value = {.type = JSON_STRING};

    if (turn->writer.failed)
        return;
    turn->writer.failed = !buf_add_byte(&raw, '"', turn->writer.fault) ||
                          !buf_add(&raw, piece, turn->writer.fault) ||
                          !buf_add_byte(&raw, '"', turn->writer.fault);
    value.raw = buf_slice(&raw);
    if (!turn->writer.failed && !json_text(&value, text, turn->writer.fault))
        turn->writer.failed = true;
}

static void tell_piece(struct turn *turn, struct turn_part *part, struct slice piece)
{
    AUTO_BUF struct buf text = buf_with_limit(PIECE_BYTES_MAX);

    if (piece.len == 0)
        return;
    part->told = true;
    if (part->kind == TURN_CALL && part->tool != NULL)
        decode(turn, piece, &text);
    turn->teller->piece(turn, part, piece, buf_slice(&text));
}

static void tell_begin(struct turn *turn, struct turn_part *part)
{
    part->begun = true;
    turn->teller->open(turn, part);
    tell_piece(turn, part, buf_slice(&part->waiting));
    turn->waiting_bytes -= part->waiting.len;
    buf_free(&part->waiting);
}

/* A text ends where another part begins; a call when its arguments are whole. */
static bool is_whole(const struct turn *turn, const struct turn_part *part)
{
    bool is_last = turn->current + 1 == turn->part_count;

    return part->ended || (part->kind == TURN_CALL ? part->arguments.whole : !is_last);
}

static void go_on(struct turn *turn)
{
    while (turn->current < turn->part_count && !turn->writer.failed) {
        struct turn_part *part = &turn->parts[turn->current];

        if (!part->begun)
            tell_begin(turn, part);
        if (!is_whole(turn, part))
            return;
        part->ended = true;
        if (part->kind == TURN_CALL && !part->told)
            tell_piece(turn, part, SLICE("{}")); /* a tool that takes nothing */
        turn->teller->close(turn, part);
        turn->current++;
    }
}

static struct turn_part *add_part(struct turn *turn, enum turn_kind kind)
{
    struct turn_part *part;

    if (turn->part_count == TURN_PARTS_MAX) {
        write_fault(&turn->writer, FAULT_LIMIT, "an answer of more than %d parts",
                    TURN_PARTS_MAX);
        return NULL;
    }
    part = &turn->parts[turn->part_count++];
    *part = (struct turn_part){.kind = kind,
                               .waiting = buf_with_limit(TURN_WAITING_BYTES_MAX)};
    return part;
}

static void add_piece(struct turn *turn, struct turn_part *part, struct slice piece)
{
    if (part->begun) {
        tell_piece(turn, part, piece);
    } else if (!turn->writer.failed) {
        if (turn->waiting_bytes + piece.len > TURN_WAITING_BYTES_MAX)
            write_fault(&turn->writer, FAULT_LIMIT, "too many parts of an answer at once");
        else if (!buf_add(&part->waiting, piece, turn->writer.fault))
            turn->writer.failed = true;
        else
            turn->waiting_bytes += piece.len;
    }
    go_on(turn);
}

void turn_say(struct turn *turn, enum turn_kind kind, struct slice raw)
{
    struct turn_part *last =
        turn->part_count == 0 ? NULL : &turn->parts[turn->part_count - 1];

    if (turn->over || raw.len <= 2)
        return;
    turn_begin(turn, SLICE(""), SLICE(""));
    if (last == NULL || last->kind != kind || last->ended)
        last = add_part(turn, kind);
    if (last != NULL)
        add_piece(turn, last, write_inner(raw));
}

static struct turn_part *find_call(struct turn *turn, uint64_t key)
{
    for (size_t i = turn->part_count; i-- > 0;)
        if (turn->parts[i].kind == TURN_CALL && turn->parts[i].key == key)
            return &turn->parts[i];
    return NULL;
}

static const struct translation_tool *find_tool(struct turn *turn, struct slice name)
{
    AUTO_BUF struct buf text = buf_with_limit(PIECE_BYTES_MAX);

    if (turn->translation->tool_count == 0)
        return NULL;
    decode(turn, name, &text);
    for (size_t i = 0; i < turn->translation->tool_count; i++)
        if (slice_equal(slice_of(turn->translation->tools[i].sent), buf_slice(&text)))
            return &turn->translation->tools[i];
    return NULL;
}

void turn_call(struct turn *turn, uint64_t key, struct slice id, struct slice name)
{
    struct turn_part *part = find_call(turn, key);
    AUTO_FREE char *number = NULL;

    if (turn->over || name.len <= 2)
        return; /* more of one that has begun */
    if (part != NULL && (id.len <= 2 || slice_equal(slice_of(part->id), write_inner(id))))
        return;
    turn_begin(turn, SLICE(""), SLICE(""));
    part = add_part(turn, TURN_CALL);
    if (part == NULL)
        return;
    number = xformat("call_%zu", ++turn->call_count);
    part->key = key;
    part->id = text_of(id.len > 2 ? write_inner(id) : slice_of(number));
    part->name = text_of(write_inner(name));
    part->tool = find_tool(turn, write_inner(name));
    turn->called = true;
    go_on(turn);
}

void turn_arguments(struct turn *turn, uint64_t key, struct slice raw)
{
    AUTO_BUF struct buf text = buf_with_limit(PIECE_BYTES_MAX);
    struct turn_part *part = find_call(turn, key);
    bool was_whole;

    if (turn->over || raw.len <= 2)
        return;
    if (part == NULL) {
        write_fault(&turn->writer, FAULT_INVALID, "arguments of no call");
        return;
    }
    decode(turn, write_inner(raw), &text);
    was_whole = part->arguments.whole || part->ended;
    if (!arguments_feed(&part->arguments, buf_slice(&text)) ||
        (was_whole && slice_trim(buf_slice(&text)).len > 0))
        write_fault(&turn->writer, FAULT_INVALID, "more arguments behind those of a call");
    if (!was_whole)
        add_piece(turn, part, write_inner(raw));
}

void turn_call_end(struct turn *turn, uint64_t key)
{
    struct turn_part *part = find_call(turn, key);

    if (turn->over || part == NULL)
        return;
    part->ended = true;
    go_on(turn);
}

void turn_wait(struct turn *turn, bool now)
{
    if (!turn->is_stream || turn->over || (!now && ++turn->waits % TURN_WAITS != 0))
        return;
    turn_begin(turn, SLICE(""), SLICE(""));
    turn->teller->wait(turn);
}

void turn_end(struct turn *turn)
{
    if (turn->over)
        return;
    turn_begin(turn, SLICE(""), SLICE(""));
    for (size_t i = turn->current; i < turn->part_count; i++)
        turn->parts[i].ended = true;
    go_on(turn);
    turn->over = true;
    if (!turn->writer.failed)
        turn->teller->end(turn);
}

static char *plain_of(struct slice raw, size_t most)
{
    AUTO_BUF struct buf text = buf_with_limit(PIECE_BYTES_MAX);
    struct json_value value = {JSON_STRING, raw};
    struct fault fault = {0};

    if (raw.len < 2 || !json_text(&value, &text, &fault))
        return xstrdup("");
    return slice_dup(slice_part(buf_slice(&text), 0, most));
}

/* A code goes into a template: a word, or none of its characters. */
static void plain_word(char *word)
{
    static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-";

    word[strspn(word, letters)] = 0;
}

void turn_error(struct turn *turn, struct slice code, struct slice message)
{
    enum dialect dialect = operation_rule(turn->translation->asked)->dialect;
    AUTO_FREE char *word = plain_of(code, 64), *text = plain_of(message, MESSAGE_BYTES_MAX);

    if (turn->over || turn->writer.failed)
        return;
    turn->over = true;
    plain_word(word);
    if (!dialect_stream_error(dialect, word[0] == 0 ? "upstream" : word,
                              text[0] == 0 ? "the model's provider failed" : text,
                              turn->sequence, turn->writer.out, turn->writer.fault))
        turn->writer.failed = true;
}
