/*
 * The folder as it is when the cell is dead, told to the tree in memory: what is as it was
 * written is left alone, all else becomes a new node that knows which file of the base it came
 * from. An agent wrote it: no link is followed, and what is too much is refused.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/scope.h"
#include "view/plain.h"
#include "view/serve_state.h"
#include "view/tree_node.h"

#define COMPARE_BYTES (256U << 10)
#define LINK_BYTES_MAX 4095

struct reading {
    struct view *view;
    struct tree *tree;
    struct plain *plain;
    int root;
    struct buf path;
    uint8_t *room, *base_room;
};

struct name {
    char *text;
    uint32_t number; /* the folder to go into, or TREE_NONE */
};

struct names {
    struct name *at;
    size_t count, room;
};

static bool failed(const struct reading *reading, const char *name, struct fault *fault)
{
    return fault_errno(fault, "read %.150s/%.150s",
                       reading->path.len == 0 ? "." : (const char *)reading->path.at, name);
}

static void names_free(struct names *names)
{
    for (size_t i = 0; i < names->count; i++)
        free(names->at[i].text);
    free(names->at);
}

/* ---- one file ---- */

static bool same_content(struct reading *reading, int fd, uint32_t base, uint64_t size,
                         bool *ret_same)
{
    *ret_same = false;
    for (uint64_t at = 0; at < size;) {
        struct slice there;
        ssize_t got = pread(fd, reading->room, COMPARE_BYTES, (off_t)at);

        if (got <= 0)
            return got == 0;
        errno =
            tree_read_base(reading->tree, base, at, (size_t)got, reading->base_room, &there);
        if (errno != 0)
            return false;
        if (!slice_equal(there, slice_of_bytes(reading->room, (size_t)got)))
            return true;
        at += (uint64_t)got;
    }
    *ret_same = true;
    return true;
}

