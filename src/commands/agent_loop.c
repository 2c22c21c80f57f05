#include <stdio.h>
#include <stdlib.h>

#include "agent/loop.h"
#include "commands/table.h"
#include "os/clock_real.h"

#define STEPS_MAX 100
#define ANSWER_TIMEOUT_MS (10 * 60 * 1000)
#define COMMAND_TIMEOUT_MS (5 * 60 * 1000)

static const struct option_rule options[] = {
    {"base-url", "URL", "where the model is asked: http:// on loopback, Chat Completions"},
    {"model", "NAME", "the model's name"},
    {"prompt", "TEXT", "what is to be done"},
    {"steps", "N", "at most so many model calls (default: 100)"},
    {NULL, NULL, NULL},
};

static bool read_steps(const char *text, unsigned *ret_steps, struct fault *fault)
{
    char *end = NULL;
    unsigned long steps = text == NULL ? STEPS_MAX : strtoul(text, &end, 10);

    if (steps == 0 || steps > 10000 || (end != NULL && *end != 0))
        return fault_set(fault, FAULT_INVALID, "--steps must be a number from 1 to 10000");
    *ret_steps = (unsigned)steps;
    return true;
}

static bool work(const struct invocation *invocation, struct fault *fault)
{
    struct agent_loop loop = {.base_url = invocation_option(invocation, "base-url"),
                              .key = getenv("OPENAI_API_KEY"),
                              .model = invocation_option(invocation, "model"),
                              .prompt = invocation_option(invocation, "prompt"),
                              .folder = ".",
                              .answer_timeout_ms = ANSWER_TIMEOUT_MS,
                              .command_timeout_ms = COMMAND_TIMEOUT_MS,
                              .out = stdout,
                              .clock = &clock_real};
    struct agent_loop_result result;
    bool ok;

    if (loop.base_url == NULL || loop.model == NULL || loop.prompt == NULL)
        return fault_set(fault, FAULT_INVALID, "--base-url, --model and --prompt are needed");
    if (!read_steps(invocation_option(invocation, "steps"), &loop.steps_max, fault))
        return false;
    ok = agent_loop_run(&loop, &result, fault);
    (void)printf(
        "custody-agent: %u model calls, %u tool calls (%u failed), %lld tokens in, %lld out\n",
        result.steps, result.calls, result.calls_failed, (long long)result.tokens_in,
        (long long)result.tokens_out);
    return ok;
}

static int run(const struct invocation *invocation)
{
    struct fault fault = {0};

    return work(invocation, &fault) ? EXIT_YES : command_fail(invocation, &fault);
}

const struct command command_agent_loop = {
    .name = "agent-loop",
    .arguments = "",
    .summary = "custody's own small agent: what the engine custody-agent starts in a cell",
    .text = "Asks a model over Chat Completions, does what it calls for with five tools "
            "(read, write, edit, list,\n"
            "bash) in this folder, until the model is done. `custody run --engine "
            "custody-agent` starts it in a\n"
            "cell; outside of one it has whatever power you have.",
    .options = options,
    .run = run,
};
