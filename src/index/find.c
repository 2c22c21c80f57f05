/* What a reader asks. */
#include <stdlib.h>

#include "index/index_parts.h"
#include "index/postings.h"

/* Of a set with more texts than this, and every eighth record, there is more to look up than
 * to be gained. */
#define WIDE_VALUES 256
#define WIDE_SHARE 8
/* Finding a list costs about as much as reading so many records one behind the other. */
#define LOOK_SHARE 4

struct index_value {
    uint64_t id;
    uint64_t latest;
    uint64_t last;
};

struct matching {
    bool (*matches)(void *self, const char *text);
    void *self;
    unsigned field;
    struct index_set *set;
};

static bool keep(void *self, const struct value_row *row, struct fault *fault)
{
    struct matching *matching = self;
    struct index_set *set = matching->set;

    (void)fault;
    if (!matching->matches(matching->self, row->text))
        return true;
    set->values = xgrow(set->values, &set->room, set->count + 1, sizeof(struct index_value));
    set->values[set->count++] = (struct index_value){value_id(matching->field, row->number),
                                                     row->state.latest, row->state.last};
    set->records += row->state.count;
    return true;
}

bool index_match(struct index *index, unsigned field,
                 bool (*matches)(void *self, const char *text), void *self,
                 struct index_set *set, struct fault *fault)
{
    struct matching matching = {matches, self, field, set};

    if (index->fields[field].is_full) {
        set->is_unknown = true;
        return true;
    }
    return index_each_value(index, field, keep, &matching, fault);
}

void index_set_free(struct index_set *set)
{
    free(set->values);
    *set = (struct index_set){0};
}

struct window {
    uint64_t from, to;
    uint64_t *bits;
};

static size_t words_of(const struct window *window)
{
    return (size_t)((window->to - window->from + 63) / 64);
}

/* One block; whether the list goes on inside the window. */
static bool mark_block(sqlite3_stmt *row, uint64_t previous, const struct window *window,
                       uint64_t *ret_first, struct fault *fault)
{
    const uint64_t numbers[] = {(uint64_t)sqlite3_column_int64(row, 0),
                                (uint64_t)sqlite3_column_int64(row, 1)};
    struct slice bytes =
        slice_of_bytes(sqlite3_column_blob(row, 3), (size_t)sqlite3_column_bytes(row, 3));
    uint64_t first = numbers[0] & (ORDINALS_MAX - 1);

    /* The first one that is read may have others before it only if it begins in time. */
    if (previous == 0 ? first > window->from && numbers[1] != 0 : numbers[1] != previous)
        return index_damaged("a block is missing", fault);
    if (sqlite3_column_int64(row, 2) != index_checksum(numbers, COUNT(numbers), bytes) ||
        !postings_mark(first, bytes, window->from, window->to, window->bits))
        return index_damaged("a block is not what was written", fault);
    *ret_first = first;
    return true;
}

static bool mark_value(struct index *index, const struct index_value *value,
                       const struct window *window, struct fault *fault)
{
    sqlite3_stmt *rows;
    uint64_t previous = 0, first = 0;
    int step = SQLITE_DONE;
    bool ok = true;

    if (value->latest < window->from)
        return true;
    rows = index_statement(index, SQL_BLOCKS, fault);
    if (rows == NULL)
        return false;
    (void)sqlite3_bind_int64(rows, 1, (int64_t)block_place(value->id, 0));
    (void)sqlite3_bind_int64(rows, 2, (int64_t)block_place(value->id, window->from));
    (void)sqlite3_bind_int64(rows, 3, (int64_t)block_place(value->id + 1, 0));
    while (ok && first < window->to && (step = sqlite3_step(rows)) == SQLITE_ROW) {
        ok = mark_block(rows, previous, window, &first, fault);
        previous = (uint64_t)sqlite3_column_int64(rows, 0);
    }
    if (ok && step != SQLITE_ROW && step != SQLITE_DONE)
        ok = index_failed(index, "read", fault);
    if (ok && step == SQLITE_DONE && previous < value->last)
        ok = index_damaged("the end of a list is missing", fault);
    (void)sqlite3_reset(rows);
    return ok;
}

