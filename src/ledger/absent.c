#include "ledger/absent.h"

#include "base/scope.h"

#define DAY_US (INT64_C(86400) * 1000000)
#define SAID_MAX 16384 /* more is a flood; what is absent beyond it stays unexplained */

struct said {
    char *origin; /* whose records it is about */
    struct absent_range range;
};

struct absent_says {
    struct said *at;
    size_t count, room;
};

struct absent {
    char *origin;
    struct absent_range *missing; /* in order, none next to the other */
    size_t missing_count, missing_room;
    struct absent_says *says;
};

struct absent_says *absent_says_new(void)
{
    return xalloc(sizeof(struct absent_says));
}

void absent_says_free(struct absent_says *says)
{
    if (says == NULL)
        return;
    for (size_t i = 0; i < says->count; i++)
        free(says->at[i].origin);
    free(says->at);
    free(says);
}

struct absent *absent_new(const char *origin, struct absent_says *says)
{
    struct absent *absent = xalloc(sizeof(*absent));

    absent->origin = xstrdup(origin);
    absent->says = says;
    return absent;
}

void absent_free(struct absent *absent)
{
    if (absent == NULL)
        return;
    free(absent->origin);
    free(absent->missing);
    free(absent);
}

uint64_t absent_types(void)
{
    return UINT64_C(1) << RECORD_ARCHIVE_MOVED | UINT64_C(1) << RECORD_ARCHIVE_EXPIRED;
}

static bool is_word(const struct record *record, enum record_field field, struct slice word)
{
    return record->field[field].set && slice_equal(record->field[field].text, word);
}

/* What was announced and not done explains nothing. Where records were moved, they may be
 * there. */
static void call_off(struct absent_says *says, const char *origin,
                     const struct absent_range *range)
{
    for (size_t i = says->count; i > 0; i--) {
        struct said *said = &says->at[i - 1];

        if (said->range.kind != range->kind || said->range.first != range->first ||
            said->range.end != range->end || strcmp(said->origin, origin) != 0)
            continue;
        free(said->origin);
        *said = says->at[--says->count];
        return;
    }
}

static void say(struct absent_says *says, const char *origin, const struct absent_range *range)
{
    if (says->count == SAID_MAX)
        return;
    says->at = xgrow(says->at, &says->room, says->count + 1, sizeof(says->at[0]));
    says->at[says->count++] = (struct said){.origin = xstrdup(origin), .range = *range};
}

/*
 * `intended` counts: it is durable before anything goes, and a run that was cut off says no
 * more. Nothing is about records of its own ledger that stand behind it.
 */
void absent_see(void *self, uint64_t index, const struct record *record, int64_t t_us)
{
    struct absent *absent = self;
    int64_t first = record->field[RECORD_FIRST].number;
    int64_t end = record->field[RECORD_END].number;
    AUTO_FREE char *origin = record->field[RECORD_ORIGIN].set
                                 ? slice_dup(record->field[RECORD_ORIGIN].text)
                                 : xstrdup(absent->origin);
    bool is_own = strcmp(origin, absent->origin) == 0;
    struct absent_range range = {
        .kind = record->type == RECORD_ARCHIVE_EXPIRED ? ABSENT_EXPIRED : ABSENT_MOVED,
        .first = (uint64_t)first,
        .end = (uint64_t)end,
        .by = is_own ? index : ABSENT_BY_LATER,
        .by_us = t_us};

    if (first < 0 || end <= first || (is_own && range.end > index))
        return;
    if (is_word(record, RECORD_OUTCOME, SLICE("failed")) && range.kind == ABSENT_EXPIRED)
        call_off(absent->says, origin, &range);
    if (is_word(record, RECORD_OUTCOME, SLICE("intended")) ||
        is_word(record, RECORD_OUTCOME, SLICE("ok")))
        say(absent->says, origin, &range);
}

void absent_add(struct absent *absent, uint64_t first, uint64_t end, int64_t after_us)
{
    struct absent_range *last;

    for (size_t i = absent->missing_count; i > 0; i--)
        if (absent->missing[i - 1].first <= first && absent->missing[i - 1].end >= end)
            return;
    last = absent->missing_count == 0 ? NULL : &absent->missing[absent->missing_count - 1];
    if (last != NULL && last->first <= first && last->end >= first) {
        last->end = end;
        return;
    }
    absent->missing = xgrow(absent->missing, &absent->missing_room, absent->missing_count + 1,
                            sizeof(absent->missing[0]));
    absent->missing[absent->missing_count++] =
        (struct absent_range){.first = first, .end = end, .after_us = after_us};
}

/* They are no older than what was written before them, or the clock was wrong. */
bool absent_is_too_young(const struct absent_range *range)
{
    return range->kind == ABSENT_EXPIRED && range->after_us != 0 &&
           range->by_us - range->after_us < ABSENT_KEPT_DAYS_LEAST * DAY_US;
}

bool absent_is_empty(const struct absent *absent)
{
    return absent->missing_count == 0;
}

/* What is said of record `at`, and up to where that holds. */
static struct absent_range said_of(const struct absent *absent, uint64_t at, uint64_t end)
{
    struct absent_range best = {.first = at, .end = end};

    for (size_t i = 0; i < absent->says->count; i++) {
        const struct absent_range *said = &absent->says->at[i].range;

        if (strcmp(absent->says->at[i].origin, absent->origin) != 0 || said->end <= at)
            continue;
        if (said->first > at) { /* from there on something else may be said */
            best.end = said->first < best.end ? said->first : best.end;
            continue;
        }
        best.end = said->end < best.end ? said->end : best.end;
        if (said->kind >= best.kind) {
            best.kind = said->kind;
            best.by = said->by;
            best.by_us = said->by_us;
        }
    }
    return best;
}

void absent_each(const struct absent *absent,
                 void (*each)(void *self, const struct absent_range *range), void *self)
{
    struct absent_range last = {.end = 0};
    bool has_last = false;

    for (size_t i = 0; i < absent->missing_count; i++) {
        const struct absent_range *missing = &absent->missing[i];

        for (uint64_t at = missing->first; at < missing->end;) {
            struct absent_range next = said_of(absent, at, missing->end);

            at = next.end;
            next.after_us = missing->after_us;
            if (has_last && last.end == next.first && last.kind == next.kind &&
                last.by == next.by) {
                last.end = next.end;
                continue;
            }
            if (has_last)
                each(self, &last);
            last = next;
            has_last = true;
        }
    }
    if (has_last)
        each(self, &last);
}
