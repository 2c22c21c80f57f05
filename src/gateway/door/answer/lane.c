#include "gateway/door/answer/lane.h"

#include <stdlib.h>

#include "base/scope.h"

#define AHEAD_BYTES 2 /* behind a stand-in, to see whether it stands alone */

void lane_begin(struct lane *lane, const struct stand_in_set *set, struct sink sink)
{
    *lane = (struct lane){.set = set,
                          .sink = sink,
                          .text = buf_with_limit(SIZE_MAX / 4),
                          .is_plain = sink.kind == SINK_KEPT || stand_in_set_empty(set)};
}

void lane_free(struct lane *lane)
{
    buf_free(&lane->text);
    free(lane->edits);
    *lane = (struct lane){0};
}

uint64_t lane_decided(const struct lane *lane)
{
    return lane->before + lane->at;
}

void lane_forget(struct lane *lane, uint64_t place)
{
    size_t gone = 0;

    while (gone < lane->edit_count && lane->edits[gone].to <= place)
        gone++;
    if (gone > 0)
        memmove(lane->edits, lane->edits + gone,
                (lane->edit_count - gone) * sizeof(*lane->edits));
    lane->edit_count -= gone;
}

/* ---- what is around a place ---- */

static bool is_word(uint8_t byte)
{
    return (byte >= '0' && byte <= '9') || (byte >= 'a' && byte <= 'z') ||
           (byte >= 'A' && byte <= 'Z') || byte == '_' || byte >= 0x80;
}

static bool ends_with(const struct lane_context *context, const char *tail)
{
    uint64_t last = 0, mask = 0;

    for (; *tail != 0; tail++) {
        last = last << 8 | (uint8_t)*tail;
        mask = mask << 8 | 0xFF;
    }
    return (context->recent & mask) == last;
}

static bool is_space(uint8_t byte)
{
    return byte == ' ' || byte == '\n' || byte == '\r' || byte == '\t';
}

/* What ends an address in a text. */
static bool ends_token(uint8_t byte)
{
    return is_space(byte) || byte == '"' || byte == '<' || byte == '>' || byte == '`' ||
           byte == '|';
}

/* What begins where the tail of what has come is this. */
static void see_beginnings(struct lane_context *context, uint8_t byte)
{
    switch (byte) {
    case '/':
        context->in_url = context->in_url || ends_with(context, "//");
        break;
    case '.':
        context->in_url = context->in_url || ends_with(context, "www.");
        break;
    case ':':
        context->in_url = context->in_url || ends_with(context, "mailto:") ||
                          ends_with(context, "data:");
        break;
    case '?':
        context->has_query = true;
        break;
    case '=':
        context->in_url = context->in_url || context->has_query;
        break;
    default:
        break;
    }
}

static void see_attribute(struct lane_context *context, uint8_t byte)
{
    if (context->in_attribute && (byte == '>' || (context->quote == 0 && is_space(byte)) ||
                                  byte == context->quote))
        context->in_attribute = false;
    else if (context->in_attribute && context->quote == 1 && (byte == '"' || byte == '\''))
        context->quote = byte;
    else if (context->in_attribute && context->quote == 1)
        context->quote = 0;
    if ((byte == '=' && (ends_with(context, "src=") || ends_with(context, "href="))) ||
        (byte == '(' && ends_with(context, "url(")))
        context->in_attribute = true, context->quote = 1;
}

static void see(struct lane_context *context, uint8_t byte)
{
    uint8_t small = byte >= 'A' && byte <= 'Z' ? (uint8_t)(byte + 32) : byte;

    context->recent = context->recent << 8 | small;
    context->in_word = is_word(byte);
    if (context->in_word && !context->in_attribute)
        return; /* nothing begins or ends with one */
    if (ends_token(byte))
        context->in_url = context->has_query = false;
    see_beginnings(context, byte);
    if (context->in_link && (byte == ')' || is_space(byte)))
        context->in_link = false;
    if (byte == '(' && ends_with(context, "]("))
        context->in_link = true;
    see_attribute(context, byte);
}

/* One byte of the text of a JSON document: escapes are one character. */
static void see_json(struct lane_context *context, uint8_t byte)
{
    static const char escaped[] = "n\nr\rt\tb\bf\f";

    if (!context->escape && !context->second_escape && byte != '\\') {
        see(context, byte);
        return;
    }
    if (!context->escape && byte == '\\') {
        context->escape = true;
        return;
    }
    if (context->escape && byte == '\\') { /* it may escape again, in what is written */
        context->escape = false;
        context->second_escape = true;
        see(context, '\\');
        return;
    }
    context->escape = context->second_escape = false;
    for (size_t i = 0; i + 1 < sizeof(escaped); i += 2)
        if (byte == (uint8_t)escaped[i]) {
            see(context, (uint8_t)escaped[i + 1]);
            return;
        }
    see(context, byte);
}

