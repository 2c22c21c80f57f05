#include <endian.h>
#include <stdio.h>

#include "view/snapshot_builder.h"

/*
 * Git's Documentation/gitformat-index.txt. The stat fields are what the view will report:
 * times of the base commit, inode = node + 1, owner as the cell sees it; so git finds its
 * index fresh and reads nothing.
 */

#define STAT_BYTES 40
#define NAME_LENGTH_MAX 0xfff

static bool add_be32(struct buf *buf, uint32_t number, struct fault *fault)
{
    uint32_t big = htobe32(number);

    return buf_add(buf, slice_of_bytes(&big, sizeof(big)), fault);
}

static bool add_stat(struct buf *index, const struct snapshot_builder *builder,
                     const struct snapshot_node *node, uint32_t number, struct fault *fault)
{
    uint32_t time = (uint32_t)builder->settings.base_time_s;
    uint32_t fields[STAT_BYTES / 4] = {time,
                                       0,
                                       time,
                                       0,
                                       0,
                                       number + 1,
                                       node->mode,
                                       SNAPSHOT_UID,
                                       SNAPSHOT_UID,
                                       (uint32_t)node->size};

    for (size_t i = 0; i < COUNT(fields); i++)
        if (!add_be32(index, fields[i], fault))
            return false;
    return true;
}

static bool add_entry(struct buf *index, struct snapshot_builder *builder, uint32_t entry,
                      struct fault *fault)
{
    static const uint8_t padding[8];
    const struct builder_entry *row = &builder->entries[entry];
    struct snapshot_node *node = &builder->nodes[row->node];
    struct slice path = slice_of_bytes(builder->paths.at + row->path_at, row->path_len);
    uint16_t flags =
        htobe16((uint16_t)(path.len < NAME_LENGTH_MAX ? path.len : NAME_LENGTH_MAX));
    size_t start = index->len, len;

    if (!add_stat(index, builder, node, row->node, fault))
        return false;
    node->index_at = (uint32_t)index->len;
    if (!buf_add(index, slice_of_bytes(node->oid, builder->settings.oid_bytes), fault) ||
        !buf_add(index, slice_of_bytes(&flags, sizeof(flags)), fault) ||
        !buf_add(index, path, fault))
        return false;
    len = index->len - start;
    return buf_add(index, slice_of_bytes(padding, 8 - len % 8), fault);
}

static uint32_t git_folders_in(const struct snapshot_builder *builder, uint32_t folder)
{
    const struct snapshot_node *node = &builder->nodes[folder];
    uint32_t count = 0;

    for (uint32_t child = node->child_at; child < node->child_at + node->child_count; child++)
        if (builder->nodes[child].mode == SNAPSHOT_MODE_FOLDER &&
            (builder->nodes[child].flags & SNAPSHOT_OUTSIDE_GIT) == 0)
            count++;
    return count;
}

static bool add_tree_line(struct buf *tree, struct snapshot_builder *builder, uint32_t folder,
                          struct fault *fault)
{
    struct snapshot_node *node = &builder->nodes[folder];
    char counts[32];
    int len = snprintf(counts, sizeof(counts), "%u %u\n", builder->covered[folder],
                       git_folders_in(builder, folder));

    if (!buf_add(tree, slice_of_bytes(builder->names.at + node->name_at, node->name_len),
                 fault) ||
        !buf_add_byte(tree, 0, fault) ||
        !buf_add(tree, slice_of_bytes(counts, (size_t)len), fault))
        return false;
    node->index_at = (uint32_t)tree->len; /* within the extension, until it has its place */
    return buf_add(tree, slice_of_bytes(node->oid, builder->settings.oid_bytes), fault);
}

/* Depth first, as git reads it. Depth is bounded by the length of a path. */
static bool add_trees(struct buf *tree, struct snapshot_builder *builder, uint32_t folder,
                      struct fault *fault)
{
    uint32_t from = builder->nodes[folder].child_at;
    uint32_t to = from + builder->nodes[folder].child_count;

    if (!add_tree_line(tree, builder, folder, fault))
        return false;
    for (uint32_t child = from; child < to; child++)
        if (builder->nodes[child].mode == SNAPSHOT_MODE_FOLDER &&
            (builder->nodes[child].flags & SNAPSHOT_OUTSIDE_GIT) == 0 &&
            !add_trees(tree, builder, child, fault))
            return false;
    return true;
}

static bool add_tree_extension(struct buf *index, struct snapshot_builder *builder,
                               struct fault *fault)
{
    struct buf tree = buf_with_limit(index->limit);
    bool done = add_trees(&tree, builder, 0, fault) && buf_add_text(index, "TREE", fault) &&
                add_be32(index, (uint32_t)tree.len, fault);

    for (uint32_t number = 0; done && number < builder->node_count; number++)
        if (builder->nodes[number].mode == SNAPSHOT_MODE_FOLDER &&
            (builder->nodes[number].flags & SNAPSHOT_OUTSIDE_GIT) == 0)
            builder->nodes[number].index_at += (uint32_t)index->len;
    done = done && buf_add(index, buf_slice(&tree), fault);
    buf_free(&tree);
    return done;
}

bool index_template_make(struct snapshot_builder *builder, struct buf *ret_index,
                         struct fault *fault)
{
    uint8_t checksum[SNAPSHOT_OID_MAX];

    if (!buf_add_text(ret_index, "DIRC", fault) || !add_be32(ret_index, 2, fault) ||
        !add_be32(ret_index, builder->covered[0], fault))
        return false;
    for (uint32_t entry = 0; entry < builder->entry_count; entry++)
        if ((builder->nodes[builder->entries[entry].node].flags & SNAPSHOT_OUTSIDE_GIT) == 0 &&
            !add_entry(ret_index, builder, entry, fault))
            return false;
    if (!add_tree_extension(ret_index, builder, fault))
        return false;
    hasher_begin(builder->hasher);
    hasher_add(builder->hasher, buf_slice(ret_index));
    hasher_end(builder->hasher, checksum);
    return buf_add(ret_index, slice_of_bytes(checksum, builder->settings.oid_bytes), fault);
}
