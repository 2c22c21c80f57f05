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
    "usage: custody-verify LEDGER --key VKEY [--against FILE [--fork-proof FILE]] \n"
    "                      [--policy FILE] [--timestamps DIR --tsa-ca FILE] [--json]\n"
    "       custody-verify --proof FILE --key VKEY [--record FILE | --against FILE] [--json]\n"
    "\n"
    "Checks a ledger: signature, every record, every tile, the root, every producer's "
    "sequence.\n"
    "Or one proof, without a ledger.\n"
    "  LEDGER             the folder with `checkpoint` and `tile/`\n"
    "  --key VKEY         the ledger's public key, or the name of a file that holds it; get "
    "it\n"
    "                     from someone other than who gave you the ledger\n"
    "  --against FILE     a checkpoint that you kept: the ledger must have grown out of it\n"
    "  --fork-proof FILE  where it did not, write the evidence there\n"
    "  --policy FILE      a tlog-policy: which witnesses must have cosigned; without enough "
    "of them\n"
    "                     the ledger is incomplete. Names the key where --key does not\n"
    "  --timestamps DIR   NAME.tsr (RFC 3161) over the text of NAME.checkpoint\n"
    "  --tsa-ca FILE      certificates (PEM) of the authorities to believe\n"
    "  --proof FILE       a proof made by `custody prove` or --fork-proof\n"
    "  --record FILE      the bytes of the record that the proof is about\n"
    "Exit: 0 holds, 1 evidence of tampering, 2 incomplete, 3 wrong use.\n";

struct words {
    const char *ledger, *key;
    struct verify_files files;
    bool json;
};

static int wrong_use(const char *why)
{
    (void)fprintf(stderr, "custody-verify: %s\n", why);
    return WRONG_USE;
}

static int verify(const struct words *words)
{
    AUTO_BUF struct buf key = buf_with_limit(4096);
    AUTO_BUF struct buf text = buf_with_limit(1 << 20);
    AUTO_CLOSE int folder = -1;
    struct verify_outcome outcome;
    struct fault fault = {0};

    if (!verify_files_check(&words->files, words->ledger != NULL, &fault) ||
        !verify_files_key(words->key, &key, &fault))
        return wrong_use(fault.why);
    if (words->ledger != NULL) {
        folder = open(words->ledger, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (folder < 0) {
            (void)fault_errno(&fault, "open %s", words->ledger);
            return wrong_use(fault.why);
        }
    }
    if (!verify_files(folder, buf_slice(&key), &words->files, words->json, &text, &outcome,
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
        {"--policy", &words->files.policy},
        {"--timestamps", &words->files.timestamps},
        {"--tsa-ca", &words->files.tsa_ca},
    };

    for (size_t i = 0; i < COUNT(options); i++)
        if (take_option(argv, at, options[i].name, options[i].value))
            return true;
    if (strcmp(argv[*at], "--json") == 0)
        return words->json = true;
    if (argv[*at][0] == '-' || words->ledger != NULL)
        return false;
    words->ledger = argv[*at];
    return true;
}

int main(int argc, char **argv)
{
    struct words words = {.ledger = NULL};

    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0) {
            (void)fputs(usage, stdout);
            return 0;
        }
        if (!take_word(argv, &i, &words))
            return wrong_use("see custody-verify --help");
    }
    if ((words.key == NULL && words.files.policy == NULL) ||
        (words.ledger == NULL && words.files.proof == NULL))
        return wrong_use(
            "it takes LEDGER or --proof, and --key VKEY; see custody-verify --help");
    return verify(&words);
}
