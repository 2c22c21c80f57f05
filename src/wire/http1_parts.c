#include "wire/http1_parts.h"

#include <stdlib.h>
#include <strings.h>

#include "base/hex.h"

#define LENGTH_DIGITS_MAX 15

static bool is_token_byte(uint8_t byte)
{
    return (byte >= '0' && byte <= '9') || ((byte | 0x20) >= 'a' && (byte | 0x20) <= 'z') ||
           (byte != 0 && strchr("!#$%&'*+-.^_`|~", byte) != NULL);
}

bool http1_is_token(struct slice text)
{
    for (size_t i = 0; i < text.len; i++)
        if (!is_token_byte(text.at[i]))
            return false;
    return text.len > 0;
}

bool http1_is_value(struct slice text)
{
    for (size_t i = 0; i < text.len; i++)
        if ((text.at[i] < 0x20 && text.at[i] != '\t') || text.at[i] == 0x7F)
            return false;
    return true;
}

bool http1_name_is(struct slice name, const char *want)
{
    return name.len == strlen(want) && strncasecmp((const char *)name.at, want, name.len) == 0;
}

/* A carriage return is followed by a line feed, and only there is one. */
static bool line_ends_right(struct slice piece, uint8_t last)
{
    bool has_lf = piece.at[piece.len - 1] == '\n';
    size_t cr = slice_find_byte(piece, '\r', 0);

    if (last == '\r')
        return has_lf && piece.len == 1;
    if (!has_lf)
        return cr == SIZE_MAX || cr == piece.len - 1;
    return piece.len > 1 && cr == piece.len - 2;
}

bool http1_head_feed(struct buf *head, struct slice bytes, size_t *used, bool *ret_whole,
                     struct fault *fault)
{
    *ret_whole = false;
    while (*used < bytes.len) {
        struct slice rest = slice_part(bytes, *used, bytes.len);
        size_t lf = slice_find_byte(rest, '\n', 0);
        struct slice piece = lf == SIZE_MAX ? rest : slice_part(rest, 0, lf + 1);
        bool fits = piece.len <= head->limit - head->len;

        piece = slice_part(piece, 0, head->limit - head->len);
        if (piece.len > 0 &&
            !line_ends_right(piece, head->len > 0 ? head->at[head->len - 1] : 0))
            return fault_set(fault, FAULT_INVALID, "a line that does not end in CR LF");
        if (slice_find_byte(piece, 0, 0) != SIZE_MAX)
            return fault_set(fault, FAULT_INVALID, "a NUL in the head");
        if (!fits || !buf_add(head, piece, fault))
            return fault_set(fault, FAULT_LIMIT, "the head is too large");
        *used += piece.len;
        if (lf == SIZE_MAX)
            continue;
        if (head->len == 2)
            return fault_set(fault, FAULT_INVALID, "an empty line where a head should begin");
        if (slice_ends_with(buf_slice(head), SLICE("\r\n\r\n"))) {
            *ret_whole = true;
            return true;
        }
    }
    return true;
}

bool http1_head_line(struct slice *rest, struct slice *ret_line)
{
    size_t end = slice_find(*rest, SLICE("\r\n"), 0);

    if (end == SIZE_MAX)
        return false;
    *ret_line = slice_part(*rest, 0, end);
    *rest = slice_part(*rest, end + 2, rest->len);
    return true;
}

void http1_fields_free(struct http1_fields *fields)
{
    free(fields->at);
    *fields = (struct http1_fields){0};
}

bool http1_fields_take(struct http1_fields *fields, struct slice line, struct fault *fault)
{
    size_t colon = slice_find_byte(line, ':', 0);
    struct http1_header *header;

    if (fields->count == HTTP1_HEADERS_MAX)
        return fault_set(fault, FAULT_LIMIT, "more than 100 headers");
    fields->at = xgrow(fields->at, &fields->room, fields->count + 1, sizeof(*fields->at));
    header = &fields->at[fields->count];
    if (line.at[0] == ' ' || line.at[0] == '\t')
        return fault_set(fault, FAULT_INVALID, "a folded header line");
    if (colon == SIZE_MAX || !http1_is_token(slice_part(line, 0, colon)))
        return fault_set(fault, FAULT_INVALID, "a header name that is not a token");
    header->name = slice_part(line, 0, colon);
    header->value = slice_trim(slice_part(line, colon + 1, line.len));
    if (!http1_is_value(header->value))
        return fault_set(fault, FAULT_INVALID, "a control character in a header");
    fields->count++;
    return true;
}

struct slice http1_fields_find(const struct http1_fields *fields, const char *name)
{
    for (size_t i = 0; i < fields->count; i++)
        if (http1_name_is(fields->at[i].name, name))
            return fields->at[i].value;
    return (struct slice){0};
}

size_t http1_fields_count(const struct http1_fields *fields, const char *name)
{
    size_t count = 0;

    for (size_t i = 0; i < fields->count; i++)
        count += http1_name_is(fields->at[i].name, name);
    return count;
}

bool http1_fields_have(const struct http1_fields *fields, const char *name, const char *word)
{
    for (size_t i = 0; i < fields->count; i++) {
        struct slice rest = fields->at[i].value, part;

        while (http1_name_is(fields->at[i].name, name) && slice_cut(&rest, ',', &part))
            if (http1_name_is(slice_trim(part), word))
                return true;
    }
    return false;
}

