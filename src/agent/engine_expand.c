/* From an engine and what its placeholders stand for to what a cell starts. */
#include <stdio.h>

#include "agent/engine.h"
#include "agent/engine_parts.h"
#include "base/scope.h"

/* MAX_ARG_STRLEN of Linux is 32 pages, its NUL included. */
#define ARGUMENT_BYTES_MAX (128 * 1024 - 1)
#define TEMPLATE_BYTES_MAX (256 * 1024)

struct expansion {
    const struct engine *engine;
    const struct engine_values *values;
    const char *mcp; /* what {mcp} stands for */
};

static const char *value_of(const struct expansion *with, struct slice word)
{
    const struct {
        const char *word, *value;
    } rows[] = {
        {"prompt", with->values->prompt},
        {"model", with->values->model},
        {"base_url_openai", with->values->base_url_openai},
        {"base_url_anthropic", with->values->base_url_anthropic},
        {"home", with->values->home},
        {"engine", with->values->engine_folder},
        {"mcp", with->mcp},
    };

    for (size_t i = 0; i < COUNT(rows); i++)
        if (slice_equal(word, slice_of(rows[i].word)))
            return rows[i].value;
    return NULL;
}

static bool value_is_plain(const char *value)
{
    for (const char *c = value; *c != 0; c++)
        if (!((*c >= 'a' && *c <= 'z') || (*c >= 'A' && *c <= 'Z') ||
              (*c >= '0' && *c <= '9') || strchr("._:/@+-", *c) != NULL))
            return false;
    return value[0] != 0;
}

static bool check_values(const struct expansion *with, struct fault *fault)
{
    for (size_t i = 0; engine_placeholders[i] != NULL; i++) {
        const char *value = value_of(with, slice_of(engine_placeholders[i]));

        if (strcmp(engine_placeholders[i], "prompt") == 0 ||
            strcmp(engine_placeholders[i], "mcp") == 0)
            continue; /* an argument of its own, whatever it holds; and what we have written */
        if (value == NULL || !value_is_plain(value))
            return fault_set(fault, FAULT_INVALID,
                             "engine %s: %s must be plain letters, digits and ._:/@+-",
                             with->engine->name, engine_placeholders[i]);
    }
    if (with->values->prompt == NULL || with->values->prompt[0] == 0)
        return fault_set(fault, FAULT_INVALID, "engine %s: no prompt", with->engine->name);
    if (strlen(with->values->prompt) > ARGUMENT_BYTES_MAX)
        return fault_set(fault, FAULT_LIMIT, "engine %s: the prompt is longer than %d bytes",
                         with->engine->name, ARGUMENT_BYTES_MAX);
    return true;
}

/* `words`: the dialect's own words, themselves templates; NULL: only the placeholders that all
 * have. */
static bool fill_in(const struct expansion *with, const struct engine_pairs *words,
                    struct slice text, struct buf *out, struct fault *fault)
{
    size_t at = 0, start, end;
    struct slice word;

    while (engine_next_placeholder(text, at, &start, &end, &word)) {
        const char *own = words == NULL ? NULL : engine_pairs_find(words, word);
        const char *value = value_of(with, word);

        if (!buf_add(out, slice_part(text, at, start), fault))
            return false;
        if (own != NULL && !fill_in(with, NULL, slice_of(own), out, fault))
            return false;
        if (own == NULL && value == NULL)
            return fault_set(fault, FAULT_INVALID, "engine %s: nothing stands for {%.*s}",
                             with->engine->name, SLICE_ARGS(word));
        if (own == NULL && !buf_add_text(out, value, fault))
            return false;
        at = end;
    }
    return buf_add(out, slice_part(text, at, text.len), fault);
}

static bool expand_text(const struct expansion *with, const char *text, char **ret_text,
                        struct fault *fault)
{
    AUTO_BUF struct buf out = buf_with_limit(TEMPLATE_BYTES_MAX);

    if (!fill_in(with, &with->engine->words[with->values->dialect], slice_of(text), &out,
                 fault))
        return false;
    *ret_text = slice_dup(buf_slice(&out));
    return true;
}

static char *in_engine(const struct engine_values *values, const char *path)
{
    return xformat("%s/%s", values->engine_folder, path);
}

static bool expand_argv(const struct expansion *with, struct engine_launch *launch,
                        struct fault *fault)
{
    const struct engine *engine = with->engine;
    size_t count = 0;

