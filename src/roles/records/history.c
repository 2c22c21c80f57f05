#include "roles/records/history.h"

#include <fnmatch.h>
#include <limits.h>

#include "base/scope.h"
#include "ledger/reader.h"
#include "ledger/tile.h"
#include "lineage/lineage.h"
#include "roles/records/history_parts.h"
#include "roles/records/published.h"

/* Windows grow, so that the first records come soon and the last ones cost little each. */
#define WINDOW_FIRST (UINT64_C(1) << 15)
#define WINDOW_LAST (UINT64_C(1) << 22)

static bool lineage_next(struct slice *rest, struct slice *ret_text)
{
    struct lineage_entry entry;

    while (lineage_entry_next(rest, &entry)) {
        *ret_text = entry.more ? SLICE(HISTORY_MORE) : entry.path;
        if (ret_text->len > 0)
            return true;
    }
    return false;
}

bool history_text_next(const struct record *record, unsigned field,
                       struct history_cursor *cursor, struct slice *ret_text)
{
    bool is_first = !cursor->begun;

    cursor->begun = true;
    if (is_first && field == HISTORY_TYPE)
        cursor->rest = slice_of(record_type_name(record->type));
    else if (is_first && record->field[field].set)
        cursor->rest = record->field[field].text;
    if (field == RECORD_LINEAGE)
        return lineage_next(&cursor->rest, ret_text);
    *ret_text = cursor->rest;
    return is_first && ret_text->at != NULL;
}

/* What comes before the first special character has to be there as it is. */
bool history_text_matches(const struct history_filter *filter, const char *text)
{
    size_t plain;

    if (filter->or_more && strcmp(text, HISTORY_MORE) == 0)
        return true;
    if (!filter->is_glob)
        return strcmp(filter->pattern, text) == 0;
    plain = strcspn(filter->pattern, "*?[\\");
    return strncmp(filter->pattern, text, plain) == 0 &&
           fnmatch(filter->pattern + plain, text + plain, 0) == 0;
}

static bool filter_holds(const struct history_filter *filter, const struct record *record)
{
    for (unsigned i = 0; i < filter->field_count; i++) {
        struct history_cursor cursor = {0};
        struct slice field;

        while (history_text_next(record, filter->fields[i], &cursor, &field)) {
            AUTO_FREE char *text = slice_dup(field);

            if (history_text_matches(filter, text))
                return true;
        }
    }
    return false;
}

static bool matches(const struct history_question *question, const struct record *record,
                    const struct record_header *header)
{
    if (header->t_us < question->since_us || header->t_us >= question->until_us)
        return false;
    for (size_t i = 0; i < question->filter_count; i++)
        if (!filter_holds(&question->filters[i], record))
            return false;
    return true;
}

static bool list_shards(struct history *history, struct fault *fault)
{
    struct shard_list list = {0};

    if (!shards_open(history->home->fd, &list, fault))
        return false;
    if (!shards_use_archive(&list, history->options.archive, fault)) {
        shards_close(&list);
        return false;
    }
    shards_close(&history->list);
    history->list = list;
    free(history->bases);
    history->bases = xalloc_array(list.count, sizeof(uint64_t));
    history->total = 0;
    for (size_t i = 0; i < list.count; i++) {
        history->bases[i] = history->total;
        history->total += list.at[i].size;
    }
    return true;
}

bool history_open(const struct home *home, const struct history_options *options,
                  struct history **ret_history, struct fault *fault)
{
    struct history *history = xalloc(sizeof(*history));

    history->home = home;
    history->options = *options;
    history->with_unsealed = !ledger_is_published(home->fd);
    history->arena = buf_with_limit(RECORD_BYTES_MAX + 1);
    if (!list_shards(history, fault) ||
        (!options->is_plain && !history_use_index(history, fault))) {
        history_close(history);
        return false;
    }
    *ret_history = history;
    return true;
}

void history_close(struct history *history)
{
    if (history == NULL)
        return;
    index_close(history->index);
    shards_close(&history->list);
    free(history->bases);
    buf_free(&history->arena);
    free(history);
}

/* A walk over records of one shard that may match. */
struct walk {
    struct history *history;
    const struct history_question *question;
    struct history_filter filters[HISTORY_FILTERS_MAX]; /* the question's */
    struct index_set sets[HISTORY_FILTERS_MAX];
    size_t shard;
    history_visit *visit; /* NULL: only `found` is filled */
    void *self;
    uint64_t from;         /* ordinal of bit 0 */
    const uint64_t *bits;  /* NULL: all */
    uint64_t start;        /* what is older is not wanted */
    struct absent *absent; /* NULL: each shard's own */
    uint64_t *found;       /* ordinals that match, of one bundle; NULL: not wanted */
    size_t found_count, found_room;
};

