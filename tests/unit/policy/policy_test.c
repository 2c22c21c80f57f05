#include "test.h"

#include <stdio.h>

#include "base/scope.h"
#include "os/file.h"
#include "policy/glob.h"
#include "policy/policy.h"

static struct policy_settings *read_text(const char *text, const char *name)
{
    struct policy_settings *settings = NULL;
    struct fault fault = {0};

    assert_ok(policy_read(slice_of(text), name, &settings, &fault), fault);
    return settings;
}

static const char organisation[] =
    "version: 1\n"
    "people:\n"
    "  - { id: maria, email: maria@example.org, groups: [payments] }\n"
    "  - { id: tom, email: tom@example.org }\n"
    "models:\n"
    "  - { name: onprem, url: \"http://127.0.0.1:8000/v1\", dialect: openai, residency: "
    "on-premises, allow: [code, phi-redacted] }\n"
    "  - { name: far, url: \"https://llm.example.org/v1\", dialect: openai-responses, "
    "contract: BAA-1, expires: 2027-03-31,\n"
    "      key: { file: /etc/custody/llm.key }, prices: { input: 3.00, output: 15.5 } }\n"
    "budgets: { run: { tokens: 1000, usd: 5.00, minutes: 20 } }\n"
    "resources: { memory: 2G, pids: 100, cpu: 150%, disk: 1G, io: 50M }\n"
    "phase: regulated\n";

/* Builds from the organisation above and a repository's text; the fault is the caller's to
 * look at. */
static bool build(const char *repository, struct policy **ret_policy, struct fault *fault)
{
    struct policy_settings *outer = read_text(organisation, "policy.yaml");
    struct policy_settings *inner = NULL;
    bool ok =
        repository == NULL || policy_read(slice_of(repository), "custody.yaml", &inner, fault);

    ok = ok && policy_build(outer, inner, ret_policy, fault);
    policy_settings_free(outer);
    policy_settings_free(inner);
    return ok;
}

static void the_effective_policy_is_what_both_files_say(void **state)
{
    struct policy *policy = NULL;
    struct fault fault = {0};

    (void)state;
    assert_ok(
        build("version: 1\nrepository: payments-api\nowner: maria\n"
              "data: { phi: { view: deny, model: deny } }\n"
              "paths: { read: { deny: [\"**/*.pem\"] }, write: { allow: [\"src/**\"] }, zone: "
              "{ \"src/ehr/**\": phi } }\n"
              "agents: { coder: { engine: codex, model: far }, planner: { write: none } }\n"
              "budgets: { run: { tokens: 500 } }\napprovals: { count: 1, zone: { phi: 2 } }\n",
              &policy, &fault),
        fault);
    assert_string_equal(policy->repository, "payments-api");
    assert_int_equal(policy->model_count, 2);
    assert_int_equal(policy->models[1].prices.output, 15500000);
    assert_int_equal(policy->models[1].expires_us, INT64_C(1806537600) * 1000000 - 1);
    assert_int_equal(policy->models[0].allow, CLASS_BIT(CLASS_CODE));
    assert_int_equal(policy->models[0].allow_redacted, 0); /* data.phi.model denies it */
    assert_int_equal(policy->budget_run.tokens, 500);
    assert_int_equal(policy->budget_run.micro_usd, 5000000);
    assert_int_equal(policy->budget_run.minutes, 20);
    assert_int_equal(policy->resources.memory_bytes, UINT64_C(2) << 30);
    assert_int_equal(policy->resources.cpu_percent, 150);
    assert_int_equal(policy->resources.io_bytes, UINT64_C(50) << 20);
    assert_int_equal(policy->data[CLASS_PHI][POLICY_VIEW], VERDICT_DENY);
    assert_int_equal(policy->data[CLASS_SECRET][POLICY_CHECKS], VERDICT_ALLOW);
    assert_int_equal(
        policy_mask_verdict(policy, CLASS_BIT(CLASS_PHI) | CLASS_BIT(CLASS_PAN), POLICY_VIEW),
        VERDICT_DENY);
    assert_int_equal(policy_read_verdict(policy, "coder", SLICE("a/Key.PEM"), NULL),
                     VERDICT_DENY);
    assert_int_equal(policy_read_verdict(policy, "coder", SLICE("a/key.c"), NULL),
                     VERDICT_ALLOW);
    assert_true(policy_write_allowed(policy, "coder", SLICE("src/a.c"), false, NULL));
    assert_false(policy_write_allowed(policy, "coder", SLICE("docs/a.md"), false, NULL));
    assert_false(policy_write_allowed(policy, "planner", SLICE("src/a.c"), false, NULL));
    assert_string_equal(policy_zone_of(policy, SLICE("src/ehr/x.c")), "phi");
    assert_int_equal(policy_approvals_for(policy, (const char *[]){"phi"}, 1), 2);
    assert_int_equal(policy_approvals_for(policy, NULL, 0), 1);
    policy_free(policy);
}

static void what_decides_over_an_agent_it_can_never_write(void **state)
{
    static const char *const never[] = {
        "custody.yaml",
        ".gitignore",
        "src/.gitattributes",
        ".git/config",
        ".GIT/hooks/x",
        ".github/workflows/ci.yml",
        "CODEOWNERS",
        "docs/CODEOWNERS",
        ".husky",
        ".circleci",
        "sub/.husky/pre-commit",
        "azure-pipelines.yaml",
        ".GitHub",
        "Custody.YAML",
        ".gitlab-ci.yml",
        "Jenkinsfile",
        ".husky/pre-commit",
        ".circleci/config.yml",
    };
    struct policy *policy = NULL;
    struct fault fault = {0};

    (void)state;
    assert_ok(build("version: 1\npaths: { write: { allow: [\"**\"] } }\n", &policy, &fault),
              fault);
    for (size_t i = 0; i < COUNT(never); i++)
        if (policy_write_allowed(policy, "coder", slice_of(never[i]), false, NULL))
            fail_msg("%s is writable", never[i]);
    assert_true(
        policy_write_allowed(policy, "coder", SLICE("docs/custody.yaml"), false, NULL));
    assert_true(policy_write_allowed(policy, "coder", SLICE("src/main.c"), false, NULL));
    policy_free(policy);
}

