#include <errno.h>
#include <fcntl.h>
#include <stdio.h>

#include "view/snapshot_format.h"
#include "view/tree_node.h"

#define LONG_LINK_BYTES 60 /* as ext4: a shorter target is in the inode */
#define BLOCK_BYTES 4096U

static bool is_removed(const struct tree *tree, uint32_t folder)
{
    const struct node *node = tree_touched(tree, folder);

    return folder != 0 && node != NULL && node->name_count == 0;
}

static void changed_folder(struct tree *tree, uint32_t folder)
{
    struct node *node = tree_touch(tree, folder);

    node->mtime = tree_now(tree);
    node->ctime = node->mtime;
}

static int check_new(struct tree *tree, uint32_t folder, struct slice name)
{
    uint32_t there;
    int error = tree_lookup(tree, folder, name, &there);

    if (error != ENOENT)
        return error == 0 ? EEXIST : error;
    if (is_removed(tree, folder))
        return ENOENT;
    /* A hidden name is there all the same. */
    if (!tree_is_snapshot_folder(tree, folder) &&
        folder_find(tree_touched(tree, folder)->folder, name) != NULL)
        return EACCES;
    return 0;
}

static void enter(struct tree *tree, uint32_t number, uint32_t folder, struct slice name)
{
    folder_add(tree_expand(tree, folder), name, number, false);
    tree_add_name(tree, number, folder, name);
    changed_folder(tree, folder);
}

/* No set-user-id or set-group-id bits: git keeps none, and nobody is to run such a program. */
int tree_make(struct tree *tree, uint32_t folder, struct slice name, mode_t mode,
              const char *target, uint32_t *ret_number)
{
    uint32_t number;
    struct node *node;
    int error = check_new(tree, folder, name);
    bool is_long = target != NULL && strlen(target) >= LONG_LINK_BYTES;

    if (error == 0 && is_long && !tree_has_room(tree, BLOCK_BYTES))
        error = ENOSPC;
    if (error == 0)
        error = tree_add_node(tree, mode & (S_IFMT | 01777), &number);
    if (error != 0)
        return error;
    node = tree_touched(tree, number);
    if (target != NULL) {
        node->target = xstrdup(target);
        node->size = strlen(target);
    }
    if (is_long)
        tree_set_blocks(tree, node, BLOCK_BYTES / 512);
    enter(tree, number, folder, name);
    *ret_number = number;
    return 0;
}

int tree_make_nameless(struct tree *tree, uint32_t folder, mode_t mode, uint32_t *ret_number)
{
    struct node *node;
    int error = is_removed(tree, folder) ? ENOENT
                : !tree_is_folder(tree, folder)
                    ? ENOTDIR
                    : tree_add_node(tree, S_IFREG | (mode & 01777), ret_number);

    if (error != 0)
        return error;
    node = tree_touched(tree, *ret_number);
    node->is_nameless = true;
    node->is_unnamed = true;
    return 0;
}

static bool is_empty(const struct tree *tree, uint32_t folder)
{
    uint64_t cookie = 0;
    struct slice name;
    uint32_t number;

    return !tree_next(tree, folder, &cookie, &name, &number);
}

/* Takes one name away. The node stays while the kernel holds it. */
static void drop(struct tree *tree, uint32_t number, uint32_t folder, struct slice name)
{
    struct folder *names = tree_expand(tree, folder);
    struct folder_entry *entry = folder_find(names, name);

    tree_touch(tree, number)->ctime = tree_now(tree);
    tree_drop_name(tree, number, folder, name);
    folder_remove(names, entry);
    changed_folder(tree, folder);
    tree_release(tree, number);
}

static int check_removal(const struct tree *tree, uint32_t number, bool is_folder)
{
    struct tree_origin origin = tree_origin(tree, number);

    if (origin.planted)
        return EACCES;
    if (origin.mount_point)
        return EBUSY;
    if (is_folder != tree_is_folder(tree, number))
        return is_folder ? ENOTDIR : EISDIR;
    return is_folder && !is_empty(tree, number) ? ENOTEMPTY : 0;
}

int tree_may_remove(struct tree *tree, uint32_t folder, struct slice name, bool is_folder,
                    uint32_t *ret_number)
{
    uint32_t number;
    int error = tree_lookup(tree, folder, name, &number);

    if (error == 0)
        error = check_removal(tree, number, is_folder);
    if (error == 0)
        *ret_number = number;
    return error;
}

int tree_remove(struct tree *tree, uint32_t folder, struct slice name, bool is_folder)
{
    uint32_t number;
    int error = tree_may_remove(tree, folder, name, is_folder, &number);

    if (error == 0)
        drop(tree, number, folder, name);
    return error;
}

