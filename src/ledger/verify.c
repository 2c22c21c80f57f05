#include "ledger/verify.h"

#include <fcntl.h>
#include <unistd.h>

#include "base/scope.h"
#include "ledger/absent.h"
#include "ledger/archive.h"
#include "ledger/checkpoint.h"
#include "ledger/producers.h"
#include "ledger/stamped.h"
#include "ledger/tile.h"
#include "ledger/tlog_policy.h"
#include "ledger/verify_names.h"
#include "os/file.h"

struct verifier {
    int folder;
    const struct verify_options *options;
    struct verify_report *report;
    struct producers *producers;
    struct absent *absent;        /* NULL until the origin is known */
    struct absent_says *own_says; /* of a ledger that is verified by itself */
    struct archive_folder archive;
    struct tree_range range;
    struct tree_hash levels[TILE_LEVELS][TILE_WIDTH];
    unsigned counts[TILE_LEVELS];
    struct buf bytes; /* a file */
    bool cannot_go_on;
    struct buf cosigned_bytes; /* checkpoint.cosigned, read before the checkpoint */
    struct checkpoint cosigned;
    struct stamped_list stamped;
    size_t stamped_next;      /* the first that is not compared yet */
    bool has_cosigned;        /* a checkpoint by this key, to be compared with the tree */
    struct checkpoint before; /* options->kept */
};

#define problem(verifier, ...) verify_report_say((verifier)->report, __VA_ARGS__)

static void on_finding(void *self, enum producers_finding finding, uint64_t index,
                       const char *why)
{
    struct verify_report *report = ((struct verifier *)self)->report;

    if (finding == PRODUCERS_SILENT) {
        if (report->silences++ == 0)
            (void)snprintf(report->silence, sizeof(report->silence), "%s", why);
        return;
    }
    verify_report_say(report,
                      finding == PRODUCERS_GAP ? VERIFY_INCOMPLETE : VERIFY_TAMPERING,
                      "record %llu: %s", (unsigned long long)index, why);
}

/* Hashes of the records of bundle `index`, from their bytes. */
static bool hash_bundle(struct verifier *verifier, uint64_t index, unsigned width)
{
    struct tile tile = {.is_entries = true, .index = index, .width = width};
    struct fault fault = {0};
    struct slice entries[TILE_WIDTH];
    struct slice rest;
    bool archived;

    if (!archive_or_tile_read(verifier->folder, verifier->archive.archive, &tile,
                              &verifier->bytes, &archived, &fault)) {
        if (fault.kind == FAULT_MISSING)
            absent_add(verifier->absent, index * TILE_WIDTH, index * TILE_WIDTH + width,
                       producers_time(verifier->producers));
        else
            problem(verifier, verify_meaning_of(&fault), "%s", fault.why);
        return false;
    }
    verifier->report->from_archive += archived ? width : 0;
    rest = buf_slice(&verifier->bytes);
    for (unsigned i = 0; i < width; i++)
        if (!tile_bundle_take(&rest, &entries[i])) /* tile_read has counted them */
            entries[i] = (struct slice){0};
    tree_leaves(entries, width, verifier->levels[0]);
    for (unsigned i = 0; i < width; i++)
        if (!verifier->options->leaves_are_opaque)
            producers_leaf(verifier->producers, index * TILE_WIDTH + i, entries[i],
                           &verifier->levels[0][i]);
    verifier->counts[0] = width;
    return true;
}

/* Compares what was computed with the tile; without a bundle, takes the tile's word. */
static void compare_tile(struct verifier *verifier, unsigned level, uint64_t index,
                         bool computed)
{
    struct tile tile = {.level = level, .index = index};
    struct fault fault = {0};
    char path[TILE_PATH_BYTES];

    tile.width = tile_width(level, index, verifier->report->size);
    tile_path(&tile, path);
    if (!tile_read(verifier->folder, &tile, &verifier->bytes, &fault)) {
        problem(verifier, verify_meaning_of(&fault), "%s", fault.why);
        verifier->cannot_go_on |= !computed;
        return;
    }
    if (!computed) {
        memcpy(verifier->levels[level], verifier->bytes.at, verifier->bytes.len);
        verifier->counts[level] = tile.width;
    } else if (tile.width != verifier->counts[level] ||
               memcmp(verifier->levels[level], verifier->bytes.at, verifier->bytes.len) != 0) {
        problem(verifier, VERIFY_TAMPERING, "%s is not what its records give", path);
    }
}

