#include "wire/http1.h"

#include <stdlib.h>

#include "base/scope.h"
#include "wire/http1_parts.h"

#define TARGET_BYTES_MAX 8192
#define BODY_AHEAD_BYTES (64UL * 1024)

struct http1_request {
    bool head_done;
    bool is_old; /* HTTP/1.0: a CONNECT alone may be */
    int status;
    struct buf head;
    struct slice method, path, query, authority;
    struct http1_fields fields;
    struct http1_body framing;
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
    http1_fields_free(&request->fields);
    free(request);
}

void http1_request_reset(struct http1_request *request)
{
    struct buf head = request->head, body = request->body;
    struct http1_fields fields = request->fields;

    buf_clear(&head);
    buf_free(&body); /* bodies are large and rare: not kept between requests */
    fields.count = 0;
    *request = (struct http1_request){
        .head = head, .body = buf_with_limit(body.limit), .fields = fields};
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

/* What is wrong with a head or a body, as a status. */
static bool refuse_for(struct http1_request *request, int too_much, struct fault *fault)
{
    request->status = fault->kind == FAULT_LIMIT ? too_much : 400;
    return false;
}

static bool is_target(struct slice text)
{
    for (size_t i = 0; i < text.len; i++)
        if (text.at[i] <= 0x20 || text.at[i] >= 0x7F || text.at[i] == '#' ||
            text.at[i] == '\\')
            return false;
    return text.len > 0 && text.len <= TARGET_BYTES_MAX;
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
    if (!http1_is_token(request->method))
        return refuse(request, 400, "the method is not a token", fault);
    request->is_old = slice_equal(request->method, SLICE("CONNECT")) &&
                      slice_equal(slice_part(line, second + 1, line.len), SLICE("HTTP/1.0"));
    if (!request->is_old &&
        !slice_equal(slice_part(line, second + 1, line.len), SLICE("HTTP/1.1")))
        return refuse(request, 505, "only HTTP/1.1 is spoken here", fault);
    return take_target(request, slice_part(line, first + 1, second), fault);
}

static bool take_framing(struct http1_request *request, struct fault *fault)
{
    const struct http1_fields *fields = &request->fields;
    struct slice encoding = http1_fields_find(fields, "transfer-encoding");

    if (http1_fields_count(fields, "host") != 1 &&
        !(request->is_old && http1_fields_count(fields, "host") == 0))
        return refuse(request, 400, "not one host header", fault);
    if (encoding.at != NULL && http1_fields_count(fields, "transfer-encoding") == 1 &&
        http1_fields_count(fields, "content-length") == 0 &&
        !http1_name_is(encoding, "chunked"))
        return refuse(request, 501, "a transfer encoding other than chunked", fault);
    return http1_body_begin(&request->framing, fields, request->body.limit, HTTP1_BODY_DONE,
                            fault) ||
           refuse_for(request, 413, fault);
}

static bool take_head(struct http1_request *request, struct fault *fault)
{
    struct slice rest = buf_slice(&request->head), line;

    if (!http1_head_line(&rest, &line) || !take_request_line(request, line, fault))
        return false;
    while (http1_head_line(&rest, &line) && line.len > 0)
        if (!http1_fields_take(&request->fields, line, fault))
            return refuse_for(request, 431, fault);
    if (!take_framing(request, fault))
        return false;
    request->head_done = true;
    return true;
}

static bool feed_head(struct http1_request *request, struct slice bytes, size_t *used,
                      struct fault *fault)
{
    bool whole;

    if (!http1_head_feed(&request->head, bytes, used, &whole, fault))
        return refuse_for(request, 431, fault);
    return !whole || take_head(request, fault);
}

/* Room for what is still to come, as far as that is no more than has come, so that a body of a
 * few reads is not moved with each of them. */
static bool add_body(struct http1_request *request, struct slice piece, struct fault *fault)
{
    struct buf *body = &request->body;
    size_t most = body->len + piece.len, ahead = (size_t)request->framing.left;

    if (most < BODY_AHEAD_BYTES)
        most = BODY_AHEAD_BYTES;
    ahead = piece.len + (ahead < most ? ahead : most);
    if (ahead > body->limit - body->len)
        ahead = body->limit - body->len;
    return (body->room > body->len + piece.len || buf_reserve(body, ahead, fault)) &&
           buf_add(body, piece, fault);
}

static bool feed_body(struct http1_request *request, struct slice bytes, size_t *used,
                      struct fault *fault)
{
    struct slice piece;

    return (http1_body_take(&request->framing, bytes, used, &piece, fault) &&
            (piece.len == 0 || add_body(request, piece, fault))) ||
           refuse_for(request, 413, fault);
}

bool http1_request_feed(struct http1_request *request, struct slice bytes, size_t *ret_used,
                        struct fault *fault)
{
    size_t used = 0;
    bool ok = true;

    while (ok && used < bytes.len && !http1_request_done(request))
        ok = request->head_done ? feed_body(request, bytes, &used, fault)
                                : feed_head(request, bytes, &used, fault);
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
    return request->head_done;
}

bool http1_request_done(const struct http1_request *request)
{
    return request->head_done && request->framing.state == HTTP1_BODY_DONE;
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
    return request->fields.count;
}

struct http1_header http1_request_header_at(const struct http1_request *request, size_t index)
{
    return request->fields.at[index];
}

struct slice http1_request_header(const struct http1_request *request, const char *name)
{
    return http1_fields_find(&request->fields, name);
}

bool http1_request_keep_alive(const struct http1_request *request)
{
    return !http1_fields_have(&request->fields, "connection", "close");
}

bool http1_request_wants_continue(const struct http1_request *request)
{
    return http1_fields_have(&request->fields, "expect", "100-continue");
}

bool http1_request_wants_upgrade(const struct http1_request *request)
{
    return http1_fields_have(&request->fields, "connection", "upgrade") ||
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

static bool add_number(struct buf *out, size_t number, struct fault *fault)
{
    uint8_t digits[24];
    size_t at = sizeof(digits);

    do
        digits[--at] = (uint8_t)('0' + number % 10);
    while ((number /= 10) > 0);
    return buf_add(out, slice_of_bytes(digits + at, sizeof(digits) - at), fault);
}

bool http1_response_head(struct buf *out, int status, const struct http1_header *headers,
                         size_t header_count, size_t length, bool keep_alive,
                         struct fault *fault)
{
    if (!buf_add_text(out, "HTTP/1.1 ", fault) || !add_number(out, (size_t)status, fault) ||
        !buf_add_byte(out, ' ', fault) || !buf_add_text(out, http1_reason(status), fault) ||
        !buf_add_text(out, "\r\n", fault))
        return false;
    for (size_t i = 0; i < header_count; i++) {
        if (!http1_is_token(headers[i].name) || !http1_is_value(headers[i].value))
            return fault_set(fault, FAULT_INVALID,
                             "a response header with control characters");
        if (!buf_add(out, headers[i].name, fault) || !buf_add_text(out, ": ", fault) ||
            !buf_add(out, headers[i].value, fault) || !buf_add_text(out, "\r\n", fault))
            return false;
    }
    if (length == HTTP1_CHUNKED
            ? !buf_add_text(out, "Transfer-Encoding: chunked\r\n", fault)
            : !buf_add_text(out, "Content-Length: ", fault) ||
                  !add_number(out, length, fault) || !buf_add_text(out, "\r\n", fault))
        return false;
    return buf_add_text(out, keep_alive ? "\r\n" : "Connection: close\r\n\r\n", fault);
}

bool http1_chunk(struct buf *out, struct slice bytes, struct fault *fault)
{
    uint8_t line[2 * sizeof(size_t) + 2];
    size_t at = sizeof(line) - 2;

    if (bytes.len == 0)
        return true;
    line[at] = '\r';
    line[at + 1] = '\n';
    for (size_t left = bytes.len; left > 0; left >>= 4)
        line[--at] = (uint8_t)"0123456789abcdef"[left & 15];
    return buf_add(out, slice_of_bytes(line + at, sizeof(line) - at), fault) &&
           buf_add(out, bytes, fault) && buf_add(out, SLICE("\r\n"), fault);
}

bool http1_chunk_end(struct buf *out, struct fault *fault)
{
    return buf_add_text(out, "0\r\n\r\n", fault);
}
