#include "wire/yaml.h"

#include <errno.h>
#include <libfyaml.h>
#include <stdarg.h>
#include <stdio.h>

#include "base/scope.h"
#include "wire/yamltext.h"

#define DEPTH_MAX 12
#define NODES_MAX 20000

struct conversion {
    struct fy_document *document;
    struct slice source;
    const char *where;
    size_t nodes;
};

bool yaml_refuse(const struct yaml *node, struct fault *fault, const char *format, ...)
{
    char why[300];
    va_list arguments;

    va_start(arguments, format);
    (void)vsnprintf(why, sizeof(why), format, arguments);
    va_end(arguments);
    return fault_set(fault, FAULT_INVALID, "%s:%d:%d: %s", node->where, node->line,
                     node->column, why);
}

static void free_inside(struct yaml *node)
{
    for (size_t i = 0; i < node->count; i++) {
        if (node->keys != NULL)
            free(node->keys[i]);
        free_inside(&node->children[i]);
    }
    free(node->keys);
    free(node->children);
    free(node->text);
}

void yaml_free(struct yaml *root)
{
    if (root == NULL)
        return;
    free_inside(root);
    free(root);
}

static void set_place(struct yaml *node, struct fy_token *token)
{
    const struct fy_mark *mark = token == NULL ? NULL : fy_token_start_mark(token);

    if (mark == NULL)
        return;
    node->line = mark->line + 1;
    node->column = mark->column + 1;
}

static bool convert(struct conversion *with, struct fy_node *from, unsigned depth,
                    struct yaml *to, struct fault *fault);

/* Of two pairs of quotes in a row within single quotes libfyaml 0.7 makes three, and loses what is
 * at the end. */
static bool loses_quotes(const struct conversion *with, struct fy_node *from)
{
    struct fy_token *token = fy_node_get_scalar_token(from);
    const struct fy_mark *start = token == NULL ? NULL : fy_token_start_mark(token);
    const struct fy_mark *end = token == NULL ? NULL : fy_token_end_mark(token);

    return start != NULL && end != NULL && fy_node_get_style(from) == FYNS_SINGLE_QUOTED &&
           slice_find(slice_part(with->source, start->input_pos, end->input_pos),
                      SLICE("''''"), 0) != SIZE_MAX;
}

static bool convert_scalar(struct conversion *with, struct fy_node *from, struct yaml *to,
                           struct fault *fault)
{
    size_t len = 0;
    const char *text = fy_node_get_scalar(from, &len);

    set_place(to, fy_node_get_scalar_token(from));
    if (from != NULL && loses_quotes(with, from))
        return yaml_refuse(to, fault, "two quotes in a row within single quotes: use double quotes");
    if (text == NULL)
        text = "";
    if (memchr(text, 0, len) != NULL)
        return yaml_refuse(to, fault, "a NUL character");
    to->text = slice_dup(slice_of_bytes(text, len));
    to->len = len;
    return true;
}

static bool convert_sequence(struct conversion *with, struct fy_node *from, unsigned depth,
                             struct yaml *to, struct fault *fault)
{
    size_t room = (size_t)fy_node_sequence_item_count(from);
    struct fy_node *item;
    void *at = NULL;

    to->children = xalloc_array(room + 1, sizeof(*to->children));
    while ((item = fy_node_sequence_iterate(from, &at)) != NULL && to->count < room)
        if (!convert(with, item, depth, &to->children[to->count++], fault))
            return false;
    return true;
}

static bool convert_mapping(struct conversion *with, struct fy_node *from, unsigned depth,
                            struct yaml *to, struct fault *fault)
{
    size_t room = (size_t)fy_node_mapping_item_count(from);
    struct fy_node_pair *pair;
    void *at = NULL;

    to->children = xalloc_array(room + 1, sizeof(*to->children));
    to->keys = xalloc_array(room + 1, sizeof(*to->keys));
    while ((pair = fy_node_mapping_iterate(from, &at)) != NULL && to->count < room) {
        struct fy_node *key = fy_node_pair_key(pair);
        struct yaml *child = &to->children[to->count];
        size_t len = 0;
        const char *text;

        if (key == NULL || !fy_node_is_scalar(key) || fy_node_is_alias(key) ||
            fy_document_lookup_anchor_by_node(with->document, key) != NULL ||
            (text = fy_node_get_scalar(key, &len)) == NULL || memchr(text, 0, len) != NULL ||
            loses_quotes(with, key))
            return yaml_refuse(to, fault, "a key that is not plain text");
        child->where = with->where;
        set_place(child, fy_node_get_scalar_token(key));
        if (to->count == 0) {
            to->line = child->line;
            to->column = child->column;
        }
        to->keys[to->count++] = slice_dup(slice_of_bytes(text, len));
        if (!convert(with, fy_node_pair_value(pair), depth, child, fault))
            return false;
    }
    return true;
}

/* A missing value (`key:` alone) is an empty scalar at the place of its key. */
static bool convert(struct conversion *with, struct fy_node *from, unsigned depth,
                    struct yaml *to, struct fault *fault)
{
    to->where = with->where;
    to->line = to->line == 0 ? 1 : to->line;
    to->column = to->column == 0 ? 1 : to->column;
    if (depth > DEPTH_MAX || ++with->nodes > NODES_MAX)
        return yaml_refuse(to, fault, "nested too deeply, or too many values");
    if (from != NULL && (fy_node_get_tag_token(from) != NULL || fy_node_is_alias(from) ||
                         fy_document_lookup_anchor_by_node(with->document, from) != NULL))
        return yaml_refuse(to, fault, "anchors, aliases and tags are not taken");
    if (from != NULL && fy_node_is_sequence(from)) {
        to->type = YAML_SEQUENCE;
        return convert_sequence(with, from, depth + 1, to, fault);
    }
    if (from != NULL && fy_node_is_mapping(from)) {
        to->type = YAML_MAPPING;
        return convert_mapping(with, from, depth + 1, to, fault);
    }
    to->type = YAML_SCALAR;
    return convert_scalar(with, from, to, fault);
}

