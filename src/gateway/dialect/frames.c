#include "gateway/dialect/frames.h"

#include <stdlib.h>

#include "base/scope.h"
#include "gateway/dialect/dialect.h"
#include "wire/base64.h"
#include "wire/eventstream.h"
#include "wire/json.h"

#define WHY_BYTES_MAX 4096
#define NAME_LETTERS "abcdefghijklmnopqrstuvwxyz_"

struct frames {
    struct eventstream *stream;
    size_t limit;
    bool has_failed; /* it said so: nothing behind that is the client's */
};

/* What ends a stream early; the status says which type of error the client is told. */
static const struct exception_row {
    const char *name;
    int status;
} exceptions[] = {
    {"validationException", 400},     {"throttlingException", 429},
    {"modelStreamErrorException", 502}, {"internalServerException", 500},
    {"serviceUnavailableException", 503}, {"modelTimeoutException", 504},
};

struct frames *frames_new(size_t limit)
{
    struct frames *frames = xalloc(sizeof(*frames));

    frames->limit = limit;
    frames->stream = eventstream_new(limit);
    return frames;
}

void frames_free(struct frames *frames)
{
    if (frames == NULL)
        return;
    eventstream_free(frames->stream);
    free(frames);
}

static bool text_of(struct slice object, const char *name, struct buf *out)
{
    struct json_value value;
    struct fault fault = {0};

    return json_member(object, name, &value, &fault) && value.type == JSON_STRING &&
           json_text(&value, out, &fault);
}

bool frames_error(int status, struct slice body, struct buf *out, struct fault *fault)
{
    AUTO_BUF struct buf why = buf_with_limit(WHY_BYTES_MAX);

    if (!text_of(body, "message", &why) && !text_of(body, "Message", &why)) {
        buf_clear(&why);
        (void)!buf_add_text(&why, "the provider gave no reason", fault);
    }
    return dialect_error(DIALECT_ANTHROPIC, status, "upstream", buf_text(&why), out, fault);
}

static bool add_exception(struct frames *frames, struct slice name, struct buf *out,
                          struct fault *fault)
{
    int status = 502;

    frames->has_failed = true;
    for (size_t i = 0; i < COUNT(exceptions); i++)
        if (slice_equal(slice_of(exceptions[i].name), name))
            status = exceptions[i].status;
    return buf_add_text(out, "event: error\ndata: ", fault) &&
           frames_error(status, eventstream_payload(frames->stream), out, fault) &&
           buf_add_text(out, "\n\n", fault);
}

static bool is_name(struct slice text)
{
    for (size_t i = 0; i < text.len; i++)
        if (text.at[i] == 0 || strchr(NAME_LETTERS, text.at[i]) == NULL)
            return false;
    return text.len > 0;
}

/* A line end in JSON is space between its words: in strings it is escaped. */
static bool add_line(struct slice json, struct buf *out, struct fault *fault)
{
    for (size_t i = 0; i < json.len; i++) {
        uint8_t byte = json.at[i] == '\n' || json.at[i] == '\r' ? ' ' : json.at[i];

        if (!buf_add_byte(out, byte, fault))
            return false;
    }
    return true;
}

static bool add_event(struct slice json, struct buf *out, struct fault *fault)
{
    AUTO_BUF struct buf type = buf_with_limit(WHY_BYTES_MAX);

    if (!json_walk(json, NULL, fault))
        return fault_in(fault, "an event");
    if (text_of(json, "type", &type) && is_name(buf_slice(&type)) &&
        !buf_add_format(out, fault, "event: %s\n", buf_text(&type)))
        return false;
    return buf_add_text(out, "data: ", fault) && add_line(json, out, fault) &&
           buf_add_text(out, "\n\n", fault);
}

/* {"bytes":"BASE64","p":"padding"} */
static bool add_chunk(const struct frames *frames, struct buf *out, struct fault *fault)
{
    AUTO_BUF struct buf text = buf_with_limit(frames->limit);
    AUTO_BUF struct buf json = buf_with_limit(frames->limit);
    struct json_value value;
    struct slice payload = eventstream_payload(frames->stream);

    if (!json_member(payload, "bytes", &value, fault) || !json_text(&value, &text, fault) ||
        !base64_decode(buf_slice(&text), &json, fault))
        return fault_set(fault, FAULT_INVALID, "a chunk without its bytes");
    return add_event(buf_slice(&json), out, fault);
}

static bool add_message(struct frames *frames, struct buf *out, struct fault *fault)
{
    struct slice kind = eventstream_header(frames->stream, ":message-type");

    if (slice_equal(kind, SLICE("exception")))
        return add_exception(frames, eventstream_header(frames->stream, ":exception-type"), out,
                             fault);
    if (slice_equal(kind, SLICE("error")))
        return add_exception(frames, SLICE(""), out, fault);
    if (!slice_equal(kind, SLICE("event")))
        return fault_set(fault, FAULT_INVALID, "a message of no known kind");
    /* others hold nothing for the client */
    return !slice_equal(eventstream_header(frames->stream, ":event-type"), SLICE("chunk")) ||
           add_chunk(frames, out, fault);
}

bool frames_feed(struct frames *frames, struct slice bytes, struct buf *ret_events,
                 struct fault *fault)
{
    while (bytes.len > 0) {
        size_t used;
        bool message;

        if (!eventstream_feed(frames->stream, bytes, &used, &message, fault) ||
            (message && !frames->has_failed && !add_message(frames, ret_events, fault)))
            return false;
        bytes = slice_part(bytes, used, bytes.len);
    }
    return true;
}
