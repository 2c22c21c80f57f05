/*
 * classify/stream.h - a text that comes in pieces: what is found in it is the same, however it
 * is cut.
 *
 * A value is told when ENGINE_AFTER bytes (16 KiB, the longest value there is) have come behind
 * it, or the end. Memory is bounded by STREAM_BYTES_MAX, whatever comes. No formats, no
 * encodings, no names: what the rules find in plain text.
 */
#ifndef CUSTODY_CLASSIFY_STREAM_H
#define CUSTODY_CLASSIFY_STREAM_H

#include "classify/classify.h"

#define STREAM_BYTES_MAX (128UL * 1024)
#define STREAM_STEP_MAX (64UL * 1024)

struct classify_stream;

/* Offsets are those of the whole text; sorted and apart, as classify_scan's are. */
struct classify_stream_sink {
    void (*found)(void *self, const struct finding *finding);
    void *self;
};

/* `step`: so many bytes are looked at at once (a small one is slow); up to STREAM_STEP_MAX. */
struct classify_stream *classify_stream_new(const struct classify_stream_sink *sink,
                                            size_t step);
/* FAULT_LIMIT: it would take too long to look through. */
MUST_USE bool classify_stream_add(struct classify_stream *stream, struct slice chunk,
                                  struct fault *fault);
MUST_USE bool classify_stream_end(struct classify_stream *stream, struct fault *fault);
void classify_stream_free(struct classify_stream *stream); /* overwrites; NULL is fine */

#endif
