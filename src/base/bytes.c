#include "base/bytes.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/sixteen.h"

bool slice_equal(struct slice a, struct slice b)
{
    return a.len == b.len && (a.len == 0 || memcmp(a.at, b.at, a.len) == 0);
}

bool slice_starts_with(struct slice text, struct slice head)
{
    return text.len >= head.len &&
           (head.len == 0 ||
            (text.at[0] == head.at[0] && memcmp(text.at, head.at, head.len) == 0));
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

/* How rare a byte is in texts and programs: the larger the rarer. */
static inline unsigned rareness(uint8_t byte)
{
    static const uint8_t common[256] = {
        [' '] = 9,  ['e'] = 9,  ['t'] = 9, ['a'] = 8, ['o'] = 8, ['i'] = 8, ['n'] = 8,
        ['s'] = 8,  ['r'] = 8,  ['h'] = 6, ['l'] = 7, ['d'] = 7, ['u'] = 6, ['c'] = 7,
        ['m'] = 6,  ['f'] = 6,  ['p'] = 6, ['g'] = 5, ['y'] = 5, ['b'] = 5, ['w'] = 4,
        ['v'] = 4,  ['k'] = 3,  ['x'] = 3, ['q'] = 2, ['z'] = 2, ['j'] = 2, ['.'] = 5,
        [','] = 5,  ['_'] = 6,  ['-'] = 6, ['/'] = 5, ['*'] = 5, ['('] = 5, [')'] = 5,
        [';'] = 5,  ['='] = 5,  ['"'] = 5, ['>'] = 4, [':'] = 4, ['\n'] = 7, ['\t'] = 7,
        ['0'] = 6,  ['1'] = 5,  ['2'] = 5, ['3'] = 4,
    };

    return 255U - common[byte];
}

/* Its two rarest bytes, the one in front first. */
static void rarest(struct slice needle, size_t *ret_first, size_t *ret_second)
{
    size_t best = 0, other = 1;

    if (rareness(needle.at[1]) > rareness(needle.at[0]))
        best = 1, other = 0;
    for (size_t i = 2; i < needle.len; i++)
        if (rareness(needle.at[i]) > rareness(needle.at[best])) {
            other = best;
            best = i;
        } else if (rareness(needle.at[i]) > rareness(needle.at[other])) {
            other = i;
        }
    *ret_first = best < other ? best : other;
    *ret_second = best < other ? other : best;
}

/* Where a short needle may begin: two bytes of it are looked for at many places at once. `from` is moved
 * on, to where fewer bytes than that are left. */
static const uint8_t *find_short(struct slice text, struct slice needle, size_t *from)
{
    size_t at = *from, first, second;

    if (text.len - at < SIXTEEN + needle.len)
        return NULL;
    rarest(needle, &first, &second);
    for (; at + needle.len - 1 + SIXTEEN <= text.len; at += SIXTEEN) {
        uint64_t bits =
            sixteen_bits(sixteen_is(sixteen_load(text.at + at + first), needle.at[first]) &
                         sixteen_is(sixteen_load(text.at + at + second), needle.at[second]));

        for (; bits != 0; bits &= bits - 1) {
            const uint8_t *hit = text.at + at + (size_t)__builtin_ctzll(bits);

            if (memcmp(hit, needle.at, needle.len) == 0)
                return hit;
        }
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
    size_t from = 0;

    while (from < text.len && is_blank(text.at[from]))
        from++;
    while (text.len > from && is_blank(text.at[text.len - 1]))
        text.len--;
    return slice_part(text, from, text.len);
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