static bool has_bit(const struct walk *walk, uint64_t ordinal)
{
    uint64_t bit = ordinal - walk->from;

    return walk->bits == NULL || (walk->bits[bit / 64] >> bit % 64 & 1) != 0;
}

static bool on_leaf(void *self, uint64_t index, struct slice leaf, struct fault *fault)
{
    struct walk *walk = self;
    struct history *history = walk->history;
    uint64_t ordinal = history->bases[walk->shard] + index;
    struct record_header header;
    struct record record;

    if (!has_bit(walk, ordinal) || ordinal < walk->start)
        return true;
    if (!record_decode(leaf, &record, &header, &history->arena, fault))
        return fault_in(
            fault, "record %llu%s%s (see `custody verify`)", (unsigned long long)index,
            history->list.at[walk->shard].is_current ? "" : " of ",
            history->list.at[walk->shard].is_current ? ""
                                                     : history->list.at[walk->shard].origin);
    if (!matches(walk->question, &record, &header))
        return true;
    if (walk->visit == NULL) {
        walk->found =
            xgrow(walk->found, &walk->found_room, walk->found_count + 1, sizeof(uint64_t));
        walk->found[walk->found_count++] = ordinal;
        return true;
    }
    return walk->visit(walk->self,
                       &(struct history_record){history->list.at[walk->shard].number,
                                                history->list.count == 1, index, leaf, &record,
                                                &header},
                       fault);
}

/* The shard that an ordinal is in. */
static size_t shard_of(const struct history *history, uint64_t ordinal)
{
    size_t at = history->list.count - 1;

    while (at > 0 && history->bases[at] > ordinal)
        at--;
    return at;
}

/* Reads the records [from, to) of `walk->shard`; both in one bundle, or `bits` is NULL. */
static bool read_part(struct walk *walk, uint64_t from, uint64_t to, struct fault *fault)
{
    const struct shard *shard = &walk->history->list.at[walk->shard];
    struct reader_options reading = {.from = from,
                                     .to = to,
                                     .size = shard->size,
                                     .archive = shard->archive.archive,
                                     .absent =
                                         walk->absent != NULL ? walk->absent : shard->absent};

    return reader_each(shard->folder, &reading, on_leaf, walk, &reading.from, fault);
}

/* What of [at, to) can be read in one go: to the end of a bundle. */
static uint64_t end_of_bundle(const struct history *history, size_t shard, uint64_t at,
                              uint64_t to)
{
    uint64_t base = history->bases[shard];
    uint64_t end = base + ((at - base) / TILE_WIDTH + 1) * TILE_WIDTH;
    uint64_t shard_end = base + history->list.at[shard].size;

    end = end > shard_end ? shard_end : end;
    return end > to ? to : end;
}

static uint64_t start_of_bundle(const struct history *history, size_t shard, uint64_t at,
                                uint64_t from)
{
    uint64_t base = history->bases[shard];
    uint64_t start = base + (at - base) / TILE_WIDTH * TILE_WIDTH;

    return start < from ? from : start;
}

/* The first ordinal in [at, to) that may match; `to`: none. */
static uint64_t next_bit(const struct walk *walk, uint64_t at, uint64_t to)
{
    while (at < to && !has_bit(walk, at))
        at += (at - walk->from) % 64 == 0 && walk->bits[(at - walk->from) / 64] == 0 ? 64 : 1;
    return at < to ? at : to;
}

/* The last ordinal in [from, at) that may match; UINT64_MAX: none. */
static uint64_t previous_bit(const struct walk *walk, uint64_t from, uint64_t at)
{
    while (at > from) {
        if (has_bit(walk, at - 1))
            return at - 1;
        at -= (at - walk->from) % 64 == 0 && at - from >= 64 &&
                      walk->bits[(at - walk->from) / 64 - 1] == 0
                  ? 64
                  : 1;
    }
    return UINT64_MAX;
}

static bool read_upwards(struct walk *walk, uint64_t to, struct fault *fault)
{
    uint64_t at = next_bit(walk, walk->from, to);

    while (at < to) {
        uint64_t base, end;

        walk->shard = shard_of(walk->history, at);
        base = walk->history->bases[walk->shard];
        end = end_of_bundle(walk->history, walk->shard, at, to);
        if (!read_part(walk, at - base, end - base, fault))
            return false;
        at = next_bit(walk, end, to);
    }
    return true;
}

