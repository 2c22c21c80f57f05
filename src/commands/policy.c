/* policy check, show, explain. */
#include <fcntl.h>
#include <stdio.h>

#include "base/scope.h"
#include "change/gitdoor.h"
#include "commands/table.h"
#include "os/file.h"
#include "roles/session.h"

struct both {
    struct session session;
    struct policy_settings *repository; /* NULL: there is no custody.yaml */
    struct policy *policy;
};

/*
 * A subfolder has no custody.yaml, and whatever were said of it there would be wrong: refused.
 * Outside of every repository the organisation's policy can be looked at alone.
 */
static bool find_root(const char *repository, char **ret_root, struct fault *fault)
{
    AUTO_FREE char *above = NULL;
    struct gitdoor_place place = {0};
    bool ok;

    if (!gitdoor_find(repository == NULL ? "." : repository, &place, fault)) {
        above = gitdoor_above(".");
        ok = repository == NULL && fault->kind == FAULT_MISSING && above == NULL;
        if (ok)
            *ret_root = xstrdup(".");
        return ok;
    }
    ok = place.work_tree != NULL ||
         fault_set(fault, FAULT_INVALID,
                   "a bare repository has no work tree to read custody.yaml from");
    if (ok)
        *ret_root = xstrdup(place.work_tree);
    gitdoor_place_free(&place);
    return ok;
}

/* The organisation's policy and the custody.yaml of the work tree (what a commit would bring).
 */
static bool read_both(const char *repository, struct both *ret_both, struct fault *fault)
{
    AUTO_FREE char *root = NULL;
    AUTO_FREE char *path = NULL;
    AUTO_BUF struct buf text = buf_with_limit(POLICY_YAML_BYTES_MAX);
    const struct policy_settings *organisation;

    *ret_both = (struct both){0};
    if (!find_root(repository, &root, fault))
        return false;
    path = xformat("%s/custody.yaml", root);
    if (!session_open(&ret_both->session, fault) ||
        !session_organisation(&ret_both->session, &organisation, fault))
        return false;
    if (file_exists(AT_FDCWD, path) &&
        (!file_read(AT_FDCWD, path, &text, fault) ||
         !policy_read(buf_slice(&text), "custody.yaml", &ret_both->repository, fault)))
        return false;
    return policy_build(organisation, ret_both->repository, &ret_both->policy, fault);
}

static void free_both(struct both *both)
{
    policy_free(both->policy);
    policy_settings_free(both->repository);
    session_close(&both->session);
}

static const struct option_rule check_options[] = {
    {"repo", "DIR", "the repository (default: this folder)"},
    {NULL, NULL, NULL},
};

static void keep_note(void *self, const char *file, unsigned line, unsigned column,
                      const char *key)
{
    json_t *note =
        json_pack("{s:s, s:I, s:I, s:s, s:s}", "file", file, "line", (json_int_t)line,
                  "column", (json_int_t)column, "key", key, "note", POLICY_NOTE);

    (void)json_array_append_new(self, note);
}

/* On standard error: what is said without effect is no fault, and the answer stays the answer.
 */
static void print_note(void *self, const char *file, unsigned line, unsigned column,
                       const char *key)
{
    (void)self;
    (void)fprintf(stderr, "custody: %s:%u:%u: %s: %s\n", file, line, column, key, POLICY_NOTE);
}

static void tell_notes(const struct both *both, policy_note *tell, void *self)
{
    policy_notes(both->session.organisation, tell, self);
    policy_notes(both->repository, tell, self);
}

static int run_check(const struct invocation *invocation)
{
    struct both both;
    struct fault fault = {0};
    bool ok = read_both(invocation_option(invocation, "repo"), &both, &fault);
    json_t *notes = json_array();

    if (ok)
        tell_notes(&both, invocation->json ? keep_note : print_note, notes);
    if (ok && invocation->json)
        command_print_json(json_pack("{s:b, s:s, s:b, s:O}", "valid", 1, "digest",
                                     both.policy->digest, "repository",
                                     both.repository != NULL, "notes", notes));
    else if (ok)
        (void)printf("valid: policy.yaml%s, digest %s\n",
                     both.repository == NULL ? " (there is no custody.yaml)"
                                             : " and custody.yaml",
                     both.policy->digest);
    json_decref(notes);
    free_both(&both);
    return ok ? EXIT_YES : command_fail(invocation, &fault);
}

const struct command command_policy_check = {
    .name = "policy check",
    .arguments = "",
    .prints_json = true,
    .summary = "Checks both policy files; says line and column of what is wrong",
    .options = check_options,
    .run = run_check,
};

static json_t *rules_json(const struct policy_rules *rules)
{
    json_t *list = json_array();

    for (size_t i = 0; i < rules->count; i++)
        (void)json_array_append_new(
            list, json_pack("{s:s, s:s, s:s, s:i}", "path", rules->at[i].glob, "rule",
                            rules->at[i].text, "file", rules->at[i].file, "line",
                            (int)rules->at[i].line));
    return list;
}

