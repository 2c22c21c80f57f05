/*
 * custody-verify - checks a ledger or a proof, offline: reads files, trusts one key, opens no
 * socket.
 *
 * It is `custody verify` without the rest of custody, so that an auditor can read all of it.
 */
#include <fcntl.h>
#include <stdio.h>

#include "base/scope.h"
#include "ledger/verify_files.h"

#define WRONG_USE 3

static const char usage[] =
    "usage: custody-verify LEDGER --key VKEY [--against FILE [--fork-proof FILE]]\n"
    "                      [--archive DIR] [--policy FILE] [--timestamps DIR --tsa-ca FILE]\n"
    "                      [--json]\n"
    "       custody-verify --chain LEDGER... --key VKEY [the same options]\n"
    "       custody-verify --proof FILE --key VKEY [--record FILE [--value FILE] | --against "
    "FILE]\n"
    "                      [--json]\n"
    "\n"
    "Checks a ledger: signature, every record, every tile, the root, every producer's "
    "sequence.\n"
    "Or one proof, without a ledger.\n"
    "  LEDGER             the folder with `checkpoint` and `tile/`\n"
    "  --chain            several of them, oldest first: the shards of one ledger, each with "
    "its `vkey`\n"
    "                     beside its checkpoint; VKEY may be the key of any of them, best "
    "the newest\n"
    "  --key VKEY         the ledger's public key, or the name of a file that holds it; get "
    "it\n"
    "                     from someone other than who gave you the ledger\n"
    "  --against FILE     a checkpoint that you kept: the ledger must have grown out of it\n"
    "  --fork-proof FILE  where it did not, write the evidence there\n"
    "  --archive DIR      where `custody archive` has put older records; without it they are\n"
    "                     checked by their hashes only, and the ledger is incomplete\n"
    "  --policy FILE      a tlog-policy: which witnesses must have cosigned; without enough "
    "of them\n"
    "                     the ledger is incomplete. Names the key where --key does not\n"
    "  --timestamps DIR   NAME.tsr (RFC 3161) over the text of NAME.checkpoint\n"
    "  --tsa-ca FILE      certificates (PEM) of the authorities to believe\n"
    "  --proof FILE       a proof made by `custody prove` or --fork-proof\n"
    "  --record FILE      the bytes of the record that the proof is about\n"
    "  --value FILE       what that record is said to commit to: a prompt, a diff, ...; the "
    "proof\n"
    "                     must open it\n"
    "  --json             print JSON\n"
    "  --version          print the version\n"
    "Exit: 0 holds, 1 evidence of tampering, 2 incomplete, 3 wrong use.\n";

struct words {
    const char **ledgers;
    size_t ledger_count;
    const char *key;
    struct verify_files files;
    bool json, is_chain;
};

static int wrong_use(const char *why)
{
    (void)fprintf(stderr, "custody-verify: %s\n", why);
    return WRONG_USE;
}

static int wrong_word(const char *word)
{
    (void)fprintf(stderr,
                  "custody-verify: %s: no such option, or its value is missing; see "
                  "custody-verify --help\n",
                  word);
    return WRONG_USE;
}

