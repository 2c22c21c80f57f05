#include "roles/core/environment.h"


#include "base/scope.h"
#include "flow/home.h"
#include "roles/core/egress.h"

/* DESIGN.md section 6, "In a cell". A variable that is set wins over a repository's .env. */
static const char *const fixed[] = {
    "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    "USER=agent",
    "LOGNAME=agent",
    "SHELL=/bin/bash",
    "LANG=C.UTF-8",
    "HTTP_PROXY=",
    "HTTPS_PROXY=",
    "ALL_PROXY=",
    "http_proxy=",
    "https_proxy=",
    "all_proxy=",
    "NO_PROXY=127.0.0.1,localhost",
    "no_proxy=127.0.0.1,localhost",
    "OPENAI_API_KEY=custody",
    "ANTHROPIC_API_KEY=custody",
    "GEMINI_API_KEY=custody",
    "GOOGLE_API_KEY=custody",
};

void core_environment_put(struct core_environment *environment, char *pair)
{
    struct slice name = slice_of(pair);

    name.len = slice_find_byte(name, '=', 0) + 1;
    for (size_t i = 0; i < environment->count; i++)
        if (slice_starts_with(slice_of(environment->at[i]), name)) {
            free((void *)(uintptr_t)environment->at[i]);
            environment->at[i] = pair;
            return;
        }
    environment->at = xgrow(environment->at, &environment->room, environment->count + 2,
                            sizeof(*environment->at));
    environment->at[environment->count++] = pair;
    environment->at[environment->count] = NULL;
}

/* An image's own: where its programs are, and what they want; nothing that we have set. */
static void put_toolchain(struct core_environment *environment, struct slice lines)
{
    struct slice line;

    while (slice_cut(&lines, '\n', &line)) {
        struct slice name = slice_part(line, 0, slice_find_byte(line, '=', 0) + 1);
        bool is_set = line.len == 0;

        for (size_t i = 0; i < environment->count; i++)
            is_set = is_set || slice_starts_with(slice_of(environment->at[i]), name);
        if (!is_set || slice_equal(name, SLICE("PATH=")))
            core_environment_put(environment, slice_dup(line));
    }
}

void core_environment_make(const struct run *run, struct core_environment *ret_environment)
{
    const struct policy *policy = run->policy;
    const char *terminal = getenv("TERM");

    *ret_environment = (struct core_environment){0};
    for (size_t i = 0; i < COUNT(fixed); i++)
        core_environment_put(ret_environment, xstrdup(fixed[i]));
    put_toolchain(ret_environment, buf_slice(&run->toolchain.environment));
    core_environment_put(ret_environment,
        xformat("TERM=%s", run->request->terminal && terminal != NULL ? terminal : "dumb"));
    if (run_is_shared(run)) {
        core_environment_put(ret_environment, xformat("TMPDIR=%s", run->shared.tmp));
        /* git takes a file that it may not read for a fault, not for one that is not there. */
        core_environment_put(ret_environment, xstrdup("GIT_CONFIG_NOSYSTEM=1"));
        core_environment_put(ret_environment, xstrdup("GIT_ATTR_NOSYSTEM=1"));
    }
    core_egress_environment(run, ret_environment);
    core_environment_put(ret_environment, xformat("OPENAI_BASE_URL=http://127.0.0.1:%d/v1", DOOR_PORT));
    core_environment_put(ret_environment, xformat("ANTHROPIC_BASE_URL=http://127.0.0.1:%d", DOOR_PORT));
    core_environment_put(ret_environment, xformat("GOOGLE_GEMINI_BASE_URL=http://127.0.0.1:%d", DOOR_PORT));
    if (run->servers.count > 0)
        core_environment_put(ret_environment,
                             xformat("CUSTODY_MCP_URL=http://127.0.0.1:%d/mcp", DOOR_PORT));
    for (size_t i = 0; i < policy->environment_pass_count; i++) {
        const char *value = getenv(policy->environment_pass[i]);

        if (value != NULL)
            core_environment_put(ret_environment, xformat("%s=%s", policy->environment_pass[i], value));
    }
    for (const char **pair = run->launch.environment; pair != NULL && *pair != NULL; pair++)
        core_environment_put(ret_environment, xstrdup(*pair));
    core_environment_put(ret_environment, xformat(HOME_RUN_VARIABLE "=%s", run->result->run));
    core_environment_put(ret_environment, xformat("CUSTODY_AGENT=%s", run->agent));
}

void core_environment_free(struct core_environment *environment)
{
    for (size_t i = 0; i < environment->count; i++)
        free((void *)(uintptr_t)environment->at[i]);
    free(environment->at);
    *environment = (struct core_environment){0};
}
