#include "wire/http1.h"

#include <stdlib.h>
#include <strings.h>

#include "base/hex.h"
#include "base/scope.h"

#define CHUNK_SIZE_DIGITS_MAX 8
#define LENGTH_DIGITS_MAX 15
#define TARGET_BYTES_MAX 8192

enum state {
    STATE_HEAD,
    STATE_BODY,       /* `left` bytes of Content-Length to come */
    STATE_CHUNK_SIZE, /* a line in `line` */
    STATE_CHUNK_DATA, /* `left` bytes of this chunk to come */
    STATE_CHUNK_END,  /* the CRLF behind it */
    STATE_TRAILER,    /* the empty line behind the last chunk */
    STATE_DONE,
};

struct http1_request {
    enum state state;
    int status;
    struct buf head;
    struct slice method, path, query, authority;
    struct http1_header headers[HTTP1_HEADERS_MAX];
    size_t header_count;
    uint64_t left;
    bool chunked;
    char line[CHUNK_SIZE_DIGITS_MAX + 2];
    size_t line_len;
    struct buf body;
};

struct http1_request *http1_request_new(size_t body_limit)
{
    struct http1_request *request = xalloc(sizeof(*request));

    request->head = buf_with_limit(HTTP1_HEAD_BYTES_MAX);
    request->body = buf_with_limit(body_limit);
    return request;
}

void http1_request_free(struct http1_request *request)
{
    if (request == NULL)
        return;
    buf_free(&request->head);
    buf_free(&request->body);
    free(request);
}

void http1_request_reset(struct http1_request *request)
{
    struct buf head = request->head, body = request->body;

    buf_clear(&head);
    buf_free(&body); /* bodies are large and rare: not kept between requests */
    *request = (struct http1_request){.head = head, .body = buf_with_limit(body.limit)};
}

static bool refuse(struct http1_request *request, int status, const char *why,
                   struct fault *fault)
{
    request->status = status;
    return fault_set(fault, status == 413 || status == 431 ? FAULT_LIMIT : FAULT_INVALID, "%s",
                     why);
}

int http1_request_status(const struct http1_request *request)
{
    return request->status == 0 ? 400 : request->status;
}

/* RFC 9110 section 5.6.2 */
static bool is_token_byte(uint8_t byte)
{
    return (byte >= '0' && byte <= '9') || ((byte | 0x20) >= 'a' && (byte | 0x20) <= 'z') ||
           (byte != 0 && strchr("!#$%&'*+-.^_`|~", byte) != NULL);
}

static bool is_token(struct slice text)
{
    for (size_t i = 0; i < text.len; i++)
        if (!is_token_byte(text.at[i]))
            return false;
    return text.len > 0;
}

/* Visible ASCII, spaces, tabs and bytes beyond ASCII (obs-text); no other control character.
 */
static bool is_value(struct slice text)
{
    for (size_t i = 0; i < text.len; i++)
        if ((text.at[i] < 0x20 && text.at[i] != '\t') || text.at[i] == 0x7F)
            return false;
    return true;
}

static bool is_target(struct slice text)
{
    for (size_t i = 0; i < text.len; i++)
        if (text.at[i] <= 0x20 || text.at[i] >= 0x7F || text.at[i] == '#' ||
            text.at[i] == '\\')
            return false;
    return text.len > 0 && text.len <= TARGET_BYTES_MAX;
}

static bool cut_line(struct slice *rest, struct slice *ret_line)
{
    size_t end = slice_find(*rest, SLICE("\r\n"), 0);

    if (end == SIZE_MAX)
        return false;
    *ret_line = slice_part(*rest, 0, end);
    *rest = slice_part(*rest, end + 2, rest->len);
    return true;
}

static bool take_target(struct http1_request *request, struct slice target,
                        struct fault *fault)
{
    size_t query;

    if (target.len > TARGET_BYTES_MAX)
        return refuse(request, 414, "the request target is too long", fault);
    if (!is_target(target))
        return refuse(request, 400, "the request target holds bytes that do not belong there",
                      fault);
    if (slice_equal(request->method, SLICE("CONNECT"))) {
        request->authority = target;
        request->path = SLICE("");
        return true;
    }
    if (slice_starts_with(target, SLICE("http://"))) {
        size_t slash;

        target = slice_part(target, 7, target.len);
        slash = slice_find_byte(target, '/', 0);
        request->authority = slice_part(target, 0, slash);
        target = slash == SIZE_MAX ? SLICE("/") : slice_part(target, slash, target.len);
    }
    if (target.at[0] != '/' && !slice_equal(target, SLICE("*")))
        return refuse(request, 400, "the request target is neither a path nor an http URL",
                      fault);
    query = slice_find_byte(target, '?', 0);
    request->path = slice_part(target, 0, query);
    request->query = query == SIZE_MAX ? SLICE("") : slice_part(target, query + 1, target.len);
    return true;
}

