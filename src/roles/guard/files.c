#include "roles/guard/files.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/scope.h"
#include "policy/policy.h"
#include "roles/guard/reach.h"
#include "roles/view_role/records.h"
#include "view/folder.h"
#include "view/plain.h"
#include "view/rules.h"

#define DENIED_TOLD_MAX 10000
#define ROWS 1024           /* to begin with */
#define ROWS_MAX (1U << 20) /* then all is forgotten, and told again */

/* What was told of a file already. */
enum mark {
    MARK_READ_BASE = 1, /* as it was written for the agent */
    MARK_READ_OWN = 2,  /* as the agent left it */
    MARK_MODIFIED = 4,  /* under the name whose hash is kept */
};

struct row {
    uint64_t inode, device, born_ns; /* inode 0: free */
    uint64_t name;
    uint32_t marks;
};

struct files {
    const struct files_config *config;
    struct snapshot *snapshot;
    struct plain *plain;
    struct view_identity *identity;
    struct view_records *records;
    struct view_calls calls;
    struct rules rules;
    int cell_proc;
    struct row *rows;
    size_t row_room, row_count;
    struct folder *denied_told; /* a set of paths */
    struct buf path;
    struct view_counts counts;
    struct fault fault;
};

/* ---- policy ---- */

static enum verdict read_verdict(void *self, const char *path, const char **ret_rule)
{
    const struct files_config *config = ((struct files *)self)->config;

    return policy_read_verdict(config->policy, config->role, slice_of(path), ret_rule);
}

static bool write_allowed(void *self, const char *path, bool in_new_folder,
                          const char **ret_rule)
{
    const struct files_config *config = ((struct files *)self)->config;

    return policy_write_allowed(config->policy, config->role, slice_of(path), in_new_folder,
                                ret_rule);
}

bool files_new(const struct files_config *config, int cell_proc, struct files **ret_files,
               struct fault *fault)
{
    struct files *files = xalloc(sizeof(*files));
    bool ok;

    *files = (struct files){.config = config,
                            .cell_proc = cell_proc,
                            .calls = {files, NULL, read_verdict, write_allowed},
                            .path = buf_with_limit(CALLER_PATH_BYTES_MAX + 256),
                            .denied_told = folder_new(1),
                            .row_room = ROWS};
    files->rules = (struct rules){.calls = &files->calls,
                                  .planted = config->planted,
                                  .planted_count = config->planted_count,
                                  .armed = true};
    files->rows = xalloc_array(files->row_room, sizeof(files->rows[0]));
    ok = snapshot_open(config->snapshot, &files->snapshot, fault) &&
         plain_open(config->identity, files->snapshot, &files->plain, fault) &&
         view_identity_new(config->seen, &files->identity, fault);
    if (ok) {
        files->rules.base = files->snapshot;
        view_identity_proc(files->identity, fcntl(cell_proc, F_DUPFD_CLOEXEC, 3));
        files->records = view_records_new(
            &(struct view_records_settings){.ledger_fd = config->ledger,
                                            .run = config->run,
                                            .agent = config->agent,
                                            .on_behalf_of = config->on_behalf_of,
                                            .policy = config->policy->digest,
                                            .mechanism = "guard",
                                            .snapshot = files->snapshot,
                                            .identity = files->identity});
        *ret_files = files;
    } else {
        files_free(files);
    }
    return ok || fault_in(fault, "the agent's files");
}

void files_free(struct files *files)
{
    if (files == NULL)
        return;
    view_records_free(files->records);
    view_identity_free(files->identity);
    plain_close(files->plain);
    snapshot_close(files->snapshot);
    folder_free(files->denied_told);
    buf_free(&files->path);
    free(files->rows);
    free(files);
}

void files_disarm(struct files *files)
{
    files->rules.armed = false;
}

struct view_counts files_counts(const struct files *files)
{
    return files->counts;
}

bool files_are_told(const struct files *files, struct fault *fault)
{
    if (files->fault.kind != FAULT_NONE) {
        *fault = files->fault;
        return false;
    }
    return files->counts.writes_recorded + files->counts.refused <=
               files->config->records_max ||
           fault_set(fault, FAULT_LIMIT, "more than %llu writes and refusals to record",
                     (unsigned long long)files->config->records_max);
}

/* ---- what was told ---- */

static uint64_t hash_of(struct slice text)
{
    uint64_t hash = UINT64_C(0xcbf29ce484222325); /* FNV-1a */

    for (size_t i = 0; i < text.len; i++)
        hash = (hash ^ text.at[i]) * UINT64_C(0x100000001b3);
    return hash;
}

