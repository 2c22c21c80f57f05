#include "ledger/verify_files.h"

#include <fcntl.h>
#include <unistd.h>

#include "base/scope.h"
#include "ledger/tile.h"
#include "ledger/timestamp.h"
#include "ledger/tlog_policy.h"
#include "ledger/verify_proof.h"
#include "os/file.h"

#define VKEY_BYTES_MAX 4096
#define VALUE_BYTES_MAX                                                                       \
    (64UL * 1024 * 1024) /* as payload.h: no record commits to a larger one */

bool verify_files_check(const struct verify_files *files, bool has_ledger, struct fault *fault)
{
    if (files->proof != NULL && has_ledger)
        return fault_set(fault, FAULT_INVALID, "--proof is checked without a ledger");
    if (files->proof == NULL && files->record != NULL)
        return fault_set(fault, FAULT_INVALID, "--record goes with --proof");
    if (files->value != NULL && files->record == NULL)
        return fault_set(fault, FAULT_INVALID, "--value goes with --record");
    if (files->proof != NULL &&
        (files->policy != NULL || files->timestamps != NULL || files->archive != NULL))
        return fault_set(fault, FAULT_INVALID,
                         "--policy, --timestamps and --archive go with a ledger");
    if (files->archive != NULL && !file_exists(AT_FDCWD, files->archive))
        return fault_set(fault, FAULT_MISSING,
                         "--archive %.200s: there is no such folder; is its volume mounted?",
                         files->archive);
    if ((files->timestamps == NULL) != (files->tsa_ca == NULL))
        return fault_set(fault, FAULT_INVALID, "--timestamps goes with --tsa-ca");
    if (files->fork_proof != NULL && (files->proof != NULL || files->against == NULL))
        return fault_set(fault, FAULT_INVALID, "--fork-proof goes with --against");
    return true;
}

bool verify_files_key(const char *word, struct buf *ret_key, struct fault *fault)
{
    if (word == NULL)
        return true;
    if (strchr(word, '+') != NULL && word[0] != '/' && !file_exists(AT_FDCWD, word))
        return buf_add_text(ret_key, word, fault);
    return file_read(AT_FDCWD, word, ret_key, fault);
}

/* NULL as the name: no file, and *ret_there stays NULL. */
static bool read_one(const char *name, struct buf *bytes, struct slice *place,
                     const struct slice **ret_there, struct fault *fault)
{
    if (name == NULL)
        return true;
    if (!file_read(AT_FDCWD, name, bytes, fault))
        return false;
    *place = buf_slice(bytes);
    *ret_there = place;
    return true;
}

static bool verify_one_proof(struct slice vkey, const struct verify_files *files, bool json,
                             struct buf *text, struct verify_outcome *outcome,
                             struct fault *fault)
{
    AUTO_BUF struct buf proof = buf_with_limit(PROOF_BYTES_MAX);
    AUTO_BUF struct buf record = buf_with_limit(TILE_ENTRY_BYTES_MAX);
    AUTO_BUF struct buf kept = buf_with_limit(NOTE_BYTES_MAX);
    AUTO_BUF struct buf value = buf_with_limit(VALUE_BYTES_MAX);
    struct verify_proof_report report;
    struct verify_proof_options options = {0};
    struct slice record_bytes, kept_bytes, value_bytes;

    if (!file_read(AT_FDCWD, files->proof, &proof, fault) ||
        !read_one(files->record, &record, &record_bytes, &options.record, fault) ||
        !read_one(files->against, &kept, &kept_bytes, &options.kept, fault) ||
        !read_one(files->value, &value, &value_bytes, &options.value, fault) ||
        !verify_proof(buf_slice(&proof), vkey, &options, &report, fault))
        return false;
    outcome->result = report.result;
    return json ? verify_proof_json(&report, text, fault)
                : verify_proof_text(&report, text, fault);
}

static bool write_fork_proof(int folder, struct slice kept, const char *name,
                             struct fault *fault)
{
    AUTO_BUF struct buf published = buf_with_limit(NOTE_BYTES_MAX);
    AUTO_BUF struct buf proof = buf_with_limit(PROOF_BYTES_MAX);

    return file_read(folder, "checkpoint", &published, fault) &&
           proof_fork(folder, kept, buf_slice(&published), &proof, fault) &&
           file_create(AT_FDCWD, name, buf_slice(&proof), 0644, fault);
}

/* The verdict stands whether the evidence can be written or not. */
static void keep_evidence(int folder, const struct verify_report *report,
                          const struct slice *kept, const char *name,
                          struct verify_outcome *outcome)
{
    struct fault fault = {0};

    if (name == NULL)
        return;
    if (!report->is_fork || kept == NULL)
        (void)snprintf(outcome->note, sizeof(outcome->note),
                       "no fork proof: the checkpoint does not contradict these records");
    else if (!write_fork_proof(folder, *kept, name, &fault))
        (void)snprintf(outcome->note, sizeof(outcome->note), "no fork proof: %s", fault.why);
    else
        (void)snprintf(outcome->note, sizeof(outcome->note), "fork proof: %s", name);
}

