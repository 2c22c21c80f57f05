/*
 * gateway/translate/write.h - JSON written piece by piece. The first failure stays, and nothing
 * is written after it: callers ask once, at the end.
 */
#ifndef CUSTODY_GATEWAY_TRANSLATE_WRITE_H
#define CUSTODY_GATEWAY_TRANSLATE_WRITE_H

#include "base/bytes.h"
#include "base/fault.h"

struct writer {
    struct buf *out;
    struct fault *fault;
    bool failed;
};

/*
 * Writes `form`: ' stands for a quote, each @ for the next of the parts, which are written as
 * they are. Parts are JSON, or what stands between the quotes of a JSON string.
 */
void write_form(struct writer *writer, const char *form, const struct slice *parts);
#define WRITE(writer, form, ...)                                                              \
    write_form(writer, form, (const struct slice[]){__VA_ARGS__ __VA_OPT__(, ) SLICE("")})
/* The text as a JSON string, with its quotes. */
void write_string(struct writer *writer, struct slice text);
void write_number(struct writer *writer, int64_t number);
/* A comma unless it is the first; then it is not the first any more. */
void write_comma(struct writer *writer, bool *first);
/* What stands between the quotes of a JSON string, or "" where there is none. */
struct slice write_inner(struct slice raw_string);
/* Fails, unless it has failed already. */
void write_fault(struct writer *writer, enum fault_kind kind, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

#endif
