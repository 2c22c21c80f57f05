#include "view/snapshot_builder.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/scope.h"
#include "os/file.h"
#include "view/pack.h"
#include "view/snapshot_format.h"

#define PATHS_BYTES_MAX (2ULL << 30)
#define NAMES_BYTES_MAX (1ULL << 31)
#define TREE_BYTES_MAX (256ULL << 20)
#define NODES_BYTES_MAX (8ULL << 30)
#define INDEX_BYTES_MAX (2ULL << 30)
#define PACK_LEVEL 1
#define PROGRESS_STEP 256

/* Entries of a folder: [from, to), their paths begin with `prefix` bytes of it ("src/"). */
struct builder_range {
    uint32_t from, to, prefix;
};

bool snapshot_builder_new(const struct snapshot_settings *settings,
                          struct snapshot_builder **ret_builder, struct fault *fault)
{
    struct snapshot_builder *builder = xalloc(sizeof(*builder));

    builder->settings = *settings;
    /* A git index holds 32 bits, and a file time of 0 reads as "unknown". */
    if (builder->settings.base_time_s < 1)
        builder->settings.base_time_s = 1;
    if (builder->settings.base_time_s > INT32_MAX)
        builder->settings.base_time_s = INT32_MAX;
    builder->paths = buf_with_limit(PATHS_BYTES_MAX);
    builder->names = buf_with_limit(NAMES_BYTES_MAX);
    builder->last_rule = buf_with_limit(UINT16_MAX);
    if (!hasher_new(settings->oid_bytes, &builder->hasher, fault)) {
        snapshot_builder_free(builder);
        return false;
    }
    *ret_builder = builder;
    return true;
}

void snapshot_builder_free(struct snapshot_builder *builder)
{
    if (builder == NULL)
        return;
    hasher_free(builder->hasher);
    buf_free(&builder->paths);
    buf_free(&builder->names);
    buf_free(&builder->last_rule);
    free(builder->entries);
    free(builder->added);
    free(builder->findings);
    free(builder->nodes);
    free(builder->ranges);
    free(builder->covered);
    free(builder);
}

static struct slice entry_path(const struct snapshot_builder *builder, uint32_t entry)
{
    return slice_of_bytes(builder->paths.at + builder->entries[entry].path_at,
                          builder->entries[entry].path_len);
}

static bool check_entry(const struct snapshot_builder *builder,
                        const struct snapshot_entry *entry, struct fault *fault)
{
    struct slice rest = entry->path, part;
    uint64_t content_end;
    uint32_t end = 0;

    if (entry->path.len == 0 || entry->path.len > SNAPSHOT_PATH_MAX)
        return fault_set(fault, FAULT_INVALID, "a path of %zu bytes", entry->path.len);
    while (slice_cut(&rest, '/', &part))
        if (!snapshot_name_is_plain(part))
            return fault_set(fault, FAULT_INVALID, "a path that no work tree can have");
    if (builder->entry_count > 0 &&
        slice_compare(entry_path(builder, (uint32_t)builder->entry_count - 1), entry->path) >=
            0)
        return fault_set(fault, FAULT_INVALID, "paths are not in git's order");
    if (entry->mode != SNAPSHOT_MODE_FILE && entry->mode != SNAPSHOT_MODE_PROGRAM &&
        entry->mode != SNAPSHOT_MODE_LINK && entry->mode != SNAPSHOT_MODE_GITLINK)
        return fault_set(fault, FAULT_INVALID, "mode %o", entry->mode);
    if ((unsigned)entry->verdict >= VERDICT_COUNT || (entry->class_mask >> CLASS_COUNT) != 0 ||
        entry->rule.len > UINT16_MAX || entry->size > INT64_MAX ||
        entry->finding_count > SNAPSHOT_ENTRY_FINDINGS_MAX ||
        __builtin_add_overflow(entry->content_at, entry->size, &content_end) ||
        content_end > INT64_MAX ||
        (entry->mode == SNAPSHOT_MODE_GITLINK && entry->verdict == VERDICT_REDACT))
        return fault_set(fault, FAULT_INVALID, "a file that cannot be");
    for (size_t i = 0; i < entry->finding_count; i++) {
        const struct snapshot_finding *finding = &entry->findings[i];

        if (finding->start < end || finding->end <= finding->start ||
            finding->end > entry->size || finding->class >= CLASS_COUNT)
            return fault_set(fault, FAULT_INVALID, "a finding outside of its file");
        end = finding->end;
    }
    return true;
}

