/* The end of retention: archive files that were kept long enough. */
#include <stdio.h>

#include "base/scope.h"
#include "ledger/archive_place.h"
#include "ledger/reader.h"
#include "roles/records/archiver_parts.h"
#include "roles/records/holds.h"
#include "roles/records/published.h"

/* What one file holds that speaks for or against its end. */
struct looking {
    const struct holds *holds;
    bool *is_gone;     /* by hold: the record that placed it is in a file that goes */
    bool *goes;        /* the same, of the file that is looked at */
    bool *ends;        /* by hold: the record that released it is in that file */
    int64_t newest_us; /* of its records */
    const struct hold *hold;
};

static bool is_id(const struct hold *hold, const struct record *record)
{
    return slice_equal(record->field[RECORD_HOLD].text, slice_of(hold->id));
}

/* A hold's own record stays as long as it stands. */
static const struct hold *kept_by_itself(struct looking *looking, const struct record *record)
{
    for (size_t i = 0; record->field[RECORD_HOLD].set && i < looking->holds->count; i++) {
        const struct hold *hold = &looking->holds->at[i];

        if (!is_id(hold, record))
            continue;
        if (record->type == RECORD_HOLD_PLACED && hold->released_by == NULL)
            return hold;
        *(record->type == RECORD_HOLD_PLACED ? &looking->goes[i] : &looking->ends[i]) = true;
    }
    return NULL;
}

static bool look(void *self, const struct record *record, int64_t t_us, struct fault *fault)
{
    struct looking *looking = self;

    (void)fault;
    if (t_us > looking->newest_us)
        looking->newest_us = t_us;
    if (looking->hold == NULL)
        looking->hold = holds_of_record(looking->holds, record, t_us);
    if (looking->hold == NULL)
        looking->hold = kept_by_itself(looking, record);
    return true;
}

/* Files that go, in one shard. */
struct expiry {
    const struct archiver *archiver;
    const struct shard *shard;
    struct archive_folder archive;
    struct looking looking;
    struct archiver_result *result;
    struct archiver_act *acts;
    size_t act_count, act_room;
    bool *renewed; /* by hold: that it was released has to be said again */
};

static bool add_file(struct expiry *expiry, const struct archive_file *file,
                     struct fault *fault)
{
    const struct cold *cold = &expiry->archive.cold;
    struct archiver_act act = {.type = RECORD_ARCHIVE_EXPIRED,
                               .origin = expiry->shard->origin,
                               .range = {.first = file->first, .end = file->end}};
    char name[COLD_NAME_BYTES];

    archive_file_name(file, name);
    if (!cold->size(cold->self, name, &act.bytes, fault))
        return false;
    expiry->acts =
        xgrow(expiry->acts, &expiry->act_room, expiry->act_count + 1, sizeof(expiry->acts[0]));
    expiry->acts[expiry->act_count++] = act;
    expiry->result->records += (file->end - file->first) * TILE_WIDTH;
    return true;
}

static bool look_at(struct expiry *expiry, const struct archive_file *file, int64_t before_us,
                    struct fault *fault)
{
    struct looking *looking = &expiry->looking;

    looking->newest_us = INT64_MIN;
    looking->hold = NULL;
    memset(looking->goes, 0, looking->holds->count * sizeof(looking->goes[0]));
    memset(looking->ends, 0, looking->holds->count * sizeof(looking->ends[0]));
    if (!archive_records(expiry->shard->folder, expiry->archive.archive, file, look, looking,
                         fault))
        return false;
    if (looking->newest_us >= before_us)
        return true;
    if (looking->hold != NULL) {
        expiry->result->held += (file->end - file->first) * TILE_WIDTH;
        (void)snprintf(expiry->result->hold, sizeof(expiry->result->hold), "%s",
                       looking->hold->id);
        return true;
    }
    for (size_t i = 0; i < looking->holds->count; i++) {
        looking->is_gone[i] |= looking->goes[i];
        expiry->renewed[i] |= looking->ends[i] && !looking->is_gone[i];
    }
    return add_file(expiry, file, fault);
}

static bool choose(struct expiry *expiry, const struct holds *holds, struct fault *fault)
{
    const struct archiver *archiver = expiry->archiver;
    int64_t before_us =
        clock_now_us(archiver->clock) - archiver->policy->retention_days * ARCHIVER_DAY_US;
    bool ok = true;

    expiry->looking = (struct looking){
        .holds = holds,
        .is_gone = xalloc_array(holds->count + 1, sizeof(bool)),
        .goes = xalloc_array(holds->count + 1, sizeof(bool)),
        .ends = xalloc_array(holds->count + 1, sizeof(bool)),
    };
    for (size_t i = 0; ok && i < archive_count(expiry->archive.archive); i++)
        ok = look_at(expiry, archive_file_at(expiry->archive.archive, i), before_us, fault);
    free(expiry->looking.is_gone);
    free(expiry->looking.goes);
    free(expiry->looking.ends);
    return ok;
}

/* A hold that is in the log before the records that announce the end counts. */
static bool holds_are_the_same(const struct archiver *archiver, size_t count,
                               struct fault *fault)
{
    struct holds now;
    bool ok = holds_read(archiver->session->home.fd, &now, fault);

    if (!ok)
        return false;
    ok = now.count == count ||
         fault_set(fault, FAULT_CONFLICT,
                   "a legal hold was placed meanwhile, so nothing was removed: try again");
    holds_free(&now);
    return ok;
}

