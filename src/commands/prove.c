/*
 * custody prove - a proof in a file: that a record is in the ledger, or that the ledger grew
 * out of an earlier one. Anyone with the public key can check it, without the ledger.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>

#include <openssl/crypto.h>

#include "base/scope.h"
#include "commands/ledger.h"
#include "commands/table.h"
#include "flow/home.h"
#include "ledger/proof.h"
#include "ledger/shards.h"
#include "ledger/tile.h"
#include "os/file.h"
#include "roles/keys/sealed.h"

static const struct option_rule options[] = {
    {"from", "SIZE", "prove that the ledger grew out of its first SIZE records"},
    {"to", "SIZE", "with --from: how many records it grew to; else all"},
    {"size", "SIZE", "prove in the tree of SIZE records; else all"},
    {"checkpoint", "FILE", "the signed checkpoint of SIZE, where that is not the newest one"},
    {"out", "FILE", "write the proof there; else to standard output"},
    {"record", "FILE", "write the record's bytes there; the proof is about them"},
    {"open", "FILE",
     "write the value that the record commits to there; the proof shows that it is that one"},
    {"value", "FILE", "the same with a value that you have, where no payload was kept"},
    {"archive", "DIR",
     "where older records lie; else, of this machine's, where `custody archive` put them"},
    {"shard", "N",
     "in closed shard N of this machine's ledger (`custody log --json` names it)"},
    {"ledger", "DIR", "the folder with `checkpoint` and `tile/`; else this machine's"},
    {"key", "VKEY",
     "the ledger's public key, or a file with it; else keys/ledger.vkey beside it"},
    {0},
};

/* What was asked for, and what it is proven from. */
struct proving {
    int folder;
    bool is_consistency;
    uint64_t number;             /* an index, or the size that it grew from */
    uint64_t size;               /* of the tree that is proven in; 0: all */
    struct buf published, given; /* notes; `given` empty: the published one */
    struct checkpoint newest, checkpoint;
    struct buf record;
    struct buf extra, value; /* an opening, and what it opens; empty: none was asked for */
    struct archive_folder archive;
};

static bool parse_number(const char *what, const char *word, uint64_t *ret_number,
                         struct fault *fault)
{
    return checkpoint_parse_size(slice_of(word), ret_number)
               ? true
               : fault_set(fault, FAULT_INVALID, "%s %s: not a number", what, word);
}

static bool read_words(const struct invocation *invocation, struct proving *proving,
                       struct fault *fault)
{
    const char *from = invocation_option(invocation, "from");
    const char *size = invocation_option(invocation, from == NULL ? "size" : "to");
    const char *other = invocation_option(invocation, from == NULL ? "to" : "size");

    proving->is_consistency = from != NULL;
    if ((from != NULL) == (invocation->argument_count > 0) || other != NULL)
        return fault_set(fault, FAULT_INVALID,
                         "it takes INDEX [--size SIZE], or --from SIZE "
                         "[--to SIZE]");
    if (from != NULL && (invocation_option(invocation, "record") != NULL ||
                         invocation_option(invocation, "open") != NULL ||
                         invocation_option(invocation, "value") != NULL))
        return fault_set(fault, FAULT_INVALID, "--record, --open and --value go with INDEX");
    if (invocation_option(invocation, "open") != NULL &&
        invocation_option(invocation, "value") != NULL)
        return fault_set(fault, FAULT_INVALID, "--open or --value: it is the same value");
    return parse_number(from == NULL ? "INDEX" : "--from",
                        from == NULL ? invocation->arguments[0] : from, &proving->number,
                        fault) &&
           (size == NULL ||
            parse_number(from == NULL ? "--size" : "--to", size, &proving->size, fault));
}

/* The checkpoints: the published one, and the one that the proof will stand under. */
static bool read_checkpoints(const struct invocation *invocation, const struct note_key *key,
                             struct proving *proving, struct fault *fault)
{
    const char *given = invocation_option(invocation, "checkpoint");

    if (!file_read(proving->folder, "checkpoint", &proving->published, fault) ||
        !checkpoint_open(buf_slice(&proving->published), key, &proving->newest, fault))
        return false;
    proving->checkpoint = proving->newest;
    if (given != NULL &&
        (!file_read(AT_FDCWD, given, &proving->given, fault) ||
         !checkpoint_open(buf_slice(&proving->given), key, &proving->checkpoint, fault)))
        return fault_in(fault, "--checkpoint");
    if (proving->size != 0 && proving->size != proving->checkpoint.size)
        return fault_set(fault, FAULT_MISSING,
                         "the checkpoint has %llu records, not %llu: give the signed one of "
                         "that size with --checkpoint",
                         (unsigned long long)proving->checkpoint.size,
                         (unsigned long long)proving->size);
    return true;
}