/* The tree that was cosigned must be the beginning of this one. */
static void compare_cosigned(struct verifier *verifier)
{
    struct tree_hash root;

    if (!verifier->has_cosigned || verifier->range.size != verifier->cosigned.size)
        return;
    root = tree_root(&verifier->range);
    if (!tree_hash_equal(&root, &verifier->cosigned.root))
        problem(verifier, VERIFY_TAMPERING,
                "checkpoint.cosigned has another root over the first %llu records: a fork",
                (unsigned long long)verifier->cosigned.size);
    else
        verifier->report->has_cosigned = true;
}

/* What an authority has seen must be the beginning of this tree. */
static void compare_stamped(struct verifier *verifier)
{
    struct verify_report *report = verifier->report;

    while (verifier->stamped_next < verifier->stamped.count &&
           verifier->stamped.at[verifier->stamped_next].size <= verifier->range.size) {
        const struct stamped *stamped = &verifier->stamped.at[verifier->stamped_next++];
        struct tree_hash root = tree_root(&verifier->range);

        if (stamped->size == 0)
            continue; /* the empty tree has one root, and checkpoint_parse knows it */
        if (!tree_hash_equal(&root, &stamped->root)) {
            problem(verifier, VERIFY_TAMPERING,
                    "a time-stamped checkpoint has another root over the first %llu records",
                    (unsigned long long)stamped->size);
            continue;
        }
        report->stamped_count++;
        report->stamped_size = stamped->size;
        report->stamped_time = stamped->time;
    }
}

/* The checkpoint that was kept, where the records have reached its size. */
static void compare_with_before(struct verifier *verifier)
{
    struct tree_hash root;

    if (!verifier->report->has_kept || verifier->range.size != verifier->before.size)
        return;
    root = tree_root(&verifier->range);
    if (tree_hash_equal(&root, &verifier->before.root))
        return;
    verifier->report->is_fork = true;
    problem(verifier, VERIFY_TAMPERING,
            "the first %llu records are not those of the checkpoint that was kept",
            (unsigned long long)verifier->before.size);
}

/* The next size at which the tree is compared with something; UINT64_MAX: there is none. */
static uint64_t next_comparison(const struct verifier *verifier)
{
    const struct stamped_list *stamped = &verifier->stamped;
    const uint64_t sizes[] = {
        verifier->has_cosigned ? verifier->cosigned.size : 0,
        verifier->report->has_kept ? verifier->before.size : 0,
        verifier->stamped_next < stamped->count ? stamped->at[verifier->stamped_next].size : 0,
    };
    uint64_t next = UINT64_MAX;

    for (size_t i = 0; i < COUNT(sizes); i++)
        if (sizes[i] > verifier->range.size && sizes[i] < next)
            next = sizes[i];
    return next;
}

/* The records of a bundle join the tree, which stops at every size that is compared. */
static void append_bundle(struct verifier *verifier)
{
    unsigned count = verifier->counts[0];

    compare_stamped(verifier); /* what is stamped of the empty tree goes off the list */
    for (unsigned at = 0; at < count;) {
        uint64_t left = next_comparison(verifier) - verifier->range.size;
        unsigned now = left < count - at ? (unsigned)left : count - at;

        tree_append_many(&verifier->range, &verifier->levels[0][at], now);
        at += now;
        compare_cosigned(verifier);
        compare_stamped(verifier);
        compare_with_before(verifier);
    }
}

static void check_bundle(struct verifier *verifier, uint64_t index)
{
    uint64_t size = verifier->report->size;
    bool computed = hash_bundle(verifier, index, tile_width(0, index, size));

    if (!computed)
        producers_skip(verifier->producers);
    compare_tile(verifier, 0, index, computed);
    if (verifier->cannot_go_on)
        return;
    append_bundle(verifier);
    for (unsigned level = 0; verifier->counts[level] == TILE_WIDTH; level++) {
        if (level > 0)
            compare_tile(verifier, level,
                         (verifier->range.size >> (8 * level)) / TILE_WIDTH - 1, true);
        verifier->levels[level + 1][verifier->counts[level + 1]++] =
            tree_root_of(verifier->levels[level], TILE_WIDTH);
        verifier->counts[level] = 0;
    }
}

