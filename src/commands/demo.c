/*
 * demo: the whole story on a sample hospital repository, with a scripted model and no network.
 * It types the commands that a person would type, and shows them.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/scope.h"
#include "commands/demo_repository.h"
#include "commands/table.h"
#include "flow/home.h"
#include "os/file.h"
#include "os/spawn.h"
#include "roles/scripted.h"

#define DEMO_ENGINE "custody-agent"
#define OUTPUT_BYTES_MAX (4UL * 1024 * 1024)
#define MODEL_LOG_BYTES_MAX (64UL * 1024 * 1024)

static const struct option_rule options[] = {
    {"agent", "NAME",
     "use this engine (codex, pi, opencode; must be installed) instead of our own small "
     "agent"},
    {"engine", "NAME", "the same as --agent"},
    {"keep", NULL, "keep the folder, to look around in it"},
    {NULL, NULL, NULL},
};

struct demo {
    char *folder, *home, *repository, *ticket, *model_log;
    char *home_variable;
    const char *engine;
    struct process model;
    uint16_t port;
    char change[64];
    char run[64];
};

static void title(const char *text)
{
    (void)printf("\n\033[1m== %s\033[0m\n", text);
    (void)fflush(stdout);
}

static void show_words(const char *const *argv)
{
    (void)fputs("$ custody", stdout);
    for (size_t i = 1; argv[i] != NULL; i++)
        (void)printf(" %s", argv[i]);
    (void)putchar('\n');
    (void)fflush(stdout);
}

/* Runs `custody argv...` as a person would. `ret_output` NULL: it goes to our own standard
 * output. */
static bool type(const struct demo *demo, const char *const *argv, struct buf *ret_output,
                 int *ret_status, struct fault *fault)
{
    AUTO_FREE char *person = xformat("HOME=%s", demo->folder);
    const char *const environment[] = {demo->home_variable,
                                       person,
                                       "PATH=/usr/local/bin:/usr/bin:/bin",
                                       "LANG=C.UTF-8",
                                       "CUSTODY_LEDGER_LINGER_MS=1000",
                                       NULL};
    struct spawn_program program = {.argv = argv,
                                    .environment = environment,
                                    .folder = demo->repository,
                                    .in = -1,
                                    .out = 1,
                                    .err = 2};
    struct process process;
    int out[2];
    bool ok;

    show_words(argv);
    if (ret_output == NULL)
        return spawn_program(&program, &process, fault) &&
               process_wait(&process, -1, ret_status, fault);
    if (pipe2(out, O_CLOEXEC) < 0)
        return fault_errno(fault, "make a pipe");
    program.out = out[1];
    ok = spawn_program(&program, &process, fault);
    (void)close(out[1]);
    ok = ok && file_read_fd(out[0], ret_output, fault) &&
         process_wait(&process, -1, ret_status, fault);
    (void)close(out[0]);
    return ok;
}

/* The same; anything but success ends the demo. */
static bool must(const struct demo *demo, const char *const *argv, struct fault *fault)
{
    int status = 0;

    if (!type(demo, argv, NULL, &status, fault))
        return false;
    return status == 0 ? true
                       : fault_set(fault, FAULT_IO, "custody %s %s ended with %d", argv[1],
                                   argv[2], status);
}

static bool make_person(const struct demo *demo, const char *name, char **ret_public,
                        struct fault *fault)
{
    AUTO_FREE char *key = xformat("%s/%s.key", demo->folder, name);
    AUTO_FREE char *public = xformat("%s.pub", key);
    const char *const argv[] = {"ssh-keygen", "-q", "-t", "ed25519", "-N", "",
                                "-C",         name, "-f", key,       NULL};
    const char *const environment[] = {"PATH=/usr/bin:/bin", NULL};
    struct spawn_program program = {.argv = argv, .environment = environment};
    AUTO_BUF struct buf text = buf_with_limit(4096);
    int status = 0;

    if (!spawn_run(&program, slice_of(""), &text, &status, fault) || status != 0)
        return fault_in(fault, "make a key for %s", name);
    buf_clear(&text);
    if (!file_read(AT_FDCWD, public, &text, fault))
        return false;
    *ret_public = slice_dup(slice_trim(buf_slice(&text)));
    return true;
}