/* Has a file that somebody touched the bytes that it came with? */
static bool is_as_written(struct reading *reading, int folder, const char *name, uint32_t base,
                          const struct statx *stat, bool *ret_same)
{
    const struct snapshot_node *node = snapshot_node(reading->view->settings.snapshot, base);
    AUTO_CLOSE int fd = -1;

    *ret_same = node->verdict == VERDICT_DENY;
    if (*ret_same || node->size != stat->stx_size || node->mode == SNAPSHOT_MODE_LINK)
        return true;
    fd = openat(folder, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
    return fd >= 0 && same_content(reading, fd, base, stat->stx_size, ret_same);
}

/* What the agent wrote becomes the node's own content. */
static bool take_content(struct reading *reading, int folder, const char *name,
                         uint32_t number)
{
    char upper[16];

    (void)snprintf(upper, sizeof(upper), "%u", number);
    return renameat(folder, name, reading->tree->settings.upper_fd, upper) == 0;
}

static bool take_target(int folder, const char *name, struct node *node)
{
    char text[LINK_BYTES_MAX + 1];
    ssize_t len = readlinkat(folder, name, text, sizeof(text) - 1);

    if (len < 0)
        return false;
    text[len] = 0;
    node->target = xstrdup(text);
    node->size = (uint64_t)len;
    return true;
}

/* The file becomes a fresh node of the tree, whatever stood there before. */
static bool place(struct reading *reading, uint32_t parent, int folder, const char *name,
                  const struct statx *stat, uint32_t base, struct fault *fault)
{
    struct tree *tree = reading->tree;
    struct folder *names = tree_expand(tree, parent);
    struct folder_entry *entry = folder_find(names, slice_of(name));
    bool same = false, done = true;
    uint32_t number;
    struct node *node;

    if (base != SNAPSHOT_NONE && !is_as_written(reading, folder, name, base, stat, &same))
        return failed(reading, name, fault);
    if (entry != NULL)
        folder_remove(names, entry);
    errno = tree_add_node(tree, stat->stx_mode & (S_IFMT | 0777), &number);
    if (errno != 0)
        return failed(reading, name, fault);
    folder_add(names, slice_of(name), number, false);
    tree_add_name(tree, number, parent, slice_of(name));
    node = tree_touched(tree, number);
    node->size = stat->stx_size;
    node->base = base;
    if (base != SNAPSHOT_NONE) {
        const struct snapshot_node *from =
            snapshot_node(reading->view->settings.snapshot, base);

        node->class_mask = from->class_mask;
        node->verdict = from->verdict;
    }
    if (same)
        node->content = CONTENT_BASE;
    else if (S_ISLNK(stat->stx_mode))
        done = take_target(folder, name, node);
    else if (S_ISREG(stat->stx_mode)) {
        node->content = CONTENT_UPPER;
        done = take_content(reading, folder, name, number);
    }
    return done || failed(reading, name, fault);
}

/* ---- folders ---- */

static bool open_folder(const struct reading *reading, int *ret_fd)
{
    struct open_how how = {.flags = O_RDONLY | O_DIRECTORY | O_CLOEXEC,
                           .resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS};

    *ret_fd = (int)syscall(SYS_openat2, reading->root,
                           reading->path.len == 0 ? "." : (const char *)reading->path.at, &how,
                           sizeof(how));
    return *ret_fd >= 0;
}

/* An agent may take its own rights away; the files are ours as much as its. */
static bool give_rights(int folder, const char *name, const struct statx *stat)
{
    mode_t needed = S_ISDIR(stat->stx_mode) ? 0700 : S_ISREG(stat->stx_mode) ? 0400 : 0;

    return (stat->stx_mode & needed) == needed ||
           fchmodat(folder, name, (stat->stx_mode & 0777) | needed, 0) == 0;
}

static bool list(const struct reading *reading, int fd, struct names *ret_names,
                 struct fault *fault)
{
    int own = fcntl(fd, F_DUPFD_CLOEXEC, 3);
    DIR *folder = own < 0 ? NULL : fdopendir(own);
    const struct dirent *entry;

    if (folder == NULL)
        return failed(reading, ".", fault);
    while ((errno = 0, entry = readdir(folder)) != NULL) {
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
            continue;
        if (ret_names->count == TREE_NODES_MAX) {
            (void)closedir(folder);
            return fault_set(fault, FAULT_LIMIT, "more than %u files in a folder",
                             TREE_NODES_MAX);
        }
        ret_names->at = xgrow(ret_names->at, &ret_names->room, ret_names->count + 1,
                              sizeof(ret_names->at[0]));
        ret_names->at[ret_names->count++] =
            (struct name){.text = xstrdup(entry->d_name), .number = TREE_NONE};
    }
    if (errno != 0)
        (void)failed(reading, ".", fault);
    (void)closedir(folder);
    return errno == 0;
}

/* The tree's folder of that name, made where it has none. */
static bool enter_folder(struct reading *reading, uint32_t parent, const char *name,
                         uint32_t *ret_number, struct fault *fault)
{
    struct tree *tree = reading->tree;
    struct folder *names;
    struct folder_entry *entry;

    if (tree_lookup(tree, parent, slice_of(name), ret_number) == 0 &&
        tree_is_folder(tree, *ret_number))
        return true;
    names = tree_expand(tree, parent);
    entry = folder_find(names, slice_of(name));
    if (entry != NULL)
        folder_remove(names, entry);
    errno = tree_add_node(tree, S_IFDIR | 0755, ret_number);
    if (errno != 0)
        return failed(reading, name, fault);
    folder_add(names, slice_of(name), *ret_number, false);
    tree_add_name(tree, *ret_number, parent, slice_of(name));
    return true;
}

static bool read_entry(struct reading *reading, uint32_t parent, int folder, struct name *name,
                       struct fault *fault)
{
    struct tree *tree = reading->tree;
    uint32_t number, base;
    struct statx stat;
    bool same = false;

    if (statx(folder, name->text, AT_SYMLINK_NOFOLLOW, PLAIN_STATX, &stat) < 0 ||
        !give_rights(folder, name->text, &stat))
        return failed(reading, name->text, fault);
    if (S_ISDIR(stat.stx_mode)) {
        if (!enter_folder(reading, parent, name->text, &number, fault))
            return false;
        if (!tree_origin(tree, number).mount_point)
            name->number = number;
        return true;
    }
    base = plain_find(reading->plain, &stat, &same);
    if (same && tree_lookup(tree, parent, slice_of(name->text), &number) == 0 &&
        number == base)
        return true;
    return place(reading, parent, folder, name->text, &stat, base, fault);
}

static int compare_names(const void *one, const void *other)
{
    return strcmp(((const struct name *)one)->text, ((const struct name *)other)->text);
}

/* What the tree has and the folder has not, goes. */
static void drop_missing(struct reading *reading, uint32_t folder, struct names *names)
{
    struct tree *tree = reading->tree;
    uint64_t cookie = 0;
    struct slice name;
    uint32_t number;

    if (names->count > 1)
        qsort(names->at, names->count, sizeof(names->at[0]), compare_names);
    while (tree_next(tree, folder, &cookie, &name, &number)) {
        AUTO_FREE char *text = slice_dup(name);
        struct name wanted = {.text = text};

        if (names->count > 0 &&
            bsearch(&wanted, names->at, names->count, sizeof(wanted), compare_names) != NULL)
            continue;
        /* A scratch folder is not the agent's to remove, and not its to be missed. */
        if (tree_origin(tree, number).mount_point)
            continue;
        folder_remove(tree_expand(tree, folder), folder_find(tree_expand(tree, folder), name));
    }
}

static bool read_folder(struct reading *reading, uint32_t folder, struct fault *fault);

static bool read_below(struct reading *reading, const struct names *names, struct fault *fault)
{
    size_t len = reading->path.len;

    for (size_t i = 0; i < names->count; i++) {
        if (names->at[i].number == TREE_NONE)
            continue;
        if ((len > 0 && !buf_add_byte(&reading->path, '/', fault)) ||
            !buf_add(&reading->path, slice_of(names->at[i].text), fault))
            return false;
        (void)buf_text(&reading->path);
        if (!read_folder(reading, names->at[i].number, fault))
            return false;
        reading->path.len = len;
        (void)buf_text(&reading->path);
    }
    return true;
}

static bool read_folder(struct reading *reading, uint32_t folder, struct fault *fault)
{
    AUTO_CLOSE int fd = -1;
    struct names names = {0};
    bool done = open_folder(reading, &fd) || failed(reading, ".", fault);

    done = done && list(reading, fd, &names, fault);
    for (size_t i = 0; done && i < names.count; i++)
        done = read_entry(reading, folder, fd, &names.at[i], fault);
    scope_close(&fd);
    if (done) {
        drop_missing(reading, folder, &names);
        done = read_below(reading, &names, fault);
    }
    names_free(&names);
    return done;
}

bool plain_read(struct view *view, int folder_fd, int identity_fd, struct fault *fault)
{
    struct reading reading = {.view = view,
                              .tree = view->tree,
                              .root = folder_fd,
                              .path = buf_with_limit(SNAPSHOT_PATH_MAX)};
    bool done;

    if (fchmod(folder_fd, 0700) < 0)
        return fault_errno(fault, "open the agent's files");
    if (!plain_open(identity_fd, view->settings.snapshot, &reading.plain, fault))
        return false;
    reading.room = xalloc(COMPARE_BYTES);
    reading.base_room = xalloc(COMPARE_BYTES);
    (void)buf_text(&reading.path);
    done = read_folder(&reading, 0, fault);
    plain_close(reading.plain);
    buf_free(&reading.path);
    free(reading.room);
    free(reading.base_room);
    return done || fault_in(fault, "look at what the agent left");
}
