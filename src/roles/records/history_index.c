/* The index of the history: is it of this ledger, and does it know enough of it? */
#include <limits.h>
#include <stdio.h>

#include "base/scope.h"
#include "ledger/reader.h"
#include "ledger/tile.h"
#include "roles/records/history_parts.h"

#define STEP_RECORDS 32768 /* between two looks at the clock of progress */

/* What can be asked by. The order is part of the index; a change makes it anew. */
static const unsigned fields[] = {
    HISTORY_TYPE,  RECORD_RUN,          RECORD_AGENT,   RECORD_PATH,   RECORD_PATH_TO,
    RECORD_CLASS,  RECORD_VERDICT,      RECORD_OUTCOME, RECORD_CHANGE, RECORD_PERSON,
    RECORD_SECOND, RECORD_ON_BEHALF_OF, RECORD_LINEAGE,
};

unsigned history_index_field(unsigned field)
{
    for (unsigned i = 0; i < COUNT(fields); i++)
        if (fields[i] == field)
            return i;
    return UINT_MAX;
}

static const struct index_schema *schema(void)
{
    static const char *names[COUNT(fields)];
    static const struct index_schema ours = {names, COUNT(fields), 0};

    for (size_t i = 0; i < COUNT(fields); i++)
        names[i] = fields[i] == HISTORY_TYPE ? "type"
                                             : record_field_name((enum record_field)fields[i]);
    return &ours;
}

static bool root_of(const struct shard *shard, uint64_t size, uint8_t *ret_root,
                    struct fault *fault)
{
    AUTO_FREE struct tile_source *tiles = xalloc(sizeof(*tiles));
    struct tree_source source;
    struct tree_hash root = tree_root(&(struct tree_range){0});

    *tiles = (struct tile_source){.folder = shard->folder, .size = shard->size};
    source = tile_source(tiles);
    if (size > 0 && !tree_source_root(&source, size, &root, fault))
        return false;
    memcpy(ret_root, root.at, INDEX_ROOT_BYTES);
    return true;
}

/* Each shard that the index knows is the beginning of ours, and all but the last the whole. */
static bool is_of_this_ledger(const struct history *history, const struct index *index,
                              struct fault *fault)
{
    size_t count;
    const struct index_shard *shards = index_shards(index, &count);

    if (count > history->list.count)
        return fault_set(fault, FAULT_INVALID, "the index is of another ledger");
    for (size_t i = 0; i < count; i++) {
        const struct shard *shard = &history->list.at[i];
        uint8_t root[INDEX_ROOT_BYTES];

        if (strcmp(shards[i].origin, shard->origin) != 0 || shards[i].size > shard->size ||
            (i + 1 < count && shards[i].size != shard->size))
            return fault_set(fault, FAULT_INVALID, "the index is of another ledger");
        if (!root_of(shard, shards[i].size, root, fault))
            return fault_in(fault, "compare the index with the ledger");
        if (memcmp(root, shards[i].root, sizeof(root)) != 0)
            return fault_set(fault, FAULT_INVALID,
                             "the index is of another ledger (its tree has another root)");
    }
    return true;
}

struct building {
    struct history *history;
    struct index *index;
    uint64_t base;            /* ordinal of the first record of the shard that is read */
    struct index_term *terms; /* of a record */
    size_t term_room;
};

/* Behind records that lie nowhere: they have a place in the index, too. */
static bool add_absent(struct building *building, uint64_t until, struct fault *fault)
{
    while (index_size(building->index) < until)
        if (!index_add_unreadable(building->index, fault))
            return false;
    return true;
}

static bool add_leaf(void *self, uint64_t number, struct slice leaf, struct fault *fault)
{
    struct building *building = self;
    struct record_header header;
    struct record record;
    struct fault unreadable = {0};
    size_t count = 0;

    if (!add_absent(building, building->base + number, fault))
        return false;
    if (!record_decode(leaf, &record, &header, &building->history->arena, &unreadable))
        return index_add_unreadable(building->index, fault);
    for (unsigned i = 0; i < COUNT(fields); i++) {
        struct history_cursor cursor = {0};
        struct slice text;

        while (history_text_next(&record, fields[i], &cursor, &text)) {
            building->terms = xgrow(building->terms, &building->term_room, count + 1,
                                    sizeof(*building->terms));
            building->terms[count++] = (struct index_term){i, text};
        }
    }
    return index_add(building->index, header.t_us, building->terms, count, fault);
}

static bool commit(struct history *history, struct index *index, size_t which,
                   struct fault *fault)
{
    const struct shard *shard = &history->list.at[which];
    struct index_shard done = {.base = history->bases[which],
                               .size = index_size(index) - history->bases[which]};

