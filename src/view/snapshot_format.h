/*
 * view/snapshot_format.h - the file `nodes` of a snapshot:
 *
 *   header | node[node_count] | finding[finding_count] | uint32 redacted[redacted_count]
 *       | names
 *
 * Nodes are in breadth-first order, so the children of the folders, in the folders' order,
 * follow one another without a gap from node 1 to the end: that is also how a damaged file is
 * noticed.
 */
#ifndef CUSTODY_VIEW_SNAPSHOT_FORMAT_H
#define CUSTODY_VIEW_SNAPSHOT_FORMAT_H

#include "view/snapshot.h"

#define SNAPSHOT_MAGIC "CUSTVIEW"
#define SNAPSHOT_VERSION 2
#define SNAPSHOT_ORDER_MARK 0x01020304U
#define SNAPSHOT_HIDES_NAMES 1U
#define SNAPSHOT_MODE_DENIED 0100000U

struct snapshot_header {
    char magic[8];
    uint32_t version;
    uint32_t order_mark;
    uint32_t header_bytes, node_bytes, finding_bytes, oid_bytes;
    uint32_t node_count, finding_count, redacted_count, flags;
    int64_t base_time_s;
    uint64_t names_bytes;
    uint64_t index_bytes;
};

/* Git's order of names within a tree: a folder sorts as if its name ended in "/". */
int snapshot_order(struct slice a, bool a_is_folder, struct slice b, bool b_is_folder);
/* May a file or folder of a view have this name? Not: empty, ".", "..", ".git" in any case,
 * '/' or NUL. */
bool snapshot_name_is_plain(struct slice name);

#endif
