#include "test.h"

#include <fcntl.h>
#include <jansson.h>
#include <stdio.h>
#include <sys/stat.h>

#include "agent/engine.h"
#include "base/scope.h"
#include "os/file.h"

#define PROMPT "a \"prompt\" with\n{model}, $(id) and '"

static struct engine_values values_for(enum engine_dialect dialect)
{
    return (struct engine_values){.dialect = dialect,
                                  .prompt = PROMPT,
                                  .model = "onprem/m-1.5",
                                  .base_url_openai = "http://127.0.0.1:8080/v1",
                                  .base_url_anthropic = "http://127.0.0.1:8080",
                                  .home = "/home/agent",
                                  .engine_folder = "/opt/engine",
                                  .custody_program = "/opt/custody/custody"};
}

/* No {word} is left, but in the prompt, which is an argument as it is. */
static void check_text(const char *text, size_t *prompts)
{
    if (strcmp(text, PROMPT) == 0) {
        (*prompts)++;
        return;
    }
    assert_null(strstr(text, PROMPT));
    for (const char *open = strchr(text, '{'); open != NULL; open = strchr(open + 1, '{')) {
        size_t len = strspn(open + 1, "abcdefghijklmnopqrstuvwxyz_");

        if (len > 0 && open[1 + len] == '}')
            fail_msg("nothing was put in: %s", text);
    }
}

static void check_launch(const struct engine *engine, const struct engine_launch *launch)
{
    size_t prompts = 0;

    assert_int_equal(launch->argv[0][0], '/');
    for (size_t i = 1; launch->argv[i] != NULL; i++)
        check_text(launch->argv[i], &prompts);
    assert_int_equal(prompts, 1);
    for (size_t i = 0; launch->environment[i] != NULL; i++) {
        assert_non_null(strchr(launch->environment[i], '='));
        check_text(launch->environment[i], &prompts);
    }
    for (size_t i = 0; i < launch->files.count; i++) {
        const char *content = launch->files.at[i].value;

        assert_int_not_equal(launch->files.at[i].name[0], '/');
        check_text(content, &prompts);
        if (slice_ends_with(slice_of(launch->files.at[i].name), SLICE(".json"))) {
            json_t *value = json_loads(content, JSON_REJECT_DUPLICATES, NULL);

            if (value == NULL)
                fail_msg("%s of %s is not JSON", launch->files.at[i].name, engine->name);
            json_decref(value);
        }
    }
    assert_int_equal(prompts, 1);
    assert_true(launch->memory_bytes == engine->memory_bytes &&
                launch->nofile == engine->nofile);
}

static void every_engine_that_is_compiled_in_expands_in_each_of_its_dialects(void **state)
{
    struct engine_texts names = {0};
    struct fault fault = {0};

    (void)state;
    assert_ok(engine_names(NULL, &names, &fault), fault);
    assert_true(names.count >= 5);
    for (size_t i = 0; i < names.count; i++) {
        struct engine *engine = NULL;

        assert_ok(engine_load(NULL, names.at[i], &engine, &fault), fault);
        assert_string_equal(engine->name, names.at[i]);
        for (int dialect = 0; dialect < ENGINE_DIALECT_COUNT; dialect++) {
            struct engine_values values = values_for((enum engine_dialect)dialect);
            struct engine_launch launch;

            if ((engine->dialects & ENGINE_DIALECT_BIT(dialect)) == 0) {
                assert_false(engine_expand(engine, &values, &launch, &fault));
                assert_int_equal(fault.kind, FAULT_INVALID);
                continue;
            }
            assert_ok(engine_expand(engine, &values, &launch, &fault), fault);
            check_launch(engine, &launch);
            engine_launch_free(&launch);
        }
        engine_free(engine);
    }
    engine_names_free(&names);
}

