#include "ledger/verify_chain.h"

#include <openssl/evp.h>
#include <stdarg.h>
#include <stdio.h>

#include "base/hex.h"
#include "base/scope.h"
#include "ledger/absent.h"
#include "ledger/handover.h"
#include "ledger/proof.h"
#include "ledger/tlog_policy.h"
#include "os/file.h"
#include "wire/base64.h"
#include "wire/jcs.h"
#include "wire/record.h"

#define HEX_BYTES (2 * TREE_HASH_BYTES + 1)
#define NAME_SHOWN_BYTES 80

/* A record at one end of a shard; of a shard that cannot be read, nothing is there. */
struct end {
    bool is_there;
    struct record record;
    struct tree_hash leaf_hash;
    struct buf arena;
};

struct member {
    const struct chain_shard *given;
    struct verify_shard *verdict;
    struct note_key *key; /* NULL: none that can be read */
    struct fault key_fault;
    char digest[HEX_BYTES];
    struct end first, last;
    bool is_vouched_for; /* its key, by the trusted one */
};

struct chain {
    struct member *members;
    size_t count;
    struct verify_report *report;
    struct absent_says *says;
};

static void problem(struct chain *chain, struct member *member, enum verify_result result,
                    const char *format, ...) __attribute__((format(printf, 4, 5)));

/* Of a long path its end: what is said about it has to fit behind it. */
static const char *shown_name(const struct member *member)
{
    size_t len = strlen(member->given->name);

    return member->given->name + (len > NAME_SHOWN_BYTES ? len - NAME_SHOWN_BYTES : 0);
}

/* A joint counts for the shard behind it. */
static void problem(struct chain *chain, struct member *member, enum verify_result result,
                    const char *format, ...)
{
    struct chain_joint *joint = &member->verdict->joint;
    AUTO_FREE char *text = NULL;
    char why[240];
    va_list args;

    va_start(args, format);
    (void)vsnprintf(why, sizeof(why), format, args);
    va_end(args);
    text = xformat("%s: %s", shown_name(member), why);
    if (joint->result == VERIFY_HOLDS || result == VERIFY_TAMPERING)
        joint->result = result;
    verify_report_add(chain->report, result, text);
}

/* ---- each by itself ---- */

static bool read_end(const struct member *member, uint64_t index, struct end *end)
{
    AUTO_BUF struct buf leaf = buf_with_limit(RECORD_BYTES_MAX);
    struct record_header header;
    struct fault ignored = {0};

    end->arena = buf_with_limit(RECORD_BYTES_MAX + 1);
    if (!proof_record(member->given->folder, NULL, member->verdict->size, index, &leaf,
                      &ignored) ||
        !record_decode(buf_slice(&leaf), &end->record, &header, &end->arena, &ignored))
        return false;
    end->leaf_hash = tree_leaf(buf_slice(&leaf));
    return true;
}

static void take_report(struct member *member, const struct verify_report *report)
{
    struct verify_shard *verdict = member->verdict;

    verdict->result = report->result;
    verdict->size = report->size;
    memcpy(verdict->root, report->root, sizeof(verdict->root));
    (void)snprintf(verdict->origin, sizeof(verdict->origin), "%s", report->origin);
    if (report->has_checkpoint && report->size > 0) {
        member->first.is_there = read_end(member, 0, &member->first);
        member->last.is_there = read_end(member, report->size - 1, &member->last);
    }
}

static void add_problems(struct chain *chain, const struct member *member,
                         const struct verify_report *report)
{
    if (report->has_kept) {
        chain->report->has_kept = true;
        chain->report->kept_size = report->kept_size;
        chain->report->is_fork = report->is_fork;
    }
    chain->report->has_archive |= report->has_archive;
    chain->report->from_archive += report->from_archive;
    for (size_t i = 0; i < report->expired_count && i < VERIFY_RANGES_MAX; i++)
        verify_report_expired(chain->report, shown_name(member), &report->expired[i]);
    for (size_t i = 0; i < report->problem_count && i < VERIFY_PROBLEMS_MAX; i++) {
        AUTO_FREE char *text = xformat("%s: %s", shown_name(member), report->problems[i].text);

        verify_report_add(chain->report, report->problems[i].result, text);
    }
}

static bool is_type(const struct end *end, enum record_type type)
{
    return end->is_there && end->record.type == type;
}