static void a_cache_that_is_new_may_ignore_itself(void **state)
{
    static const struct {
        const char *path;
        bool in_new_folder, ok;
    } cases[] = {
        {".pytest_cache/.gitignore", true, true}, {"a/b/.gitignore", true, true},
        {"src/.gitignore", false, false},         {".gitignore", true, false},
        {"new/.gitattributes", true, false},      {"new/.gitmodules", true, false},
        {"new/.GITIGNORE", true, false},          {"new/.gitignore/x", true, false},
        {"new/x.gitignore", true, true},          {".github/new/.gitignore", true, false},
        {"new/.git/.gitignore", true, false},     {"infra/new/.gitignore", true, false},
        {"secret/new/.gitignore", true, false},
    };
    struct policy *policy = NULL;
    struct fault fault = {0};

    (void)state;
    assert_ok(build("version: 1\npaths: { write: { deny: [\"infra/**\", \"secret\"] } }\n",
                    &policy, &fault),
              fault);
    for (size_t i = 0; i < COUNT(cases); i++)
        if (policy_write_allowed(policy, "coder", slice_of(cases[i].path),
                                 cases[i].in_new_folder, NULL) != cases[i].ok)
            fail_msg("%s", cases[i].path);
    policy_free(policy);
}

static void what_is_wrong_is_named_with_line_and_column(void **state)
{
    static const struct {
        const char *text, *why;
    } cases[] = {
        {"version: 1\nfoo: 2\n", "custody.yaml:2:6: unknown key `foo`"},
        {"version: 1\npath: { read: {} }\n", "did you mean `paths`?"},
        {"version: 1\nlimits: { files: many }\n",
         "custody.yaml:2:18: limits.files: `many` is not a number"},
        {"version: 1\nlimits: 3\n",
         "custody.yaml:2:9: limits: a value stands where keys belong"},
        {"version: 1\npeople: [{ id: me }]\n",
         "only the organisation's policy.yaml may say this"},
        {"version: 1\nmodels: [{ url: \"https://x.example/\" }]\n", "only the organisation's"},
        {"version: 1\nbudgets: { run: { tokens: 2000 } }\n", "wider than the organisation's"},
        {"version: 1\nbudgets: { run: { tokens: 0 } }\n", "wider than the organisation's"},
        {"version: 1\nphase: automerge\n", "wider than the organisation's"},
        {"version: 1\negress: [{ host: evil.example }]\n", "wider than the organisation's"},
        {"version: 1\ndata: { phi: { view: redact } }\n",
         "data.phi has no verdict for `model`"},
        {"version: 1\ndata: { cats: { view: allow, model: allow } }\n",
         "is not a class of data"},
        {"version: 1\npaths: { read: { deny: [\"/etc/**\"] } }\n", "no leading /"},
        {"version: 1\npaths: { read: { deny: [\"a/../b\"] } }\n", "can never match"},
        {"version: 1\npaths: { write: { allow: [\"src/**\"], deny: [\"src/**\"] } }\n",
         "can never match"},
        {"version: 1\ndata: { secret: { view: allow, model: allow } }\n",
         "wider than the organisation's `redact`"},
        {"version: 1\nlimits: { files: 20000 }\n", "wider than the organisation's"},
        {"version: 1\npaths: { write: { allow: [] } }\n", "an empty list would allow nothing"},
        {"version: 1\npaths: { scratch: [.GIT] }\n", "is not a folder"},
        {"# caf\xe9\nversion: 1\n", "custody.yaml:1:6: not UTF-8"},
        {"%\xcb", "not UTF-8"},
        {"%TAG x\nversion: 1\n", "directives have no place"},
        {"version: 1\nowner: nobody\n", "is not one of the organisation's people"},
        {"version: 1\nagents: { coder: { model: gpt } }\n",
         "the organisation has no model `gpt`"},
        {"version: 1\nversion: 1\n", "custody.yaml:2:1: this key is there twice"},
        {"version: 1\n---\nversion: 1\n", "a second document"},
        {"version: 1\nrepository: *x\n", "aliases have no place"},
        {"version: 1\npaths: { write: { allow: [\"infra/prod/**\"], deny: [\"infra/**\"] } "
         "}\n",
         "paths.write.deny[0] `infra/**` (custody.yaml:2) denies all of it"},
        {"version: 1\npaths: { write: { allow: [\"infra/a.tf\"], deny: [infra] } }\n",
         "denies all of it"},
        {"version: 1\npaths: { write: { allow: [\"src/*.pem\"], deny: [\"**/*.pem\"] } }\n",
         "denies all of it"},
        {"version: 1\npaths: { read: { deny: [\"private/**\"] }, write: { allow: "
         "[\"private/notes/*\"] } }\n",
         "paths.read.deny[0] `private/**`"},
        {"version: 1\npaths: { write: { allow: [\".github/workflows/**\"] } }\n",
         "no policy can allow it"},
        {"version: 1\napprovals: { count: 3 }\n",
         "custody.yaml:2:21: approvals.count: 3 people must approve and there are 2"},
        {"version: 1\napprovals: { count: 2, from: [payments] }\n",
         "2 people must approve and there are 1 in the groups"},
        {"version: 1\napprovals: { from: [auditors] }\n",
         "approvals.from: nobody is in group `auditors`"},
        {"version: 1\napprovals: { zone: { lab: 1 } }\n", "`lab` is not a zone (phi cde)"},
        {"repository: x\n", "`version: 1` is missing"},
        {"version: [1\n", "custody.yaml:"},
        {"", "an empty policy"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct policy *policy = NULL;
        struct fault fault = {0};

        if (build(cases[i].text, &policy, &fault))
            fail_msg("`%s` is taken", cases[i].text);
        if (strstr(fault.why, cases[i].why) == NULL)
            fail_msg("`%s` gives `%s`, wanted `%s`", cases[i].text, fault.why, cases[i].why);
        assert_int_equal(fault.kind, FAULT_INVALID);
    }
}

#define MODEL(name, more)                                                                     \
    "  - { name: " name ", url: \"https://" name ".example.org/v1\", dialect: openai" more    \
    " }\n"

static void a_repository_with_patients_calls_only_models_that_may_have_them(void **state)
{
    static const char models[] =
        "version: 1\nmodels:\n" MODEL("near", ", residency: on-premises")
            MODEL("bare", ", residency: us") MODEL("far", ", residency: us, contract: BAA-1")
                MODEL("eu", ", residency: eu, contract: BAA-2");
    static const struct {
        const char *routing, *zone, *names;
    } cases[] = {
        {"", "cde", "near bare far eu "},
        {"", "phi", "near far eu "},
        {"routing: { phi: [mars] }\n", "phi", "near far eu "},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        AUTO_FREE char *outer_text = xformat("%s%s", models, cases[i].routing);
        AUTO_FREE char *inner_text =
            xformat("version: 1\npaths: { zone: { \"src/**\": %s } }\n", cases[i].zone);
        struct policy_settings *outer = read_text(outer_text, "policy.yaml");
        struct policy_settings *inner = read_text(inner_text, "custody.yaml");
        struct policy *policy = NULL;
        struct fault fault = {0};
        char names[100] = "";

        assert_ok(policy_build(outer, inner, &policy, &fault), fault);
        for (size_t j = 0; j < policy->model_count; j++)
            (void)snprintf(names + strlen(names), sizeof(names) - strlen(names), "%s ",
                           policy->models[j].name);
        assert_string_equal(names, cases[i].names);
        policy_free(policy);
        policy_settings_free(outer);
        policy_settings_free(inner);
    }
}

static void patients_data_goes_where_routing_says(void **state)
{
    static const char text[] =
        "version: 1\nrouting: { phi: [on-premises] }\ndata: { phi: { view: redact, model: "
        "allow } }\nmodels:\n" MODEL("near", ", residency: on-premises, allow: [code, phi]")
            MODEL("far", ", residency: us, contract: B-1, allow: [code, phi]")
                MODEL("bare", ", allow: [code, phi-redacted]");
    struct policy_settings *outer = read_text(text, "policy.yaml");
    struct policy *policy = NULL;
    struct fault fault = {0};

    (void)state;
    assert_ok(policy_build(outer, NULL, &policy, &fault), fault);
    assert_int_equal(policy->models[0].allow, CLASS_BIT(CLASS_CODE) | CLASS_BIT(CLASS_PHI));
    assert_int_equal(policy->models[1].allow, CLASS_BIT(CLASS_CODE));
    assert_int_equal(policy->models[2].allow_redacted & CLASS_BIT(CLASS_PHI), 0);
    policy_free(policy);
    policy_settings_free(outer);
}

static void what_data_says_to_redact_no_model_sees_as_it_is(void **state)
{
    static const char text[] =
        "version: 1\ndata: { pan: { view: redact, model: redact }, pii: { view: redact, "
        "model: allow } }\nmodels:\n" MODEL(
            "one", ", allow: [code, pan, pii-redacted, secret-redacted]") MODEL("none", "");
    struct policy_settings *outer = read_text(text, "policy.yaml");
    struct policy *policy = NULL;
    struct fault fault = {0};

    (void)state;
    assert_ok(policy_build(outer, NULL, &policy, &fault), fault);
    assert_int_equal(policy->models[0].allow, CLASS_BIT(CLASS_CODE));
    assert_int_equal(policy->models[0].allow_redacted,
                     CLASS_BIT(CLASS_PAN) | CLASS_BIT(CLASS_PII));
    assert_int_equal(policy->models[1].allow_redacted, 0);
    policy_free(policy);
    policy_settings_free(outer);
}

static void what_no_model_may_see_no_model_is_allowed(void **state)
{
    static const char model[] =
        "version: 1\nmodels: [{ name: m, url: \"https://m.example.org\", dialect: openai, "
        "allow: [code, secret, pii] }]\n";
    AUTO_FREE char *allowing =
        xformat("%sdata: { secret: { view: redact, model: allow } }\n", model);
    const struct {
        const char *text;
        unsigned allow;
    } cases[] = {
        {model, CLASS_BIT(CLASS_CODE)},
        {allowing, CLASS_BIT(CLASS_CODE) | CLASS_BIT(CLASS_SECRET)},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct policy_settings *outer = read_text(cases[i].text, "policy.yaml");
        struct policy *policy = NULL;
        struct fault fault = {0};

        assert_ok(policy_build(outer, NULL, &policy, &fault), fault);
        assert_int_equal(policy->models[0].allow, cases[i].allow);
        policy_free(policy);
        policy_settings_free(outer);
    }
}

struct notes {
    char text[1024];
};

static void add_note(void *self, const char *file, unsigned line, unsigned column,
                     const char *key)
{
    struct notes *notes = self;
    size_t len = strlen(notes->text);

    (void)snprintf(notes->text + len, sizeof(notes->text) - len, "%s:%u:%u:%s ", file, line,
                   column, key);
}

static void a_key_without_effect_is_named_unless_it_says_the_default(void **state)
{
    struct policy_settings *outer = read_text(
        "version: 1\nretention: { profile: hipaa, payloads: 90d }\nmcp: []\naudit: summary\n"
        "egress: [{ host: npm.example.org }]\nledger: { witnesses: [], require: 0 }\n",
        "policy.yaml");
    struct policy_settings *inner = read_text(
        "version: 1\nframeworks: [hipaa]\nlimits: { files: 3, files_per_batch: 2 }\n",
        "custody.yaml");
    struct policy *policy = NULL;
    struct notes notes = {{0}};
    struct fault fault = {0};

    (void)state;
    assert_ok(policy_build(outer, inner, &policy, &fault), fault);
    policy_notes(outer, add_note, &notes);
    policy_notes(inner, add_note, &notes);
    policy_notes(NULL, add_note, &notes);
    assert_string_equal(
        notes.text,
        "custody.yaml:2:14:frameworks[0] custody.yaml:3:38:limits.files_per_batch ");
    policy_free(policy);
    policy_settings_free(outer);
    policy_settings_free(inner);
}

static void a_tool_server_is_what_the_organisation_says(void **state)
{
#define DIGITS "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
#define TOOLS "tools: [b, a]"
    static const struct {
        const char *entries, *why, *name, *digest; /* why NULL: it is fine */
    } cases[] = {
        {"{ url: \"https://mcp.example.org/x\", " TOOLS " }", NULL, "mcp-example-org", NULL},
        {"{ name: t, url: \"https://a.example.org\", " TOOLS ", digest: sha256:" DIGITS
         ", allow: [code, phi] }",
         NULL, "t", DIGITS},
        {"{ name: t, url: \"https://a.example.org\", " TOOLS ", digest: " DIGITS " }", NULL,
         "t", DIGITS},
        {"{ " TOOLS " }", "needs a url", NULL, NULL},
        {"{ url: \"https://a.example.org\", tools: [a, a] }", "a is there twice", NULL, NULL},
        {"{ url: \"https://a.example.org\", " TOOLS ", digest: abc }", "64 hexadecimal", NULL,
         NULL},
        {"{ name: a.b, url: \"https://a.example.org\", " TOOLS " }", "letters, digits", NULL,
         NULL},
        {"{ url: \"https://a.example.org\", " TOOLS
         " }, { url: \"https://a.example.org/2\", " TOOLS " }",
         "is there twice", NULL, NULL},
        {"{ url: \"https://a.example.org\", " TOOLS ", key: { file: /k, env: K } }",
         "two keys", NULL, NULL},
        {"{ url: \"https://a.example.org\", " TOOLS ", allow: [phi, phi-redacted] }", "both",
         NULL, NULL},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        AUTO_FREE char *text =
            xformat("version: 1\ndata: { phi: { view: redact, model: redact } }\nmcp: [%s]\n",
                    cases[i].entries);
        struct policy_settings *outer = read_text(text, "policy.yaml");
        struct policy *policy = NULL;
        struct fault fault = {0};
        bool ok = policy_build(outer, NULL, &policy, &fault);

        if (ok != (cases[i].why == NULL) || (!ok && strstr(fault.why, cases[i].why) == NULL))
            fail_msg("%s: %s", cases[i].entries, fault.why);
        if (ok) {
            const struct policy_server *server = &policy->servers[0];

            assert_int_equal(policy->server_count, 1);
            assert_string_equal(server->at.name, cases[i].name);
            assert_string_equal(server->tools[0], "a");
            assert_int_equal(server->digest != NULL, cases[i].digest != NULL);
            assert_true(server->digest == NULL ||
                        strcmp(server->digest, cases[i].digest) == 0);
            assert_int_equal(server->at.allow & CLASS_BIT(CLASS_PHI), 0); /* data.phi.model */
        }
        policy_free(policy);
        policy_settings_free(outer);
    }
}

static void egress_is_what_both_files_say(void **state)
{
    static const char outer_text[] =
        "version: 1\negress:\n"
        "  - { host: NPM.example.org, methods: [GET, PUT], paths: [\"/a/**\"], upload: 1M }\n"
        "  - { host: npm.example.org, paths: [\"/b/**\"] }\n"
        "  - { host: deb.example.org, port: 80, private: true }\n";
    static const struct {
        const char *inner;
        const char *rules; /* with methods; "-": not looked at */
    } cases[] = {
        {"", "egress[0]:GET,PUT, egress[1]:GET,HEAD, egress[2]:- "},
        {"egress: []\n", ""},
        {"egress: [{ host: npm.example.org }]\n", "egress[0]:GET,PUT, egress[1]:GET,HEAD, "},
        {"egress: [{ host: npm.example.org, methods: [PUT] }]\n", "egress[0]:PUT, "},
        {"egress: [{ host: deb.example.org, port: 80, methods: [PUT] }]\n", "egress[2]:PUT, "},
        {"egress: [{ host: deb.example.org, port: 80, paths: [\"/x\"] }]\n",
         "egress[2]:GET,HEAD, "},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        AUTO_FREE char *inner_text = xformat("version: 1\n%s", cases[i].inner);
        struct policy_settings *outer = read_text(outer_text, "policy.yaml");
        struct policy_settings *inner = read_text(inner_text, "custody.yaml");
        struct buf rules = buf_with_limit(1024);
        struct policy *policy = NULL;
        struct fault fault = {0};

        assert_ok(policy_build(outer, inner, &policy, &fault), fault);
        for (size_t j = 0; j < policy->egress_count; j++) {
            const struct policy_egress *egress = &policy->egress[j];

            (void)!buf_add_format(&rules, &fault, "%s:", egress->rule);
            for (size_t k = 0; egress->inspected && k < egress->methods.count; k++)
                (void)!buf_add_format(&rules, &fault, "%s,", egress->methods.at[k]);
            (void)!buf_add_text(&rules, egress->inspected ? " " : "- ", &fault);
            assert_false(egress->host[0] == 'N');
        }
        assert_string_equal(buf_text(&rules), cases[i].rules);
        buf_free(&rules);
        policy_free(policy);
        policy_settings_free(outer);
        policy_settings_free(inner);
    }
}

static void egress_that_could_not_be_meant_is_refused(void **state)
{
    static const char *const cases[] = {
        "[{ port: 443 }]",
        "[{ host: under_score.example }]",
        "[{ host: example.org. }]",
        "[{ host: 0x7f.1 }]",
        "[{ host: 127.1 }]",
        "[{ host: a.example, paths: [\"x\"] }]",
        "[{ host: a.example, paths: [\"/../x\"] }]",
        "[{ host: a.example }, { host: A.example, methods: [GET] }]",
        ("[{ host: a.example, methods: [GET] }, { host: a.example, paths: [\"/x\"], private: "
         "true }]"),
        "[{ host: a.example, methods: [CONNECT] }]",
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        AUTO_FREE char *text = xformat("version: 1\negress: %s\n", cases[i]);
        struct policy_settings *outer = read_text(text, "policy.yaml");
        struct policy *policy = NULL;
        struct fault fault = {0};

        if (policy_build(outer, NULL, &policy, &fault))
            fail_msg("taken: %s", cases[i]);
        assert_int_equal(fault.kind, FAULT_INVALID);
        policy_settings_free(outer);
    }
}

static void a_rule_that_must_match_refuses_when_it_does_not(void **state)
{
    struct policy_matching *matching;
    struct policy *policy = NULL;
    struct fault fault = {0};

    (void)state;
    assert_ok(build("version: 1\npaths: { read: { deny: [{ path: \"fixtures/**\", must_match: "
                    "true }] } }\n",
                    &policy, &fault),
              fault);
    matching = policy_matching_new(policy, "coder");
    policy_match_path(matching, SLICE("src/a.c"));
    assert_false(policy_matching_end(matching, &fault));
    assert_non_null(strstr(fault.why, "custody.yaml:2: paths.read.deny[0]"));
    matching = policy_matching_new(policy, "coder");
    policy_match_path(matching, SLICE("fixtures/patient.json"));
    assert_ok(policy_matching_end(matching, &fault), fault);
    policy_free(policy);
}

static void a_role_may_read_less_than_all_may_and_never_more(void **state)
{
    static const struct {
        const char *role, *path, *rule; /* NULL: it may be read */
    } cases[] = {
        {"coder", "src/a.c", NULL},
        {"coder", "private/a", "paths.read.deny[0]"},
        {"coder", "infra/main.tf", "agents.coder.read.deny[0]"},
        {"coder", "Infra/Main.tf", "agents.coder.read.deny[0]"},
        {"coder", "deep/down/x.sql", "agents.coder.read.deny[1]"},
        {"coder", "plans/a.md", NULL},
        {"planner", "infra/main.tf", NULL},
        {"planner", "x.sql", NULL},
        {"planner", "plans/a.md", "agents.planner.read.deny[0]"},
        {"planner", "private/a", "paths.read.deny[0]"},
        {"reviewer", "infra/main.tf", NULL},
        {"reviewer", "private/a", "paths.read.deny[0]"},
    };
    struct policy *policy = NULL;
    struct fault fault = {0};

    (void)state;
    assert_ok(
        build("version: 1\npaths: { read: { deny: [\"private/**\"], hide_names: true } }\n"
              "agents:\n  coder: { read: { deny: [\"infra/**\", { path: \"*.sql\" }] } }\n"
              "  planner: { read: { deny: [\"plans\"], hide_names: true } }\n"
              "  reviewer: { engine: codex }\n",
              &policy, &fault),
        fault);
    for (size_t i = 0; i < COUNT(cases); i++) {
        const char *rule = NULL;
        enum verdict verdict =
            policy_read_verdict(policy, cases[i].role, slice_of(cases[i].path), &rule);

        if (verdict != (cases[i].rule == NULL ? VERDICT_ALLOW : VERDICT_DENY) ||
            (rule != NULL && (cases[i].rule == NULL || strcmp(rule, cases[i].rule) != 0)))
            fail_msg("%s, %s: %s", cases[i].role, cases[i].path, rule);
        if (rule != NULL)
            assert_ptr_equal(policy_rule_find(policy, rule)->text, rule);
    }
    policy_free(policy);
}

static void a_role_hides_no_fewer_names_than_all_do(void **state)
{
    static const struct {
        const char *text;
        bool ok, coder, planner;
    } cases[] = {
        {"agents: { planner: { read: { hide_names: true } } }", true, true, true},
        {"paths: { read: { hide_names: true } }\nagents: { planner: { write: none } }", true,
         true, true},
        {"agents: { planner: { read: { hide_names: false } } }", false, false, false},
    };
    struct policy_settings *outer = read_text(organisation, "policy.yaml");
    struct policy_settings *shown =
        read_text("version: 1\npaths: { read: { hide_names: false } }\n", "policy.yaml");
    struct policy_settings *inner =
        read_text("version: 1\nagents: { planner: { read: { hide_names: true } }, coder: { "
                  "read: { hide_names: false } } }\n",
                  "custody.yaml");
    struct policy *policy = NULL;
    struct fault fault = {0};

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        AUTO_FREE char *text = xformat("version: 1\n%s\n", cases[i].text);

        assert_int_equal(build(text, &policy, &fault), cases[i].ok);
        if (cases[i].ok) {
            assert_int_equal(policy_hides_names(policy, "coder"), cases[i].coder);
            assert_int_equal(policy_hides_names(policy, "planner"), cases[i].planner);
            policy_free(policy);
        } else {
            assert_non_null(
                strstr(fault.why, "custody.yaml:2:42: agents.planner.read.hide_names"));
        }
    }
    /* where the organisation shows names, a role may still hide them */
    assert_ok(policy_build(shown, inner, &policy, &fault), fault);
    assert_false(policy_hides_names(policy, "coder"));
    assert_true(policy_hides_names(policy, "planner"));
    policy_free(policy);
    policy_settings_free(outer);
    policy_settings_free(shown);
    policy_settings_free(inner);
}

