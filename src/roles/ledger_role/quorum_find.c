/* Where the witnesses stand, from files: for the daemon before it has its key, and doctor. */
#include <stdio.h>

#include "base/scope.h"
#include "ledger/checkpoint.h"
#include "ledger/cosignature.h"
#include "ledger/proof.h"
#include "os/file.h"
#include "roles/ledger_role/policy.h"
#include "roles/ledger_role/quorum.h"
#include "roles/witness/status.h"

#define BEGAN_NAME "state/quorum" /* when it was asked for, and what */
#define BEGAN_BYTES_MAX (64 * 1024)

static bool read_checkpoint(int folder, const char *name, struct buf *bytes,
                            struct note *ret_note, struct checkpoint *ret_checkpoint)
{
    struct fault ignored = {0};

    return file_read(folder, name, bytes, &ignored) &&
           note_parse(buf_slice(bytes), ret_note, &ignored) &&
           checkpoint_parse(ret_note->text, ret_checkpoint, &ignored);
}

/* How many of those that policy names now: others may have been asked before. */
static int64_t count_cosignatures(const struct policy *policy, const struct note *note)
{
    int64_t count = 0;

    for (size_t i = 0; i < policy->witness_count; i++) {
        struct slice vkey = slice_trim(slice_of(policy->witnesses[i].key));
        struct cosignature_key *key;
        struct fault ignored = {0};

        if (!cosignature_key_parse(vkey, &key, &ignored))
            continue;
        count += cosignature_verify(note, key, NULL, &ignored);
        cosignature_key_free(key);
    }
    return count;
}

static uint64_t cosigned_size(int folder, const struct policy *policy)
{
    AUTO_BUF struct buf bytes = buf_with_limit(NOTE_BYTES_MAX);
    struct checkpoint checkpoint;
    struct note note;

    return read_checkpoint(folder, "checkpoint.cosigned", &bytes, &note, &checkpoint) &&
                   count_cosignatures(policy, &note) >= policy->witnesses_required
               ? checkpoint.size
               : 0;
}

/* Zero, long ago, where that cannot be read: it may be in an archive. */
static int64_t time_of_record(int folder, uint64_t published, uint64_t index)
{
    AUTO_BUF struct buf leaf = buf_with_limit(RECORD_BYTES_MAX);
    AUTO_BUF struct buf arena = buf_with_limit(RECORD_BYTES_MAX + 1);
    struct record_header header;
    struct record record;
    struct fault ignored = {0};

    return proof_record(folder, NULL, published, index, &leaf, &ignored) &&
                   record_decode(buf_slice(&leaf), &record, &header, &arena, &ignored)
               ? header.t_us
               : 0;
}

static bool asked_for(const struct policy *policy, struct buf *ret_text, struct fault *fault)
{
    bool ok = buf_add_format(ret_text, fault, "%lld\n", (long long)policy->witnesses_required);

    for (size_t i = 0; ok && i < policy->witness_count; i++)
        ok = buf_add_format(ret_text, fault, "%s\n", policy->witnesses[i].key);
    return ok;
}

/* Since when policy asks for just this; now, where that is new. */
static bool began_us(int folder, const struct policy *policy, const struct clock *clock,
                     int64_t *ret_us, struct fault *fault)
{
    AUTO_BUF struct buf text = buf_with_limit(BEGAN_BYTES_MAX);
    AUTO_BUF struct buf wanted = buf_with_limit(BEGAN_BYTES_MAX);
    struct slice rest, first;
    struct fault unread = {0};
    uint64_t began;

    *ret_us = clock_now_us(clock);
    if (!asked_for(policy, &wanted, fault))
        return false;
    if (!file_read(folder, BEGAN_NAME, &text, &unread))
        return true;
    rest = buf_slice(&text);
    if (slice_cut(&rest, '\n', &first) && checkpoint_parse_size(first, &began) &&
        slice_equal(rest, buf_slice(&wanted)) && (int64_t)began < *ret_us)
        *ret_us = (int64_t)began;
    return true;
}

static void take_witnesses(int folder, const struct policy *policy,
                           struct ledger_quorum_standing *standing)
{
    standing->count = policy->witness_count < WITNESS_REPORT_MAX ? policy->witness_count
                                                                 : WITNESS_REPORT_MAX;
    for (size_t i = 0; i < standing->count; i++) {
        struct slice rest = slice_trim(slice_of(policy->witnesses[i].key)), name;
        char *place = standing->witness[i].name;

        if (!slice_cut(&rest, '+', &name))
            continue;
        (void)snprintf(place, LEDGER_QUORUM_NAME_BYTES, "%.*s", SLICE_ARGS(name));
        standing->witness[i].last_us = witness_status_last(folder, name);
    }
}

static bool find(int folder, const struct policy *policy, const struct clock *clock,
                 struct ledger_quorum_standing *ret_standing, struct fault *fault)
{
    AUTO_BUF struct buf bytes = buf_with_limit(NOTE_BYTES_MAX);
    struct ledger_quorum_standing standing = {.required = policy->witnesses_required,
                                              .limit_us =
                                                  policy->quorum_seconds * INT64_C(1000000)};
    struct checkpoint published;
    struct note note;
    int64_t began, written;

    if (!began_us(folder, policy, clock, &began, fault))
        return false;
    take_witnesses(folder, policy, &standing);
    if (read_checkpoint(folder, "checkpoint", &bytes, &note, &published)) {
        standing.size = published.size;
        standing.cosigned = cosigned_size(folder, policy);
    }
    if (standing.cosigned < standing.size) {
        written = time_of_record(folder, standing.size, standing.cosigned);
        standing.waits_since_us = written > began ? written : began;
    }
    *ret_standing = standing;
    return true;
}

bool ledger_quorum_find(int home_fd, int folder, const struct clock *clock,
                        struct ledger_quorum_standing *ret_standing, struct fault *fault)
{
    struct policy *policy = NULL;
    struct fault unread = {0};
    bool ok = true;

    *ret_standing = (struct ledger_quorum_standing){0};
    if (!ledger_policy(home_fd, &policy, &unread))
        return true;
    if (policy->witnesses_required > 0)
        ok = find(folder, policy, clock, ret_standing, fault);
    policy_free(policy);
    return ok;
}

static bool write_began(int folder, const struct policy *policy, const struct clock *clock,
                        struct fault *fault)
{
    AUTO_BUF struct buf text = buf_with_limit(BEGAN_BYTES_MAX);
    int64_t began;

    return began_us(folder, policy, clock, &began, fault) &&
           buf_add_format(&text, fault, "%lld\n", (long long)began) &&
           asked_for(policy, &text, fault) &&
           file_replace_durably(folder, BEGAN_NAME, buf_slice(&text), 0600, fault);
}

bool ledger_quorum_begin(int home_fd, int folder, const struct clock *clock,
                         struct fault *fault)
{
    struct policy *policy = NULL;
    struct fault unread = {0};
    bool ok = true;

    if (!ledger_policy(home_fd, &policy, &unread))
        return true;
    if (policy->witnesses_required > 0)
        ok = write_began(folder, policy, clock, fault);
    policy_free(policy);
    return ok;
}