static bool field_is(const struct end *end, enum record_field field, const char *text)
{
    return end->record.field[field].set &&
           slice_equal(end->record.field[field].text, slice_of(text));
}

/* What of the asker's options is about this shard. */
static struct verify_options options_of(const struct member *member, bool is_last,
                                        bool is_kept, const struct verify_options *given)
{
    struct verify_options options = *given;

    if (!is_kept)
        options.kept = NULL;
    if (options.archive == NULL)
        options.archive = member->given->archive;
    if (is_last)
        return options;
    options.has_timestamps = false;
    if (options.policy != NULL && !tlog_policy_has_log(options.policy, member->key))
        options.policy = NULL;
    return options;
}

/*
 * A copy that was restored ends before a checkpoint that somebody kept: it says so itself, in
 * the shard that follows. What lies between is lost, and not hidden.
 */
static bool is_lost_by_restoring(struct chain *chain, struct member *member,
                                 const struct slice *kept)
{
    const struct member *next = member + 1;
    AUTO_BUF struct buf bytes = buf_with_limit(NOTE_BYTES_MAX);
    struct checkpoint own, later;
    struct fault ignored = {0};

    if (next == chain->members + chain->count || !is_type(&next->first, RECORD_SHARD_BEGUN) ||
        !field_is(&next->first, RECORD_REASON, "restored") ||
        !file_read(member->given->folder, "checkpoint", &bytes, &ignored) ||
        !checkpoint_open(buf_slice(&bytes), member->key, &own, &ignored) ||
        !checkpoint_open(*kept, member->key, &later, &ignored) || later.size <= own.size)
        return false;
    problem(chain, member, VERIFY_INCOMPLETE,
            "it was restored from a copy of %llu records, the checkpoint that was kept has "
            "%llu: those between are lost",
            (unsigned long long)own.size, (unsigned long long)later.size);
    return true;
}

static bool verify_member(struct chain *chain, struct member *member, bool is_last,
                          bool is_kept, const struct verify_options *given,
                          struct fault *fault)
{
    AUTO_FREE struct verify_report *own = xalloc(sizeof(*own));
    struct verify_report *report = is_last ? chain->report : own;
    struct verify_options options;

    if (member->key == NULL) {
        member->verdict->result = VERIFY_INCOMPLETE;
        if (member->given->vkey.len > 0)
            problem(chain, member, VERIFY_TAMPERING, "`vkey`: %s", member->key_fault.why);
        else
            problem(chain, member, VERIFY_INCOMPLETE,
                    "there is no public key (`vkey`) beside it that can be read");
        return true;
    }
    is_kept = is_kept && !is_lost_by_restoring(chain, member, given->kept);
    options = options_of(member, is_last, is_kept, given);
    options.says = chain->says; /* the last is read first, and says what is gone before it */
    if (!verify_ledger(member->given->folder, member->given->vkey, &options, report, fault))
        return fault_in(fault, "%s", shown_name(member));
    take_report(member, report);
    if (!is_last)
        add_problems(chain, member, report);
    return true;
}

/* ---- between two ---- */

/* Does the last record of `old` say that `next` follows? */
static bool names_next(const struct member *old, const struct member *next)
{
    return is_type(&old->last, RECORD_KEY_ROTATED) &&
           field_is(&old->last, RECORD_DIGEST, next->digest) &&
           field_is(&old->last, RECORD_ORIGIN, next->verdict->origin);
}

/* The reasons of a new shard; `is_agreed`: the old key was there, and had to sign. */
static const struct reason {
    const char *word;
    bool is_agreed;
} reasons[] = {{"rotated", true},
               {"year", true},
               {"compromised", true},
               {"lost", false},
               {"restored", false}};

static const struct reason *reason_of(const struct member *next)
{
    for (size_t i = 0; i < COUNT(reasons); i++)
        if (field_is(&next->first, RECORD_REASON, reasons[i].word))
            return &reasons[i];
    return NULL;
}

/* Does another of them have the key that `next` leads on from? */
static bool stands_elsewhere(const struct chain *chain, const struct member *next)
{
    for (size_t i = 0; i < chain->count; i++)
        if (chain->members[i].key != NULL &&
            field_is(&next->first, RECORD_DIGEST, chain->members[i].digest))
            return true;
    return false;
}