static bool add_rule(struct snapshot_builder *builder, struct slice rule,
                     struct snapshot_node *node, struct fault *fault)
{
    if (!slice_equal(rule, buf_slice(&builder->last_rule))) {
        builder->last_rule_at = (uint32_t)builder->names.len;
        buf_clear(&builder->last_rule);
        if (!buf_add(&builder->names, rule, fault) ||
            !buf_add(&builder->last_rule, rule, fault))
            return false;
    }
    node->rule_at = builder->last_rule_at;
    node->rule_len = (uint16_t)rule.len;
    return true;
}

static void add_findings(struct snapshot_builder *builder, const struct snapshot_entry *entry,
                         struct snapshot_node *node)
{
    builder->findings =
        xgrow(builder->findings, &builder->finding_room,
              builder->finding_count + entry->finding_count, sizeof(*builder->findings));
    node->finding_at = (uint32_t)builder->finding_count;
    node->finding_count = (uint32_t)entry->finding_count;
    if (entry->finding_count > 0)
        memcpy(builder->findings + builder->finding_count, entry->findings,
               entry->finding_count * sizeof(*entry->findings));
    builder->finding_count += entry->finding_count;
}

bool snapshot_builder_add(struct snapshot_builder *builder, const struct snapshot_entry *entry,
                          struct fault *fault)
{
    struct snapshot_node node = {.size = entry->size,
                                 .content_at = entry->content_at,
                                 .mode = entry->mode,
                                 .class_mask = entry->class_mask,
                                 .verdict = (uint8_t)entry->verdict};

    if (!check_entry(builder, entry, fault))
        return fault_in(fault, "snapshot of %.*s",
                        SLICE_ARGS(slice_part(entry->path, 0, 200)));
    if (entry->verdict == VERDICT_DENY && builder->settings.hide_names)
        return true;
    if (builder->entry_count >= SNAPSHOT_NODES_MAX ||
        builder->finding_count + entry->finding_count > UINT32_MAX)
        return fault_set(fault, FAULT_LIMIT, "more than %u files", SNAPSHOT_NODES_MAX);
    if (entry->verdict == VERDICT_DENY) {
        node.mode = SNAPSHOT_MODE_DENIED;
        node.flags |= SNAPSHOT_OUTSIDE_GIT;
        node.content_at = 0;
    }
    if (entry->mode == SNAPSHOT_MODE_GITLINK) {
        node.verdict = entry->verdict == VERDICT_DENY ? VERDICT_DENY : VERDICT_ALLOW;
        node.size = 0;
        node.content_at = 0;
    }
    memcpy(node.oid, entry->oid, builder->settings.oid_bytes);
    if (!add_rule(builder, entry->rule, &node, fault))
        return false;
    if (entry->verdict != VERDICT_DENY && entry->mode != SNAPSHOT_MODE_GITLINK)
        add_findings(builder, entry, &node);
    builder->entries = xgrow(builder->entries, &builder->entry_room, builder->entry_count + 1,
                             sizeof(*builder->entries));
    builder->added = xgrow(builder->added, &builder->added_room, builder->entry_count + 1,
                           sizeof(*builder->added));
    builder->entries[builder->entry_count] = (struct builder_entry){
        .path_at = (uint32_t)builder->paths.len, .path_len = (uint32_t)entry->path.len};
    builder->added[builder->entry_count++] = node;
    return buf_add(&builder->paths, entry->path, fault);
}

static uint32_t add_node(struct snapshot_builder *builder, const struct snapshot_node *node,
                         struct builder_range range)
{
    builder->nodes =
        xgrow(builder->nodes, &builder->node_room, builder->node_count + 1, sizeof(*node));
    builder->ranges =
        xgrow(builder->ranges, &builder->range_room, builder->node_count + 1, sizeof(range));
    builder->nodes[builder->node_count] = *node;
    builder->ranges[builder->node_count] = range;
    return (uint32_t)builder->node_count++;
}

/* One level: files become nodes, runs of paths with the same first part become a folder. */
static bool expand(struct snapshot_builder *builder, uint32_t folder, struct fault *fault)
{
    struct builder_range range = builder->ranges[folder];

    builder->nodes[folder].child_at = (uint32_t)builder->node_count;
    for (uint32_t i = range.from; i < range.to;) {
        struct slice path = entry_path(builder, i);
        struct slice rest = slice_part(path, range.prefix, path.len), name = rest;
        bool is_folder = slice_find_byte(rest, '/', 0) != SIZE_MAX;
        struct builder_range below = {.from = i, .to = i + 1};
        struct snapshot_node node = {.mode = SNAPSHOT_MODE_FOLDER};

        if (is_folder) {
            name.len = slice_find_byte(rest, '/', 0);
            below.prefix = range.prefix + (uint32_t)name.len + 1;
            while (below.to < range.to && slice_starts_with(entry_path(builder, below.to),
                                                            slice_part(path, 0, below.prefix)))
                below.to++;
        } else {
            node = builder->added[i];
        }
        node.parent = folder;
        node.name_at = (uint32_t)builder->names.len;
        node.name_len = (uint16_t)name.len;
        if (builder->node_count >= SNAPSHOT_NODES_MAX)
            return fault_set(fault, FAULT_LIMIT, "more than %u files", SNAPSHOT_NODES_MAX);
        if (!buf_add(&builder->names, name, fault))
            return false;
        if (is_folder)
            (void)add_node(builder, &node, below);
        else
            builder->entries[i].node = add_node(builder, &node, (struct builder_range){0});
        i = below.to;
    }
    builder->nodes[folder].child_count =
        (uint32_t)builder->node_count - builder->nodes[folder].child_at;
    if (builder->nodes[folder].child_count == 0)
        builder->nodes[folder].child_at = 0;
    return true;
}