static bool take_request_line(struct http1_request *request, struct slice line,
                              struct fault *fault)
{
    size_t first = slice_find_byte(line, ' ', 0);
    size_t second = first == SIZE_MAX ? SIZE_MAX : slice_find_byte(line, ' ', first + 1);

    if (second == SIZE_MAX || slice_find_byte(line, ' ', second + 1) != SIZE_MAX)
        return refuse(request, 400, "the request line has not three words", fault);
    request->method = slice_part(line, 0, first);
    if (!is_token(request->method))
        return refuse(request, 400, "the method is not a token", fault);
    if (!slice_equal(slice_part(line, second + 1, line.len), SLICE("HTTP/1.1")))
        return refuse(request, 505, "only HTTP/1.1 is spoken here", fault);
    return take_target(request, slice_part(line, first + 1, second), fault);
}

static bool take_header(struct http1_request *request, struct slice line, struct fault *fault)
{
    size_t colon = slice_find_byte(line, ':', 0);
    struct http1_header *header = &request->headers[request->header_count];

    if (request->header_count == HTTP1_HEADERS_MAX)
        return refuse(request, 431, "more than 100 headers", fault);
    if (line.at[0] == ' ' || line.at[0] == '\t')
        return refuse(request, 400, "a folded header line", fault);
    if (colon == SIZE_MAX || !is_token(slice_part(line, 0, colon)))
        return refuse(request, 400, "a header name that is not a token", fault);
    header->name = slice_part(line, 0, colon);
    header->value = slice_trim(slice_part(line, colon + 1, line.len));
    if (!is_value(header->value))
        return refuse(request, 400, "a control character in a header", fault);
    request->header_count++;
    return true;
}

static bool name_is(struct slice name, const char *want)
{
    return name.len == strlen(want) && strncasecmp((const char *)name.at, want, name.len) == 0;
}

static size_t count_headers(const struct http1_request *request, const char *name)
{
    size_t count = 0;

    for (size_t i = 0; i < request->header_count; i++)
        if (name_is(request->headers[i].name, name))
            count++;
    return count;
}

static bool take_length(struct http1_request *request, struct slice value, struct fault *fault)
{
    uint64_t length = 0;

    if (value.len == 0 || value.len > LENGTH_DIGITS_MAX)
        return refuse(request, 400, "the content length is not a number", fault);
    for (size_t i = 0; i < value.len; i++) {
        if (value.at[i] < '0' || value.at[i] > '9')
            return refuse(request, 400, "the content length is not a number", fault);
        length = length * 10 + (uint64_t)(value.at[i] - '0');
    }
    if (length > request->body.limit)
        return refuse(request, 413, "the body is too large", fault);
    request->left = length;
    request->state = length > 0 ? STATE_BODY : STATE_DONE;
    return true;
}

/* How the body ends (RFC 9112 section 6.3); every doubt is a refusal. */
static bool take_framing(struct http1_request *request, struct fault *fault)
{
    size_t lengths = count_headers(request, "content-length");
    size_t encodings = count_headers(request, "transfer-encoding");

    if (count_headers(request, "host") != 1)
        return refuse(request, 400, "not one host header", fault);
    if (lengths + encodings > 1)
        return refuse(request, 400, "more than one length of the body", fault);
    request->state = STATE_DONE;
    if (lengths == 1)
        return take_length(request, http1_request_header(request, "content-length"), fault);
    if (encodings == 0)
        return true;
    if (!name_is(http1_request_header(request, "transfer-encoding"), "chunked"))
        return refuse(request, 501, "a transfer encoding other than chunked", fault);
    request->chunked = true;
    request->state = STATE_CHUNK_SIZE;
    return true;
}

static bool take_head(struct http1_request *request, struct fault *fault)
{
    struct slice rest = buf_slice(&request->head), line;

    if (!cut_line(&rest, &line) || !take_request_line(request, line, fault))
        return false;
    while (cut_line(&rest, &line) && line.len > 0)
        if (!take_header(request, line, fault))
            return false;
    return take_framing(request, fault);
}