static bool is_below(const struct tree *tree, uint32_t number, uint32_t above)
{
    for (; number != 0; number = tree_parent(tree, number))
        if (number == above)
            return true;
    return above == 0;
}

/* Moves a name; the place it goes to is free. */
static void move(struct tree *tree, uint32_t number, uint32_t folder, struct slice name,
                 uint32_t to_folder, struct slice to_name)
{
    struct folder *names = tree_expand(tree, folder);

    tree_touch(tree, number)->ctime = tree_now(tree);
    tree_add_name(tree, number, to_folder, to_name);
    tree_drop_name(tree, number, folder, name);
    folder_remove(names, folder_find(names, name));
    changed_folder(tree, folder);
    folder_add(tree_expand(tree, to_folder), to_name, number, false);
    changed_folder(tree, to_folder);
}

static void exchange(struct tree *tree, uint32_t one, uint32_t folder, struct slice name,
                     uint32_t other, uint32_t to_folder, struct slice to_name)
{
    (void)tree_touch(tree, one);
    (void)tree_touch(tree, other);
    folder_find(tree_expand(tree, folder), name)->node = other;
    folder_find(tree_expand(tree, to_folder), to_name)->node = one;
    tree_drop_name(tree, one, folder, name);
    tree_drop_name(tree, other, to_folder, to_name);
    tree_add_name(tree, one, to_folder, to_name);
    tree_add_name(tree, other, folder, name);
    changed_folder(tree, folder);
    changed_folder(tree, to_folder);
}

/* What stands where a rename goes to: 0 it may be replaced, or why not. */
static int check_replaced(const struct tree *tree, uint32_t number, uint32_t there)
{
    bool is_folder = tree_is_folder(tree, number);

    if (is_folder && !tree_is_folder(tree, there))
        return ENOTDIR;
    if (!is_folder && tree_is_folder(tree, there))
        return EISDIR;
    return check_removal(tree, there, is_folder);
}

static int check_exchange(const struct tree *tree, const struct tree_rename *rename,
                          const struct tree_renamed *found)
{
    struct tree_origin origin;

    if (found->there == TREE_NONE)
        return ENOENT;
    origin = tree_origin(tree, found->there);
    if (origin.planted || origin.mount_point)
        return EBUSY;
    if (is_below(tree, rename->folder, found->there) ||
        is_below(tree, rename->to_folder, found->number))
        return EINVAL;
    return 0;
}

int tree_may_rename(struct tree *tree, const struct tree_rename *rename,
                    struct tree_renamed *ret_found)
{
    struct tree_renamed found = {.there = TREE_NONE};
    int error = tree_lookup(tree, rename->folder, rename->name, &found.number);
    struct tree_origin origin;

    if ((rename->flags & ~(unsigned)(RENAME_NOREPLACE | RENAME_EXCHANGE)) != 0)
        return EINVAL;
    if (error != 0)
        return error;
    origin = tree_origin(tree, found.number);
    if (origin.planted || origin.mount_point)
        return origin.planted ? EACCES : EBUSY;
    error = check_new(tree, rename->to_folder, rename->to_name);
    if (error == EEXIST) {
        error = tree_lookup(tree, rename->to_folder, rename->to_name, &found.there);
        if (error == 0 && (rename->flags & RENAME_NOREPLACE) != 0)
            error = EEXIST;
    }
    if (error == 0 && (rename->flags & RENAME_EXCHANGE) != 0)
        error = check_exchange(tree, rename, &found);
    else if (error == 0 && tree_is_folder(tree, found.number) &&
             is_below(tree, rename->to_folder, found.number))
        error = EINVAL;
    else if (error == 0 && found.there != TREE_NONE && found.there != found.number)
        error = check_replaced(tree, found.number, found.there);
    if (error == 0)
        *ret_found = found;
    return error;
}

int tree_rename(struct tree *tree, const struct tree_rename *rename)
{
    struct tree_renamed found;
    int error = tree_may_rename(tree, rename, &found);

    if (error != 0 || found.there == found.number) /* two names of one file: nothing happens */
        return error;
    if ((rename->flags & RENAME_EXCHANGE) != 0) {
        exchange(tree, found.number, rename->folder, rename->name, found.there,
                 rename->to_folder, rename->to_name);
        return 0;
    }
    if (found.there != TREE_NONE)
        drop(tree, found.there, rename->to_folder, rename->to_name);
    move(tree, found.number, rename->folder, rename->name, rename->to_folder, rename->to_name);
    return 0;
}

