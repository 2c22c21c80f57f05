/* What a proxy's client sends: any bytes. What goes on goes where policy says, reads as one request, and was looked at. */
#include <stdlib.h>

#include "gateway/egress/asked.h"
#include "wire/url_path.h"

#define BODY_LIMIT 65536

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char *const methods[] = {"GET", "PUT"};
static const char *const paths[] = {"/a/**"};
static const struct egress_entry entries[] = {
    {.rule = "egress[0]",
     .host = "a.example",
     .port = 443,
     .inspected = true,
     .methods = {methods, 2},
     .paths = {{paths, 1}}},
    {.rule = "egress[1]", .host = "b.example", .port = 80},
};

static unsigned find_mark(void *self, struct slice text, const char *ret_rules[CLASS_COUNT])
{
    (void)self;
    if (slice_find(text, SLICE("MARK"), 0) == SIZE_MAX)
        return 0;
    ret_rules[CLASS_PHI] = "phi.mark";
    return CLASS_BIT(CLASS_PHI);
}

static const struct egress_config config = {
    .entries = entries, .entry_count = COUNT(entries), .scan = {find_mark, NULL}};

/* The same request again, in other words: one, to the same host, within the entry. */
static void check_written(const struct asked *asked, const struct http1_request *request)
{
    struct http1_request *again = http1_request_new(BODY_LIMIT);
    struct buf text = buf_with_limit(4 * HTTP1_HEAD_BYTES_MAX + BODY_LIMIT);
    struct slice body = http1_request_body(request);
    struct asked second;
    struct fault fault = {0};
    size_t used;

    if (!asked_write(asked, request, &text, &fault) || !buf_add(&text, body, &fault))
        abort();
    if (slice_find(slice_part(buf_slice(&text), 0, text.len - body.len), SLICE("MARK"), 0) !=
        SIZE_MAX)
        abort();
    if (!http1_request_feed(again, buf_slice(&text), &used, &fault) || used != text.len ||
        !http1_request_done(again) || !slice_equal(http1_request_body(again), body) ||
        http1_request_authority(again).len > 0)
        abort();
    if (asked->is_tls) {
        asked_head(&config, again, asked, &second);
        if (second.status != 0 || second.entry != asked->entry)
            abort();
    }
    http1_request_free(again);
    buf_free(&text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct http1_request *request = http1_request_new(BODY_LIMIT);
    struct asked tunnel = {.host = "a.example", .port = 443, .is_connect = true}, asked = {0};
    bool is_within = size % 2 == 0;
    struct fault fault = {0};
    size_t used;

    if (http1_request_feed(request, slice_of_bytes(data, size), &used, &fault) &&
        http1_request_head_done(request)) {
        asked_head(&config, request, is_within ? &tunnel : NULL, &asked);
        if (asked.status == 0 && asked.entry == NULL)
            abort();
        if (asked.status != 0 && (asked.reason == NULL || asked.message[0] == 0))
            abort();
        if (asked.status == 0 && !asked.is_connect && http1_request_done(request))
            asked_look(&config, request, &asked);
        if (asked.status == 0 && !asked.is_connect && http1_request_done(request))
            check_written(&asked, request);
    }
    http1_request_free(request);
    return 0;
}
