#include "view/changes.h"

#include <errno.h>
#include <unistd.h>

#include "base/scope.h"
#include "view/blob.h"
#include "view/serve_state.h"

#define COMPARE_BYTES (256U << 10)
#define IGNORE_BYTES_MAX 4096U

struct walk {
    struct view *view;
    bool (*tell)(void *self, const struct view_change *change, struct fault *fault);
    void *self;
    struct buf path;
    struct buf from;   /* renamed_from */
    struct buf target; /* of a link */
    uint8_t *rooms[2]; /* for comparing */
    bool *changed;     /* a mark a node: see tree_mark_changed */
};

static const struct snapshot *snapshot_of(const struct walk *walk)
{
    return walk->view->settings.snapshot;
}

static const struct snapshot_node *base_node(const struct walk *walk, uint32_t base)
{
    return snapshot_node(snapshot_of(walk), base);
}

static bool failed(struct fault *fault, int error)
{
    errno = error;
    return fault_errno(fault, "look at what was written");
}

/* A base file or link that git knows; not a folder, gitlink or denied one. */
static bool is_told_of(const struct walk *walk, uint32_t base)
{
    uint32_t mode;

    if (base == SNAPSHOT_NONE)
        return false;
    mode = base_node(walk, base)->mode;
    return mode == SNAPSHOT_MODE_FILE || mode == SNAPSHOT_MODE_PROGRAM ||
           mode == SNAPSHOT_MODE_LINK;
}

static uint32_t git_mode(mode_t mode)
{
    if (S_ISLNK(mode))
        return SNAPSHOT_MODE_LINK;
    if (S_ISREG(mode))
        return (mode & 0100) != 0 ? SNAPSHOT_MODE_PROGRAM : SNAPSHOT_MODE_FILE;
    return 0;
}

static bool push(struct buf *path, struct slice name, struct fault *fault)
{
    if ((path->len > 0 && !buf_add_byte(path, '/', fault)) || !buf_add(path, name, fault))
        return false;
    (void)buf_text(path);
    return true;
}

static void pop(struct buf *path, size_t len)
{
    path->len = len;
    (void)buf_text(path);
}

/* ---- one file ---- */

static bool same_bytes(struct walk *walk, uint32_t number, uint32_t base, uint64_t size,
                       bool *ret_same, struct fault *fault)
{
    for (uint64_t at = 0; at < size;) {
        struct slice bytes[2];
        int error =
            tree_read(walk->view->tree, number, at, COMPARE_BYTES, walk->rooms[0], &bytes[0]);

        if (error == 0)
            error = tree_read_base(walk->view->tree, base, at, COMPARE_BYTES, walk->rooms[1],
                                   &bytes[1]);
        if (error != 0)
            return failed(fault, error);
        if (!slice_equal(bytes[0], bytes[1]) || bytes[0].len == 0) {
            *ret_same = false;
            return true;
        }
        at += bytes[0].len;
    }
    *ret_same = true;
    return true;
}

/* Has the node the content of the base file, as the agent saw that? */
static bool is_same(struct walk *walk, uint32_t number, const struct tree_origin *origin,
                    const struct stat *stat, uint32_t base, bool *ret_same,
                    struct fault *fault)
{
    *ret_same = false;
    if (!is_told_of(walk, base))
        return true;
    if (origin->base == base && !origin->own_content) {
        *ret_same = true;
        return true;
    }
    if (base_node(walk, base)->size != (uint64_t)stat->st_size ||
        S_ISLNK(stat->st_mode) != (base_node(walk, base)->mode == SNAPSHOT_MODE_LINK))
        return true;
    if (S_ISLNK(stat->st_mode)) {
        struct slice bytes = {0};
        int error = tree_target(walk->view->tree, number, &walk->target);

        if (error == 0)
            error = tree_read_base(walk->view->tree, base, 0, COMPARE_BYTES, walk->rooms[1],
                                   &bytes);
        *ret_same = error == 0 && slice_equal(bytes, buf_slice(&walk->target));
        return error == 0 || failed(fault, error);
    }
    return same_bytes(walk, number, base, (uint64_t)stat->st_size, ret_same, fault);
}

static bool find_renamed_from(struct walk *walk, uint32_t source, const char **ret_from,
                              struct fault *fault)
{
    struct slice rest, part;
    uint32_t number = 0;
    int error = 0;
    struct stat stat;

    buf_clear(&walk->from);
    if (!snapshot_path(snapshot_of(walk), source, &walk->from, fault))
        return false;
    rest = buf_slice(&walk->from);
    while (error == 0 && slice_cut(&rest, '/', &part))
        error = tree_lookup(walk->view->tree, number, part, &number);
    if (error == 0)
        tree_stat(walk->view->tree, number, &stat);
    *ret_from = error != 0 || git_mode(stat.st_mode) == 0 ? buf_text(&walk->from) : NULL;
    return true;
}

