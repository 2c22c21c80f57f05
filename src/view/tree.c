#include "view/tree.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/scope.h"
#include "view/snapshot_format.h"
#include "view/tree_node.h"

#define FIRST_COOKIE 3 /* 1 and 2 are "." and ".." */
#define BLOCK_BYTES 4096
#define NAME_BYTES_MAX 255

bool tree_new(const struct tree_settings *settings, struct tree **ret_tree,
              struct fault *fault)
{
    uint32_t count = snapshot_node_count(settings->snapshot);
    struct tree *tree = xalloc(sizeof(*tree));
    struct stat stat;

    if (fstat(settings->upper_fd, &stat) < 0 || !S_ISDIR(stat.st_mode)) {
        free(tree);
        return fault_set(fault, FAULT_INVALID, "the folder for written content is none");
    }
    tree->settings = *settings;
    tree->base_count = count;
    tree->used = count;
    tree->slot_room = (size_t)count + 1024;
    tree->slots = xalloc_array(tree->slot_room, sizeof(*tree->slots));
    for (size_t i = 0; i < COUNT(tree->open); i++) {
        tree->open[i].number = TREE_NONE;
        tree->open[i].fd = -1;
    }
    *ret_tree = tree;
    return true;
}

static void free_node(struct tree *tree, struct node *node)
{
    if (node == NULL)
        return;
    tree_free_attributes(tree, node);
    tree_small_free(tree, node);
    free(node->blob_told);
    for (size_t i = 0; i < node->name_count; i++)
        free(node->names[i].name);
    free(node->names);
    free(node->target);
    folder_free(node->folder);
    free(node);
}

void tree_free(struct tree *tree)
{
    if (tree == NULL)
        return;
    for (uint32_t number = 0; number < tree->used; number++)
        free_node(tree, tree->slots[number].node);
    for (size_t i = 0; i < COUNT(tree->open); i++)
        if (tree->open[i].fd >= 0)
            (void)close(tree->open[i].fd);
    free(tree->free);
    free(tree->slots);
    free(tree);
}

/* ---- nodes ---- */

struct node *tree_touched(const struct tree *tree, uint32_t number)
{
    return tree->slots[number].node;
}

bool tree_has(const struct tree *tree, uint32_t number)
{
    return number < tree->base_count ||
           (number < tree->used && tree->slots[number].node != NULL);
}

static const struct snapshot_node *base_node(const struct tree *tree, uint32_t number)
{
    return snapshot_node(tree->settings.snapshot, number);
}

/*
 * A file that policy refuses to have written is shown as writable: a missing bit would let the
 * kernel refuse it, and nobody would learn of the attempt. The judge refuses and records.
 */
static mode_t shown_mode(const struct snapshot_node *base)
{
    switch (base->mode) {
    case SNAPSHOT_MODE_FOLDER:
    case SNAPSHOT_MODE_GITLINK:
        return S_IFDIR | 0755;
    case SNAPSHOT_MODE_LINK:
        return S_IFLNK | 0777;
    case SNAPSHOT_MODE_FILE:
        return S_IFREG | 0644;
    case SNAPSHOT_MODE_PROGRAM:
        return S_IFREG | 0755;
    default:
        return S_IFREG;
    }
}

static struct node node_from_base(const struct tree *tree, uint32_t number)
{
    const struct snapshot_node *base = base_node(tree, number);
    struct timespec time = {.tv_sec = (time_t)snapshot_base_time(tree->settings.snapshot)};
    struct node node = {.base = number,
                        .mode = shown_mode(base),
                        .nlink = 1,
                        .size = base->size,
                        .atime = time,
                        .mtime = time,
                        .ctime = time,
                        .class_mask = base->class_mask,
                        .verdict = base->verdict};

    node.content = S_ISDIR(node.mode) ? CONTENT_NONE : CONTENT_BASE;
    node.blocks = S_ISDIR(node.mode) ? 0 : (base->size + 511) / 512;
    return node;
}

struct node *tree_touch(struct tree *tree, uint32_t number)
{
    struct node *node = tree->slots[number].node;

