/*
 * custody verify - does a ledger, or a proof, hold? Offline; custody-verify is the same in a
 * small program.
 */
#include <stdio.h>

#include "base/scope.h"
#include "commands/ledger.h"
#include "commands/table.h"
#include "flow/home.h"
#include "ledger/verify_files.h"
#include "os/file.h"
#include "roles/records/verify_home.h"

static const struct option_rule options[] = {
    {"key", "VKEY",
     "the ledger's public key, or a file with it; else keys/ledger.vkey beside it"},
    {"against", "FILE",
     "a checkpoint kept from earlier: the ledger must have grown out of it"},
    {"archive", "DIR",
     "where older records lie; else, of this machine's, where `custody archive` put them"},
    {"policy", "FILE",
     "a tlog-policy: which witnesses must have cosigned, and how many of them"},
    {"timestamps", "DIR", "also check these: NAME.tsr over the text of NAME.checkpoint"},
    {"tsa-ca", "FILE", "certificates (PEM) of the authorities to believe"},
    {"fork-proof", "FILE", "where the ledger contradicts that checkpoint, write the evidence"},
    {"proof", "FILE", "check this proof (see `custody prove`) and no ledger"},
    {"record", "FILE", "the bytes of the record that the proof is about"},
    {"value", "FILE", "what that record is said to commit to; the proof must open it"},
    {0},
};

/* A proof needs no ledger, but its key may lie beside this machine's. */
static bool find_ledger(const struct invocation *invocation, const struct verify_files *files,
                        int *ret_folder, struct fault *fault)
{
    const char *word = invocation->argument_count > 0 ? invocation->arguments[0] : NULL;

    if (!verify_files_check(files, word != NULL, fault))
        return false;
    if (files->proof != NULL && invocation_option(invocation, "key") != NULL)
        return true;
    return ledger_open(word, ret_folder, fault);
}

static bool verify_one(const struct invocation *invocation, const struct verify_files *files,
                       struct buf *text, struct verify_outcome *outcome, struct fault *fault)
{
    AUTO_BUF struct buf key = buf_with_limit(4096);
    AUTO_CLOSE int folder = -1;

    return find_ledger(invocation, files, &folder, fault) &&
           ledger_key(invocation_option(invocation, "key"), folder, &key, fault) &&
           verify_files(folder, buf_slice(&key), files, invocation->json, text, outcome,
                        fault);
}

/* All shards of this machine's ledger. */
static bool verify_own(const struct invocation *invocation, const struct verify_files *files,
                       struct buf *text, struct verify_outcome *outcome, struct fault *fault)
{
    AUTO_BUF struct buf key = buf_with_limit(4096);
    struct home home;
    bool ok;

    if (!verify_files_check(files, true, fault) || !home_open(false, &home, fault))
        return false;
    ok = verify_files_key(invocation_option(invocation, "key"), &key, fault) &&
         verify_home(home.fd, slice_trim(buf_slice(&key)), files, invocation->json, text,
                     outcome, fault);
    if (ok && outcome->note[0] == 0 && file_exists(home.fd, "shards/turn"))
        (void)snprintf(outcome->note, sizeof(outcome->note),
                       "a new shard was being begun; the ledger's next start completes that");
    home_close(&home);
    return ok;
}

static int run(const struct invocation *invocation)
{
    struct verify_files files = {.proof = invocation_option(invocation, "proof"),
                                 .record = invocation_option(invocation, "record"),
                                 .value = invocation_option(invocation, "value"),
                                 .against = invocation_option(invocation, "against"),
                                 .archive = invocation_option(invocation, "archive"),
                                 .policy = invocation_option(invocation, "policy"),
                                 .timestamps = invocation_option(invocation, "timestamps"),
                                 .tsa_ca = invocation_option(invocation, "tsa-ca"),
                                 .key_is_beside = invocation_option(invocation, "key") == NULL,
                                 .fork_proof = invocation_option(invocation, "fork-proof")};
    AUTO_BUF struct buf text = buf_with_limit(4 << 20);
    bool is_home = invocation->argument_count == 0 && files.proof == NULL;
    struct verify_outcome outcome;
    struct fault fault = {0};

    if (!(is_home ? verify_own : verify_one)(invocation, &files, &text, &outcome, &fault)) {
        (void)command_fail(invocation, &fault);
        return EXIT_WRONG_USE; /* nothing was verified; a wrong ledger would be a result */
    }
    (void)printf("%s%s", buf_text(&text), invocation->json ? "\n" : "");
    if (outcome.note[0] != 0)
        (void)fprintf(stderr, "custody verify: %s\n", outcome.note);
    return verify_exit_code(outcome.result);
}

const struct command command_verify = {
    .name = "verify",
    .arguments = "[LEDGER]",
    .arguments_max = 1,
    .prints_json = true,
    .summary = "Checks that a ledger, or a proof, holds: signature, every record, every tile",
    .text = "Reads files only. LEDGER is the folder with `checkpoint` and `tile/`; without "
            "it, this\n"
            "machine's, with all the shards that it had before: each must lead on from the "
            "one before,\n"
            "and --key may be the key of any of them. Everything is computed anew from the "
            "records, and each producer's "
            "sequence\n"
            "must be without a gap. With --against, the first records must also be those of a "
            "checkpoint\n"
            "that you kept. The small program custody-verify does the same.\n"
            "With --policy the cosignatures count too: not enough of them is incomplete.\n"
            "With --proof, one file is checked instead: that the bytes in --record are in the "
            "ledger, that\n"
            "it grew out of the checkpoint in --against, or that a key signed two ledgers (a "
            "fork, exit 1).\n"
            "Exit: 0 holds, 1 evidence of tampering, 2 incomplete (also: no records, or "
            "nothing that the\n"
            "proof could be bound to), 3 wrong use.",
    .options = options,
    .run = run,
};
