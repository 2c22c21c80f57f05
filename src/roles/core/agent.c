/* Which program, which prompt, which model: what a run starts in its cell. */
#include <fcntl.h>
#include <limits.h>
#include <unistd.h>

#include "agent/prompt.h"
#include "base/scope.h"
#include "gateway/money/price_list.h"
#include "os/file.h"
#include "roles/core/parts.h"

#define TITLE_BYTES_MAX 72

static int64_t price_or(int64_t price, int64_t otherwise)
{
    return price == POLICY_PRICE_UNNAMED ? otherwise : price;
}

/* What is not named costs what its kind does. */
static struct gateway_prices named_prices(const struct policy_prices *from)
{
    int64_t input = price_or(from->input, 0), output = price_or(from->output, 0);

    return (struct gateway_prices){.input = input,
                                   .cached = price_or(from->cached, input),
                                   .cache_write = price_or(from->cache_write, input),
                                   .output = output,
                                   .reasoning = price_or(from->reasoning, output)};
}

/* The policy's prices; where it names none, the list's. */
static bool take_prices(const struct run *run, const struct policy_model *from,
                        struct gateway_model *to, struct fault *fault)
{
    bool is_ours = from->residency != NULL && strcmp(from->residency, "on-premises") == 0;
    bool found = false;

    to->prices = named_prices(&from->prices);
    if (from->prices.input != POLICY_PRICE_UNNAMED ||
        from->prices.output != POLICY_PRICE_UNNAMED)
        return true;
    if (!price_list_find(to, &found, &to->prices, fault))
        return false;
    if (!found && !is_ours && run->policy->budget_run.micro_usd > 0)
        run_say(run,
                "warning: no prices are known of model %s, so its calls cost nothing in "
                "budgets of US dollars: name models[].prices",
                from->name);
    return true;
}

/* How it is asked, and what requests may use of its own. */
static bool core_provider(const struct policy_model *from, struct gateway_model *to,
                          struct fault *fault)
{
    if (from->service != NULL && !service_parse(slice_of(from->service), &to->service))
        return fault_set(fault, FAULT_INVALID, "service %s is not known", from->service);
    for (size_t i = 0; i < from->reach_count; i++) {
        enum reach reach;

        if (!reach_parse(slice_of(from->reach[i]), &reach))
            return fault_set(fault, FAULT_INVALID, "reach %s is not known", from->reach[i]);
        to->reach |= REACH_BIT(reach);
    }
    return true;
}

static bool model_index(const struct run *run, const char *name, size_t *ret_index)
{
    for (size_t i = 0; i < run->policy->model_count; i++)
        if (strcmp(run->policy->models[i].name, name) == 0) {
            *ret_index = i;
            return true;
        }
    return false;
}

/* A name that is not there is one that this repository may not call. */
static void take_fallback(struct run *run)
{
    const struct policy *policy = run->policy;

    run->fallback = xalloc_array(policy->fallback_count + 1, sizeof(*run->fallback));
    for (size_t i = 0; i < policy->fallback_count; i++)
        if (model_index(run, policy->fallback[i], &run->fallback[run->fallback_count]))
            run->fallback_count++;
}

bool core_models(struct run *run, struct fault *fault)
{
    const struct policy *policy = run->policy;

    run->models = xalloc_array(policy->model_count, sizeof(*run->models));
    for (size_t i = 0; i < policy->model_count; i++) {
        const struct policy_model *from = &policy->models[i];
        struct gateway_model *to = &run->models[i];

        *to = servers_provider(from);
        if (!take_prices(run, from, to, fault))
            return fault_in(fault, "model %s", from->name) || run_because(run, "policy");
        if (!core_provider(from, to, fault))
            return fault_in(fault, "model %s", from->name) || run_because(run, "policy");
        if (!dialect_parse(slice_of(from->dialect), &to->dialect))
            return fault_set(fault, FAULT_INVALID,
                             "model %s: dialect %s is not one that the door speaks",
                             from->name, from->dialect) ||
                   run_because(run, "policy");
        if (!gateway_model_check(to, fault))
            return fault_in(fault, "model %s", from->name) || run_because(run, "policy");
    }
    take_fallback(run);
    if (!servers_make(policy, run->session->home.fd, &run->servers, fault))
        return run_because(run, "policy");
    for (size_t i = 0; i < run->servers.count; i++)
        if (run->servers.at[i].digest == NULL || run->servers.at[i].tool_count == 0)
            run_say(run,
                    "warning: nobody has %s the tools of MCP server %s yet, so the agent gets "
                    "none of them: custody mcp %s %s",
                    run->servers.at[i].tool_count == 0 ? "listed" : "accepted",
                    run->servers.at[i].at.name,
                    run->servers.at[i].tool_count == 0 ? "list" : "pin",
                    run->servers.at[i].at.name);
    return true;
}