static void check_tree(struct verifier *verifier)
{
    uint64_t size = verifier->report->size;
    struct tree_hash root;

    for (uint64_t index = 0; index * TILE_WIDTH < size && !verifier->cannot_go_on; index++)
        check_bundle(verifier, index);
    if (verifier->cannot_go_on)
        return;
    for (unsigned level = 1; level < TILE_LEVELS; level++)
        if (verifier->counts[level] > 0)
            compare_tile(verifier, level, (size >> (8 * level)) / TILE_WIDTH, true);
    root = tree_root(&verifier->range);
    if (memcmp(root.at, verifier->report->root, TREE_HASH_BYTES) != 0)
        problem(verifier, VERIFY_TAMPERING, "the records do not give the signed root");
    if (verifier->report->has_kept && verifier->before.size > size)
        problem(verifier, VERIFY_TAMPERING,
                "there are %llu records, and %llu under the checkpoint that was kept: the "
                "ledger was rolled back",
                (unsigned long long)size, (unsigned long long)verifier->before.size);
}

/* What nothing in the log explains is a missing file like any other. */
static void name_missing(struct verifier *verifier, const struct absent_range *range)
{
    struct tile tile = {.is_entries = true};
    char path[TILE_PATH_BYTES];

    for (tile.index = range->first / TILE_WIDTH; tile.index * TILE_WIDTH < range->end;
         tile.index++) {
        tile.width = tile_width(0, tile.index, verifier->report->size);
        tile_path(&tile, path);
        problem(verifier, VERIFY_INCOMPLETE, "%s is missing", path);
    }
}

static void on_absent(void *self, const struct absent_range *range)
{
    struct verifier *verifier = self;
    struct verify_report *report = verifier->report;

    if (range->kind == ABSENT_UNEXPLAINED) {
        name_missing(verifier, range);
    } else if (absent_is_too_young(range)) {
        problem(verifier, VERIFY_INCOMPLETE,
                "records %llu to %llu are said to have expired, and the one before them was "
                "written less than %d days earlier: nothing is kept for so short",
                (unsigned long long)range->first, (unsigned long long)range->end - 1,
                ABSENT_KEPT_DAYS_LEAST);
    } else if (range->kind == ABSENT_MOVED) {
        problem(verifier, VERIFY_INCOMPLETE,
                "records %llu to %llu are archived, as %s says%s: only their hash tiles were "
                "checked",
                (unsigned long long)range->first, (unsigned long long)range->end - 1,
                range->by == ABSENT_BY_LATER ? "a later shard" : "the log",
                verifier->options->archive == NULL ? " (give --archive)"
                                                   : ", and the archive has them not");
    } else {
        verify_report_expired(
            report, "",
            &(struct verify_range){.first = range->first, .end = range->end, .by = range->by});
    }
}

/* An archive of other ledgers only is none of this one: what is absent then says so. */
static void open_archive(struct verifier *verifier)
{
    struct fault fault = {0};

    verifier->report->has_archive = verifier->options->archive != NULL;
    if (verifier->options->says == NULL)
        verifier->own_says = absent_says_new();
    verifier->absent =
        absent_new(verifier->report->origin,
                   verifier->own_says != NULL ? verifier->own_says : verifier->options->says);
    producers_watch(verifier->producers, absent_types(), absent_see, verifier->absent);
    if (!archive_folder_open(verifier->options->archive, verifier->report->origin,
                             &verifier->archive, &fault) &&
        fault.kind != FAULT_MISSING)
        problem(verifier, verify_meaning_of(&fault), "%s", fault.why);
}