static void pass(struct lane *lane, size_t count)
{
    for (size_t i = 0; i < count; i++, lane->at++)
        if (lane->sink.is_json)
            see_json(&lane->context, lane->text.at[lane->at]);
        else
            see(&lane->context, lane->text.at[lane->at]);
}

/* May a value begin here? */
static bool may_begin(const struct lane *lane)
{
    const struct lane_context *context = &lane->context;
    uint8_t last = (uint8_t)context->recent;

    if (context->in_word || context->escape || context->in_url || context->in_link ||
        context->in_attribute)
        return false;
    return lane->sink.kind != SINK_TEXT || strchr("/@%?&#", last) == NULL || last == 0;
}

/* May a value end here? `rest` is what follows. */
static bool may_end(const struct lane *lane, struct slice rest)
{
    if (rest.len == 0)
        return true;
    if (is_word(rest.at[0]))
        return false;
    if (lane->sink.kind != SINK_TEXT)
        return rest.len < 2 || rest.at[0] != ':' || rest.at[1] != '/';
    if (rest.at[0] == '/' || rest.at[0] == '@' || rest.at[0] == '%')
        return false;
    return rest.at[0] != '.' || rest.len < 2 || !is_word(rest.at[1]); /* a host's name */
}

/* ---- deciding ---- */

static void put_back(struct lane *lane, size_t len, struct slice original)
{
    lane->edits = xgrow(lane->edits, &lane->edit_room, lane->edit_count + 1,
                        sizeof(*lane->edits));
    lane->edits[lane->edit_count++] =
        (struct lane_edit){lane_decided(lane), lane_decided(lane) + len, original};
    pass(lane, len);
}

/* Whether a command may have what stands in it: not before it is whole. */
static bool shell_allows(struct lane *lane, bool end, bool *ret_wait)
{
    *ret_wait = false;
    if (lane->sink.tool != TOOL_SHELL)
        return true;
    *ret_wait = !end;
    if (end && sink_reaches_out(buf_slice(&lane->text)))
        lane->is_plain = true;
    return end && !lane->is_plain;
}

/* False: it cannot go on until more has come. */
static bool step(struct lane *lane, bool end)
{
    struct slice rest = slice_part(buf_slice(&lane->text), lane->at, lane->text.len);
    enum stand_in_match match = STAND_IN_NONE;
    struct slice original = {0};
    size_t len = 0;
    bool wait = false;

    if (may_begin(lane))
        match = stand_in_find(lane->set, lane->sink.is_json ? STAND_IN_JSON : STAND_IN_PLAIN,
                              rest, end, &len, &original);
    if (match == STAND_IN_PART)
        return false;
    if (match == STAND_IN_WHOLE && rest.len < len + AHEAD_BYTES && !end)
        return false;
    if (match == STAND_IN_WHOLE && may_end(lane, slice_part(rest, len, rest.len))) {
        if (shell_allows(lane, end, &wait)) {
            put_back(lane, len, original);
            return true;
        }
        if (wait)
            return false;
    }
    pass(lane, 1);
    return true;
}

/* Within a word nothing can begin. */
static void pass_word(struct lane *lane)
{
    const struct lane_context *context = &lane->context;

    if (!context->in_word || context->escape || context->second_escape ||
        context->in_attribute)
        return;
    while (lane->at < lane->text.len && is_word(lane->text.at[lane->at]))
        see(&lane->context, lane->text.at[lane->at++]);
}

static void decide(struct lane *lane, bool end)
{
    do
        pass_word(lane);
    while (!lane->is_plain && lane->at < lane->text.len && step(lane, end));
    if (lane->text.len - lane->at > LANE_HELD_BYTES_MAX)
        lane->is_plain = true;
    if (lane->is_plain)
        lane->at = lane->text.len;
}

void lane_feed(struct lane *lane, struct slice more, bool end)
{
    struct fault fault = {0};

    if (lane->is_plain || !buf_add(&lane->text, more, &fault)) {
        lane->before += lane->text.len + more.len;
        lane->at = 0;
        buf_clear(&lane->text);
        return;
    }
    decide(lane, end);
    if (lane->sink.tool == TOOL_SHELL && !lane->is_plain && !end) {
        if (lane->text.len > LANE_HELD_BYTES_MAX)
            lane->is_plain = true;
        if (lane->is_plain)
            lane->at = lane->text.len;
        return; /* a command is looked at as a whole */
    }
    buf_drop_front(&lane->text, lane->at);
    lane->before += lane->at;
    lane->at = 0;
}
