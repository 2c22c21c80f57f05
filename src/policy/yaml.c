/* YAML to settings, by libfyaml's events. Hostile bytes: runs in a sealed process. */
#include <stdio.h>
#include <stdlib.h>

#include <libfyaml.h>

#include "base/scope.h"
#include "policy/settings.h"
#include "wire/yamltext.h"

struct level {
    bool is_list;
    bool wants_value; /* a map whose key has been read */
    size_t path_len;  /* of the path up to this level */
    size_t items;
};

struct reader {
    struct policy_settings *settings;
    struct buf path;
    struct level levels[POLICY_DEPTH_MAX];
    size_t depth;
    bool has_document, ended;
    uint32_t line, column;
    struct fault *fault;
};

static bool wrong(const struct reader *reader, const char *text)
{
    return fault_set(reader->fault, FAULT_INVALID, "%.60s:%u:%u: %s", reader->settings->file,
                     reader->line, reader->column, text);
}

static void place_of(struct reader *reader, struct fy_event *event)
{
    const struct fy_mark *mark = fy_event_start_mark(event);

    if (mark != NULL) {
        reader->line = (uint32_t)mark->line + 1;
        reader->column = (uint32_t)mark->column + 1;
    }
}

/* Extends the path by what comes next: a list's item number. Maps do it at the key. */
static bool enter_value(struct reader *reader)
{
    struct level *level;

    if (reader->depth == 0)
        return true;
    level = &reader->levels[reader->depth - 1];
    if (!level->is_list) {
        level->wants_value = false;
        level->items++;
        return true;
    }
    reader->path.len = level->path_len;
    return buf_add_format(&reader->path, reader->fault, POLICY_SEP "#%zu", level->items++);
}

static bool has_path(const struct reader *reader, struct slice path)
{
    for (size_t i = 0; i < reader->settings->count; i++) {
        struct slice there = slice_of(reader->settings->at[i].path);

        if (slice_starts_with(there, path) &&
            (there.len == path.len || there.at[path.len] == POLICY_SEP_BYTE))
            return true;
    }
    return false;
}

static bool read_key(struct reader *reader, struct slice key)
{
    struct level *level = &reader->levels[reader->depth - 1];

    for (size_t i = 0; i < key.len; i++)
        if (key.at[i] < 0x20 || key.at[i] == 0x7f)
            return wrong(reader, "a key with control characters");
    if (key.len == 0 || key.at[0] == '#')
        return wrong(reader, "not a key");
    reader->path.len = level->path_len;
    if ((level->path_len > 0 && !buf_add_text(&reader->path, POLICY_SEP, reader->fault)) ||
        !buf_add(&reader->path, key, reader->fault))
        return false;
    if (has_path(reader, buf_slice(&reader->path)))
        return wrong(reader, "this key is there twice");
    level->wants_value = true;
    return true;
}

static bool read_scalar(struct reader *reader, struct fy_event *event)
{
    struct fy_token *token = fy_event_get_token(event);
    size_t len = 0;
    const char *text = token == NULL ? NULL : fy_token_get_text(token, &len);
    struct slice value = slice_of_bytes(text == NULL ? "" : text, len);
    struct level *level = reader->depth == 0 ? NULL : &reader->levels[reader->depth - 1];

    if (event->scalar.anchor != NULL || event->scalar.tag != NULL)
        return wrong(reader, "anchors and tags have no place in a policy");
    if (level == NULL)
        return wrong(reader, "a policy is a map of keys");
    if (slice_find_byte(value, 0, 0) != SIZE_MAX)
        return wrong(reader, "a value with a NUL");
    if (!level->is_list && !level->wants_value)
        return read_key(reader, value);
    if (value.len == 0)
        return wrong(reader, "a key without a value");
    return enter_value(reader) &&
           settings_add(reader->settings, buf_slice(&reader->path), value, SETTING_VALUE,
                        reader->line, reader->column, reader->fault);
}

static bool open_level(struct reader *reader, bool is_list, bool is_marked)
{
    if (is_marked)
        return wrong(reader, "anchors and tags have no place in a policy");
    if (reader->depth == 0 && is_list)
        return wrong(reader, "a policy is a map of keys");
    if (reader->depth > 0 && !reader->levels[reader->depth - 1].is_list &&
        !reader->levels[reader->depth - 1].wants_value)
        return wrong(reader, "a key is plain text");
    if (reader->depth == POLICY_DEPTH_MAX)
        return wrong(reader, "deeper than any key of a policy");
    if (!enter_value(reader))
        return false;
    reader->levels[reader->depth++] =
        (struct level){.is_list = is_list, .path_len = reader->path.len};
    return true;
}

