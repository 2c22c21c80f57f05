#include "wire/http1_response.h"

#include <stdlib.h>

#include "base/scope.h"
#include "wire/http1_parts.h"

#define INTERIMS_MAX 8

struct http1_response {
    bool head_done, is_tunnel, is_of_head, is_old; /* HTTP/1.0 */
    int status;
    unsigned interims;
    uint64_t body_limit;
    struct buf head;
    struct http1_fields fields;
    struct http1_body framing;
};

struct http1_response *http1_response_new(uint64_t body_limit)
{
    struct http1_response *response = xalloc(sizeof(*response));

    response->head = buf_with_limit(HTTP1_HEAD_BYTES_MAX);
    response->body_limit = body_limit;
    return response;
}

void http1_response_free(struct http1_response *response)
{
    if (response == NULL)
        return;
    buf_free(&response->head);
    http1_fields_free(&response->fields);
    free(response);
}

static void forget_head(struct http1_response *response)
{
    buf_clear(&response->head);
    response->fields.count = 0;
    response->status = 0;
    response->head_done = response->is_old = false;
}

void http1_response_reset(struct http1_response *response, bool is_tunnel)
{
    forget_head(response);
    response->interims = 0;
    response->is_tunnel = is_tunnel;
    response->is_of_head = false;
}

void http1_response_of_head(struct http1_response *response)
{
    response->is_of_head = true;
}

/* "HTTP/1.1 200 OK"; the reason may be empty, and some leave out the space before it, too. */
static bool take_status_line(struct http1_response *response, struct slice line,
                             struct fault *fault)
{
    struct slice digits = slice_part(line, 9, 12);

    response->is_old = slice_starts_with(line, SLICE("HTTP/1.0 "));
    if (!response->is_old && !slice_starts_with(line, SLICE("HTTP/1.1 ")))
        return fault_set(fault, FAULT_INVALID, "not an HTTP/1.1 response");
    if (digits.len != 3 || !slice_is_digits(digits) || (line.len > 12 && line.at[12] != ' ') ||
        !http1_is_value(line))
        return fault_set(fault, FAULT_INVALID, "a broken status line");
    response->status =
        (digits.at[0] - '0') * 100 + (digits.at[1] - '0') * 10 + (digits.at[2] - '0');
    if (response->status < 100 || response->status > 599)
        return fault_set(fault, FAULT_INVALID, "a status of %d", response->status);
    return true;
}

/* An interim response has no body, and says nothing that concerns the one to come. */
static bool pass_interim(struct http1_response *response, struct fault *fault)
{
    if (response->status == 101 || response->is_old || response->is_tunnel)
        return fault_set(fault, FAULT_INVALID, "an interim response that nobody asked for");
    if (http1_fields_count(&response->fields, "content-length") > 0 ||
        http1_fields_count(&response->fields, "transfer-encoding") > 0)
        return fault_set(fault, FAULT_INVALID, "an interim response with a body");
    if (++response->interims > INTERIMS_MAX)
        return fault_set(fault, FAULT_LIMIT, "too many interim responses");
    forget_head(response);
    return true;
}

static bool take_framing(struct http1_response *response, struct fault *fault)
{
    enum http1_body_state otherwise = HTTP1_BODY_TO_CLOSE;

    if (response->is_old && http1_fields_count(&response->fields, "transfer-encoding") > 0)
        return fault_set(fault, FAULT_INVALID, "chunks in an HTTP/1.0 response");
    if (!http1_body_begin(&response->framing, &response->fields, response->body_limit,
                          otherwise, fault))
        return false;
    if (response->status == 204 || response->status == 304 || response->is_of_head ||
        (response->is_tunnel && response->status < 300))
        response->framing.state = HTTP1_BODY_DONE;
    return true;
}

static bool take_head(struct http1_response *response, struct fault *fault)
{
    struct slice rest = buf_slice(&response->head), line;

    if (!http1_head_line(&rest, &line) || !take_status_line(response, line, fault))
        return false;
    while (http1_head_line(&rest, &line) && line.len > 0)
        if (!http1_fields_take(&response->fields, line, fault))
            return false;
    if (response->status < 200)
        return pass_interim(response, fault);
    if (!take_framing(response, fault))
        return false;
    response->head_done = true;
    return true;
}

bool http1_response_feed(struct http1_response *response, struct slice bytes, size_t *ret_used,
                         struct slice *ret_piece, struct fault *fault)
{
    size_t used = 0;
    bool whole = false;

    *ret_piece = SLICE("");
    while (!response->head_done && used < bytes.len) {
        if (!http1_head_feed(&response->head, bytes, &used, &whole, fault) ||
            (whole && !take_head(response, fault)))
            return false;
        if (response->head_done) { /* whoever reads this sees the head first */
            *ret_used = used;
            return true;
        }
    }
    if (!http1_body_take(&response->framing, bytes, &used, ret_piece, fault))
        return false;
    *ret_used = used;
    return true;
}

bool http1_response_end(struct http1_response *response, struct fault *fault)
{
    if (!http1_response_head_done(response) ||
        (response->framing.state != HTTP1_BODY_TO_CLOSE &&
         response->framing.state != HTTP1_BODY_DONE))
        return fault_set(fault, FAULT_IO, "the connection ended in the middle of a response");
    response->framing.state = HTTP1_BODY_DONE;
    return true;
}

bool http1_response_begun(const struct http1_response *response)
{
    return response->head.len > 0 || response->interims > 0;
}

bool http1_response_head_done(const struct http1_response *response)
{
    return response->head_done;
}

bool http1_response_done(const struct http1_response *response)
{
    return response->head_done && response->framing.state == HTTP1_BODY_DONE;
}

int http1_response_status(const struct http1_response *response)
{
    return response->status;
}

struct slice http1_response_header(const struct http1_response *response, const char *name)
{
    return http1_fields_find(&response->fields, name);
}

size_t http1_response_header_count(const struct http1_response *response)
{
    return response->fields.count;
}

struct http1_header http1_response_header_at(const struct http1_response *response,
                                             size_t index)
{
    return response->fields.at[index];
}

bool http1_response_keep_alive(const struct http1_response *response)
{
    return !response->is_old && !response->is_tunnel && http1_response_done(response) &&
           !http1_fields_have(&response->fields, "connection", "close");
}