    if (node != NULL)
        return node;
    node = xalloc(sizeof(*node));
    *node = node_from_base(tree, number);
    tree->slots[number].node = node;
    if (number != 0)
        tree_add_name(tree, number, base_node(tree, number)->parent,
                      snapshot_name(tree->settings.snapshot, number));
    return node;
}

static void grow_slots(struct tree *tree)
{
    size_t room = tree->slot_room * 2;
    struct slot *slots = xalloc_array(room, sizeof(*slots));

    memcpy(slots, tree->slots, tree->slot_room * sizeof(*slots));
    free(tree->slots);
    tree->slots = slots;
    tree->slot_room = room;
}

int tree_add_node(struct tree *tree, mode_t mode, uint32_t *ret_number)
{
    struct timespec now = tree_now(tree);
    struct node *node;
    uint32_t number;

    if (tree->live >= TREE_NODES_MAX)
        return ENOSPC;
    if (tree->free_count > 0) {
        number = tree->free[--tree->free_count];
    } else {
        if (tree->used == tree->slot_room)
            grow_slots(tree);
        number = tree->used++;
    }
    node = xalloc(sizeof(*node));
    *node = (struct node){.base = TREE_NONE,
                          .mode = mode,
                          .nlink = 0,
                          .atime = now,
                          .mtime = now,
                          .ctime = now,
                          .content = S_ISREG(mode) ? CONTENT_SMALL : CONTENT_NONE};
    if (S_ISDIR(mode))
        node->folder = folder_new(FIRST_COOKIE);
    tree->slots[number] = (struct slot){.node = node};
    tree->live++;
    *ret_number = number;
    return 0;
}

/* What a node takes of the run's share of the disk: base content is the repository's. */
static uint64_t own_blocks(const struct node *node)
{
    return node_is_counted(node) ? node->blocks : 0;
}

void tree_add_name(struct tree *tree, uint32_t number, uint32_t folder, struct slice name)
{
    struct node *node = tree->slots[number].node;

    if (node->name_count == 0 && node->is_nameless)
        tree->nameless_blocks -= own_blocks(node);
    node->is_nameless = false;
    node->names =
        xgrow(node->names, &node->name_room, node->name_count + 1, sizeof(*node->names));
    node->names[node->name_count++] =
        (struct node_name){.folder = folder, .name = slice_dup(name)};
    node->nlink = S_ISDIR(node->mode) ? 1 : (uint32_t)node->name_count;
}

void tree_drop_name(struct tree *tree, uint32_t number, uint32_t folder, struct slice name)
{
    struct node *node = tree->slots[number].node;

    for (size_t i = 0; i < node->name_count; i++)
        if (node->names[i].folder == folder &&
            slice_equal(slice_of(node->names[i].name), name)) {
            free(node->names[i].name);
            memmove(&node->names[i], &node->names[i + 1],
                    (node->name_count - i - 1) * sizeof(*node->names));
            node->name_count--;
            break;
        }
    node->nlink = (uint32_t)node->name_count;
    if (node->name_count == 0 && !node->is_nameless) {
        node->is_nameless = true;
        tree->nameless_blocks += own_blocks(node);
    }
}

void tree_release(struct tree *tree, uint32_t number)
{
    struct slot *slot = &tree->slots[number];
    char name[16];
    bool own;

    if (number == 0 || slot->node == NULL || slot->node->name_count > 0 || slot->lookups > 0)
        return;
    if (slot->node->content == CONTENT_UPPER) {
        tree_close_upper(tree, number);
        (void)snprintf(name, sizeof(name), "%u", number);
        (void)unlinkat(tree->settings.upper_fd, name, 0);
    }
    own = node_is_own(slot->node);
    if (node_is_counted(slot->node))
        tree_set_blocks(tree, slot->node, 0);
    free_node(tree, slot->node);
    if (number < tree->base_count) {
        /* A snapshot's number stays its own; nothing leads to it any more, its marks tell. */
        *slot = (struct slot){.marks = slot->marks, .had_own_content = own};
        return;
    }
    *slot = (struct slot){0};
    tree->live--;
    tree->free =
        xgrow(tree->free, &tree->free_room, tree->free_count + 1, sizeof(*tree->free));
    tree->free[tree->free_count++] = number;
}

