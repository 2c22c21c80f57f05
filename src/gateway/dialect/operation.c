#include "gateway/dialect/operation.h"

#define OPENAI_BOTH (DIALECT_BIT(DIALECT_OPENAI) | DIALECT_BIT(DIALECT_OPENAI_RESPONSES))

static const struct operation_rule rules[OPERATION_COUNT] = {
    [OPERATION_CHAT] = {.dialect = DIALECT_OPENAI,
                        .served_by = DIALECT_BIT(DIALECT_OPENAI),
                        .path = "/chat/completions",
                        .streams = true,
                        .asks_usage = true},
    [OPERATION_COMPLETION] = {.dialect = DIALECT_OPENAI,
                              .served_by = OPENAI_BOTH,
                              .path = "/completions",
                              .streams = true,
                              .asks_usage = true},
    [OPERATION_EMBEDDING] = {.dialect = DIALECT_OPENAI,
                             .served_by = OPENAI_BOTH,
                             .path = "/embeddings"},
    [OPERATION_RESPONSE] = {.dialect = DIALECT_OPENAI_RESPONSES,
                            .served_by = DIALECT_BIT(DIALECT_OPENAI_RESPONSES),
                            .path = "/responses",
                            .streams = true},
    [OPERATION_RESPONSE_COUNT] = {.dialect = DIALECT_OPENAI_RESPONSES,
                                  .served_by = DIALECT_BIT(DIALECT_OPENAI_RESPONSES),
                                  .path = "/responses/input_tokens",
                                  .free = true},
    [OPERATION_RESPONSE_SHRINK] = {.dialect = DIALECT_OPENAI_RESPONSES,
                                   .served_by = DIALECT_BIT(DIALECT_OPENAI_RESPONSES),
                                   .path = "/responses/compact"},
    [OPERATION_MESSAGE] = {.dialect = DIALECT_ANTHROPIC,
                           .served_by = DIALECT_BIT(DIALECT_ANTHROPIC),
                           .path = "/messages",
                           .streams = true},
    [OPERATION_MESSAGE_COUNT] = {.dialect = DIALECT_ANTHROPIC,
                                 .served_by = DIALECT_BIT(DIALECT_ANTHROPIC),
                                 .path = "/messages/count_tokens",
                                 .free = true},
    [OPERATION_GENERATE] = {.dialect = DIALECT_GEMINI,
                            .served_by = DIALECT_BIT(DIALECT_GEMINI),
                            .path = ":generateContent"},
    [OPERATION_GENERATE_STREAM] = {.dialect = DIALECT_GEMINI,
                                   .served_by = DIALECT_BIT(DIALECT_GEMINI),
                                   .path = ":streamGenerateContent",
                                   .always_streams = true},
    [OPERATION_GENERATE_COUNT] = {.dialect = DIALECT_GEMINI,
                                  .served_by = DIALECT_BIT(DIALECT_GEMINI),
                                  .path = ":countTokens",
                                  .free = true},
    [OPERATION_EMBED] = {.dialect = DIALECT_GEMINI,
                         .served_by = DIALECT_BIT(DIALECT_GEMINI),
                         .path = ":embedContent"},
    [OPERATION_EMBED_MANY] = {.dialect = DIALECT_GEMINI,
                              .served_by = DIALECT_BIT(DIALECT_GEMINI),
                              .path = ":batchEmbedContents"},
};

static const struct version {
    const char *text;
    bool gemini;
} versions[] = {{"/v1/", false}, {"/v1beta/", true}, {"/v1alpha/", true}};

/* Beginnings of paths to what a provider keeps. */
static const char *const kept[] = {
    "/responses/",
    "/chat/completions/",
    "/messages/batches",
    "/conversations",
    "/files",
    "/upload",
    "/batches",
    "/vector_stores",
    "/containers",
    "/assistants",
    "/threads",
    "/cachedContents",
    "/fileSearchStores",
    "/corpora",
    "/tunedModels",
    "/prompts",
    "/skills",
};

#define MODELS "/models"
#define MODEL_NAME "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-@+"

const struct operation_rule *operation_rule(enum operation operation)
{
    return &rules[operation];
}

static bool is_model_name(struct slice name)
{
    for (size_t i = 0; i < name.len; i++)
        if (name.at[i] == 0 || strchr(MODEL_NAME, name.at[i]) == NULL)
            return false;
    return name.len > 0 && name.at[0] != '.';
}

/* "/models/NAME" and "/models/NAME:verb" */
static void route_model(struct slice name, struct route *route)
{
    size_t colon = slice_find_byte(name, ':', 0);

    if (!is_model_name(slice_part(name, 0, colon)))
        return;
    route->model = slice_part(name, 0, colon);
    if (colon == SIZE_MAX) {
        route->kind = ROUTE_MODEL;
        return;
    }
    route->dialect = DIALECT_GEMINI;
    for (unsigned i = 0; i < OPERATION_COUNT; i++)
        if (rules[i].dialect == DIALECT_GEMINI &&
            slice_equal(slice_of(rules[i].path), slice_part(name, colon, name.len))) {
            route->kind = ROUTE_CALL;
            route->operation = (enum operation)i;
        }
}

static void route_path(struct slice path, struct route *route)
{
    for (unsigned i = 0; i < OPERATION_COUNT; i++)
        if (slice_equal(slice_of(rules[i].path), path)) {
            route->kind = ROUTE_CALL;
            route->dialect = rules[i].dialect;
            route->operation = (enum operation)i;
            return;
        }
    if (slice_equal(path, SLICE(MODELS))) {
        route->kind = ROUTE_MODELS;
        return;
    }
    if (slice_starts_with(path, SLICE(MODELS "/"))) {
        route_model(slice_part(path, strlen(MODELS "/"), path.len), route);
        return;
    }
    for (size_t i = 0; i < COUNT(kept); i++)
        if (slice_starts_with(path, slice_of(kept[i])))
            route->kind = ROUTE_KEPT;
}

/* Takes one version off the front. */
static bool cut_version(struct slice *path, struct route *route)
{
    for (size_t i = 0; i < COUNT(versions); i++)
        if (slice_starts_with(*path, slice_of(versions[i].text))) {
            *path = slice_part(*path, strlen(versions[i].text) - 1, path->len);
            if (versions[i].gemini)
                route->dialect = DIALECT_GEMINI;
            return true;
        }
    return false;
}

struct route operation_route(struct slice path)
{
    struct route route = {.kind = ROUTE_UNKNOWN};

    for (int i = 0; i < 2 && cut_version(&path, &route); i++)
        ;
    route_path(path, &route);
    return route;
}