static bool syntax_fault(struct fy_diag *diag, const char *where, struct fault *fault)
{
    void *at = NULL;
    struct fy_diag_error *error = fy_diag_errors_iterate(diag, &at);

    if (error == NULL)
        return fault_set(fault, FAULT_INVALID, "%s:1:1: not YAML", where);
    return fault_set(fault, FAULT_INVALID, "%s:%d:%d: %s", where,
                     error->line < 1 ? 1 : error->line, error->column < 1 ? 1 : error->column,
                     error->msg == NULL ? "not YAML" : error->msg);
}

static bool convert_stream(struct fy_parser *parser, struct fy_diag *diag, struct slice source,
                           const char *where, struct yaml *root, struct fault *fault)
{
    struct conversion with = {
        .where = where, .source = source, .document = fy_parse_load_document(parser)};
    struct fy_document *second;
    bool ok;

    if (with.document == NULL)
        return fy_diag_got_error(diag)
                   ? syntax_fault(diag, where, fault)
                   : fault_set(fault, FAULT_INVALID, "%s:1:1: empty", where);
    if (fy_document_has_explicit_document_start(with.document)) /* directives need it too */
        ok = fault_set(fault, FAULT_INVALID, "%s:1:1: a directive or `---` is not taken",
                       where);
    else
        ok = convert(&with, fy_document_root(with.document), 0, root, fault);
    fy_parse_document_destroy(parser, with.document);
    if (!ok)
        return false;
    second = fy_parse_load_document(parser);
    if (second != NULL) {
        fy_parse_document_destroy(parser, second);
        return fault_set(fault, FAULT_INVALID, "%s: a second document is not taken", where);
    }
    return fy_diag_got_error(diag) ? syntax_fault(diag, where, fault) : true;
}

static bool parse_checked(struct slice text, const char *where, struct yaml **ret_root,
                          struct fault *fault)
{
    struct fy_diag *diag = fy_diag_create(NULL);
    struct fy_parse_cfg settings = {
        .flags = FYPCF_QUIET | FYPCF_COLLECT_DIAG | FYPCF_JSON_NONE, .diag = diag};
    AUTO_FREE char *copy = slice_dup(text);
    struct fy_parser *parser;
    struct yaml *root;
    bool ok;

    if (diag == NULL)
        return fault_set(fault, FAULT_IO, "%s: no YAML parser", where);
    fy_diag_set_collect_errors(diag, true);
    parser = fy_parser_create(&settings);
    if (parser == NULL || fy_parser_set_string(parser, copy, text.len) != 0) {
        if (parser != NULL)
            fy_parser_destroy(parser);
        fy_diag_destroy(diag);
        return fault_set(fault, FAULT_IO, "%s: no YAML parser", where);
    }
    root = xalloc(sizeof(*root));
    ok = convert_stream(parser, diag, slice_of_bytes(copy, text.len), where, root, fault);
    fy_parser_destroy(parser);
    fy_diag_destroy(diag);
    if (!ok) {
        yaml_free(root);
        return false;
    }
    *ret_root = root;
    return true;
}

bool yaml_parse(struct slice text, const char *where, struct yaml **ret_root,
                struct fault *fault)
{
    return yamltext_check(text, where, fault) && parse_checked(text, where, ret_root, fault);
}

bool yaml_is(const struct yaml *node, enum yaml_type type, struct fault *fault)
{
    static const char *const names[] = {"one value", "a list", "a mapping"};

    return node->type == type ? true : yaml_refuse(node, fault, "must be %s", names[type]);
}

bool yaml_read(const struct yaml *node, const struct yaml_key *keys, size_t key_count,
               void *into, struct fault *fault)
{
    if (!yaml_is(node, YAML_MAPPING, fault))
        return false;
    for (size_t i = 0; i < node->count; i++) {
        size_t row = 0;

        while (row < key_count && strcmp(keys[row].name, node->keys[i]) != 0)
            row++;
        if (row == key_count)
            return yaml_refuse(&node->children[i], fault, "unknown key %.60s", node->keys[i]);
        if (!keys[row].read(into, &node->children[i], fault))
            return false;
    }
    for (size_t row = 0; row < key_count; row++) {
        size_t i = 0;

        while (i < node->count && strcmp(keys[row].name, node->keys[i]) != 0)
            i++;
        if (i == node->count && keys[row].required)
            return yaml_refuse(node, fault, "the key %s is missing", keys[row].name);
    }
    return true;
}

bool yaml_text(const struct yaml *node, const char **ret_text, struct fault *fault)
{
    if (!yaml_is(node, YAML_SCALAR, fault))
        return false;
    *ret_text = node->text;
    return true;
}

bool yaml_number(const struct yaml *node, int64_t min, int64_t max, int64_t *ret_number,
                 struct fault *fault)
{
    char *end = NULL;
    long long number;

    if (!yaml_is(node, YAML_SCALAR, fault))
        return false;
    errno = 0;
    number = strtoll(node->text, &end, 10);
    if (node->len == 0 || node->len > 18 || *end != 0 || errno != 0 ||
        (node->text[0] != '-' && (node->text[0] < '0' || node->text[0] > '9')) ||
        number < min || number > max)
        return yaml_refuse(node, fault, "must be a whole number from %lld to %lld",
                           (long long)min, (long long)max);
    *ret_number = number;
    return true;
}