/* A proof that does not hold is not handed out: the tiles are damaged, or it is a fork. */
static bool check_own_proof(const struct proving *proving, const struct tree_proof *path,
                            struct fault *fault)
{
    const struct checkpoint *checkpoint = &proving->checkpoint;
    struct tree_hash hash;

    if (!proving->is_consistency) {
        hash = tree_leaf(buf_slice(&proving->record));
        return tree_check_inclusion(proving->number, checkpoint->size, &hash, path,
                                    &checkpoint->root, fault);
    }
    return proof_root(proving->folder, proving->newest.size, proving->number, &hash, fault) &&
           tree_check_consistency(proving->number, checkpoint->size, &hash, &checkpoint->root,
                                  path, fault);
}

/* The key is this machine's; where a ledger is a copy, its records' keys are elsewhere. */
static bool open_record(const struct home *home, const char *given, struct proving *proving,
                        struct fault *fault)
{
    AUTO_BUF struct buf arena = buf_with_limit(RECORD_BYTES_MAX + 1);
    uint8_t key[COMMITMENT_KEY_BYTES];
    struct record_header header;
    struct record record;
    bool ok;

    if (!record_decode(buf_slice(&proving->record), &record, &header, &arena, fault) ||
        !sealed_key(home, &record, &header, key, fault))
        return false;
    ok = given == NULL ? sealed_value(home, &record, &header, &proving->value, fault)
                       : file_read(AT_FDCWD, given, &proving->value, fault) &&
                             sealed_check(&record, key, buf_slice(&proving->value), fault);
    ok = ok && commitment_opening(key, &proving->extra, fault);
    OPENSSL_cleanse(key, sizeof(key));
    return ok;
}

static bool open_value(const struct invocation *invocation, struct proving *proving,
                       struct fault *fault)
{
    const char *given = invocation_option(invocation, "value");
    struct home home;
    bool ok;

    if (given == NULL && invocation_option(invocation, "open") == NULL)
        return true;
    if (!home_open(false, &home, fault))
        return false;
    ok = open_record(&home, given, proving, fault);
    home_close(&home);
    return ok ? true
              : fault_in(fault, "open record %llu", (unsigned long long)proving->number);
}

static bool make_proof(const struct invocation *invocation, struct proving *proving,
                       struct buf *text, struct fault *fault)
{
    struct proof proof = {.number = proving->number,
                          .kind =
                              proving->is_consistency ? PROOF_CONSISTENCY : PROOF_INCLUSION};
    uint64_t newest = proving->newest.size, size = proving->checkpoint.size;

    proof.checkpoint =
        buf_slice(proving->given.len > 0 ? &proving->given : &proving->published);
    if (proving->is_consistency
            ? !proof_consistency(proving->folder, newest, proving->number, size, &proof.path,
                                 fault)
            : !proof_inclusion(proving->folder, newest, proving->number, size, &proof.path,
                               fault) ||
                  !proof_record(proving->folder, proving->archive.archive, newest,
                                proving->number, &proving->record, fault))
        return false;
    if (!check_own_proof(proving, &proof.path, fault))
        return fault_in(fault, "the ledger does not hold (see `custody verify`)");
    if (!open_value(invocation, proving, fault))
        return false;
    proof.extra = buf_slice(&proving->extra);
    return proof_format(&proof, text, fault);
}

static void print_json(const struct proving *proving, struct buf *text)
{
    command_print_json(json_pack(
        "{s:s,s:I,s:I,s:s}", "kind", proving->is_consistency ? "consistency" : "inclusion",
        proving->is_consistency ? "old_size" : "index", (json_int_t)proving->number, "size",
        (json_int_t)proving->checkpoint.size, "proof", buf_text(text)));
}

static bool put_out(const struct invocation *invocation, const struct proving *proving,
                    struct buf *text, struct fault *fault)
{
    const char *out = invocation_option(invocation, "out");
    const char *record = invocation_option(invocation, "record");
    const char *open = invocation_option(invocation, "open");

    if ((open != NULL &&
         !file_create(AT_FDCWD, open, buf_slice(&proving->value), 0600, fault)) ||
        (record != NULL &&
         !file_create(AT_FDCWD, record, buf_slice(&proving->record), 0600, fault)) ||
        (out != NULL && !file_create(AT_FDCWD, out, buf_slice(text), 0644, fault)))
        return false;
    if (invocation->json)
        print_json(proving, text);
    else if (out == NULL)
        (void)fputs(buf_text(text), stdout);
    return fflush(stdout) == 0 ? true : fault_errno(fault, "print");
}

/* A closed shard's key lies beside it; the number of the current one is as good as none. */
static bool find_shard(const char *word, struct proving *proving, struct buf *vkey,
                       struct fault *fault)
{
    struct shard_list list = {0};
    struct home home;
    uint64_t number;
    bool ok, found = false;