/* Two ledgers that stand one after the other, of which the second names another first. */
static void say_other(struct chain *chain, const struct member *old, struct member *next)
{
    struct slice origin = slice_part(next->first.record.field[RECORD_ORIGIN].text, 0, 100);
    bool is_place = old->given->number != 0 && old->given->number + 1 == next->given->number;

    if (stands_elsewhere(chain, next))
        problem(chain, next, VERIFY_TAMPERING,
                "it leads on from %.*s, which does not stand before it", SLICE_ARGS(origin));
    else if (is_place)
        problem(chain, next, VERIFY_TAMPERING,
                "it leads on from %.*s, and another ledger is in its place",
                SLICE_ARGS(origin));
    else
        problem(chain, next, VERIFY_INCOMPLETE, "it leads on from %.*s, which is not here",
                SLICE_ARGS(origin));
}

static void check_state(struct chain *chain, const struct member *old, struct member *next)
{
    uint64_t count = (uint64_t)next->first.record.field[RECORD_COUNT].number;
    uint64_t size = old->verdict->size;
    char root[HEX_BYTES];

    hex_encode(slice_of_bytes(old->verdict->root, TREE_HASH_BYTES), root);
    if (size != count)
        problem(chain, next, VERIFY_TAMPERING, "%s ended with %llu records, and has %llu: %s",
                shown_name(old), (unsigned long long)count, (unsigned long long)size,
                size > count ? "it grew after its end" : "it was rolled back");
    else if (!field_is(&next->first, RECORD_ROOT, root))
        problem(chain, next, VERIFY_TAMPERING,
                "%s ended with another root over the same number of records: a fork",
                shown_name(old));
}

static void check_handover(struct chain *chain, const struct member *old, struct member *next,
                           const struct reason *reason)
{
    AUTO_BUF struct buf bytes = buf_with_limit(NOTE_BYTES_MAX);
    struct checkpoint first;
    struct fault fault = {0};

    if (!file_exists(next->given->folder, HANDOVER_NAME)) {
        if (reason->is_agreed)
            problem(chain, next, VERIFY_INCOMPLETE,
                    HANDOVER_NAME ", which both keys have signed, is missing");
        return;
    }
    if (!file_read(next->given->folder, HANDOVER_NAME, &bytes, &fault) ||
        !handover_open(buf_slice(&bytes), next->key, old->key, &first, &fault))
        problem(chain, next, VERIFY_TAMPERING, HANDOVER_NAME ": %s", fault.why);
    else if (first.size != 1 || !tree_hash_equal(&first.root, &next->first.leaf_hash))
        problem(chain, next, VERIFY_TAMPERING,
                HANDOVER_NAME " is not about the first record of this shard");
    else
        next->verdict->joint.is_by_old_key = true;
}

static void check_joint(struct chain *chain, const struct member *old, struct member *next)
{
    const struct reason *reason;

    if (!next->first.is_there || old->key == NULL || next->key == NULL)
        return; /* said already, where each was looked at by itself */
    if (next->first.record.type != RECORD_SHARD_BEGUN) {
        problem(chain, next, VERIFY_TAMPERING, "it does not say what it leads on from");
        return;
    }
    if (!field_is(&next->first, RECORD_DIGEST, old->digest) ||
        !field_is(&next->first, RECORD_ORIGIN, note_key_name(old->key))) {
        say_other(chain, old, next);
        return;
    }
    reason = reason_of(next);
    if (reason == NULL) {
        problem(chain, next, VERIFY_TAMPERING, "it was begun for a reason that is none");
        return;
    }
    (void)snprintf(next->verdict->joint.reason, sizeof(next->verdict->joint.reason), "%s",
                   reason->word);
    if (old->verdict->origin[0] == 0)
        return; /* no checkpoint of it holds */
    check_state(chain, old, next);
    if (reason->is_agreed && !names_next(old, next))
        problem(chain, next, VERIFY_TAMPERING, "the last record of %s does not name its key",
                shown_name(old));
    check_handover(chain, old, next, reason);
}

static void check_outer_ends(struct chain *chain)
{
    struct member *first = &chain->members[0], *last = &chain->members[chain->count - 1];

    first->verdict->joint.is_first =
        first->first.is_there && first->first.record.type != RECORD_SHARD_BEGUN;
    if (is_type(&first->first, RECORD_SHARD_BEGUN) || first->given->number > 1)
        problem(chain, first, VERIFY_INCOMPLETE, "the shards before it are not here");
    if (is_type(&last->last, RECORD_KEY_ROTATED))
        problem(chain, last, VERIFY_INCOMPLETE,
                "it has ended, and the shard that follows is not here");
}

