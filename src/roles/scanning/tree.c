#include "roles/scanning/tree.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/scope.h"
#include "os/file.h"
#include "roles/scan.h"
#include "roles/scanning/suppressions.h"
#include "roles/scanning/rules.h"
#include "view/object.h"

#define WORKERS_MAX 8
#define PATH_BYTES_MAX 4096
#define PENDING_MAX 1024 /* files that wait for a worker or for one before them */
#define PENDING_BYTES_MAX (32UL << 20)
#define PROGRESS_FILES 256

/* A file between being met and being told. */
struct pending {
    char *path;
    struct stat stat;
    uint8_t oid[VERDICT_OID_BYTES];
    struct placed_finding *findings;
    size_t count;
    unsigned mask;
    bool has_mark;
    struct buf content; /* until its findings have their lines */
    const char *unseen;
    bool done;
};

struct tree {
    const struct tree_sink *sink;
    struct verdicts *verdicts;
    struct hasher *hasher;
    struct scan_pool *pool;              /* NULL until it is needed */
    struct pending pending[PENDING_MAX]; /* a ring */
    size_t first, count;
    size_t bytes; /* of contents that wait */
    struct tree_counts counts;
};

/* ---- telling, in order ---- */

static const char *unseen_by_mask(unsigned mask)
{
    return mask == SCAN_UNEXAMINED                 ? "not examined"
           : (mask & CLASS_BIT(CLASS_OPAQUE)) != 0 ? "opaque: searched as bytes only"
                                                   : NULL;
}

static bool tell(struct tree *tree, const char *path, const struct file_verdict *verdict,
                 const char *unseen, struct fault *fault)
{
    if (unseen == NULL)
        unseen = unseen_by_mask(verdict->class_mask);
    tree->counts.files++;
    tree->counts.findings += verdict->count;
    tree->counts.unseen += unseen != NULL;
    if (tree->sink->progress != NULL && tree->counts.files % PROGRESS_FILES == 0)
        tree->sink->progress(tree->sink->self, tree->counts.files);
    return tree->sink->file(tree->sink->self, path, verdict, unseen, fault);
}

static bool tell_done(struct tree *tree, struct fault *fault)
{
    bool ok = true;

    while (ok && tree->count > 0 && tree->pending[tree->first].done) {
        struct pending *pending = &tree->pending[tree->first];
        const struct file_verdict verdict = {pending->has_mark, pending->mask,
                                             pending->findings, pending->count};

        ok = tell(tree, pending->path, &verdict, pending->unseen, fault);
        free(pending->path);
        free(pending->findings);
        *pending = (struct pending){0};
        tree->first = (tree->first + 1) % PENDING_MAX;
        tree->count--;
    }
    return ok;
}

/* ---- looking ---- */

static bool keep_findings(void *self, size_t token, const struct finding *findings,
                          size_t count, unsigned class_mask, struct fault *fault)
{
    struct tree *tree = self;
    struct pending *pending = &tree->pending[token];
    uint32_t line = 1;
    size_t at = 0;

    (void)fault;
    pending->findings = xalloc_array(count + 1, sizeof(*pending->findings));
    for (size_t i = 0; i < count; i++) {
        for (; at < findings[i].start; at++)
            line += pending->content.at[at] == '\n';
        pending->findings[i] = (struct placed_finding){.start = (uint32_t)findings[i].start,
                                                       .end = (uint32_t)findings[i].end,
                                                       .line = line,
                                                       .rule = findings[i].rule,
                                                       .class = (uint8_t)findings[i].class,
                                                       .confidence = findings[i].confidence,
                                                       .form = findings[i].form,
                                                       .page = findings[i].page};
    }
    pending->count = count;
    pending->mask = class_mask;
    pending->done = true;
    pending->has_mark = count > 0 && suppression_is_in(slice_of_bytes(pending->content.at,
                                                                      pending->content.len));
    tree->bytes -= pending->content.len;
    buf_free(&pending->content);
    if (tree->verdicts != NULL) {
        const struct file_verdict verdict = {pending->has_mark, class_mask, pending->findings,
                                             count};

        verdicts_add(tree->verdicts, &pending->stat, slice_of(pending->path), pending->oid,
                     &verdict);
    }
    return true;
}

static bool drain(struct tree *tree, struct fault *fault)
{
    const struct scan_sink sink = {keep_findings, tree};

    return (tree->pool == NULL || scan_pool_drain(tree->pool, &sink, fault)) &&
           tell_done(tree, fault);
}

/* The next place of the ring, with the path in it. */
static bool make_pending(struct tree *tree, const char *path, struct pending **ret_pending,
                         struct fault *fault)
{
    struct pending *pending;

    if ((tree->count == PENDING_MAX || tree->bytes > PENDING_BYTES_MAX) && !drain(tree, fault))
        return false;
    pending = &tree->pending[(tree->first + tree->count++) % PENDING_MAX];
    *pending =
        (struct pending){.path = xstrdup(path), .content = buf_with_limit(SCAN_BYTES_MAX)};
    *ret_pending = pending;
    return true;
}

