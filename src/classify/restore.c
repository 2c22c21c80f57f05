/* Putting back, by token where a stand-in cannot be there by chance, else by line. */
#include <stdlib.h>

#include "base/scope.h"
#include "classify/detect.h"
#include "classify/surrogate.h"

#define HEAD_MAX 16

/* ---- which stand-in begins here? ---- */

/* Pairs by the hash of their stand-in's first bytes, HEAD_MAX of them or all; the longest
 * first. */
struct heads {
    const struct surrogate_pair **sorted;
    uint32_t *first; /* of a hash: 1 + place in `sorted`; 0: none */
    uint32_t *next;
    size_t mask;
    uint32_t lengths; /* bit n: heads of n bytes there are */
};

static int longest_first(const void *a, const void *b)
{
    const struct surrogate_pair *x = *(const struct surrogate_pair *const *)a;
    const struct surrogate_pair *y = *(const struct surrogate_pair *const *)b;

    return (x->surrogate.len < y->surrogate.len) - (x->surrogate.len > y->surrogate.len);
}

static uint32_t hash_more(uint32_t hash, uint8_t byte)
{
    return (hash ^ byte) * UINT32_C(0x01000193);
}

static void heads_make(const struct surrogate_map *map, struct heads *heads)
{
    *heads = (struct heads){.mask = 1023};
    while (heads->mask < map->count * 2)
        heads->mask = heads->mask * 2 + 1;
    heads->sorted = xalloc_array(map->count + 1, sizeof(*heads->sorted));
    heads->first = xalloc_array(heads->mask + 1, sizeof(*heads->first));
    heads->next = xalloc_array(map->count + 1, sizeof(*heads->next));
    for (size_t i = 0; i < map->count; i++)
        heads->sorted[i] = &map->at[i];
    if (map->count > 1)
        qsort(heads->sorted, map->count, sizeof(*heads->sorted), longest_first);
    for (size_t i = map->count; i-- > 0;) {
        struct slice text = heads->sorted[i]->surrogate;
        size_t len = text.len < HEAD_MAX ? text.len : HEAD_MAX;
        uint32_t hash = 0;

        for (size_t j = 0; j < len; j++)
            hash = hash_more(hash, text.at[j]);
        heads->next[i + 1] = heads->first[hash & heads->mask];
        heads->first[hash & heads->mask] = (uint32_t)i + 1;
        heads->lengths |= UINT32_C(1) << len;
    }
}

static void heads_free(struct heads *heads)
{
    free(heads->sorted);
    free(heads->first);
    free(heads->next);
}

/* The longest stand-in that the text begins with, or NULL. */
static const struct surrogate_pair *pair_at(const struct heads *heads, struct slice text)
{
    const struct surrogate_pair *longest = NULL;
    uint32_t hash = 0;

    for (size_t len = 1; len <= HEAD_MAX && len <= text.len && heads->lengths >> len != 0;
         len++) {
        hash = hash_more(hash, text.at[len - 1]);
        if ((heads->lengths & UINT32_C(1) << len) == 0)
            continue;
        for (uint32_t i = heads->first[hash & heads->mask]; i != 0; i = heads->next[i]) {
            const struct surrogate_pair *pair = heads->sorted[i - 1];

            if ((longest == NULL || pair->surrogate.len > longest->surrogate.len) &&
                slice_starts_with(text, pair->surrogate))
                longest = pair;
        }
    }
    return longest;
}

/* ---- lines of the base that hold weak stand-ins ---- */

struct line {
    struct slice redacted, original;
    bool ambiguous; /* another original looks the same */
};

struct lines {
    struct line *at;
    size_t count, room;
};

static size_t line_end(struct slice text, size_t at)
{
    while (at < text.len && text.at[at] != '\n' && text.at[at] != '\r')
        at++;
    return at;
}

static int by_text(const void *a, const void *b)
{
    const struct line *x = a, *y = b;
    int order = slice_compare(x->redacted, y->redacted);

    return order != 0 ? order : slice_compare(x->original, y->original);
}

static bool holds_weak(const struct heads *heads, struct slice line)
{
    for (size_t at = 0; at < line.len; at++) {
        const struct surrogate_pair *pair = pair_at(heads, slice_part(line, at, line.len));

        if (pair == NULL)
            continue;
        if (surrogate_is_weak(pair->rule, pair->surrogate))
            return true;
        at += pair->surrogate.len - 1;
    }
    return false;
}