/* ---- whom to believe ---- */

static bool leads_to(const struct member *old, const struct member *next)
{
    return names_next(old, next) || next->verdict->joint.is_by_old_key;
}

static bool leads_back(const struct member *next, const struct member *old)
{
    return is_type(&next->first, RECORD_SHARD_BEGUN) &&
           field_is(&next->first, RECORD_DIGEST, old->digest);
}

static void vouch(struct chain *chain, size_t trusted)
{
    chain->members[trusted].is_vouched_for = true;
    for (size_t i = trusted; i > 0 && leads_back(&chain->members[i], &chain->members[i - 1]);
         i--)
        chain->members[i - 1].is_vouched_for = true;
    for (size_t i = trusted;
         i + 1 < chain->count && leads_to(&chain->members[i], &chain->members[i + 1]); i++)
        chain->members[i + 1].is_vouched_for = true;
}

static void check_keys(struct chain *chain, struct slice vkey)
{
    size_t trusted = 0;

    while (trusted < chain->count && !slice_equal(chain->members[trusted].given->vkey, vkey))
        trusted++;
    if (trusted == chain->count) {
        verify_report_add(chain->report, VERIFY_TAMPERING,
                          "no shard that is here has the key that you trust");
        return;
    }
    vouch(chain, trusted);
    for (size_t i = 0; i < chain->count; i++)
        if (!chain->members[i].is_vouched_for && chain->members[i].key != NULL)
            problem(chain, &chain->members[i], VERIFY_INCOMPLETE,
                    "the key that you trust does not lead to its key: ask for the newest one");
}

/* ---- all of it ---- */

static void parse_keys(struct chain *chain, const struct chain_shard *shards,
                       struct verify_shard *verdicts)
{
    uint8_t hash[EVP_MAX_MD_SIZE];

    for (size_t i = 0; i < chain->count; i++) {
        struct member *member = &chain->members[i];

        member->given = &shards[i];
        member->verdict = &verdicts[i];
        verdicts[i] = (struct verify_shard){.result = VERIFY_HOLDS};
        if (shards[i].vkey.len == 0 ||
            !note_key_parse(shards[i].vkey, &member->key, &member->key_fault))
            continue;
        if (EVP_Digest(shards[i].vkey.at, shards[i].vkey.len, hash, NULL, EVP_sha256(),
                       NULL) != 1)
            abort();
        hex_encode(slice_of_bytes(hash, TREE_HASH_BYTES), member->digest);
    }
}

/* Whose checkpoint was kept? SIZE_MAX: nobody's that is here. */
static size_t find_kept(const struct chain *chain, const struct slice *kept)
{
    struct checkpoint checkpoint;
    struct fault ignored = {0};

    for (size_t i = 0; kept != NULL && i < chain->count; i++)
        if (chain->members[i].key != NULL &&
            checkpoint_open(*kept, chain->members[i].key, &checkpoint, &ignored))
            return i;
    return SIZE_MAX;
}

/* What the asker gives has to be what it is said to be; whose it is, is a finding. */
static bool check_inputs(struct slice vkey, const struct slice *kept, struct fault *fault)
{
    struct checkpoint checkpoint;
    struct note_key *key;
    struct note note;

    if (!note_key_parse(vkey, &key, fault))
        return false;
    note_key_free(key);
    return kept == NULL ||
           (note_parse(*kept, &note, fault) &&
            checkpoint_parse(note.text, &checkpoint, fault)) ||
           fault_in(fault, "the checkpoint that was kept");
}

static void say_kept_is_of_none(struct chain *chain, struct slice kept)
{
    AUTO_FREE char *text = NULL;
    struct checkpoint checkpoint;
    struct fault ignored = {0};
    struct note note;

    if (!note_parse(kept, &note, &ignored) ||
        !checkpoint_parse(note.text, &checkpoint, &ignored))
        return; /* check_inputs has looked */
    text =
        xformat("the checkpoint that was kept is of %.*s, and no shard that is here has the "
                "key that signed it",
                SLICE_ARGS(slice_part(checkpoint.origin, 0, 100)));
    verify_report_add(chain->report, VERIFY_INCOMPLETE, text);
}

