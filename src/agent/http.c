#include "agent/http.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <strings.h>
#include <sys/socket.h>

#include "base/hex.h"
#include "base/scope.h"
#include "wire/url.h"

#define CHUNK_SIZE_DIGITS_MAX 8

void http_answer_begin(struct http_answer *answer)
{
    *answer = (struct http_answer){.raw = buf_with_limit(HTTP_HEAD_BYTES_MAX + 16384),
                                   .body = buf_with_limit(HTTP_BODY_BYTES_MAX)};
}

void http_answer_free(struct http_answer *answer)
{
    buf_free(&answer->raw);
    buf_free(&answer->body);
}

static bool name_is(struct slice name, const char *wanted)
{
    return name.len == strlen(wanted) &&
           strncasecmp((const char *)name.at, wanted, name.len) == 0;
}

static bool parse_length(struct slice text, uint64_t *ret_length, struct fault *fault)
{
    uint64_t length = 0;

    if (text.len == 0 || text.len > 10)
        return fault_set(fault, FAULT_INVALID, "the answer's length is no number");
    for (size_t i = 0; i < text.len; i++) {
        if (text.at[i] < '0' || text.at[i] > '9')
            return fault_set(fault, FAULT_INVALID, "the answer's length is no number");
        length = length * 10 + (uint64_t)(text.at[i] - '0');
    }
    *ret_length = length;
    return true;
}

struct head {
    bool length_given, chunked;
};

static bool read_header(struct http_answer *answer, struct slice line, struct head *head,
                        struct fault *fault)
{
    size_t colon = slice_find_byte(line, ':', 0);
    struct slice name = slice_part(line, 0, colon);
    struct slice value =
        slice_trim(slice_part(line, colon == SIZE_MAX ? line.len : colon + 1, line.len));

    if (colon == SIZE_MAX || colon == 0 || line.at[0] == ' ' || line.at[0] == '\t')
        return fault_set(fault, FAULT_INVALID, "a header that is none");
    if (name_is(name, "content-length")) {
        if (head->length_given)
            return fault_set(fault, FAULT_INVALID, "two lengths");
        head->length_given = true;
        return parse_length(value, &answer->left, fault);
    }
    if (name_is(name, "transfer-encoding")) {
        if (!name_is(value, "chunked"))
            return fault_set(fault, FAULT_INVALID, "a transfer coding that is not chunked");
        head->chunked = true;
    }
    if (name_is(name, "content-encoding") && !name_is(value, "identity"))
        return fault_set(fault, FAULT_INVALID, "the answer is compressed");
    if (name_is(name, "content-type"))
        answer->streamed = slice_starts_with(value, SLICE("text/event-stream"));
    return true;
}

static bool read_status(struct slice line, int *ret_status, struct fault *fault)
{
    if (line.len < 12 || !slice_starts_with(line, SLICE("HTTP/1.")) || line.at[8] != ' ')
        return fault_set(fault, FAULT_INVALID, "not an HTTP/1 answer");
    for (size_t i = 9; i < 12; i++)
        if (line.at[i] < '0' || line.at[i] > '9')
            return fault_set(fault, FAULT_INVALID, "not an HTTP status");
    *ret_status = (line.at[9] - '0') * 100 + (line.at[10] - '0') * 10 + (line.at[11] - '0');
    return *ret_status >= 100 ? true : fault_set(fault, FAULT_INVALID, "not an HTTP status");
}

static bool read_head(struct http_answer *answer, struct slice text, struct fault *fault)
{
    struct head head = {0};
    struct slice line;
    int status = 0;

    if (!slice_cut(&text, '\n', &line) || !read_status(slice_trim(line), &status, fault))
        return false;
    answer->left = 0;
    answer->streamed = false;
    while (slice_cut(&text, '\n', &line)) {
        if (slice_trim(line).len > 0 && !read_header(answer, line, &head, fault))
            return false;
    }
    if (status < 200)
        return status == 101 ? fault_set(fault, FAULT_INVALID, "the answer changes protocols")
                             : true;
    if (head.length_given && head.chunked)
        return fault_set(fault, FAULT_INVALID, "a length and chunks at once");
    if (answer->left > HTTP_BODY_BYTES_MAX)
        return fault_set(fault, FAULT_LIMIT, "the answer is longer than %d bytes",
                         HTTP_BODY_BYTES_MAX);
    answer->status = status;
    answer->kind = head.chunked        ? HTTP_BODY_CHUNKED
                   : head.length_given ? HTTP_BODY_LENGTH
                                       : HTTP_BODY_TO_END;
    answer->done = head.length_given && answer->left == 0;
    return true;
}

static bool take_body(struct http_answer *answer, size_t len, struct fault *fault)
{
    struct slice part = slice_part(buf_slice(&answer->raw), 0, len);

    answer->taken += part.len;
    if (answer->taken > HTTP_BODY_BYTES_MAX)
        return fault_set(fault, FAULT_LIMIT, "the answer is longer than %d bytes",
                         HTTP_BODY_BYTES_MAX);
    if (!buf_add(&answer->body, part, fault))
        return false;
    buf_drop_front(&answer->raw, part.len);
    return true;
}

