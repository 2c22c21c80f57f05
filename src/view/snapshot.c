#include "view/snapshot.h"

#include <fcntl.h>
#include <errno.h>
#include <stdlib.h>
#include <strings.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/scope.h"
#include "view/snapshot_format.h"

#define NAME_BYTES_MAX 255
#define FILE_BYTES_MAX (16ULL << 30)
#define PATH_DEPTH_MAX (SNAPSHOT_PATH_MAX / 2 + 1)

/* Where the parts of the file are. */
struct parts {
    const struct snapshot_header *header;
    const struct snapshot_node *nodes;
    const struct snapshot_finding *findings;
    const uint32_t *redacted;
    const uint8_t *names;
    size_t index_bytes;
};

struct snapshot {
    struct parts parts;
    struct slice nodes, index; /* the mappings */
};

static bool damaged(struct fault *fault, const char *what, uint32_t number)
{
    return fault_set(fault, FAULT_INVALID, "snapshot is damaged: %s of node %u", what, number);
}

/* Of a file of so many bytes, beside an index of so many. */
static bool check_header(const struct snapshot_header *header, uint64_t file_bytes,
                         uint64_t index_bytes, struct fault *fault)
{
    uint64_t size = sizeof(*header);

    if (memcmp(header->magic, SNAPSHOT_MAGIC, sizeof(header->magic)) != 0 ||
        header->version != SNAPSHOT_VERSION || header->order_mark != SNAPSHOT_ORDER_MARK ||
        header->header_bytes != sizeof(*header) ||
        header->node_bytes != sizeof(struct snapshot_node) ||
        header->finding_bytes != sizeof(struct snapshot_finding))
        return fault_set(fault, FAULT_INVALID, "snapshot is of another version");
    if ((header->oid_bytes != 20 && header->oid_bytes != 32) || header->node_count == 0 ||
        header->node_count > SNAPSHOT_NODES_MAX ||
        header->redacted_count > header->node_count ||
        (header->flags & ~SNAPSHOT_HIDES_NAMES) != 0 || header->index_bytes != index_bytes ||
        header->names_bytes > UINT32_MAX || header->base_time_s < 0 ||
        header->base_time_s > INT32_MAX)
        return fault_set(fault, FAULT_INVALID, "snapshot is damaged: its header");
    /* None of the sums can overflow 64 bits. */
    size += (uint64_t)header->node_count * sizeof(struct snapshot_node);
    size += (uint64_t)header->finding_count * sizeof(struct snapshot_finding);
    size += (uint64_t)header->redacted_count * sizeof(uint32_t);
    return size + header->names_bytes == file_bytes ||
           fault_set(fault, FAULT_INVALID, "snapshot is damaged: cut or extended");
}

static bool find_parts(struct slice file, size_t index_bytes, struct parts *ret_parts,
                       struct fault *fault)
{
    struct parts parts = {.index_bytes = index_bytes};
    const struct snapshot_header *header = (const void *)file.at;

    if (file.len < sizeof(*header))
        return fault_set(fault, FAULT_INVALID, "snapshot is damaged: %zu bytes", file.len);
    if (!check_header(header, file.len, index_bytes, fault))
        return false;
    parts.header = header;
    parts.nodes = (const void *)(file.at + sizeof(*header));
    parts.findings = (const void *)(parts.nodes + header->node_count);
    parts.redacted = (const void *)(parts.findings + header->finding_count);
    parts.names = (const void *)(parts.redacted + header->redacted_count);
    *ret_parts = parts;
    return true;
}

bool snapshot_name_is_plain(struct slice name)
{
    if (name.len == 0 || name.len > NAME_BYTES_MAX || memchr(name.at, '/', name.len) != NULL ||
        memchr(name.at, 0, name.len) != NULL)
        return false;
    if (name.at[0] != '.')
        return true;
    return name.len != 1 && !(name.len == 2 && name.at[1] == '.') &&
           !(name.len == 4 && strncasecmp((const char *)name.at, ".git", 4) == 0);
}

int snapshot_order(struct slice a, bool a_is_folder, struct slice b, bool b_is_folder)
{
    size_t shared = a.len < b.len ? a.len : b.len;
    int order = memcmp(a.at, b.at, shared);
    int next_a, next_b;

    if (order != 0)
        return order;
    next_a = a.len > shared ? a.at[shared] : a_is_folder ? '/' : 0;
    next_b = b.len > shared ? b.at[shared] : b_is_folder ? '/' : 0;
    return next_a - next_b;
}

static struct slice name_of(const struct parts *parts, uint32_t number)
{
    const struct snapshot_node *node = &parts->nodes[number];

