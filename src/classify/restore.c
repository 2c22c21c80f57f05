/* Putting back, by token where a stand-in cannot be there by chance, else by what is around
 * it. */
#include <stdlib.h>

#include "base/scope.h"
#include "classify/lookup.h"
#include "classify/nearby.h"

struct restoring {
    struct slice content;
    struct lookup *lookup;
    struct nearby *nearby;
    uint8_t *out;
    struct surrogate_outcome outcome;
    size_t unsure_at;
};

/* A line of the content. */
struct line {
    size_t from, to;
    bool was_weak, ambiguous, shown;
};

static uint64_t line_number(struct slice content, size_t at)
{
    uint64_t number = 1;

    for (size_t i = 0; i < at; i++)
        number += content.at[i] == '\n' ||
                  (content.at[i] == '\r' && !(i + 1 < content.len && content.at[i + 1] == '\n'));
    return number;
}

static void note_unsure(struct restoring *restoring, size_t at)
{
    if (restoring->outcome.unsure++ == 0)
        restoring->unsure_at = at;
}

static void note_restored(struct restoring *restoring, const struct lookup_entry *entry)
{
    restoring->outcome.restored++;
    restoring->outcome.classes |= CLASS_BIT(entry->class);
}

static bool is_certain(const struct lookup_entry *entry, struct slice content, size_t at)
{
    return entry->trust == SURROGATE_BY_TOKEN ||
           (entry->trust == SURROGATE_BY_WORD &&
            lookup_stands_alone(content, at, entry->surrogate.len));
}

/* One that is known by what is around it, or not at all; gives how far to go on. */
static size_t restore_weak(struct restoring *restoring, const struct lookup_entry *entry,
                           const struct line *line, size_t at)
{
    struct slice content = restoring->content;
    size_t len = entry->surrogate.len;
    const uint8_t *original = NULL;

    if (line->was_weak && !line->ambiguous) {
        note_restored(restoring, entry); /* the line is the original's already */
        return at + len > line->to ? line->to - at : len;
    }
    if (at + len <= line->to)
        original =
            nearby_place(restoring->nearby, content, line->from, line->to, at, len);
    if (original == NULL) {
        if (line->was_weak || at + len > line->to || lookup_stands_alone(content, at, len))
            note_unsure(restoring, at);
        return 1;
    }
    if (memcmp(original, entry->surrogate.at, len) == 0)
        return 1; /* no stand-in: it is like that in the file */
    memcpy(restoring->out + at, original, len);
    note_restored(restoring, entry);
    return len;
}

static size_t restore_at(struct restoring *restoring, const struct line *line, size_t at)
{
    struct slice content = restoring->content;
    const struct lookup_entry *entry =
        lookup_at(restoring->lookup, slice_part(content, at, content.len));

    if (entry == NULL)
        return 1;
    if (entry->is_half) {
        if (!line->shown)
            note_unsure(restoring, at);
        return line->shown ? 1 : entry->surrogate.len;
    }
    if (!is_certain(entry, content, at))
        return restore_weak(restoring, entry, line, at);
    memcpy(restoring->out + at, entry->original.at, entry->original.len);
    note_restored(restoring, entry);
    return entry->surrogate.len;
}

/* From `at` on to behind its line's end, or behind a stand-in that goes beyond; gives where
 * that is. */
static size_t restore_line(struct restoring *restoring, size_t at)
{
    struct slice content = restoring->content, text;
    struct line line = {.from = at, .to = at};
    const uint8_t *original;

    /* a stand-in of several lines has ended in this one */
    while (line.from > 0 && content.at[line.from - 1] != '\n' &&
           content.at[line.from - 1] != '\r')
        line.from--;
    while (line.to < content.len && content.at[line.to] != '\n' && content.at[line.to] != '\r')
        line.to++;
    text = slice_part(content, line.from, line.to);
    original = nearby_line(restoring->nearby, text, &line.ambiguous);
    line.was_weak = original != NULL;
    line.shown = nearby_shown(restoring->nearby, text);
    if (original != NULL && !line.ambiguous && text.len > 0)
        memcpy(restoring->out + line.from, original, text.len);
    while (at < line.to)
        at += restore_at(restoring, &line, at);
    return at < content.len && at == line.to ? at + 1 : at;
}

bool surrogate_restore(struct slice content, const struct surrogate_map *map,
                       const struct surrogate_base *base, struct buf *ret_restored_content,
                       struct surrogate_outcome *ret_outcome, struct fault *fault)
{
    struct restoring restoring = {.content = content};
    size_t begin = ret_restored_content->len;

    if (!buf_add(ret_restored_content, content, fault))
        return false;
    restoring.lookup = lookup_new(map, base != NULL);
    restoring.nearby = nearby_new(restoring.lookup, base);
    restoring.out = ret_restored_content->at + begin;
    for (size_t at = 0; at < content.len && lookup_count(restoring.lookup) > 0;)
        at = restore_line(&restoring, at);
    if (base != NULL && content.len > 0 && slice_equal(content, base->redacted)) { /* renamed, no more */
        memcpy(restoring.out, base->original.at, content.len);
        restoring.outcome.unsure = 0;
    }
    if (restoring.outcome.unsure > 0)
        restoring.outcome.line = line_number(content, restoring.unsure_at);
    lookup_free(restoring.lookup);
    nearby_free(restoring.nearby);
    *ret_outcome = restoring.outcome;
    return true;
}

void surrogate_find(struct slice content, const struct surrogate_map *map,
                    struct surrogate_outcome *ret_outcome)
{
    struct lookup *lookup = lookup_new(map, false);
    struct surrogate_outcome outcome = {0};

    for (size_t at = 0; at < content.len && lookup_count(lookup) > 0;) {
        const struct lookup_entry *entry =
            lookup_at(lookup, slice_part(content, at, content.len));
        bool found = entry != NULL && is_certain(entry, content, at);

        if (found && outcome.restored++ == 0)
            outcome.line = line_number(content, at);
        if (found)
            outcome.classes |= CLASS_BIT(entry->class);
        at += found ? entry->surrogate.len : 1;
    }
    lookup_free(lookup);
    *ret_outcome = outcome;
}
