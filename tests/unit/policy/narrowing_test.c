/* Every key of the schema, tried in custody.yaml: whatever it says, nothing gets wider. */
#include "test.h"

#include <stdio.h>

#include "base/scope.h"
#include "policy/policy.h"
#include "policy/schema.h"

#define TEXT_BYTES_MAX 4096
#define ROLE "coder"

static const char *const organisations[] = {
    /* says as little as it may */
    "version: 1\n"
    "people: [{ id: maria, groups: [payments, auditors] }, { id: tom, groups: [payments] }]\n"
    "models: [{ name: m, url: \"https://m.example.org\", dialect: openai, contract: C-1, "
    "allow: [code, pii] }]\n",
    /* and something about all that both may say */
    "version: 1\n"
    "phase: narrow\n"
    "people: [{ id: maria, groups: [payments, auditors] }, { id: tom, groups: [payments] }]\n"
    "models:\n"
    "  - { name: m, url: \"https://m.example.org\", dialect: openai, contract: C-1, "
    "residency: us, allow: [code, pii] }\n"
    "  - { name: bare, url: \"https://bare.example.org\", dialect: openai, residency: us, "
    "allow: [code] }\n"
    "budgets: { run: { tokens: 5000, usd: 2.5, minutes: 20 } }\n"
    "limits: { files: 20, lines: 500, files_per_batch: 3 }\n"
    "data:\n"
    "  phi: { view: deny, model: deny }\n"
    "  secret: { view: redact, model: deny, checks: redact }\n"
    "  pii: { view: allow, model: allow }\n"
    "  opaque: { view: allow, model: deny }\n"
    "  code: { view: allow, model: allow }\n"
    "paths:\n"
    "  read: { deny: [\"private/**\", { path: \"**/*.pem\", must_match: false }], hide_names: "
    "true }\n"
    "  write: { allow: [\"src/**\", \"tests/**\", \"docs/*\"], deny: [\"src/gen/**\"] }\n"
    "  zone: { \"src/cde/**\": cde }\n"
    "  scratch: [build]\n"
    "egress: [{ host: npm.example.org, port: 8443, methods: [GET, PUT], paths: [\"/a/**\"], "
    "upload: 1M }, { host: deb.example.org }]\n"
    "environment: { pass: [LANG] }\n"
    "approvals: { count: 1, from: [payments], zone: { cde: 2 } }\n",
};

static const char *const paths[] = {
    "src/a.c",       "src/gen/x.c",
    "src/cde/pay.c", "src/ehr/p.c",
    "docs/a.md",     "docs/deep/b.md",
    "tests/t.c",     "infra/main.tf",
    "private/notes", "certs/a.pem",
    "Private/Notes", "build/x.o",
    "custody.yaml",  ".github/workflows/ci.yml",
    "README",        "x",
};

/* ---- the values that are tried ---- */

struct values {
    const char *at[12];
};

/* By type; those of words come from the row. NULL ends. */
static const struct values values[] = {
    [SCHEMA_TEXT] = {{"x", "payments", "/**"}},
    [SCHEMA_NAME] = {{"x", "maria", "payments", "m", "bare", "npm.example.org",
                      "deb.example.org", "evil.example", "LD_PRELOAD"}},
    [SCHEMA_INTEGER] = {{"0", "1", "2", "3", "19", "20", "21", "443", "8443", "5001",
                         "1000000000000000"}},
    [SCHEMA_BYTES] = {{"1M", "64M", "4G", "900T"}},
    [SCHEMA_PERCENT] = {{"1%", "200%", "1000000%"}},
    [SCHEMA_MONEY] = {{"0", "1", "2.5", "2.500001", "1000"}},
    [SCHEMA_DURATION] = {{"1d", "90d", "100y"}},
    [SCHEMA_BOOLEAN] = {{"true", "false"}},
    [SCHEMA_URL] = {{"https://evil.example/v1", "http://127.0.0.1:1/v1"}},
    [SCHEMA_PATH] = {{"/etc/passwd", "/"}},
    [SCHEMA_FOLDER] = {{"src", "target", "build"}},
    [SCHEMA_GLOB] = {{"**", "*", "src/**", "src/gen/**", "private/**", "docs/deep/*", "*.pem",
                      "x"}},
    [SCHEMA_DATE] = {{"2027-03-31", "9999-12-31"}},
};