static const char *const where_names[POLICY_WHERE_COUNT] = {
    [POLICY_VIEW] = "view", [POLICY_MODEL] = "model", [POLICY_CHECKS] = "checks"};

static json_t *data_json(const struct policy *policy)
{
    json_t *data = json_object();

    for (unsigned class = 0; class < CLASS_COUNT; class++) {
        json_t *verdicts = json_object();

        for (unsigned i = 0; i < POLICY_WHERE_COUNT; i++)
            (void)json_object_set_new(verdicts, where_names[i],
                                      json_string(verdict_name(policy->data[class][i])));
        (void)json_object_set_new(data, class_name((enum data_class) class), verdicts);
    }
    return data;
}

static json_t *agents_json(const struct policy *policy)
{
    json_t *agents = json_array();

    for (size_t i = 0; i < policy->agent_count; i++) {
        const struct policy_agent *agent = &policy->agents[i];

        (void)json_array_append_new(
            agents, json_pack("{s:s, s:s?, s:s?, s:b, s:o, s:b}", "role", agent->role,
                              "engine", agent->engine, "model", agent->model, "write",
                              agent->may_write, "read_deny", rules_json(&agent->read_deny),
                              "hide_names", agent->hide_names));
    }
    return agents;
}

static json_t *texts_json(const struct policy_texts *texts)
{
    json_t *list = json_array();

    for (size_t i = 0; i < texts->count; i++)
        (void)json_array_append_new(list, json_string(texts->at[i]));
    return list;
}

/* What is left of the organisation's entries; both files' paths must match. */
static json_t *egress_json(const struct policy *policy)
{
    json_t *list = json_array();

    for (size_t i = 0; i < policy->egress_count; i++) {
        const struct policy_egress *egress = &policy->egress[i];

        (void)json_array_append_new(
            list, json_pack("{s:s, s:s, s:I, s:b, s:o, s:o, s:o, s:b}", "rule", egress->rule,
                            "host", egress->host, "port", (json_int_t)egress->port,
                            "inspected", egress->inspected, "methods",
                            texts_json(&egress->methods), "paths",
                            texts_json(&egress->paths[0]), "paths_too",
                            texts_json(&egress->paths[1]), "private", egress->private));
    }
    return list;
}

static json_t *servers_json(const struct policy *policy)
{
    json_t *list = json_array();

    for (size_t i = 0; i < policy->server_count; i++) {
        const struct policy_server *server = &policy->servers[i];
        const struct policy_texts tools = {server->tools, server->tool_count};

        (void)json_array_append_new(
            list, json_pack("{s:s, s:s, s:o, s:s?, s:s?, s:s?}", "name", server->at.name, "url",
                            server->at.url, "tools", texts_json(&tools), "digest",
                            server->digest, "residency", server->at.residency, "contract",
                            server->at.contract));
    }
    return list;
}

static json_t *policy_json(const struct policy *policy)
{
    json_t *models = json_array();

    for (size_t i = 0; i < policy->model_count; i++)
        (void)json_array_append_new(
            models,
            json_pack("{s:s, s:s, s:s, s:b, s:s?, s:s?}", "name", policy->models[i].name, "url",
                      policy->models[i].url, "dialect", policy->models[i].dialect, "translate",
                      policy->models[i].translate, "residency",
                      policy->models[i].residency, "contract", policy->models[i].contract));
    return json_pack(
        "{s:s, s:s?, s:s?, s:s, s:o, s:o, s:o, s:b, s:o, s:o, s:o, s:{s:I, s:I}, "
        "s:{s:I, s:I, s:I}, s:I, s:o, s:o}",
        "digest", policy->digest, "repository", policy->repository, "owner", policy->owner,
        "phase", policy->phase, "data", data_json(policy), "models", models, "read_deny",
        rules_json(&policy->read_deny), "hide_names", policy->hide_names, "agents",
        agents_json(policy), "write_allow", rules_json(&policy->write_allow), "write_deny",
        rules_json(&policy->write_deny), "limits", "files", (json_int_t)policy->limit_files,
        "lines", (json_int_t)policy->limit_lines, "budget_run", "tokens",
        (json_int_t)policy->budget_run.tokens, "micro_usd",
        (json_int_t)policy->budget_run.micro_usd, "minutes",
        (json_int_t)policy->budget_run.minutes, "approvals", (json_int_t)policy->approvals,
        "egress", egress_json(policy), "mcp", servers_json(policy));
}

static const struct option_rule show_options[] = {
    {"repo", "DIR", "the repository (default: this folder)"},
    {"reference", NULL, "print the reference page of every key instead"},
    {NULL, NULL, NULL},
};

static int run_show(const struct invocation *invocation)
{
    struct both both;
    struct fault fault = {0};
    bool ok;

    if (invocation_flag(invocation, "reference")) {
        policy_reference(stdout);
        return EXIT_YES;
    }
    ok = read_both(invocation_option(invocation, "repo"), &both, &fault);
    if (ok) {
        json_t *shown = policy_json(both.policy);

        (void)json_dumpf(shown, stdout, invocation->json ? JSON_COMPACT : JSON_INDENT(2));
        (void)putchar('\n');
        json_decref(shown);
    }
    free_both(&both);
    return ok ? EXIT_YES : command_fail(invocation, &fault);
}

