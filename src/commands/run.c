#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/scope.h"
#include "commands/ledger_standing.h"
#include "commands/own_words.h"
#include "commands/reasons.h"
#include "commands/table.h"
#include "os/clock_real.h"
#include "roles/core/core.h"
#include "roles/records/erase.h"
#include "roles/records/lost.h"

#define WRITE_PATTERNS_MAX 64
#define SAY_MS 100

static const struct option_rule options[] = {
    {"repo", "DIR", "the repository (default: this folder)"},
    {"base", "REF", "the commit to work from (default: HEAD)"},
    {"ticket", "FILE", "the work asked for; untrusted text, quoted in the engine's prompt"},
    {"engine", "NAME", "the agent program: see `custody engine list`"},
    {"agent", "NAME", "the same as --engine"},
    {"role", "ROLE", "whose rules and model of the policy apply (default: coder)"},
    {"write", "PATTERN,...",
     "what this run may write, of what policy allows: `src/**,tests/**`; all else is refused "
     "as the agent tries it"},
    {"requester", "ID", "the person who asks (default: the one with your login name)"},
    {"cell", "PLACE/FILES",
     "another cell than the strongest that this host has: namespaces/fuse, landlock/fuse, "
     "namespaces/injected or landlock/injected; a weaker one only where the organisation's "
     "policy says `containment: degraded`"},
    {"ignore-dirty", NULL,
     "run although the work tree has uncommitted changes; they are not in it"},
    {"it", NULL,
     "give the agent a terminal of its own; yours shows what it draws, and is given back as it "
     "was"},
    {"quiet", NULL, "say only what went wrong"},
    {NULL, NULL, NULL},
};

/*
 * The agent may have filled what nobody reads. While it works, core must not wait for that
 * reader: what bounds and ends the agent would wait, too.
 */
static bool is_read(void)
{
    struct pollfd ready = {.fd = 2, .events = POLLOUT};

    return poll(&ready, 1, SAY_MS) > 0;
}

static void say(void *self, const char *line)
{
    (void)self;
    if (!is_read())
        return;
    own_words("custody: %s\n", line);
}

static void progress(void *self, const char *what, size_t done, size_t total)
{
    static size_t told; /* the last line is said once */
    bool last = done >= total;

    (void)self;
    if (last && told == total)
        return;
    told = last ? total : 0;
    if (!is_read())
        return;
    if (isatty(2))
        own_words("\rcustody: %s: %zu of %zu files%s", what, done, total, last ? "\n" : "");
    else if (last)
        own_words("custody: %s: %zu files\n", what, total);
}

/* What the agent printed and the terminal was not given, by kind. */
static json_t *dropped_json(const struct terminal_dropped *dropped)
{
    json_t *counts = json_object();

    for (enum terminal_drop kind = 0; kind < TERMINAL_DROP_COUNT; kind++)
        if (dropped->count[kind] > 0)
            (void)json_object_set_new(counts, terminal_drop_name(kind),
                                      json_integer((json_int_t)dropped->count[kind]));
    return counts;
}

static void say_dropped(const struct terminal_dropped *dropped)
{
    AUTO_BUF struct buf counts = buf_with_limit(512);
    struct fault none = {0};

    for (enum terminal_drop kind = 0; kind < TERMINAL_DROP_COUNT; kind++)
        if (dropped->count[kind] > 0 &&
            !buf_add_format(&counts, &none, "%s%s %llu", counts.len == 0 ? "" : ", ",
                            terminal_drop_name(kind),
                            (unsigned long long)dropped->count[kind]))
            return;
    if (counts.len > 0)
        own_words("custody: kept from your terminal: %s (docs/terminal.md)\n",
                  buf_text(&counts));
}