static bool make_nodes(struct snapshot_builder *builder, struct fault *fault)
{
    struct snapshot_node root = {.mode = SNAPSHOT_MODE_FOLDER};

    (void)add_node(builder, &root,
                   (struct builder_range){.to = (uint32_t)builder->entry_count});
    for (uint32_t number = 0; number < builder->node_count; number++)
        if (builder->nodes[number].mode == SNAPSHOT_MODE_FOLDER &&
            !expand(builder, number, fault))
            return false;
    builder->covered = xalloc_array(builder->node_count, sizeof(*builder->covered));
    return true;
}

/* Children come after their folders, so going backwards their trees are there already. */
static bool make_tree(struct snapshot_builder *builder, uint32_t folder, struct buf *tree,
                      struct pack *pack, struct fault *fault)
{
    struct snapshot_node *node = &builder->nodes[folder];
    bool changes = false;

    buf_clear(tree);
    for (uint32_t child = node->child_at; child < node->child_at + node->child_count;
         child++) {
        const struct snapshot_node *below = &builder->nodes[child];

        if ((below->flags & SNAPSHOT_OUTSIDE_GIT) != 0)
            continue;
        builder->covered[folder] +=
            below->mode == SNAPSHOT_MODE_FOLDER ? builder->covered[child] : 1;
        changes = changes || below->verdict == VERDICT_REDACT ||
                  (below->flags & SNAPSHOT_CHANGES_BELOW) != 0;
        if (!object_add_tree_line(
                tree, below->mode,
                slice_of_bytes(builder->names.at + below->name_at, below->name_len),
                below->oid, builder->settings.oid_bytes, fault))
            return false;
    }
    if (builder->covered[folder] == 0 && folder != 0) {
        node->flags |= SNAPSHOT_OUTSIDE_GIT;
        return true;
    }
    if (changes) {
        node->flags |= SNAPSHOT_CHANGES_BELOW;
        return true;
    }
    return pack_add(pack, OBJECT_TREE, buf_slice(tree), node->oid, fault);
}

static bool pack_blobs(struct snapshot_builder *builder, int content_fd, struct pack *pack,
                       const struct snapshot_progress *progress, struct fault *fault)
{
    for (size_t i = 0; i < builder->entry_count; i++) {
        const struct snapshot_node *node = &builder->added[i];

        if (progress != NULL && i % PROGRESS_STEP == 0)
            progress->show(progress->self, i, builder->entry_count);
        if (node->verdict != VERDICT_ALLOW || node->mode == SNAPSHOT_MODE_GITLINK)
            continue;
        if (!pack_add_range(pack, content_fd, node->content_at, node->size, node->oid, fault))
            return fault_in(fault, "snapshot of %.*s",
                            SLICE_ARGS(slice_part(entry_path(builder, (uint32_t)i), 0, 200)));
    }
    if (progress != NULL)
        progress->show(progress->self, builder->entry_count, builder->entry_count);
    return true;
}

static bool make_pack(struct snapshot_builder *builder, int folder_fd, int content_fd,
                      const struct snapshot_progress *progress, struct fault *fault)
{
    AUTO_BUF struct buf tree = buf_with_limit(TREE_BYTES_MAX);
    AUTO_CLOSE int objects = -1;
    AUTO_CLOSE int packs = -1;
    struct pack *pack = NULL;
    bool made;

    if (!file_open_folder(folder_fd, "objects", 0755, &objects, fault) ||
        !file_open_folder(objects, "pack", 0755, &packs, fault) ||
        !pack_new(packs, builder->settings.oid_bytes, PACK_LEVEL, &pack, fault))
        return false;
    made = pack_blobs(builder, content_fd, pack, progress, fault);
    for (uint32_t number = (uint32_t)builder->node_count; made && number-- > 0;)
        if (builder->nodes[number].mode == SNAPSHOT_MODE_FOLDER)
            made = make_tree(builder, number, &tree, pack, fault);
    made = made && pack_finish(pack, true, fault);
    pack_free(pack);
    return made;
}

