/*
 * The text is looked at in stretches that overlap: candidates are judged when all that may
 * matter to them is there, and what is behind the last of them stays.
 */
#include "classify/stream.h"

#include <stdlib.h>

#include "classify/engine.h"

struct classify_stream {
    struct classify_stream_sink sink;
    struct engine engine;
    struct findings findings;
    struct buf text;
    size_t base;   /* of text in the whole */
    size_t step;   /* at least so many bytes are looked at at once */
    size_t looked; /* in the whole: candidates that end here or before are done */
};

struct classify_stream *classify_stream_new(const struct classify_stream_sink *sink,
                                            size_t step)
{
    struct classify_stream *stream = xalloc(sizeof(*stream));

    stream->sink = *sink;
    stream->text = buf_with_limit(STREAM_BYTES_MAX);
    stream->step = step;
    engine_begin(&stream->engine, rules_in_use(), &stream->findings);
    return stream;
}

void classify_stream_free(struct classify_stream *stream)
{
    if (stream == NULL)
        return;
    engine_end(&stream->engine);
    free(stream->findings.at);
    buf_free_secret(&stream->text);
    free(stream);
}

/* How many of the first findings nothing overlaps, nor can anything that is still to come. */
static size_t final_count(const struct classify_stream *stream, bool is_end)
{
    const struct findings *findings = &stream->findings;
    size_t open = stream->looked > ENGINE_BEFORE ? stream->looked - ENGINE_BEFORE : 0;
    size_t count = 0, reach = 0;

    if (is_end)
        return findings->count;
    for (size_t i = 0; i <= findings->count; i++) {
        if (reach < open && (i == findings->count || findings->at[i].start >= reach))
            count = i;
        if (i < findings->count && findings->at[i].end > reach)
            reach = findings->at[i].end;
    }
    return count;
}

static void tell(struct classify_stream *stream, bool is_end)
{
    struct findings *findings = &stream->findings;
    struct findings first = {0};
    size_t count;

    findings_sort(findings);
    count = final_count(stream, is_end);
    for (size_t i = 0; i < count; i++)
        findings_add(&first, findings->at[i]);
    findings_resolve(&first, SLICE(""));
    for (size_t i = 0; i < first.count; i++)
        stream->sink.found(stream->sink.self, &first.at[i]);
    free(first.at);
    findings->count -= count;
    if (findings->count > 0)
        memmove(findings->at, findings->at + count, findings->count * sizeof(*findings->at));
}

static bool look(struct classify_stream *stream, bool is_end, struct fault *fault)
{
    size_t end = stream->base + stream->text.len;
    size_t to = is_end ? end : end > ENGINE_AFTER ? end - ENGINE_AFTER : 0;
    size_t keep;
    struct stretch stretch = {.text = buf_slice(&stream->text),
                              .base = stream->base,
                              .from = stream->looked - stream->base,
                              .is_begin = stream->base == 0,
                              .is_end = is_end};

    if (!is_end && (to <= stream->looked || to - stream->looked < stream->step))
        return true;
    stretch.to = to - stream->base;
    engine_look(&stream->engine, &stretch);
    if (stream->engine.is_exhausted || stream->findings.too_many)
        return fault_set(fault, FAULT_LIMIT, "a text that takes too long to look through");
    stream->looked = to;
    if (stream->findings.count > 0)
        tell(stream, is_end);
    keep = to > ENGINE_BEFORE ? to - ENGINE_BEFORE : 0;
    if (keep > stream->base) {
        buf_drop_front(&stream->text, keep - stream->base);
        stream->base = keep;
    }
    return true;
}

bool classify_stream_add(struct classify_stream *stream, struct slice chunk,
                         struct fault *fault)
{
    engine_allow(&stream->engine, chunk.len);
    while (chunk.len > 0) {
        size_t room = STREAM_BYTES_MAX - stream->text.len;
        size_t take = chunk.len < room ? chunk.len : room;

        if (!buf_add(&stream->text, slice_part(chunk, 0, take), fault))
            return false;
        chunk = slice_part(chunk, take, chunk.len);
        if (!look(stream, false, fault))
            return false;
    }
    return true;
}

bool classify_stream_end(struct classify_stream *stream, struct fault *fault)
{
    return look(stream, true, fault);
}
