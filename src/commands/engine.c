#include <stdio.h>

#include "agent/engine.h"
#include "base/scope.h"
#include "commands/table.h"
#include "flow/home.h"

/* The state folder's engines/; NULL where there is no state folder yet. */
static char *engines_folder(bool make, struct fault *fault)
{
    struct home home = {.fd = -1};
    char *folder;

    if (!home_open(make, &home, fault))
        return NULL;
    folder = xformat("%s/engines", home.path);
    home_close(&home);
    return folder;
}

static json_t *texts_json(const struct engine_texts *texts)
{
    json_t *array = json_array();

    for (size_t i = 0; i < texts->count; i++)
        (void)json_array_append_new(array, json_string(texts->at[i]));
    return array;
}

static json_t *pairs_json(const struct engine_pairs *pairs)
{
    json_t *object = json_object();

    for (size_t i = 0; i < pairs->count; i++)
        (void)json_object_set_new(object, pairs->at[i].name, json_string(pairs->at[i].value));
    return object;
}

static json_t *dialects_json(const struct engine *engine)
{
    json_t *array = json_array();

    for (unsigned i = 0; i < ENGINE_DIALECT_COUNT; i++)
        if ((engine->dialects & ENGINE_DIALECT_BIT(i)) != 0)
            (void)json_array_append_new(
                array, json_string(engine_dialect_name((enum engine_dialect)i)));
    return array;
}

/* "yes", "no", or "changed"; `ret_digest` is "" but for yes. */
static const char *installed_word(const char *folder, const struct engine *engine,
                                  char ret_digest[65])
{
    struct engine_installed installed = {0};
    struct fault fault = {0};

    ret_digest[0] = 0;
    if (!engine_find_installed(folder == NULL ? "" : folder, engine, &installed, &fault))
        return fault.kind == FAULT_MISSING ? "no" : "changed";
    (void)snprintf(ret_digest, 65, "%s", installed.digest);
    engine_installed_free(&installed);
    return "yes";
}

static json_t *engine_json(const char *folder, const struct engine *engine)
{
    char digest[65];
    const char *word = installed_word(folder, engine, digest);

    return json_pack("{s:s,s:s,s:s,s:o,s:s,s:s*}", "name", engine->name, "title",
                     engine->title, "release", engine->release, "dialects",
                     dialects_json(engine), "installed", word, "digest",
                     digest[0] == 0 ? NULL : digest);
}

static bool print_engine_line(const struct invocation *invocation, const char *folder,
                              const char *name, json_t *list, struct fault *fault)
{
    struct engine *engine;
    char digest[65];

    if (!engine_load(folder, name, &engine, fault))
        return false;
    if (invocation->json)
        (void)json_array_append_new(list, engine_json(folder, engine));
    else
        (void)printf("%-16s %-10s installed: %-8s %s\n", engine->name, engine->release,
                     installed_word(folder, engine, digest), engine->title);
    engine_free(engine);
    return true;
}

static int run_list(const struct invocation *invocation)
{
    struct fault fault = {0};
    AUTO_FREE char *folder = engines_folder(false, &fault);
    struct engine_texts names = {0};
    json_t *list = json_array();
    bool ok = engine_names(folder, &names, &fault);

    for (size_t i = 0; ok && i < names.count; i++)
        ok = print_engine_line(invocation, folder, names.at[i], list, &fault);
    engine_names_free(&names);
    if (ok && invocation->json)
        command_print_json(json_incref(list));
    json_decref(list);
    return ok ? EXIT_YES : command_fail(invocation, &fault);
}

