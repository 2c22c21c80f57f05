#include "wire/sse.h"

#include <stdlib.h>

struct sse {
    struct buf raw;  /* of the event being read, or of the one just given out */
    struct buf data; /* with a LF behind every line */
    struct buf name;
    size_t line_from; /* in raw: where the line being read begins */
    bool given;       /* raw is that of the event just given out */
    bool after_cr;    /* the last byte was a CR: a LF belongs to it */
    bool blank_at_cr; /* that CR ended a blank line: dispatch once the LF was seen or is ruled
                         out */
    bool crlf;        /* this stream has used CRLF */
    bool has_lone_cr; /* ... or a CR without a LF */
    bool begun;       /* past a possible byte order mark */
    /* Of the event just given out: in the buffers above, or in the bytes that held all of it. */
    struct slice given_raw, given_data, given_name;
};

struct sse *sse_new(size_t event_limit)
{
    struct sse *sse = xalloc(sizeof(*sse));

    sse->raw = buf_with_limit(event_limit);
    sse->data = buf_with_limit(event_limit);
    sse->name = buf_with_limit(event_limit);
    return sse;
}

void sse_free(struct sse *sse)
{
    if (sse == NULL)
        return;
    buf_free(&sse->raw);
    buf_free(&sse->data);
    buf_free(&sse->name);
    free(sse);
}

static bool take_field(struct sse *sse, struct slice line, struct fault *fault)
{
    size_t colon = slice_find_byte(line, ':', 0);
    struct slice name = slice_part(line, 0, colon);
    struct slice value = colon == SIZE_MAX ? SLICE("") : slice_part(line, colon + 1, line.len);

    if (value.len > 0 && value.at[0] == ' ')
        value = slice_part(value, 1, value.len);
    if (slice_equal(name, SLICE("data")))
        return (value.len == 0 || buf_add(&sse->data, value, fault)) &&
               buf_add_byte(&sse->data, '\n', fault);
    if (slice_equal(name, SLICE("event"))) {
        buf_clear(&sse->name);
        return value.len == 0 || buf_add(&sse->name, value, fault);
    }
    return true; /* id, retry, comments, unknown fields: not ours to act on */
}

/* Ends the line at the end of raw, less `ending` bytes. */
static bool end_line(struct sse *sse, size_t ending, bool *ret_blank, struct fault *fault)
{
    struct slice line =
        slice_part(buf_slice(&sse->raw), sse->line_from, sse->raw.len - ending);

    if (!sse->begun && slice_starts_with(line, SLICE("\xEF\xBB\xBF")))
        line = slice_part(line, 3, line.len);
    sse->begun = true;
    sse->line_from = sse->raw.len;
    *ret_blank = line.len == 0;
    return line.len == 0 || take_field(sse, line, fault);
}

static bool add_byte(struct sse *sse, uint8_t byte, bool *ret_event, struct fault *fault)
{
    bool blank;

    if (!buf_add_byte(&sse->raw, byte, fault))
        return false;
    if (byte == '\n' && sse->after_cr) { /* second half of a CRLF */
        sse->after_cr = false;
        sse->crlf = true;
        sse->line_from = sse->raw.len;
        *ret_event = sse->blank_at_cr;
        sse->blank_at_cr = false;
        return true;
    }
    sse->has_lone_cr = sse->has_lone_cr || sse->after_cr;
    sse->after_cr = byte == '\r';
    if (byte != '\n' && byte != '\r')
        return true;
    if (!end_line(sse, 1, &blank, fault))
        return false;
    if (byte == '\n' || !blank)
        *ret_event = blank;
    else if (sse->crlf)
        sse->blank_at_cr = true; /* its LF is on the way */
    else
        *ret_event = true; /* a stream of CRs: nothing more may come for long */
    return true;
}

static void forget_given(struct sse *sse)
{
    if (!sse->given)
        return;
    buf_clear(&sse->raw);
    buf_clear(&sse->data);
    buf_clear(&sse->name);
    sse->line_from = 0;
    sse->given = false;
}

#define WINDOW_BYTES 256 /* so that looking for one ending far away costs nothing at another */

