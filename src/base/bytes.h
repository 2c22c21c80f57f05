/*
 * base/bytes.h - borrowed and owned bytes.
 *
 * A slice borrows; a buf owns and gets its limit at birth, so that no input decides how much
 * we allocate. Running out of memory below our own limits aborts.
 */
#ifndef CUSTODY_BASE_BYTES_H
#define CUSTODY_BASE_BYTES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "base/fault.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

struct slice {
    const uint8_t *at;
    size_t len;
};

struct buf {
    uint8_t *at;
    size_t len;
    size_t room;  /* bytes allocated */
    size_t limit; /* len never exceeds it */
};

static inline struct slice slice_of_bytes(const void *at, size_t len)
{
    return (struct slice){.at = at, .len = len};
}

static inline struct slice slice_of(const char *text)
{
    return slice_of_bytes(text, strlen(text));
}

/* A string literal, without its NUL. */
#define SLICE(literal) slice_of_bytes("" literal, sizeof(literal) - 1)

/* For printf's "%.*s". */
#define SLICE_ARGS(s) (int)(s).len, (const char *)(s).at

bool slice_equal(struct slice a, struct slice b);
bool slice_starts_with(struct slice text, struct slice head);
bool slice_ends_with(struct slice text, struct slice tail);
/* Bytewise order; a prefix sorts first. */
int slice_compare(struct slice a, struct slice b);
/* Bytes [from, to) of `text`; both are clamped to its length. */
struct slice slice_part(struct slice text, size_t from, size_t to);
/* Offset of the first `needle` at or after `from`, or SIZE_MAX. An empty needle is not found.
 */
size_t slice_find(struct slice text, struct slice needle, size_t from);
/* Offset of the first `byte` at or after `from`, or SIZE_MAX. */
size_t slice_find_byte(struct slice text, uint8_t byte, size_t from);
/*
 * Takes the part before the next `separator` off the front of `rest` (the whole of it where
 * there is none). False when `rest` is used up.
 */
bool slice_cut(struct slice *rest, uint8_t separator, struct slice *ret_part);
/* ASCII digits alone, at least one. */
bool slice_is_digits(struct slice text);
struct slice slice_trim(struct slice text); /* spaces, tabs, CR and LF off both ends */
/* Copies into a NUL-terminated string of its own; the caller frees. */
char *slice_dup(struct slice text);

static inline struct buf buf_with_limit(size_t limit)
{
    return (struct buf){.limit = limit};
}

static inline struct slice buf_slice(const struct buf *buf)
{
    return slice_of_bytes(buf->at, buf->len);
}

/* FAULT_LIMIT: the buffer would exceed its limit; it is as it was. */
MUST_USE static inline bool buf_add(struct buf *buf, struct slice more, struct fault *fault);
MUST_USE bool buf_add_text(struct buf *buf, const char *text, struct fault *fault);
MUST_USE static inline bool buf_add_byte(struct buf *buf, uint8_t byte, struct fault *fault);
MUST_USE bool buf_add_format(struct buf *buf, struct fault *fault, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* Makes room for `more` bytes after len, so that a reader can fill buf->at + buf->len. */
MUST_USE bool buf_reserve(struct buf *buf, size_t more, struct fault *fault);
/* buf_add where there is no room yet. */
MUST_USE bool buf_add_growing(struct buf *buf, struct slice more, struct fault *fault);

static inline bool buf_add(struct buf *buf, struct slice more, struct fault *fault)
{
    size_t most = buf->room < buf->limit ? buf->room : buf->limit;

    if (more.len == 0 || most < buf->len || more.len > most - buf->len)
        return buf_add_growing(buf, more, fault);
    memcpy(buf->at + buf->len, more.at, more.len);
    buf->len += more.len;
    return true;
}

static inline bool buf_add_byte(struct buf *buf, uint8_t byte, struct fault *fault)
{
    return buf_add(buf, slice_of_bytes(&byte, 1), fault);
}

/* Drops the first `count` bytes. */
void buf_drop_front(struct buf *buf, size_t count);
void buf_clear(struct buf *buf); /* len = 0, memory kept */
void buf_free(struct buf *buf);
/* Overwrites before it frees: for keys and other people's values. */
void buf_free_secret(struct buf *buf);
/* NUL-terminates in place (not counted in len) and returns the text; aborts never, limit + 1.
 */
const char *buf_text(struct buf *buf);

/* malloc and kin that abort on failure. */
void *xalloc(size_t size); /* zeroed */
void *xalloc_array(size_t count, size_t size);
/* Grows `array` (capacity *room elements of `size`) to hold at least `need`; doubles. */
void *xgrow(void *array, size_t *room, size_t need, size_t size);
char *xstrdup(const char *text);
char *xformat(const char *format, ...) __attribute__((format(printf, 1, 2)));

#endif