static json_t *result_json(const struct run_result *result)
{
    json_t *reasons = json_array();
    int64_t end_us =
        result->ended_us == 0 ? 0 : clock_monotonic_us(&clock_real) - result->ended_us;

    for (size_t i = 0; i < result->reason_count; i++)
        (void)json_array_append_new(reasons, json_string(result->reasons[i]));
    return json_pack("{s:s, s:s?, s:s, s:o, s:o, s:I, s:I, s:I, s:b, s:s?, s:b, s:o}", "run",
                     result->run, "change", result->change[0] == 0 ? NULL : result->change,
                     "state", run_state_name(result->state), "reasons", reasons, "agent_exit",
                     result->agent_exit < 0 ? json_null() : json_integer(result->agent_exit),
                     "start_us", (json_int_t)result->start_us, "canaries_us",
                     (json_int_t)result->canaries_us, "end_us", (json_int_t)end_us, "cold",
                     result->cold, "cell", result->cell, "degraded", result->degraded,
                     "terminal_dropped", dropped_json(&result->dropped));
}

/* The agent's own end, when it was not a good one. */
static void say_agent_exit(const struct run_result *result)
{
    if (result->agent_exit > 128)
        own_words("custody: the agent was killed by signal %d (%s)\n",
                  result->agent_exit - 128, strsignal(result->agent_exit - 128));
    else if (result->agent_exit > 0)
        own_words("custody: the agent ended with exit code %d\n", result->agent_exit);
}

/* What went wrong and what to do about it: said in every mode. */
static void say_reasons(const struct run_result *result)
{
    say_agent_exit(result);
    for (size_t i = 0; i < result->reason_count; i++) {
        const char *text = reason_text(result->reasons[i]);

        own_words("custody:   because: %s%s%s\n", result->reasons[i], text == NULL ? "" : ": ",
                  text == NULL ? "" : text);
    }
}

static void summary(const struct run_result *result)
{
    if (result->run[0] == 0)
        return;
    if (result->change[0] == 0) {
        own_words("custody: %s: %s; `custody log --run %s` says more\n", result->run,
                  run_state_name(result->state), result->run);
        return;
    }
    own_words("custody: %s: change %s is %s: %zu files, +%llu -%llu\n", result->run,
              result->change, run_state_name(result->state), result->files,
              (unsigned long long)result->added, (unsigned long long)result->removed);
}

static void say_what_next(const struct run_result *result)
{
    own_words("custody: see it:  custody change diff %s\n"
              "custody: approve: custody change approve %s --as PERSON --key FILE\n"
              "custody: land:    custody change land %s\n",
              result->change, result->change, result->change);
}

static void report(const struct run_result *result, bool json, bool quiet)
{
    bool good = result->exit_code == EXIT_YES;

    if (!good || (!json && !quiet))
        summary(result);
    if (!good)
        say_reasons(result);
    else if (!json && !quiet)
        say_what_next(result);
}

/*
 * Earlier runs that were killed get their last record from the next one; an erasure that was
 * cut off is finished, and what has been kept long enough goes.
 */
static void clean_up(struct session *session)
{
    struct fault fault = {0};
    size_t count;

    if (!lost_sweep(session, &count, &fault))
        own_words("custody: warning: look for runs that were killed: %s\n", fault.why);
    fault = (struct fault){0};
    if (!erase_resume(session, &fault) || !erase_expired(session, &count, &fault))
        own_words("custody: warning: erase what is due: %s\n", fault.why);
}

/* Cuts `list` up at its commas; the patterns are in it. */
static size_t cut_patterns(char *list, const char *ret_patterns[WRITE_PATTERNS_MAX])
{
    size_t count = 0;

    for (char *rest = list, *at; (at = strsep(&rest, ",")) != NULL;)
        if (count < WRITE_PATTERNS_MAX)
            ret_patterns[count++] = at;
        else
            return SIZE_MAX;
    return count;
}