    (void)snprintf(done.origin, sizeof(done.origin), "%s", shard->origin);
    return root_of(shard, done.size, done.root, fault) && index_commit(index, &done, fault);
}

static bool add_shard(struct building *building, size_t which, struct fault *fault)
{
    struct history *history = building->history;
    const struct history_options *options = &history->options;
    const struct shard *shard = &history->list.at[which];
    uint64_t base = history->bases[which];

    building->base = base;
    while (index_size(building->index) - base < shard->size) {
        struct reader_options reading = {.from = index_size(building->index) - base,
                                         .size = shard->size,
                                         .archive = shard->archive.archive,
                                         .absent = shard->absent};

        reading.to = shard->size - reading.from > STEP_RECORDS ? reading.from + STEP_RECORDS
                                                               : shard->size;
        if (!reader_each(shard->folder, &reading, add_leaf, building, &reading.from, fault))
            return fault_in(fault, "index the ledger");
        if (!add_absent(building, reading.from + base, fault))
            return false;
        if (options->progress != NULL)
            options->progress(options->self, index_size(building->index), history->total);
        if (index_is_loaded(building->index) && reading.to < shard->size &&
            !commit(history, building->index, which, fault))
            return false;
    }
    return commit(history, building->index, which, fault);
}

static bool add_all(struct history *history, struct index *index, struct fault *fault)
{
    struct building building = {.history = history, .index = index};
    bool ok = true;
    size_t known;

    (void)index_shards(index, &known);
    for (size_t i = known == 0 ? 0 : known - 1; ok && i < history->list.count; i++)
        if (history->list.at[i].size > 0 || i + 1 < history->list.count)
            ok = add_shard(&building, i, fault);
    free(building.terms);
    return ok;
}

static bool write_index(struct history *history, const char *path, enum index_access access,
                        struct fault *fault)
{
    struct index *index;
    bool ok;

    if (!index_open(path, schema(), access, &index, fault))
        return false;
    ok = is_of_this_ledger(history, index, fault) && add_all(history, index, fault);
    index_close(index);
    return ok;
}

static bool read_index(struct history *history, const char *path, struct fault *fault)
{
    if (!index_open(path, schema(), INDEX_READ, &history->index, fault))
        return false;
    if (is_of_this_ledger(history, history->index, fault)) {
        history->indexed = index_size(history->index);
        return true;
    }
    index_close(history->index);
    history->index = NULL;
    return false;
}

static void tell(const struct history *history, const struct fault *fault,
                 const char *consequence)
{
    AUTO_FREE char *text = xformat("%s: %s", fault->why, consequence);

    if (history->options.tell != NULL)
        history->options.tell(history->options.self, text);
}

void history_drop_index(struct history *history, const struct fault *fault)
{
    tell(history, fault, "every record is read instead");
    index_close(history->index);
    history->index = NULL;
    history->indexed = 0;
}

/* True: the index is as far as the ledger. */
static bool bring_up_to_date(struct history *history, const char *path,
                             const struct fault *wrong, struct fault *fault)
{
    enum index_access access =
        wrong->kind == FAULT_NONE || wrong->kind == FAULT_DENIED ? INDEX_WRITE : INDEX_REPLACE;

    if (history->options.is_rebuilt)
        access = INDEX_REPLACE;
    else if (wrong->kind == FAULT_INVALID)
        tell(history, wrong, "it is made anew");
    if (write_index(history, path, access, fault))
        return true;
    if (fault->kind != FAULT_INVALID || access == INDEX_REPLACE)
        return false;
    tell(history, fault, "it is made anew");
    return write_index(history, path, INDEX_REPLACE, fault);
}

static bool is_far_behind(const struct history *history)
{
    return history->options.is_rebuilt ||
           history->total - history->indexed > history->options.lag;
}

bool history_use_index(struct history *history, struct fault *fault)
{
    AUTO_FREE char *path = xformat("%s/log.db", history->home->path);
    struct fault wrong = {0}, failure = {0};

    if (!history->options.is_rebuilt && !read_index(history, path, &wrong) &&
        wrong.kind == FAULT_CONFLICT) {
        history_drop_index(history, &wrong);
        return true;
    }
    if (!is_far_behind(history))
        return true; /* also where there is none, or a wrong one: few are read */
    index_close(history->index);
    history->index = NULL;
    history->indexed = 0;
    if (!bring_up_to_date(history, path, &wrong, &failure)) {
        if (history->options.is_rebuilt) {
            *fault = failure;
            return fault_in(fault, "make the index %s", path);
        }
        tell(history, &failure, "what the index does not have is read record by record");
    }
    if (!read_index(history, path, &wrong) && failure.kind == FAULT_NONE)
        history_drop_index(history, &wrong);
    return true;
}