/*
 * The blob that the path has come to, before anything is made of it: where no record has told
 * it yet. With the stand-ins that the agent saw, where it kept them.
 */
static bool record_after(struct walk *walk, uint32_t number, const struct view_change *change,
                         struct fault *fault)
{
    struct view *view = walk->view;
    struct tree_origin origin = tree_origin(view->tree, number);
    uint8_t after[SNAPSHOT_OID_MAX];
    struct view_event event = {.operation = VIEW_COLLECT,
                               .path = change->path,
                               .base = origin.base,
                               .oid = change->base_oid,
                               .oid_after = after,
                               .size = change->size,
                               .class_mask = origin.class_mask,
                               .verdict = origin.verdict,
                               .rule = origin.rule};
    struct stat stat;

    tree_stat(view->tree, number, &stat);
    if (tree_blob_told(view->tree, number) != NULL && stat.st_nlink == 1)
        return true;
    if (change->content == VIEW_CONTENT_BYTES)
        hasher_object(view->hasher, OBJECT_BLOB, change->bytes, after);
    else if (change->content == VIEW_CONTENT_SOURCE)
        memcpy(after, base_node(walk, change->source)->oid, sizeof(after));
    else if (!blob_of_file(view, change->fd, change->size, after))
        return fault_set(fault, FAULT_IO, "read %s", change->path);
    return view->settings.calls.record(view->settings.calls.self, &event, false, fault);
}

static bool tell_content(struct walk *walk, uint32_t number, struct view_change *change,
                         struct fault *fault)
{
    AUTO_CLOSE int fd = -1;
    int error;

    if (change->content == VIEW_CONTENT_FD) {
        error = tree_open_own(walk->view->tree, number, &fd);
        if (error != 0)
            return failed(fault, error);
        change->fd = fd;
    } else if (change->content == VIEW_CONTENT_BYTES) {
        error = tree_target(walk->view->tree, number, &walk->target);
        if (error != 0)
            return failed(fault, error);
        change->bytes = buf_slice(&walk->target);
    }
    if (!record_after(walk, number, change, fault))
        return false;
    return walk->tell(walk->self, change, fault);
}

static bool tell_file(struct walk *walk, uint32_t number, uint32_t base, struct fault *fault)
{
    struct tree_origin origin = tree_origin(walk->view->tree, number);
    bool known = is_told_of(walk, base), same = false;
    struct view_change change = {.fd = -1, .source = SNAPSHOT_NONE};
    struct stat stat;

    tree_stat(walk->view->tree, number, &stat);
    if (!is_same(walk, number, &origin, &stat, base, &same, fault))
        return false;
    change.mode = git_mode(stat.st_mode);
    if (known && same && change.mode == base_node(walk, base)->mode)
        return true;
    change.kind = known ? VIEW_MODIFIED : VIEW_ADDED;
    change.path = buf_text(&walk->path);
    change.size = (uint64_t)stat.st_size;
    change.base_oid = known ? base_node(walk, base)->oid : NULL;
    if (is_told_of(walk, origin.base))
        change.source = origin.base;
    else if (known)
        change.source = base;
    if (is_told_of(walk, origin.base) && !origin.own_content) {
        change.content = VIEW_CONTENT_SOURCE;
    } else if (same) {
        change.content = VIEW_CONTENT_SOURCE;
        change.source = base;
    } else {
        change.content = S_ISLNK(stat.st_mode) ? VIEW_CONTENT_BYTES : VIEW_CONTENT_FD;
    }
    if (!known && change.source != SNAPSHOT_NONE &&
        !find_renamed_from(walk, change.source, &change.renamed_from, fault))
        return false;
    return tell_content(walk, number, &change, fault);
}

/* ---- folders ---- */

/* Everything of the base in `base` (a file, or a folder and all below) is gone. */
static bool tell_deleted(struct walk *walk, uint32_t base, struct fault *fault)
{
    const struct snapshot_node *node = base_node(walk, base);
    size_t len = walk->path.len;
    struct view_change change = {.kind = VIEW_DELETED,
                                 .fd = -1,
                                 .source = SNAPSHOT_NONE,
                                 .content = VIEW_CONTENT_NONE,
                                 .base_oid = node->oid};

    if (is_told_of(walk, base)) {
        change.path = buf_text(&walk->path);
        return walk->tell(walk->self, &change, fault);
    }
    for (uint32_t child = node->child_at; child < node->child_at + node->child_count;
         child++) {
        if (!push(&walk->path, snapshot_name(snapshot_of(walk), child), fault) ||
            !tell_deleted(walk, child, fault))
            return false;
        pop(&walk->path, len);
    }
    return true;
}

static bool compare_folder(struct walk *walk, uint32_t folder, uint32_t base,
                           struct fault *fault);