/* What stands for "*" of a path. */
static const struct stars {
    const char *above;
    struct values keys;
} stars[] = {
    {"data", {{"phi", "pan", "secret", "pii", "opaque", "code"}}},
    {"paths", {{"**", "src/cde/**", "src/**", "x"}}},
    {"agents", {{ROLE, "planner"}}},
    {"approvals", {{"phi", "cde"}}},
    {"caches", {{".m2", ".cargo/registry"}}},
};

/* Keys that mean nothing without another one; each of the others is tried, too. */
static const struct sibling {
    const char *path; /* as of the schema, "." for the separator */
    struct values beside;
} siblings[] = {
    {"data.*.view", {{"model: allow", "model: redact", "model: deny"}}},
    {"data.*.model", {{"view: allow", "view: redact", "view: deny"}}},
    {"data.*.checks",
     {{"view: allow, model: allow", "view: redact, model: deny", "view: deny, model: deny"}}},
    {"egress.#.port",
     {{"host: npm.example.org", "host: deb.example.org", "host: evil.example"}}},
    {"egress.#.private", {{"host: npm.example.org, port: 8443", "host: evil.example"}}},
    {"egress.#.ca", {{"host: npm.example.org, port: 8443"}}},
    {"egress.#.upload", {{"host: npm.example.org, port: 8443", "host: deb.example.org"}}},
    {"egress.#.download", {{"host: npm.example.org, port: 8443", "host: deb.example.org"}}},
    {"egress.#.methods.#", {{"host: npm.example.org, port: 8443", "host: deb.example.org",
                             "host: evil.example"}}},
    {"egress.#.paths.#", {{"host: npm.example.org, port: 8443", "host: evil.example"}}},
    {"paths.read.deny.#.must_match", {{"path: \"src/**\""}}},
    {"agents.*.read.deny.#.must_match", {{"path: \"src/**\""}}},
};

static const struct values none = {{""}};

static char *dotted(const char *path)
{
    char *text = xstrdup(path);

    for (char *at = text; *at != 0; at++)
        if (*at == POLICY_SEP_BYTE)
            *at = '.';
    return text;
}

static const struct values *beside(const struct schema_row *row)
{
    AUTO_FREE char *path = dotted(row->path);

    for (size_t i = 0; i < COUNT(siblings); i++)
        if (strcmp(siblings[i].path, path) == 0)
            return &siblings[i].beside;
    return &none;
}

static const struct values *keys_of(const struct schema_row *row)
{
    size_t len = strcspn(row->path, POLICY_SEP);

    if (strchr(row->path, '*') == NULL)
        return &none;
    for (size_t i = 0; i < COUNT(stars); i++)
        if (strlen(stars[i].above) == len && strncmp(stars[i].above, row->path, len) == 0)
            return &stars[i].keys;
    fail_msg("no keys are known for %s", row->path);
    return NULL;
}

/* path: a.*.#.b, key k, value v, beside s -> a: { "k": [ { b: "v", s } ] }: the value as YAML
 * writes it. */
static char *text_of(const struct schema_row *row, const char *key, const char *value,
                     const char *more)
{
    AUTO_BUF struct buf text = buf_with_limit(TEXT_BYTES_MAX);
    AUTO_BUF struct buf ends = buf_with_limit(TEXT_BYTES_MAX);
    struct slice rest = slice_of(row->path), name;
    struct fault fault = {0};
    bool first = true, ok = true;
    AUTO_FREE char *value_text = NULL;

    while (slice_cut(&rest, POLICY_SEP_BYTE, &name)) {
        bool is_item = slice_equal(name, SLICE("#"));

        if (!first && !is_item)
            ok = ok && buf_add_text(&text, "{ ", &fault) && buf_add_text(&ends, "}", &fault);
        if (is_item)
            ok = ok && buf_add_text(&text, "[ ", &fault) && buf_add_text(&ends, "]", &fault);
        else if (slice_equal(name, SLICE("*")))
            ok = ok && buf_add_format(&text, &fault, "\"%s\": ", key);
        else
            ok = ok && buf_add_format(&text, &fault, "%.*s: ", SLICE_ARGS(name));
        first = false;
    }
    ok = ok && buf_add_format(&text, &fault, "\"%s\"", value);
    /* the beside goes into the innermost map: before the lists that the value itself is in are
     * closed */
    for (size_t at = ends.len; ok && at-- > 0;) {
        if (ends.at[at] == '}' && more[0] != 0) {
            ok = buf_add_format(&text, &fault, ", %s", more);
            more = "";
        }
        ok = ok && buf_add_format(&text, &fault, " %c", ends.at[at]);
    }
    assert_ok(ok, fault);
    value_text = slice_dup(buf_slice(&text));
    return strcmp(row->path, "version") == 0 ? xformat("%s\n", value_text)
                                             : xformat("version: 1\n%s\n", value_text);
}