    return slice_of_bytes(parts->names + node->name_at, node->name_len);
}

/* Git sorts a gitlink like a file. */
static bool sorts_as_folder(const struct snapshot_node *node)
{
    return node->mode == SNAPSHOT_MODE_FOLDER;
}

static uint32_t search(const struct parts *parts, uint32_t folder, struct slice name,
                       bool as_folder)
{
    uint32_t low = parts->nodes[folder].child_at;
    uint32_t high = low + parts->nodes[folder].child_count;

    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        int order = snapshot_order(name, as_folder, name_of(parts, middle),
                                   sorts_as_folder(&parts->nodes[middle]));

        if (order == 0)
            return middle;
        if (order < 0)
            high = middle;
        else
            low = middle + 1;
    }
    return SNAPSHOT_NONE;
}

static bool check_mode(const struct snapshot_node *node)
{
    switch (node->mode) {
    case SNAPSHOT_MODE_FOLDER:
    case SNAPSHOT_MODE_GITLINK:
        return node->verdict == VERDICT_ALLOW && node->finding_count == 0;
    case SNAPSHOT_MODE_FILE:
    case SNAPSHOT_MODE_PROGRAM:
    case SNAPSHOT_MODE_LINK:
        return node->verdict != VERDICT_DENY;
    case SNAPSHOT_MODE_DENIED:
        return node->verdict == VERDICT_DENY && (node->flags & SNAPSHOT_OUTSIDE_GIT) != 0;
    default:
        return false;
    }
}

static bool check_findings(const struct parts *parts, uint32_t number, struct fault *fault)
{
    const struct snapshot_node *node = &parts->nodes[number];
    uint32_t end = 0;

    if ((uint64_t)node->finding_at + node->finding_count > parts->header->finding_count)
        return damaged(fault, "findings", number);
    for (uint32_t i = 0; i < node->finding_count; i++) {
        const struct snapshot_finding *finding = &parts->findings[node->finding_at + i];

        if (finding->start < end || finding->end <= finding->start ||
            finding->end > node->size || finding->class >= CLASS_COUNT)
            return damaged(fault, "a finding", number);
        end = finding->end;
    }
    return true;
}

static bool check_node(const struct parts *parts, uint32_t number, struct fault *fault)
{
    const struct snapshot_node *node = &parts->nodes[number];
    const struct snapshot_header *header = parts->header;
    uint64_t content_end;

    if ((uint64_t)node->name_at + node->name_len > header->names_bytes ||
        (uint64_t)node->rule_at + node->rule_len > header->names_bytes ||
        (number > 0 && !snapshot_name_is_plain(name_of(parts, number))))
        return damaged(fault, "name", number);
    if (!check_mode(node) || (node->class_mask >> CLASS_COUNT) != 0)
        return damaged(fault, "mode", number);
    if (node->size > INT64_MAX || node->content_at > INT64_MAX ||
        __builtin_add_overflow(node->content_at, node->size, &content_end) ||
        content_end > INT64_MAX)
        return damaged(fault, "content", number);
    if (node->index_at != 0 &&
        (uint64_t)node->index_at + header->oid_bytes > parts->index_bytes)
        return damaged(fault, "index place", number);
    return check_findings(parts, number, fault);
}

/* What is left to look at: each node is touched once, since there may be a million. */
struct checking {
    const struct parts *parts;
    uint32_t *folders; /* seen, in order */
    size_t folder_count, folder_room;
    uint32_t next;   /* the node that the next folder's children begin with */
    uint32_t listed; /* of the redacted files */
};

/* The next one in the list. */
static bool check_redacted(struct checking *checking, uint32_t number, struct fault *fault)
{
    const struct parts *parts = checking->parts;

    if (checking->listed >= parts->header->redacted_count ||
        parts->redacted[checking->listed] != number || parts->nodes[number].index_at == 0)
        return damaged(fault, "redaction", number);
    checking->listed++;
    return true;
}

static bool check_child(struct checking *checking, uint32_t parent, uint32_t number,
                        struct fault *fault)
{
    const struct snapshot_node *node = &checking->parts->nodes[number];

    if (node->parent != parent)
        return damaged(fault, "parent", number);
    if (!check_node(checking->parts, number, fault) ||
        (node->verdict == VERDICT_REDACT && !check_redacted(checking, number, fault)))
        return false;
    if (snapshot_is_fresh(node) &&
        (checking->parts->nodes[parent].flags & SNAPSHOT_CHANGES_BELOW) == 0)
        return damaged(fault, "flags", parent);
    if (!sorts_as_folder(node))
        return node->child_count == 0 || damaged(fault, "children", number);
    checking->folders = xgrow(checking->folders, &checking->folder_room,
                              checking->folder_count + 1, sizeof(*checking->folders));
    checking->folders[checking->folder_count++] = number;
    return true;
}

