#include "roles/records/archiver.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/scope.h"
#include "ledger/archive_place.h"
#include "ledger/checkpoint.h"
#include "ledger/shards.h"
#include "ledger/verify.h"
#include "os/file.h"
#include "roles/records/archiver_parts.h"
#include "roles/records/published.h"

#define COSIGNED_US (INT64_C(40) * 1000000) /* the relay asks every 10 s */
#define PAUSE_NS 200000000L

static bool put_record(const struct archiver *archiver, const struct archiver_act *act,
                       const char *outcome, uint64_t size, uint64_t *ret_seq,
                       struct fault *fault)
{
    struct ledger_client *ledger;
    struct record record;

    if (!session_ledger(archiver->session, &ledger, fault))
        return false;
    record_begin(&record, act->type);
    record_word(&record, RECORD_OUTCOME, outcome);
    record_word(&record, RECORD_ORIGIN, act->origin);
    record_word(&record, RECORD_PERSON, archiver->person);
    record_word(&record, RECORD_MECHANISM, "folder");
    record_word(&record, RECORD_DIGEST, act->digest);
    record_number(&record, RECORD_FIRST, (int64_t)(act->range.first * TILE_WIDTH));
    record_number(&record, RECORD_END, (int64_t)(act->range.end * TILE_WIDTH));
    record_number(&record, RECORD_COUNT,
                  (int64_t)((act->range.end - act->range.first) * TILE_WIDTH));
    record_number(&record, RECORD_SIZE, (int64_t)size);
    if (ret_seq == NULL)
        record_number(&record, RECORD_INTENT, (int64_t)act->seq);
    return ledger_record_durably(ledger, &record, ret_seq, fault) ||
           fault_in(fault, "record it");
}

bool archiver_record(const struct archiver *archiver, const struct archiver_act *act,
                     const char *outcome, uint64_t size, struct fault *fault)
{
    return put_record(archiver, act, outcome, size, NULL, fault);
}

static bool size_in(int folder, const char *name, uint64_t *ret_size)
{
    AUTO_BUF struct buf bytes = buf_with_limit(NOTE_BYTES_MAX);
    struct checkpoint checkpoint;
    struct fault ignored = {0};
    struct note note;

    if (!file_read(folder, name, &bytes, &ignored) ||
        !note_parse(buf_slice(&bytes), &note, &ignored) ||
        !checkpoint_parse(note.text, &checkpoint, &ignored))
        return false;
    *ret_size = checkpoint.size;
    return true;
}

/* `checkpoint.cosigned` is replaced only when as many as policy asks for have signed. */
static bool wait_for_witnesses(const struct archiver *archiver, struct fault *fault)
{
    const struct timespec pause = {.tv_nsec = PAUSE_NS};
    int64_t end_us = clock_monotonic_us(archiver->clock) + COSIGNED_US;
    int home = archiver->session->home.fd;
    uint64_t wanted, cosigned = 0;

    if (archiver->policy->witnesses_required == 0)
        return true;
    if (!size_in(home, "ledger/checkpoint", &wanted))
        return fault_set(fault, FAULT_IO, "ledger/checkpoint cannot be read");
    while (!size_in(home, "ledger/checkpoint.cosigned", &cosigned) || cosigned < wanted) {
        if (clock_monotonic_us(archiver->clock) > end_us)
            return fault_set(fault, FAULT_LIMIT,
                             "the witnesses have not cosigned record %llu (policy: "
                             "ledger.require), so nothing was deleted: see state/witnesses, "
                             "and try again",
                             (unsigned long long)wanted - 1);
        (void)nanosleep(&pause, NULL);
    }
    return true;
}

bool archiver_call_off(const struct archiver *archiver, const struct archiver_act *acts,
                       size_t count)
{
    struct fault unsaid = {0};

    for (size_t i = 0; i < count; i++)
        if (!archiver_record(archiver, &acts[i], "failed", 0, &unsaid))
            break; /* the ledger is gone, and `intended` stays open */
    return false;
}