static bool close_level(struct reader *reader)
{
    struct level *level = &reader->levels[--reader->depth];

    reader->path.len = level->path_len;
    if (level->items > 0 || level->path_len == 0)
        return true;
    return settings_add(reader->settings, buf_slice(&reader->path), SLICE(""),
                        level->is_list ? SETTING_EMPTY_LIST : SETTING_EMPTY_MAP, reader->line,
                        reader->column, reader->fault);
}

static bool read_event(struct reader *reader, struct fy_event *event)
{
    place_of(reader, event);
    switch (event->type) {
    case FYET_DOCUMENT_START:
        if (reader->has_document)
            return wrong(reader, "a second document: a policy is one");
        reader->has_document = true;
        return true;
    case FYET_MAPPING_START:
        return open_level(reader, false,
                          event->mapping_start.anchor != NULL ||
                              event->mapping_start.tag != NULL);
    case FYET_SEQUENCE_START:
        return open_level(reader, true,
                          event->sequence_start.anchor != NULL ||
                              event->sequence_start.tag != NULL);
    case FYET_MAPPING_END:
    case FYET_SEQUENCE_END:
        return close_level(reader);
    case FYET_SCALAR:
        return read_scalar(reader, event);
    case FYET_ALIAS:
        return wrong(reader, "aliases have no place in a policy");
    case FYET_STREAM_END:
        reader->ended = true;
        return true;
    case FYET_NONE:
    case FYET_STREAM_START:
    case FYET_DOCUMENT_END:
        return true;
    default:
        return wrong(reader, "not plain YAML");
    }
}

/* libfyaml's own words for a syntax error go into the fault instead of to standard error. */
static void keep_error(struct fy_diag *diag, void *user, const char *text, size_t len)
{
    struct reader *reader = user;
    struct slice words = slice_of_bytes(text, len);
    struct slice line = {0};

    (void)diag;
    if (reader->fault->kind != FAULT_NONE || !slice_cut(&words, '\n', &line))
        return;
    if (line.len > 0 && line.at[0] == '<' && slice_find(line, SLICE(">:"), 0) != SIZE_MAX)
        line = slice_part(line, slice_find(line, SLICE(">:"), 0) + 2,
                          line.len); /* its name for memory */
    (void)fault_set(reader->fault, FAULT_INVALID, "%.60s:%.*s", reader->settings->file,
                    (int)(line.len > 250 ? 250 : line.len), (const char *)line.at);
}

static bool read_all(struct reader *reader, struct fy_parser *parser)
{
    while (!reader->ended) {
        struct fy_event *event = fy_parser_parse(parser);
        bool ok;

        if (event == NULL)
            return reader->fault->kind != FAULT_NONE ? false : wrong(reader, "not valid YAML");
        ok = read_event(reader, event);
        fy_parser_event_free(parser, event);
        if (!ok)
            return false;
    }
    return reader->has_document ? true : wrong(reader, "an empty policy");
}

bool policy_read(struct slice yaml, const char *file_name,
                 struct policy_settings **ret_settings, struct fault *fault)
{
    struct fault own = {0};
    struct reader reader = {.settings = settings_new(file_name),
                            .path = buf_with_limit(POLICY_PATH_BYTES_MAX),
                            .line = 1,
                            .column = 1,
                            .fault = &own};
    struct fy_diag_cfg diag_config;
    struct fy_parse_cfg config = {.flags = FYPCF_QUIET | FYPCF_COLLECT_DIAG};
    struct fy_parser *parser;
    bool ok;

    if (yaml.len <= POLICY_YAML_BYTES_MAX && !yamltext_check(yaml, file_name, fault)) {
        policy_settings_free(reader.settings);
        return false;
    }
    fy_diag_cfg_default(&diag_config);
    diag_config.fp = NULL;
    diag_config.output_fn = keep_error;
    diag_config.user = &reader;
    diag_config.colorize = false;
    diag_config.show_type = false;
    diag_config.show_source = false;
    config.diag = fy_diag_create(&diag_config);
    parser = fy_parser_create(&config);
    ok = parser != NULL && yaml.len <= POLICY_YAML_BYTES_MAX &&
         fy_parser_set_string(parser, (const char *)yaml.at, yaml.len) == 0;
    if (yaml.len > POLICY_YAML_BYTES_MAX)
        (void)fault_set(&own, FAULT_LIMIT, "%s: more than %d bytes", file_name,
                        POLICY_YAML_BYTES_MAX);
    else if (!ok)
        (void)fault_set(&own, FAULT_IO, "%s: cannot read YAML", file_name);
    else
        ok = read_all(&reader, parser);
    if (parser != NULL)
        fy_parser_destroy(parser);
    if (config.diag != NULL)
        fy_diag_destroy(config.diag);
    buf_free(&reader.path);
    if (!ok) {
        policy_settings_free(reader.settings);
        *fault = own;
        return false;
    }
    *ret_settings = reader.settings;
    return true;
}