/* Reads up to the empty line. What must never be in a head is refused before it is parsed. */
static bool feed_head(struct http1_request *request, struct slice bytes, size_t *used,
                      struct fault *fault)
{
    while (*used < bytes.len) {
        uint8_t byte = bytes.at[(*used)++];
        uint8_t last = request->head.len > 0 ? request->head.at[request->head.len - 1] : 0;

        if (byte == '\n' ? last != '\r' : last == '\r')
            return refuse(request, 400, "a line that does not end in CR LF", fault);
        if (byte == 0)
            return refuse(request, 400, "a NUL in the head", fault);
        if (!buf_add_byte(&request->head, byte, fault))
            return refuse(request, 431, "the head is too large", fault);
        if (byte == '\n' && slice_ends_with(buf_slice(&request->head), SLICE("\r\n\r\n")))
            return take_head(request, fault);
        if (byte == '\n' && request->head.len == 2)
            return refuse(request, 400, "an empty line where a request should begin", fault);
    }
    return true;
}

static bool feed_body(struct http1_request *request, struct slice bytes, size_t *used,
                      struct fault *fault)
{
    size_t take = bytes.len - *used;

    if (take > request->left)
        take = (size_t)request->left;
    if (!buf_add(&request->body, slice_part(bytes, *used, *used + take), fault))
        return refuse(request, 413, "the body is too large", fault);
    *used += take;
    request->left -= take;
    if (request->left == 0)
        request->state = request->chunked ? STATE_CHUNK_END : STATE_DONE;
    return true;
}

/* Refuses chunk extensions (RFC 9112 section 7.1.1): no client of ours sends them and request
 * smuggling has used them. */
static bool take_chunk_size(struct http1_request *request, struct fault *fault)
{
    uint64_t size = 0;

    if (request->line_len == 0)
        return refuse(request, 400, "a chunk without size", fault);
    for (size_t i = 0; i < request->line_len; i++) {
        int digit = hex_digit((uint8_t)request->line[i]);

        if (digit < 0)
            return refuse(request, 400, "a chunk size that is not hexadecimal", fault);
        size = size << 4 | (uint64_t)digit;
    }
    if (size > request->body.limit - request->body.len)
        return refuse(request, 413, "the body is too large", fault);
    request->left = size;
    request->line_len = 0;
    request->state = size > 0 ? STATE_CHUNK_DATA : STATE_TRAILER;
    return true;
}

static bool feed_line(struct http1_request *request, uint8_t byte, struct fault *fault)
{
    bool after_cr = request->line_len > 0 && request->line[request->line_len - 1] == '\r';

    if (after_cr && byte == '\n') {
        request->line_len--;
        if (request->state == STATE_CHUNK_SIZE)
            return take_chunk_size(request, fault);
        if (request->line_len != 0)
            return refuse(request, 400, "trailers, or bytes behind a chunk", fault);
        request->state = request->state == STATE_TRAILER ? STATE_DONE : STATE_CHUNK_SIZE;
        return true;
    }
    if (after_cr || byte == '\n' || request->line_len > CHUNK_SIZE_DIGITS_MAX ||
        (byte != '\r' && request->line_len == CHUNK_SIZE_DIGITS_MAX))
        return refuse(request, 400, "a broken chunk line", fault);
    if (request->state != STATE_CHUNK_SIZE && byte != '\r')
        return refuse(request, 400, "trailers, or bytes behind a chunk", fault);
    request->line[request->line_len++] = (char)byte;
    return true;
}

bool http1_request_feed(struct http1_request *request, struct slice bytes, size_t *ret_used,
                        struct fault *fault)
{
    size_t used = 0;
    bool ok = true;

    while (ok && used < bytes.len && request->state != STATE_DONE) {
        if (request->state == STATE_HEAD)
            ok = feed_head(request, bytes, &used, fault);
        else if (request->state == STATE_BODY || request->state == STATE_CHUNK_DATA)
            ok = feed_body(request, bytes, &used, fault);
        else
            ok = feed_line(request, bytes.at[used++], fault);
    }
    if (ok)
        *ret_used = used;
    return ok;
}

bool http1_request_begun(const struct http1_request *request)
{
    return request->head.len > 0;
}

bool http1_request_head_done(const struct http1_request *request)
{
    return request->state != STATE_HEAD;
}

