#include "gateway/translate/arguments.h"

#include "base/hex.h"
#include "gateway/translate/fields.h"
#include "gateway/translate/write.h"

#define HEAD "{\"input\":\""
/* Where in the head there may be space: before these steps. */
#define SPACE_STEPS (1U << 0 | 1U << 1 | 1U << 8 | 1U << 9)

static bool is_space(uint8_t byte)
{
    return byte == ' ' || byte == '\t' || byte == '\n' || byte == '\r';
}

static void see(struct arguments *arguments, uint8_t byte)
{
    if (arguments->escape) {
        arguments->escape = false;
    } else if (arguments->in_string) {
        arguments->escape = byte == '\\';
        arguments->in_string = byte != '"';
    } else if (byte == '"') {
        arguments->in_string = true;
    } else if (byte == '{' || byte == '[') {
        arguments->depth++;
    } else if ((byte == '}' || byte == ']') && arguments->depth > 0) {
        arguments->whole = --arguments->depth == 0;
    }
}

bool arguments_feed(struct arguments *arguments, struct slice text)
{
    for (size_t i = 0; i < text.len; i++) {
        if (arguments->whole && !is_space(text.at[i]))
            return false;
        see(arguments, text.at[i]);
    }
    return true;
}

/* As between quotes: what a JSON string holds. */
static bool add_inner(struct buf *out, struct slice text, struct fault *fault)
{
    size_t from = out->len;

    if (text.len == 0)
        return true;
    if (!json_add_string(out, text, fault))
        return false;
    memmove(out->at + from, out->at + from + 1, out->len - from - 2);
    out->len -= 2;
    return true;
}

static bool flush(struct free_text *free_text, struct buf *out, struct fault *fault)
{
    struct slice held = slice_of_bytes(free_text->held, free_text->held_len);

    free_text->held_len = 0;
    return add_inner(out, held, fault);
}

static bool take_head(struct free_text *free_text, uint8_t byte, struct buf *out,
                      struct fault *fault)
{
    bool fits = is_space(byte) ? (SPACE_STEPS & 1U << free_text->step) != 0
                               : byte == (uint8_t)HEAD[free_text->step];

    free_text->held[free_text->held_len++] = byte;
    if (fits && !is_space(byte))
        free_text->step++;
    if (!fits || free_text->held_len == sizeof(free_text->held)) {
        free_text->state = FREE_OTHER;
        return flush(free_text, out, fault);
    }
    if (free_text->step == strlen(HEAD)) {
        free_text->held_len = 0;
        free_text->state = FREE_WITHIN;
    }
    return true;
}

/* An escape goes on when it is whole; what is none stands for itself. */
static bool take_escape(struct free_text *free_text, uint8_t byte, struct buf *out,
                        struct fault *fault)
{
    struct slice held;
    bool fits;

    free_text->held[free_text->held_len++] = byte;
    held = slice_of_bytes(free_text->held, free_text->held_len);
    fits = held.len == 2 ? strchr("\"\\/bfnrtu", byte) != NULL && byte != 0
                         : hex_digit(byte) >= 0;
    if (!fits)
        return flush(free_text, out, fault);
    if (held.len != (held.at[1] == 'u' ? 6U : 2U))
        return true;
    free_text->held_len = 0;
    return buf_add(out, held, fault);
}

static bool take_within(struct free_text *free_text, uint8_t byte, struct buf *out,
                        struct fault *fault)
{
    if (free_text->held_len > 0)
        return take_escape(free_text, byte, out, fault);
    if (byte == '\\') {
        free_text->held[free_text->held_len++] = byte;
        return true;
    }
    if (byte == '"') {
        free_text->state = FREE_AFTER;
        return true;
    }
    return byte < 0x20 ? add_inner(out, slice_of_bytes(&byte, 1), fault)
                       : buf_add_byte(out, byte, fault);
}

bool free_text_feed(struct free_text *free_text, struct slice text, struct buf *out,
                    struct fault *fault)
{
    bool ok = true;

    for (size_t i = 0; ok && i < text.len; i++) {
        switch (free_text->state) {
        case FREE_BEFORE:
            ok = take_head(free_text, text.at[i], out, fault);
            break;
        case FREE_WITHIN:
            ok = take_within(free_text, text.at[i], out, fault);
            break;
        case FREE_AFTER:
            return true;
        case FREE_OTHER: /* at once: a character may have more than one byte */
            return add_inner(out, slice_part(text, i, text.len), fault);
        }
    }
    return ok;
}

bool free_text_end(struct free_text *free_text, struct buf *out, struct fault *fault)
{
    return flush(free_text, out, fault);
}

static bool is_object(struct slice text)
{
    struct json_value root;
    struct fault fault = {0};

    return text.len > 0 && text.at[0] == '{' && json_walk(text, NULL, &fault) &&
           json_root(text, &root, &fault) && root.type == JSON_OBJECT;
}

bool arguments_object(struct slice text, struct buf *out, struct fault *fault)
{
    struct writer writer = {out, fault, false};
    struct slice object = slice_trim(text);

    if (object.len == 0) {
        WRITE(&writer, "{}");
    } else if (is_object(object)) {
        WRITE(&writer, "@", object);
    } else {
        WRITE(&writer, "{'arguments':");
        write_string(&writer, text);
        WRITE(&writer, "}");
    }
    return !writer.failed;
}

struct members {
    struct writer writer;
    bool first;
};

static bool add_member(void *self, struct slice name, const struct json_value *value,
                       struct fault *fault)
{
    struct members *members = self;

    (void)fault;
    if (value->type == JSON_NULL || json_key_is(name, "type"))
        return true;
    write_comma(&members->writer, &members->first);
    WRITE(&members->writer, "'@':@", name, value->raw);
    return !members->writer.failed;
}

static bool copy_action(struct slice action, const char *head, struct buf *out,
                        struct fault *fault)
{
    struct members members = {{out, fault, false}, head[1] == 0};
    struct json_value command;
    struct fault missing = {0};

    if (!is_object(action) || !json_member(action, "command", &command, &missing) ||
        command.type != JSON_ARRAY)
        return fault_set(fault, FAULT_INVALID, "a call of the local shell without a command");
    WRITE(&members.writer, head);
    if (members.writer.failed || !json_each(action, add_member, &members, fault))
        return false;
    WRITE(&members.writer, "}");
    return !members.writer.failed;
}

bool arguments_of_action(struct slice action, struct buf *out, struct fault *fault)
{
    return copy_action(action, "{", out, fault);
}

bool arguments_to_action(struct slice text, struct buf *out, struct fault *fault)
{
    return copy_action(slice_trim(text), "{'type':'exec'", out, fault);
}
