#include "wire/eventstream.h"

#include <stdlib.h>

#define PRELUDE_BYTES 12U
#define SUM_BYTES 4U
#define LEAST_BYTES (PRELUDE_BYTES + SUM_BYTES)
#define POLYNOMIAL 0xEDB88320U

enum header_type {
    HEADER_TRUE,
    HEADER_FALSE,
    HEADER_BYTE,
    HEADER_SHORT,
    HEADER_INTEGER,
    HEADER_LONG,
    HEADER_BYTES,
    HEADER_STRING,
    HEADER_TIME,
    HEADER_UUID,
    HEADER_TYPE_COUNT,
};

/* Bytes of a value; negative: two bytes say how many. */
static const int value_bytes[HEADER_TYPE_COUNT] = {
    [HEADER_TRUE] = 0,   [HEADER_FALSE] = 0,   [HEADER_BYTE] = 1, [HEADER_SHORT] = 2,
    [HEADER_INTEGER] = 4, [HEADER_LONG] = 8,    [HEADER_BYTES] = -1, [HEADER_STRING] = -1,
    [HEADER_TIME] = 8,   [HEADER_UUID] = 16,
};

struct header {
    struct slice name, value; /* within the message */
    enum header_type type;
};

struct eventstream {
    struct buf message;
    size_t limit;
    size_t total; /* of the message that has begun; 0: not known yet */
    bool done;    /* the message is whole; the next feed begins another */
    struct header headers[EVENTSTREAM_HEADERS_MAX];
    size_t header_count;
    struct slice payload;
};

struct eventstream *eventstream_new(size_t message_limit)
{
    struct eventstream *stream = xalloc(sizeof(*stream));

    stream->limit = message_limit;
    stream->message = buf_with_limit(message_limit);
    return stream;
}

void eventstream_free(struct eventstream *stream)
{
    if (stream == NULL)
        return;
    buf_free(&stream->message);
    free(stream);
}

uint32_t eventstream_crc32(struct slice bytes)
{
    static uint32_t table[256];
    uint32_t crc = ~0U;

    if (table[1] == 0)
        for (uint32_t i = 0; i < COUNT(table); i++) {
            table[i] = i;
            for (int bit = 0; bit < 8; bit++)
                table[i] = table[i] >> 1 ^ ((table[i] & 1) != 0 ? POLYNOMIAL : 0);
        }
    for (size_t i = 0; i < bytes.len; i++)
        crc = crc >> 8 ^ table[(crc ^ bytes.at[i]) & 0xFF];
    return ~crc;
}

static uint32_t number_at(const uint8_t *at)
{
    return (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3];
}

static bool read_prelude(struct eventstream *stream, struct fault *fault)
{
    const uint8_t *at = stream->message.at;
    uint32_t total = number_at(at), headers = number_at(at + 4);

    if (eventstream_crc32(slice_of_bytes(at, 8)) != number_at(at + 8))
        return fault_set(fault, FAULT_INVALID, "a message's head has a wrong sum");
    if (total > stream->limit || headers > EVENTSTREAM_HEADER_BYTES_MAX)
        return fault_set(fault, FAULT_LIMIT, "a message of %u bytes, %u of headers", total,
                         headers);
    if (total < LEAST_BYTES || headers > total - LEAST_BYTES)
        return fault_set(fault, FAULT_INVALID, "a message's lengths do not fit");
    stream->total = total;
    return true;
}

static bool is_printable(struct slice text)
{
    for (size_t i = 0; i < text.len; i++)
        if (text.at[i] < 0x20 || text.at[i] >= 0x7F)
            return false;
    return true;
}

/* Cuts `len` bytes off the front. */
static bool take(struct slice *rest, size_t len, struct slice *ret_part)
{
    if (len > rest->len)
        return false;
    *ret_part = slice_part(*rest, 0, len);
    *rest = slice_part(*rest, len, rest->len);
    return true;
}

static bool take_header(struct slice *rest, struct header *ret_header)
{
    struct slice part;
    size_t len;

    if (!take(rest, 1, &part) || part.at[0] == 0 ||
        !take(rest, part.at[0], &ret_header->name) || !is_printable(ret_header->name) ||
        !take(rest, 1, &part) || part.at[0] >= HEADER_TYPE_COUNT)
        return false;
    ret_header->type = (enum header_type)part.at[0];
    len = (size_t)value_bytes[ret_header->type];
    if (value_bytes[ret_header->type] < 0) {
        if (!take(rest, 2, &part))
            return false;
        len = (size_t)part.at[0] << 8 | part.at[1];
    }
    return take(rest, len, &ret_header->value) &&
           (ret_header->type != HEADER_STRING || is_printable(ret_header->value));
}