/* Each has its own form; all of them are read as JSON or TOML by the check above. */
static void an_engine_names_the_tool_servers_its_own_way(void **state)
{
    static const struct engine_mcp servers[] = {
        {"tickets", "http://127.0.0.1:8080/mcp/tickets"},
        {"wiki", "http://127.0.0.1:8080/mcp/wiki"}};
    static const struct {
        const char *engine, *holds;
        enum engine_dialect dialect;
    } cases[] = {
        {"codex", "[mcp_servers.wiki]\nurl = \"http://127.0.0.1:8080/mcp/wiki\"\n",
         ENGINE_OPENAI_RESPONSES},
        {"gemini", "\"wiki\":{\"httpUrl\":\"http://127.0.0.1:8080/mcp/wiki\"", ENGINE_GEMINI},
        {"qwen", "\"tickets\":{\"httpUrl\":\"http://127.0.0.1:8080/mcp/tickets\"",
         ENGINE_OPENAI},
        {"opencode", "\"url\":\"http://127.0.0.1:8080/mcp/tickets\",\"enabled\":true",
         ENGINE_OPENAI},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct engine_values values = values_for(cases[i].dialect);
        struct engine_launch launch;
        struct engine *engine = NULL;
        struct fault fault = {0};

        assert_ok(engine_load(NULL, cases[i].engine, &engine, &fault), fault);
        values.mcp = servers;
        values.mcp_count = COUNT(servers);
        assert_ok(engine_expand(engine, &values, &launch, &fault), fault);
        check_launch(engine, &launch);
        if (strstr(launch.files.at[0].value, cases[i].holds) == NULL)
            fail_msg("%s: %s", cases[i].engine, launch.files.at[0].value);
        engine_launch_free(&launch);
        values.mcp = (const struct engine_mcp[]){{"a\"b", "http://127.0.0.1"}};
        values.mcp_count = 1;
        assert_false(engine_expand(engine, &values, &launch, &fault));
        engine_free(engine);
    }
}

static void a_value_that_could_break_out_of_json_is_refused(void **state)
{
    static const char *const bad[] = {"",      "a\"b", "a b",         "a\nb", "a'b",
                                      "$(id)", "a{b}", "caf\xc3\xa9", NULL};
    struct engine *engine = NULL;
    struct fault fault = {0};

    (void)state;
    assert_ok(engine_load(NULL, "pi", &engine, &fault), fault);
    for (size_t i = 0; i < COUNT(bad); i++)
        for (int which = 0; which < 3; which++) {
            struct engine_values values = values_for(ENGINE_OPENAI);
            struct engine_launch launch;

            *(which == 0   ? &values.model
              : which == 1 ? &values.base_url_openai
                           : &values.home) = bad[i];
            assert_false(engine_expand(engine, &values, &launch, &fault));
            assert_int_equal(fault.kind, FAULT_INVALID);
        }
    engine_free(engine);
}

static void a_prompt_is_there_and_fits_one_argument(void **state)
{
    AUTO_FREE char *prompt = xalloc(128 * 1024 + 1);
    struct engine_values values = values_for(ENGINE_OPENAI);
    struct engine_launch launch;
    struct engine *engine = NULL;
    struct fault fault = {0};

    (void)state;
    assert_ok(engine_load(NULL, "custody-agent", &engine, &fault), fault);
    (void)memset(prompt, 'a', 128 * 1024);
    values.prompt = prompt;
    assert_false(engine_expand(engine, &values, &launch, &fault));
    assert_int_equal(fault.kind, FAULT_LIMIT);
    prompt[128 * 1024 - 1] = 0;
    assert_ok(engine_expand(engine, &values, &launch, &fault), fault);
    engine_launch_free(&launch);
    values.prompt = "";
    assert_false(engine_expand(engine, &values, &launch, &fault));
    values = values_for(ENGINE_OPENAI);
    values.custody_program = "custody";
    assert_false(engine_expand(engine, &values, &launch, &fault));
    engine_free(engine);
}

/* ---- the file ---- */