/* "*" and nothing else but comments: git would never add anything of that folder. */
static bool ignores_all(struct slice text)
{
    struct slice line;
    bool all = false;

    while (slice_cut(&text, '\n', &line)) {
        line = slice_trim(line);
        if (line.len == 0 || line.at[0] == '#')
            continue;
        if (!slice_equal(line, SLICE("*")))
            return false;
        all = true;
    }
    return all;
}

/*
 * A tool's cache, which says of itself that it is none of the repository's. Only of folders
 * that the base has not.
 */
static bool ignores_itself(struct walk *walk, uint32_t folder)
{
    struct slice text;
    struct stat stat;
    uint32_t number;

    if (tree_lookup(walk->view->tree, folder, SLICE(".gitignore"), &number) != 0)
        return false;
    tree_stat(walk->view->tree, number, &stat);
    return S_ISREG(stat.st_mode) && stat.st_size <= IGNORE_BYTES_MAX &&
           tree_read(walk->view->tree, number, 0, IGNORE_BYTES_MAX, walk->rooms[0], &text) ==
               0 &&
           ignores_all(text);
}

static bool compare_entry(struct walk *walk, uint32_t number, uint32_t base,
                          struct fault *fault)
{
    struct tree_origin origin = tree_origin(walk->view->tree, number);
    struct stat stat;

    if (origin.planted || origin.mount_point || origin.verdict == VERDICT_DENY)
        return true;
    tree_stat(walk->view->tree, number, &stat);
    if (S_ISDIR(stat.st_mode))
        return (base == SNAPSHOT_NONE && ignores_itself(walk, number)) ||
               compare_folder(walk, number, base, fault);
    return git_mode(stat.st_mode) == 0 || tell_file(walk, number, base, fault);
}

/* Is what the base has under this name gone, or something that git does not keep there now? */
static bool is_gone(struct walk *walk, uint32_t folder, uint32_t base)
{
    bool base_is_folder = base_node(walk, base)->mode == SNAPSHOT_MODE_FOLDER;
    uint32_t number;
    struct stat stat;

    if (tree_lookup(walk->view->tree, folder, snapshot_name(snapshot_of(walk), base),
                    &number) != 0)
        return true;
    if (tree_origin(walk->view->tree, number).mount_point)
        return false;
    tree_stat(walk->view->tree, number, &stat);
    return base_is_folder ? !S_ISDIR(stat.st_mode) : git_mode(stat.st_mode) == 0;
}

static bool compare_folder(struct walk *walk, uint32_t folder, uint32_t base,
                           struct fault *fault)
{
    size_t len = walk->path.len;
    uint64_t cookie = 0;
    struct slice name;
    uint32_t number;

    if (base != SNAPSHOT_NONE && base_node(walk, base)->mode != SNAPSHOT_MODE_FOLDER)
        base = SNAPSHOT_NONE;
    while (tree_next(walk->view->tree, folder, &cookie, &name, &number)) {
        uint32_t below = base == SNAPSHOT_NONE ? SNAPSHOT_NONE
                                               : snapshot_child(snapshot_of(walk), base, name);

        if (number == below && !walk->changed[number])
            continue;
        if (!push(&walk->path, name, fault) || !compare_entry(walk, number, below, fault))
            return false;
        pop(&walk->path, len);
    }
    if (base == SNAPSHOT_NONE ||
        (base == folder && tree_is_snapshot_folder(walk->view->tree, folder)))
        return true;
    for (uint32_t child = base_node(walk, base)->child_at;
         child < base_node(walk, base)->child_at + base_node(walk, base)->child_count;
         child++) {
        if (!is_gone(walk, folder, child))
            continue;
        if (!push(&walk->path, snapshot_name(snapshot_of(walk), child), fault) ||
            !tell_deleted(walk, child, fault))
            return false;
        pop(&walk->path, len);
    }
    return true;
}

bool view_changes(struct view *view,
                  bool (*tell)(void *self, const struct view_change *change,
                               struct fault *fault),
                  void *self, struct fault *fault)
{
    struct walk walk = {.view = view,
                        .tell = tell,
                        .self = self,
                        .path = buf_with_limit(TREE_PATH_BYTES_MAX),
                        .from = buf_with_limit(TREE_PATH_BYTES_MAX),
                        .target = buf_with_limit(TREE_PATH_BYTES_MAX),
                        .rooms = {xalloc(COMPARE_BYTES), xalloc(COMPARE_BYTES)},
                        .changed = xalloc_array(tree_room(view->tree), sizeof(bool))};
    bool done;

    tree_mark_changed(view->tree, walk.changed);
    done = compare_folder(&walk, 0, 0, fault);

    buf_free(&walk.path);
    buf_free(&walk.from);
    buf_free(&walk.target);
    free(walk.rooms[0]);
    free(walk.rooms[1]);
    free(walk.changed);
    return done;
}
