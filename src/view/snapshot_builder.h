/* view/snapshot_builder.h - what snapshot_builder.c and index_template.c share. */
#ifndef CUSTODY_VIEW_SNAPSHOT_BUILDER_H
#define CUSTODY_VIEW_SNAPSHOT_BUILDER_H

#include "view/object.h"
#include "view/snapshot.h"

struct builder_entry {          /* one added file */
    uint32_t path_at, path_len; /* in paths */
    uint32_t node;              /* set by snapshot_builder_finish */
};

struct snapshot_builder {
    struct snapshot_settings settings;
    struct hasher *hasher;
    struct builder_entry *entries;
    struct snapshot_node *added; /* by entry: all but name, parent and children */
    size_t entry_count, entry_room, added_room;
    struct buf paths, names;
    struct snapshot_finding *findings;
    size_t finding_count, finding_room;
    struct buf last_rule; /* rules repeat: the last one is not stored again */
    uint32_t last_rule_at;
    struct snapshot_node *nodes; /* breadth-first */
    size_t node_count, node_room;
    struct builder_range *ranges; /* by node: the entries of a folder */
    size_t range_room;
    uint32_t *covered; /* by node: index entries of a folder */
};

/*
 * Writes the git index, version 2, of all nodes that git knows, with the TREE extension, and
 * notes in each node where its id stands.
 */
MUST_USE bool index_template_make(struct snapshot_builder *builder, struct buf *ret_index,
                                  struct fault *fault);

#endif