static void what_must_match_for_one_role_says_nothing_of_another(void **state)
{
    static const char *const roles[] = {"coder", "planner"};
    struct policy *policy = NULL;
    struct fault fault = {0};

    (void)state;
    assert_ok(build("version: 1\nagents: { planner: { read: { deny: [{ path: \"plans/**\", "
                    "must_match: true }] } }, coder: {} }\n",
                    &policy, &fault),
              fault);
    for (size_t i = 0; i < COUNT(roles); i++) {
        struct policy_matching *matching = policy_matching_new(policy, roles[i]);

        policy_match_path(matching, SLICE("src/a.c"));
        assert_int_equal(policy_matching_end(matching, &fault), i == 0);
    }
    assert_non_null(strstr(fault.why, "custody.yaml:2: agents.planner.read.deny[0]"));
    policy_free(policy);
}

static void settings_survive_their_packet_and_nothing_else_does(void **state)
{
    struct policy_settings *settings = read_text(organisation, "policy.yaml");
    AUTO_BUF struct buf packet = buf_with_limit(POLICY_PACKET_BYTES_MAX);
    struct policy_settings *again = NULL;
    struct policy *one = NULL, *two = NULL;
    struct fault fault = {0};

    (void)state;
    assert_ok(policy_settings_encode(settings, &packet, &fault), fault);
    assert_ok(policy_settings_decode(buf_slice(&packet), &again, &fault), fault);
    assert_ok(policy_build(settings, NULL, &one, &fault), fault);
    assert_ok(policy_build(again, NULL, &two, &fault), fault);
    assert_string_equal(one->digest, two->digest);
    for (size_t cut = 0; cut < packet.len; cut++) {
        struct policy_settings *none = NULL;

        assert_false(
            policy_settings_decode(slice_part(buf_slice(&packet), 0, cut), &none, &fault));
    }
    policy_free(one);
    policy_free(two);
    policy_settings_free(settings);
    policy_settings_free(again);
}

