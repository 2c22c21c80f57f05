/* Rules from YAML, strictly. */
#include "classify/rule.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/scope.h"
#include "wire/yaml.h"

#define FORMATS "hl7v2 x12 fhir ccda dicom" /* that have positions */
#define HUNDREDTHS_MAX 800

struct rule_storage {
    struct yaml **trees;
    size_t tree_count, tree_room;
    char **made; /* texts that stand in no file */
    size_t made_count, made_room;
};

struct rule_storage *rule_storage_new(void)
{
    return xalloc(sizeof(struct rule_storage));
}

void rule_storage_free(struct rule_storage *storage)
{
    for (size_t i = 0; i < storage->tree_count; i++)
        yaml_free(storage->trees[i]);
    for (size_t i = 0; i < storage->made_count; i++)
        free(storage->made[i]);
    free(storage->trees);
    free(storage->made);
    free(storage);
}

static struct slice keep_text(struct rule_storage *storage, char *made)
{
    storage->made = xgrow(storage->made, &storage->made_room, storage->made_count + 1,
                          sizeof(*storage->made));
    storage->made[storage->made_count++] = made;
    return slice_of(made);
}

static bool read_text(const struct yaml *node, struct slice *ret_text, struct fault *fault)
{
    if (!yaml_is(node, YAML_SCALAR, fault))
        return false;
    if (node->len == 0)
        return yaml_refuse(node, fault, "an empty text");
    *ret_text = slice_of_bytes(node->text, node->len);
    return true;
}

static void add_text(struct texts *texts, struct slice text)
{
    struct slice *grown = xalloc_array(texts->count + 1, sizeof(*grown));

    if (texts->count > 0)
        memcpy(grown, texts->at, texts->count * sizeof(*grown));
    free(texts->at);
    texts->at = grown;
    texts->at[texts->count++] = text;
}

static bool read_texts(const struct yaml *node, struct texts *ret_texts, struct fault *fault)
{
    size_t count = node->type == YAML_SEQUENCE ? node->count : 1;

    if (count == 0)
        return yaml_refuse(node, fault, "an empty list");
    ret_texts->at = xalloc_array(count, sizeof(*ret_texts->at));
    for (; ret_texts->count < count; ret_texts->count++)
        if (!read_text(node->type == YAML_SEQUENCE ? &node->children[ret_texts->count] : node,
                       &ret_texts->at[ret_texts->count], fault))
            return false;
    return true;
}

static bool read_word(const struct yaml *node, const char *words, uint32_t *ret_number,
                      struct fault *fault)
{
    struct slice rest = slice_of(words), word = {0}, text;

    if (!read_text(node, &text, fault))
        return false;
    for (uint32_t number = 0; slice_cut(&rest, ' ', &word); number++)
        if (slice_equal(word, text)) {
            *ret_number = number;
            return true;
        }
    return yaml_refuse(node, fault, "%.40s is none of: %s", node->text, words);
}

static bool read_flag(const struct yaml *node, bool *ret_flag, struct fault *fault)
{
    uint32_t number;

    if (!read_word(node, "false true", &number, fault))
        return false;
    *ret_flag = number == 1;
    return true;
}

/* 3, 3.5, 3.25 */
static bool read_hundredths(const struct yaml *node, uint32_t *ret_number, struct fault *fault)
{
    uint32_t number = 0;
    size_t at = 0, decimals = 0;

    if (!yaml_is(node, YAML_SCALAR, fault))
        return false;
    for (; at < node->len && at < 4; at++) {
        if (node->text[at] == '.' && at == 1 && node->len > 2)
            continue;
        if (node->text[at] < '0' || node->text[at] > '9')
            break;
        number = number * 10 + (uint32_t)(node->text[at] - '0');
        decimals += at > 1;
    }
    for (; decimals < 2; decimals++)
        number *= 10;
    if (at != node->len || at == 0 || at == 2 || number > HUNDREDTHS_MAX)
        return yaml_refuse(node, fault, "must be a number from 0 to %d", HUNDREDTHS_MAX / 100);
    *ret_number = number;
    return true;
}

