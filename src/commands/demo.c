/*
 * demo: the whole story on a sample hospital repository, with a scripted model and no network.
 * It types the commands that a person would type, and shows them; it believes none of them,
 * but looks for the sensitive values in what the model got.
 */
#include <fcntl.h>
#include <stdio.h>

#include "base/scope.h"
#include "commands/demo_repository.h"
#include "commands/demo_stage.h"
#include "commands/table.h"
#include "os/clock_real.h"
#include "os/file.h"

#define OUTPUT_BYTES_MAX (4UL * 1024 * 1024)
#define MODEL_LOG_BYTES_MAX (64UL * 1024 * 1024)

static const struct option_rule options[] = {
    {"agent", "NAME",
     "play it with this engine (codex, opencode, pi, qwen; installed) instead of our own "
     "small agent"},
    {"engine", "NAME", "the same as --agent"},
    {"keep", NULL, "keep the folder, to look around in it"},
    {NULL, NULL, NULL},
};

struct demo {
    struct demo_stage stage;
    const char *engine;
    char run[64], change[64];
    json_t *values; /* what became of each sensitive value */
};

/* The same provider in two dialects: engines speak one or the other. */
static const char policy_text[] =
    "version: 1\n"
    "people:\n"
    "  - { id: sam, email: sam@hospital.example, groups: [engineering], ssh: [\"%s\"] }\n"
    "  - { id: maria, email: maria@hospital.example, groups: [billing], ssh: [\"%s\"] }\n"
    "models:\n"
    "  - name: scripted-1\n"
    "    url: \"http://127.0.0.1:%u/v1\"\n"
    "    dialect: openai\n"
    "    residency: on-premises\n"
    "    allow: [code, phi-redacted, pan-redacted]\n"
    "  - name: scripted-responses\n"
    "    url: \"http://127.0.0.1:%u/v1\"\n"
    "    dialect: openai-responses\n"
    "    residency: on-premises\n"
    "    allow: [code, phi-redacted, pan-redacted]\n"
    "budgets: { run: { tokens: 400000, minutes: 5 } }\n"
    "retention: { payloads: 90d }\n"
    "phase: regulated\n";

static bool write_policy(const struct demo_stage *stage, struct fault *fault)
{
    AUTO_FREE char *sam = NULL;
    AUTO_FREE char *maria = NULL;
    AUTO_FREE char *text = NULL;
    AUTO_FREE char *path = xformat("%s/policy.yaml", stage->home);

    if (!demo_make_person(stage, "sam", &sam, fault) ||
        !demo_make_person(stage, "maria", &maria, fault))
        return false;
    text = xformat(policy_text, sam, maria, stage->port, stage->port);
    return file_make_folders(stage->home, 0711, fault) &&
           file_create(AT_FDCWD, path, slice_of(text), 0644, fault);
}

static bool prepare(struct demo *demo, struct fault *fault)
{
    struct demo_stage *stage = &demo->stage;
    struct slice ticket = demo_ticket();
    const char *const init[] = {"init", "--repo", stage->repository, NULL};

    demo_title(stage, "A sample hospital billing repository (no real persons), and a ticket");
    if (!demo_repository_make(stage->repository, fault) ||
        !file_create(AT_FDCWD, stage->ticket, ticket, 0644, fault))
        return false;
    demo_say(stage, "%.*s\n", SLICE_ARGS(ticket));
    demo_say(stage, "The model in this demo is SCRIPTED: a small server on loopback that "
                    "answers from a file.\n"
                    "Everything else is real: the cell, the view, the gateway, the ledger, "
                    "git, the signature.\n");
    if (!demo_start_model(stage, fault) || !write_policy(stage, fault) ||
        !demo_lend_engines(stage, fault))
        return false;
    demo_title(stage, "Keys and ledger; what in the repository is sensitive");
    return demo_must(stage, init, fault);
}

static bool show_view(struct demo *demo, struct fault *fault)
{
    const char *const cards[] = {"view", "config/test-cards.csv", NULL};
    const char *const settings[] = {"view", ".env", NULL};
    int status = 0;

    demo_title(&demo->stage,
               "What an agent will see: stand-ins for values, nothing of what is denied");
    if (!demo_must(&demo->stage, cards, fault) ||
        !demo_type(&demo->stage, settings, NULL, &status, fault))
        return false;
    return status == EXIT_NO || fault_set(fault, FAULT_CONFLICT, "an agent could see .env");
}

