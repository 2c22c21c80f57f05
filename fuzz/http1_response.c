/* HTTP/1.1 responses: any bytes, cut anywhere, read the same. */
#include "wire/http1_response.h"

#include <stdlib.h>

#define BODY_LIMIT 4096

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct reading {
    struct http1_response *response;
    struct buf body;
    bool ok;
    size_t used;
};

static struct reading read_in_steps(struct slice text, size_t step, bool is_tunnel)
{
    struct reading reading = {.response = http1_response_new(BODY_LIMIT),
                              .body = buf_with_limit(BODY_LIMIT),
                              .ok = true};

    http1_response_reset(reading.response, is_tunnel);
    while (reading.ok && reading.used < text.len && !http1_response_done(reading.response)) {
        struct slice given = slice_part(text, reading.used, reading.used + step), piece;
        struct fault fault = {0};
        size_t used;

        reading.ok = http1_response_feed(reading.response, given, &used, &piece, &fault);
        if (!reading.ok)
            break;
        if (used == 0 || used > given.len || piece.len > used)
            abort();
        if (!buf_add(&reading.body, piece, &fault))
            abort(); /* more than its limit */
        reading.used += used;
    }
    return reading;
}

static void check_same(const struct reading *whole, const struct reading *cut)
{
    struct http1_response *a = whole->response, *b = cut->response;
    struct fault fault = {0};

    if (whole->ok != cut->ok)
        abort();
    if (!whole->ok)
        return;
    if (whole->used != cut->used || http1_response_done(a) != http1_response_done(b) ||
        http1_response_head_done(a) != http1_response_head_done(b) ||
        http1_response_status(a) != http1_response_status(b) ||
        http1_response_keep_alive(a) != http1_response_keep_alive(b) ||
        !slice_equal(buf_slice(&whole->body), buf_slice(&cut->body)) ||
        !slice_equal(http1_response_header(a, "content-type"),
                     http1_response_header(b, "content-type")) ||
        http1_response_end(a, &fault) != http1_response_end(b, &fault))
        abort();
    if (http1_response_head_done(a) &&
        (http1_response_status(a) < 200 || http1_response_status(a) > 599))
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    size_t step = size > 0 ? data[0] % 16 + 1U : 1;
    bool is_tunnel = size > 0 && data[0] >= 0xF0;
    struct slice text = size > 0 ? slice_of_bytes(data + 1, size - 1) : SLICE("");
    struct reading whole = read_in_steps(text, text.len + 1, is_tunnel);
    struct reading cut = read_in_steps(text, step, is_tunnel);

    check_same(&whole, &cut);
    http1_response_free(whole.response);
    http1_response_free(cut.response);
    buf_free(&whole.body);
    buf_free(&cut.body);
    return 0;
}
