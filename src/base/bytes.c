#include "base/bytes.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

bool slice_equal(struct slice a, struct slice b)
{
    return a.len == b.len && (a.len == 0 || memcmp(a.at, b.at, a.len) == 0);
}

bool slice_starts_with(struct slice text, struct slice head)
{
    return text.len >= head.len && slice_equal(slice_of_bytes(text.at, head.len), head);
}

bool slice_ends_with(struct slice text, struct slice tail)
{
    return text.len >= tail.len &&
           slice_equal(slice_part(text, text.len - tail.len, text.len), tail);
}

int slice_compare(struct slice a, struct slice b)
{
    size_t shared = a.len < b.len ? a.len : b.len;
    int order = shared == 0 ? 0 : memcmp(a.at, b.at, shared);

    if (order != 0)
        return order;
    return (a.len > b.len) - (a.len < b.len);
}

struct slice slice_part(struct slice text, size_t from, size_t to)
{
    if (to > text.len)
        to = text.len;
    if (from > to)
        from = to;
    return from == 0 ? slice_of_bytes(text.at, to) : slice_of_bytes(text.at + from, to - from);
}

#define LANES 16U

typedef uint8_t lanes __attribute__((vector_size(LANES)));

static inline lanes lanes_load(const uint8_t *at)
{
    lanes bytes;

    memcpy(&bytes, at, sizeof(bytes));
    return bytes;
}

/* Where a short needle may begin: its first and last bytes are looked for at many places at once. `from` is
 * moved on, to where fewer bytes than that are left. */
static const uint8_t *find_short(struct slice text, struct slice needle, size_t *from)
{
    size_t gap = needle.len - 1, at = *from;

    for (; at + gap + LANES <= text.len; at += LANES) {
        lanes both = (lanes)(lanes_load(text.at + at) == needle.at[0]) &
                     (lanes)(lanes_load(text.at + at + gap) == needle.at[gap]);
        uint64_t halves[LANES / sizeof(uint64_t)];

        memcpy(halves, &both, sizeof(halves));
        if ((halves[0] | halves[1]) == 0)
            continue;
        for (size_t i = 0; i < LANES; i++)
            if (both[i] != 0 && memcmp(text.at + at + i, needle.at, needle.len) == 0)
                return text.at + at + i;
    }
    *from = at;
    return NULL;
}

#define SHORT_MAX 16U /* how often the two are there and the rest is not stays bearable */

size_t slice_find(struct slice text, struct slice needle, size_t from)
{
    const uint8_t *hit;

    if (needle.len == 0 || from >= text.len)
        return SIZE_MAX;
    hit = needle.len > 1 && needle.len <= SHORT_MAX ? find_short(text, needle, &from) : NULL;
    if (hit == NULL)
        hit = memmem(text.at + from, text.len - from, needle.at, needle.len);
    return hit == NULL ? SIZE_MAX : (size_t)(hit - text.at);
}

size_t slice_find_byte(struct slice text, uint8_t byte, size_t from)
{
    const uint8_t *hit;

    if (from >= text.len)
        return SIZE_MAX;
    hit = memchr(text.at + from, byte, text.len - from);
    return hit == NULL ? SIZE_MAX : (size_t)(hit - text.at);
}

bool slice_cut(struct slice *rest, uint8_t separator, struct slice *ret_part)
{
    size_t end;

    if (rest->at == NULL)
        return false;
    end = slice_find_byte(*rest, separator, 0);
    if (end == SIZE_MAX) {
        *ret_part = *rest;
        *rest = (struct slice){0};
        return true;
    }
    *ret_part = slice_part(*rest, 0, end);
    *rest = slice_part(*rest, end + 1, rest->len);
    return true;
}

static bool is_blank(uint8_t byte)
{
    return byte == ' ' || byte == '\t' || byte == '\r' || byte == '\n';
}

bool slice_is_digits(struct slice text)
{
    for (size_t i = 0; i < text.len; i++)
        if (text.at[i] < '0' || text.at[i] > '9')
            return false;
    return text.len > 0;
}

struct slice slice_trim(struct slice text)
{
    while (text.len > 0 && is_blank(text.at[0]))
        text = slice_part(text, 1, text.len);
    while (text.len > 0 && is_blank(text.at[text.len - 1]))
        text.len--;
    return text;
}

char *slice_dup(struct slice text)
{
    char *copy = xalloc(text.len + 1);

    if (text.len > 0)
        memcpy(copy, text.at, text.len);
    return copy;
}

bool buf_reserve(struct buf *buf, size_t more, struct fault *fault)
{
    size_t need;
    size_t room = buf->room < 256 ? 256 : buf->room;

    if (more > buf->limit - buf->len)
        return fault_set(fault, FAULT_LIMIT, "more than %zu bytes", buf->limit);
    need = buf->len + more + 1; /* one for buf_text's NUL */
    if (need <= buf->room)
        return true;
    while (room < need)
        room += room / 2;
    buf->at = realloc(buf->at, room);
    if (buf->at == NULL)
        abort();
    buf->room = room;
    return true;
}

bool buf_add_growing(struct buf *buf, struct slice more, struct fault *fault)
{
    if (!buf_reserve(buf, more.len, fault))
        return false;
    if (more.len > 0)
        memcpy(buf->at + buf->len, more.at, more.len);
    buf->len += more.len;
    return true;
}

bool buf_add_text(struct buf *buf, const char *text, struct fault *fault)
{
    return buf_add(buf, slice_of(text), fault);
}

bool buf_add_format(struct buf *buf, struct fault *fault, const char *format, ...)
{
    va_list args;
    char *text = NULL;
    int len;
    bool ok;

    va_start(args, format);
    len = vasprintf(&text, format, args);
    va_end(args);
    if (len < 0)
        abort();
    ok = buf_add(buf, slice_of_bytes(text, (size_t)len), fault);
    free(text);
    return ok;
}

void buf_drop_front(struct buf *buf, size_t count)
{
    if (count > buf->len)
        count = buf->len;
    if (count == 0)
        return;
    memmove(buf->at, buf->at + count, buf->len - count);
    buf->len -= count;
}

void buf_clear(struct buf *buf)
{
    buf->len = 0;
}

void buf_free(struct buf *buf)
{
    free(buf->at);
    *buf = (struct buf){.limit = buf->limit};
}

void buf_free_secret(struct buf *buf)
{
    if (buf->at != NULL)
        explicit_bzero(buf->at, buf->room);
    buf_free(buf);
}

const char *buf_text(struct buf *buf)
{
    if (buf->at == NULL)
        return "";
    buf->at[buf->len] = 0; /* buf_reserve always leaves this byte */
    return (const char *)buf->at;
}

void *xalloc(size_t size)
{
    void *at = calloc(1, size == 0 ? 1 : size);

    if (at == NULL)
        abort();
    return at;
}

void *xalloc_array(size_t count, size_t size)
{
    void *at = calloc(count == 0 ? 1 : count, size);

    if (at == NULL)
        abort();
    return at;
}

void *xgrow(void *array, size_t *room, size_t need, size_t size)
{
    size_t wanted = *room < 8 ? 8 : *room;

    if (need <= *room)
        return array;
    while (wanted < need)
        wanted *= 2;
    array = reallocarray(array, wanted, size);
    if (array == NULL)
        abort();
    *room = wanted;
    return array;
}

char *xstrdup(const char *text)
{
    return slice_dup(slice_of(text));
}

char *xformat(const char *format, ...)
{
    va_list args;
    char *text = NULL;

    va_start(args, format);
    if (vasprintf(&text, format, args) < 0)
        abort();
    va_end(args);
    return text;
}