/* From the end, until `wanted` matches are found: *ret_first is the oldest of them. */
static bool read_downwards(struct walk *walk, uint64_t to, uint64_t *wanted,
                           uint64_t *ret_first, struct fault *fault)
{
    uint64_t at = previous_bit(walk, walk->from, to);

    while (at != UINT64_MAX && *wanted > 0) {
        uint64_t base, start;

        walk->shard = shard_of(walk->history, at);
        base = walk->history->bases[walk->shard];
        start = start_of_bundle(walk->history, walk->shard, at, walk->from);
        walk->found_count = 0;
        if (!read_part(walk, start - base, at + 1 - base, fault))
            return false;
        if (walk->found_count > 0) {
            size_t used = *wanted < walk->found_count ? (size_t)*wanted : walk->found_count;

            *wanted -= used;
            *ret_first = walk->found[walk->found_count - used];
        }
        at = previous_bit(walk, walk->from, start);
    }
    return true;
}

/* Asks the index about a window; without one, or where it fails, all may match. */
static void look_up(struct walk *walk, uint64_t from, uint64_t to, uint64_t *bits)
{
    struct history *history = walk->history;
    const struct history_question *question = walk->question;
    struct index_question asked = {walk->sets, question->filter_count, question->since_us,
                                   question->until_us};
    struct fault fault = {0};

    walk->from = from;
    walk->bits = NULL;
    if (history->index == NULL || to > history->indexed)
        return;
    if (index_answer(history->index, &asked, from, to, bits, &fault))
        walk->bits = bits;
    else
        history_drop_index(history, &fault);
}

static bool set_matches(void *self, const char *text)
{
    return history_text_matches(self, text);
}

static bool find_values(struct walk *walk, struct fault *fault)
{
    for (size_t i = 0; i < walk->question->filter_count; i++) {
        struct history_filter *filter = &walk->filters[i];

        for (unsigned f = 0; f < filter->field_count; f++) {
            unsigned field = history_index_field(filter->fields[f]);

            if (field == UINT_MAX)
                walk->sets[i].is_unknown = true;
            else if (!index_match(walk->history->index, field, set_matches, filter,
                                  &walk->sets[i], fault))
                return false;
        }
    }
    return true;
}

static bool read_unsealed(struct walk *walk, uint64_t *ret_next, struct fault *fault)
{
    const struct shard *shard = &walk->history->list.at[walk->history->list.count - 1];
    struct reader_options reading = {
        .from = shard->size, .size = shard->size, .with_unsealed = true};

    walk->shard = walk->history->list.count - 1;
    walk->bits = NULL;
    return reader_each(shard->folder, &reading, on_leaf, walk, ret_next, fault);
}

/* The window below `to`, or above `from`, that the index knows all or nothing of. */
static uint64_t window_below(const struct history *history, uint64_t to, uint64_t width)
{
    uint64_t from = to > width ? to - width : 0;

    return to > history->indexed && from < history->indexed ? history->indexed : from;
}

static uint64_t window_above(const struct history *history, uint64_t from, uint64_t width)
{
    uint64_t to = history->total - from > width ? from + width : history->total;

    return from < history->indexed && to > history->indexed ? history->indexed : to;
}

static uint64_t wider(uint64_t width)
{
    return width < WINDOW_LAST ? width * 2 : width;
}

/* Where the last records that are wanted begin; UINT64_MAX: none matches. */
static bool find_start(struct walk *walk, uint64_t *bits, uint64_t *ret_start,
                       struct fault *fault)
{
    struct history *history = walk->history;
    uint64_t wanted = walk->question->last, width = WINDOW_FIRST, from;
    uint64_t ignored;

    *ret_start = UINT64_MAX;
    if (history->with_unsealed && !read_unsealed(walk, &ignored, fault))
        return false;
    if (walk->found_count > 0) {
        uint64_t used = wanted < walk->found_count ? wanted : walk->found_count;

        *ret_start = walk->found[walk->found_count - used];
        wanted -= used;
    }
    for (uint64_t to = history->total; to > 0 && wanted > 0; to = from) {
        from = window_below(history, to, width);
        look_up(walk, from, to, bits);
        if (!read_downwards(walk, to, &wanted, ret_start, fault))
            return false;
        width = wider(width);
    }
    return true;
}

