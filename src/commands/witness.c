/* custody witness - cosigns the checkpoints of other people's ledgers. */
#include <fcntl.h>
#include <stdio.h>

#include "base/scope.h"
#include "commands/table.h"
#include "os/file.h"
#include "roles/witness/witness.h"

#define LOGS_BYTES_MAX (256 * 1024)

/* A vkey has a '+' and is no file's name. */
static bool read_logs(const char *word, struct buf *ret_logs, struct fault *fault)
{
    if (strchr(word, '+') != NULL && word[0] != '/' && !file_exists(AT_FDCWD, word))
        return buf_add_text(ret_logs, word, fault);
    return file_read(AT_FDCWD, word, ret_logs, fault);
}

static void say_ready(void *self, struct slice name, unsigned port, size_t log_count)
{
    (void)self;
    (void)printf("witness %.*s listens on port %u for %zu log%s\n", SLICE_ARGS(name), port,
                 log_count, log_count == 1 ? "" : "s");
    (void)fflush(stdout);
}

static void say_ready_json(void *self, struct slice name, unsigned port, size_t log_count)
{
    (void)self;
    command_print_json(json_pack("{s:s%,s:i,s:I}", "witness", (const char *)name.at, name.len,
                                 "port", (int)port, "logs", (json_int_t)log_count));
    (void)fflush(stdout);
}

static int run(const struct invocation *invocation)
{
    AUTO_BUF struct buf logs = buf_with_limit(LOGS_BYTES_MAX);
    struct witness_role role = {.listen = invocation_option(invocation, "listen"),
                                .key = invocation_option(invocation, "key"),
                                .state = invocation_option(invocation, "state"),
                                .ready = invocation->json ? say_ready_json : say_ready};
    struct fault fault = {0};

    if (!read_logs(invocation_option(invocation, "log"), &logs, &fault))
        return command_fail(invocation, &fault);
    role.logs = buf_slice(&logs);
    return witness_role_serve(&role, &fault) ? EXIT_YES : command_fail(invocation, &fault);
}

static const struct option_rule options[] = {
    {"listen", "ADDRESS:PORT",
     "where to listen, plain HTTP: 127.0.0.1:8080; no port: a free one"},
    {"key", "FILE", "its key, made by `custody witness init`"},
    {"state", "DIR", "where its promises are kept; made where it is missing"},
    {"log", "VKEY", "the public key of the ledger to watch, or a file with one a line"},
    {0},
};

const struct command command_witness = {
    .name = "witness",
    .arguments = "",
    .prints_json = true,
    .summary = "Cosigns the checkpoints of ledgers, if each follows the one before",
    .text =
        "A C2SP witness (tlog-witness v1.0.0): POST /add-checkpoint, and GET\n"
        "/SHA256(ORIGIN)/checkpoint. It keeps the last checkpoint of each ledger durably and\n"
        "signs nothing that does not lead on from it; what a ledger signed and it refused is\n"
        "kept in refused/, as it may prove a fork. Run it where the ledger's root has no "
        "say.\n"
        "It speaks plain HTTP: let it listen on loopback behind a proxy that does TLS.",
    .options = options,
    .needs = "listen key state log",
    .run = run,
};

static int run_init(const struct invocation *invocation)
{
    AUTO_BUF struct buf vkey = buf_with_limit(4096);
    struct fault fault = {0};

    if (!witness_role_make_key(invocation_option(invocation, "key"),
                               invocation_option(invocation, "name"), &vkey, &fault))
        return command_fail(invocation, &fault);
    if (invocation->json)
        command_print_json(json_pack("{s:s}", "vkey", buf_text(&vkey)));
    else
        (void)printf("%s\n", buf_text(&vkey));
    return EXIT_YES;
}

static const struct option_rule init_options[] = {
    {"key", "FILE", "where the key goes; its public half goes to FILE.vkey"},
    {"name", "NAME", "the witness's name: a URL without scheme, of [a-z0-9./_-]"},
    {0},
};

const struct command command_witness_init = {
    .name = "witness init",
    .arguments = "",
    .prints_json = true,
    .summary = "Makes the key of a witness and prints its public half",
    .text = "The line printed goes into the tlog-policy of whoever verifies, and into\n"
            "ledger.witnesses of the policy of whoever asks this witness.",
    .options = init_options,
    .needs = "key name",
    .run = run_init,
};