void tree_looked_up(struct tree *tree, uint32_t number)
{
    if (tree->slots[number].lookups < UINT32_MAX)
        tree->slots[number].lookups++;
}

void tree_forget(struct tree *tree, uint32_t number, uint64_t count)
{
    struct slot *slot = &tree->slots[number];

    slot->lookups = count >= slot->lookups ? 0 : slot->lookups - (uint32_t)count;
    if (slot->lookups == 0)
        tree_release(tree, number);
}

unsigned tree_marks(const struct tree *tree, uint32_t number)
{
    return tree->slots[number].marks;
}

void tree_set_marks(struct tree *tree, uint32_t number, unsigned marks)
{
    tree->slots[number].marks = marks;
}

/* To the inside of the range, but for the end of the file, behind which nothing is read. */
void tree_set_part(struct tree *tree, uint32_t number, uint64_t first, uint64_t end)
{
    struct slot *slot = &tree->slots[number];
    struct stat stat;

    tree_stat(tree, number, &stat);
    if (end >= (uint64_t)stat.st_size)
        end += BLOCK_BYTES - 1;
    slot->part_first = (uint32_t)((first + BLOCK_BYTES - 1) / BLOCK_BYTES);
    slot->part_end = (uint32_t)(end / BLOCK_BYTES);
}

bool tree_part_covers(const struct tree *tree, uint32_t number, uint64_t at, uint64_t size)
{
    const struct slot *slot = &tree->slots[number];

    return at >= (uint64_t)slot->part_first * BLOCK_BYTES &&
           size <= (uint64_t)slot->part_end * BLOCK_BYTES &&
           at <= (uint64_t)slot->part_end * BLOCK_BYTES - size;
}

bool tree_count_sync(struct tree *tree, uint32_t number, unsigned most)
{
    struct node *node = tree_touch(tree, number);

    return node->sync_count < most && ++node->sync_count > 0;
}

const uint8_t *tree_blob_told(const struct tree *tree, uint32_t number)
{
    const struct node *node = tree_touched(tree, number);

    return node == NULL ? NULL : node->blob_told;
}

void tree_set_blob_told(struct tree *tree, uint32_t number, const uint8_t *oid)
{
    struct node *node = oid == NULL ? tree_touched(tree, number) : tree_touch(tree, number);

    if (node == NULL)
        return;
    free(node->blob_told);
    node->blob_told = oid == NULL ? NULL : xalloc(SNAPSHOT_OID_MAX);
    if (oid != NULL)
        memcpy(node->blob_told, oid, snapshot_oid_bytes(tree->settings.snapshot));
}

pid_t tree_writer(const struct tree *tree, uint32_t number)
{
    return tree->slots[number].writer;
}

void tree_set_writer(struct tree *tree, uint32_t number, pid_t pid)
{
    tree->slots[number].writer = pid;
}

/*
 * The kernel's own stamp for a file that is made now: where it is the same as that of the
 * first write, there is nothing to tell us of when the file is closed.
 */
struct timespec tree_now(const struct tree *tree)
{
    int64_t now_ns = clock_tick_ns(tree->settings.clock);

    return (struct timespec){.tv_sec = (time_t)(now_ns / 1000000000),
                             .tv_nsec = (long)(now_ns % 1000000000)};
}

/* ---- looking ---- */

bool tree_is_folder(const struct tree *tree, uint32_t number)
{
    const struct node *node = tree_touched(tree, number);

    return node != NULL ? S_ISDIR(node->mode) : snapshot_is_folder(base_node(tree, number));
}

uint32_t tree_parent(const struct tree *tree, uint32_t number)
{
    const struct node *node = tree_touched(tree, number);

    if (number == 0)
        return 0;
    if (node == NULL)
        return base_node(tree, number)->parent;
    return node->name_count == 0 ? 0 : node->names[0].folder;
}

bool tree_is_snapshot_folder(const struct tree *tree, uint32_t folder)
{
    const struct node *node = tree_touched(tree, folder);

    return folder < tree->base_count && (node == NULL || node->folder == NULL);
}