/* The one that was made last. */
static void forget_pending(struct tree *tree, struct pending *pending)
{
    free(pending->path);
    buf_free(&pending->content);
    *pending = (struct pending){0};
    tree->count--;
}

static size_t worker_count(void)
{
    long processors = sysconf(_SC_NPROCESSORS_ONLN);

    return processors < 1 ? 1 : processors > WORKERS_MAX ? WORKERS_MAX : (size_t)processors;
}

static bool look(struct tree *tree, struct pending *pending, struct fault *fault)
{
    const struct scan_sink sink = {keep_findings, tree};

    tree->bytes += pending->content.len;
    if (tree->pool == NULL && !scan_pool_new(worker_count(), &tree->pool, fault))
        return false;
    return scan_pool_submit(tree->pool, (size_t)(pending - tree->pending),
                            buf_slice(&pending->content), slice_of(pending->path), &sink,
                            fault) ||
           fault_in(fault, "scan %s", pending->path);
}

/* Of a file that did not change meanwhile the first read has all. */
static bool read_all(int fd, struct buf *content, struct stat *stat, struct fault *why)
{
    size_t size = (size_t)stat->st_size;
    ssize_t got = -1;

    if (size < SCAN_BYTES_MAX) {
        if (!buf_reserve(content, size + 1, why))
            return false;
        got = read(fd, content->at, size + 1);
        content->len = got > 0 ? (size_t)got : 0;
    }
    if (fstat(fd, stat) < 0)
        return fault_errno(why, "stat");
    if (got >= 0 && content->len == size && (size_t)stat->st_size == size)
        return true;
    return file_read_fd(fd, content, why) &&
           (fstat(fd, stat) == 0 || fault_errno(why, "stat"));
}

/* Reads it, and asks whether just this content is known. `stat` becomes that of what was read.
 */
static bool read_known(struct tree *tree, int folder, const char *name,
                       struct pending *pending, struct file_verdict *ret_verdict,
                       bool *ret_known, struct fault *why)
{
    AUTO_CLOSE int fd =
        openat(folder, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NOCTTY | O_NONBLOCK);

    *ret_known = false;
    if (fd < 0 || fstat(fd, &pending->stat) < 0)
        return fault_errno(why, "open");
    if (!S_ISREG(pending->stat.st_mode))
        return fault_set(why, FAULT_INVALID, "no plain file");
    if ((uint64_t)pending->stat.st_size > SCAN_BYTES_MAX)
        return fault_set(why, FAULT_LIMIT, "too large");
    if (!read_all(fd, &pending->content, &pending->stat, why))
        return false;
    if (tree->verdicts == NULL)
        return true;
    hasher_object(tree->hasher, OBJECT_BLOB, buf_slice(&pending->content), pending->oid);
    *ret_known = verdicts_by_content(tree->verdicts, &pending->stat, slice_of(pending->path),
                                     pending->oid, ret_verdict);
    return true;
}

static void settle_known(struct pending *pending, const struct file_verdict *verdict)
{
    pending->findings = xalloc_array(verdict->count + 1, sizeof(*pending->findings));
    if (verdict->count > 0)
        memcpy(pending->findings, verdict->findings,
               verdict->count * sizeof(*pending->findings));
    pending->count = verdict->count;
    pending->mask = verdict->class_mask;
    pending->has_mark = verdict->has_mark;
    pending->done = true;
    buf_free(&pending->content);
}

/* `stat`: by which its verdict may be known; NULL: it is not asked for. */
static bool scan_file(struct tree *tree, int folder, const char *name, const char *path,
                      const struct stat *stat, struct fault *fault)
{
    struct file_verdict verdict = {0};
    struct pending *pending;
    struct fault why = {0};
    bool known;

    if (stat != NULL && tree->verdicts != NULL &&
        verdicts_by_state(tree->verdicts, stat, slice_of(path), &verdict)) {
        tree->counts.known++;
        if (tree->count == 0)
            return tell(tree, path, &verdict, NULL, fault);
        if (!make_pending(tree, path, &pending, fault))
            return false;
        settle_known(pending, &verdict);
        return tell_done(tree, fault);
    }
    if (!make_pending(tree, path, &pending, fault))
        return false;
    if (!read_known(tree, folder, name, pending, &verdict, &known, &why)) {
        if (why.kind == FAULT_MISSING && stat == NULL) {
            forget_pending(tree, pending);
            return true; /* it is gone since its folder was listed */
        }
        pending->unseen = why.kind == FAULT_LIMIT ? "too large" : "cannot be read";
        pending->mask = SCAN_UNEXAMINED;
        pending->done = true;
        buf_free(&pending->content);
        return tell_done(tree, fault);
    }
    if (!known)
        return look(tree, pending, fault) && tell_done(tree, fault);
    tree->counts.known++;
    settle_known(pending, &verdict);
    return tell_done(tree, fault);
}