static void the_digest_does_not_depend_on_order_or_comments(void **state)
{
    struct policy *one = NULL, *two = NULL, *other = NULL;
    struct fault fault = {0};

    (void)state;
    assert_ok(build("version: 1\nlimits: { files: 3, lines: 9 }\n", &one, &fault), fault);
    assert_ok(
        build("# a comment\nlimits:\n  lines: 9\n  files: 3\nversion: 1\n", &two, &fault),
        fault);
    assert_ok(build("version: 1\nlimits: { files: 4, lines: 9 }\n", &other, &fault), fault);
    assert_string_equal(one->digest, two->digest);
    assert_string_not_equal(one->digest, other->digest);
    policy_free(one);
    policy_free(two);
    policy_free(other);
}

static void the_templates_are_valid_as_they_are(void **state)
{
    AUTO_FREE char *outer_text =
        policy_template_organisation("maria", "maria@example.org", NULL);
    AUTO_FREE char *inner_text = policy_template_repository("billing", "maria");
    struct policy_settings *outer = read_text(outer_text, "policy.yaml");
    struct policy_settings *inner = read_text(inner_text, "custody.yaml");
    struct policy *policy = NULL;
    struct fault fault = {0};

    (void)state;
    assert_ok(policy_build(outer, inner, &policy, &fault), fault);
    policy_free(policy);
    policy_settings_free(outer);
    policy_settings_free(inner);
}

