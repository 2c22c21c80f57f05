/* HTTP/1.1 requests: any bytes, cut anywhere, read the same. */
#include "wire/http1.h"

#include <stdlib.h>

#define BODY_LIMIT 4096

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct reading {
    struct http1_request *request;
    bool ok;
    size_t used;
};

static struct reading read_in_steps(struct slice text, size_t step)
{
    struct reading reading = {.request = http1_request_new(BODY_LIMIT), .ok = true};

    while (reading.ok && reading.used < text.len && !http1_request_done(reading.request)) {
        struct slice piece = slice_part(text, reading.used, reading.used + step);
        struct fault fault = {0};
        size_t used;

        reading.ok = http1_request_feed(reading.request, piece, &used, &fault);
        if (!reading.ok)
            break;
        if (used == 0 || (used < piece.len && !http1_request_done(reading.request)))
            abort(); /* bytes left over in the middle of a request */
        reading.used += used;
    }
    return reading;
}

static void check_same(const struct reading *whole, const struct reading *cut)
{
    const struct http1_request *a = whole->request, *b = cut->request;

    if (whole->ok != cut->ok)
        abort();
    if (!whole->ok) {
        if (http1_request_status(a) != http1_request_status(b))
            abort();
        return;
    }
    if (whole->used != cut->used || http1_request_done(a) != http1_request_done(b) ||
        http1_request_head_done(a) != http1_request_head_done(b) ||
        !slice_equal(http1_request_path(a), http1_request_path(b)) ||
        !slice_equal(http1_request_body(a), http1_request_body(b)) ||
        http1_request_header_count(a) != http1_request_header_count(b) ||
        http1_request_keep_alive(a) != http1_request_keep_alive(b))
        abort();
}

/* What was taken as a head can be answered with its own headers: none can end a line. */
static void check_headers(const struct http1_request *request)
{
    struct buf out = buf_with_limit(2 * HTTP1_HEAD_BYTES_MAX + 1024);
    struct fault fault = {0};

    for (size_t i = 0; i < http1_request_header_count(request); i++) {
        struct http1_header header = http1_request_header_at(request, i);

        if (!http1_response_head(&out, 200, &header, 1, 0, true, &fault))
            abort();
        if (slice_find(buf_slice(&out), SLICE("\r\n\r\n"), 0) != out.len - 4)
            abort();
        buf_clear(&out);
    }
    buf_free(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    size_t step = size > 0 ? data[0] % 16 + 1U : 1;
    struct slice text = size > 0 ? slice_of_bytes(data + 1, size - 1) : SLICE("");
    struct reading whole = read_in_steps(text, text.len + 1), cut = read_in_steps(text, step);

    check_same(&whole, &cut);
    if (whole.ok && http1_request_head_done(whole.request))
        check_headers(whole.request);
    http1_request_free(whole.request);
    http1_request_free(cut.request);
    return 0;
}