bool http1_request_done(const struct http1_request *request)
{
    return request->state == STATE_DONE;
}

struct slice http1_request_method(const struct http1_request *request)
{
    return request->method;
}

struct slice http1_request_path(const struct http1_request *request)
{
    return request->path;
}

struct slice http1_request_query(const struct http1_request *request)
{
    return request->query;
}

struct slice http1_request_authority(const struct http1_request *request)
{
    return request->authority;
}

struct slice http1_request_body(const struct http1_request *request)
{
    return buf_slice(&request->body);
}

size_t http1_request_header_count(const struct http1_request *request)
{
    return request->header_count;
}

struct http1_header http1_request_header_at(const struct http1_request *request, size_t index)
{
    return request->headers[index];
}

struct slice http1_request_header(const struct http1_request *request, const char *name)
{
    for (size_t i = 0; i < request->header_count; i++)
        if (name_is(request->headers[i].name, name))
            return request->headers[i].value;
    return (struct slice){0};
}

/* Whether a comma-separated header holds a word. */
static bool header_has(const struct http1_request *request, const char *name, const char *word)
{
    for (size_t i = 0; i < request->header_count; i++) {
        struct slice rest = request->headers[i].value, part;

        while (name_is(request->headers[i].name, name) && slice_cut(&rest, ',', &part))
            if (name_is(slice_trim(part), word))
                return true;
    }
    return false;
}

bool http1_request_keep_alive(const struct http1_request *request)
{
    return !header_has(request, "connection", "close");
}

bool http1_request_wants_continue(const struct http1_request *request)
{
    return header_has(request, "expect", "100-continue");
}

bool http1_request_wants_upgrade(const struct http1_request *request)
{
    return header_has(request, "connection", "upgrade") ||
           http1_request_header(request, "upgrade").at != NULL;
}

struct buf http1_request_take_body(struct http1_request *request)
{
    return take_buf(&request->body);
}

static const struct {
    int status;
    const char *reason;
} reasons[] = {
    {200, "OK"},
    {400, "Bad Request"},
    {401, "Unauthorized"},
    {402, "Payment Required"},
    {403, "Forbidden"},
    {404, "Not Found"},
    {405, "Method Not Allowed"},
    {408, "Request Timeout"},
    {409, "Conflict"},
    {413, "Content Too Large"},
    {414, "URI Too Long"},
    {415, "Unsupported Media Type"},
    {422, "Unprocessable Content"},
    {429, "Too Many Requests"},
    {431, "Request Header Fields Too Large"},
    {500, "Internal Server Error"},
    {501, "Not Implemented"},
    {502, "Bad Gateway"},
    {503, "Service Unavailable"},
    {504, "Gateway Timeout"},
    {505, "HTTP Version Not Supported"},
    {529, "Overloaded"},
};

const char *http1_reason(int status)
{
    for (size_t i = 0; i < COUNT(reasons); i++)
        if (reasons[i].status == status)
            return reasons[i].reason;
    return "Status";
}

bool http1_response_head(struct buf *out, int status, const struct http1_header *headers,
                         size_t header_count, size_t length, bool keep_alive,
                         struct fault *fault)
{
    if (!buf_add_format(out, fault, "HTTP/1.1 %d %s\r\n", status, http1_reason(status)))
        return false;
    for (size_t i = 0; i < header_count; i++) {
        if (!is_token(headers[i].name) || !is_value(headers[i].value))
            return fault_set(fault, FAULT_INVALID,
                             "a response header with control characters");
        if (!buf_add_format(out, fault, "%.*s: %.*s\r\n", SLICE_ARGS(headers[i].name),
                            SLICE_ARGS(headers[i].value)))
            return false;
    }
    if (length == HTTP1_CHUNKED
            ? !buf_add_text(out, "Transfer-Encoding: chunked\r\n", fault)
            : !buf_add_format(out, fault, "Content-Length: %zu\r\n", length))
        return false;
    return buf_add_text(out, keep_alive ? "\r\n" : "Connection: close\r\n\r\n", fault);
}

bool http1_chunk(struct buf *out, struct slice bytes, struct fault *fault)
{
    if (bytes.len == 0)
        return true;
    return buf_add_format(out, fault, "%zx\r\n", bytes.len) && buf_add(out, bytes, fault) &&
           buf_add_text(out, "\r\n", fault);
}

bool http1_chunk_end(struct buf *out, struct fault *fault)
{
    return buf_add_text(out, "0\r\n\r\n", fault);
}