static bool start_model(struct demo *demo, struct fault *fault)
{
    AUTO_CLOSE int log = open(demo->model_log, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    struct scripted scripted = {.log = log};
    bool ok;

    if (log < 0)
        return fault_errno(fault, "create %s", demo->model_log);
    if (!script_parse(demo_script(), "demo script", &scripted.script, fault) ||
        !scripted_listen(0, &scripted.listener, &demo->port, fault))
        return false;
    script_set_folder(scripted.script, demo->repository);
    ok = spawn_role("scripted-model", scripted_role, &scripted,
                    (const int[]){scripted.listener, log}, 2, &demo->model, fault);
    (void)close(scripted.listener);
    script_free(scripted.script);
    return ok;
}

static bool write_policy(const struct demo *demo, struct fault *fault)
{
    AUTO_FREE char *sam = NULL;
    AUTO_FREE char *maria = NULL;
    AUTO_FREE char *text = NULL;
    AUTO_FREE char *path = xformat("%s/policy.yaml", demo->home);

    if (!make_person(demo, "sam", &sam, fault) || !make_person(demo, "maria", &maria, fault))
        return false;
    text = xformat(
        "version: 1\n"
        "people:\n"
        "  - { id: sam, email: sam@hospital.example, groups: [engineering], ssh: [\"%s\"] }\n"
        "  - { id: maria, email: maria@hospital.example, groups: [billing], ssh: [\"%s\"] }\n"
        "models:\n"
        "  - { name: scripted-1, url: \"http://127.0.0.1:%u/v1\", dialect: openai, residency: "
        "on-premises, allow: [code, phi-redacted, pan-redacted] }\n"
        "  - { name: scripted-responses, url: \"http://127.0.0.1:%u/v1\", dialect: "
        "openai-responses, residency: on-premises, allow: [code, phi-redacted, pan-redacted] "
        "}\n"
        "budgets: { run: { tokens: 400000, minutes: 5 } }\n"
        "phase: regulated\n",
        sam, maria, demo->port, demo->port);
    return file_make_folders(demo->home, 0711, fault) &&
           file_create(AT_FDCWD, path, slice_of(text), 0644, fault);
}

static bool prepare(struct demo *demo, struct fault *fault)
{
    struct slice ticket = demo_ticket();

    title("A sample hospital billing repository and a ticket (generated, no real persons)");
    if (!demo_repository_make(demo->repository, fault) ||
        !file_create(AT_FDCWD, demo->ticket, ticket, 0644, fault))
        return false;
    (void)printf("%.*s\n", SLICE_ARGS(ticket));
    (void)printf("The model in this demo is SCRIPTED: a small server on loopback that answers "
                 "from a file.\n"
                 "Everything else is real: the cell, the view, the gateway, the ledger, git, "
                 "the signature.\n");
    return start_model(demo, fault) && write_policy(demo, fault);
}

static bool run_agent(struct demo *demo, struct fault *fault)
{
    const char *const argv[] = {"/proc/self/exe", "run",        "--repo",   demo->repository,
                                "--requester",    "sam",        "--engine", demo->engine,
                                "--ticket",       demo->ticket, "--json",   NULL};
    AUTO_BUF struct buf output = buf_with_limit(OUTPUT_BYTES_MAX);
    json_error_t error;
    json_t *result;
    const char *change = NULL, *run = NULL;
    int status = 0;

    title("The agent works in its cell: it reads, edits and runs the tests");
    if (!type(demo, argv, &output, &status, fault))
        return false;
    result = json_loadb((const char *)output.at, output.len, 0, &error);
    if (result == NULL ||
        json_unpack(result, "{s:s, s?:s}", "run", &run, "change", &change) < 0 ||
        change == NULL || status != 0) {
        json_decref(result);
        return fault_set(fault, FAULT_IO,
                         "the run ended with %d and no change that is ready: %.200s", status,
                         buf_text(&output));
    }
    (void)snprintf(demo->change, sizeof(demo->change), "%s", change);
    (void)snprintf(demo->run, sizeof(demo->run), "%s", run);
    json_decref(result);
    return true;
}

static bool show_records(struct demo *demo, struct fault *fault)
{
    static const char *const types[] = {"file.refused", "file.redacted", "model.outcome"};

    title("What was refused, what was redacted, what was sent: the ledger");
    for (size_t i = 0; i < COUNT(types); i++) {
        const char *const argv[] = {"/proc/self/exe", "log",    "--run", demo->run,
                                    "--type",         types[i], NULL};

        if (!must(demo, argv, fault))
            return false;
    }
    return true;
}

/* The proof that matters: none of the values is in anything that the model got. */
static bool check_model_log(const struct demo *demo, struct fault *fault)
{
    AUTO_BUF struct buf log = buf_with_limit(MODEL_LOG_BYTES_MAX);
    struct demo_secret secrets[DEMO_SECRETS_MAX];
    size_t count = 0;

    title("What the model got: searched for every sensitive value of the repository");
    if (!file_read(AT_FDCWD, demo->model_log, &log, fault))
        return false;
    if (log.len == 0)
        return fault_set(fault, FAULT_IO,
                         "the model was never asked: nothing is shown by this demo");
    demo_secrets(secrets, &count);
    for (size_t i = 0; i < count; i++) {
        bool found = slice_find(buf_slice(&log), slice_of(secrets[i].value), 0) != SIZE_MAX;

        (void)printf("  %-28s %s\n", secrets[i].what, found ? "FOUND" : "not in it");
        if (found)
            return fault_set(fault, FAULT_IO, "the model got a %s", secrets[i].what);
    }
    (void)printf("  (%zu bytes of requests searched)\n", log.len);
    return true;
}

static bool approve_and_land(struct demo *demo, struct fault *fault)
{
    AUTO_FREE char *sam = xformat("%s/sam.key", demo->folder);
    AUTO_FREE char *maria = xformat("%s/maria.key", demo->folder);
    const char *const diff[] = {"/proc/self/exe", "change", "diff", demo->change, NULL};
    const char *const own[] = {"/proc/self/exe", "change", "approve",
                               demo->change,     "--as",   "sam",
                               "--key",          sam,      NULL};
    const char *const approve[] = {"/proc/self/exe", "change", "approve", demo->change, "--as",
                                   "maria",          "--key",  maria,     NULL};
    const char *const land[] = {"/proc/self/exe", "change", "land", demo->change, NULL};
    int status = 0;

    title("The change, taken from outside the cell");
    if (!must(demo, diff, fault))
        return false;
    title("Approval: not by the one who asked for it");
    if (!type(demo, own, NULL, &status, fault))
        return false;
    if (status == 0)
        return fault_set(fault, FAULT_IO, "the requester could approve");
    title("Approval by another human, signed, bound to this tree; then the landing");
    return must(demo, approve, fault) && must(demo, land, fault);
}

static bool verify(struct demo *demo, struct fault *fault)
{
    const char *const argv[] = {"/proc/self/exe", "verify", NULL};

    title("The ledger, verified offline");
    return must(demo, argv, fault);
}

/* Engines are installed once for the person, not for each demo. */
static bool lend_engines(const struct demo *demo, struct fault *fault)
{
    AUTO_FREE char *link = xformat("%s/engines", demo->home);
    AUTO_FREE char *engines = NULL;
    struct home home = {.fd = -1};

    if (strcmp(demo->engine, DEMO_ENGINE) == 0)
        return true;
    if (!home_open(false, &home, fault))
        return fault_in(fault, "find where engine %s is installed", demo->engine);
    engines = xformat("%s/engines", home.path);
    home_close(&home);
    return symlink(engines, link) == 0 || fault_errno(fault, "link to %s", engines);
}

static bool tell_story(struct demo *demo, struct fault *fault)
{
    const char *const init[] = {"/proc/self/exe", "init", "--repo", demo->repository, NULL};
    const char *const view[] = {"/proc/self/exe", "view", "samples/admission.hl7", NULL};

    if (!prepare(demo, fault) || !lend_engines(demo, fault))
        return false;
    title("Policy, keys and ledger; what in the repository is sensitive");
    if (!must(demo, init, fault))
        return false;
    title("What an agent would see of the admission message: stand-ins of the same shape");
    return must(demo, view, fault) && run_agent(demo, fault) && show_records(demo, fault) &&
           check_model_log(demo, fault) && approve_and_land(demo, fault) &&
           verify(demo, fault);
}

static int run(const struct invocation *invocation)
{
    char folder[] = "/tmp/custody-demo-XXXXXX";
    const char *engine = invocation_option(invocation, "agent");
    struct demo demo = {.model.pid = -1};
    struct fault fault = {0};
    bool keep = invocation_flag(invocation, "keep");
    bool ok;

    if (mkdtemp(folder) == NULL || chmod(folder, 0755) < 0) {
        (void)fault_errno(&fault, "make a folder in /tmp");
        return command_fail(invocation, &fault);
    }
    demo.folder = xstrdup(folder);
    demo.home = xformat("%s/home", folder);
    demo.home_variable = xformat("CUSTODY_HOME=%s", demo.home);
    demo.repository = xformat("%s/billing", folder);
    demo.ticket = xformat("%s/TICKET.md", folder);
    demo.model_log = xformat("%s/model.log", folder);
    engine = engine == NULL ? invocation_option(invocation, "engine") : engine;
    demo.engine = engine == NULL ? DEMO_ENGINE : engine;
    ok = tell_story(&demo, &fault);
    process_kill(&demo.model);
    if (ok)
        (void)puts("\nAll of it held.");
    if (keep)
        (void)printf("kept: %s (CUSTODY_HOME=%s)\n", folder, demo.home);
    else if (!file_remove_tree(AT_FDCWD, folder, &(struct fault){0}))
        (void)fprintf(stderr, "custody demo: %s could not be removed\n", folder);
    free(demo.folder);
    free(demo.home);
    free(demo.home_variable);
    free(demo.repository);
    free(demo.ticket);
    free(demo.model_log);
    return ok ? EXIT_YES : command_fail(invocation, &fault);
}

const struct command command_demo = {
    .name = "demo",
    .arguments = "",
    .summary =
        "The whole story on a sample hospital repository, with a scripted model, no network",
    .text = "An agent gets a ticket, works in a cell on a repository with patient data, a "
            "card number and a .env; the\n"
            "terminal shows what was denied and redacted, the diff, the approval, the "
            "landing, the verified ledger.",
    .options = options,
    .run = run,
};