static bool read_all(struct walk *walk, uint64_t *bits, uint64_t start, struct fault *fault)
{
    struct history *history = walk->history;
    uint64_t width = WINDOW_FIRST, to;

    for (uint64_t from = start; from < history->total; from = to) {
        to = window_above(history, from, width);
        look_up(walk, from, to, bits);
        if (!read_upwards(walk, to, fault))
            return false;
        width = wider(width);
    }
    if (!history->with_unsealed)
        return true;
    walk->start = start;
    return read_unsealed(walk, &history->next_index, fault);
}

static void walk_free(struct walk *walk)
{
    for (size_t i = 0; i < walk->question->filter_count; i++)
        index_set_free(&walk->sets[i]);
    free(walk->found);
    free(walk);
}

static struct walk *walk_new(struct history *history, const struct history_question *question)
{
    struct walk *walk = xalloc(sizeof(*walk));
    struct fault fault = {0};

    walk->history = history;
    walk->question = question;
    memcpy(walk->filters, question->filters, sizeof(walk->filters));
    if (history->index != NULL && !find_values(walk, &fault))
        history_drop_index(history, &fault);
    return walk;
}

/* A walk of its own, for what the log says of records that could not be read. */
static bool see_archive(void *self, const struct history_record *record, struct fault *fault)
{
    const struct shard_list *list = self;

    (void)fault;
    for (size_t i = 0; i < list->count; i++)
        if (list->at[i].number == record->shard)
            absent_see(list->at[i].absent, record->index, record->record,
                       record->header->t_us);
    return true;
}

static bool read_archive_records(struct history *history, struct fault *fault)
{
    AUTO_FREE uint64_t *bits = xalloc_array(WINDOW_LAST / 64, sizeof(uint64_t));
    static const struct history_question question = {.filters = {{.fields = {HISTORY_TYPE},
                                                                  .field_count = 1,
                                                                  .pattern = "archive.*",
                                                                  .is_glob = true}},
                                                     .filter_count = 1,
                                                     .since_us = INT64_MIN,
                                                     .until_us = INT64_MAX};
    struct absent *ignored = absent_new("", history->list.says);
    struct walk *walk = walk_new(history, &question);
    uint64_t next_index = history->next_index;
    bool ok;

    walk->visit = see_archive;
    walk->self = &history->list;
    walk->absent = ignored;
    ok = read_all(walk, bits, 0, fault);
    history->next_index = next_index;
    walk_free(walk);
    absent_free(ignored);
    return ok;
}

bool history_all_read(struct history *history, struct fault *fault)
{
    bool is_empty = true;

    for (size_t i = 0; i < history->list.count; i++)
        is_empty &= absent_is_empty(history->list.at[i].absent);
    return is_empty ||
           (read_archive_records(history, fault) && shards_all_read(&history->list, fault));
}

bool history_each(struct history *history, const struct history_question *question,
                  history_visit *visit, void *self, struct fault *fault)
{
    AUTO_FREE uint64_t *bits = xalloc_array(WINDOW_LAST / 64, sizeof(uint64_t));
    struct walk *walk = walk_new(history, question);
    const struct shard *current = &history->list.at[history->list.count - 1];
    uint64_t start = 0;
    bool ok = question->last == 0 || find_start(walk, bits, &start, fault);

    history->next_shard = current->number;
    history->next_index = current->size;
    walk->visit = visit;
    walk->self = self;
    ok = ok && read_all(walk, bits, start, fault);
    walk_free(walk);
    return ok;
}

bool history_more(struct history *history, const struct history_question *question,
                  history_visit *visit, void *self, struct fault *fault)
{
    struct walk walk = {
        .history = history, .question = question, .visit = visit, .self = self};
    struct fault meanwhile;

    /* Between two shards there may be no current one for a moment. */
    if (!list_shards(history, &meanwhile)) {
        if (meanwhile.kind != FAULT_MISSING)
            *fault = meanwhile;
        return meanwhile.kind == FAULT_MISSING;
    }
    for (; walk.shard < history->list.count; walk.shard++) {
        const struct shard *shard = &history->list.at[walk.shard];

        if (shard->number < history->next_shard)
            continue;
        if (shard->number > history->next_shard)
            history->next_index = 0;
        history->next_shard = shard->number;
        if (history->next_index >= shard->size)
            continue;
        if (!read_part(&walk, history->next_index, shard->size, fault))
            return false;
        history->next_index = shard->size;
    }
    return true;
}
