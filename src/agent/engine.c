#include "agent/engine.h"

#include <stdio.h>

#include "agent/engine_parts.h"
#include "wire/yaml.h"
#include "base/scope.h"

#define LIST_MAX 64
#define PATH_BYTES_MAX 400
#define NOFILE_MAX 1048576

static const char *const dialect_names[ENGINE_DIALECT_COUNT] = {
    [ENGINE_OPENAI] = "openai",
    [ENGINE_OPENAI_RESPONSES] = "openai-responses",
    [ENGINE_ANTHROPIC] = "anthropic",
    [ENGINE_GEMINI] = "gemini",
};

const char *const engine_placeholders[] = {
    "prompt", "model", "base_url_openai", "base_url_anthropic", "home", "engine", "mcp", NULL,
};

const char *engine_dialect_name(enum engine_dialect dialect)
{
    return dialect_names[dialect];
}

bool engine_dialect_parse(struct slice name, enum engine_dialect *ret_dialect)
{
    for (unsigned i = 0; i < ENGINE_DIALECT_COUNT; i++)
        if (slice_equal(name, slice_of(dialect_names[i]))) {
            *ret_dialect = (enum engine_dialect)i;
            return true;
        }
    return false;
}

bool engine_next_placeholder(struct slice text, size_t from, size_t *ret_start,
                             size_t *ret_end, struct slice *ret_word)
{
    for (size_t start; (start = slice_find_byte(text, '{', from)) != SIZE_MAX;
         from = start + 1) {
        size_t end = start + 1;

        while (end < text.len &&
               ((text.at[end] >= 'a' && text.at[end] <= 'z') || text.at[end] == '_'))
            end++;
        if (end == start + 1 || end == text.len || text.at[end] != '}')
            continue;
        *ret_start = start;
        *ret_end = end + 1;
        *ret_word = slice_part(text, start + 1, end);
        return true;
    }
    return false;
}

const char *engine_pairs_find(const struct engine_pairs *pairs, struct slice name)
{
    for (size_t i = 0; i < pairs->count; i++)
        if (slice_equal(name, slice_of(pairs->at[i].name)))
            return pairs->at[i].value;
    return NULL;
}

void engine_pairs_add(struct engine_pairs *pairs, const char *name, const char *value)
{
    size_t room = pairs->count; /* grown by one: these lists are short */

    pairs->at = xgrow(pairs->at, &room, pairs->count + 1, sizeof(pairs->at[0]));
    pairs->at[pairs->count++] =
        (struct engine_pair){.name = xstrdup(name), .value = xstrdup(value)};
}

void engine_pairs_free(struct engine_pairs *pairs)
{
    for (size_t i = 0; i < pairs->count; i++) {
        free(pairs->at[i].name);
        free(pairs->at[i].value);
    }
    free(pairs->at);
    *pairs = (struct engine_pairs){0};
}

void engine_texts_add(struct engine_texts *texts, const char *text)
{
    size_t room = texts->count;

    texts->at = xgrow(texts->at, &room, texts->count + 1, sizeof(texts->at[0]));
    texts->at[texts->count++] = xstrdup(text);
}

void engine_names_free(struct engine_texts *names)
{
    for (size_t i = 0; i < names->count; i++)
        free(names->at[i]);
    free(names->at);
    *names = (struct engine_texts){0};
}

void engine_free(struct engine *engine)
{
    if (engine == NULL)
        return;
    free(engine->name);
    free(engine->title);
    free(engine->release);
    free(engine->platform);
    free(engine->program);
    free(engine->interpreter);
    free(engine->mcp_each);
    free(engine->mcp_between);
    free(engine->sandbox);
    free(engine->offline);
    engine_names_free(&engine->packages);
    engine_names_free(&engine->arguments);
    engine_pairs_free(&engine->environment);
    engine_pairs_free(&engine->files);
    for (unsigned i = 0; i < ENGINE_DIALECT_COUNT; i++)
        engine_pairs_free(&engine->words[i]);
    free(engine);
}

