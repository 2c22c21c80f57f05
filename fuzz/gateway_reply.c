/* What a provider answers: any bytes, cut anywhere. The same comes out however they are cut;
 * without stand-ins it is what came in. An event that is like one before it is not read again:
 * with spaces behind it, as many as none before it had, it is, and comes out the same. */
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

/* Spaces at the ends of data lines: other ones behind each, or none. */
static void add_spaced(struct slice text, bool spaced, struct buf *out)
{
    static const struct slice spaces = {(const uint8_t *)"    ", 4};
    struct slice line;
    struct fault fault = {0};
    size_t count = 0;

    while (slice_cut(&text, '\n', &line)) {
        bool is_data = slice_starts_with(line, SLICE("data:")) && text.at != NULL;

        while (is_data && line.len > 5 && line.at[line.len - 1] == ' ')
            line.len--;
        if (!buf_add(out, line, &fault) ||
            (is_data && spaced && !buf_add(out, slice_part(spaces, 0, count++ % 4), &fault)) ||
            (text.at != NULL && !buf_add_byte(out, '\n', &fault)))
            abort();
    }
}

static void check_alike(struct stand_ins *stand_ins, struct slice text)
{
    struct buf plain = buf_with_limit(1U << 24), spaced = buf_with_limit(1U << 24);
    struct buf got = buf_with_limit(1U << 24), other = buf_with_limit(1U << 24);
    struct buf trimmed = buf_with_limit(1U << 24);
    bool ok;

    add_spaced(text, false, &plain);
    add_spaced(text, true, &spaced);
    ok = pass(REPLY_STREAM, stand_ins, buf_slice(&plain), plain.len, &got);
    if (ok != pass(REPLY_STREAM, stand_ins, buf_slice(&spaced), spaced.len, &other))
        abort();
    add_spaced(buf_slice(&other), false, &trimmed);
    buf_clear(&other);
    add_spaced(buf_slice(&got), false, &other);
    if (ok && !slice_equal(buf_slice(&other), buf_slice(&trimmed)))
        abort();
    buf_free(&plain);
    buf_free(&spaced);
    buf_free(&got);
    buf_free(&other);
    buf_free(&trimmed);
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
        if (kind == REPLY_STREAM && slice_find_byte(text, '\r', 0) == SIZE_MAX)
            check_alike(stand_ins, text);
        stand_ins_free(stand_ins);
    }
    return 0;
}
