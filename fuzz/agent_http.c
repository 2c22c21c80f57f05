/* A provider's answer: the first byte says where it is cut; cut or not, it must be the same
 * answer. */
#include <stdint.h>
#include <stdlib.h>

#include "agent/http.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool read_answer(struct slice text, size_t step, struct http_answer *ret_answer)
{
    struct fault fault = {0};

    http_answer_begin(ret_answer);
    for (size_t at = 0; at < text.len; at += step)
        if (!http_answer_feed(ret_answer, slice_part(text, at, at + step), &fault))
            return false;
    return ret_answer->done || http_answer_end(ret_answer, &fault);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct http_answer whole, cut;
    struct slice text;
    bool whole_ok, cut_ok;

    if (size < 2 || size > HTTP_HEAD_BYTES_MAX)
        return 0;
    text = slice_of_bytes(data + 1, size - 1);
    whole_ok = read_answer(text, text.len, &whole);
    cut_ok = read_answer(text, (size_t)data[0] + 1, &cut);
    if (whole_ok != cut_ok ||
        (whole_ok && (whole.status != cut.status || whole.streamed != cut.streamed ||
                      !slice_equal(buf_slice(&whole.body), buf_slice(&cut.body)))))
        abort();
    http_answer_free(&whole);
    http_answer_free(&cut);
    return 0;
}