const struct command command_policy_show = {
    .name = "policy show",
    .arguments = "",
    .prints_json = true,
    .summary = "Shows the effective policy: the organisation's, narrowed by the repository's",
    .options = show_options,
    .run = run_show,
};

static const struct option_rule explain_options[] = {
    {"repo", "DIR", "the repository (default: this folder)"},
    {"role", "ROLE", "whose rules (default: coder)"},
    {NULL, NULL, NULL},
};

static void print_place(const struct policy *policy, const char *rule)
{
    const struct policy_rule *found = rule == NULL ? NULL : policy_rule_find(policy, rule);

    if (found != NULL)
        (void)printf("  by %s `%s`, %s line %u\n", found->text, found->glob, found->file,
                     found->line);
    else if (rule != NULL)
        (void)printf("  by %s\n", rule);
}

/* "./src//a" is "src/a". A path that is none below the root has no verdict. */
static bool plain_path(const char *given, char **ret_path, struct fault *fault)
{
    AUTO_BUF struct buf path = buf_with_limit(strlen(given) + 1);
    struct slice rest = slice_of(given), name = {0};
    bool ok = given[0] != '/';

    while (ok && slice_cut(&rest, '/', &name)) {
        if (name.len == 0 || slice_equal(name, SLICE(".")))
            continue;
        ok = !slice_equal(name, SLICE("..")) &&
             (path.len == 0 || buf_add_byte(&path, '/', fault)) && buf_add(&path, name, fault);
    }
    if (!ok || path.len == 0)
        return fault_set(fault, FAULT_INVALID,
                         "%.150s: PATH counts from the repository's root: src/a.c", given);
    *ret_path = slice_dup(buf_slice(&path));
    return true;
}

/* What is in a file decides further: a row for each class, defaults included. */
static void print_classes(const struct policy *policy)
{
    (void)printf("what is in it:\n");
    for (unsigned class = 0; class < CLASS_COUNT; class++) {
        (void)printf("  %-6s", class_name((enum data_class) class));
        for (unsigned i = 0; i < POLICY_WHERE_COUNT; i++)
            (void)printf("  %s %-6s", where_names[i], verdict_name(policy->data[class][i]));
        (void)printf("%s\n", class != CLASS_OPAQUE
                                 ? ""
                                 : "  (no text: searched for values that show in any bytes)");
    }
}

static int run_explain(const struct invocation *invocation)
{
    const char *role = invocation_option(invocation, "role");
    AUTO_FREE char *plain = NULL;
    struct slice path;
    const char *read_rule = NULL, *write_rule = NULL, *zone;
    struct both both;
    struct fault fault = {0};
    enum verdict verdict;
    bool writable;

    if (!plain_path(invocation->arguments[0], &plain, &fault))
        return command_fail(invocation, &fault);
    if (!read_both(invocation_option(invocation, "repo"), &both, &fault)) {
        free_both(&both);
        return command_fail(invocation, &fault);
    }
    path = slice_of(plain);
    role = role == NULL ? POLICY_ROLE_DEFAULT : role;
    if (!policy_role_check(both.policy, role, &fault)) {
        free_both(&both);
        return command_fail(invocation, &fault);
    }
    verdict = policy_read_verdict(both.policy, role, path, &read_rule);
    writable =
        verdict == VERDICT_ALLOW && policy_write_allowed(both.policy, role, path, false, &write_rule);
    zone = policy_zone_of(both.policy, path);
    if (invocation->json) {
        command_print_json(json_pack(
            "{s:s, s:s, s:s, s:s?, s:b, s:s?, s:s?, s:o}", "path", plain,
            "role", role, "read", verdict_name(verdict), "read_rule", read_rule, "write",
            writable, "write_rule", write_rule, "zone", zone, "data", data_json(both.policy)));
    } else {
        (void)printf("%s, role %s\nread: %s by path%s\n", plain, role,
                     verdict_name(verdict),
                     verdict == VERDICT_ALLOW ? "; what is in it decides further" : "");
        print_place(both.policy, read_rule);
        (void)printf("write: %s\n", writable ? "allow" : "deny");
        print_place(both.policy, write_rule);
        if (zone != NULL)
            (void)printf("zone: %s\n", zone);
        if (verdict == VERDICT_ALLOW)
            print_classes(both.policy);
    }
    free_both(&both);
    return EXIT_YES;
}

const struct command command_policy_explain = {
    .name = "policy explain",
    .arguments = "PATH",
    .arguments_min = 1,
    .arguments_max = 1,
    .prints_json = true,
    .summary = "Says what an agent may do with a path, by which rule, from which line",
    .text = "PATH is relative to the repository's top; it need not exist.",
    .options = explain_options,
    .run = run_explain,
};