/* ---- walking ---- */

static bool tell_unseen(struct tree *tree, const char *path, const char *why,
                        struct fault *fault)
{
    const struct file_verdict unknown = {.class_mask = SCAN_UNEXAMINED};

    return drain(tree, fault) && tell(tree, path, &unknown, why, fault);
}

struct entry {
    char *name;
    uint8_t type; /* of readdir */
};

struct names {
    struct entry *at;
    size_t count, room;
};

static void names_free(struct names *names)
{
    for (size_t i = 0; i < names->count; i++)
        free(names->at[i].name);
    free(names->at);
}

static int by_bytes(const void *a, const void *b)
{
    const struct entry *x = a, *y = b;

    return strcmp(x->name, y->name);
}

static void list_names(DIR *dir, struct names *names)
{
    for (struct dirent *entry; (entry = readdir(dir)) != NULL;) {
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0 ||
            strcmp(entry->d_name, ".git") == 0)
            continue;
        names->at = xgrow(names->at, &names->room, names->count + 1, sizeof(*names->at));
        names->at[names->count++] = (struct entry){xstrdup(entry->d_name), entry->d_type};
    }
    if (names->count > 1)
        qsort(names->at, names->count, sizeof(*names->at), by_bytes);
}

static bool scan_path(struct tree *tree, int folder, const char *name, const char *path,
                      unsigned depth, struct fault *fault);

/* `fd` is taken. */
static bool scan_folder(struct tree *tree, int fd, const char *path, unsigned depth,
                        struct fault *fault)
{
    DIR *dir = fdopendir(fd);
    struct names names = {0};
    bool ok = true;

    if (dir == NULL) {
        (void)close(fd);
        return fault_errno(fault, "list %s", path);
    }
    list_names(dir, &names);
    for (size_t i = 0; ok && i < names.count; i++) {
        const char *name = names.at[i].name;
        AUTO_FREE char *below = path[0] == 0 ? xstrdup(name) : xformat("%s/%s", path, name);

        if (strlen(below) > PATH_BYTES_MAX)
            ok = tell_unseen(tree, name, "path too long", fault);
        else if (names.at[i].type == DT_REG &&
                 (tree->verdicts == NULL || !verdicts_has_kept(tree->verdicts)))
            ok = scan_file(tree, dirfd(dir), name, below, NULL, fault);
        else
            ok = scan_path(tree, dirfd(dir), name, below, depth + 1, fault);
    }
    names_free(&names);
    (void)closedir(dir);
    return ok;
}

static bool scan_path(struct tree *tree, int folder, const char *name, const char *path,
                      unsigned depth, struct fault *fault)
{
    struct stat stat;
    int fd;

    if (fstatat(folder, name, &stat, AT_SYMLINK_NOFOLLOW) < 0)
        return depth == 0
                   ? fault_errno(fault, "find %s", path)
                   : errno == ENOENT || tell_unseen(tree, path, "cannot be read", fault);
    if (S_ISREG(stat.st_mode))
        return scan_file(tree, folder, name, path, &stat, fault);
    if (!S_ISDIR(stat.st_mode))
        return true; /* links, sockets, devices hold nothing themselves */
    if (depth > TREE_DEPTH_MAX)
        return tell_unseen(tree, path, "too many folders deep", fault);
    fd = openat(folder, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
    if (fd >= 0)
        return scan_folder(tree, fd, path, depth, fault);
    return depth == 0 ? fault_errno(fault, "open %s", path)
                      : tell_unseen(tree, path, "cannot be listed", fault);
}

static bool scan_named(struct tree *tree, const char *path, bool below, struct fault *fault)
{
    int fd;

    if (!below && strcmp(path, ".") != 0)
        return scan_path(tree, AT_FDCWD, path, path, 0, fault);
    fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return fd < 0 ? fault_errno(fault, "open %s", path) : scan_folder(tree, fd, "", 0, fault);
}

static void tree_free(struct tree *tree)
{
    for (size_t i = 0; i < PENDING_MAX; i++) {
        free(tree->pending[i].path);
        free(tree->pending[i].findings);
        buf_free(&tree->pending[i].content);
    }
    hasher_free(tree->hasher);
    scan_pool_free(tree->pool);
    free(tree);
}

bool tree_scan(const char *const *paths, size_t count, bool below, struct verdicts *verdicts,
               const struct tree_sink *sink, struct tree_counts *ret_counts,
               struct fault *fault)
{
    struct tree *tree = xalloc(sizeof(*tree));
    bool ok;

    tree->sink = sink;
    tree->verdicts = verdicts;
    ok = rules_prepare(fault) && hasher_new(VERDICT_OID_BYTES, &tree->hasher, fault);
    for (size_t i = 0; ok && i < count; i++)
        ok = scan_named(tree, paths[i], below, fault);
    ok = ok && drain(tree, fault);
    *ret_counts = tree->counts;
    tree_free(tree);
    return ok;
}