/* Denied names are as if they were not there: what tests this for the canary is what holds it
 * for all. */
static bool is_hidden(const struct tree *tree, uint32_t number)
{
    const struct node *node = tree_touched(tree, number);

    if (node != NULL)
        return node->verdict == VERDICT_DENY &&
               (node->planted || snapshot_hides_names(tree->settings.snapshot));
    return base_node(tree, number)->verdict == VERDICT_DENY &&
           snapshot_hides_names(tree->settings.snapshot);
}

struct folder *tree_expand(struct tree *tree, uint32_t folder)
{
    struct node *node = tree_touch(tree, folder);
    const struct snapshot_node *base;

    if (node->folder != NULL)
        return node->folder;
    base = base_node(tree, folder);
    node->folder = folder_new(FIRST_COOKIE);
    for (uint32_t child = base->child_at; child < base->child_at + base->child_count; child++)
        folder_add(node->folder, snapshot_name(tree->settings.snapshot, child), child, true);
    return node->folder;
}

int tree_lookup(struct tree *tree, uint32_t folder, struct slice name, uint32_t *ret_number)
{
    uint32_t number = TREE_NONE;

    if (name.len > NAME_BYTES_MAX)
        return ENAMETOOLONG;
    if (!tree_is_folder(tree, folder))
        return ENOTDIR;
    if (tree_is_snapshot_folder(tree, folder)) {
        number = snapshot_child(tree->settings.snapshot, folder, name);
    } else {
        const struct folder_entry *entry =
            folder_find(tree_touched(tree, folder)->folder, name);

        if (entry != NULL)
            number = entry->node;
    }
    if (number == TREE_NONE || is_hidden(tree, number))
        return ENOENT;
    *ret_number = number;
    return 0;
}

static bool next_in_snapshot(const struct tree *tree, uint32_t folder, uint64_t *cookie,
                             struct slice *ret_name, uint32_t *ret_number)
{
    const struct snapshot_node *base = base_node(tree, folder);
    uint64_t index = *cookie < FIRST_COOKIE ? 0 : *cookie - FIRST_COOKIE + 1;

    if (index >= base->child_count)
        return false;
    *cookie = index + FIRST_COOKIE;
    *ret_number = base->child_at + (uint32_t)index;
    *ret_name = snapshot_name(tree->settings.snapshot, *ret_number);
    return true;
}

bool tree_next(const struct tree *tree, uint32_t folder, uint64_t *cookie,
               struct slice *ret_name, uint32_t *ret_number)
{
    do {
        const struct folder_entry *entry;

        if (tree_is_snapshot_folder(tree, folder)) {
            if (!next_in_snapshot(tree, folder, cookie, ret_name, ret_number))
                return false;
            continue;
        }
        entry = folder_after(tree_touched(tree, folder)->folder, *cookie);
        if (entry == NULL)
            return false;
        *cookie = entry->cookie;
        *ret_name = slice_of_bytes(entry->name, entry->len);
        *ret_number = entry->node;
    } while (is_hidden(tree, *ret_number));
    return true;
}

size_t tree_name_count(const struct tree *tree, uint32_t folder)
{
    if (!tree_has(tree, folder) || !tree_is_folder(tree, folder))
        return 0;
    return tree_is_snapshot_folder(tree, folder) ? base_node(tree, folder)->child_count
                                                 : tree_touched(tree, folder)->folder->live;
}

void tree_stat(const struct tree *tree, uint32_t number, struct stat *ret_stat)
{
    const struct node *touched = tree_touched(tree, number);
    struct node node;

    if (touched != NULL)
        node = *touched;
    else
        node = node_from_base(tree, number);
    *ret_stat = (struct stat){
        .st_ino = (ino_t)number + 1,
        .st_mode = node.mode,
        .st_nlink = node.nlink,
        .st_uid = tree->settings.uid,
        .st_gid = tree->settings.gid,
        .st_size = (off_t)node.size,
        .st_blocks = (blkcnt_t)node.blocks,
        .st_blksize = BLOCK_BYTES,
        .st_atim = node.atime,
        .st_mtim = node.mtime,
        .st_ctim = node.ctime,
    };
    if (number == 0)
        ret_stat->st_nlink = 1;
}