static bool read_chunk_size(struct slice line, uint64_t *ret_size, struct fault *fault)
{
    uint64_t size = 0;

    if (line.len == 0 || line.len > CHUNK_SIZE_DIGITS_MAX)
        return fault_set(fault, FAULT_INVALID, "a chunk's size that is none");
    for (size_t i = 0; i < line.len; i++) {
        int digit = hex_digit(line.at[i]);

        if (digit < 0)
            return fault_set(fault, FAULT_INVALID, "a chunk's size that is none");
        size = size << 4 | (uint64_t)digit;
    }
    *ret_size = size;
    return true;
}

/* All heads (1xx ones, too) and trailers together are limited: none of them is endless. */
static bool count_head(struct http_answer *answer, size_t len, struct fault *fault)
{
    answer->heads += len;
    return answer->heads <= HTTP_HEAD_BYTES_MAX ||
           fault_set(fault, FAULT_LIMIT, "the answer's head is too long");
}

/* One line off the raw bytes, without CR LF; false: it is not there yet. */
static bool take_line(struct http_answer *answer, char ret_line[80], bool *ret_wrong)
{
    size_t end = slice_find_byte(buf_slice(&answer->raw), '\n', 0);
    struct slice line;

    *ret_wrong = end == SIZE_MAX ? answer->raw.len > 256 : end > 256;
    if (end == SIZE_MAX || *ret_wrong)
        return false;
    line = slice_trim(slice_part(buf_slice(&answer->raw), 0, end));
    (void)snprintf(ret_line, 80, "%.*s", SLICE_ARGS(line));
    buf_drop_front(&answer->raw, end + 1);
    return true;
}

/* One step of reading chunks; *ret_more: there may be another. */
static bool chunk_step(struct http_answer *answer, bool *ret_more, struct fault *fault)
{
    size_t before = answer->raw.len;
    char line[80];
    bool wrong = false;

    *ret_more = false;
    if (answer->chunk == HTTP_CHUNK_DATA) {
        size_t len = answer->left < answer->raw.len ? (size_t)answer->left : answer->raw.len;

        if (!take_body(answer, len, fault))
            return false;
        answer->left -= len;
        if (answer->left > 0)
            return true;
        answer->chunk = HTTP_CHUNK_END;
        *ret_more = true;
        return true;
    }
    if (!take_line(answer, line, &wrong))
        return wrong ? fault_set(fault, FAULT_INVALID, "a chunk's line is too long") : true;
    *ret_more = true;
    if (answer->chunk == HTTP_CHUNK_SIZE) {
        if (!read_chunk_size(slice_of(line), &answer->left, fault))
            return false;
        answer->chunk = answer->left == 0 ? HTTP_CHUNK_TRAILER : HTTP_CHUNK_DATA;
    } else if (answer->chunk == HTTP_CHUNK_END) {
        if (line[0] != 0)
            return fault_set(fault, FAULT_INVALID, "a chunk is longer than it says");
        answer->chunk = HTTP_CHUNK_SIZE;
    } else if (line[0] != 0) {
        return count_head(answer, before - answer->raw.len, fault);
    } else {
        answer->done = true;
        *ret_more = false;
    }
    return true;
}

bool http_answer_feed(struct http_answer *answer, struct slice bytes, struct fault *fault)
{
    bool more = true;

    if (answer->done)
        return bytes.len == 0 ? true
                              : fault_set(fault, FAULT_INVALID, "bytes behind the answer");
    if (!buf_add(&answer->raw, bytes, fault))
        return false;
    while (answer->status == 0) {
        size_t end = slice_find(buf_slice(&answer->raw), SLICE("\r\n\r\n"), 0);

        if (end == SIZE_MAX && answer->raw.len > HTTP_HEAD_BYTES_MAX)
            return fault_set(fault, FAULT_LIMIT, "the answer's head is too long");
        if (end == SIZE_MAX)
            return true;
        if (!count_head(answer, end + 4, fault) ||
            !read_head(answer, slice_part(buf_slice(&answer->raw), 0, end + 2), fault))
            return false;
        buf_drop_front(&answer->raw, end + 4);
    }
    if (answer->kind == HTTP_BODY_TO_END)
        return take_body(answer, answer->raw.len, fault);
    if (answer->kind == HTTP_BODY_LENGTH) {
        size_t len = answer->left < answer->raw.len ? (size_t)answer->left : answer->raw.len;

        if (!take_body(answer, len, fault))
            return false;
        answer->left -= len;
        answer->done = answer->left == 0;
    }
    while (answer->kind == HTTP_BODY_CHUNKED && !answer->done && more)
        if (!chunk_step(answer, &more, fault))
            return false;
    return !answer->done || answer->raw.len == 0
               ? true
               : fault_set(fault, FAULT_INVALID, "bytes behind the answer");
}

