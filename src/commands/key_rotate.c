/* key rotate, key replace: a new signing key, and the new shard that it signs. */
#include <stdio.h>

#include "base/scope.h"
#include "commands/ledger.h"
#include "commands/table.h"
#include "ledger/shards.h"
#include "os/clock_real.h"
#include "os/file.h"
#include "roles/ledger_role/parts.h"
#include "roles/ledger_role/shard.h"

#define VKEY_BYTES_MAX 4096

static const struct option_rule rotate_options[] = {
    {"reason", "WORD",
     "rotated (the default), or compromised: somebody else may have the key"},
    {0},
};

static const struct option_rule replace_options[] = {
    {"lost", NULL, "the signing key is gone: what was acknowledged and not sealed stays so"},
    {0},
};

/* What was, and what is to be told to others. */
struct result {
    unsigned number;
    uint64_t size; /* records of the shard that ended */
    struct buf old_vkey, new_vkey;
};

static bool read_result(const struct session *session, struct result *result,
                        struct fault *fault)
{
    struct shard_list list;
    const struct shard *ended;

    if (!shards_open(session->home.fd, &list, fault))
        return false;
    ended = &list.at[list.count > 1 ? list.count - 2 : 0];
    result->number = ended->number;
    result->size = ended->size;
    shards_close(&list);
    return file_read(session->home.fd, "keys/ledger.vkey", &result->new_vkey, fault);
}

static void tell(const struct invocation *invocation, const struct result *result)
{
    AUTO_FREE char *was = slice_dup(slice_trim(buf_slice(&result->old_vkey)));
    AUTO_FREE char *is = slice_dup(slice_trim(buf_slice(&result->new_vkey)));

    if (invocation->json) {
        command_print_json(json_pack("{s:s,s:s,s:I,s:I}", "vkey", is, "retired", was, "closed",
                                     (json_int_t)result->number, "size",
                                     (json_int_t)result->size));
        return;
    }
    (void)printf(
        "closed        shards/%04u, %llu records; its key: %s\n"
        "signs now     %s\n\n"
        "Send the new key to your auditors, by another way than the ledger, and to\n"
        "whoever runs a witness for you (`custody witness --log VKEY`): a new origin is\n"
        "a new log to them. In a tlog-policy it is one more line; the old one stays:\n"
        "  log %s\n",
        result->number, (unsigned long long)result->size, was, is, is);
}

static int turn(const struct invocation *invocation, enum ledger_turn_reason reason,
                bool (*may)(const struct session *session, struct fault *fault))
{
    struct result result = {.old_vkey = buf_with_limit(VKEY_BYTES_MAX),
                            .new_vkey = buf_with_limit(VKEY_BYTES_MAX)};
    AUTO_FREE char *person = NULL;
    AUTO_CLOSE int folder = -1;
    AUTO_CLOSE int lock = -1;
    struct session session;
    struct fault fault = {0};
    bool ok = session_open(&session, &fault) &&
              ledger_take_idle(&session, &folder, &lock, &fault) && may(&session, &fault) &&
              file_read(session.home.fd, "keys/ledger.vkey", &result.old_vkey, &fault);

    if (ok) {
        struct ledger_turn asked = {.reason = reason};

        asked.person = person = ledger_person(&session);
        ok = ledger_turn(session.home.fd, folder, &asked, &clock_real, &fault) &&
             read_result(&session, &result, &fault);
    }
    session_close(&session);
    if (ok)
        tell(invocation, &result);
    buf_free(&result.old_vkey);
    buf_free(&result.new_vkey);
    return ok ? EXIT_YES : command_fail(invocation, &fault);
}

static bool opens(const struct session *session, struct fault *fault)
{
    struct note_signer *signer;

    if (!ledger_signer(session->home.fd, "keys/ledger.key", &signer, fault))
        return false;
    note_signer_free(signer);
    return true;
}

static bool has_key(const struct session *session, struct fault *fault)
{
    if (opens(session, fault))
        return true;
    return fault->kind == FAULT_MISSING
               ? false /* which says so itself */
               : fault_in(fault, "if the key is lost, say `custody key replace --lost`");
}

static bool has_lost_key(const struct session *session, struct fault *fault)
{
    struct fault why = {0};

    return opens(session, &why)
               ? fault_set(fault, FAULT_CONFLICT,
                           "the signing key is there and opens: `custody key rotate` has it "
                           "sign the handover")
               : true;
}

static int run_rotate(const struct invocation *invocation)
{
    const char *word = invocation_option(invocation, "reason");
    struct fault fault = {0};

    if (word == NULL || strcmp(word, "rotated") == 0)
        return turn(invocation, LEDGER_TURN_ROTATED, has_key);
    if (strcmp(word, "compromised") == 0)
        return turn(invocation, LEDGER_TURN_COMPROMISED, has_key);
    (void)fault_set(&fault, FAULT_INVALID, "--reason %s: rotated or compromised", word);
    return command_fail(invocation, &fault);
}

static int run_replace(const struct invocation *invocation)
{
    struct fault fault = {0};

    if (invocation_flag(invocation, "lost"))
        return turn(invocation, LEDGER_TURN_LOST, has_lost_key);
    (void)fault_set(
        &fault, FAULT_INVALID,
        "say --lost: nobody will be able to show that the old key's holder agreed");
    return command_fail(invocation, &fault);
}

const struct command command_key_rotate = {
    .name = "key rotate",
    .arguments = "",
    .prints_json = true,
    .summary = "Ends the ledger's shard and begins the next, under a new signing key",
    .text = "The last record of the old shard names the new key, the first of the new one "
            "names the old\n"
            "one's last checkpoint, and its first checkpoint is signed by both keys. The old "
            "shard lies in\n"
            "shards/NNNN from then on, its public key beside it; the old signing key is "
            "destroyed.\n"
            "No run may be under way. A new year does the same by itself.\n"
            "See docs/shards.md for what to do when a key is lost, or somebody else's.",
    .options = rotate_options,
    .run = run_rotate,
};

const struct command command_key_replace = {
    .name = "key replace",
    .arguments = "",
    .prints_json = true,
    .summary = "Begins a new shard when the old signing key is gone",
    .text = "The new shard names the old one's last checkpoint, but nothing is signed by the "
            "old key:\n"
            "`custody verify` says so at that link, and from an older public key alone "
            "nobody can go on to\n"
            "the new one. Records that were acknowledged within the last second before a "
            "crash, and that\n"
            "no checkpoint covers, stay unsealed in the old shard's write-ahead log.",
    .options = replace_options,
    .run = run_replace,
};