static bool speaks(const struct run *run, size_t model, enum engine_dialect *ret_dialect)
{
    static const enum engine_dialect translated[] = {ENGINE_OPENAI_RESPONSES, ENGINE_OPENAI,
                                                     ENGINE_ANTHROPIC};
    const struct policy_model *entry = &run->policy->models[model];
    enum engine_dialect dialect;

    if (!engine_dialect_parse(slice_of(entry->dialect), &dialect))
        return false;
    *ret_dialect = dialect;
    if (run->engine == NULL || (run->engine->dialects & ENGINE_DIALECT_BIT(dialect)) != 0)
        return true;
    for (size_t i = 0; entry->translate && i < COUNT(translated); i++)
        if ((run->engine->dialects & ENGINE_DIALECT_BIT(translated[i])) != 0) {
            *ret_dialect = translated[i];
            return true;
        }
    return false;
}

/* "engine codex speaks openai-responses, and no model of the policy does (onprem: openai)" */
static void no_common_dialect(const struct run *run, struct fault *fault)
{
    AUTO_BUF struct buf spoken = buf_with_limit(64);
    const struct policy_model *first =
        run->policy->model_count == 0 ? NULL : &run->policy->models[0];
    struct fault full = {0};

    for (enum engine_dialect dialect = 0; dialect < ENGINE_DIALECT_COUNT; dialect++)
        if ((run->engine->dialects & ENGINE_DIALECT_BIT(dialect)) != 0)
            (void)!buf_add_format(&spoken, &full, "%s%s", spoken.len == 0 ? "" : ", ",
                                  engine_dialect_name(dialect));
    (void)fault_set(fault, FAULT_INVALID,
                    "engine %s speaks %s, and no model of the policy does (%s%s%s): see "
                    "models[].dialect and models[].translate in policy.yaml",
                    run->engine->name, buf_text(&spoken),
                    first == NULL ? "it has none" : first->name, first == NULL ? "" : ": ",
                    first == NULL ? "" : first->dialect);
}

/* Is it under its contract still? Each call asks again. */
static bool in_force(const struct run *run, size_t model)
{
    int64_t expires_us = run->policy->models[model].expires_us;

    return expires_us == 0 || run->begun_wall_us <= expires_us;
}

static bool expired(struct run *run, size_t model, struct fault *fault)
{
    const struct policy_model *entry = &run->policy->models[model];
    char when[CLOCK_TEXT_BYTES];

    clock_text(entry->expires_us, when);
    (void)fault_set(fault, FAULT_DENIED,
                    "model %s: its contract%s%s ended on %.10s (models[].expires): renew the "
                    "entry, or name another model",
                    entry->name, entry->contract == NULL ? "" : " ",
                    entry->contract == NULL ? "" : entry->contract, when);
    return run_because(run, "expired");
}

/* The role's model of the policy, unless the engine does not speak it: then the first that it
 * speaks and that is under contract. */
static bool choose_model(struct run *run, const struct policy_agent *role,
                         enum engine_dialect *ret_dialect, struct fault *fault)
{
    size_t ended = run->policy->model_count;