static bool read_result(struct demo *demo, struct buf *output, int status, struct fault *fault)
{
    json_t *result = json_loadb((const char *)output->at, output->len, 0, NULL);
    const char *change = NULL;
    const char *run = NULL;
    bool ok =
        status == 0 && json_unpack(result, "{s:s, s:s}", "run", &run, "change", &change) == 0;

    if (ok) {
        (void)snprintf(demo->run, sizeof(demo->run), "%s", run);
        (void)snprintf(demo->change, sizeof(demo->change), "%s", change);
    } else if (status == EXIT_HOST) {
        (void)fault_set(fault, FAULT_HOST,
                        "this host cannot hold a cell for you: custody doctor says what is missing");
    } else {
        (void)fault_set(fault, FAULT_IO,
                        "the run ended with %d and no change that is ready: %.*s", status,
                        SLICE_ARGS(slice_trim(slice_part(buf_slice(output), 0, 200))));
    }
    json_decref(result);
    return ok;
}

static bool run_agent(struct demo *demo, struct fault *fault)
{
    struct demo_stage *stage = &demo->stage;
    const char *const words[] = {
        "run",        "--repo",   stage->repository, "--requester", "sam", "--engine",
        demo->engine, "--ticket", stage->ticket,     "--json",      NULL};
    AUTO_BUF struct buf output = buf_with_limit(OUTPUT_BYTES_MAX);
    int status = 0;

    demo_title(stage, "The agent works in its cell: it reads, edits and runs the tests");
    return demo_type(stage, words, &output, &status, fault) &&
           read_result(demo, &output, status, fault);
}

static bool show_records(struct demo *demo, struct fault *fault)
{
    static const char *const types[] = {"file.refused", "file.redacted", "model.outcome"};

    demo_title(&demo->stage, "What was refused, what was redacted, what was sent: the ledger");
    for (size_t i = 0; i < COUNT(types); i++) {
        const char *const words[] = {"log", "--run", demo->run, "--type", types[i], NULL};

        if (!demo_must(&demo->stage, words, fault))
            return false;
    }
    return true;
}

/*
 * A value that is redacted is only proved absent where its neighbour is there: the file was
 * read and sent, and the value was not in it.
 */
static bool check_value(struct demo *demo, struct slice log, const struct demo_secret *secret,
                        struct fault *fault)
{
    const char *outcome = secret->beside == NULL ? "denied" : "replaced";

    if (slice_find(log, slice_of(secret->value), 0) != SIZE_MAX)
        return fault_set(fault, FAULT_CONFLICT, "the model got the %s", secret->what);
    if (secret->beside != NULL && slice_find(log, slice_of(secret->beside), 0) == SIZE_MAX)
        return fault_set(fault, FAULT_IO,
                         "the model never got the file with the %s: nothing is shown",
                         secret->what);
    demo_say(&demo->stage, "  %-30s not in it: %s\n", secret->what,
             secret->beside == NULL ? "its file is denied"
                                    : "its file was sent with a stand-in");
    (void)json_array_append_new(
        demo->values, json_pack("{s:s, s:s}", "value", secret->what, "outcome", outcome));
    return true;
}

static bool check_model_log(struct demo *demo, struct fault *fault)
{
    AUTO_BUF struct buf log = buf_with_limit(MODEL_LOG_BYTES_MAX);
    struct demo_secret secrets[DEMO_SECRETS_MAX];
    size_t count = 0;

    demo_title(&demo->stage,
               "Everything that the model got, searched for the sensitive values");
    if (!file_read(AT_FDCWD, demo->stage.model_log, &log, fault))
        return false;
    demo_secrets(secrets, &count);
    for (size_t i = 0; i < count; i++)
        if (!check_value(demo, buf_slice(&log), &secrets[i], fault))
            return false;
    demo_say(&demo->stage, "  (%zu bytes of requests and answers searched)\n", log.len);
    return true;
}

static bool approve_and_land(struct demo *demo, struct fault *fault)
{
    struct demo_stage *stage = &demo->stage;
    AUTO_FREE char *sam = xformat("%s/sam.key", stage->folder);
    AUTO_FREE char *maria = xformat("%s/maria.key", stage->folder);
    const char *const diff[] = {"change", "diff", demo->change, NULL};
    const char *const own[] = {"change", "approve", demo->change, "--as",
                               "sam",    "--key",   sam,          NULL};
    const char *const other[] = {"change", "approve", demo->change, "--as",
                                 "maria",  "--key",   maria,        NULL};
    const char *const land[] = {"change", "land", demo->change, NULL};
    int status = 0;

    demo_title(stage, "The change, made outside the cell from what was written");
    if (!demo_must(stage, diff, fault))
        return false;
    demo_title(stage, "Approval: not by the one who asked for it");
    if (!demo_type(stage, own, NULL, &status, fault))
        return false;
    if (status != EXIT_NO)
        return fault_set(fault, FAULT_CONFLICT,
                         "the requester's approval ended with %d, not a refusal", status);
    demo_title(stage,
               "Approval by another human, signed, bound to this tree; then the landing");
    return demo_must(stage, other, fault) && demo_must(stage, land, fault);
}

