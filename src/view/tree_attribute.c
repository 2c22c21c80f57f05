/* Extended attributes that the agent sets: in memory, and never collected. */
#include <errno.h>
#include <stdlib.h>
#include <sys/xattr.h>

#include "view/tree_node.h"

/* As ext4 has it with blocks of 4 KiB: what is on one file fits into one. */
#define NODE_BYTES_MAX 4000
#define ENTRY_BYTES 16 /* what an entry takes there beside its name and value */
#define TREE_BYTES_MAX (16U << 20)

struct node_attribute {
    char *name;
    uint8_t *value;
    size_t name_len, len;
};

static size_t cost_of(size_t name_len, size_t len)
{
    return ENTRY_BYTES + name_len + len;
}

static size_t cost_of_node(const struct node *node)
{
    size_t cost = 0;

    for (size_t i = 0; i < node->attribute_count; i++)
        cost += cost_of(node->attributes[i].name_len, node->attributes[i].len);
    return cost;
}

static struct node_attribute *find(const struct node *node, struct slice name)
{
    for (size_t i = 0; node != NULL && i < node->attribute_count; i++)
        if (slice_equal(slice_of_bytes(node->attributes[i].name, node->attributes[i].name_len),
                        name))
            return &node->attributes[i];
    return NULL;
}

void tree_free_attributes(struct tree *tree, struct node *node)
{
    tree->attribute_bytes -= cost_of_node(node);
    for (size_t i = 0; i < node->attribute_count; i++) {
        free(node->attributes[i].name);
        free(node->attributes[i].value);
    }
    free(node->attributes);
    node->attributes = NULL;
    node->attribute_count = 0;
}

int tree_attribute_get(const struct tree *tree, uint32_t number, struct slice name,
                       struct slice *ret_value)
{
    const struct node_attribute *attribute = find(tree_touched(tree, number), name);

    if (attribute == NULL)
        return ENODATA;
    *ret_value = slice_of_bytes(attribute->value, attribute->len);
    return 0;
}

int tree_attribute_list(const struct tree *tree, uint32_t number, struct buf *ret_names)
{
    const struct node *node = tree_touched(tree, number);
    struct fault fault = {0};

    buf_clear(ret_names);
    for (size_t i = 0; node != NULL && i < node->attribute_count; i++)
        if (!buf_add(ret_names,
                     slice_of_bytes(node->attributes[i].name, node->attributes[i].name_len),
                     &fault) ||
            !buf_add_byte(ret_names, 0, &fault))
            return E2BIG;
    return 0;
}

int tree_attribute_may_set(const struct tree *tree, uint32_t number, struct slice name,
                           size_t len, int flags)
{
    const struct node *node = tree_touched(tree, number);
    const struct node_attribute *there = find(node, name);
    size_t cost = cost_of(name.len, len);
    size_t old = there == NULL ? 0 : cost_of(there->name_len, there->len);

    if ((flags & XATTR_CREATE) != 0 && there != NULL)
        return EEXIST;
    if ((flags & XATTR_REPLACE) != 0 && there == NULL)
        return ENODATA;
    if (cost > NODE_BYTES_MAX ||
        (node == NULL ? 0 : cost_of_node(node)) - old > NODE_BYTES_MAX - cost ||
        tree->attribute_bytes - old > TREE_BYTES_MAX - cost)
        return ENOSPC;
    return 0;
}

int tree_attribute_set(struct tree *tree, uint32_t number, struct slice name,
                       struct slice value, int flags)
{
    int error = tree_attribute_may_set(tree, number, name, value.len, flags);
    struct node_attribute *attribute;
    struct node *node;

    if (error != 0)
        return error;
    node = tree_touch(tree, number);
    attribute = find(node, name);
    if (attribute == NULL) {
        node->attributes = xgrow(node->attributes, &node->attribute_room,
                                 node->attribute_count + 1, sizeof(*node->attributes));
        attribute = &node->attributes[node->attribute_count++];
        *attribute = (struct node_attribute){.name = slice_dup(name), .name_len = name.len};
        tree->attribute_bytes += cost_of(name.len, 0);
    }
    tree->attribute_bytes += value.len - attribute->len;
    free(attribute->value);
    attribute->value = xalloc(value.len + 1);
    memcpy(attribute->value, value.at, value.len);
    attribute->len = value.len;
    node->ctime = tree_now(tree);
    return 0;
}

int tree_attribute_remove(struct tree *tree, uint32_t number, struct slice name)
{
    struct node *node = tree_touched(tree, number);
    struct node_attribute *attribute = find(node, name);

    if (attribute == NULL)
        return ENODATA;
    tree->attribute_bytes -= cost_of(attribute->name_len, attribute->len);
    free(attribute->name);
    free(attribute->value);
    *attribute = node->attributes[--node->attribute_count];
    node->ctime = tree_now(tree);
    return 0;
}