static bool write_synced(int folder_fd, const char *name, struct slice bytes,
                         struct fault *fault)
{
    AUTO_CLOSE int fd =
        openat(folder_fd, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0444);

    if (fd < 0)
        return fault_errno(fault, "make %s", name);
    return file_write_all(fd, bytes, fault) &&
           (fdatasync(fd) == 0 || fault_errno(fault, "sync %s", name));
}

static bool add_bytes(struct buf *buf, const void *at, size_t count, size_t size,
                      struct fault *fault)
{
    return buf_add(buf, slice_of_bytes(at, count * size), fault);
}

static bool write_nodes(struct snapshot_builder *builder, int folder_fd, size_t index_bytes,
                        struct fault *fault)
{
    AUTO_BUF struct buf file = buf_with_limit(NODES_BYTES_MAX);
    AUTO_FREE uint32_t *redacted = xalloc_array(builder->node_count, sizeof(*redacted));
    struct snapshot_header header = {
        .version = SNAPSHOT_VERSION,
        .order_mark = SNAPSHOT_ORDER_MARK,
        .header_bytes = sizeof(header),
        .node_bytes = sizeof(struct snapshot_node),
        .finding_bytes = sizeof(struct snapshot_finding),
        .oid_bytes = (uint32_t)builder->settings.oid_bytes,
        .node_count = (uint32_t)builder->node_count,
        .finding_count = (uint32_t)builder->finding_count,
        .flags = builder->settings.hide_names ? SNAPSHOT_HIDES_NAMES : 0,
        .base_time_s = builder->settings.base_time_s,
        .names_bytes = builder->names.len,
        .index_bytes = index_bytes,
    };

    memcpy(header.magic, SNAPSHOT_MAGIC, sizeof(header.magic));
    for (uint32_t number = 0; number < builder->node_count; number++)
        if (builder->nodes[number].verdict == VERDICT_REDACT)
            redacted[header.redacted_count++] = number;
    if (!add_bytes(&file, &header, 1, sizeof(header), fault) ||
        !add_bytes(&file, builder->nodes, builder->node_count, sizeof(*builder->nodes),
                   fault) ||
        !add_bytes(&file, builder->findings, builder->finding_count,
                   sizeof(*builder->findings), fault) ||
        !add_bytes(&file, redacted, header.redacted_count, sizeof(*redacted), fault) ||
        !buf_add(&file, buf_slice(&builder->names), fault))
        return false;
    return snapshot_check(buf_slice(&file), index_bytes, fault) &&
           write_synced(folder_fd, "nodes", buf_slice(&file), fault);
}

static bool fill(struct snapshot_builder *builder, int folder_fd, int content_fd,
                 const struct snapshot_progress *progress, struct fault *fault)
{
    AUTO_BUF struct buf index = buf_with_limit(INDEX_BYTES_MAX);

    return make_pack(builder, folder_fd, content_fd, progress, fault) &&
           index_template_make(builder, &index, fault) &&
           write_synced(folder_fd, "index", buf_slice(&index), fault) &&
           write_nodes(builder, folder_fd, index.len, fault) &&
           (fsync(folder_fd) == 0 || fault_errno(fault, "sync"));
}

/* What cannot be removed now is removed by the next process of this number. */
static void discard(int parent_fd, const char *temporary)
{
    struct fault ignored = {0};

    if (!file_remove_tree(parent_fd, temporary, &ignored))
        return;
}

bool snapshot_builder_finish(struct snapshot_builder *builder, int parent_fd, const char *key,
                             int content_fd, const struct snapshot_progress *progress,
                             struct fault *fault)
{
    AUTO_CLOSE int folder = -1;
    char temporary[64];

    if (builder->nodes != NULL)
        return fault_set(fault, FAULT_CONFLICT, "the snapshot is built already");
    if (!snapshot_name_is_plain(slice_of(key)))
        return fault_set(fault, FAULT_INVALID, "a snapshot's key must be a plain name");
    (void)snprintf(temporary, sizeof(temporary), ".new-%d", (int)getpid());
    discard(parent_fd, temporary);
    if (!make_nodes(builder, fault) ||
        !file_open_folder(parent_fd, temporary, 0755, &folder, fault))
        return fault_in(fault, "build a snapshot");
    if (!fill(builder, folder, content_fd, progress, fault)) {
        discard(parent_fd, temporary);
        return fault_in(fault, "build a snapshot");
    }
    if (renameat(parent_fd, temporary, parent_fd, key) < 0) {
        bool theirs = errno == EEXIST || errno == ENOTEMPTY;

        if (!theirs)
            (void)fault_errno(fault, "name the snapshot");
        discard(parent_fd, temporary);
        return theirs;
    }
    return fsync(parent_fd) == 0 || fault_errno(fault, "sync the snapshots");
}