    if (role != NULL && role->model != NULL && model_index(run, role->model, &run->model) &&
        speaks(run, run->model, ret_dialect))
        return in_force(run, run->model) || expired(run, run->model, fault);
    for (run->model = 0; run->model < run->policy->model_count; run->model++) {
        if (!speaks(run, run->model, ret_dialect))
            continue;
        if (in_force(run, run->model))
            return true;
        ended = run->model;
    }
    run->model = 0;
    if (ended < run->policy->model_count)
        return expired(run, ended, fault);
    if (run->engine == NULL)
        return true; /* a program that asks no model needs none */
    no_common_dialect(run, fault);
    return run_because(run, "engine");
}

/* First line of the ticket as plain text: the title of the commit. */
static char *title_of(struct slice ticket)
{
    AUTO_BUF struct buf title = buf_with_limit(TITLE_BYTES_MAX);
    struct fault ignored = {0};
    struct slice line = {0};

    while (slice_cut(&ticket, '\n', &line)) {
        while (line.len > 0 && (line.at[0] == '#' || line.at[0] == ' '))
            line = slice_part(line, 1, line.len);
        line = slice_trim(line);
        if (line.len > 0)
            break;
    }
    for (size_t i = 0; i < line.len && title.len < TITLE_BYTES_MAX; i++)
        if (line.at[i] >= 0x20 && line.at[i] < 0x7f &&
            !buf_add_byte(&title, line.at[i], &ignored))
            break;
    return title.len == 0 ? NULL : slice_dup(buf_slice(&title));
}

static bool read_ticket(struct run *run, struct fault *fault)
{
    struct buf *text = &run->ticket;
    AUTO_BUF struct buf prompt = buf_with_limit(PROMPT_BYTES_MAX);
    size_t hidden = 0;

    if (!file_read(AT_FDCWD, run->request->ticket, text, fault))
        return fault_in(fault, "read the ticket") || run_because(run, "ticket");
    if (!prompt_build(buf_slice(text), run->request->role, &prompt, &hidden, fault))
        return fault_in(fault, "ticket %s", run->request->ticket) ||
               run_because(run, "ticket");
    if (hidden > 0)
        run_say(run, "the ticket held %zu invisible characters; they were taken out", hidden);
    run->prompt = slice_dup(buf_slice(&prompt));
    run->title = title_of(buf_slice(text));
    return true;
}

static bool find_own_program(struct run *run, struct fault *fault)
{
    char path[PATH_MAX];
    ssize_t len = readlink("/proc/self/exe", path, sizeof(path) - 1);

    if (len < 0 || (size_t)len == sizeof(path) - 1)
        return fault_errno(fault, "find custody's own program") || run_because(run, "engine");
    path[len] = 0;
    run->own_program = xstrdup(path);
    return true;
}

/* For a program that is no engine of ours: as most of them take it, and where Claude Code looks. */
static void add_server_files(struct run *run, const struct engine_mcp *servers)
{
    static const char *const paths[] = {CORE_MCP_FILE, ".claude.json"};
    AUTO_BUF struct buf text = buf_with_limit(64 * 1024);
    struct fault full = {0};
    bool ok = buf_add_text(&text, "{\"mcpServers\":{", &full);

    for (size_t i = 0; ok && i < run->servers.count; i++)
        ok = buf_add_format(&text, &full, "%s\"%s\":{\"type\":\"http\",\"url\":\"%s\"}",
                            i > 0 ? "," : "", servers[i].name, servers[i].url);
    if (!ok || !buf_add_text(&text, "}}\n", &full)) {
        run_say(run, "warning: too many tool servers for one file: %s", full.why);
        return;
    }
    for (size_t i = 0; i < COUNT(paths); i++)
        engine_launch_add_file(&run->launch, paths[i], buf_text(&text));
}

/* At the door, each under its name; tool_servers_free. */
static struct engine_mcp *tool_servers(const struct run *run)
{
    struct engine_mcp *servers = xalloc_array(run->servers.count + 1, sizeof(*servers));

