#include "base/utf8.h"
#include "wire/jcs.h"

/* The escape of one byte, or NULL where it stands for itself. */
static const char *escape_of(uint8_t byte, char room[8])
{
    switch (byte) {
    case '"':
        return "\\\"";
    case '\\':
        return "\\\\";
    case '\b':
        return "\\b";
    case '\f':
        return "\\f";
    case '\n':
        return "\\n";
    case '\r':
        return "\\r";
    case '\t':
        return "\\t";
    default:
        if (byte >= 0x20)
            return NULL;
        (void)snprintf(room, 8, "\\u%04x", byte);
        return room;
    }
}

bool jcs_add_text(struct buf *buf, struct slice text, struct fault *fault)
{
    size_t begin = utf8_plain_run(text);
    size_t plain = 0; /* start of the run that needs no escape */
    char room[8];

    if (begin == text.len)
        return buf_add_byte(buf, '"', fault) && buf_add(buf, text, fault) &&
               buf_add_byte(buf, '"', fault);
    if (!utf8_is_valid(text))
        return fault_set(fault, FAULT_INVALID, "text is not UTF-8");
    if (!buf_add_byte(buf, '"', fault))
        return false;
    for (size_t i = begin; i < text.len; i++) {
        const char *escape = escape_of(text.at[i], room);

        if (escape == NULL)
            continue;
        if (!buf_add(buf, slice_part(text, plain, i), fault) ||
            !buf_add_text(buf, escape, fault))
            return false;
        plain = i + 1;
    }
    return (plain == text.len || buf_add(buf, slice_part(text, plain, text.len), fault)) &&
           buf_add_byte(buf, '"', fault);
}

bool jcs_add_number(struct buf *buf, int64_t number, struct fault *fault)
{
    uint8_t text[24];
    size_t at = sizeof(text);
    uint64_t left = number < 0 ? -(uint64_t)number : (uint64_t)number;

    if (number > JCS_NUMBER_MAX || number < -JCS_NUMBER_MAX)
        return fault_set(fault, FAULT_INVALID, "a number beyond 2^53");
    do
        text[--at] = (uint8_t)('0' + left % 10);
    while ((left /= 10) > 0);
    if (number < 0)
        text[--at] = '-';
    return buf_add(buf, slice_of_bytes(text + at, sizeof(text) - at), fault);
}

bool jcs_take_text(struct jcs_reader *reader, struct buf *arena, struct slice *ret_text,
                   struct fault *fault)
{
    const uint8_t *end = reader->text.at + reader->text.len;
    size_t begin = arena->len;
    bool is_plain = true;
    struct slice value;

    if (!jcs_take(reader, '"'))
        return fault_set(fault, FAULT_INVALID, "a string is missing at byte %zu", reader->at);
    for (;;) {
        const uint8_t *at = reader->text.at + reader->at;
        size_t run = utf8_plain_run(slice_of_bytes(at, (size_t)(end - at)));

        if (arena->room - arena->len <= run + 1)
            return fault_set(fault, FAULT_LIMIT, "more text than there was room for");
        memcpy(arena->at + arena->len, at, run);
        arena->len += run;
        reader->at += run;
        at += run;
        if (at == end || *at == '"')
            break;
        if (*at == '\\') {
            reader->at++;
            if (++at == end || (*at != '"' && *at != '\\'))
                return fault_set(fault, FAULT_INVALID, "an escape at byte %zu", reader->at);
        }
        is_plain = is_plain && *at < 0x7f && *at >= 0x20;
        arena->at[arena->len++] = *at;
        reader->at++;
    }
    value = slice_of_bytes(arena->at + begin, arena->len - begin);
    if (!jcs_take(reader, '"'))
        return fault_set(fault, FAULT_INVALID, "a string does not end");
    if (!is_plain && !utf8_is_printable(value))
        return fault_set(fault, FAULT_INVALID, "a string is not printable UTF-8");
    *ret_text = value;
    return true;
}

bool jcs_take_name(struct jcs_reader *reader, struct slice *ret_name, struct fault *fault)
{
    const uint8_t *at;
    size_t run;

    if (!jcs_take(reader, '"'))
        return fault_set(fault, FAULT_INVALID, "a string is missing at byte %zu", reader->at);
    at = reader->text.at + reader->at;
    run = utf8_plain_run(slice_of_bytes(at, reader->text.len - reader->at));
    reader->at += run;
    if (!jcs_take(reader, '"'))
        return fault_set(fault, FAULT_INVALID, "a name that is not plain at byte %zu",
                         reader->at);
    *ret_name = slice_of_bytes(at, run);
    return true;
}

bool jcs_take_number(struct jcs_reader *reader, int64_t *ret_number, struct fault *fault)
{
    bool negative = jcs_take(reader, '-');
    size_t begin = reader->at;
    int64_t number = 0;

    for (; reader->at < reader->text.len; reader->at++) {
        uint8_t byte = reader->text.at[reader->at];

        if (byte < '0' || byte > '9')
            break;
        number = number * 10 + (byte - '0');
        if (number > JCS_NUMBER_MAX)
            return fault_set(fault, FAULT_INVALID, "a number beyond 2^53");
    }
    if (reader->at == begin ||
        (reader->text.at[begin] == '0' && (negative || reader->at > begin + 1)))
        return fault_set(fault, FAULT_INVALID, "not a canonical integer at byte %zu", begin);
    *ret_number = negative ? -number : number;
    return true;
}