static void what_a_template_is_given_stays_one_value(void **state)
{
    static const char email[] = "\"], x: [\\ #'&*!%@example.org";
    static const char ssh[] = "ssh-ed25519 AAAA it\"s: {me}, [or] \\x41 \303\251";
    AUTO_FREE char *outer_text = policy_template_organisation("maria", email, ssh);
    AUTO_FREE char *inner_text = policy_template_repository("billing", "maria");
    struct policy_settings *outer = read_text(outer_text, "policy.yaml");
    struct policy_settings *inner = read_text(inner_text, "custody.yaml");
    struct policy *policy = NULL;
    struct fault fault = {0};

    (void)state;
    assert_ok(policy_build(outer, inner, &policy, &fault), fault);
    assert_int_equal(policy->people_count, 1);
    assert_string_equal(policy->people[0].email, email);
    assert_int_equal(policy->people[0].ssh_count, 1);
    assert_string_equal(policy->people[0].ssh[0], ssh);
    policy_free(policy);
    policy_settings_free(outer);
    policy_settings_free(inner);
}

static void values_are_taken_as_strictly_as_they_are_written(void **state)
{
    static const char *const wrong[] = {
        "budgets: { run: { usd: 5. } }",
        "budgets: { run: { usd: .5 } }",
        "budgets: { run: { usd: 5.0000001 } }",
        "budgets: { run: { tokens: 010 } }",
        "budgets: { run: { tokens: +5 } }",
        "budgets: { run: { tokens: 5_0 } }",
        "budgets: { run: { tokens: 0x5 } }",
        "resources: { cpu: 200 }",
        "resources: { memory: 4g }",
        "resources: { memory: 4GB }",
        "resources: { memory: 1.5G }",
        "retention: { payloads: 90 }",
        "retention: { profile: sox }",
        "retention: { hot: 89d }",
        "retention: { profile: pci, hot: 2y }",
        "retention: { profile: pci, payloads: 367d }",
        "people: [{ id: a@b }]",
        "people: [{ id: -a }]",
        "people: [{ id: .. }]",
        "models: [{ name: m, url: \"https://x.example\", dialect: openai, expires: 2027-3-031 "
        "}]",
        "models: [{ name: m, url: \"https://x.example\", dialect: openai, expires: 2027-02-29 "
        "}]",
        "models: [{ name: m, url: \"https://x.example\", dialect: openai, expires: \"2027- "
        "3-31\" }]",
        "models: [{ name: m, url: \"https://x.example\", dialect: openai, ca: /etc/.. }]",
        "paths: { read: { hide_names: True } }",
        "paths: { read: { hide_names: yes } }",
    };
    static const char *const right[] = {
        "budgets: { run: { usd: 0.5, tokens: 0 } }",
        "resources: { memory: 67108864, cpu: 50%, disk: 1T }",
        "retention: { payloads: 4w }",
        "retention: { profile: hipaa, hot: 2y, payloads: 6y }",
        "retention: { payloads: 10y }",
        "people: [{ id: _a.b-c }]",
    };

    (void)state;
    for (size_t i = 0; i < COUNT(wrong) + COUNT(right); i++) {
        bool good = i >= COUNT(wrong);
        AUTO_FREE char *text =
            xformat("version: 1\n%s\n", good ? right[i - COUNT(wrong)] : wrong[i]);
        struct policy_settings *outer = read_text(text, "policy.yaml");
        struct policy *policy = NULL;
        struct fault fault = {0};

        if (policy_build(outer, NULL, &policy, &fault) != good)
            fail_msg("`%s`: %s", text, good ? fault.why : "taken");
        policy_free(policy);
        policy_settings_free(outer);
    }
}