bool http_answer_end(struct http_answer *answer, struct fault *fault)
{
    if (answer->status != 0 && answer->kind == HTTP_BODY_TO_END)
        answer->done = true;
    return answer->done
               ? true
               : fault_set(fault, FAULT_IO, "the connection ended in the middle of an answer");
}

static bool dial(const struct url *url, int *ret_fd, struct fault *fault)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(url->port)};
    AUTO_FREE char *host = slice_dup(url->host);
    AUTO_CLOSE int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    if (strcmp(host, "localhost") == 0)
        address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    else if (inet_pton(AF_INET, host, &address.sin_addr) != 1)
        return fault_set(fault, FAULT_INVALID, "not an IPv4 loopback address: %.60s", host);
    if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0)
        return fault_errno(fault, "connect to %.60s:%u", host, (unsigned)url->port);
    *ret_fd = take_fd(&fd);
    return true;
}

static bool put_request(const struct http_call *call, const struct url *url, struct buf *out,
                        struct fault *fault)
{
    struct slice path = url->path;

    if (path.len > 0 && path.at[path.len - 1] == '/')
        path.len--;
    if (call->key != NULL && strpbrk(call->key, "\r\n") != NULL)
        return fault_set(fault, FAULT_INVALID, "the key holds a line end");
    if (!buf_add_format(
            out, fault,
            "POST %.*s%s HTTP/1.1\r\nHost: %.*s:%u\r\nContent-Type: application/json\r\n"
            "Accept: text/event-stream\r\nUser-Agent: custody-agent/" CUSTODY_VERSION
            "\r\nContent-Length: %zu\r\nConnection: close\r\n",
            SLICE_ARGS(path), call->path, SLICE_ARGS(url->host), (unsigned)url->port,
            call->body.len))
        return false;
    if (call->key != NULL &&
        !buf_add_format(out, fault, "Authorization: Bearer %s\r\n", call->key))
        return false;
    return buf_add_text(out, "\r\n", fault) && buf_add(out, call->body, fault);
}

static bool wait_for(const struct http_call *call, int fd, short events, int64_t deadline_us,
                     struct fault *fault)
{
    struct pollfd ready = {.fd = fd, .events = events};

    for (;;) {
        int64_t left_us = deadline_us - clock_monotonic_us(call->clock);
        int count = left_us <= 0 ? 0 : poll(&ready, 1, (int)(left_us / 1000) + 1);

        if (count > 0)
            return true;
        if (count == 0)
            return fault_set(fault, FAULT_LIMIT, "no answer within %d ms", call->timeout_ms);
        if (errno != EINTR)
            return fault_errno(fault, "wait for the model");
    }
}

static bool send_all(const struct http_call *call, int fd, struct slice bytes,
                     int64_t deadline_us, struct fault *fault)
{
    while (bytes.len > 0) {
        ssize_t sent;

        if (!wait_for(call, fd, POLLOUT, deadline_us, fault))
            return false;
        sent = send(fd, bytes.at, bytes.len, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (sent < 0 && (errno == EPIPE || errno == ECONNRESET))
            return true; /* a refusal may have been sent all the same */
        if (sent < 0 && errno != EAGAIN && errno != EINTR)
            return fault_errno(fault, "ask the model");
        if (sent > 0)
            bytes = slice_part(bytes, (size_t)sent, bytes.len);
    }
    return true;
}

static bool receive_all(const struct http_call *call, int fd, struct http_answer *answer,
                        int64_t deadline_us, struct fault *fault)
{
    while (!answer->done) {
        uint8_t chunk[8192];
        ssize_t got;

        if (!wait_for(call, fd, POLLIN, deadline_us, fault))
            return false;
        got = recv(fd, chunk, sizeof(chunk), MSG_DONTWAIT);
        if (got < 0 && (errno == EAGAIN || errno == EINTR))
            continue;
        if (got < 0)
            return fault_errno(fault, "read the model's answer");
        if (got == 0 ? !http_answer_end(answer, fault)
                     : !http_answer_feed(answer, slice_of_bytes(chunk, (size_t)got), fault))
            return false;
        if (answer->status != 0 && !call->more(call->self, answer, fault))
            return false;
    }
    return true;
}

bool http_post(const struct http_call *call, struct fault *fault)
{
    int64_t deadline_us = clock_monotonic_us(call->clock) + (int64_t)call->timeout_ms * 1000;
    AUTO_BUF struct buf request = buf_with_limit(call->body.len + HTTP_HEAD_BYTES_MAX);
    AUTO_CLOSE int fd = -1;
    struct http_answer answer;
    struct url url;
    bool ok;

    if (!url_parse(slice_of(call->base_url), &url, fault))
        return fault_in(fault, "base URL");
    if (url.tls || !url_host_is_loopback(url.host))
        return fault_set(fault, FAULT_INVALID, "the base URL must be http:// on loopback");
    if (!put_request(call, &url, &request, fault) || !dial(&url, &fd, fault) ||
        !send_all(call, fd, buf_slice(&request), deadline_us, fault))
        return false;
    http_answer_begin(&answer);
    ok = receive_all(call, fd, &answer, deadline_us, fault);
    http_answer_free(&answer);
    return ok;
}