    launch->argv = xalloc_array(engine->arguments.count + 3, sizeof(launch->argv[0]));
    if (engine->interpreter != NULL)
        launch->argv[count++] = in_engine(with->values, engine->interpreter);
    launch->argv[count++] = engine->program == NULL ? xstrdup(with->values->custody_program)
                                                    : in_engine(with->values, engine->program);
    for (size_t i = 0; i < engine->arguments.count; i++) {
        char *argument = NULL;

        if (!expand_text(with, engine->arguments.at[i], &argument, fault))
            return false;
        launch->argv[count++] = argument;
    }
    return true;
}

static bool expand_environment(const struct expansion *with, struct engine_launch *launch,
                               struct fault *fault)
{
    const struct engine_pairs *from = &with->engine->environment;

    launch->environment = xalloc_array(from->count + 1, sizeof(launch->environment[0]));
    for (size_t i = 0; i < from->count; i++) {
        AUTO_FREE char *value = NULL;

        if (!expand_text(with, from->at[i].value, &value, fault))
            return false;
        launch->environment[i] = xformat("%s=%s", from->at[i].name, value);
    }
    return true;
}

static bool expand_files(const struct expansion *with, struct engine_launch *launch,
                         struct fault *fault)
{
    for (size_t i = 0; i < with->engine->files.count; i++) {
        AUTO_FREE char *content = NULL;

        if (!expand_text(with, with->engine->files.at[i].value, &content, fault))
            return false;
        engine_pairs_add(&launch->files, with->engine->files.at[i].name, content);
    }
    return true;
}

static bool add_server(const struct engine *engine, const struct engine_mcp *server,
                       struct buf *out, struct fault *fault)
{
    struct slice text = slice_of(engine->mcp_each), word;
    size_t at = 0, start, end;

    if (!value_is_plain(server->name) || !value_is_plain(server->url))
        return fault_set(fault, FAULT_INVALID, "engine %s: the name of a tool server is not plain",
                         engine->name);
    for (; engine_next_placeholder(text, at, &start, &end, &word); at = end)
        if (!buf_add(out, slice_part(text, at, start), fault) ||
            !buf_add_text(out, slice_equal(word, SLICE("url")) ? server->url : server->name,
                          fault))
            return false;
    return buf_add(out, slice_part(text, at, text.len), fault);
}

/* The tool servers as the engine's own files name them; empty where it can have none. */
static bool write_servers(const struct engine *engine, const struct engine_values *values,
                          struct buf *out, struct fault *fault)
{
    const char *between = engine->mcp_between == NULL ? "" : engine->mcp_between;

    for (size_t i = 0; engine->mcp_each != NULL && i < values->mcp_count; i++)
        if ((i > 0 && !buf_add_text(out, between, fault)) ||
            !add_server(engine, &values->mcp[i], out, fault))
            return false;
    return true;
}

bool engine_expand(const struct engine *engine, const struct engine_values *values,
                   struct engine_launch *ret_launch, struct fault *fault)
{
    AUTO_BUF struct buf mcp = buf_with_limit(TEMPLATE_BYTES_MAX);
    struct expansion with = {.engine = engine, .values = values};
    struct engine_launch launch = {.memory_bytes = engine->memory_bytes,
                                   .nofile = engine->nofile};

    if ((engine->dialects & ENGINE_DIALECT_BIT(values->dialect)) == 0)
        return fault_set(fault, FAULT_INVALID, "engine %s does not speak %s", engine->name,
                         engine_dialect_name(values->dialect));
    if (engine->program == NULL &&
        (values->custody_program == NULL || values->custody_program[0] != '/'))
        return fault_set(fault, FAULT_INVALID, "engine %s: where custody is, is not known",
                         engine->name);
    if (!check_values(&with, fault) || !write_servers(engine, values, &mcp, fault))
        return false;
    with.mcp = buf_text(&mcp);
    if (!expand_argv(&with, &launch, fault) || !expand_environment(&with, &launch, fault) ||
        !expand_files(&with, &launch, fault)) {
        engine_launch_free(&launch);
        return false;
    }
    *ret_launch = launch;
    return true;
}

static void free_texts(const char **texts)
{
    for (size_t i = 0; texts != NULL && texts[i] != NULL; i++) {
        void *text = (void *)(uintptr_t)texts[i];

        free(text);
    }
    free(texts);
}

void engine_launch_add_file(struct engine_launch *launch, const char *path,
                            const char *content)
{
    engine_pairs_add(&launch->files, path, content);
}

void engine_launch_free(struct engine_launch *launch)
{
    free_texts(launch->argv);
    free_texts(launch->environment);
    engine_pairs_free(&launch->files);
    *launch = (struct engine_launch){0};
}
