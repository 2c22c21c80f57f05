#include "classify/nearby.h"

#include <stdlib.h>

#include "classify/ascii.h"

#define AROUND_BYTES 8
#define PLACES_MAX (1U << 20) /* what is beyond is decided by whole lines, or not at all */
#define SHOWN_MAX (1U << 22)  /* what is beyond counts as edited */

struct line {
    struct slice redacted;
    const uint8_t *original;
    bool ambiguous; /* another original looks the same */
};

/* A weak stand-in and what is around it. */
struct place {
    uint8_t before[AROUND_BYTES], after[AROUND_BYTES]; /* the nearest first */
    uint8_t before_len, after_len;
    struct slice text;
    const uint8_t *original;
    bool ambiguous;
};

struct nearby {
    struct line *lines; /* that hold weak stand-ins, by their text */
    size_t line_count, line_room;
    struct place *places;
    size_t place_count, place_room;
    uint64_t *shown; /* hashes of all lines */
    size_t shown_count, shown_room;
};

/* ---- order ---- */

static int by_line(const void *a, const void *b)
{
    const struct line *x = a, *y = b;

    return slice_compare(x->redacted, y->redacted);
}

static int compare_around(const uint8_t *a, size_t a_len, const uint8_t *b, size_t b_len)
{
    return slice_compare(slice_of_bytes(a, a_len), slice_of_bytes(b, b_len));
}

static int by_place(const void *a, const void *b)
{
    const struct place *x = a, *y = b;
    int order = slice_compare(x->text, y->text);

    if (order == 0)
        order = compare_around(x->before, x->before_len, y->before, y->before_len);
    return order != 0 ? order
                      : compare_around(x->after, x->after_len, y->after, y->after_len);
}

static int by_hash(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

    return (x > y) - (x < y);
}

/* ---- what is around ---- */

/* Blanks and quotes are what formatters and people change. */
static bool is_told(uint8_t byte)
{
    return byte > ' ' && byte != '"' && byte != '\'' && byte != '`' && byte != ',';
}

static struct place place_of(struct slice content, size_t from, size_t to, size_t at,
                             size_t len)
{
    struct place place = {.text = slice_part(content, at, at + len)};

    for (size_t i = at; i > from && place.before_len < AROUND_BYTES; i--)
        if (is_told(content.at[i - 1]))
            place.before[place.before_len++] = content.at[i - 1];
    for (size_t i = at + len; i < to && place.after_len < AROUND_BYTES; i++)
        if (is_told(content.at[i]))
            place.after[place.after_len++] = content.at[i];
    return place;
}

static struct slice without_blanks(struct slice line)
{
    while (line.len > 0 && (line.at[0] == ' ' || line.at[0] == '\t'))
        line = slice_part(line, 1, line.len);
    while (line.len > 0 && (line.at[line.len - 1] == ' ' || line.at[line.len - 1] == '\t'))
        line.len--;
    return line;
}

static uint64_t hash_of(struct slice line)
{
    uint64_t hash = UINT64_C(0xcbf29ce484222325);

    line = without_blanks(line);
    for (size_t i = 0; i < line.len; i++)
        hash = (hash ^ line.at[i]) * UINT64_C(0x100000001b3);
    return hash;
}

/* ---- a file that was shown ---- */

static void take_place(struct nearby *nearby, const struct surrogate_base *base, size_t from,
                       size_t to, size_t at, size_t len)
{
    if (nearby->place_count == PLACES_MAX || at + len > to)
        return;
    nearby->places = xgrow(nearby->places, &nearby->place_room, nearby->place_count + 1,
                           sizeof(*nearby->places));
    nearby->places[nearby->place_count] = place_of(base->redacted, from, to, at, len);
    nearby->places[nearby->place_count++].original = base->original.at + at;
}

