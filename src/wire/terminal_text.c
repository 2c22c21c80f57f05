#include "wire/terminal_text.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/scope.h"
#include "wire/terminal_parts.h"

/* Bytes that stand together in both. */
struct run {
    uint32_t text_at, raw_at;
};

struct terminal_text {
    struct buf bytes;
    struct run *runs;
    size_t run_count, room;
    size_t
        back; /* characters that the cursor has gone back, and that are not written over yet */
    struct fault fault;
};

static void add(struct terminal_text *text, struct slice bytes, size_t raw_at)
{
    const struct run *last = text->run_count > 0 ? &text->runs[text->run_count - 1] : NULL;

    if (text->fault.kind != FAULT_NONE)
        return;
    if (last == NULL || raw_at - last->raw_at != text->bytes.len - last->text_at) {
        if (text->run_count == TERMINAL_TEXT_RUNS_MAX) {
            (void)fault_set(&text->fault, FAULT_LIMIT, "text in more than %u pieces",
                            TERMINAL_TEXT_RUNS_MAX);
            return;
        }
        text->runs = xgrow(text->runs, &text->room, text->run_count + 1, sizeof(*text->runs));
        text->runs[text->run_count++] =
            (struct run){(uint32_t)text->bytes.len, (uint32_t)raw_at};
    }
    (void)!buf_add(&text->bytes, bytes, &text->fault);
}

/* Takes the last character of the line back. */
static void take_back(struct terminal_text *text)
{
    struct buf *bytes = &text->bytes;
    size_t len = bytes->len;

    for (int more = 0; more < 3 && len > 0 && bytes->at[len - 1] >> 6 == 2; more++)
        len--;
    if (len == 0 || bytes->at[len - 1] == '\n')
        return;
    bytes->len = len - 1;
    while (text->run_count > 0 && text->runs[text->run_count - 1].text_at >= bytes->len)
        text->run_count--;
}

static void read_text(void *self, struct slice bytes, size_t at)
{
    struct terminal_text *text = self;

    if (bytes.at[0] == '\b') {
        text->back++;
        return;
    }
    if (bytes.at[0] == '\n' || bytes.at[0] == '\r')
        text->back = 0; /* what was gone back over still shows */
    for (; text->back > 0; text->back--)
        take_back(text);
    add(text, bytes, at);
}

static void read_sequence(void *self, struct slice bytes, size_t at)
{
    bool is_csi = bytes.at[1] == '[';
    uint8_t final = bytes.at[bytes.len - 1];

    if (is_csi ? strchr("ABEFHJLMSTdefrsu", final) != NULL : strchr("78DEMc", final) != NULL)
        read_text(self, SLICE("\n"), at);
    else if (is_csi && strchr("CDGIZ`a", final) != NULL)
        read_text(self, SLICE(" "), at);
}

bool terminal_text_new(struct slice raw, struct terminal_text **ret_text, struct fault *fault)
{
    struct terminal_text *text = xalloc(sizeof(*text));
    struct terminal_reader reader = {read_text, read_sequence, text};

    assert(raw.len <= UINT32_MAX);
    *text = (struct terminal_text){.bytes = buf_with_limit(raw.len)};
    terminal_read(raw, &reader);
    if (text->fault.kind != FAULT_NONE) {
        *fault = text->fault;
        terminal_text_free(text);
        return false;
    }
    *ret_text = text;
    return true;
}

void terminal_text_free(struct terminal_text *text)
{
    if (text == NULL)
        return;
    buf_free_secret(&text->bytes);
    free(text->runs);
    free(text);
}

struct slice terminal_text_bytes(const struct terminal_text *text)
{
    return buf_slice(&text->bytes);
}

static size_t raw_of(const struct terminal_text *text, size_t at)
{
    size_t first = 0, end = text->run_count; /* the last run that begins at or before `at` */

    while (end - first > 1) {
        size_t middle = first + (end - first) / 2;

        if (text->runs[middle].text_at <= at)
            first = middle;
        else
            end = middle;
    }
    return text->runs[first].raw_at + (at - text->runs[first].text_at);
}

void terminal_text_place(const struct terminal_text *text, size_t start, size_t end,
                         size_t *ret_start, size_t *ret_end)
{
    assert(start < end && end <= text->bytes.len);
    *ret_start = raw_of(text, start);
    *ret_end = raw_of(text, end - 1) + 1;
}
