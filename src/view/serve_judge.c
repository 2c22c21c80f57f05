#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "base/scope.h"
#include "view/blob.h"
#include "view/serve_caller.h"
#include "view/serve_state.h"
#include "view/snapshot_format.h"

#define DENIED_TOLD_MAX 10000
#define RULE_CLASSIFIED "view.link-of-classified"
#define RULE_SUBMODULE "view.submodule"
#define RULE_FULL "resources.disk"

/*
 * Read at each event: an executable remembered by pid is wrong after exec, and only first
 * reads and changes come here.
 */
static const char *executable_of(struct view *view, pid_t pid,
                                 char room[VIEW_EXECUTABLE_BYTES_MAX + 1])
{
    char name[32];
    ssize_t len;

    if (pid <= 0 || view->proc_fd < 0)
        return NULL;
    (void)snprintf(name, sizeof(name), "%d/exe", (int)pid);
    len = readlinkat(view->proc_fd, name, room, VIEW_EXECUTABLE_BYTES_MAX);
    if (len <= 0)
        return NULL;
    room[len] = 0;
    return room;
}

static const char *text_of(struct buf *path)
{
    return (const char *)path->at;
}

/* Tells; false is EIO: no record, no action. */
static bool tell(struct view *view, fuse_req_t request, struct view_event *event, bool durable)
{
    char executable[VIEW_EXECUTABLE_BYTES_MAX + 1];

    if (event->pid == 0)
        event->pid = fuse_req_ctx(request)->pid;
    event->executable = executable_of(view, event->pid, executable);
    if (event->refused) {
        view->counts.refused++;
        view->counts.reads_refused += event->operation == VIEW_READ;
    } else if (event->operation == VIEW_READ) {
        view->counts.reads_recorded++;
    } else if (event->operation == VIEW_OPEN || event->operation == VIEW_OPEN_TO_WRITE) {
        view->counts.opens_recorded++;
    } else {
        view->counts.writes_recorded++;
    }
    return view->settings.calls.record(view->settings.calls.self, event, durable,
                                       &view->fault);
}

static struct view_event event_of(struct view *view, enum view_operation operation,
                                  uint32_t number)
{
    struct tree_origin origin = tree_origin(view->tree, number);
    struct stat stat;

    tree_stat(view->tree, number, &stat);
    return (struct view_event){.operation = operation,
                               .base = origin.base,
                               .oid = S_ISDIR(stat.st_mode) ? NULL : origin.oid,
                               .size = (uint64_t)stat.st_size,
                               .class_mask = origin.class_mask,
                               .verdict = origin.verdict,
                               .rule = origin.rule};
}

/* Records a refusal and gives the errno. A refusal holds whether or not it could be recorded.
 */
static int refuse(struct view *view, fuse_req_t request, enum view_operation operation,
                  const char *path, const char *path_to, const char *rule)
{
    struct view_event event = {.operation = operation,
                               .refused = true,
                               .path = path,
                               .path_to = path_to,
                               .base = SNAPSHOT_NONE,
                               .verdict = VERDICT_DENY,
                               .rule = rule == NULL ? (struct slice){0} : slice_of(rule)};

    (void)tell(view, request, &event, false);
    return EACCES;
}

bool judge_inode(struct view *view, fuse_req_t request, fuse_ino_t inode)
{
    if (inode >= 1 && inode <= UINT32_MAX && tree_has(view->tree, number_of(inode)))
        return true;
    (void)fuse_reply_err(request, ESTALE);
    return false;
}

/* ---- reading ---- */

/* Has it a path to tell it by? One that was removed and is still open has that of its base. */
static int path_of_read(struct view *view, uint32_t number, uint32_t base)
{
    struct fault fault = {0};
    int error = tree_path(view->tree, number, &view->path);

    if (error != ESTALE || base == TREE_NONE)
        return error;
    buf_clear(&view->path);
    if (!snapshot_path(view->settings.snapshot, base, &view->path, &fault))
        return EIO;
    (void)buf_text(&view->path);
    return 0;
}