bool engine_path_stays_below(struct slice path)
{
    struct slice part;

    if (path.len == 0 || path.len > PATH_BYTES_MAX || path.at[path.len - 1] == '/')
        return false;
    for (size_t i = 0; i < path.len; i++)
        if (path.at[i] < 0x21 || path.at[i] == 0x7f)
            return false;
    while (slice_cut(&path, '/', &part))
        if (part.len == 0 || slice_equal(part, SLICE(".")) || slice_equal(part, SLICE("..")))
            return false;
    return true;
}

static bool holds_only(struct slice text, const char *more)
{
    for (size_t i = 0; i < text.len; i++) {
        uint8_t c = text.at[i];

        if (!((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') ||
              (c != 0 && strchr(more, c) != NULL)))
            return false;
    }
    return text.len > 0;
}

#define UPPER "ABCDEFGHIJKLMNOPQRSTUVWXYZ"

bool engine_name_is_valid(struct slice name)
{
    return name.len <= ENGINE_NAME_BYTES_MAX && holds_only(name, "-") && name.at[0] != '-';
}

/* Keys of the file. Each row's function fills one field of the engine. */

static bool read_copy(char **into, const struct yaml *node, struct fault *fault)
{
    const char *text;

    if (!yaml_text(node, &text, fault))
        return false;
    if (text[0] == 0)
        return yaml_refuse(node, fault, "must not be empty");
    *into = xstrdup(text);
    return true;
}

static bool read_version(void *into, const struct yaml *node, struct fault *fault)
{
    int64_t version;

    (void)into;
    return yaml_number(node, 1, 1, &version, fault);
}

static bool read_name(void *into, const struct yaml *node, struct fault *fault)
{
    struct engine *engine = into;

    return read_copy(&engine->name, node, fault) &&
           (engine_name_is_valid(slice_of(engine->name)) ||
            yaml_refuse(node, fault, "a name is up to %d of a-z, 0-9 and -",
                        ENGINE_NAME_BYTES_MAX));
}

static bool read_title(void *into, const struct yaml *node, struct fault *fault)
{
    return read_copy(&((struct engine *)into)->title, node, fault);
}

static bool read_release(void *into, const struct yaml *node, struct fault *fault)
{
    struct engine *engine = into;

    return read_copy(&engine->release, node, fault) &&
           ((strlen(engine->release) <= 40 && engine->release[0] != '.' &&
             holds_only(slice_of(engine->release), UPPER ".-_+")) ||
            yaml_refuse(node, fault, "a release is up to 40 letters, digits and .-_+"));
}

static bool read_platform(void *into, const struct yaml *node, struct fault *fault)
{
    struct engine *engine = into;

    return read_copy(&engine->platform, node, fault) &&
           (strcmp(engine->platform, "linux-x64") == 0 ||
            strcmp(engine->platform, "linux-arm64") == 0 ||
            yaml_refuse(node, fault, "a platform is linux-x64 or linux-arm64"));
}

static bool read_path(char **into, const struct yaml *node, struct fault *fault)
{
    return read_copy(into, node, fault) &&
           (engine_path_stays_below(slice_of(*into)) ||
            yaml_refuse(node, fault, "must be a path below its folder, without . and .."));
}

static bool read_program(void *into, const struct yaml *node, struct fault *fault)
{
    struct engine *engine = into;

    if (!read_path(&engine->program, node, fault))
        return false;
    if (strcmp(engine->program, "custody") == 0) {
        free(engine->program);
        engine->program = NULL;
    }
    return true;
}

static bool read_interpreter(void *into, const struct yaml *node, struct fault *fault)
{
    return read_path(&((struct engine *)into)->interpreter, node, fault);
}

/* "@scope/name@1.2.3": an exact version, never a range, a tag, a URL or an option. */
static bool package_is_pinned(struct slice package)
{
    size_t at = package.len;

    while (at > 1 && package.at[at - 1] != '@')
        at--;
    return at > 1 && at < package.len && package.len <= 200 && package.at[0] != '-' &&
           package.at[0] != '.' && package.at[0] != '/' && package.at[at] >= '0' &&
           package.at[at] <= '9' && slice_find(package, SLICE(".."), 0) == SIZE_MAX &&
           holds_only(slice_part(package, package.at[0] == '@', at - 1), UPPER "._-/") &&
           holds_only(slice_part(package, at, package.len), UPPER ".-+");
}

static bool read_list(struct engine_texts *into, const struct yaml *node, struct fault *fault)
{
    if (!yaml_is(node, YAML_SEQUENCE, fault))
        return false;
    if (node->count > LIST_MAX)
        return yaml_refuse(node, fault, "more than %d", LIST_MAX);
    for (size_t i = 0; i < node->count; i++) {
        const char *text;

        if (!yaml_text(&node->children[i], &text, fault))
            return false;
        engine_texts_add(into, text);
    }
    return true;
}

static bool read_install(void *into, const struct yaml *node, struct fault *fault)
{
    struct engine *engine = into;

    if (!read_list(&engine->packages, node, fault))
        return false;
    for (size_t i = 0; i < engine->packages.count; i++)
        if (!package_is_pinned(slice_of(engine->packages.at[i])))
            return yaml_refuse(&node->children[i], fault,
                               "must be NAME@VERSION with an exact version");
    return true;
}

static bool read_arguments(void *into, const struct yaml *node, struct fault *fault)
{
    return read_list(&((struct engine *)into)->arguments, node, fault);
}

static bool read_pairs(struct engine_pairs *into, const struct yaml *node, struct fault *fault)
{
    if (!yaml_is(node, YAML_MAPPING, fault))
        return false;
    if (node->count > LIST_MAX)
        return yaml_refuse(node, fault, "more than %d", LIST_MAX);
    for (size_t i = 0; i < node->count; i++) {
        const char *value;

        if (!yaml_text(&node->children[i], &value, fault))
            return false;
        engine_pairs_add(into, node->keys[i], value);
    }
    return true;
}

static bool read_environment(void *into, const struct yaml *node, struct fault *fault)
{
    struct engine *engine = into;

    if (!read_pairs(&engine->environment, node, fault))
        return false;
    for (size_t i = 0; i < node->count; i++)
        if (!holds_only(slice_of(node->keys[i]), UPPER "_") ||
            (node->keys[i][0] >= '0' && node->keys[i][0] <= '9') ||
            slice_starts_with(slice_of(node->keys[i]), SLICE("LD_")))
            return yaml_refuse(&node->children[i], fault,
                               "not a variable that an engine may set: %.60s", node->keys[i]);
    return true;
}

static bool read_dialects(void *into, const struct yaml *node, struct fault *fault)
{
    struct engine *engine = into;

    if (!yaml_is(node, YAML_MAPPING, fault))
        return false;
    for (size_t i = 0; i < node->count; i++) {
        enum engine_dialect dialect;

        if (!engine_dialect_parse(slice_of(node->keys[i]), &dialect))
            return yaml_refuse(&node->children[i], fault, "unknown dialect %.60s",
                               node->keys[i]);
        engine->dialects |= ENGINE_DIALECT_BIT(dialect);
        if (!read_pairs(&engine->words[dialect], &node->children[i], fault))
            return false;
        for (size_t word = 0; word < engine->words[dialect].count; word++)
            for (size_t k = 0; engine_placeholders[k] != NULL; k++)
                if (strcmp(engine->words[dialect].at[word].name, engine_placeholders[k]) == 0)
                    return yaml_refuse(&node->children[i].children[word], fault,
                                       "{%s} has a meaning already", engine_placeholders[k]);
    }
    return engine->dialects != 0 ? true : yaml_refuse(node, fault, "names no dialect");
}

static bool read_file_path(void *into, const struct yaml *node, struct fault *fault)
{
    return read_path(&((struct engine_pair *)into)->name, node, fault);
}

static bool read_file_content(void *into, const struct yaml *node, struct fault *fault)
{
    return read_copy(&((struct engine_pair *)into)->value, node, fault);
}

static bool read_files(void *into, const struct yaml *node, struct fault *fault)
{
    static const struct yaml_key keys[] = {
        {"path", true, read_file_path},
        {"content", true, read_file_content},
    };
    struct engine *engine = into;

    if (!yaml_is(node, YAML_SEQUENCE, fault))
        return false;
    if (node->count > LIST_MAX)
        return yaml_refuse(node, fault, "more than %d", LIST_MAX);
    for (size_t i = 0; i < node->count; i++) {
        struct engine_pair file = {0};
        bool ok = yaml_read(&node->children[i], keys, COUNT(keys), &file, fault);

        if (ok)
            engine_pairs_add(&engine->files, file.name, file.value);
        free(file.name);
        free(file.value);
        if (!ok)
            return false;
    }
    return true;
}

static bool read_memory(void *into, const struct yaml *node, struct fault *fault)
{
    struct engine *engine = into;
    const char *text;
    char *end = NULL;
    unsigned long number;

    if (!yaml_text(node, &text, fault))
        return false;
    number = text[0] >= '1' && text[0] <= '9' && node->len <= 6 ? strtoul(text, &end, 10) : 0;
    if (number == 0 || (strcmp(end, "M") != 0 && strcmp(end, "G") != 0) || number > 9999)
        return yaml_refuse(node, fault, "must be a size such as 512M or 2G");
    engine->memory_bytes = (uint64_t)number << (*end == 'M' ? 20 : 30);
    return true;
}

static bool read_nofile(void *into, const struct yaml *node, struct fault *fault)
{
    int64_t number;

    if (!yaml_number(node, 64, NOFILE_MAX, &number, fault))
        return false;
    ((struct engine *)into)->nofile = (unsigned)number;
    return true;
}

static bool read_resources(void *into, const struct yaml *node, struct fault *fault)
{
    static const struct yaml_key keys[] = {
        {"memory", true, read_memory},
        {"files", true, read_nofile},
    };

    return yaml_read(node, keys, COUNT(keys), into, fault);
}

static bool read_mcp_each(void *into, const struct yaml *node, struct fault *fault)
{
    return read_copy(&((struct engine *)into)->mcp_each, node, fault);
}

static bool read_mcp_between(void *into, const struct yaml *node, struct fault *fault)
{
    return read_copy(&((struct engine *)into)->mcp_between, node, fault);
}

/* {name} and {url} stand for a server, and no other word is one there. */
static bool read_mcp(void *into, const struct yaml *node, struct fault *fault)
{
    static const struct yaml_key keys[] = {
        {"each", true, read_mcp_each},
        {"between", false, read_mcp_between},
    };
    const struct engine *engine = into;
    struct slice text, word;
    size_t start, end = 0;

    if (!yaml_read(node, keys, COUNT(keys), into, fault))
        return false;
    text = slice_of(engine->mcp_each);
    while (engine_next_placeholder(text, end, &start, &end, &word))
        if (!slice_equal(word, SLICE("name")) && !slice_equal(word, SLICE("url")))
            return yaml_refuse(node, fault, "{%.*s} is neither {name} nor {url}",
                               SLICE_ARGS(word));
    return true;
}

static bool read_sandbox(void *into, const struct yaml *node, struct fault *fault)
{
    return read_copy(&((struct engine *)into)->sandbox, node, fault);
}

static bool read_offline(void *into, const struct yaml *node, struct fault *fault)
{
    return read_copy(&((struct engine *)into)->offline, node, fault);
}

static const struct yaml_key engine_keys[] = {
    {"version", true, read_version},
    {"name", true, read_name},
    {"title", true, read_title},
    {"release", true, read_release},
    {"platform", false, read_platform},
    {"install", false, read_install},
    {"interpreter", false, read_interpreter},
    {"program", true, read_program},
    {"dialects", true, read_dialects},
    {"arguments", true, read_arguments},
    {"environment", false, read_environment},
    {"files", false, read_files},
    {"mcp", false, read_mcp},
    {"resources", true, read_resources},
    {"sandbox", true, read_sandbox},
    {"offline", true, read_offline},
};

static bool word_is_known(const struct engine *engine, struct slice word, bool own_words)
{
    for (size_t k = 0; engine_placeholders[k] != NULL; k++)
        if (slice_equal(word, slice_of(engine_placeholders[k])))
            return true;
    for (unsigned i = 0; own_words && i < ENGINE_DIALECT_COUNT; i++)
        if ((engine->dialects & ENGINE_DIALECT_BIT(i)) != 0 &&
            engine_pairs_find(&engine->words[i], word) == NULL)
            return false; /* it must mean something in each dialect */
    return own_words;
}

/* Every {word} below `node` must be known; {prompt} is an argument and nothing else. */
static bool check_placeholders(const struct engine *engine, const struct yaml *node,
                               bool prompt, bool own_words, struct fault *fault)
{
    struct slice text = slice_of_bytes(node->text, node->len), word;
    size_t start, end = 0;

    for (size_t i = 0; i < node->count; i++)
        if (!check_placeholders(engine, &node->children[i], prompt, own_words, fault))
            return false;
    while (text.at != NULL && engine_next_placeholder(text, end, &start, &end, &word)) {
        if (!word_is_known(engine, word, own_words))
            return yaml_refuse(node, fault, "unknown placeholder {%.*s}", SLICE_ARGS(word));
        if (!prompt && slice_equal(word, SLICE("prompt")))
            return yaml_refuse(node, fault, "{prompt} may only be an argument");
        if (slice_equal(word, SLICE("prompt")) && (start != 0 || end != text.len))
            return yaml_refuse(node, fault, "{prompt} must be the whole argument");
    }
    return true;
}

static bool check_whole(const struct engine *engine, const struct yaml *root,
                        struct fault *fault)
{
    static const struct {
        const char *key;
        bool prompt, own_words;
    } templates[] = {
        {"arguments", true, true},
        {"environment", false, true},
        {"files", false, true},
        {"dialects", false, false},
    };

    if (engine->program == NULL && (engine->interpreter != NULL || engine->packages.count > 0))
        return yaml_refuse(root, fault, "custody itself needs no interpreter and no packages");
    if (engine->program != NULL && engine->packages.count == 0)
        return yaml_refuse(root, fault, "the key install is missing");
    for (size_t i = 0; i < root->count; i++)
        for (size_t k = 0; k < COUNT(templates); k++)
            if (strcmp(root->keys[i], templates[k].key) == 0 &&
                !check_placeholders(engine, &root->children[i], templates[k].prompt,
                                    templates[k].own_words, fault))
                return false;
    return true;
}

bool engine_parse(struct slice text, const char *where, struct engine **ret_engine,
                  struct fault *fault)
{
    AUTO_YAML struct yaml *root = NULL;
    struct engine *engine;

    if (text.len > ENGINE_FILE_BYTES_MAX)
        return fault_set(fault, FAULT_LIMIT, "%s: more than %d bytes", where,
                         ENGINE_FILE_BYTES_MAX);
    if (!yaml_parse(text, where, &root, fault))
        return false;
    engine = xalloc(sizeof(*engine));
    if (!yaml_read(root, engine_keys, COUNT(engine_keys), engine, fault) ||
        !check_whole(engine, root, fault)) {
        engine_free(engine);
        return false;
    }
    *ret_engine = engine;
    return true;
}
