#include "roles/records/holds.h"

#include "base/scope.h"
#include "ledger/reader.h"
#include "ledger/shards.h"
#include "roles/records/published.h"

/* Reads all ledgers once: the holds and, where a name is given, when it was written about. */
struct reading {
    struct holds *holds;
    const char *name; /* NULL: none */
    int64_t first_us, last_us;
    bool is_named;     /* a record names it */
    bool is_published; /* nothing is in the write-ahead log alone */
    const struct shard *shard;
    struct buf arena;
};

static bool is_about(const struct record *record, const char *name)
{
    const enum record_field fields[] = {RECORD_RUN, RECORD_SCOPE};

    for (size_t i = 0; i < COUNT(fields); i++)
        if (record->field[fields[i]].set &&
            slice_equal(record->field[fields[i]].text, slice_of(name)))
            return true;
    return false;
}

static char *text_of(const struct record *record, enum record_field field)
{
    return record->field[field].set ? slice_dup(record->field[field].text) : NULL;
}

static void place(struct reading *reading, uint64_t index, const struct record *record,
                  int64_t t_us)
{
    struct holds *holds = reading->holds;

    holds->at = xgrow(holds->at, &holds->room, holds->count + 1, sizeof(holds->at[0]));
    holds->at[holds->count++] = (struct hold){.id = text_of(record, RECORD_HOLD),
                                              .person = text_of(record, RECORD_PERSON),
                                              .reason = text_of(record, RECORD_REASON),
                                              .run = text_of(record, RECORD_RUN),
                                              .scope = text_of(record, RECORD_SCOPE),
                                              .from_us = record->field[RECORD_FIRST].number,
                                              .end_us = record->field[RECORD_END].number,
                                              .placed_us = t_us,
                                              .placed_in = reading->shard->number,
                                              .placed_at = index};
}

static void release(struct reading *reading, uint64_t index, const struct record *record,
                    int64_t t_us)
{
    struct holds *holds = reading->holds;

    for (size_t i = 0; i < holds->count; i++) {
        struct hold *hold = &holds->at[i];

        if (hold->released_by != NULL ||
            !slice_equal(record->field[RECORD_HOLD].text, slice_of(hold->id)))
            continue;
        hold->released_us = t_us;
        hold->released_by = text_of(record, RECORD_PERSON);
        hold->release_reason = text_of(record, RECORD_REASON);
        hold->release_digest = text_of(record, RECORD_DIGEST);
        hold->released_in = reading->shard->number;
        hold->released_at = index;
    }
}

static void note_time(struct reading *reading, int64_t t_us)
{
    if (!reading->is_named || t_us < reading->first_us)
        reading->first_us = t_us;
    if (!reading->is_named || t_us > reading->last_us)
        reading->last_us = t_us;
    reading->is_named = true;
}

/* Most records are neither: only those that have the words are decoded. */
static bool is_wanted(const struct reading *reading, struct slice leaf)
{
    return slice_find(leaf, SLICE("\"type\":\"hold."), 0) != SIZE_MAX ||
           slice_find(leaf, SLICE("\"type\":\"archive."), 0) != SIZE_MAX ||
           (reading->name != NULL && slice_find(leaf, slice_of(reading->name), 0) != SIZE_MAX);
}

static bool on_leaf(void *self, uint64_t index, struct slice leaf, struct fault *fault)
{
    struct reading *reading = self;
    struct record_header header;
    struct record record;

    if (!is_wanted(reading, leaf))
        return true;
    if (!record_decode(leaf, &record, &header, &reading->arena, fault))
        return fault_in(fault, "record %llu (see `custody verify`)",
                        (unsigned long long)index);
    if (record.type == RECORD_HOLD_PLACED)
        place(reading, index, &record, header.t_us);
    else if (record.type == RECORD_HOLD_RELEASED)
        release(reading, index, &record, header.t_us);
    else if ((absent_types() >> record.type & 1) != 0)
        absent_see(reading->shard->absent, index, &record, header.t_us);
    else if (reading->name != NULL && is_about(&record, reading->name))
        note_time(reading, header.t_us);
    return true;
}

static bool read_shard(struct reading *reading, const struct shard *shard, struct fault *fault)
{
    const struct reader_options options = {.with_unsealed =
                                               shard->is_current && !reading->is_published,
                                           .archive = shard->archive.archive,
                                           .absent = shard->absent};
    uint64_t next;

    reading->shard = shard;
    return reader_each(shard->folder, &options, on_leaf, reading, &next, fault)
               ? true
               : fault_in(fault, "shard %u", shard->number);
}

