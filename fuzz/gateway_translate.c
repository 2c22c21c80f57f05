/* What clients ask and providers answer, for the other's API: any bytes. The first byte says which
 * of them; what is taken becomes JSON, and a stream the same one however it is cut. */
#include <stdlib.h>

#include "gateway/translate/translate.h"
#include "wire/json.h"
#include "wire/sse.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define BYTES_MAX (1UL << 24)

static const enum operation operations[] = {OPERATION_CHAT, OPERATION_RESPONSE,
                                            OPERATION_MESSAGE};

/* The least that each can ask; of Responses with tools that are others at the provider. */
static const char *const least[] = {
    "{\"model\":\"x\",\"messages\":[],\"stream_options\":{\"include_usage\":true}}",
    "{\"model\":\"x\",\"input\":[],\"tools\":[{\"type\":\"custom\",\"name\":\"p\"},{\"type\":"
    "\"local_shell\"},{\"type\":\"namespace\",\"name\":\"n\",\"tools\":[{\"type\":\"function\","
    "\"name\":\"f\"}]}]}",
    "{\"model\":\"x\",\"max_tokens\":1,\"messages\":[]}",
};

static void is_json(struct slice text)
{
    struct fault fault = {0};

    if (!json_walk(text, NULL, &fault))
        abort();
}

static void try_request(enum operation asked, enum operation sent, struct slice body)
{
    struct buf out = buf_with_limit(BYTES_MAX);
    struct translation *translation = NULL;
    struct fault fault = {0};

    /* the door has walked it before */
    if (json_walk(body, NULL, &fault) &&
        translate_request(asked, sent, body, &out, &translation, &fault))
        is_json(buf_slice(&out));
    translation_free(translation);
    buf_free(&out);
}

/* False: refused. */
static bool pass(const struct translation *translation, bool is_stream, int status,
                 struct slice text, size_t step, struct buf *out)
{
    struct translator *translator = translator_new(translation, status, is_stream, 0);
    struct fault fault = {0};
    bool ok = true;

    while (ok && text.len > 0) {
        ok = translator_feed(translator, slice_part(text, 0, step), out, &fault);
        text = slice_part(text, step, text.len);
    }
    ok = ok && translator_end(translator, out, &fault);
    translator_free(translator);
    return ok;
}

static void check_stream(struct slice text)
{
    struct sse *sse = sse_new(BYTES_MAX);
    struct fault fault = {0};

    while (text.len > 0) {
        size_t used;
        bool is_event;

        if (!sse_feed(sse, text, &used, &is_event, &fault))
            abort();
        text = slice_part(text, used, text.len);
        if (is_event && sse_data(sse).len > 0 && !slice_equal(sse_data(sse), SLICE("[DONE]")))
            is_json(sse_data(sse));
    }
    sse_free(sse);
}

static void try_answer(enum operation asked, enum operation sent, const char *request,
                       struct slice text)
{
    struct buf body = buf_with_limit(BYTES_MAX), whole = buf_with_limit(BYTES_MAX),
               bytes = buf_with_limit(BYTES_MAX);
    struct translation *translation = NULL;
    struct fault fault = {0};

    if (!translate_request(asked, sent, slice_of(request), &body, &translation, &fault))
        abort();
    if (pass(translation, true, 200, text, text.len, &whole)) {
        if (!pass(translation, true, 200, text, 1, &bytes) ||
            !slice_equal(buf_slice(&whole), buf_slice(&bytes)))
            abort();
        check_stream(buf_slice(&whole));
    }
    for (int status = 200; status < 600; status += 300) {
        buf_clear(&whole);
        if (pass(translation, false, status, text, text.len, &whole))
            is_json(buf_slice(&whole));
    }
    translation_free(translation);
    buf_free(&body);
    buf_free(&whole);
    buf_free(&bytes);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    size_t which = size == 0 ? 0 : data[0], asked = which / 2 % 3;
    size_t sent = (asked + 1 + which / 6 % 2) % 3;
    struct slice text = slice_of_bytes(data + (size > 0), size - (size > 0));

    if (which % 2 == 0)
        try_request(operations[asked], operations[sent], text);
    else
        try_answer(operations[asked], operations[sent], least[asked], text);
    return 0;
}