#define HEAD "version: 1\nname: x\ntitle: X\nrelease: \"1\"\n"
#define TAIL "resources: { memory: 64M, files: 256 }\nsandbox: none\noffline: yes\n"
#define REST "program: custody\ndialects: { openai: {} }\narguments: [\"{prompt}\"]\n" TAIL

static void a_bad_engine_file_is_refused_with_line_and_column(void **state)
{
    static const struct {
        const char *text, *why;
    } rows[] = {
        {"", "x.yaml:1:1: empty"},
        {"- a\n", "x.yaml:1:1: must be a mapping"},
        {HEAD REST "extra: 1\n", "x.yaml:11:8: unknown key extra"},
        {HEAD REST "program: bin/y\n", "x.yaml:11:"},
        {HEAD "program: custody\n", "the key dialects is missing"},
        {"version: 2\nname: x\n", "x.yaml:1:10: must be a whole number from 1 to 1"},
        {"version: 1\nname: X\n", "x.yaml:2:7: a name is up to 40 of a-z, 0-9 and -"},
        {"version: 1\nname: ../x\n", "x.yaml:2:7: a name is"},
        {HEAD "platform: windows\n" REST, "x.yaml:5:11: a platform is"},
        {HEAD "install: [\"pkg@latest\"]\n" REST, "x.yaml:5:12: must be NAME@VERSION"},
        {HEAD "install: [pkg]\n" REST, "must be NAME@VERSION"},
        {HEAD "install: [\"pkg@^1.0.0\"]\n" REST, "must be NAME@VERSION"},
        {HEAD "install: [\"--registry=http://x@1\"]\n" REST, "must be NAME@VERSION"},
        {HEAD "install: [\"https://x/y.tgz@1\"]\n" REST, "must be NAME@VERSION"},
        {HEAD "install: [\"../up@1.0\"]\n" REST, "must be NAME@VERSION"},
        {HEAD "program: /bin/sh\n", "x.yaml:5:10: must be a path below its folder"},
        {HEAD "program: a/../../b\n", "x.yaml:5:10: must be a path below its folder"},
        {HEAD "interpreter: ./node\n" REST, "must be a path below its folder"},
        {HEAD "program: custody\ndialects: { gopher: {} }\n",
         "x.yaml:6:13: unknown dialect gopher"},
        {HEAD "program: custody\ndialects: {}\n", "names no dialect"},
        {HEAD "program: custody\ndialects: { openai: { prompt: a } }\n",
         "{prompt} has a meaning already"},
        {HEAD "program: custody\ndialects: { openai: {} }\narguments: [\"{promt}\"]\n" TAIL,
         "x.yaml:7:14: "},
        {HEAD "program: custody\ndialects: { openai: {} }\narguments: [\"x={prompt}\"]\n" TAIL,
         "x.yaml:7:14: "},
        {HEAD "environment: { LD_PRELOAD: /x }\n" REST,
         "not a variable that an engine may set: LD_PRELOAD"},
        {HEAD "environment: { \"A=B\": x }\n" REST,
         "not a variable that an engine may set: A=B"},
        {HEAD "environment: { P: \"{prompt}\" }\n" REST, "x.yaml:5:20: "},
        {HEAD "files: [ { path: /etc/x, content: y } ]\n" REST,
         "must be a path below its folder"},
        {HEAD "files: [ { path: x } ]\n" REST, "the key content is missing"},
        {HEAD "program: custody\nresources: { memory: 64, files: 256 }\n",
         "must be a size such as 512M or 2G"},
        {HEAD "program: custody\nresources: { memory: 64M, files: 1 }\n",
         "must be a whole number from 64"},
        {HEAD "program: [a]\n", "x.yaml:5:"},
        {HEAD "title2: &a x\n" REST, "x.yaml:5:"},
        {"%YAML 1.2\n---\n" HEAD REST, "x.yaml:1:1: directives have no place here"},
        {HEAD REST "# caf\xe9\nname: y\n", "x.yaml:11:6: not UTF-8"},
        {HEAD REST "---\n" HEAD REST, "a second document is not taken"},
    };
    struct engine *engine = NULL;
    struct fault good = {0};

    (void)state;
    assert_ok(engine_parse(SLICE(HEAD REST), "x.yaml", &engine, &good), good);
    engine_free(engine);
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct fault fault = {0};

        if (engine_parse(slice_of(rows[i].text), "x.yaml", &engine, &fault))
            fail_msg("row %zu is taken", i);
        assert_int_equal(fault.kind, FAULT_INVALID);
        if (!slice_starts_with(slice_of(fault.why), SLICE("x.yaml:")) ||
            strstr(fault.why, rows[i].why) == NULL)
            fail_msg("row %zu: %s, wanted %s", i, fault.why, rows[i].why);
    }
}