static bool read_positions(const struct yaml *node, struct rule_storage *storage,
                           struct texts *ret_texts, struct fault *fault)
{
    if (!yaml_is(node, YAML_MAPPING, fault))
        return false;
    for (size_t i = 0; i < node->count; i++) {
        const struct yaml *list = &node->children[i];
        struct yaml format = {.type = YAML_SCALAR,
                              .where = list->where,
                              .line = list->line,
                              .column = list->column,
                              .text = node->keys[i],
                              .len = strlen(node->keys[i])};
        struct texts places = {0};
        uint32_t number;
        bool ok =
            read_word(&format, FORMATS, &number, fault) && read_texts(list, &places, fault);

        for (size_t place = 0; ok && place < places.count; place++)
            add_text(ret_texts, keep_text(storage, xformat("%s %.*s", node->keys[i],
                                                           SLICE_ARGS(places.at[place]))));
        free(places.at);
        if (!ok)
            return false;
    }
    return true;
}

static bool read_field(const struct yaml *node, const struct rule_field *field,
                       struct rule_storage *storage, struct rule *rule, struct fault *fault)
{
    void *into = (char *)rule + field->offset;

    switch (field->type) {
    case FIELD_TEXT:
        return read_text(node, into, fault);
    case FIELD_TEXTS:
        return read_texts(node, into, fault);
    case FIELD_WORD:
        return read_word(node, field->words, into, fault);
    case FIELD_FLAG:
        return read_flag(node, into, fault);
    case FIELD_HUNDREDTHS:
        return read_hundredths(node, into, fault);
    case FIELD_POSITIONS:
        return read_positions(node, storage, into, fault);
    }
    return false;
}

static const struct rule_field *field_of(const char *name)
{
    for (size_t i = 0; i < rule_field_count; i++)
        if (strcmp(rule_fields[i].name, name) == 0)
            return &rule_fields[i];
    return NULL;
}

static bool has_key(const struct yaml *node, const char *name)
{
    for (size_t i = 0; i < node->count; i++)
        if (strcmp(node->keys[i], name) == 0)
            return true;
    return false;
}

static bool read_rule(const struct yaml *node, struct rule_storage *storage, struct rule *rule,
                      struct fault *fault)
{
    if (!yaml_is(node, YAML_MAPPING, fault))
        return false;
    rule->file = node->where;
    rule->line = node->line;
    for (size_t i = 0; i < node->count; i++) {
        const struct rule_field *field = field_of(node->keys[i]);

        if (field == NULL)
            return yaml_refuse(&node->children[i], fault, "unknown key %.60s", node->keys[i]);
        if (!read_field(&node->children[i], field, storage, rule, fault))
            return fault_in(fault, "rule %.*s, key %s", SLICE_ARGS(rule->id), field->name);
    }
    for (size_t i = 0; i < rule_field_count; i++)
        if (rule_fields[i].is_required && !has_key(node, rule_fields[i].name))
            return yaml_refuse(node, fault, "rule %.*s: the key %s is missing",
                               SLICE_ARGS(rule->id), rule_fields[i].name);
    return true;
}

bool rules_read(const struct rules_text *text, struct rule_storage *storage,
                struct rule_list *list, struct fault *fault)
{
    struct yaml *tree = NULL;

    if (text->len > RULES_TEXT_BYTES_MAX)
        return fault_set(fault, FAULT_LIMIT, "%s: more than %lu bytes", text->name,
                         RULES_TEXT_BYTES_MAX);
    if (!yaml_parse(slice_of_bytes(text->yaml, text->len), text->name, &tree, fault))
        return false;
    storage->trees = xgrow(storage->trees, &storage->tree_room, storage->tree_count + 1,
                           sizeof(*storage->trees));
    storage->trees[storage->tree_count++] = tree;
    if (!yaml_is(tree, YAML_SEQUENCE, fault))
        return false;
    for (size_t i = 0; i < tree->count; i++) {
        if (list->count == RULES_MAX)
            return yaml_refuse(&tree->children[i], fault, "more than %d rules", RULES_MAX);
        list->at = xgrow(list->at, &list->room, list->count + 1, sizeof(*list->at));
        list->at[list->count] = (struct rule){0};
        list->count++;
        if (!read_rule(&tree->children[i], storage, &list->at[list->count - 1], fault))
            return false;
    }
    return true;
}

bool rule_refuse(const struct rule *rule, struct fault *fault, const char *format, ...)
{
    char why[300];
    va_list arguments;

    va_start(arguments, format);
    (void)vsnprintf(why, sizeof(why), format, arguments);
    va_end(arguments);
    return fault_set(fault, FAULT_INVALID, "%s:%d: rule %.*s: %s",
                     rule->file == NULL ? "-" : rule->file, rule->line, SLICE_ARGS(rule->id),
                     why);
}