/* ---- what is measured ---- */

static void wider(const char *what, const char *text)
{
    fail_msg("%s is wider with custody.yaml\n%s", what, text);
}

/* 0 is no limit. */
static bool is_more(int64_t inner, int64_t outer)
{
    return outer != 0 && (inner == 0 || inner > outer);
}

static bool has_text(const char *const *texts, size_t count, const char *text)
{
    for (size_t i = 0; i < count; i++)
        if (strcmp(texts[i], text) == 0)
            return true;
    return false;
}

static void compare_paths(const struct policy *outer, const struct policy *inner,
                          const char *text)
{
    for (size_t i = 0; i < COUNT(paths); i++) {
        struct slice path = slice_of(paths[i]);
        const char *was = policy_zone_of(outer, path), *is = policy_zone_of(inner, path);

        if (policy_read_verdict(inner, ROLE, path, NULL) <
            policy_read_verdict(outer, ROLE, path, NULL))
            wider("reading", text);
        if (policy_write_allowed(inner, ROLE, path, false, NULL) &&
            !policy_write_allowed(outer, ROLE, path, false, NULL))
            wider("writing", text);
        if ((was != NULL && is == NULL) || policy_approvals_for(inner, &is, is != NULL) <
                                               policy_approvals_for(outer, &was, was != NULL))
            wider("approving", text);
    }
}

static void compare_classes(const struct policy *outer, const struct policy *inner,
                            const char *text)
{
    for (unsigned mask = 0; mask < CLASS_BIT(CLASS_COUNT); mask++)
        for (unsigned where = 0; where < POLICY_WHERE_COUNT; where++)
            if (policy_mask_verdict(inner, mask, where) <
                policy_mask_verdict(outer, mask, where))
                wider("data", text);
}

static const struct policy_model *model_of(const struct policy *policy, const char *name)
{
    for (size_t i = 0; i < policy->model_count; i++)
        if (strcmp(policy->models[i].name, name) == 0)
            return &policy->models[i];
    return NULL;
}

static void compare_models(const struct policy *outer, const struct policy *inner,
                           const char *text)
{
    for (size_t i = 0; i < inner->model_count; i++) {
        const struct policy_model *model = &inner->models[i],
                                  *was = model_of(outer, model->name);

        if (was == NULL || strcmp(model->url, was->url) != 0 ||
            (model->allow & ~was->allow) != 0 ||
            (model->allow_redacted & ~(was->allow_redacted | was->allow)) != 0)
            wider("a model", text);
    }
}

static void compare_budget(const struct policy_budget *outer,
                           const struct policy_budget *inner, const char *text)
{
    if (is_more(inner->tokens, outer->tokens) || is_more(inner->micro_usd, outer->micro_usd) ||
        is_more(inner->minutes, outer->minutes))
        wider("a budget", text);
}

static bool is_within(const struct policy_egress *inner, const struct policy_egress *outer)
{
    if (outer->inspected && !inner->inspected)
        return false;
    for (size_t i = 0; outer->inspected && i < inner->methods.count; i++)
        if (!has_text(outer->methods.at, outer->methods.count, inner->methods.at[i]))
            return false;
    return inner->private == outer->private && inner->paths[0].count == outer->paths[0].count &&
           inner->upload_bytes == outer->upload_bytes &&
           inner->download_bytes == outer->download_bytes && inner->index == outer->index;
}

static void compare_egress(const struct policy *outer, const struct policy *inner,
                           const char *text)
{
    for (size_t i = 0; i < inner->egress_count; i++) {
        bool found = false;

        for (size_t j = 0; j < outer->egress_count; j++)
            found = found || (strcmp(inner->egress[i].host, outer->egress[j].host) == 0 &&
                              inner->egress[i].port == outer->egress[j].port &&
                              is_within(&inner->egress[i], &outer->egress[j]));
        if (!found)
            wider("egress", text);
    }
}

static void compare_people(const struct policy *outer, const struct policy *inner,
                           const char *text)
{
    if (inner->people_count != outer->people_count || inner->approvals < outer->approvals)
        wider("people", text);
    for (size_t i = 0; i < inner->approvals_from_count; i++)
        if (outer->approvals_from_count > 0 &&
            !has_text(outer->approvals_from, outer->approvals_from_count,
                      inner->approvals_from[i]))
            wider("approvals.from", text);
    if (outer->approvals_from_count > 0 && inner->approvals_from_count == 0)
        wider("approvals.from", text);
}