/* The children of `number` must be the next ones in line, and in order. */
static bool check_children(struct checking *checking, uint32_t number, struct fault *fault)
{
    const struct parts *parts = checking->parts;
    const struct snapshot_node *node = &parts->nodes[number];
    size_t folders_before = checking->folder_count;
    struct slice before = {0};
    bool before_is_folder = false;
    uint32_t end;

    if (node->child_count == 0)
        return true;
    if (node->child_at != checking->next || node->child_at <= number ||
        node->child_count > parts->header->node_count - checking->next)
        return damaged(fault, "children", number);
    end = checking->next + node->child_count;
    for (uint32_t child = checking->next; child < end; child++) {
        struct slice name;
        bool is_folder;

        if (!check_child(checking, number, child, fault))
            return false;
        name = name_of(parts, child);
        is_folder = sorts_as_folder(&parts->nodes[child]);
        if (child > checking->next &&
            snapshot_order(before, before_is_folder, name, is_folder) >= 0)
            return damaged(fault, "order", child);
        before = name;
        before_is_folder = is_folder;
    }
    checking->next = end;
    for (size_t i = folders_before; i < checking->folder_count; i++)
        if (search(parts, number, name_of(parts, checking->folders[i]), false) !=
            SNAPSHOT_NONE)
            return damaged(fault, "name used twice", checking->folders[i]);
    return true;
}

static bool check_all(struct checking *checking, struct fault *fault)
{
    const struct parts *parts = checking->parts;

    if (parts->nodes[0].mode != SNAPSHOT_MODE_FOLDER || parts->nodes[0].parent != 0 ||
        !check_node(parts, 0, fault))
        return damaged(fault, "root", 0);
    if (!check_children(checking, 0, fault))
        return false;
    for (size_t i = 0; i < checking->folder_count; i++)
        if (!check_children(checking, checking->folders[i], fault))
            return false;
    if (checking->next != parts->header->node_count)
        return damaged(fault, "place", checking->next);
    return checking->listed == parts->header->redacted_count ||
           damaged(fault, "redacted list", checking->listed);
}

static bool check(const struct parts *parts, struct fault *fault)
{
    struct checking checking = {.parts = parts, .next = 1};
    bool ok = check_all(&checking, fault);

    free(checking.folders);
    return ok;
}

bool snapshot_check(struct slice nodes, size_t index_bytes, struct fault *fault)
{
    struct parts parts;

    return find_parts(nodes, index_bytes, &parts, fault) && check(&parts, fault);
}

static bool open_file(int folder_fd, const char *name, int *ret_fd, size_t *ret_size,
                      struct fault *fault)
{
    AUTO_CLOSE int fd = openat(folder_fd, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    struct stat stat;

    if (fd < 0 || fstat(fd, &stat) < 0)
        return fault_errno(fault, "open snapshot's %s", name);
    if (!S_ISREG(stat.st_mode) || stat.st_size <= 0 || (uint64_t)stat.st_size > FILE_BYTES_MAX)
        return fault_set(fault, FAULT_INVALID, "snapshot is damaged: size of %s", name);
    *ret_fd = take_fd(&fd);
    *ret_size = (size_t)stat.st_size;
    return true;
}

static bool map_file(int folder_fd, const char *name, struct slice *ret_file,
                     struct fault *fault)
{
    AUTO_CLOSE int fd = -1;
    size_t size;
    void *at;