static bool read_policy(const char *name, struct tlog_policy **ret_policy, struct fault *fault)
{
    AUTO_BUF struct buf text = buf_with_limit(TLOG_POLICY_BYTES_MAX);

    if (name == NULL)
        return true;
    return file_read(AT_FDCWD, name, &text, fault) &&
           tlog_policy_parse(buf_slice(&text), ret_policy, fault);
}

static bool open_timestamps(const struct verify_files *files, struct buf *ca,
                            struct verify_options *options, int *ret_folder,
                            struct fault *fault)
{
    if (files->timestamps == NULL)
        return true;
    if (!file_read(AT_FDCWD, files->tsa_ca, ca, fault))
        return false;
    *ret_folder = open(files->timestamps, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (*ret_folder < 0)
        return fault_errno(fault, "open %s", files->timestamps);
    options->has_timestamps = true;
    options->timestamps = *ret_folder;
    options->tsa_ca = buf_slice(ca);
    return true;
}

/* What the options name, read; ends with inputs_free. */
struct inputs {
    struct verify_options options;
    struct tlog_policy *policy;
    struct buf kept, ca;
    struct slice kept_bytes;
    int timestamps;
};

static bool inputs_read(const struct verify_files *files, struct inputs *inputs,
                        struct fault *fault)
{
    *inputs = (struct inputs){.timestamps = -1,
                              .kept = buf_with_limit(NOTE_BYTES_MAX),
                              .ca = buf_with_limit(TIMESTAMP_CA_BYTES_MAX)};
    if (!read_policy(files->policy, &inputs->policy, fault) ||
        !open_timestamps(files, &inputs->ca, &inputs->options, &inputs->timestamps, fault) ||
        !read_one(files->against, &inputs->kept, &inputs->kept_bytes, &inputs->options.kept,
                  fault))
        return false;
    inputs->options.policy = inputs->policy;
    inputs->options.archive = files->archive;
    inputs->options.key_is_beside = files->key_is_beside;
    return true;
}

static void inputs_free(struct inputs *inputs)
{
    tlog_policy_free(inputs->policy);
    buf_free(&inputs->kept);
    buf_free(&inputs->ca);
    scope_close(&inputs->timestamps);
}

bool verify_files(int folder, struct slice vkey, const struct verify_files *files, bool json,
                  struct buf *ret_text, struct verify_outcome *ret_outcome,
                  struct fault *fault)
{
    AUTO_FREE struct verify_report *report = xalloc(sizeof(*report));
    struct inputs inputs;
    bool ok;

    memset(ret_outcome, 0, sizeof(*ret_outcome));
    if (files->proof != NULL)
        return verify_one_proof(vkey, files, json, ret_text, ret_outcome, fault);
    ok = inputs_read(files, &inputs, fault) &&
         verify_ledger(folder, vkey, &inputs.options, report, fault);
    if (ok) {
        ret_outcome->result = report->result;
        keep_evidence(folder, report, inputs.options.kept, files->fork_proof, ret_outcome);
        ok = json ? verify_report_json(report, ret_text, fault)
                  : verify_report_text(report, ret_text, fault);
    }
    inputs_free(&inputs);
    return ok;
}

bool verify_files_chain(const struct chain_shard *shards, size_t count, struct slice vkey,
                        const struct verify_files *files, bool json, struct buf *ret_text,
                        struct verify_outcome *ret_outcome, struct fault *fault)
{
    AUTO_FREE struct verify_report *report = xalloc(sizeof(*report));
    AUTO_FREE struct verify_shard *verdicts = xalloc_array(count, sizeof(*verdicts));
    struct inputs inputs;
    size_t kept;
    bool ok;

    memset(ret_outcome, 0, sizeof(*ret_outcome));
    ok = inputs_read(files, &inputs, fault) &&
         verify_chain(shards, count, vkey, &inputs.options, report, verdicts, &kept, fault);
    if (ok) {
        ret_outcome->result = report->result;
        if (kept < count)
            keep_evidence(shards[kept].folder, report, inputs.options.kept, files->fork_proof,
                          ret_outcome);
        ok = json ? verify_chain_json(report, shards, verdicts, count, ret_text, fault)
                  : verify_chain_text(report, shards, verdicts, count, ret_text, fault);
    }
    inputs_free(&inputs);
    return ok;
}

bool verify_files_shard(const char *name, unsigned number, int folder, struct slice trusted,
                        struct chain_shard *ret_shard, struct buf *ret_vkey,
                        struct fault *fault)
{
    AUTO_BUF struct buf text = buf_with_limit(VKEY_BYTES_MAX);
    bool is_there = file_exists(folder, "vkey");
    struct fault unreadable = {0}; /* then it has none, which is a finding */

    if (is_there && !file_read(folder, "vkey", &text, &unreadable))
        buf_clear(&text);
    if (!buf_add(ret_vkey, is_there ? slice_trim(buf_slice(&text)) : slice_trim(trusted),
                 fault))
        return false;
    *ret_shard = (struct chain_shard){
        .name = name, .number = number, .folder = folder, .vkey = buf_slice(ret_vkey)};
    return true;
}