/* What has expired was not held; what else cannot be read may be a hold, or be under one. */
static bool read_all(int home_fd, struct reading *reading, struct fault *fault)
{
    struct shard_list shards = {.at = NULL};
    bool ok;

    reading->arena = buf_with_limit(RECORD_BYTES_MAX + 1);
    reading->is_published = ledger_is_published(home_fd);
    ok = shards_open(home_fd, &shards, fault);
    for (size_t i = 0; ok && i < shards.count; i++)
        ok = read_shard(reading, &shards.at[i], fault);
    ok = ok && shards_all_read(&shards, fault);
    shards_close(&shards);
    buf_free(&reading->arena);
    return ok ? true : fault_in(fault, "see what is under a legal hold");
}

bool holds_read(int home_fd, struct holds *ret_holds, struct fault *fault)
{
    struct reading reading = {.holds = ret_holds};

    *ret_holds = (struct holds){.at = NULL};
    if (read_all(home_fd, &reading, fault))
        return true;
    holds_free(ret_holds);
    return false;
}

void holds_free(struct holds *holds)
{
    for (size_t i = 0; i < holds->count; i++) {
        struct hold *hold = &holds->at[i];

        free(hold->id);
        free(hold->person);
        free(hold->reason);
        free(hold->run);
        free(hold->scope);
        free(hold->released_by);
        free(hold->release_reason);
        free(hold->release_digest);
    }
    free(holds->at);
    *holds = (struct holds){.at = NULL};
}

const struct hold *holds_find(const struct holds *holds, const char *id)
{
    for (size_t i = 0; i < holds->count; i++)
        if (holds->at[i].released_by == NULL && strcmp(holds->at[i].id, id) == 0)
            return &holds->at[i];
    return NULL;
}

static bool is_about_time(const struct hold *hold)
{
    return hold->from_us != 0 || hold->end_us != 0;
}

static bool is_about_all(const struct hold *hold)
{
    return hold->run == NULL && hold->scope == NULL && !is_about_time(hold);
}

static bool is_about_name(const struct hold *hold, const char *name)
{
    return (hold->run != NULL && strcmp(hold->run, name) == 0) ||
           (hold->scope != NULL && strcmp(hold->scope, name) == 0);
}

const struct hold *holds_of_record(const struct holds *holds, const struct record *record,
                                   int64_t t_us)
{
    for (size_t i = 0; i < holds->count; i++) {
        const struct hold *hold = &holds->at[i];

        if (hold->released_by != NULL)
            continue;
        if (is_about_all(hold) || (hold->run != NULL && is_about(record, hold->run)) ||
            (hold->scope != NULL && is_about(record, hold->scope)) ||
            (is_about_time(hold) && t_us >= hold->from_us && t_us < hold->end_us))
            return hold;
    }
    return NULL;
}

static const struct hold *hold_on(const struct reading *reading)
{
    for (size_t i = 0; i < reading->holds->count; i++) {
        const struct hold *hold = &reading->holds->at[i];

        if (hold->released_by != NULL)
            continue;
        if (is_about_all(hold) || is_about_name(hold, reading->name) ||
            (is_about_time(hold) && reading->is_named && reading->first_us < hold->end_us &&
             reading->last_us >= hold->from_us))
            return hold;
    }
    return NULL;
}

bool holds_name_is_known(int home_fd, const char *name, bool *ret_is_known,
                         struct fault *fault)
{
    struct holds holds = {.at = NULL};
    struct reading reading = {.holds = &holds, .name = name};
    bool ok = read_all(home_fd, &reading, fault);

    *ret_is_known = reading.is_named;
    holds_free(&holds);
    return ok;
}

bool holds_allow_removal(int home_fd, const char *name, struct fault *fault)
{
    struct holds holds = {.at = NULL};
    struct reading reading = {.holds = &holds, .name = name};
    const struct hold *hold;
    bool ok = read_all(home_fd, &reading, fault);

    if (ok && (hold = hold_on(&reading)) != NULL)
        ok = fault_set(fault, FAULT_DENIED,
                       "%s is under legal hold %s (%s, placed by %s): `custody hold release`",
                       name, hold->id, hold->reason, hold->person);
    holds_free(&holds);
    return ok;
}