static bool open_ledger(const char *name, int *ret_folder, struct fault *fault)
{
    int folder = open(name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    if (folder < 0)
        return fault_errno(fault, "open %s", name);
    *ret_folder = folder;
    return true;
}

static bool verify_one(const struct words *words, struct slice key, struct buf *text,
                       struct verify_outcome *outcome, struct fault *fault)
{
    AUTO_CLOSE int folder = -1;

    return (words->ledger_count == 0 || open_ledger(words->ledgers[0], &folder, fault)) &&
           verify_files(folder, key, &words->files, words->json, text, outcome, fault);
}

/* The folders stay open to the program's end. */
static bool verify_all(const struct words *words, struct slice key, struct buf *text,
                       struct verify_outcome *outcome, struct fault *fault)
{
    size_t count = words->ledger_count;
    AUTO_FREE struct chain_shard *shards = xalloc_array(count, sizeof(*shards));
    AUTO_FREE struct buf *vkeys = xalloc_array(count, sizeof(*vkeys));
    bool ok = true;

    for (size_t i = 0; ok && i < count; i++) {
        int folder = -1;

        vkeys[i] = buf_with_limit(4096);
        ok = open_ledger(words->ledgers[i], &folder, fault) &&
             verify_files_shard(words->ledgers[i], 0, folder, key, &shards[i], &vkeys[i],
                                fault);
    }
    ok = ok && verify_files_chain(shards, count, slice_trim(key), &words->files, words->json,
                                  text, outcome, fault);
    for (size_t i = 0; i < count; i++)
        buf_free(&vkeys[i]);
    return ok;
}

static int verify(const struct words *words)
{
    AUTO_BUF struct buf key = buf_with_limit(4096);
    AUTO_BUF struct buf text = buf_with_limit(4 << 20);
    struct verify_outcome outcome;
    struct fault fault = {0};

    if (!verify_files_check(&words->files, words->ledger_count > 0, &fault) ||
        !verify_files_key(words->key, &key, &fault) ||
        !(words->is_chain ? verify_all : verify_one)(words, buf_slice(&key), &text, &outcome,
                                                     &fault))
        return wrong_use(fault.why);
    (void)printf("%s%s", buf_text(&text), words->json ? "\n" : "");
    if (outcome.note[0] != 0)
        (void)fprintf(stderr, "custody-verify: %s\n", outcome.note);
    return fflush(stdout) == 0 ? verify_exit_code(outcome.result) : WRONG_USE;
}

/* Takes "--name VALUE" or "--name=VALUE" at argv[*at]. */
static bool take_option(char **argv, int *at, const char *name, const char **ret_value)
{
    size_t len = strlen(name);

    if (strncmp(argv[*at], name, len) != 0)
        return false;
    if (argv[*at][len] == '=') {
        *ret_value = argv[*at] + len + 1;
        return true;
    }
    if (argv[*at][len] != 0 || argv[*at + 1] == NULL)
        return false;
    *ret_value = argv[++*at];
    return true;
}

static bool take_word(char **argv, int *at, struct words *words)
{
    const struct {
        const char *name, **value;
    } options[] = {
        {"--key", &words->key},
        {"--against", &words->files.against},
        {"--fork-proof", &words->files.fork_proof},
        {"--proof", &words->files.proof},
        {"--record", &words->files.record},
        {"--value", &words->files.value},
        {"--archive", &words->files.archive},
        {"--policy", &words->files.policy},
        {"--timestamps", &words->files.timestamps},
        {"--tsa-ca", &words->files.tsa_ca},
    };

    for (size_t i = 0; i < COUNT(options); i++)
        if (take_option(argv, at, options[i].name, options[i].value))
            return true;
    if (strcmp(argv[*at], "--json") == 0)
        return words->json = true;
    if (strcmp(argv[*at], "--chain") == 0)
        return words->is_chain = true;
    if (argv[*at][0] == '-')
        return false;
    words->ledgers[words->ledger_count++] = argv[*at];
    return true;
}

/* NULL: they go together. */
static const char *contradiction(const struct words *words)
{
    if (words->is_chain && (words->key == NULL || words->ledger_count == 0))
        return "--chain takes LEDGER..., oldest first, and --key VKEY";
    if (!words->is_chain && words->ledger_count > 1)
        return "several ledgers are checked with --chain";
    if (words->ledger_count == 0 && words->files.proof == NULL)
        return "it takes LEDGER or --proof, and --key VKEY; see custody-verify --help";
    if (words->key == NULL && words->files.policy == NULL)
        return "--key VKEY is missing: the ledger's public key (`custody key show`), from "
               "someone other than who gave you the ledger; see custody-verify --help";
    return NULL;
}

int main(int argc, char **argv)
{
    AUTO_FREE const char **ledgers = xalloc_array((size_t)argc + 1, sizeof(*ledgers));
    struct words words = {.ledgers = ledgers};
    const char *why;

    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0) {
            (void)fputs(usage, stdout);
            return 0;
        }
        if (strcmp(argv[i], "--version") == 0) {
            (void)puts("custody-verify " CUSTODY_VERSION);
            return 0;
        }
        if (!take_word(argv, &i, &words))
            return wrong_word(argv[i]);
    }
    why = contradiction(&words);
    return why != NULL ? wrong_use(why) : verify(&words);
}
