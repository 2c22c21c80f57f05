/*
 * Small files that the agent writes, in memory: to make, write and remove one costs the host's
 * file system nothing. What grows, or is too much altogether, moves to upper/N.
 */
#include <stdlib.h>

#include "view/tree_node.h"

#define FILE_BYTES_MAX (16U << 10)
#define TREE_BYTES_MAX (64U << 20)
#define ROOM_BYTES_MIN 64U
#define BLOCK_BYTES 4096U

static size_t room_for(size_t size)
{
    size_t room = ROOM_BYTES_MIN;

    while (room < size)
        room *= 2;
    return size == 0 ? 0 : room;
}

bool tree_small_fits(const struct tree *tree, const struct node *node, uint64_t size)
{
    size_t room = size > FILE_BYTES_MAX ? 0 : room_for((size_t)size);

    return size <= FILE_BYTES_MAX &&
           (room <= node->small_room ||
            tree->small_bytes + (room - node->small_room) <= TREE_BYTES_MAX);
}

/* What is new is zero. The caller asked tree_small_fits. */
void tree_small_resize(struct tree *tree, struct node *node, size_t size)
{
    size_t room = room_for(size), old = (size_t)node->size;

    if (room != node->small_room) {
        uint8_t *small = room == 0 ? NULL : xalloc(room);

        if (room > 0 && node->small != NULL)
            memcpy(small, node->small, old < size ? old : size);
        free(node->small);
        tree->small_bytes += room - node->small_room;
        node->small = small;
        node->small_room = room;
    } else if (size < old) {
        memset(node->small + size, 0, old - size);
    }
    node->size = size;
    tree_set_blocks(tree, node, (size + BLOCK_BYTES - 1) / BLOCK_BYTES * (BLOCK_BYTES / 512));
}

void tree_small_free(struct tree *tree, struct node *node)
{
    free(node->small);
    tree->small_bytes -= node->small_room;
    node->small = NULL;
    node->small_room = 0;
}