/* ---- where files come from ---- */

static void write_engine(const char *folder, const char *name, const char *text)
{
    AUTO_FREE char *path = xformat("%s/%s", folder, name);
    struct fault fault = {0};

    assert_ok(file_create(AT_FDCWD, path, slice_of(text), 0600, &fault), fault);
}

static void the_state_folders_file_replaces_and_adds(void **state)
{
    char folder[] = "/tmp/custody-test-XXXXXX";
    struct engine_texts names = {0};
    struct engine *engine = NULL;
    struct fault fault = {0};
    size_t found = 0;

    (void)state;
    assert_non_null(mkdtemp(folder));
    write_engine(folder, "x.yaml", HEAD REST);
    write_engine(folder, "codex.yaml", HEAD REST);
    write_engine(folder, "Not-A-Name.yaml", HEAD REST);
    assert_ok(engine_names(folder, &names, &fault), fault);
    for (size_t i = 0; i < names.count; i++)
        found += strcmp(names.at[i], "x") == 0 || strcmp(names.at[i], "codex") == 0;
    assert_int_equal(found, 2);
    assert_ok(engine_load(folder, "x", &engine, &fault), fault);
    engine_free(engine);
    assert_false(
        engine_load(folder, "codex", &engine, &fault)); /* the file there says that it is x */
    assert_int_equal(fault.kind, FAULT_INVALID);
    assert_false(engine_load(folder, "../x", &engine, &fault));
    assert_int_equal(fault.kind, FAULT_MISSING);
    assert_false(engine_load(folder, "nobody", &engine, &fault));
    assert_int_equal(fault.kind, FAULT_MISSING);
    assert_non_null(strstr(fault.why, "custody-agent"));
    engine_names_free(&names);
    assert_ok(file_remove_tree(AT_FDCWD, folder, &fault), fault);
}

static void an_engine_that_is_not_installed_says_how(void **state)
{
    struct engine_installed installed = {0};
    struct engine *engine = NULL;
    struct fault fault = {0};

    (void)state;
    assert_ok(engine_load(NULL, "codex", &engine, &fault), fault);
    assert_false(engine_find_installed("/nonexistent", engine, &installed, &fault));
    assert_int_equal(fault.kind, FAULT_MISSING);
    assert_non_null(strstr(fault.why, "custody engine install codex"));
    engine_free(engine);
    assert_ok(engine_load(NULL, "custody-agent", &engine, &fault), fault);
    assert_ok(engine_find_installed("/nonexistent", engine, &installed, &fault), fault);
    assert_null(installed.folder);
    engine_installed_free(&installed);
    engine_free(engine);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(every_engine_that_is_compiled_in_expands_in_each_of_its_dialects),
        TEST(an_engine_names_the_tool_servers_its_own_way),
        TEST(a_value_that_could_break_out_of_json_is_refused),
        TEST(a_prompt_is_there_and_fits_one_argument),
        TEST(a_bad_engine_file_is_refused_with_line_and_column),
        TEST(the_state_folders_file_replaces_and_adds),
        TEST(an_engine_that_is_not_installed_says_how),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
