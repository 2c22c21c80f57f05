/*
 * What an agent prints on its way to a terminal: however it is cut the same is shown, what is
 * shown is shown the same again with nothing dropped, and a reader of its own finds no control
 * in it that is not on a short list. What of it reads as text has its places in order.
 */
#include "wire/terminal.h"

#include <stdlib.h>

#include "base/utf8.h"
#include "wire/terminal_text.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct buf show(enum terminal_use use, struct slice raw, size_t step, bool ended,
                       uint64_t *ret_dropped)
{
    struct buf out = buf_with_limit(TERMINAL_SHOWN_MAX(raw.len) + TERMINAL_SHOWN_MAX(0));
    struct terminal *terminal = terminal_new(use);
    struct fault fault = {0};

    for (size_t at = 0; at < raw.len; at += step) {
        struct slice piece = slice_part(raw, at, at + step);
        size_t before = out.len;

        if (!terminal_show(terminal, piece, &out, &fault) ||
            out.len - before > TERMINAL_SHOWN_MAX(piece.len))
            abort();
    }
    if (ended && !terminal_end(terminal, &out, &fault))
        abort();
    *ret_dropped = 0;
    for (size_t i = 0; i < TERMINAL_DROP_COUNT; i++)
        *ret_dropped += terminal_dropped(terminal)->count[i];
    terminal_free(terminal);
    return out;
}

/* Past one sequence that begins at `at`; 0: none that may be there. */
static size_t sequence_end(struct slice shown, size_t at)
{
    size_t end;

    if (at + 1 >= shown.len)
        return 0;
    if (shown.at[at + 1] == ']') {
        struct slice text = slice_part(shown, at + 2, shown.len);

        end = slice_find_byte(shown, '\a', at);
        if (end == SIZE_MAX || slice_find_byte(shown, 0x1b, at + 1) < end || text.len < 2 ||
            text.at[1] != ';' || memchr("0128", text.at[0], 4) == NULL)
            return 0;
        return end + 1;
    }
    if (shown.at[at + 1] != '[') {
        if (memchr("()", shown.at[at + 1], 2) != NULL)
            return at + 2 < shown.len && memchr("B0", shown.at[at + 2], 2) != NULL ? at + 3
                                                                                   : 0;
        return memchr("78DEHM=>", shown.at[at + 1], 8) != NULL ? at + 2 : 0;
    }
    for (end = at + 2; end < shown.len && shown.at[end] >= 0x20 && shown.at[end] < 0x40;)
        end++;
    if (end == shown.len ||
        strchr("mKJX@PLMbGABCDEFHfIZ`adesugqSTrhlpnc", shown.at[end]) == NULL)
        return 0;
    return end + 1;
}

static void check(struct slice shown)
{
    for (size_t at = 0; at < shown.len;) {
        uint32_t c = 0;
        size_t len = utf8_next(shown, at, &c);

        if (len == 0 || c == 0x7f || (c >= 0x80 && c <= 0x9f))
            abort();
        if (c == 0x1b)
            len = sequence_end(shown, at) - at;
        else if (c < 0x20 && strchr("\a\b\t\n\r\x0e\x0f", (int)c) == NULL)
            abort();
        if (len == 0 || len > shown.len - at)
            abort();
        at += len;
    }
    if (slice_find(shown, SLICE("\x1b]52"), 0) != SIZE_MAX)
        abort();
}

static void check_text(struct slice raw)
{
    struct terminal_text *text = NULL;
    struct fault fault = {0};
    struct slice bytes;
    size_t before = 0;

    if (!terminal_text_new(raw, &text, &fault))
        abort();
    bytes = terminal_text_bytes(text);
    for (size_t at = 0; at < bytes.len; at++) {
        size_t start, end;
        uint8_t byte = bytes.at[at];

        terminal_text_place(text, at, at + 1, &start, &end);
        if (start < before || end != start + 1 || end > raw.len)
            abort();
        if (byte != raw.at[start] && byte != ' ' &&
            byte != '\n') /* else: of a sequence that moves */
            abort();
        if (byte < 0x20 && strchr("\t\n\r", byte) == NULL)
            abort();
        before = end;
    }
    terminal_text_free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    enum terminal_use use = size > 0 && (data[0] & 1) != 0 ? TERMINAL_SCREEN : TERMINAL_LINES;
    size_t step = size > 0 ? data[0] / 2 % 16 + 1U : 1;
    struct slice raw = size > 0 ? slice_of_bytes(data + 1, size - 1) : SLICE("");
    uint64_t dropped, dropped_cut, dropped_again;
    struct buf whole = show(use, raw, raw.len + 1, true, &dropped);
    struct buf cut = show(use, raw, step, true, &dropped_cut);
    struct buf again = show(use, buf_slice(&whole), step, false, &dropped_again);

    if (!slice_equal(buf_slice(&whole), buf_slice(&cut)) || dropped != dropped_cut)
        abort();
    if (!slice_equal(buf_slice(&whole), buf_slice(&again)) || dropped_again != 0)
        abort();
    check(buf_slice(&whole));
    check_text(raw);
    buf_free(&whole);
    buf_free(&cut);
    buf_free(&again);
    return 0;
}