/* A packet as encode writes it, of settings that no YAML gives. */
static void put_setting(struct buf *packet, uint32_t kind, uint32_t line, const char *path,
                        const char *value)
{
    const uint32_t numbers[] = {kind, line, 1};
    const char *const texts[] = {path, value};
    struct fault fault = {0};

    assert_ok(buf_add(packet, slice_of_bytes(numbers, sizeof(numbers)), &fault), fault);
    for (size_t i = 0; i < COUNT(texts); i++) {
        uint32_t len = (uint32_t)strlen(texts[i]);

        assert_ok(buf_add(packet, slice_of_bytes(&len, sizeof(len)), &fault) &&
                      buf_add_text(packet, texts[i], &fault),
                  fault);
    }
}

static void a_packet_that_no_file_gives_is_refused(void **state)
{
    static const struct {
        uint32_t kind, line;
        const char *path, *value, *second; /* second: another path, with value 2 */
        bool good;
    } cases[] = {
        {0, 1, "version", "1",
         "limits\x1f"
         "files",
         true},
        {1, 1, "egress", "", "version", true},
        {0, 1, "version", "1", "version", false},
        {0, 1, "limits", "1",
         "limits\x1f"
         "files",
         false},
        {1, 1, "limits", "",
         "limits\x1f"
         "files",
         false},
        {0, 1, "version", "", "a", false},
        {1, 1, "version", "1", "a", false},
        {3, 1, "version", "1", "a", false},
        {0, 0, "version", "1", "a", false},
        {0, 1, "", "1", "a", false},
        {0, 1,
         "a\x1f\x1f"
         "b",
         "1", "a", false},
        {0, 1, "a\x1f", "1", "b", false},
        {0, 1, "a\nb", "1", "b", false},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        AUTO_BUF struct buf packet = buf_with_limit(4096);
        struct policy_settings *settings = NULL;
        struct fault fault = {0};
        const uint32_t len = 1, count = 2;

        assert_ok(buf_add(&packet, slice_of_bytes(&len, sizeof(len)), &fault) &&
                      buf_add_text(&packet, "p", &fault) &&
                      buf_add(&packet, slice_of_bytes(&count, sizeof(count)), &fault),
                  fault);
        put_setting(&packet, cases[i].kind, cases[i].line, cases[i].path, cases[i].value);
        put_setting(&packet, 0, 2, cases[i].second, "2");
        if (policy_settings_decode(buf_slice(&packet), &settings, &fault) != cases[i].good)
            fail_msg("case %zu: %s", i, fault.why);
        policy_settings_free(settings);
    }
}

