/* Keys of a TOML table. */
#include "base/scope.h"
#include "classify/import/parts.h"

struct slice import_text_of(const struct toml *node)
{
    return slice_of_bytes(node->text, node->len);
}

/* A text, or NULL where there is none. FAULT_INVALID: it is something else. */
bool import_read_text(const struct toml *table, const char *key, const char **ret_text,
                      struct fault *fault)
{
    const struct toml *node = toml_find(table, key);

    *ret_text = NULL;
    if (node == NULL)
        return true;
    if (node->type != TOML_TEXT)
        return toml_refuse(node, fault, "%s must be a text", key);
    *ret_text = node->text;
    return true;
}

/* A list of texts, or NULL. */
bool import_read_list(const struct toml *table, const char *key, const struct toml **ret_list,
                      struct fault *fault)
{
    const struct toml *node = toml_find(table, key);

    *ret_list = NULL;
    if (node == NULL)
        return true;
    if (node->type != TOML_LIST)
        return toml_refuse(node, fault, "%s must be a list", key);
    for (size_t i = 0; i < node->count; i++)
        if (node->children[i]->type != TOML_TEXT)
            return toml_refuse(node, fault, "%s must be a list of texts", key);
    *ret_list = node->count == 0 ? NULL : node;
    return true;
}

/* A number from 0 to `most`; 0 where there is none. */
bool import_read_number(const struct toml *table, const char *key, double most,
                        double *ret_number, struct fault *fault)
{
    const struct toml *node = toml_find(table, key);

    *ret_number = 0;
    if (node == NULL)
        return true;
    if (node->type != TOML_NUMBER || !(node->number >= 0 && node->number <= most))
        return toml_refuse(node, fault, "%s must be a number from 0 to %g", key, most);
    *ret_number = node->number;
    return true;
}

void import_add_text(struct texts *texts, struct slice text)
{
    size_t room = texts->count; /* grown one by one: lists are short, and read once */

    texts->at = xgrow(texts->at, &room, texts->count + 1, sizeof(*texts->at));
    texts->at[texts->count++] = text;
}