struct tree_origin tree_origin(const struct tree *tree, uint32_t number)
{
    const struct node *node = tree_touched(tree, number);
    struct tree_origin origin = {.base = node == NULL ? number : node->base,
                                 .own_content = tree->slots[number].had_own_content};

    if (origin.base != TREE_NONE) {
        const struct snapshot_node *base = base_node(tree, origin.base);

        origin.oid = base->oid;
        origin.rule = snapshot_rule(tree->settings.snapshot, origin.base);
        origin.class_mask = base->class_mask;
        origin.verdict = base->verdict;
    }
    if (node != NULL) {
        origin.class_mask = node->class_mask;
        origin.verdict = node->verdict;
        origin.planted = node->planted;
        origin.own_content = node_is_own(node);
        origin.mount_point = node->mount_point;
    }
    origin.sensitive =
        !S_ISDIR(node == NULL ? shown_mode(base_node(tree, number)) : node->mode) &&
        view_is_sensitive(origin.class_mask, origin.verdict);
    return origin;
}

static struct slice name_of(const struct tree *tree, uint32_t number)
{
    const struct node *node = tree_touched(tree, number);

    if (node == NULL)
        return snapshot_name(tree->settings.snapshot, number);
    return slice_of(node->names[0].name);
}

/* Collects the names from the node up, then writes them from the root down. */
int tree_path_in(const struct tree *tree, uint32_t folder, struct slice name,
                 struct buf *ret_path)
{
    struct fault fault = {0};
    uint32_t chain[SNAPSHOT_PATH_MAX / 2];
    size_t depth = 0;

    buf_clear(ret_path);
    for (; folder != 0; folder = tree_parent(tree, folder)) {
        const struct node *node = tree_touched(tree, folder);

        if (node != NULL && node->name_count == 0)
            return ESTALE;
        if (depth == COUNT(chain))
            return ENAMETOOLONG;
        chain[depth++] = folder;
    }
    for (size_t i = depth; i-- > 0;)
        if (!buf_add(ret_path, name_of(tree, chain[i]), &fault) ||
            (i > 0 && !buf_add_byte(ret_path, '/', &fault)))
            return ENAMETOOLONG;
    if (name.at != NULL && ((depth > 0 && !buf_add_byte(ret_path, '/', &fault)) ||
                            !buf_add(ret_path, name, &fault)))
        return ENAMETOOLONG;
    if (ret_path->len > SNAPSHOT_PATH_MAX)
        return ENAMETOOLONG;
    if (!buf_reserve(ret_path, 1, &fault))
        return ENAMETOOLONG;
    ret_path->at[ret_path->len] = 0;
    return 0;
}

int tree_path(const struct tree *tree, uint32_t number, struct buf *ret_path)
{
    return tree_path_in(tree, number, (struct slice){0}, ret_path);
}

void tree_statvfs(const struct tree *tree, struct statvfs *ret_stat)
{
    uint64_t total = tree->settings.upper_bytes_max / BLOCK_BYTES;
    uint64_t used = tree->blocks * 512 / BLOCK_BYTES;

    if (fstatvfs(tree->settings.upper_fd, ret_stat) < 0)
        *ret_stat = (struct statvfs){0};
    /* The agent is told of its own share, not of the host's disk. */
    if (ret_stat->f_bavail * ret_stat->f_frsize / BLOCK_BYTES <
        total - (used < total ? used : total))
        total = used + ret_stat->f_bavail * ret_stat->f_frsize / BLOCK_BYTES;
    *ret_stat = (struct statvfs){
        .f_bsize = BLOCK_BYTES,
        .f_frsize = BLOCK_BYTES,
        .f_blocks = total,
        .f_bfree = used < total ? total - used : 0,
        .f_bavail = used < total ? total - used : 0,
        .f_files = TREE_NODES_MAX,
        .f_ffree = TREE_NODES_MAX - tree->live,
        .f_favail = TREE_NODES_MAX - tree->live,
        .f_namemax = NAME_BYTES_MAX,
    };
}