static void globs_match_names_not_bytes(void **state)
{
    static const struct {
        const char *glob, *path;
        bool matches;
    } cases[] = {
        {"*.pem", "a.pem", true},
        {"*.pem", "x/y/a.pem", true},
        {"**/*.pem", "a.pem", true},
        {"**/*.pem", "x/y/a.pem", true},
        {"src/*.c", "src/a.c", true},
        {"src/*.c", "src/x/a.c", false},
        {"src/**", "src/x/a.c", true},
        {"src/**", "src", false},
        {"src/**", "srcs/a", false},
        {"src", "src/x/a.c", true},
        {"src", "lib/src/a", true},
        {"a/**/z", "a/z", true},
        {"a/**/z", "a/b/c/z", true},
        {"a/**/z", "a/b/c/y", false},
        {"[a-c]?", "b1", true},
        {"[!a-c]?", "b1", false},
        {"**", "any/thing", true},
        {"fixtures/patients/**", "fixtures/patients/1.json", true},
        {"build/", "build/x.o", true},
        {"*a*a*a*a*b", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", false},
    };
    struct fault fault = {0};

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        assert_ok(glob_check(slice_of(cases[i].glob), &fault), fault);
        if (glob_matches(slice_of(cases[i].glob), slice_of(cases[i].path), false) !=
            cases[i].matches)
            fail_msg("`%s` and `%s`", cases[i].glob, cases[i].path);
    }
    assert_true(glob_matches(SLICE("*.pem"), SLICE("A.PEM"), true));
    assert_false(glob_matches(SLICE("*.pem"), SLICE("A.PEM"), false));
    assert_false(glob_check(SLICE(""), &fault));
    assert_false(glob_check(SLICE("a//b"), &fault));
    assert_false(glob_check(SLICE("[ab"), &fault));
}