/* Bytes up to the next line ending. */
static size_t plain_len(struct slice bytes)
{
    size_t at = 0;

    while (at < bytes.len) {
        struct slice window = slice_part(bytes, at, at + WINDOW_BYTES);
        size_t end = slice_find_byte(window, '\n', 0);
        size_t cr = slice_find_byte(slice_part(window, 0, end), '\r', 0);

        if (cr != SIZE_MAX || end != SIZE_MAX)
            return at + (cr != SIZE_MAX ? cr : end);
        at += window.len;
    }
    return bytes.len;
}

/* A line of an event that is read where it lies; false: it is to be read byte by byte. */
static bool take_line(struct sse *sse, struct slice line)
{
    static const char data[] = "data:", name[] = "event:";
    struct slice *to = slice_starts_with(line, SLICE("data:"))    ? &sse->given_data
                       : slice_starts_with(line, SLICE("event:")) ? &sse->given_name
                                                                  : NULL;
    size_t from = to == &sse->given_data ? sizeof(data) - 1 : sizeof(name) - 1;

    if (to == NULL)
        return line.at[0] == ':';
    if (to->at != NULL) /* several of them */
        return false;
    *to = slice_part(line, from + (line.len > from && line.at[from] == ' '), line.len);
    return true;
}

/* The common case: all of the event is in `bytes`, and nothing is copied. */
static bool take_whole(struct sse *sse, struct slice bytes, size_t *ret_used)
{
    size_t at = 0;
    bool crlf = sse->crlf;

    if (sse->raw.len > 0 || sse->after_cr || sse->has_lone_cr ||
        (!sse->begun && bytes.len > 0 && bytes.at[0] == 0xEF))
        return false;
    bytes = slice_part(bytes, 0, sse->raw.limit);
    sse->given_data = sse->given_name = (struct slice){0};
    for (;;) {
        size_t end = slice_find_byte(bytes, '\n', at);
        struct slice line = slice_part(bytes, at, end);

        if (end == SIZE_MAX)
            return false;
        at = end + 1;
        if (line.len > 0 && line.at[line.len - 1] == '\r') {
            if (line.len == 1 && !crlf)
                return false; /* byte by byte, that CR alone ends the event */
            line.len--;
            crlf = true;
        }
        if (slice_find_byte(line, '\r', 0) != SIZE_MAX)
            return false;
        if (line.len == 0)
            break;
        if (!take_line(sse, line))
            return false;
    }
    sse->begun = true;
    sse->crlf = crlf;
    sse->given_raw = slice_part(bytes, 0, at);
    *ret_used = at;
    return true;
}

static void give(struct sse *sse)
{
    if (sse->data.len > 0)
        sse->data.len--; /* the last LF is not part of the data */
    sse->given_raw = buf_slice(&sse->raw);
    sse->given_data = buf_slice(&sse->data);
    sse->given_name = buf_slice(&sse->name);
}

bool sse_feed(struct sse *sse, struct slice bytes, size_t *ret_used, bool *ret_event,
              struct fault *fault)
{
    size_t used = 0;
    bool event = false;

    forget_given(sse);
    sse->given = *ret_event = take_whole(sse, bytes, ret_used);
    if (sse->given)
        return true;
    while (used < bytes.len && !event) {
        size_t plain = plain_len(slice_part(bytes, used, bytes.len));

        if (sse->blank_at_cr && bytes.at[used] != '\n') { /* it was a CR alone after all */
            sse->blank_at_cr = sse->after_cr = false;
            event = true;
        } else if (plain > 0) {
            if (!buf_add(&sse->raw, slice_part(bytes, used, used + plain), fault))
                return false;
            sse->has_lone_cr = sse->has_lone_cr || sse->after_cr;
            sse->after_cr = false;
            used += plain;
        } else if (!add_byte(sse, bytes.at[used++], &event, fault)) {
            return false;
        }
    }
    if (event)
        give(sse);
    sse->given = event;
    *ret_used = used;
    *ret_event = event;
    return true;
}

struct slice sse_raw(const struct sse *sse)
{
    return sse->given ? sse->given_raw : SLICE("");
}

struct slice sse_name(const struct sse *sse)
{
    return sse->given ? sse->given_name : SLICE("");
}

struct slice sse_data(const struct sse *sse)
{
    return sse->given ? sse->given_data : SLICE("");
}

struct slice sse_pending(const struct sse *sse)
{
    return sse->given ? SLICE("") : buf_slice(&sse->raw);
}