static bool erase(struct demo *demo, struct fault *fault)
{
    const char *const list[] = {"payload", "list", "--run", demo->run, NULL};
    const char *const words[] = {"erase",    demo->run,         "--as", "maria",
                                 "--reason", "subject-request", NULL};

    demo_title(&demo->stage, "What was said is kept apart from the ledger, encrypted");
    if (!demo_must(&demo->stage, list, fault))
        return false;
    demo_title(&demo->stage, "Its key is destroyed: nobody can read it any more");
    return demo_must(&demo->stage, words, fault) && demo_must(&demo->stage, list, fault);
}

static bool verify(struct demo *demo, struct fault *fault)
{
    static const char *const words[] = {"verify", NULL};

    demo_title(&demo->stage, "The ledger, verified offline");
    return demo_must(&demo->stage, words, fault);
}

static bool tell_story(struct demo *demo, struct fault *fault)
{
    return prepare(demo, fault) && show_view(demo, fault) && run_agent(demo, fault) &&
           show_records(demo, fault) && check_model_log(demo, fault) &&
           approve_and_land(demo, fault) && erase(demo, fault) && verify(demo, fault);
}

static void tell_end(const struct invocation *invocation, const struct demo *demo,
                     const char *kept, int64_t start_us)
{
    int64_t ms = (clock_monotonic_us(&clock_real) - start_us) / 1000;

    demo_say(&demo->stage, "\nAll of it held, in %lld.%lld s.\n", (long long)(ms / 1000),
             (long long)(ms % 1000 / 100));
    if (kept != NULL)
        demo_say(&demo->stage,
                 "Look around: CUSTODY_HOME=%s/home; the repository is %s/billing\n", kept,
                 kept);
    if (invocation->json)
        command_print_json(json_pack("{s:s, s:s, s:s, s:s, s:I, s:O, s:s?}", "result", "holds",
                                     "engine", demo->engine, "run", demo->run, "change",
                                     demo->change, "ms", (json_int_t)ms, "values",
                                     demo->values, "folder", kept));
}

static int run(const struct invocation *invocation)
{
    int64_t start_us = clock_monotonic_us(&clock_real);
    const char *engine = invocation_option(invocation, "agent");
    bool keep = invocation_flag(invocation, "keep");
    struct demo demo = {.engine =
                            engine == NULL ? invocation_option(invocation, "engine") : engine};
    AUTO_FREE char *folder = NULL;
    struct fault fault = {0};
    struct fault left = {0};
    bool ok;

    if (demo.engine == NULL)
        demo.engine = "custody-agent";
    if (!demo_stage_open(invocation->json ? 2 : 1, &demo.stage, &fault))
        return command_fail(invocation, &fault);
    folder = xstrdup(demo.stage.folder);
    demo.values = json_array();
    ok = tell_story(&demo, &fault);
    if (!demo_stage_close(&demo.stage, keep, &left) && ok) {
        fault = left;
        ok = false;
    }
    if (ok)
        tell_end(invocation, &demo, keep ? folder : NULL, start_us);
    json_decref(demo.values);
    if (ok)
        return EXIT_YES;
    (void)command_fail(invocation, &fault);
    if (keep)
        (void)fprintf(stderr, "custody demo: kept %s\n", folder);
    return demo_stage_signal() != 0 ? 128 + demo_stage_signal() : fault_exit_code(fault.kind);
}

const struct command command_demo = {
    .name = "demo",
    .arguments = "",
    .prints_json = true,
    .summary =
        "The whole story on a sample hospital repository, with a scripted model, no network",
    .text = "An agent gets a ticket and works in a cell on a repository with patient data, "
            "card numbers and a .env. The\n"
            "terminal shows what was denied and redacted, the diff, the approval, the "
            "landing, the verified ledger; then\n"
            "everything that the model got is searched for the sensitive values. All of it "
            "happens in a folder in /tmp,\n"
            "with a state folder of its own, which is removed at the end. Exit 1: something "
            "that must not happen did.",
    .options = options,
    .run = run,
};