static bool take_length(struct http1_body *body, struct slice value, struct fault *fault)
{
    uint64_t length = 0;

    if (!slice_is_digits(value) || value.len > LENGTH_DIGITS_MAX)
        return fault_set(fault, FAULT_INVALID, "the content length is not a number");
    for (size_t i = 0; i < value.len; i++)
        length = length * 10 + (uint64_t)(value.at[i] - '0');
    if (length > body->limit)
        return fault_set(fault, FAULT_LIMIT, "the body is too large");
    body->left = length;
    body->state = length > 0 ? HTTP1_BODY_BYTES : HTTP1_BODY_DONE;
    return true;
}

bool http1_body_begin(struct http1_body *body, const struct http1_fields *fields,
                      uint64_t limit, enum http1_body_state otherwise, struct fault *fault)
{
    size_t lengths = http1_fields_count(fields, "content-length");
    size_t encodings = http1_fields_count(fields, "transfer-encoding");

    *body = (struct http1_body){.state = otherwise, .limit = limit};
    if (lengths + encodings > 1)
        return fault_set(fault, FAULT_INVALID, "more than one length of the body");
    if (lengths == 1)
        return take_length(body, http1_fields_find(fields, "content-length"), fault);
    if (encodings == 0)
        return true;
    if (!http1_name_is(http1_fields_find(fields, "transfer-encoding"), "chunked"))
        return fault_set(fault, FAULT_INVALID, "a transfer encoding other than chunked");
    body->state = HTTP1_BODY_CHUNK_SIZE;
    return true;
}

/* Refuses chunk extensions (RFC 9112 section 7.1.1): no peer of ours sends them and request
 * smuggling has used them. */
static bool take_chunk_size(struct http1_body *body, struct fault *fault)
{
    uint64_t size = 0;

    if (body->line_len == 0)
        return fault_set(fault, FAULT_INVALID, "a chunk without size");
    for (size_t i = 0; i < body->line_len; i++) {
        int digit = hex_digit((uint8_t)body->line[i]);

        if (digit < 0)
            return fault_set(fault, FAULT_INVALID, "a chunk size that is not hexadecimal");
        size = size << 4 | (uint64_t)digit;
    }
    if (size > body->limit)
        return fault_set(fault, FAULT_LIMIT, "the body is too large");
    body->left = size;
    body->line_len = 0;
    body->state = size > 0 ? HTTP1_BODY_CHUNK : HTTP1_BODY_TRAILER;
    return true;
}

static bool take_line_byte(struct http1_body *body, uint8_t byte, struct fault *fault)
{
    bool after_cr = body->line_len > 0 && body->line[body->line_len - 1] == '\r';

    if (after_cr && byte == '\n') {
        body->line_len--;
        if (body->state == HTTP1_BODY_CHUNK_SIZE)
            return take_chunk_size(body, fault);
        if (body->line_len != 0)
            return fault_set(fault, FAULT_INVALID, "trailers, or bytes behind a chunk");
        body->state =
            body->state == HTTP1_BODY_TRAILER ? HTTP1_BODY_DONE : HTTP1_BODY_CHUNK_SIZE;
        return true;
    }
    if (after_cr || byte == '\n' || body->line_len > HTTP1_CHUNK_SIZE_DIGITS_MAX ||
        (byte != '\r' && body->line_len == HTTP1_CHUNK_SIZE_DIGITS_MAX))
        return fault_set(fault, FAULT_INVALID, "a broken chunk line");
    if (body->state != HTTP1_BODY_CHUNK_SIZE && byte != '\r')
        return fault_set(fault, FAULT_INVALID, "trailers, or bytes behind a chunk");
    body->line[body->line_len++] = (char)byte;
    return true;
}

static bool take_piece(struct http1_body *body, struct slice bytes, size_t *used,
                       struct slice *ret_piece, struct fault *fault)
{
    uint64_t most = body->state == HTTP1_BODY_TO_CLOSE ? body->limit : body->left;
    size_t take = bytes.len - *used;

    if (body->state == HTTP1_BODY_TO_CLOSE && take > most)
        return fault_set(fault, FAULT_LIMIT, "the body is too large");
    if (take > most)
        take = (size_t)most;
    *ret_piece = slice_part(bytes, *used, *used + take);
    *used += take;
    body->limit -= take;
    if (body->state == HTTP1_BODY_TO_CLOSE)
        return true;
    body->left -= take;
    if (body->left == 0)
        body->state = body->state == HTTP1_BODY_CHUNK ? HTTP1_BODY_CHUNK_END : HTTP1_BODY_DONE;
    return true;
}

bool http1_body_take(struct http1_body *body, struct slice bytes, size_t *used,
                     struct slice *ret_piece, struct fault *fault)
{
    *ret_piece = SLICE("");
    while (*used < bytes.len && body->state != HTTP1_BODY_DONE) {
        if (body->state == HTTP1_BODY_BYTES || body->state == HTTP1_BODY_CHUNK ||
            body->state == HTTP1_BODY_TO_CLOSE)
            return take_piece(body, bytes, used, ret_piece, fault);
        if (!take_line_byte(body, bytes.at[(*used)++], fault))
            return false;
    }
    return true;
}