static int run(const struct invocation *invocation)
{
    const char *repository = invocation_option(invocation, "repo");
    const char *role = invocation_option(invocation, "role");
    const char *engine = invocation_option(invocation, "engine");
    bool quiet = invocation_flag(invocation, "quiet");
    struct run_request request = {
        .repository = repository == NULL ? "." : repository,
        .base = invocation_option(invocation, "base"),
        .role = role == NULL ? POLICY_ROLE_DEFAULT : role,
        .requester = invocation_option(invocation, "requester"),
        .engine = engine == NULL ? invocation_option(invocation, "agent") : engine,
        .ticket = invocation_option(invocation, "ticket"),
        .program = invocation->program,
        .ignore_dirty = invocation_flag(invocation, "ignore-dirty"),
        .terminal = invocation_flag(invocation, "it"),
        .agent_out = invocation->json ? 2 : 1,
        .say = quiet ? NULL : say,
        .progress = quiet ? NULL : progress,
    };
    const char *cell = invocation_option(invocation, "cell");
    const char *planned = invocation_option(invocation, "write");
    AUTO_FREE char *list = planned == NULL ? NULL : xstrdup(planned);
    const char *patterns[WRITE_PATTERNS_MAX];
    struct run_result result = {0};
    struct cell_mode mode;
    struct ledger_standing standing;
    struct session session;
    struct fault fault = {0};

    if (request.program != NULL && request.program[0] == NULL)
        request.program = NULL;
    if (cell != NULL && !cell_mode_parse(slice_of(cell), &mode)) {
        (void)fault_set(&fault, FAULT_INVALID, "--cell %.40s: there is no such cell", cell);
        return command_fail(invocation, &fault);
    }
    request.cell = cell == NULL ? NULL : &mode;
    request.write = patterns;
    request.write_count = list == NULL ? 0 : cut_patterns(list, patterns);
    if (request.write_count == SIZE_MAX) {
        (void)fault_set(&fault, FAULT_INVALID, "--write: more than %d patterns",
                        WRITE_PATTERNS_MAX);
        return command_fail(invocation, &fault);
    }
    if (request.terminal && !isatty(0)) {
        (void)fault_set(&fault, FAULT_INVALID, "-it needs a terminal on standard input");
        return command_fail(invocation, &fault);
    }
    if (!session_open(&session, &fault))
        return command_fail(invocation, &fault);
    ledger_standing_of(session.home.fd, &standing);
    ledger_standing_warn(&standing);
    own_words_undo(result.terminal_undo);
    if (!core_run(&session, &request, &result, &fault))
        own_words("custody run: %s\n", fault.why);
    clean_up(&session);
    session_close(&session);
    say_dropped(&result.dropped);
    report(&result, invocation->json, quiet);
    if (invocation->json)
        command_print_json(result_json(&result));
    return result.exit_code;
}

const struct command command_run = {
    .name = "run",
    .arguments = "[-- COMMAND...]",
    .takes_program = true,
    .prints_json = true,
    .summary = "Runs an agent in a sealed cell; what it wrote becomes a change",
    .text = "The command, or the engine with the ticket, works on the last commit of the "
            "repository as policy lets\n"
            "it see it: denied files are absent, sensitive values replaced. Its only way out "
            "is the door to the\n"
            "models of the policy. Every read, write, refusal and model call is in the "
            "ledger. What it wrote becomes\n"
            "a commit on branch custody/RUN, to be approved and landed by people.\n"
            "What it prints reaches a terminal through a filter: no clipboard, no window "
            "operations, nothing that\n"
            "makes it type what the agent chose (docs/terminal.md). What was kept back is said "
            "at the end, and in\n"
            "--json as terminal_dropped.\n\n"
            "Exit: 0 a change that is ready for approval, 1 blocked or refused, 2 the agent "
            "failed, timed out or\n"
            "changed nothing, or a record is missing, 3 wrong use or policy file, 4 host or "
            "canary, 130 or 143 on\n"
            "signals.",
    .options = options,
    .run = run,
};