static bool verify_all(struct chain *chain, struct slice vkey,
                       const struct verify_options *options, size_t kept, struct fault *fault)
{
    for (size_t i = chain->count; i-- > 0;) /* the last first: the report is about it */
        if (!verify_member(chain, &chain->members[i], i + 1 == chain->count, i == kept,
                           options, fault))
            return false;
    for (size_t i = 1; i < chain->count; i++)
        check_joint(chain, &chain->members[i - 1], &chain->members[i]);
    check_outer_ends(chain);
    check_keys(chain, vkey);
    if (options->kept != NULL && kept == SIZE_MAX)
        say_kept_is_of_none(chain, *options->kept);
    return true;
}

bool verify_chain(const struct chain_shard *shards, size_t count, struct slice vkey,
                  const struct verify_options *options, struct verify_report *ret_report,
                  struct verify_shard *ret_shards, size_t *ret_kept, struct fault *fault)
{
    struct chain chain = {.count = count, .report = ret_report};
    size_t kept;
    bool ok;

    if (!check_inputs(slice_trim(vkey), options->kept, fault))
        return false;
    memset(ret_report, 0, sizeof(*ret_report));
    chain.members = xalloc_array(count, sizeof(*chain.members));
    chain.says = absent_says_new();
    parse_keys(&chain, shards, ret_shards);
    kept = find_kept(&chain, options->kept);
    ok = verify_all(&chain, slice_trim(vkey), options, kept, fault);
    for (size_t i = 0; i < count; i++) {
        note_key_free(chain.members[i].key);
        buf_free(&chain.members[i].first.arena);
        buf_free(&chain.members[i].last.arena);
    }
    free(chain.members);
    absent_says_free(chain.says);
    if (ok && ret_kept != NULL)
        *ret_kept = kept;
    return ok;
}

/* ---- what is said ---- */

static bool add_shard_json(const struct chain_shard *shard, const struct verify_shard *verdict,
                           struct buf *text, struct fault *fault)
{
    const struct chain_joint *joint = &verdict->joint;

    if (!buf_add_format(text, fault, "{\"by_old_key\":%s,\"joint\":\"%s\",\"name\":",
                        joint->is_by_old_key ? "true" : "false",
                        verify_result_name(joint->result)) ||
        !jcs_add_text(text, slice_of(shard->name), fault) ||
        !buf_add_text(text, ",\"origin\":", fault) ||
        !jcs_add_text(text, slice_of(verdict->origin), fault) ||
        !buf_add_format(text, fault, ",\"reason\":\"%s\",\"result\":\"%s\",\"root\":\"",
                        joint->reason, verify_result_name(verdict->result)) ||
        !base64_encode(slice_of_bytes(verdict->root, sizeof(verdict->root)), text, fault))
        return false;
    return buf_add_format(text, fault, "\",\"size\":%llu}", (unsigned long long)verdict->size);
}

bool verify_chain_json(const struct verify_report *report, const struct chain_shard *shards,
                       const struct verify_shard *verdicts, size_t count, struct buf *ret_text,
                       struct fault *fault)
{
    if (!verify_report_json(report, ret_text, fault))
        return false;
    ret_text->len--; /* its closing brace: one more member */
    if (!buf_add_text(ret_text, ",\"shards\":[", fault))
        return false;
    for (size_t i = 0; i < count; i++)
        if ((i > 0 && !buf_add_byte(ret_text, ',', fault)) ||
            !add_shard_json(&shards[i], &verdicts[i], ret_text, fault))
            return false;
    return buf_add_text(ret_text, "]}", fault);
}

bool verify_chain_text(const struct verify_report *report, const struct chain_shard *shards,
                       const struct verify_shard *verdicts, size_t count, struct buf *ret_text,
                       struct fault *fault)
{
    if (!verify_report_text(report, ret_text, fault))
        return false;
    for (size_t i = 0; count > 1 && i < count; i++) {
        const struct chain_joint *joint = &verdicts[i].joint;

        if (!buf_add_format(ret_text, fault, "  %-12s %-10s %llu records, %s%s%s%s\n",
                            shards[i].name, verify_result_name(verdicts[i].result),
                            (unsigned long long)verdicts[i].size,
                            verdicts[i].origin[0] == 0 ? "no origin" : verdicts[i].origin,
                            joint->reason[0] == 0 ? "" : "; ", joint->reason,
                            joint->reason[0] == 0  ? ""
                            : joint->is_by_old_key ? ", signed by the old key, too"
                                                   : ", NOT signed by the old key"))
            return false;
    }
    return true;
}
