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
    bool begun;       /* past a possible byte order mark */
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

/* Bytes up to the next line ending. */
static size_t plain_len(struct slice bytes)
{
    size_t len = 0;

    while (len < bytes.len && bytes.at[len] != '\n' && bytes.at[len] != '\r')
        len++;
    return len;
}

bool sse_feed(struct sse *sse, struct slice bytes, size_t *ret_used, bool *ret_event,
              struct fault *fault)
{
    size_t used = 0;
    bool event = false;

    forget_given(sse);
    while (used < bytes.len && !event) {
        size_t plain = plain_len(slice_part(bytes, used, bytes.len));

        if (sse->blank_at_cr && bytes.at[used] != '\n') { /* it was a CR alone after all */
            sse->blank_at_cr = sse->after_cr = false;
            event = true;
        } else if (plain > 0) {
            if (!buf_add(&sse->raw, slice_part(bytes, used, used + plain), fault))
                return false;
            sse->after_cr = false;
            used += plain;
        } else if (!add_byte(sse, bytes.at[used++], &event, fault)) {
            return false;
        }
    }
    if (event && sse->data.len > 0)
        sse->data.len--; /* the last LF is not part of the data */
    sse->given = event;
    *ret_used = used;
    *ret_event = event;
    return true;
}

struct slice sse_raw(const struct sse *sse)
{
    return sse->given ? buf_slice(&sse->raw) : SLICE("");
}

struct slice sse_name(const struct sse *sse)
{
    return sse->given ? buf_slice(&sse->name) : SLICE("");
}

struct slice sse_data(const struct sse *sse)
{
    return sse->given ? buf_slice(&sse->data) : SLICE("");
}

struct slice sse_pending(const struct sse *sse)
{
    return sse->given ? SLICE("") : buf_slice(&sse->raw);
}