static void print_engine(const char *folder, const struct engine *engine)
{
    char digest[65];
    const char *word = installed_word(folder, engine, digest);

    (void)printf("%s: %s %s\n", engine->name, engine->title, engine->release);
    (void)printf("installed: %s%s%s\n", word,
                 digest[0] == 0 ? "" : ", SHA-256 of the program ", digest);
    (void)fputs("dialects:", stdout);
    for (unsigned i = 0; i < ENGINE_DIALECT_COUNT; i++)
        if ((engine->dialects & ENGINE_DIALECT_BIT(i)) != 0)
            (void)printf(" %s", engine_dialect_name((enum engine_dialect)i));
    (void)fputs("\nstarted as:", stdout);
    if (engine->interpreter != NULL)
        (void)printf(" %s", engine->interpreter);
    (void)printf(" %s", engine->program == NULL ? "custody" : engine->program);
    for (size_t i = 0; i < engine->arguments.count; i++)
        (void)printf(" %s", engine->arguments.at[i]);
    (void)fputc('\n', stdout);
    for (size_t i = 0; i < engine->packages.count; i++)
        (void)printf("from npm: %s\n", engine->packages.at[i]);
    for (size_t i = 0; i < engine->environment.count; i++)
        (void)printf("sets: %s=%s\n", engine->environment.at[i].name,
                     engine->environment.at[i].value);
    for (size_t i = 0; i < engine->files.count; i++)
        (void)printf("writes: ~/%s\n", engine->files.at[i].name);
    (void)printf("memory: %llu MiB, open files: %u\n",
                 (unsigned long long)(engine->memory_bytes >> 20), engine->nofile);
    (void)printf("own sandbox: %s\nstays offline: %s\n", engine->sandbox, engine->offline);
}

static int run_show(const struct invocation *invocation)
{
    struct fault fault = {0};
    AUTO_FREE char *folder = engines_folder(false, &fault);
    struct engine *engine;
    json_t *shown;

    if (!engine_load(folder, invocation->arguments[0], &engine, &fault))
        return command_fail(invocation, &fault);
    if (invocation->json) {
        shown = engine_json(folder, engine);
        (void)json_object_set_new(shown, "packages", texts_json(&engine->packages));
        (void)json_object_set_new(shown, "arguments", texts_json(&engine->arguments));
        (void)json_object_set_new(shown, "environment", pairs_json(&engine->environment));
        (void)json_object_set_new(shown, "files", pairs_json(&engine->files));
        (void)json_object_set_new(shown, "memory_bytes",
                                  json_integer((json_int_t)engine->memory_bytes));
        (void)json_object_set_new(shown, "nofile", json_integer((json_int_t)engine->nofile));
        command_print_json(shown);
    } else {
        print_engine(folder, engine);
    }
    engine_free(engine);
    return EXIT_YES;
}

static int run_install(const struct invocation *invocation)
{
    struct fault fault = {0};
    AUTO_FREE char *folder = engines_folder(true, &fault);
    struct engine *engine;
    bool ok;

    if (folder == NULL || !engine_load(folder, invocation->arguments[0], &engine, &fault))
        return command_fail(invocation, &fault);
    ok = engine->program == NULL || engine_install(folder, engine, &fault);
    if (ok && invocation->json)
        command_print_json(engine_json(folder, engine));
    else if (ok)
        print_engine(folder, engine);
    engine_free(engine);
    return ok ? EXIT_YES : command_fail(invocation, &fault);
}

const struct command command_engine_list = {
    .name = "engine list",
    .arguments = "",
    .prints_json = true,
    .summary = "Lists the agent programs that custody knows how to run",
    .text = "NAME.yaml in the state folder's engines/ adds an engine or replaces one.",
    .run = run_list,
};

const struct command command_engine_show = {
    .name = "engine show",
    .arguments = "NAME",
    .arguments_min = 1,
    .arguments_max = 1,
    .prints_json = true,
    .summary = "Shows how an engine is installed, started and kept offline",
    .run = run_show,
};

const struct command command_engine_install = {
    .name = "engine install",
    .arguments = "NAME",
    .arguments_min = 1,
    .arguments_max = 1,
    .prints_json = true,
    .summary = "Installs an engine with npm, at the version that its file pins",
    .text = "Runs npm without install scripts, into engines/NAME-RELEASE of the state folder, "
            "and records\n"
            "the program's SHA-256. The registry is the one that npm is set up with. This "
            "verb alone goes\n"
            "to the network for an engine; `custody run` never installs anything.",
    .run = run_install,
};