bool archiver_announce(const struct archiver *archiver, struct archiver_act *acts,
                       size_t count, struct fault *fault)
{
    struct ledger_client *ledger;

    for (size_t i = 0; i < count; i++)
        if (!put_record(archiver, &acts[i], "intended", acts[i].bytes, &acts[i].seq, fault))
            return archiver_call_off(archiver, acts, i);
    return (session_ledger(archiver->session, &ledger, fault) &&
            ledger_checkpoint(ledger, fault) && wait_for_witnesses(archiver, fault)) ||
           archiver_call_off(archiver, acts, count);
}

static bool is_same(int a, int b)
{
    struct stat left, right;

    return fstat(a, &left) == 0 && fstat(b, &right) == 0 && left.st_dev == right.st_dev &&
           left.st_ino == right.st_ino;
}

/* Inside the state folder it would go with what it shall outlive. */
static bool check_place(const struct archiver *archiver, struct fault *fault)
{
    AUTO_CLOSE int at = open(archiver->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    if (at < 0)
        return fault_errno(fault, "open the archive %s", archiver->path);
    for (;;) {
        AUTO_CLOSE int above = -1;

        if (is_same(at, archiver->session->home.fd))
            return fault_set(fault, FAULT_INVALID,
                             "the archive %s lies in the state folder: choose a folder "
                             "elsewhere, best on another volume",
                             archiver->path);
        above = openat(at, "..", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (above < 0)
            return fault_errno(fault, "look above the archive %s", archiver->path);
        if (is_same(at, above))
            return true;
        scope_close(&at);
        at = take_fd(&above);
    }
}

/* One at a time: two would pack the same bundles into two files. */
static bool lock(const struct archiver *archiver, int *ret_lock, struct fault *fault)
{
    AUTO_CLOSE int fd =
        openat(archiver->session->home.fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    if (fd < 0 || flock(fd, LOCK_EX | LOCK_NB) < 0)
        return errno == EWOULDBLOCK
                   ? fault_set(fault, FAULT_CONFLICT, "another `custody archive` is at work")
                   : fault_errno(fault, "lock the state folder");
    *ret_lock = take_fd(&fd);
    return true;
}

/* An archive is made of a ledger that holds: what it keeps cannot be mended later. */
static bool check_ledger(const struct archiver *archiver, const struct shard *shard,
                         struct fault *fault)
{
    AUTO_FREE struct verify_report *report = xalloc(sizeof(*report));
    AUTO_BUF struct buf vkey = buf_with_limit(NOTE_BYTES_MAX);
    struct verify_options options = {.archive = archiver->path};
    bool has_key = shard->is_current ? file_read(archiver->session->home.fd,
                                                 "keys/ledger.vkey", &vkey, fault)
                                     : file_read(shard->folder, "vkey", &vkey, fault);

    if (!has_key || !verify_ledger(shard->folder, buf_slice(&vkey), &options, report, fault))
        return false;
    return report->result != VERIFY_TAMPERING ||
           fault_set(fault, FAULT_INVALID,
                     "the ledger does not hold (see `custody verify`): %s",
                     report->problems[0].text);
}

static bool move_range(const struct archiver *archiver, const struct shard *shard,
                       const struct archive_plan *plan, size_t at,
                       const struct archive_folder *archive, struct archiver_result *result,
                       struct fault *fault)
{
    struct archiver_act act = {
        .type = RECORD_ARCHIVE_MOVED, .origin = shard->origin, .range = plan->at[at]};
    uint64_t freed;

    if (!archive_manifest(archive->archive, &archive->cold, &act.range, act.digest, &act.bytes,
                          fault) ||
        !archiver_announce(archiver, &act, 1, fault))
        return false;
    if (!archive_place_write(shard->folder, archiver->path, plan->stop * TILE_WIDTH, fault) ||
        !archive_drop(shard->folder, &act.range, &freed, fault))
        return archiver_call_off(archiver, &act, 1);
    result->archive_bytes += act.bytes;
    result->freed_bytes += freed;
    return archiver_record(archiver, &act, "ok", freed, fault);
}

static bool copy_and_check(const struct archiver *archiver, const struct shard *shard,
                           const struct archive_plan *plan, struct archive_folder *archive,
                           struct fault *fault)
{
    if (!cold_folder_open(archiver->path, shard->origin, true, &archive->cold, fault) ||
        !archive_open(&archive->cold, &archive->archive, fault) ||
        !archive_copy(shard->folder, plan, archive->archive, &archive->cold,
                      &archiver->progress, fault))
        return false;
    archive_free(archive->archive);
    archive->archive = NULL;
    return archive_open(&archive->cold, &archive->archive, fault) &&
           archive_check(shard->folder, plan, archive->archive, &archiver->progress, fault);
}

static bool move_planned(const struct archiver *archiver, const struct shard *shard,
                         const struct archive_plan *plan, struct archiver_result *result,
                         struct fault *fault)
{
    struct archive_folder archive = {.archive = NULL};
    bool ok = check_ledger(archiver, shard, fault) &&
              copy_and_check(archiver, shard, plan, &archive, fault);

    for (size_t i = 0; ok && i < plan->count; i++)
        ok = move_range(archiver, shard, plan, i, &archive, result, fault);
    archive_folder_close(&archive);
    return ok;
}

/* Another place than the one before would leave half of it behind. */
static bool check_same_place(const struct archiver *archiver, const struct shard *shard,
                             struct fault *fault)
{
    AUTO_FREE char *before = NULL;

    if (!archive_place_read(shard->folder, &before, fault))
        return false;
    return before == NULL || strcmp(before, archiver->path) == 0 ||
           fault_set(fault, FAULT_CONFLICT,
                     "this ledger's archive is %s: go on there, or copy all of it to %s and "
                     "remove the ledger's file `" ARCHIVE_PLACE_NAME "`",
                     before, archiver->path);
}

static bool move_shard(const struct archiver *archiver, const struct shard *shard,
                       archiver_told *told, void *self, struct fault *fault)
{
    int64_t before_us = clock_now_us(archiver->clock) - archiver->hot_days * ARCHIVER_DAY_US;
    char name[SHARD_NAME_BYTES] = "ledger";
    struct archiver_result result = {.shard = name};
    struct archive_plan plan = {.at = NULL};
    bool ok;

    if (!shard->is_current)
        shard_name(shard->number, name);
    ok = check_same_place(archiver, shard, fault) &&
         archive_plan_make(shard->folder, shard->size, before_us, &plan, fault);
    result.records = plan.bundles * TILE_WIDTH;
    if (ok && plan.bundles > 0 && !archiver->is_dry_run)
        ok = move_planned(archiver, shard, &plan, &result, fault);
    archive_plan_free(&plan);
    if (!ok)
        return fault_in(fault, "archive %s", name);
    told(self, &result);
    return true;
}

/* Also what is not public yet, so that a plan is made of all there is. */
static bool publish(const struct archiver *archiver, struct fault *fault)
{
    struct ledger_client *ledger;

    if (archiver->is_dry_run)
        return ledger_is_published(archiver->session->home.fd) || true;
    return session_ledger(archiver->session, &ledger, fault) &&
           ledger_checkpoint(ledger, fault);
}

bool archiver_each(const struct archiver *archiver,
                   bool (*act)(const struct archiver *archiver, const struct shard *shard,
                               archiver_told *told, void *self, struct fault *fault),
                   archiver_told *told, void *self, struct fault *fault)
{
    AUTO_CLOSE int held = -1;
    struct shard_list shards = {.at = NULL};
    struct ledger_client *ledger;
    bool ok = lock(archiver, &held, fault) && publish(archiver, fault) &&
              shards_open(archiver->session->home.fd, &shards, fault);

    for (size_t i = 0; ok && i < shards.count; i++)
        ok = act(archiver, &shards.at[i], told, self, fault);
    shards_close(&shards);
    return ok && (archiver->is_dry_run || (session_ledger(archiver->session, &ledger, fault) &&
                                           ledger_checkpoint(ledger, fault)));
}

bool archiver_move(const struct archiver *archiver, archiver_told *told, void *self,
                   struct fault *fault)
{
    return check_place(archiver, fault) &&
           archiver_each(archiver, move_shard, told, self, fault);
}