static void the_reference_page_is_the_table(void **state)
{
    AUTO_BUF struct buf page = buf_with_limit(1 << 20);
    AUTO_FREE char *made = NULL;
    AUTO_FREE char *path = xformat("%s/../../docs/policy.md", getenv("CUSTODY_TEST_DATA"));
    size_t len = 0;
    FILE *out = open_memstream(&made, &len);
    struct fault fault = {0};

    (void)state;
    policy_reference(out);
    (void)fclose(out);
    assert_ok(file_read(-100, path, &page, &fault), fault);
    assert_string_equal(buf_text(&page), made);
}

/* At load, not when a run begins: what is said in the clear must not leave this machine. */
static void a_model_url_is_checked_where_it_stands(void **state)
{
    static const struct {
        const char *url, *why; /* NULL: fine */
    } cases[] = {
        {"http://127.0.0.1:8000/v1", NULL},
        {"http://localhost/v1", NULL},
        {"http://[::1]:8000", NULL},
        {"https://llm.example.org/v1", NULL},
        {"http://llm.example.org/v1",
         "policy.yaml:3:22: models[0].url: `http://llm.example.org/v1`: plain http:// is for"},
        {"http://10.0.0.1/v1",
         "policy.yaml:3:22: models[0].url: `http://10.0.0.1/v1`: plain http:// is for"},
        {"http://127.0.0.1.example.org/", "plain http:// is for this machine only"},
        {"http://0x7f.1/v1", "neither a name nor an address"},
        {"http://127.0.0.1@example.org/", "policy.yaml:3:22: models[0].url"},
        {"ftp://127.0.0.1/", "begins with neither https:// nor http://"},
        {"https://", "neither a name nor an address"},
        {"https://a b/", "policy.yaml:3:22: models[0].url"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        AUTO_FREE char *text =
            xformat("version: 1\nmodels:\n  - { name: m, url: \"%s\", dialect: openai }\n",
                    cases[i].url);
        struct policy_settings *settings = read_text(text, "policy.yaml");
        struct policy *policy = NULL;
        struct fault fault = {0};
        bool ok = policy_build(settings, NULL, &policy, &fault);

        if (ok != (cases[i].why == NULL) || (!ok && strstr(fault.why, cases[i].why) == NULL))
            fail_msg("%s: %s", cases[i].url, fault.why);
        policy_free(policy);
        policy_settings_free(settings);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(the_effective_policy_is_what_both_files_say),
        TEST(what_decides_over_an_agent_it_can_never_write),
        TEST(a_cache_that_is_new_may_ignore_itself),
        TEST(what_is_wrong_is_named_with_line_and_column),
        TEST(a_repository_with_patients_calls_only_models_that_may_have_them),
        TEST(patients_data_goes_where_routing_says),
        TEST(what_data_says_to_redact_no_model_sees_as_it_is),
        TEST(what_no_model_may_see_no_model_is_allowed),
        TEST(a_key_without_effect_is_named_unless_it_says_the_default),
        TEST(a_tool_server_is_what_the_organisation_says),
        TEST(egress_is_what_both_files_say),
        TEST(egress_that_could_not_be_meant_is_refused),
        TEST(a_model_url_is_checked_where_it_stands),
        TEST(a_rule_that_must_match_refuses_when_it_does_not),
        TEST(a_role_may_read_less_than_all_may_and_never_more),
        TEST(a_role_hides_no_fewer_names_than_all_do),
        TEST(what_must_match_for_one_role_says_nothing_of_another),
        TEST(settings_survive_their_packet_and_nothing_else_does),
        TEST(the_digest_does_not_depend_on_order_or_comments),
        TEST(the_templates_are_valid_as_they_are),
        TEST(what_a_template_is_given_stays_one_value),
        TEST(values_are_taken_as_strictly_as_they_are_written),
        TEST(a_packet_that_no_file_gives_is_refused),
        TEST(globs_match_names_not_bytes),
        TEST(the_reference_page_is_the_table),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