/* What the policy's witnesses say of one note: does it reach the quorum? */
static bool ask_policy(struct verifier *verifier, struct slice note_bytes, uint64_t size)
{
    AUTO_BUF struct buf words = buf_with_limit(1 << 16);
    struct verify_report *report = verifier->report;
    struct tlog_policy_result result;
    struct fault fault = {0};
    struct note note;

    if (!note_parse(note_bytes, &note, &fault) ||
        !tlog_policy_check(verifier->options->policy, &note, &result, &fault)) {
        problem(verifier, VERIFY_TAMPERING, "%s", fault.why);
        return false;
    }
    if (!tlog_policy_sentence(verifier->options->policy, &result, &words, &fault))
        return false;
    (void)snprintf(report->witnesses, sizeof(report->witnesses), "%s", buf_text(&words));
    if (result.holds)
        report->cosigned_size = size;
    return result.holds;
}

/* The checkpoint itself, or the one before it that the witnesses had time for. */
static void check_witnesses(struct verifier *verifier, struct slice checkpoint)
{
    struct verify_report *report = verifier->report;

    if (verifier->options->policy == NULL)
        return;
    report->has_policy = true;
    if (ask_policy(verifier, checkpoint, report->size) ||
        (verifier->has_cosigned &&
         ask_policy(verifier, buf_slice(&verifier->cosigned_bytes), verifier->cosigned.size)))
        return;
    problem(verifier, VERIFY_INCOMPLETE, "%s", report->witnesses);
}

/* Cosigned checkpoints are never newer than the published one: else records are gone. */
static void place_cosigned(struct verifier *verifier)
{
    struct verify_report *report = verifier->report;

    if (!verifier->has_cosigned)
        return;
    report->cosigned_size = verifier->options->policy == NULL ? verifier->cosigned.size : 0;
    if (verifier->cosigned.size > report->size)
        problem(
            verifier, VERIFY_TAMPERING,
            "checkpoint.cosigned covers %llu records, the checkpoint only %llu: a rollback",
            (unsigned long long)verifier->cosigned.size, (unsigned long long)report->size);
}

static void on_wrong_stamp(void *self, const char *name, const struct fault *why)
{
    verify_report_say(((struct verifier *)self)->report, verify_meaning_of(why), "%s: %s", name,
                      why->why);
}

static void read_stamped(struct verifier *verifier, const struct note_key *key)
{
    const struct verify_options *options = verifier->options;
    struct fault fault = {0};

    if (!options->has_timestamps)
        return;
    verifier->report->has_timestamps = true;
    if (!stamped_read(options->timestamps, key, options->tsa_ca, on_wrong_stamp, verifier,
                      &verifier->stamped, &fault)) {
        problem(verifier, VERIFY_INCOMPLETE, "%s", fault.why);
        return;
    }
    if (verifier->stamped.count == 0)
        problem(verifier, VERIFY_INCOMPLETE, "no time stamp holds: no time was verified");
    else if (verifier->stamped.at[verifier->stamped.count - 1].size > verifier->report->size)
        problem(verifier, VERIFY_TAMPERING,
                "a time-stamped checkpoint covers %llu records, the checkpoint only %llu",
                (unsigned long long)verifier->stamped.at[verifier->stamped.count - 1].size,
                (unsigned long long)verifier->report->size);
}

static void read_cosigned(struct verifier *verifier, const struct note_key *key)
{
    struct fault fault = {0};

    verifier->cosigned_bytes = buf_with_limit(NOTE_BYTES_MAX);
    if (!file_read(verifier->folder, "checkpoint.cosigned", &verifier->cosigned_bytes,
                   &fault)) {
        if (fault.kind != FAULT_MISSING)
            problem(verifier, verify_meaning_of(&fault), "%s", fault.why);
        return;
    }
    verifier->has_cosigned = checkpoint_open(buf_slice(&verifier->cosigned_bytes), key,
                                             &verifier->cosigned, &fault);
    if (!verifier->has_cosigned)
        problem(verifier, VERIFY_TAMPERING, "checkpoint.cosigned: %s", fault.why);
}