    if (!parse_number("--shard", word, &number, fault) || !home_open(false, &home, fault))
        return false;
    ok = shards_open(home.fd, &list, fault);
    for (size_t i = 0; ok && !found && i < list.count; i++) {
        const struct shard *shard = &list.at[i];

        if (shard->number != number)
            continue;
        found = true;
        proving->folder = fcntl(shard->folder, F_DUPFD_CLOEXEC, 3);
        ok = proving->folder >= 0 ? shard->is_current
                                        ? file_read(home.fd, "keys/ledger.vkey", vkey, fault)
                                        : file_read(shard->folder, "vkey", vkey, fault)
                                  : fault_errno(fault, "open shard %s", word);
    }
    shards_close(&list);
    home_close(&home);
    return ok && (found || fault_set(fault, FAULT_MISSING, "--shard %s: there is none", word));
}

static bool find_ledger(const struct invocation *invocation, struct proving *proving,
                        struct buf *vkey, struct fault *fault)
{
    const char *shard = invocation_option(invocation, "shard");
    const char *ledger = invocation_option(invocation, "ledger");
    const char *key = invocation_option(invocation, "key");

    if (shard == NULL)
        return ledger_open(ledger, &proving->folder, fault) &&
               ledger_key(key, proving->folder, vkey, fault);
    if (ledger != NULL || key != NULL)
        return fault_set(fault, FAULT_INVALID, "--shard goes without --ledger and --key");
    return find_shard(shard, proving, vkey, fault);
}

static bool prove(const struct invocation *invocation, struct proving *proving,
                  struct fault *fault)
{
    AUTO_BUF struct buf vkey = buf_with_limit(4096);
    AUTO_BUF struct buf text = buf_with_limit(PROOF_BYTES_MAX);
    struct note_key *key;
    bool ok;

    if (!read_words(invocation, proving, fault) ||
        !find_ledger(invocation, proving, &vkey, fault) ||
        !note_key_parse(slice_trim(buf_slice(&vkey)), &key, fault))
        return false;
    ok = read_checkpoints(invocation, key, proving, fault) &&
         ledger_archive(invocation_option(invocation, "archive"), proving->folder,
                        invocation_option(invocation, "ledger") == NULL, &proving->archive,
                        fault);
    note_key_free(key);
    return ok && make_proof(invocation, proving, &text, fault) &&
           put_out(invocation, proving, &text, fault);
}

static int run(const struct invocation *invocation)
{
    struct proving proving = {.folder = -1,
                              .published = buf_with_limit(NOTE_BYTES_MAX),
                              .given = buf_with_limit(NOTE_BYTES_MAX),
                              .record = buf_with_limit(TILE_ENTRY_BYTES_MAX),
                              .extra = buf_with_limit(PROOF_EXTRA_BYTES_MAX),
                              .value = buf_with_limit(PAYLOAD_BYTES_MAX)};
    struct fault fault = {0};
    bool ok = prove(invocation, &proving, &fault);

    scope_close(&proving.folder);
    archive_folder_close(&proving.archive);
    buf_free(&proving.published);
    buf_free(&proving.given);
    buf_free(&proving.record);
    buf_free_secret(&proving.extra);
    buf_free_secret(&proving.value);
    return ok ? EXIT_YES : command_fail(invocation, &fault);
}

const struct command command_prove = {
    .name = "prove",
    .arguments = "[INDEX]",
    .arguments_max = 1,
    .prints_json = true,
    .summary = "Proves that a record is in the ledger, or that the ledger only grew",
    .text =
        "The proof is a file that anyone with the public key can check, offline and "
        "without the ledger:\n"
        "`custody verify --proof FILE --record FILE`, or custody-verify. INDEX is what "
        "`custody log`\n"
        "shows in front of a record; the file is a c2sp.org/tlog-proof@v1. With --from, it "
        "is the body\n"
        "of a witness's add-checkpoint request, to be checked against the checkpoint of "
        "that size that\n"
        "somebody kept: `custody verify --proof FILE --against CHECKPOINT`.\n"
        "A proof that would not hold is not handed out.\n"
        "With --open, the proof also shows what a record of a ticket, prompt, answer or diff "
        "commits to:\n"
        "`custody verify --proof FILE --record FILE --value FILE`. It opens that one value, "
        "and "
        "nothing else.\n"
        "A program's record (exec) commits to its arguments, each with a NUL behind it: with "
        "--value FILE,\n"
        "where FILE is made by `printf '%s\\0' make -j2`. Whoever is given such a proof can "
        "test guesses\n"
        "at the arguments of that run's other programs, too.",
    .options = options,
    .run = run,
};