static struct row key_of(const struct statx *stat)
{
    return (struct row){.inode = stat->stx_ino,
                        .device = (uint64_t)stat->stx_dev_major << 32 | stat->stx_dev_minor,
                        .born_ns = (uint64_t)stat->stx_btime.tv_sec * 1000000000U +
                                   stat->stx_btime.tv_nsec};
}

static struct row *find_slot(const struct files *files, const struct row *key)
{
    uint64_t mixed =
        (key->inode ^ key->born_ns << 24 ^ key->device << 48) * UINT64_C(0x9e3779b97f4a7c15);
    size_t slot = (size_t)(mixed >> 32) & (files->row_room - 1);

    while (files->rows[slot].inode != 0 &&
           memcmp(&files->rows[slot], key, offsetof(struct row, name)) != 0)
        slot = (slot + 1) & (files->row_room - 1);
    return &files->rows[slot];
}

static void make_room(struct files *files)
{
    size_t room = files->row_room;
    struct row *rows = files->rows;

    if (files->row_count * 2 < room)
        return;
    files->row_room = files->row_count >= ROWS_MAX ? ROWS : room * 2;
    files->rows = xalloc_array(files->row_room, sizeof(rows[0]));
    if (files->row_count >= ROWS_MAX)
        files->row_count = 0;
    else
        for (size_t i = 0; i < room; i++)
            if (rows[i].inode != 0)
                *find_slot(files, &rows[i]) = rows[i];
    free(rows);
}

static struct row *row_of(struct files *files, const struct statx *stat)
{
    struct row key = key_of(stat);
    struct row *row;

    make_room(files);
    row = find_slot(files, &key);
    if (row->inode == 0) {
        *row = key;
        files->row_count++;
    }
    return row;
}

/* ---- telling ---- */

static const char *executable_of(const struct files *files, const struct caller *caller,
                                 char room[CALLER_PATH_BYTES_MAX])
{
    char name[32];
    ssize_t len;

    (void)snprintf(name, sizeof(name), "%d/exe", (int)caller->process);
    len = readlinkat(files->cell_proc, name, room, CALLER_PATH_BYTES_MAX - 1);
    if (len <= 0)
        return NULL;
    room[len] = 0;
    return room;
}

/* 0, or EIO: no record, no action. */
static int tell(struct files *files, struct caller *caller, struct view_event *event,
                bool durable)
{
    char executable[CALLER_PATH_BYTES_MAX];

    if (!caller_place(caller))
        return ESRCH; /* it is gone, and gets nothing */
    event->pid = caller->process;
    event->executable = executable_of(files, caller, executable);
    if (event->refused) {
        files->counts.refused++;
        files->counts.reads_refused += event->operation == VIEW_READ;
    } else if (event->operation == VIEW_READ) {
        files->counts.reads_recorded++;
    } else {
        files->counts.writes_recorded++;
    }
    return view_records_add(files->records, event, durable, &files->fault) ? 0 : EIO;
}

/* A refusal holds whether or not it could be recorded. */
static int refuse(struct files *files, struct caller *caller, enum view_operation operation,
                  const char *path, const char *rule)
{
    struct view_event event = {.operation = operation,
                               .refused = true,
                               .path = path,
                               .base = SNAPSHOT_NONE,
                               .verdict = VERDICT_DENY,
                               .rule = slice_of(rule)};

    (void)tell(files, caller, &event, false);
    return EACCES;
}

static const struct view_planted *planted_at(const struct files *files, const char *path)
{
    for (size_t i = 0; files->rules.armed && i < files->rules.planted_count; i++)
        if (strcmp(files->rules.planted[i].name, path) == 0)
            return &files->rules.planted[i];
    return NULL;
}

static struct view_event event_of(const struct files *files, enum view_operation operation,
                                  const char *path, uint32_t base, uint64_t size)
{
    struct view_event event = {
        .operation = operation, .path = path, .base = base, .size = size};
    const struct view_planted *planted = planted_at(files, path);

    if (base != SNAPSHOT_NONE) {
        const struct snapshot_node *node = snapshot_node(files->snapshot, base);

        event.oid = node->oid;
        event.class_mask = node->class_mask;
        event.verdict = node->verdict;
        event.rule = snapshot_rule(files->snapshot, base);
    } else if (planted != NULL) {
        event.class_mask = planted->class_mask;
        event.verdict = planted->verdict;
    }
    return event;
}

/* ---- which files ---- */

/* The part of an absolute path that is below the repository; NULL: it is elsewhere. */
static const char *below_repository(const struct files *files, const char *path)
{
    size_t len = strlen(files->config->repository);

    if (strncmp(path, files->config->repository, len) != 0 || path[len] != '/')
        return NULL;
    path += len + 1;
    for (size_t i = 0; i < files->config->mount_point_count; i++) {
        const char *point = files->config->mount_points[i];

        len = strlen(point);
        if (strncmp(path, point, len) == 0 && (path[len] == 0 || path[len] == '/'))
            return NULL;
    }
    return path;
}