static void compare(const struct policy *outer, const struct policy *inner, const char *text)
{
    const struct schema_row *phase = schema_find("phase");

    compare_paths(outer, inner, text);
    compare_classes(outer, inner, text);
    compare_models(outer, inner, text);
    compare_budget(&outer->budget_run, &inner->budget_run, text);
    compare_budget(&outer->budget_person_day, &inner->budget_person_day, text);
    compare_budget(&outer->budget_repository_day, &inner->budget_repository_day, text);
    compare_egress(outer, inner, text);
    compare_people(outer, inner, text);
    if (inner->limit_files > outer->limit_files || inner->limit_lines > outer->limit_lines)
        wider("a limit", text);
    if (memcmp(&inner->resources, &outer->resources, sizeof(inner->resources)) != 0 ||
        inner->environment_pass_count != outer->environment_pass_count)
        wider("the cell", text);
    if (schema_word_index(phase, inner->phase) > schema_word_index(phase, outer->phase) ||
        strcmp(inner->audit, outer->audit) != 0 || inner->hide_names < outer->hide_names ||
        policy_hides_names(inner, ROLE) < policy_hides_names(outer, ROLE))
        wider("the rest", text);
}

/* ---- the test ---- */

struct tally {
    size_t tried, taken;
};

static void try_text(const struct policy_settings *outer, const struct policy *alone,
                     const struct schema_row *row, const char *text, struct tally *tally)
{
    struct policy_settings *inner = NULL;
    struct policy *policy = NULL;
    struct fault fault = {0};

    if (!policy_read(slice_of(text), "custody.yaml", &inner, &fault))
        fail_msg("%s\n%s", fault.why, text);
    if (policy_build(outer, inner, &policy, &fault)) {
        compare(alone, policy, text);
        tally->taken++;
        if ((row->files & SCHEMA_REPOSITORY) == 0)
            wider("what is the organisation's alone", text);
    } else {
        assert_int_equal(fault.kind, FAULT_INVALID);
    }
    tally->tried++;
    policy_free(policy);
    policy_settings_free(inner);
}

static void try_value(const struct policy_settings *outer, const struct policy *alone,
                      const struct schema_row *row, const char *value, struct tally *tally)
{
    const struct values *keys = keys_of(row), *more = beside(row);

    for (size_t i = 0; i < COUNT(keys->at) && keys->at[i] != NULL; i++)
        for (size_t j = 0; j < COUNT(more->at) && more->at[j] != NULL; j++) {
            AUTO_FREE char *text = text_of(row, keys->at[i], value, more->at[j]);

            try_text(outer, alone, row, text, tally);
        }
}

static void try_row(const struct policy_settings *outer, const struct policy *alone,
                    const struct schema_row *row, struct tally *tally)
{
    struct slice rest = row->words == NULL ? (struct slice){0} : slice_of(row->words);
    struct slice word;

    while (row->words != NULL && slice_cut(&rest, ' ', &word)) {
        AUTO_FREE char *value = slice_dup(word);

        try_value(outer, alone, row, value, tally);
    }
    for (size_t i = 0; row->words == NULL && i < COUNT(values[row->type].at) &&
                       values[row->type].at[i] != NULL;
         i++)
        try_value(outer, alone, row, values[row->type].at[i], tally);
}

static void whatever_a_repository_says_nothing_gets_wider(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(organisations); i++) {
        struct policy_settings *outer = NULL;
        struct policy *alone = NULL;
        struct fault fault = {0};
        size_t rows_taken = 0;

        assert_ok(policy_read(slice_of(organisations[i]), "policy.yaml", &outer, &fault),
                  fault);
        assert_ok(policy_build(outer, NULL, &alone, &fault), fault);
        for (size_t row = 0; row < schema_row_count; row++) {
            struct tally tally = {0};

            try_row(outer, alone, &schema_rows[row], &tally);
            if (tally.tried == 0)
                fail_msg("no value of %s is tried", schema_rows[row].text);
            rows_taken += tally.taken > 0;
        }
        assert_true(rows_taken > 20); /* it is not that everything is refused */
        policy_free(alone);
        policy_settings_free(outer);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(whatever_a_repository_says_nothing_gets_wider),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