static bool is_wide(const struct index *index, const struct index_set *set)
{
    return set->is_unknown ||
           (set->count > WIDE_VALUES && set->records > index->size / WIDE_SHARE);
}

static uint64_t bits_left(const struct window *window)
{
    uint64_t left = 0;

    for (size_t i = 0; i < words_of(window); i++)
        left += (uint64_t)__builtin_popcountll(window->bits[i]);
    return left;
}

/* Leaves the bits that are in the set, too. Where few records are left beside the lists,
 * looking at them costs less. */
static bool keep_set(struct index *index, const struct index_set *set,
                     const struct window *window, struct fault *fault)
{
    size_t words = words_of(window);
    struct window own = {window->from, window->to, NULL};
    bool ok = true;

    if (is_wide(index, set) || bits_left(window) / LOOK_SHARE < set->count)
        return true;
    own.bits = xalloc_array(words, sizeof(uint64_t));
    for (size_t i = 0; ok && i < set->count; i++)
        ok = mark_value(index, &set->values[i], &own, fault);
    for (size_t i = 0; i < words; i++)
        window->bits[i] &= own.bits[i];
    free(own.bits);
    return ok;
}

static void clear_bits(const struct window *window, uint64_t from, uint64_t to)
{
    from = from < window->from ? window->from : from;
    to = to > window->to ? window->to : to;
    for (uint64_t at = from; at < to;) {
        uint64_t bit = at - window->from;

        if (bit % 64 == 0 && to - at >= 64) {
            window->bits[bit / 64] = 0;
            at += 64;
        } else {
            window->bits[bit / 64] &= ~(UINT64_C(1) << bit % 64);
            at++;
        }
    }
}

static bool keep_times(struct index *index, const struct index_question *question,
                       const struct window *window, struct fault *fault)
{
    uint64_t first = window->from >> SPAN_BITS;
    size_t count = (size_t)(((window->to - 1) >> SPAN_BITS) - first + 1);
    struct span *spans;
    bool ok;

    if (question->since_us == INT64_MIN && question->until_us == INT64_MAX)
        return true;
    spans = xalloc_array(count, sizeof(*spans));
    ok = index_read_spans(index, first, count, spans, fault);
    for (size_t i = 0; ok && i < count; i++)
        if (spans[i].high_us < question->since_us || spans[i].low_us >= question->until_us)
            clear_bits(window, (first + i) << SPAN_BITS, (first + i + 1) << SPAN_BITS);
    free(spans);
    return ok;
}

static bool accept_all(void *self, const char *text)
{
    (void)self, (void)text;
    return true;
}

static bool mark_unreadable(struct index *index, const struct window *window,
                            struct fault *fault)
{
    struct index_set set = {0};
    bool ok = index_match(index, index->field_count - 1, accept_all, NULL, &set, fault);

    for (size_t i = 0; ok && i < set.count; i++)
        ok = mark_value(index, &set.values[i], window, fault);
    index_set_free(&set);
    return ok;
}

/* Sets of few texts come first. */
static void sort_sets(const struct index_question *question, const struct index_set **ret_sets)
{
    for (size_t i = 0; i < question->count; i++) {
        size_t at = i;

        for (; at > 0 && ret_sets[at - 1]->count > question->sets[i].count; at--)
            ret_sets[at] = ret_sets[at - 1];
        ret_sets[at] = &question->sets[i];
    }
}

bool index_answer(struct index *index, const struct index_question *question, uint64_t from,
                  uint64_t to, uint64_t *bits, struct fault *fault)
{
    struct window window = {from, to, bits};
    const struct index_set *sets[INDEX_FIELDS_MAX];

    if (to <= from)
        return true;
    memset(bits, 0xff, words_of(&window) * sizeof(uint64_t));
    if ((to - from) % 64 != 0)
        bits[words_of(&window) - 1] = (UINT64_C(1) << (to - from) % 64) - 1;
    if (!keep_times(index, question, &window, fault))
        return false;
    sort_sets(question, sets);
    for (size_t i = 0; i < question->count; i++)
        if (!keep_set(index, sets[i], &window, fault))
            return false;
    return mark_unreadable(index, &window, fault);
}