static bool read_headers(struct eventstream *stream, struct slice rest, struct fault *fault)
{
    stream->header_count = 0;
    while (rest.len > 0) {
        struct header *header = &stream->headers[stream->header_count];

        if (stream->header_count == EVENTSTREAM_HEADERS_MAX)
            return fault_set(fault, FAULT_LIMIT, "a message of more than %d headers",
                             EVENTSTREAM_HEADERS_MAX);
        if (!take_header(&rest, header))
            return fault_set(fault, FAULT_INVALID, "a message's header is broken");
        for (size_t i = 0; i < stream->header_count; i++)
            if (slice_equal(stream->headers[i].name, header->name))
                return fault_set(fault, FAULT_INVALID, "a message has a header twice");
        stream->header_count++;
    }
    return true;
}

static bool read_message(struct eventstream *stream, struct fault *fault)
{
    struct slice all = buf_slice(&stream->message);
    size_t end = all.len - SUM_BYTES;
    size_t headers = number_at(all.at + 4);

    if (eventstream_crc32(slice_part(all, 0, end)) != number_at(all.at + end))
        return fault_set(fault, FAULT_INVALID, "a message has a wrong sum");
    stream->payload = slice_part(all, PRELUDE_BYTES + headers, end);
    return read_headers(stream, slice_part(all, PRELUDE_BYTES, PRELUDE_BYTES + headers), fault);
}

bool eventstream_feed(struct eventstream *stream, struct slice bytes, size_t *ret_used,
                      bool *ret_message, struct fault *fault)
{
    size_t used = 0;

    if (stream->done) {
        buf_clear(&stream->message);
        stream->total = 0;
        stream->done = false;
    }
    while (used < bytes.len && !stream->done) {
        size_t want = stream->total == 0 ? PRELUDE_BYTES : stream->total;
        struct slice piece = slice_part(bytes, used, used + want - stream->message.len);

        if (!buf_add(&stream->message, piece, fault))
            return false;
        used += piece.len;
        if (stream->message.len < want)
            break;
        if (stream->total == 0) {
            if (!read_prelude(stream, fault))
                return false;
        } else {
            if (!read_message(stream, fault))
                return false;
            stream->done = true;
        }
    }
    *ret_used = used;
    *ret_message = stream->done;
    return true;
}

struct slice eventstream_header(const struct eventstream *stream, const char *name)
{
    for (size_t i = 0; i < stream->header_count; i++)
        if (stream->headers[i].type == HEADER_STRING &&
            slice_equal(stream->headers[i].name, slice_of(name)))
            return stream->headers[i].value;
    return SLICE("");
}

struct slice eventstream_payload(const struct eventstream *stream)
{
    return stream->payload;
}

static bool add_number(struct buf *out, uint32_t number, struct fault *fault)
{
    const uint8_t bytes[] = {(uint8_t)(number >> 24), (uint8_t)(number >> 16),
                             (uint8_t)(number >> 8), (uint8_t)number};

    return buf_add(out, slice_of_bytes(bytes, sizeof(bytes)), fault);
}

bool eventstream_write(const char *const (*headers)[2], size_t count, struct slice payload,
                       struct buf *out, struct fault *fault)
{
    size_t from = out->len, header_bytes = 0;

    for (size_t i = 0; i < count; i++)
        header_bytes += 1 + strlen(headers[i][0]) + 1 + 2 + strlen(headers[i][1]);
    if (header_bytes > EVENTSTREAM_HEADER_BYTES_MAX || payload.len > UINT32_MAX / 2)
        return fault_set(fault, FAULT_LIMIT, "too long for one message");
    if (!add_number(out, (uint32_t)(LEAST_BYTES + header_bytes + payload.len), fault) ||
        !add_number(out, (uint32_t)header_bytes, fault) ||
        !add_number(out, eventstream_crc32(slice_part(buf_slice(out), from, out->len)), fault))
        return false;
    for (size_t i = 0; i < count; i++) {
        struct slice name = slice_of(headers[i][0]), value = slice_of(headers[i][1]);

        if (!buf_add_byte(out, (uint8_t)name.len, fault) || !buf_add(out, name, fault) ||
            !buf_add_byte(out, HEADER_STRING, fault) ||
            !buf_add_byte(out, (uint8_t)(value.len >> 8), fault) ||
            !buf_add_byte(out, (uint8_t)value.len, fault) || !buf_add(out, value, fault))
            return false;
    }
    return buf_add(out, payload, fault) &&
           add_number(out, eventstream_crc32(slice_part(buf_slice(out), from, out->len)), fault);
}