/* Path below the repository of an open file, or NULL; valid until the next call. */
static const char *path_of(struct files *files, int fd, uint32_t base)
{
    struct fault fault = {0};

    if (reach_name(fd, &files->path) == 0)
        return below_repository(files, buf_text(&files->path));
    buf_clear(&files->path); /* unlinked, and still open: what it was */
    if (base == SNAPSHOT_NONE || !snapshot_path(files->snapshot, base, &files->path, &fault))
        return NULL;
    return buf_text(&files->path);
}

int files_read(struct files *files, struct caller *caller, int fd, const struct statx *stat)
{
    bool same = false;
    uint32_t base = plain_find(files->plain, stat, &same);
    uint32_t mark = base != SNAPSHOT_NONE && same ? MARK_READ_BASE : MARK_READ_OWN;
    struct view_event event;
    struct row *row;
    const char *path;
    int error;

    if (!S_ISREG(stat->stx_mode))
        return 0;
    row = row_of(files, stat);
    if ((row->marks & mark) != 0)
        return 0;
    path = path_of(files, fd, base);
    if (path == NULL) {
        row->marks |= base == SNAPSHOT_NONE ? mark : 0; /* of another place, and stays there */
        return 0;
    }
    event = event_of(files, VIEW_READ, path, base, stat->stx_size);
    if (event.verdict == VERDICT_DENY)
        return refuse(files, caller, VIEW_READ, path, RULE_DENIED_FILE);
    error = tell(files, caller, &event, view_is_sensitive(event.class_mask, event.verdict));
    if (error == 0)
        row->marks |= mark;
    return error;
}

void files_refused(struct files *files, struct caller *caller, int fd,
                   const struct statx *stat)
{
    bool same;
    uint32_t base = plain_find(files->plain, stat, &same);
    const char *path;

    if (base == SNAPSHOT_NONE || snapshot_node(files->snapshot, base)->verdict != VERDICT_DENY)
        return;
    path = path_of(files, fd, base);
    if (path != NULL)
        (void)refuse(files, caller, VIEW_READ, path, RULE_DENIED_FILE);
}

int files_modify(struct files *files, struct caller *caller, int fd, const struct statx *stat)
{
    bool same = false;
    uint32_t base = plain_find(files->plain, stat, &same);
    struct view_event event;
    struct row *row;
    const char *path = S_ISREG(stat->stx_mode) ? path_of(files, fd, base) : NULL;
    const char *rule;
    uint64_t name;
    int error;

    if (path == NULL)
        return 0;
    row = row_of(files, stat);
    name = hash_of(slice_of(path));
    if ((row->marks & MARK_MODIFIED) != 0 && row->name == name)
        return 0;
    event = event_of(files, VIEW_MODIFY, path, base, stat->stx_size);
    rule = planted_at(files, path) != NULL ? RULE_CANARY
           : event.verdict == VERDICT_DENY ? RULE_DENIED_FILE
                                           : rules_write_refused_by(&files->rules, path);
    if (rule != NULL)
        return refuse(files, caller, VIEW_MODIFY, path, rule);
    error = tell(files, caller, &event, false);
    if (error == 0) {
        row->marks |= MARK_MODIFIED;
        row->name = name;
    }
    return error;
}

int files_create(struct files *files, struct caller *caller, int folder, const char *name)
{
    struct fault fault = {0};
    struct view_event event;
    const char *path, *rule;
    int error = reach_name(folder, &files->path);

    if (error != 0)
        return error;
    if (!buf_add_byte(&files->path, '/', &fault) || !buf_add_text(&files->path, name, &fault))
        return ENAMETOOLONG;
    path = below_repository(files, buf_text(&files->path));
    if (path == NULL)
        return 0;
    rule = rules_new_name_refused_by(&files->rules, path, false);
    if (rule != NULL)
        return refuse(files, caller, VIEW_CREATE, path, rule);
    event = event_of(files, VIEW_CREATE, path, SNAPSHOT_NONE, 0);
    return tell(files, caller, &event, false);
}

void files_missing(struct files *files, struct caller *caller, const char *path)
{
    const char *below = below_repository(files, path);
    const char *rule;

    if (below == NULL)
        return;
    rule = rules_denied_by(&files->rules, below);
    if (rule == NULL)
        rule = rules_denied_below_by(&files->rules, below);
    if (rule == NULL || folder_find(files->denied_told, slice_of(below)) != NULL)
        return;
    if (files->denied_told->live < DENIED_TOLD_MAX)
        folder_add(files->denied_told, slice_of(below), 0, false);
    (void)refuse(files, caller, VIEW_READ, below, rule);
}