static void take_line(struct nearby *nearby, const struct lookup *lookup,
                      const struct surrogate_base *base, size_t from, size_t to)
{
    struct slice line = slice_part(base->redacted, from, to);
    bool is_weak = false;

    if (nearby->shown_count < SHOWN_MAX) {
        nearby->shown = xgrow(nearby->shown, &nearby->shown_room, nearby->shown_count + 1,
                              sizeof(*nearby->shown));
        nearby->shown[nearby->shown_count++] = hash_of(line);
    }
    for (size_t at = from; at < to;) {
        const struct lookup_entry *entry =
            lookup_at(lookup, slice_part(base->redacted, at, base->redacted.len));

        if (entry == NULL || entry->is_half) {
            at++;
        } else if (entry->trust == SURROGATE_BY_TOKEN) {
            at += entry->surrogate.len;
        } else {
            is_weak = true;
            take_place(nearby, base, from, to, at, entry->surrogate.len);
            at++;
        }
    }
    if (!is_weak)
        return;
    nearby->lines = xgrow(nearby->lines, &nearby->line_room, nearby->line_count + 1,
                          sizeof(*nearby->lines));
    nearby->lines[nearby->line_count++] =
        (struct line){.redacted = line, .original = base->original.at + from};
}

/* Each once; those that are not of one original are ambiguous. */
static void merge_lines(struct nearby *nearby)
{
    size_t kept = 0;

    if (nearby->line_count == 0)
        return;
    qsort(nearby->lines, nearby->line_count, sizeof(*nearby->lines), by_line);
    for (size_t i = 1; i < nearby->line_count; i++) {
        struct line *last = &nearby->lines[kept], *line = &nearby->lines[i];

        if (by_line(last, line) != 0)
            nearby->lines[++kept] = *line;
        else if (memcmp(last->original, line->original, line->redacted.len) != 0)
            last->ambiguous = true;
    }
    nearby->line_count = kept + 1;
}

static void merge_places(struct nearby *nearby)
{
    size_t kept = 0;

    if (nearby->place_count == 0)
        return;
    qsort(nearby->places, nearby->place_count, sizeof(*nearby->places), by_place);
    for (size_t i = 1; i < nearby->place_count; i++) {
        struct place *last = &nearby->places[kept], *place = &nearby->places[i];

        if (by_place(last, place) != 0)
            nearby->places[++kept] = *place;
        else if (memcmp(last->original, place->original, place->text.len) != 0)
            last->ambiguous = true;
    }
    nearby->place_count = kept + 1;
}

struct nearby *nearby_new(const struct lookup *lookup, const struct surrogate_base *base)
{
    struct nearby *nearby = xalloc(sizeof(*nearby));
    struct slice text = base == NULL ? (struct slice){0} : base->redacted;

    for (size_t at = 0, end; at < text.len; at = end + 1) {
        for (end = at; end < text.len && text.at[end] != '\n' && text.at[end] != '\r'; end++)
            ;
        take_line(nearby, lookup, base, at, end);
    }
    merge_lines(nearby);
    merge_places(nearby);
    if (nearby->shown_count > 1)
        qsort(nearby->shown, nearby->shown_count, sizeof(*nearby->shown), by_hash);
    return nearby;
}

void nearby_free(struct nearby *nearby)
{
    if (nearby == NULL)
        return;
    free(nearby->lines);
    free(nearby->places);
    free(nearby->shown);
    free(nearby);
}

bool nearby_shown(const struct nearby *nearby, struct slice line)
{
    uint64_t hash = hash_of(line);

    return nearby->shown_count > 0 && bsearch(&hash, nearby->shown, nearby->shown_count,
                                              sizeof(hash), by_hash) != NULL;
}

const uint8_t *nearby_line(const struct nearby *nearby, struct slice line, bool *ret_ambiguous)
{
    const struct line key = {.redacted = line};
    const struct line *found =
        nearby->line_count == 0
            ? NULL
            : bsearch(&key, nearby->lines, nearby->line_count, sizeof(key), by_line);

    *ret_ambiguous = found != NULL && found->ambiguous;
    return found == NULL ? NULL : found->original;
}

const uint8_t *nearby_place(const struct nearby *nearby, struct slice content, size_t from,
                            size_t to, size_t at, size_t len)
{
    struct place key = place_of(content, from, to, at, len);
    const struct place *found =
        nearby->place_count == 0
            ? NULL
            : bsearch(&key, nearby->places, nearby->place_count, sizeof(key), by_place);

    return found == NULL || found->ambiguous ? NULL : found->original;
}
