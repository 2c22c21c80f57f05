/* What a provider answers: any bytes, cut anywhere. The same comes out however they are cut;
 * without stand-ins it is what came in. */
#include <stdlib.h>

#include "gateway/door/answer/reply.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static unsigned find_nothing(void *self, struct slice text, const char *ret_rules[CLASS_COUNT],
                             unsigned *ret_guesses)
{
    (void)self;
    (void)text;
    (void)ret_rules;
    *ret_guesses = 0;
    return 0;
}

static const struct door_scan scan = {.classes = find_nothing};

static struct stand_ins *make(bool filled)
{
    struct redacted_value values[] = {
        {.is_telling = true, .original = SLICE("a\"b\\c\n"), .stand_in = SLICE("111-22")},
        {.is_telling = true, .original = SLICE("\xC3\xA9\xC3\xA9"), .stand_in = SLICE("abcdefg")},
        {.is_telling = true, .original = SLICE("longer"), .stand_in = SLICE("abcdefghij")},
    };
    struct redaction redaction = {.values = values, .count = filled ? COUNT(values) : 0};
    struct stand_ins *stand_ins = stand_ins_new();

    stand_ins_take(stand_ins, &redaction);
    return stand_ins;
}

/* False: refused. */
static bool pass(enum reply_kind kind, struct stand_ins *stand_ins, struct slice text,
                 size_t step, struct buf *out)
{
    struct reply *reply = reply_new(kind, &scan, stand_ins_now(stand_ins), 0);
    struct fault fault = {0};
    bool ok = true;

    while (ok && text.len > 0) {
        ok = reply_feed(reply, slice_part(text, 0, step), out, &fault);
        text = slice_part(text, step, text.len);
    }
    ok = ok && reply_end(reply, out, &fault);
    reply_free(reply);
    return ok;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    enum reply_kind kind = size == 0 ? REPLY_OTHER : (enum reply_kind)(data[0] % 3);
    struct slice text = slice_of_bytes(data + (size > 0), size - (size > 0));

    for (int filled = 0; filled < 2; filled++) {
        struct stand_ins *stand_ins = make(filled != 0);
        struct buf whole = buf_with_limit(1U << 24), bytes = buf_with_limit(1U << 24);
        bool ok = pass(kind, stand_ins, text, text.len, &whole);

        if (ok != pass(kind, stand_ins, text, 1, &bytes) ||
            (ok && !slice_equal(buf_slice(&whole), buf_slice(&bytes))))
            abort();
        if (ok && !filled && !slice_starts_with(buf_slice(&whole), text))
            abort(); /* at the end of a stream, blank lines may be added */
        buf_free(&whole);
        buf_free(&bytes);
        stand_ins_free(stand_ins);
    }
    return 0;
}
