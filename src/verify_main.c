/*
 * custody-verify - checks a ledger, offline: reads files, trusts one key, opens no socket.
 *
 * It is `custody verify` without the rest of custody, so that an auditor can read all of it.
 */
#include <fcntl.h>
#include <stdio.h>

#include "base/scope.h"
#include "ledger/timestamp.h"
#include "ledger/tlog_policy.h"
#include "ledger/verify.h"
#include "os/file.h"

#define WRONG_USE 3

static const char usage[] =
    "usage: custody-verify LEDGER --key VKEY [--policy FILE]\n"
    "                      [--timestamps DIR --tsa-ca FILE] [--json]\n"
    "\n"
    "Checks a ledger: signature, every record, every tile, the root, every producer's "
    "sequence.\n"
    "  LEDGER      the folder with `checkpoint` and `tile/`\n"
    "  --key VKEY  the ledger's public key, or the name of a file that holds it; get it from\n"
    "              someone other than who gave you the ledger\n"
    "  --policy FILE  a tlog-policy: which witnesses must have cosigned; without enough of\n"
    "              them the ledger is incomplete. Names the key where --key does not\n"
    "  --timestamps DIR  NAME.tsr (RFC 3161) over the text of NAME.checkpoint\n"
    "  --tsa-ca FILE  certificates (PEM) of the authorities to believe\n"
    "Exit: 0 holds, 1 evidence of tampering, 2 incomplete, 3 wrong use.\n";

static int wrong_use(const char *why)
{
    (void)fprintf(stderr, "custody-verify: %s\n", why);
    return WRONG_USE;
}

/* A vkey has '+' in it and is no file's name; anything else is read. */
static bool read_key(const char *word, struct buf *ret_key, struct fault *fault)
{
    if (strchr(word, '+') != NULL && strchr(word, '/') != word && !file_exists(AT_FDCWD, word))
        return buf_add_text(ret_key, word, fault);
    return file_read(AT_FDCWD, word, ret_key, fault);
}

static bool read_policy(const char *name, struct tlog_policy **ret_policy,
                        struct fault *fault)
{
    AUTO_BUF struct buf text = buf_with_limit(TLOG_POLICY_BYTES_MAX);

    return file_read(AT_FDCWD, name, &text, fault) &&
           tlog_policy_parse(buf_slice(&text), ret_policy, fault);
}

static void free_policy(struct tlog_policy **policy)
{
    tlog_policy_free(*policy);
}

static int verify(const char *ledger, const char *key_word, const char *policy_name, bool json)
{
    __attribute__((cleanup(free_policy))) struct tlog_policy *policy = NULL;
    AUTO_BUF struct buf key = buf_with_limit(4096);
    AUTO_BUF struct buf text = buf_with_limit(1 << 20);
    AUTO_FREE struct verify_report *report = xalloc(sizeof(*report));
    AUTO_CLOSE int folder = -1;
    struct verify_options options = {0};
    struct fault fault = {0};

    if ((key_word != NULL && !read_key(key_word, &key, &fault)) ||
        (policy_name != NULL && !read_policy(policy_name, &policy, &fault)))
        return wrong_use(fault.why);
    options.policy = policy;
    folder = open(ledger, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (folder < 0) {
        (void)fault_errno(&fault, "open %s", ledger);
        return wrong_use(fault.why);
    }
    if (!verify_ledger(folder, buf_slice(&key), &options, report, &fault) ||
        !(json ? verify_report_json(report, &text, &fault)
               : verify_report_text(report, &text, &fault)))
        return wrong_use(fault.why);
    (void)printf("%s%s", buf_text(&text), json ? "\n" : "");
    return fflush(stdout) == 0 ? verify_exit_code(report->result) : WRONG_USE;
}

int main(int argc, char **argv)
{
    const char *ledger = NULL, *key = NULL, *policy = NULL;
    bool json = false;

    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0) {
            (void)fputs(usage, stdout);
            return 0;
        }
        if (strcmp(argv[i], "--json") == 0)
            json = true;
        else if (strcmp(argv[i], "--key") == 0 && i + 1 < argc)
            key = argv[++i];
        else if (strncmp(argv[i], "--key=", 6) == 0)
            key = argv[i] + 6;
        else if (strcmp(argv[i], "--policy") == 0 && i + 1 < argc)
            policy = argv[++i];
        else if (strncmp(argv[i], "--policy=", 9) == 0)
            policy = argv[i] + 9;
        else if (argv[i][0] == '-' || ledger != NULL)
            return wrong_use("see custody-verify --help");
        else
            ledger = argv[i];
    }
    if (ledger == NULL || (key == NULL && policy == NULL))
        return wrong_use("it takes LEDGER and --key VKEY; see custody-verify --help");
    return verify(ledger, key, policy, json);
}