static bool remove_files(struct expiry *expiry, struct fault *fault)
{
    const struct cold *cold = &expiry->archive.cold;

    for (size_t i = 0; i < expiry->act_count; i++) {
        const struct archiver_act *act = &expiry->acts[i];
        const struct archive_file file = {.first = act->range.first, .end = act->range.end};
        char name[COLD_NAME_BYTES];

        archive_file_name(&file, name);
        /* Where a removal fails, `intended` stays open: the next call removes what is left. */
        if (!cold->remove(cold->self, name, fault) ||
            !archiver_record(expiry->archiver, act, "ok", act->bytes, fault))
            return false;
        expiry->result->freed_bytes += act->bytes;
    }
    return true;
}

/* A hold whose beginning stays and whose end goes would seem to stand again. */
static bool renew_releases(struct expiry *expiry, const struct holds *holds,
                           struct fault *fault)
{
    struct ledger_client *ledger;

    for (size_t i = 0; i < holds->count; i++) {
        const struct hold *hold = &holds->at[i];
        struct record record;

        if (!expiry->renewed[i])
            continue;
        record_begin(&record, RECORD_HOLD_RELEASED);
        record_word(&record, RECORD_HOLD, hold->id);
        record_word(&record, RECORD_PERSON, hold->released_by);
        record_word(&record, RECORD_REASON, hold->release_reason);
        record_word(&record, RECORD_DIGEST, hold->release_digest);
        record_word(&record, RECORD_MECHANISM, "archive");
        if (!session_ledger(expiry->archiver->session, &ledger, fault) ||
            !ledger_record_durably(ledger, &record, NULL, fault))
            return false;
    }
    return true;
}

static bool carry_out(struct expiry *expiry, const struct holds *holds, struct fault *fault)
{
    const struct archiver *archiver = expiry->archiver;

    if (!choose(expiry, holds, fault))
        return false;
    if (expiry->act_count == 0 || archiver->is_dry_run)
        return true;
    if (!renew_releases(expiry, holds, fault) ||
        !archiver_announce(archiver, expiry->acts, expiry->act_count, fault))
        return false;
    if (!holds_are_the_same(archiver, holds->count, fault))
        return archiver_call_off(archiver, expiry->acts, expiry->act_count);
    return remove_files(expiry, fault);
}

static bool expire_files(struct expiry *expiry, struct fault *fault)
{
    struct holds holds;
    bool ok;

    if (!holds_read(expiry->archiver->session->home.fd, &holds, fault))
        return false;
    expiry->renewed = xalloc_array(holds.count + 1, sizeof(bool));
    ok = carry_out(expiry, &holds, fault);
    free(expiry->renewed);
    holds_free(&holds);
    return ok;
}

static bool expire_shard(const struct archiver *archiver, const struct shard *shard,
                         archiver_told *told, void *self, struct fault *fault)
{
    char name[SHARD_NAME_BYTES] = "ledger";
    struct archiver_result result = {.shard = name};
    struct expiry expiry = {.archiver = archiver, .shard = shard, .result = &result};
    AUTO_FREE char *path = NULL;
    bool ok;

    if (!shard->is_current)
        shard_name(shard->number, name);
    ok = archiver->path != NULL || archive_place_read(shard->folder, &path, fault);
    if (ok && (archiver->path != NULL || path != NULL))
        ok = archive_folder_open(archiver->path != NULL ? archiver->path : path, shard->origin,
                                 &expiry.archive, fault) &&
             expire_files(&expiry, fault);
    archive_folder_close(&expiry.archive);
    free(expiry.acts);
    if (!ok)
        return fault_in(fault, "expire %s", name);
    told(self, &result);
    return true;
}

struct last {
    struct buf arena;
    int64_t t_us;
};

static bool on_last(void *self, uint64_t index, struct slice leaf, struct fault *fault)
{
    struct last *last = self;
    struct record_header header;
    struct record record;

    (void)index;
    if (!record_decode(leaf, &record, &header, &last->arena, fault))
        return false;
    if (header.t_us > last->t_us)
        last->t_us = header.t_us;
    return true;
}

/* A clock that is behind the log itself cannot say that a year is over. */
static bool check_clock(const struct archiver *archiver, struct fault *fault)
{
    struct last last = {.arena = buf_with_limit(RECORD_BYTES_MAX + 1), .t_us = INT64_MIN};
    struct reader_options options = {.with_unsealed =
                                         !ledger_is_published(archiver->session->home.fd)};
    struct shard_list shards = {.at = NULL};
    bool ok = shards_open(archiver->session->home.fd, &shards, fault);
    uint64_t next;

    if (ok) {
        const struct shard *current = &shards.at[shards.count - 1];

        options.from = current->size == 0 ? 0 : (current->size - 1) / TILE_WIDTH * TILE_WIDTH;
        options.archive = current->archive.archive;
        ok = reader_each(current->folder, &options, on_last, &last, &next, fault);
    }
    shards_close(&shards);
    buf_free(&last.arena);
    return ok &&
           (clock_now_us(archiver->clock) >= last.t_us ||
            fault_set(fault, FAULT_INVALID,
                      "the clock is behind the ledger's last record: set it right first"));
}

bool archiver_expire(const struct archiver *archiver, archiver_told *told, void *self,
                     struct fault *fault)
{
    if (archiver->policy->retention_days == 0)
        return fault_set(fault, FAULT_INVALID,
                         "policy.yaml: retention.profile is none: records never expire");
    return check_clock(archiver, fault) &&
           archiver_each(archiver, expire_shard, told, self, fault);
}