static void lines_make(const struct heads *heads, const struct surrogate_base *base,
                       struct lines *lines)
{
    struct slice redacted = base->redacted;
    size_t kept = 0;

    for (size_t at = 0, end; at < redacted.len; at = end + 1) {
        struct slice line;

        end = line_end(redacted, at);
        line = slice_part(redacted, at, end);
        if (!holds_weak(heads, line))
            continue;
        lines->at = xgrow(lines->at, &lines->room, lines->count + 1, sizeof(*lines->at));
        lines->at[lines->count++] =
            (struct line){.redacted = line, .original = slice_part(base->original, at, end)};
    }
    if (lines->count > 1)
        qsort(lines->at, lines->count, sizeof(*lines->at), by_text);
    for (size_t i = 1; i < lines->count; i++) {
        if (!slice_equal(lines->at[i].redacted, lines->at[kept].redacted))
            lines->at[++kept] = lines->at[i];
        else if (!slice_equal(lines->at[i].original, lines->at[kept].original))
            lines->at[kept].ambiguous = true;
    }
    lines->count = lines->count == 0 ? 0 : kept + 1;
}

/* The base's line that was shown so, or NULL. */
static const struct line *line_find(const struct lines *lines, struct slice text)
{
    size_t low = 0, high = lines->count;

    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int order = slice_compare(lines->at[middle].redacted, text);

        if (order == 0)
            return &lines->at[middle];
        low = order < 0 ? middle + 1 : low;
        high = order < 0 ? high : middle;
    }
    return NULL;
}

/* ---- the whole ---- */

struct restoring {
    struct slice content;
    struct heads heads;
    struct lines lines;
    uint8_t *out;
    size_t restored, unsure;
};

/* Not a part of a longer word: that one is by chance. */
static bool stands_alone(struct slice text, size_t at, size_t len)
{
    bool before = at > 0 && is_alnum(text.at[at - 1]) && is_alnum(text.at[at]);
    bool after =
        at + len < text.len && is_alnum(text.at[at + len]) && is_alnum(text.at[at + len - 1]);

    return !before && !after;
}

/* One that no line can tell: in a line that was not shown so, as a word or across the line's
 * end. */
static bool is_unsure(struct slice content, size_t at, size_t len, size_t line_end_at,
                      bool shown)
{
    return shown || at + len > line_end_at || stands_alone(content, at, len);
}

/* From `at` on to behind its line's end, or behind a stand-in that goes beyond; gives where
 * that is. */
static size_t restore_line(struct restoring *restoring, size_t at)
{
    struct slice content = restoring->content;
    size_t end = line_end(content, at), stop = end < content.len ? end + 1 : end;
    const struct line *line = line_find(&restoring->lines, slice_part(content, at, end));
    const struct line *known = line == NULL || line->ambiguous ? NULL : line;

    if (known != NULL)
        memcpy(restoring->out + at, known->original.at, known->original.len);
    while (at < stop) {
        const struct surrogate_pair *pair =
            pair_at(&restoring->heads, slice_part(content, at, content.len));
        size_t len = pair == NULL ? 1 : pair->surrogate.len;
        bool weak = pair != NULL && surrogate_is_weak(pair->rule, pair->surrogate);
        bool by_line = weak && known != NULL && at + len <= end;

        if (pair != NULL && !weak)
            memcpy(restoring->out + at, pair->original.at, len);
        restoring->restored += (pair != NULL && !weak) || by_line;
        restoring->unsure +=
            weak && !by_line && is_unsure(content, at, len, end, line != NULL);
        at += weak && !by_line ? 1 : len;
    }
    return at;
}

bool surrogate_restore(struct slice content, const struct surrogate_map *map,
                       const struct surrogate_base *base, struct buf *ret_restored_content,
                       size_t *ret_restored, size_t *ret_unsure, struct fault *fault)
{
    struct restoring restoring = {.content = content};
    size_t begin = ret_restored_content->len;

    if (!buf_add(ret_restored_content, content, fault))
        return false;
    heads_make(map, &restoring.heads);
    if (base != NULL)
        lines_make(&restoring.heads, base, &restoring.lines);
    restoring.out = ret_restored_content->at + begin;
    for (size_t at = 0; at < content.len;)
        at = restore_line(&restoring, at);
    heads_free(&restoring.heads);
    free(restoring.lines.at);
    *ret_restored = restoring.restored;
    *ret_unsure = restoring.unsure;
    return true;
}