int judge_read(struct view *view, fuse_req_t request, uint32_t number, uint64_t at,
               uint64_t size)
{
    struct tree_origin origin = tree_origin(view->tree, number);
    unsigned mark = origin.own_content ? MARK_READ_OWN : MARK_READ_BASE;
    unsigned marks = tree_marks(view->tree, number);
    bool is_first = (marks & mark) == 0;
    struct view_event event;
    int error;

    if (!is_first && (marks & MARK_READ_PART) == 0)
        return 0;
    event = event_of(view, VIEW_READ, number);
    size = at >= event.size ? 0 : size < event.size - at ? size : event.size - at;
    if (!is_first && tree_part_covers(view->tree, number, at, size))
        return 0;
    error = path_of_read(view, number, origin.base);
    if (error != 0) /* ESTALE: the agent's own bytes, and no name to call them by */
        return error == ESTALE ? 0 : error;
    event.path = text_of(&view->path);
    if (origin.verdict == VERDICT_DENY)
        return refuse(view, request, VIEW_READ, event.path, NULL, RULE_DENIED_FILE);
    if (is_first && size > 0 && size < event.size) {
        event.first = at;
        event.end = at + size;
    }
    if (!tell(view, request, &event, origin.sensitive))
        return EIO;
    marks = (tree_marks(view->tree, number) & ~(unsigned)MARK_READ_PART) | mark;
    if (event.end > 0) {
        tree_set_part(view->tree, number, event.first, event.end);
        marks |= MARK_READ_PART;
    }
    tree_set_marks(view->tree, number, marks);
    return 0;
}

int judge_open(struct view *view, fuse_req_t request, uint32_t number, int flags)
{
    bool writes = (flags & O_ACCMODE) != O_RDONLY || (flags & O_TRUNC) != 0;
    struct view_event event = event_of(view, writes ? VIEW_OPEN_TO_WRITE : VIEW_OPEN, number);
    struct tree_origin origin = tree_origin(view->tree, number);
    int error = path_of_read(view, number, origin.base);
    const char *rule = NULL;

    if (error != 0) /* ESTALE: the agent's own, and no name to call it by */
        return error == ESTALE ? 0 : error;
    if (origin.verdict == VERDICT_DENY)
        rule = RULE_DENIED_FILE;
    else if (writes)
        rule = origin.planted ? RULE_CANARY
                              : rules_write_refused_by(&view->rules, text_of(&view->path));
    if (rule != NULL)
        return refuse(view, request, writes ? VIEW_MODIFY : VIEW_READ, text_of(&view->path),
                      NULL, rule);
    if (fuse_req_ctx(request)->pid == 0) /* nobody of the cell: the observer looks on */
        return 0;
    event.path = text_of(&view->path);
    return tell(view, request, &event, false) ? 0 : EIO;
}

int judge_missing(struct view *view, fuse_req_t request, uint32_t folder, struct slice name)
{
    const char *rule;

    if (tree_path_in(view->tree, folder, name, &view->path) != 0)
        return ENOENT;
    rule = rules_denied_by(&view->rules, text_of(&view->path));
    if (rule == NULL)
        rule = rules_denied_below_by(&view->rules, text_of(&view->path));
    if (rule == NULL || folder_find(view->denied_told, buf_slice(&view->path)) != NULL)
        return ENOENT;
    if (view->denied_told->live < DENIED_TOLD_MAX)
        folder_add(view->denied_told, buf_slice(&view->path), 0, false);
    (void)refuse(view, request, VIEW_READ, text_of(&view->path), NULL, rule);
    return ENOENT;
}

/* ---- writing ---- */

int judge_modify(struct view *view, fuse_req_t request, uint32_t number)
{
    unsigned marks = tree_marks(view->tree, number);
    struct view_event event;
    const char *rule;
    int error;

    if ((marks & MARK_MODIFIED) != 0)
        return 0;
    error = tree_path(view->tree, number, &view->path);
    if (error == ESTALE) /* it has no name any more: nothing that is collected changes */
        return 0;
    if (error != 0)
        return error;
    rule = tree_origin(view->tree, number).planted
               ? RULE_CANARY
               : rules_write_refused_by(&view->rules, text_of(&view->path));
    if (rule != NULL)
        return refuse(view, request, VIEW_MODIFY, text_of(&view->path), NULL, rule);
    event = event_of(view, VIEW_MODIFY, number);
    event.path = text_of(&view->path);
    if (fuse_req_ctx(request)->pid == 0)
        event.pid = tree_writer(view->tree, number);
    if (!tell(view, request, &event, false))
        return EIO;
    tree_set_marks(view->tree, number, tree_marks(view->tree, number) | MARK_MODIFIED);
    return 0;
}

