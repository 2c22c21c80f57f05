#include "wire/toml_reader.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#define NODES_MAX 200000

bool toml_refuse(const struct toml *node, struct fault *fault, const char *format, ...)
{
    char why[300];
    va_list arguments;

    va_start(arguments, format);
    (void)vsnprintf(why, sizeof(why), format, arguments);
    va_end(arguments);
    return fault_set(fault, FAULT_INVALID, "%s:%d: %s", node->where, node->line, why);
}

void toml_free(struct toml *root)
{
    if (root == NULL)
        return;
    for (size_t i = 0; i < root->count; i++) {
        if (root->keys != NULL)
            free(root->keys[i]);
        toml_free(root->children[i]);
    }
    free(root->keys);
    free(root->children);
    free(root->text);
    free(root);
}

struct toml *toml_child(const struct toml *table, struct slice key)
{
    for (size_t i = 0; i < table->count; i++)
        if (slice_equal(slice_of(table->keys[i]), key))
            return table->children[i];
    return NULL;
}

const struct toml *toml_find(const struct toml *table, const char *key)
{
    return table->type == TOML_TABLE ? toml_child(table, slice_of(key)) : NULL;
}

bool toml_refuse_here(const struct toml_reader *in, const char *why)
{
    return fault_set(in->fault, FAULT_INVALID, "%s:%d: %s", in->where, in->line, why);
}

struct toml *toml_node(struct toml_reader *in, enum toml_type type)
{
    struct toml *node;

    if (in->nodes == NODES_MAX) {
        (void)fault_set(in->fault, FAULT_LIMIT, "%s:%d: more than %d values", in->where,
                        in->line, NODES_MAX);
        return NULL;
    }
    in->nodes++;
    node = xalloc(sizeof(*node));
    *node = (struct toml){.type = type, .where = in->where, .line = in->line};
    return node;
}

void toml_add(struct toml *parent, const char *key, struct toml *child)
{
    size_t room = parent->room;

    if (key != NULL) {
        parent->keys = xgrow(parent->keys, &room, parent->count + 1, sizeof(*parent->keys));
        parent->keys[parent->count] = xstrdup(key);
    }
    parent->children =
        xgrow(parent->children, &parent->room, parent->count + 1, sizeof(struct toml *));
    parent->children[parent->count++] = child;
}