    if (!open_file(folder_fd, name, &fd, &size, fault))
        return false;
    at = mmap(NULL, size, PROT_READ, MAP_PRIVATE | MAP_POPULATE, fd, 0);
    if (at == MAP_FAILED)
        return fault_errno(fault, "map snapshot's %s", name);
    *ret_file = slice_of_bytes(at, size);
    return true;
}

static void unmap(struct slice file)
{
    if (file.at != NULL)
        (void)munmap((void *)(uintptr_t)file.at, file.len);
}

bool snapshot_open(int folder_fd, struct snapshot **ret_snapshot, struct fault *fault)
{
    struct snapshot *snapshot = xalloc(sizeof(*snapshot));

    if (!map_file(folder_fd, "nodes", &snapshot->nodes, fault) ||
        !map_file(folder_fd, "index", &snapshot->index, fault) ||
        !find_parts(snapshot->nodes, snapshot->index.len, &snapshot->parts, fault) ||
        !check(&snapshot->parts, fault)) {
        snapshot_close(snapshot);
        return false;
    }
    *ret_snapshot = snapshot;
    return true;
}

bool snapshot_count_nodes(int folder_fd, uint32_t *ret_count, struct fault *fault)
{
    struct snapshot_header header;
    AUTO_CLOSE int nodes = -1, index = -1;
    size_t node_bytes, index_bytes;

    if (!open_file(folder_fd, "nodes", &nodes, &node_bytes, fault) ||
        !open_file(folder_fd, "index", &index, &index_bytes, fault))
        return false;
    if (pread(nodes, &header, sizeof(header), 0) != sizeof(header))
        return fault_set(fault, FAULT_INVALID, "snapshot is damaged: %zu bytes", node_bytes);
    if (!check_header(&header, node_bytes, index_bytes, fault))
        return false;
    *ret_count = header.node_count;
    return true;
}

void snapshot_close(struct snapshot *snapshot)
{
    if (snapshot == NULL)
        return;
    unmap(snapshot->nodes);
    unmap(snapshot->index);
    free(snapshot);
}

uint32_t snapshot_node_count(const struct snapshot *snapshot)
{
    return snapshot->parts.header->node_count;
}

const struct snapshot_node *snapshot_node(const struct snapshot *snapshot, uint32_t number)
{
    return &snapshot->parts.nodes[number];
}

struct slice snapshot_name(const struct snapshot *snapshot, uint32_t number)
{
    return name_of(&snapshot->parts, number);
}

struct slice snapshot_rule(const struct snapshot *snapshot, uint32_t number)
{
    const struct snapshot_node *node = snapshot_node(snapshot, number);

    return slice_of_bytes(snapshot->parts.names + node->rule_at, node->rule_len);
}

const struct snapshot_finding *snapshot_findings(const struct snapshot *snapshot,
                                                 uint32_t number)
{
    return snapshot->parts.findings + snapshot_node(snapshot, number)->finding_at;
}

uint32_t snapshot_child(const struct snapshot *snapshot, uint32_t folder, struct slice name)
{
    uint32_t found = search(&snapshot->parts, folder, name, false);

    return found != SNAPSHOT_NONE ? found : search(&snapshot->parts, folder, name, true);
}

uint32_t snapshot_find(const struct snapshot *snapshot, struct slice path)
{
    struct slice rest = path, part;
    uint32_t number = 0;

    if (path.len == 0)
        return 0;
    while (number != SNAPSHOT_NONE && slice_cut(&rest, '/', &part))
        number = snapshot_child(snapshot, number, part);
    return number;
}

bool snapshot_path(const struct snapshot *snapshot, uint32_t number, struct buf *ret_path,
                   struct fault *fault)
{
    uint32_t chain[PATH_DEPTH_MAX];
    size_t depth = 0;

    for (; number != 0; number = snapshot_node(snapshot, number)->parent) {
        if (depth == COUNT(chain))
            return fault_set(fault, FAULT_LIMIT, "a path of more than %zu parts",
                             COUNT(chain));
        chain[depth++] = number;
    }
    for (size_t i = depth; i-- > 0;) {
        if (!buf_add(ret_path, snapshot_name(snapshot, chain[i]), fault))
            return false;
        if (i > 0 && !buf_add_byte(ret_path, '/', fault))
            return false;
    }
    return true;
}

const uint32_t *snapshot_redacted(const struct snapshot *snapshot, size_t *ret_count)
{
    *ret_count = snapshot->parts.header->redacted_count;
    return snapshot->parts.redacted;
}

struct slice snapshot_index(const struct snapshot *snapshot)
{
    return snapshot->index;
}

size_t snapshot_oid_bytes(const struct snapshot *snapshot)
{
    return snapshot->parts.header->oid_bytes;
}

int64_t snapshot_base_time(const struct snapshot *snapshot)
{
    return snapshot->parts.header->base_time_s;
}

bool snapshot_hides_names(const struct snapshot *snapshot)
{
    return (snapshot->parts.header->flags & SNAPSHOT_HIDES_NAMES) != 0;
}

bool snapshot_content(int content_fd, const struct snapshot_node *node,
                      struct buf *ret_content, struct fault *fault)
{
    size_t from = ret_content->len;

    if (!buf_reserve(ret_content, (size_t)node->size, fault))
        return false;
    while (ret_content->len - from < node->size) {
        size_t done = ret_content->len - from;
        ssize_t got = pread(content_fd, ret_content->at + ret_content->len,
                            (size_t)node->size - done, (off_t)(node->content_at + done));

        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return fault_errno(fault, "read content");
        if (got == 0)
            return fault_set(fault, FAULT_INVALID, "content ends before the file does");
        ret_content->len += (size_t)got;
    }
    return true;
}