/* The kernel's question is the same where somebody reads the attribute. */
void judge_first_write(struct view *view, fuse_req_t request, uint32_t number)
{
    pid_t pid = fuse_req_ctx(request)->pid;

    if ((tree_marks(view->tree, number) & MARK_MODIFIED) == 0 &&
        caller_act(view->proc_fd, pid) == CALLER_ASKS)
        return;
    tree_set_writer(view->tree, number, pid);
    (void)judge_modify(view, request, number); /* asked again when the bytes arrive */
}

void judge_full(struct view *view, fuse_req_t request, uint32_t number)
{
    unsigned marks = tree_marks(view->tree, number);

    if ((marks & MARK_FULL) != 0 || tree_path(view->tree, number, &view->path) != 0)
        return;
    tree_set_marks(view->tree, number, marks | MARK_FULL);
    (void)refuse(view, request, VIEW_MODIFY, text_of(&view->path), NULL, RULE_FULL);
}

/* ---- what the kernel refuses by the mode that it is shown ---- */

/*
 * Looked up once: what may not be written can neither be moved nor get another name, and what
 * may be only moves to where it may be written, too.
 */
static bool is_write_refused(struct view *view, uint32_t number)
{
    unsigned marks = tree_marks(view->tree, number);
    struct stat stat;

    tree_stat(view->tree, number, &stat);
    if (!S_ISREG(stat.st_mode))
        return false;
    if ((marks & MARK_WRITE_KNOWN) == 0 &&
        tree_path(view->tree, number, &view->path_shown) == 0) {
        marks |= MARK_WRITE_KNOWN;
        if (rules_write_refused_by(&view->rules, text_of(&view->path_shown)) != NULL)
            marks |= MARK_WRITE_REFUSED;
        tree_set_marks(view->tree, number, marks);
    }
    return (marks & MARK_WRITE_REFUSED) != 0;
}

mode_t judge_shown_mode(struct view *view, uint32_t number, mode_t mode)
{
    return is_write_refused(view, number) ? mode & ~(mode_t)0222 : mode;
}

void judge_asked(struct view *view, fuse_req_t request, uint32_t number)
{
    struct tree_origin origin = tree_origin(view->tree, number);
    bool is_denied = origin.verdict == VERDICT_DENY;
    enum caller_act act;

    if (!is_denied && !origin.planted && !is_write_refused(view, number))
        return;
    act = caller_act(view->proc_fd, fuse_req_ctx(request)->pid);
    if (act == CALLER_UNKNOWN && !origin.planted)
        act = is_denied ? CALLER_READS : CALLER_WRITES; /* nothing else is asked about then */
    if (act == CALLER_ASKS || act == CALLER_UNKNOWN || (act == CALLER_READS && !is_denied) ||
        tree_path(view->tree, number, &view->path) != 0)
        return;
    (void)refuse(view, request, act == CALLER_WRITES ? VIEW_MODIFY : VIEW_READ,
                 text_of(&view->path), NULL,
                 origin.planted ? RULE_CANARY
                 : is_denied    ? RULE_DENIED_FILE
                                : rules_write_refused_by(&view->rules, text_of(&view->path)));
}

int judge_chmod(struct view *view, fuse_req_t request, uint32_t number)
{
    struct tree_origin origin = tree_origin(view->tree, number);
    struct view_event event;
    const char *rule = NULL;
    struct stat stat;
    int error = tree_path(view->tree, number, &view->path);

    if (error == ESTALE)
        return 0;
    if (error != 0)
        return error;
    tree_stat(view->tree, number, &stat);
    if (origin.planted || origin.verdict == VERDICT_DENY)
        rule = RULE_DENIED_FILE;
    else if (!S_ISDIR(stat.st_mode)) /* a folder's mode is nowhere kept */
        rule = rules_write_refused_by(&view->rules, text_of(&view->path));
    if (rule != NULL)
        return refuse(view, request, VIEW_CHMOD, text_of(&view->path), NULL, rule);
    event = event_of(view, VIEW_CHMOD, number);
    event.path = text_of(&view->path);
    return tell(view, request, &event, false) ? 0 : EIO;
}

/*
 * Another repository's place: git keeps a commit there, and nothing that is put in or taken
 * away would be collected.
 */
static bool is_submodule(const struct view *view, uint32_t number)
{
    uint32_t base = number == TREE_NONE ? TREE_NONE : tree_origin(view->tree, number).base;

    return base != TREE_NONE &&
           snapshot_node(view->settings.snapshot, base)->mode == SNAPSHOT_MODE_GITLINK;
}

