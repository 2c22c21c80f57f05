/* custody key - where the ledger's signing key is kept. */
#include "commands/key.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/scope.h"
#include "commands/table.h"
#include "keystore/secret.h"
#include "keystore/tpm.h"
#include "roles/keys/change.h"
#include "roles/session.h"

/* A path, made absolute: the daemon has another working folder. Places are as they are. */
static bool place_of(const char *word, char **ret_place, struct fault *fault)
{
    struct fault unsaid = {0};
    AUTO_FREE char *path = NULL;

    if (secret_place_check(slice_of(word), &unsaid)) {
        *ret_place = xstrdup(word);
        return true;
    }
    path = realpath(word, NULL);
    if (path == NULL)
        return fault_errno(fault, "%.200s (make one: openssl rand -out FILE 32)", word);
    *ret_place = xformat("file:%s", path);
    return true;
}

bool key_words_storage(struct key_words *words, struct key_storage *ret_storage,
                       struct fault *fault)
{
    struct key_storage storage = {.kind = KEYFILE_PLAIN};

    if ((words->with != NULL) + words->tpm + (words->uri != NULL) > 1)
        return fault_set(fault, FAULT_INVALID,
                         "a secret, a TPM or a token: one of them keeps the key");
    if (words->pcrs != NULL && !words->tpm)
        return fault_set(fault, FAULT_INVALID, "--pcrs are those of a TPM: --tpm");
    if (words->credential != NULL && words->with == NULL)
        return fault_set(fault, FAULT_INVALID,
                         "--credential names where the secret will be; its bytes are needed "
                         "now, too, from a file");
    if (words->with != NULL) {
        if (!place_of(words->with, &words->secret, fault))
            return false;
        words->place = words->credential == NULL ? xstrdup(words->secret)
                                                 : xformat("credential:%s", words->credential);
        storage.kind = KEYFILE_SEALED;
        storage.secret = slice_of(words->secret);
        storage.place = slice_of(words->place);
    } else if (words->tpm) {
        storage.kind = KEYFILE_TPM2;
        storage.pcrs = slice_of(words->pcrs == NULL ? TPM_PCRS_NONE : words->pcrs);
    } else if (words->uri != NULL) {
        storage.kind = KEYFILE_PKCS11;
        storage.uri = slice_of(words->uri);
    }
    *ret_storage = storage;
    return key_storage_check(&storage, fault);
}

void key_words_free(struct key_words *words)
{
    free(words->secret);
    free(words->place);
}

static int run_show(const struct invocation *invocation)
{
    struct home home = {.fd = -1};
    struct key_standing standing;
    struct fault fault = {0};

    if (!home_open(false, &home, &fault))
        return command_fail(invocation, &fault);
    key_standing_of(home.fd, &standing);
    home_close(&home);
    if (standing.vkey[0] == 0) {
        (void)fault_set(&fault, FAULT_INVALID, "%s", standing.fix);
        return command_fail(invocation, &fault);
    }
    if (invocation->json) {
        command_print_json(key_standing_json(&standing));
        return EXIT_YES;
    }
    (void)printf("kind      %s\norigin    %s\nvkey      %s\nwhere     %s\nprotects  %s\n",
                 standing.kind, standing.origin, standing.vkey, standing.where,
                 standing.protects);
    if (standing.fix[0] != 0)
        (void)printf("better    %s\n", standing.fix);
    return EXIT_YES;
}

static void tell(const struct invocation *invocation, int home_fd, enum keyfile_kind before)
{
    struct key_standing standing;

    key_standing_of(home_fd, &standing);
    if (invocation->json) {
        json_t *json = key_standing_json(&standing);

        (void)json_object_set_new(json, "before", json_string(keyfile_kind_name(before)));
        command_print_json(json);
        return;
    }
    (void)printf("The key is %s now: %s\n", standing.kind, standing.where);
    if (standing.fix[0] != 0)
        (void)printf("better: %s\n", standing.fix);
    if (before == KEYFILE_PLAIN)
        (void)puts("The plain key was overwritten and removed. File systems, SSDs, snapshots "
                   "and backups may keep\ncopies of it all the same: where that matters, "
                   "begin a new shard, which has a new key.");
}

static int change(const struct invocation *invocation, struct key_words *words,
                  bool wants_plain)
{
    struct session session = {.home.fd = -1};
    struct key_storage storage;
    enum keyfile_kind before;
    struct fault fault = {0};
    int code = EXIT_YES;
    bool ok = key_words_storage(words, &storage, &fault);

    secret_guard();
    if (ok && storage.kind == KEYFILE_PLAIN && !wants_plain)
        ok = fault_set(&fault, FAULT_INVALID,
                       "one of --with FILE, --tpm and --to-pkcs11 URI says how");
    ok = ok && session_open(&session, &fault) &&
         key_change(&session, &storage, &before, &fault);
    if (ok)
        tell(invocation, session.home.fd, before);
    else
        code = command_fail(invocation, &fault);
    session_close(&session);
    key_words_free(words);
    return code;
}

static int run_seal(const struct invocation *invocation)
{
    struct key_words words = {.with = invocation_option(invocation, "with"),
                              .credential = invocation_option(invocation, "credential"),
                              .tpm = invocation_flag(invocation, "tpm"),
                              .pcrs = invocation_option(invocation, "pcrs"),
                              .uri = invocation_option(invocation, "to-pkcs11")};

    return change(invocation, &words, false);
}

static int run_unseal(const struct invocation *invocation)
{
    struct key_words words = {0};

    return change(invocation, &words, true);
}

static const struct option_rule seal_options[] = {
    {"with", "FILE", "32 random bytes, or a passphrase; also credential:NAME or fd:NUMBER"},
    {"credential", "NAME", "at the start the secret is this systemd credential, not FILE"},
    {"tpm", NULL, "by this host's TPM 2.0"},
    {"pcrs", "LIST", "only while these registers are as they are now: sha256:7"},
    {"to-pkcs11", "URI", "bring it into a token, for good: it never comes out again"},
    {0},
};

const struct command command_key_show = {
    .name = "key show",
    .arguments = "",
    .prints_json = true,
    .summary = "How the ledger's signing key is kept, and its public key",
    .text = "Opens nothing: no secret is read, no token and no TPM is asked.",
    .run = run_show,
};

const struct command command_key_seal = {
    .name = "key seal",
    .arguments = "",
    .prints_json = true,
    .summary = "Keeps the ledger's signing key under a secret, a TPM or in a token",
    .text =
        "The key stays the same, and so does the ledger; that it is kept otherwise is a\n"
        "record. The new way is tried before the old one is given up. Keep a copy of the\n"
        "plain key, or of the secret, where no machine reads it: without one, a lost secret\n"
        "or a changed TPM means a new shard.\n\n"
        "CUSTODY_KEY_SECRET=file:/PATH (credential:NAME, fd:NUMBER) says where the secret or\n"
        "PIN is, when it is no more where it was. CUSTODY_TPM says how the TPM is reached,\n"
        "as tpm2-tss writes it (device:/dev/tpmrm0).",
    .options = seal_options,
    .run = run_seal,
};

const struct command command_key_unseal = {
    .name = "key unseal",
    .arguments = "",
    .prints_json = true,
    .summary = "Keeps the ledger's signing key plainly again, as before an update of firmware",
    .text = "A key in a token never comes out: begin a new shard instead.",
    .run = run_unseal,
};