static bool read_checkpoint(struct verifier *verifier, const struct note_key *key)
{
    AUTO_BUF struct buf note = buf_with_limit(NOTE_BYTES_MAX);
    struct verify_report *report = verifier->report;
    struct checkpoint checkpoint;
    struct fault fault = {0};

    read_cosigned(verifier, key);
    if (!file_read(verifier->folder, "checkpoint", &note, &fault)) {
        problem(verifier, verify_meaning_of(&fault), "%s", fault.why);
        return false;
    }
    if (!checkpoint_open(buf_slice(&note), key, &checkpoint, &fault)) {
        problem(verifier, VERIFY_TAMPERING, "%s", fault.why);
        return false;
    }
    report->has_checkpoint = true;
    report->size = checkpoint.size;
    memcpy(report->root, checkpoint.root.at, sizeof(report->root));
    (void)snprintf(report->origin, sizeof(report->origin), "%s", note_key_name(key));
    place_cosigned(verifier);
    read_stamped(verifier, key);
    check_witnesses(verifier, buf_slice(&note));
    return true;
}

/* The key that was named, which the policy must know as well; else the policy's own. */
static bool choose_key(int folder, struct slice vkey, const struct tlog_policy *policy,
                       struct note_key **ret_named, const struct note_key **ret_key,
                       struct fault *fault)
{
    AUTO_BUF struct buf bytes = buf_with_limit(NOTE_BYTES_MAX);
    struct note note;

    *ret_named = NULL;
    if (vkey.len > 0) {
        if (!note_key_parse(vkey, ret_named, fault))
            return false;
        *ret_key = *ret_named;
        if (policy == NULL || tlog_policy_log_count(policy) == 0 ||
            tlog_policy_has_log(policy, *ret_named))
            return true;
        note_key_free(*ret_named);
        return fault_set(fault, FAULT_INVALID, "the policy does not name this log's key");
    }
    if (policy == NULL)
        return fault_set(fault, FAULT_INVALID, "neither a key nor a policy that names it");
    if (!file_read(folder, "checkpoint", &bytes, fault) ||
        !note_parse(buf_slice(&bytes), &note, fault))
        return false;
    *ret_key = tlog_policy_log_of(policy, &note);
    return *ret_key != NULL ||
           fault_set(fault, FAULT_INVALID, "the policy names no log that signed this one");
}

static bool read_before(const struct verify_options *options, const struct note_key *key,
                        struct checkpoint *ret_before, struct fault *fault)
{
    return options->kept == NULL || checkpoint_open(*options->kept, key, ret_before, fault)
               ? true
               : fault_in(fault, "the checkpoint that was kept");
}

bool verify_ledger(int folder, struct slice vkey, const struct verify_options *options,
                   struct verify_report *ret_report, struct fault *fault)
{
    struct verifier *verifier;
    const struct note_key *key;
    struct note_key *named;
    struct checkpoint before = {.size = 0};

    if (!choose_key(folder, slice_trim(vkey), options->policy, &named, &key, fault))
        return false;
    if (!read_before(options, key, &before, fault)) {
        note_key_free(named);
        return false;
    }
    memset(ret_report, 0, sizeof(*ret_report));
    ret_report->key_is_beside = options->key_is_beside;
    ret_report->has_kept = options->kept != NULL;
    ret_report->kept_size = before.size;
    verifier = xalloc(sizeof(*verifier));
    verifier->before = before;
    verifier->folder = folder;
    verifier->options = options;
    verifier->report = ret_report;
    verifier->bytes = buf_with_limit(TILE_BUNDLE_BYTES_MAX);
    verifier->producers = producers_new(on_finding, verifier);
    ret_report->has_unsealed = file_exists(folder, "wal/frames");
    if (read_checkpoint(verifier, key)) {
        open_archive(verifier);
        check_tree(verifier);
        absent_each(verifier->absent, on_absent, verifier);
        verify_names(verifier->folder, verifier->archive.archive, verifier->report);
        if (ret_report->size == 0)
            problem(verifier, VERIFY_INCOMPLETE, "there are no records: nothing was verified");
    }
    ret_report->producers = producers_count(verifier->producers);
    ret_report->intents_open = producers_open_intents(verifier->producers);
    producers_free(verifier->producers);
    absent_free(verifier->absent);
    absent_says_free(verifier->own_says);
    archive_folder_close(&verifier->archive);
    buf_free(&verifier->bytes);
    buf_free(&verifier->cosigned_bytes);
    stamped_free(&verifier->stamped);
    free(verifier);
    note_key_free(named);
    return true;
}