int judge_make(struct view *view, fuse_req_t request, enum view_operation operation,
               uint32_t folder, struct slice name)
{
    struct view_event event = {.operation = operation, .base = SNAPSHOT_NONE};
    const char *rule;
    int error = tree_path_in(view->tree, folder, name, &view->path);

    if (error != 0)
        return error == ESTALE ? ENOENT : error;
    rule = is_submodule(view, folder)
               ? RULE_SUBMODULE
               : rules_new_name_refused_by(&view->rules, text_of(&view->path),
                                           operation == VIEW_MKDIR);
    if (rule != NULL)
        return refuse(view, request, operation, text_of(&view->path), NULL, rule);
    event.path = text_of(&view->path);
    return tell(view, request, &event, false) ? 0 : EIO;
}

static bool is_folder(struct view *view, uint32_t number)
{
    struct stat stat;

    tree_stat(view->tree, number, &stat);
    return S_ISDIR(stat.st_mode);
}

int judge_remove(struct view *view, fuse_req_t request, uint32_t folder, struct slice name,
                 uint32_t number)
{
    enum view_operation operation = is_folder(view, number) ? VIEW_RMDIR : VIEW_DELETE;
    struct view_event event = event_of(view, operation, number);
    const char *rule = NULL;
    int error = tree_path_in(view->tree, folder, name, &view->path);

    if (error != 0)
        return error;
    if (event.verdict == VERDICT_DENY)
        rule = RULE_DENIED_FILE;
    else if (is_submodule(view, number))
        rule = RULE_SUBMODULE;
    else if (operation == VIEW_DELETE)
        rule = rules_write_refused_by(&view->rules, text_of(&view->path));
    if (rule != NULL)
        return refuse(view, request, operation, text_of(&view->path), NULL, rule);
    event.path = text_of(&view->path);
    return tell(view, request, &event, false) ? 0 : EIO;
}

/* Both names of everything that a rename moves; view->path and view->path_to are used up as it
 * goes. */
static const char *move_refused_by(struct view *view, uint32_t number, int *ret_error)
{
    size_t from_len = view->path.len, to_len = view->path_to.len;
    const char *rule = is_submodule(view, number)
                           ? RULE_SUBMODULE
                           : rules_new_name_refused_by(&view->rules, text_of(&view->path_to),
                                                       is_folder(view, number));
    uint64_t cookie = 0;
    struct slice name;
    uint32_t below;

    if (rule == NULL && tree_origin(view->tree, number).verdict == VERDICT_DENY)
        rule = RULE_DENIED_FILE;
    if (!is_folder(view, number))
        return rule != NULL ? rule
                            : rules_write_refused_by(&view->rules, text_of(&view->path));
    while (rule == NULL && *ret_error == 0 &&
           tree_next(view->tree, number, &cookie, &name, &below)) {
        struct fault fault = {0};

        if (!buf_add_byte(&view->path, '/', &fault) || !buf_add(&view->path, name, &fault) ||
            !buf_add_byte(&view->path_to, '/', &fault) ||
            !buf_add(&view->path_to, name, &fault) || view->path_to.len > SNAPSHOT_PATH_MAX) {
            *ret_error = ENAMETOOLONG;
            break;
        }
        (void)buf_text(&view->path);
        (void)buf_text(&view->path_to);
        rule = move_refused_by(view, below, ret_error);
        if (rule == NULL) {
            view->path.len = from_len;
            view->path_to.len = to_len;
            (void)buf_text(&view->path);
            (void)buf_text(&view->path_to);
        }
    }
    return rule;
}

static int judge_move(struct view *view, fuse_req_t request, uint32_t number, uint32_t folder,
                      struct slice name, uint32_t to_folder, struct slice to_name,
                      uint32_t there)
{
    const char *rule;
    int error = tree_path_in(view->tree, folder, name, &view->path);

    if (error == 0)
        error = tree_path_in(view->tree, to_folder, to_name, &view->path_to);
    if (error != 0)
        return error;
    rule = is_submodule(view, to_folder) || is_submodule(view, there)
               ? RULE_SUBMODULE
               : move_refused_by(view, number, &error);
    if (rule != NULL)
        return refuse(view, request, VIEW_RENAME, text_of(&view->path),
                      text_of(&view->path_to), rule);
    return error;
}

/*
 * What a rename puts in the place of another file is how editors save: a change of that path.
 */