    for (size_t i = 0; i < run->servers.count; i++) {
        const char *name = run->servers.at[i].at.name;

        servers[i] = (struct engine_mcp){
            .name = name, .url = xformat("http://127.0.0.1:%d/mcp/%s", DOOR_PORT, name)};
    }
    return servers;
}

static void tool_servers_free(const struct run *run, struct engine_mcp *servers)
{
    for (size_t i = 0; i < run->servers.count; i++)
        free((void *)(uintptr_t)servers[i].url);
    free(servers);
}

static bool expand(struct run *run, enum engine_dialect dialect,
                   const struct engine_mcp *servers, struct fault *fault)
{
    AUTO_FREE char *folder = xformat("%s/engines", run->session->home.path);
    AUTO_FREE char *openai = xformat("http://127.0.0.1:%d/v1", DOOR_PORT);
    AUTO_FREE char *anthropic = xformat("http://127.0.0.1:%d", DOOR_PORT);
    struct engine_values values = {.dialect = dialect,
                                   .prompt = run->prompt,
                                   .model = run->policy->models[run->model].name,
                                   .base_url_openai = openai,
                                   .base_url_anthropic = anthropic,
                                   .home = CELL_HOME,
                                   .engine_folder = CELL_ENGINE,
                                   .custody_program = CELL_CUSTODY,
                                   .mcp = servers,
                                   .mcp_count = run->servers.count};

    if (!engine_find_installed(folder, run->engine, &run->installed, fault))
        return run_because(run, "engine");
    if (run->installed.program == NULL && !find_own_program(run, fault))
        return false;
    if (run_is_shared(run)) {
        values.home = run->shared.home;
        if (run->installed.program != NULL)
            values.engine_folder = run->installed.folder;
        else
            values.custody_program = run->own_program;
    }
    if (!engine_expand(run->engine, &values, &run->launch, fault))
        return run_because(run, "engine");
    if (run->installed.program == NULL)
        return true;
    run->engine_fd = open(run->installed.folder, O_PATH | O_DIRECTORY | O_CLOEXEC);
    return run->engine_fd >= 0 ? true : fault_errno(fault, "open the engine's folder");
}

static const struct policy_agent *find_role(const struct run *run)
{
    for (size_t i = 0; i < run->policy->agent_count; i++)
        if (strcmp(run->policy->agents[i].role, run->request->role) == 0)
            return &run->policy->agents[i];
    return NULL;
}

bool core_agent(struct run *run, struct fault *fault)
{
    const struct policy_agent *role = find_role(run);
    const char *engine = run->request->engine;
    AUTO_FREE char *folder = xformat("%s/engines", run->session->home.path);
    enum engine_dialect dialect = ENGINE_OPENAI;
    struct engine_mcp *servers;
    bool ok = true;

    if (run->request->program != NULL && engine != NULL) {
        (void)fault_set(fault, FAULT_INVALID,
                        "--engine %.40s and -- COMMAND: give one of them", engine);
        return run_because(run, "use");
    }
    if (run->request->program == NULL && engine == NULL)
        engine = role == NULL ? NULL : role->engine;
    if (run->request->program == NULL && (engine == NULL || run->request->ticket == NULL)) {
        (void)fault_set(fault, FAULT_INVALID,
                        "nothing to run: give -- COMMAND, or --ticket FILE and --engine NAME "
                        "(%s is missing)",
                        engine != NULL                 ? "--ticket"
                        : run->request->ticket != NULL ? "--engine"
                                                       : "all of it");
        return run_because(run, "use");
    }
    if (run->request->program == NULL && !engine_load(folder, engine, &run->engine, fault))
        return run_because(run, "engine");
    if (run->request->ticket != NULL && !read_ticket(run, fault))
        return false;
    if (!choose_model(run, role, &dialect, fault))
        return false;
    servers = tool_servers(run);
    if (run->engine != NULL)
        ok = expand(run, dialect, servers, fault);
    else if (run->servers.count > 0)
        add_server_files(run, servers);
    tool_servers_free(run, servers);
    return ok;
}
