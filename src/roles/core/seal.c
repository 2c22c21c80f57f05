/*
 * What a run's own records may not hold: the ticket's text and the diff. Core has the scope's
 * key only while it seals one of them.
 */
#include <sys/mman.h>
#include <unistd.h>

#include <openssl/crypto.h>

#include "base/scope.h"
#include "os/file.h"
#include "roles/core/parts.h"

static bool open_payloads(struct run *run, struct fault *fault)
{
    return run->policy->payload_days == 0 ||
           scope_files_payloads(run->session->home.fd, run->result->run, run->uid,
                                &run->sealer.folder, fault);
}

bool core_seal_ticket(struct run *run, struct record_seal *seal, struct fault *fault)
{
    struct sealer *sealer = &run->sealer;
    bool ok;

    if (!scope_files_make(run->session->home.fd, run->result->run, sealer->key, fault) ||
        !open_payloads(run, fault))
        return false;
    sealer->scope = run->result->run;
    sealer->ledger = run->ledger;
    if (run->request->ticket == NULL)
        return true;
    sealer->is_settled_later = true; /* by the gateway, beside core's own work */
    ok = sealer_keep(sealer, RECORD_RUN_STARTED, buf_slice(&run->ticket), seal, fault) &&
         sealer_commit(sealer, RECORD_RUN_STARTED, buf_slice(&run->ticket), seal, fault);
    sealer->is_settled_later = false;
    return ok;
}

/*
 * One key for all commands of the run, so that the guard, which reads hostile memory, does not
 * hold the scope's, and one each for the values that the view and the door replace; all go when
 * that one is destroyed.
 */
bool core_seal_commands(struct run *run, struct fault *fault)
{
    return scope_key_of_commands(run->sealer.key, run->command_key, fault) &&
           scope_key_of_redactions(run->sealer.key, "view", run->redaction_key, fault) &&
           scope_key_of_redactions(run->sealer.key, "door", run->door_key, fault);
}

void core_seal_forget(struct run *run)
{
    OPENSSL_cleanse(run->sealer.key, sizeof(run->sealer.key));
}

bool core_seal_output(struct run *run, struct fault *fault)
{
    AUTO_BUF struct buf printed = buf_with_limit(CORE_OUTPUT_BYTES_MAX + 1);
    struct record_seal seal = {0};
    struct record record;
    bool ok;

    if (run->output.bytes == 0)
        return true;
    ok = lseek(run->output.fd, 0, SEEK_SET) == 0
             ? file_read_fd(run->output.fd, &printed, fault)
             : fault_errno(fault, "read back what the agent printed");
    ok = ok &&
         scope_files_load(run->session->home.fd, run->result->run, run->sealer.key, fault) &&
         sealer_seal(&run->sealer, RECORD_AGENT_OUTPUT, buf_slice(&printed), &seal, fault);
    core_seal_forget(run);
    if (ok) {
        core_record_begin(run, &record, RECORD_AGENT_OUTPUT);
        record_sealed(&record, &seal);
        record_number(&record, RECORD_SIZE, (int64_t)run->output.bytes);
        record_word(&record, RECORD_OUTCOME, run->output.cut ? "cut" : "ok");
        ok = ledger_record(run->ledger, &record, NULL, fault);
    }
    core_output_free(&run->output);
    return ok ? true : fault_in(fault, "keep what the agent printed");
}

static bool read_diff(struct run *run, const char *head, struct buf *ret_diff,
                      struct fault *fault)
{
    AUTO_CLOSE int fd = memfd_create("diff", MFD_CLOEXEC);
    char digest[65];

    if (fd < 0)
        return fault_errno(fault, "hold the diff");
    if (!collect_diff(run->collect, run->base.commit, head, fd, digest, fault))
        return false;
    if (lseek(fd, 0, SEEK_SET) < 0)
        return fault_errno(fault, "hold the diff");
    return file_read_fd(fd, ret_diff, fault);
}

bool core_seal_diff(struct run *run, const char *head, struct record_seal *seal,
                    struct fault *fault)
{
    AUTO_BUF struct buf diff = buf_with_limit(PAYLOAD_BYTES_MAX);
    bool ok;

    if (!read_diff(run, head, &diff, fault)) {
        if (fault->kind != FAULT_LIMIT)
            return false;
        run_say(run,
                "warning: the diff is too large to be sealed (%s); its digest is "
                "recorded, and the commit has it",
                fault->why);
        *fault = (struct fault){0};
        return true;
    }
    ok = scope_files_load(run->session->home.fd, run->result->run, run->sealer.key, fault) &&
         sealer_seal(&run->sealer, RECORD_CHANGE_MADE, buf_slice(&diff), seal, fault);
    core_seal_forget(run);
    return ok;
}
