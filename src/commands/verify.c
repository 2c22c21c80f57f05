/*
 * custody verify - does a ledger hold? Offline; custody-verify is the same in a small program.
 */
#include <fcntl.h>

#include "base/scope.h"
#include "commands/table.h"
#include "flow/home.h"
#include "ledger/tlog_policy.h"
#include "ledger/verify.h"
#include "os/file.h"

static const struct option_rule options[] = {
    {"key", "VKEY",
     "the ledger's public key, or a file with it; else keys/ledger.vkey beside it"},
    {"policy", "FILE",
     "a tlog-policy: which witnesses must have cosigned, and how many of them"},
    {0},
};

static bool open_ledger(const struct invocation *invocation, int *ret_folder,
                        struct fault *fault)
{
    AUTO_CLOSE int folder = -1;

    if (invocation->argument_count > 0) {
        folder = open(invocation->arguments[0], O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (folder < 0)
            return fault_errno(fault, "open %s", invocation->arguments[0]);
    } else {
        struct home home;

        if (!home_open(false, &home, fault))
            return false;
        folder = openat(home.fd, "ledger", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (folder < 0)
            (void)fault_errno(fault, "open %s/ledger", home.path);
        home_close(&home);
        if (folder < 0)
            return false;
    }
    *ret_folder = take_fd(&folder);
    return true;
}

/* A vkey has a '+' and is no file's name. */
static bool read_key(const char *word, int folder, struct buf *ret_key, struct fault *fault)
{
    if (word == NULL)
        return file_read(folder, "../keys/ledger.vkey", ret_key, fault);
    if (strchr(word, '+') != NULL && word[0] != '/' && !file_exists(AT_FDCWD, word))
        return buf_add_text(ret_key, word, fault);
    return file_read(AT_FDCWD, word, ret_key, fault);
}

static bool read_policy(const char *name, struct tlog_policy **ret_policy,
                        struct fault *fault)
{
    AUTO_BUF struct buf text = buf_with_limit(TLOG_POLICY_BYTES_MAX);

    if (name == NULL)
        return true;
    return file_read(AT_FDCWD, name, &text, fault) &&
           tlog_policy_parse(buf_slice(&text), ret_policy, fault);
}

static void free_policy(struct tlog_policy **policy)
{
    tlog_policy_free(*policy);
}

static bool verify(const struct invocation *invocation, struct verify_report *ret_report,
                   struct fault *fault)
{
    __attribute__((cleanup(free_policy))) struct tlog_policy *policy = NULL;
    AUTO_BUF struct buf key = buf_with_limit(4096);
    AUTO_CLOSE int folder = -1;
    struct verify_options how = {0};

    if (!open_ledger(invocation, &folder, fault) ||
        !read_key(invocation_option(invocation, "key"), folder, &key, fault) ||
        !read_policy(invocation_option(invocation, "policy"), &policy, fault))
        return false;
    how.policy = policy;
    return verify_ledger(folder, buf_slice(&key), &how, ret_report, fault);
}

static int run(const struct invocation *invocation)
{
    AUTO_FREE struct verify_report *report = xalloc(sizeof(*report));
    AUTO_BUF struct buf text = buf_with_limit(1 << 20);
    struct fault fault = {0};

    if (!verify(invocation, report, &fault) ||
        !(invocation->json ? verify_report_json(report, &text, &fault)
                           : verify_report_text(report, &text, &fault))) {
        (void)command_fail(invocation, &fault);
        return EXIT_WRONG_USE; /* nothing was verified; what is wrong with a ledger is a result
                                */
    }
    (void)printf("%s%s", buf_text(&text), invocation->json ? "\n" : "");
    return verify_exit_code(report->result);
}

const struct command command_verify = {
    .name = "verify",
    .arguments = "[LEDGER]",
    .arguments_max = 1,
    .prints_json = true,
    .summary = "Checks that a ledger holds: signature, every record, every tile",
    .text = "Reads files only. LEDGER is the folder with `checkpoint` and `tile/`; without "
            "it, this\n"
            "machine's. Everything is computed anew from the records, and each producer's "
            "sequence\n"
            "must be without a gap. The small program custody-verify does the same.\n"
            "With --policy the cosignatures count too: not enough of them is incomplete.\n"
            "Exit: 0 holds, 1 evidence of tampering, 2 incomplete (also: no records), 3 wrong "
            "use.",
    .options = options,
    .run = run,
};