static bool tell_replaced(struct view *view, fuse_req_t request, uint32_t there,
                          const struct view_event *rename)
{
    struct view_event event = event_of(view, VIEW_MODIFY, there);
    uint8_t before[SNAPSHOT_OID_MAX];

    event.oid = blob_of(view, there, BLOB_AT_RENAME_BYTES_MAX, before) ? before : NULL;
    event.path = rename->path_to;
    event.oid_after = rename->oid_after;
    event.size = rename->size;
    return tell(view, request, &event, false);
}

/*
 * What is told by the rename's record of the blob under the new name need not be told again.
 */
static int tell_moved(struct view *view, fuse_req_t request, const struct tree_rename *rename,
                      const struct tree_renamed *found, const struct view_event *event)
{
    bool is_exchange = (rename->flags & RENAME_EXCHANGE) != 0;

    if (found->there != TREE_NONE && !is_exchange && !is_folder(view, found->there) &&
        !tell_replaced(view, request, found->there, event))
        return EIO;
    tree_set_blob_told(view->tree, found->number, event->oid_after);
    if (is_exchange)
        tree_set_blob_told(view->tree, found->there, NULL);
    return 0;
}

int judge_rename(struct view *view, fuse_req_t request, const struct tree_rename *rename,
                 const struct tree_renamed *found)
{
    struct view_event event = event_of(view, VIEW_RENAME, found->number);
    uint8_t after[SNAPSHOT_OID_MAX];
    int error = judge_move(view, request, found->number, rename->folder, rename->name,
                           rename->to_folder, rename->to_name, found->there);

    if (error == 0 && (rename->flags & RENAME_EXCHANGE) != 0)
        error = judge_move(view, request, found->there, rename->to_folder, rename->to_name,
                           rename->folder, rename->name, found->number);
    if (error == 0)
        error = tree_path_in(view->tree, rename->folder, rename->name, &view->path);
    if (error == 0)
        error = tree_path_in(view->tree, rename->to_folder, rename->to_name, &view->path_to);
    if (error != 0)
        return error;
    event.path = text_of(&view->path);
    event.path_to = text_of(&view->path_to);
    if (blob_of(view, found->number, BLOB_AT_RENAME_BYTES_MAX, after))
        event.oid_after = after;
    return tell(view, request, &event, false)
               ? tell_moved(view, request, rename, found, &event)
               : EIO;
}

int judge_sync(struct view *view, fuse_req_t request, uint32_t number)
{
    struct view_event event = event_of(view, VIEW_SYNC, number);
    uint8_t after[SNAPSHOT_OID_MAX];

    if (!tree_origin(view->tree, number).own_content ||
        tree_blob_told(view->tree, number) != NULL ||
        tree_path(view->tree, number, &view->path) != 0 ||
        !tree_count_sync(view->tree, number, BLOB_AT_SYNC_TIMES) ||
        !blob_of(view, number, BLOB_AT_SYNC_BYTES_MAX, after))
        return 0;
    event.path = text_of(&view->path);
    event.oid_after = after;
    if (!tell(view, request, &event, false))
        return EIO;
    tree_set_blob_told(view->tree, number, after);
    return 0;
}

int judge_link(struct view *view, fuse_req_t request, uint32_t number, uint32_t folder,
               struct slice name)
{
    struct tree_origin origin = tree_origin(view->tree, number);
    struct view_event event = event_of(view, VIEW_LINK, number);
    const char *rule;
    int error = tree_path(view->tree, number, &view->path);

    if (error == ESTALE) /* it never had a name, or the kernel would not ask */
        return judge_make(view, request, VIEW_CREATE, folder, name);
    if (error == 0)
        error = tree_path_in(view->tree, folder, name, &view->path_to);
    if (error != 0)
        return error == ESTALE ? ENOENT : error;
    rule = origin.sensitive ? RULE_CLASSIFIED
           : is_submodule(view, folder)
               ? RULE_SUBMODULE
               : rules_new_name_refused_by(&view->rules, text_of(&view->path_to), false);
    if (rule == NULL)
        rule = rules_write_refused_by(&view->rules, text_of(&view->path));
    if (rule != NULL)
        return refuse(view, request, VIEW_LINK, text_of(&view->path), text_of(&view->path_to),
                      rule);
    event.path = text_of(&view->path);
    event.path_to = text_of(&view->path_to);
    return tell(view, request, &event, false) ? 0 : EIO;
}