int tree_link(struct tree *tree, uint32_t number, uint32_t folder, struct slice name)
{
    struct tree_origin origin = tree_origin(tree, number);
    struct node *node;
    int error = check_new(tree, folder, name);

    if (error != 0)
        return error;
    if (tree_is_folder(tree, number) || origin.planted)
        return EPERM;
    node = tree_touch(tree, number);
    if (node->name_count == 0 && !node->is_unnamed)
        return ENOENT;
    node->is_unnamed = false;
    enter(tree, number, folder, name);
    node->ctime = tree_now(tree);
    return 0;
}

int tree_set_mode(struct tree *tree, uint32_t number, mode_t mode)
{
    struct node *node = tree_touch(tree, number);

    if (node->planted)
        return EACCES;
    node->mode = (node->mode & S_IFMT) | (mode & 01777);
    node->ctime = tree_now(tree);
    return 0;
}

int tree_set_times(struct tree *tree, uint32_t number, const struct timespec *atime,
                   const struct timespec *mtime, const struct timespec *ctime)
{
    struct node *node = tree_touch(tree, number);

    if (node->planted)
        return EACCES;
    if (atime != NULL)
        node->atime = *atime;
    if (mtime != NULL)
        node->mtime = *mtime;
    node->ctime = ctime != NULL ? *ctime : tree_now(tree);
    return 0;
}

uint32_t tree_room(const struct tree *tree)
{
    return tree->used;
}

static void mark_upwards(const struct tree *tree, uint32_t folder, bool *marks)
{
    for (; !marks[folder]; folder = tree_parent(tree, folder)) {
        marks[folder] = true;
        if (folder == 0)
            return;
    }
}

void tree_mark_changed(const struct tree *tree, bool *marks)
{
    memset(marks, 0, tree->used * sizeof(*marks));
    marks[0] = true;
    for (uint32_t number = 0; number < tree->used && number < tree->slot_room; number++) {
        const struct node *node = tree->slots[number].node;

        if (node == NULL)
            continue;
        for (size_t i = 0; i < node->name_count; i++)
            mark_upwards(tree, node->names[i].folder, marks);
        if (node->name_count > 0 && tree_is_folder(tree, number))
            mark_upwards(tree, number, marks);
        marks[number] = true;
    }
}

int tree_plant(struct tree *tree, struct slice name, struct slice content, unsigned class_mask,
               enum verdict verdict)
{
    uint32_t number;
    struct node *node;
    int error = check_new(tree, 0, name);

    if (error == 0)
        error = tree_add_node(tree, S_IFREG | 0444, &number);
    if (error != 0)
        return error;
    node = tree_touched(tree, number);
    node->content = CONTENT_MEMORY;
    node->memory = content;
    node->size = content.len;
    node->class_mask = class_mask;
    node->verdict = verdict;
    node->planted = true;
    enter(tree, number, 0, name);
    return 0;
}

void tree_unplant(struct tree *tree)
{
    for (uint32_t number = tree->base_count; number < tree->used; number++) {
        struct node *node = tree->slots[number].node;

        if (node == NULL || !node->planted || node->name_count == 0)
            continue;
        node->memory = (struct slice){0};
        node->size = 0;
        drop(tree, number, node->names[0].folder, slice_of(node->names[0].name));
    }
}

/* What the repository has there is not shown, as below a mount. */
static int place_link(struct tree *tree, uint32_t folder, struct slice name, const char *link,
                      uint32_t *ret_number)
{
    uint32_t there;

    if (tree_lookup(tree, folder, name, &there) == 0)
        drop(tree, there, folder, name);
    return tree_make(tree, folder, name, S_IFLNK | 0777, link, ret_number);
}

int tree_mount_point(struct tree *tree, struct slice path, const char *link)
{
    struct slice rest = path, name;
    uint32_t folder = 0;

    while (slice_cut(&rest, '/', &name)) {
        uint32_t below;
        int error = name.len == 0 ? EINVAL : tree_lookup(tree, folder, name, &below);

        if (rest.at == NULL && link != NULL && error != EINVAL) {
            error = place_link(tree, folder, name, link, &below);
            if (error == 0)
                tree_touch(tree, below)->mount_point = true;
            return error;
        }
        if (error == ENOENT)
            error = tree_make(tree, folder, name, S_IFDIR | 0755, NULL, &below);
        if (error != 0)
            return error;
        if (!tree_is_folder(tree, below))
            return ENOTDIR;
        folder = below;
    }
    tree_touch(tree, folder)->mount_point = true;
    return folder == 0 ? EINVAL : 0;
}
