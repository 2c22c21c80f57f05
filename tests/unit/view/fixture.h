/*
 * A repository made with git, its content store and snapshot, and a real FUSE mount of the
 * view served by a child. The rules are fixed: *.pem is denied, custody.yaml and infra/ are
 * not written, runs of 16 digits in *.csv are redacted.
 */
#ifndef CUSTODY_TESTS_UNIT_VIEW_FIXTURE_H
#define CUSTODY_TESTS_UNIT_VIEW_FIXTURE_H

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <sys/file.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/hex.h"
#include "base/scope.h"
#include "os/clock_real.h"
#include "os/file.h"
#include "os/message.h"
#include "os/spawn.h"
#include "view/changes.h"
#include "view/content.h"
#include "view/gitdir.h"
#include "view/object.h"
#include "view/plain.h"

#define FIXTURE_UID 1000
#define FIXTURE_OUTPUT_MAX (512U << 20)
#define FIXTURE_KEY "snapshot"
#define FIXTURE_LINK "/nowhere/build"

struct fixture {
    char folder[64]; /* under /tmp */
    char repo[96], mount[96];
    struct content *content;
    struct snapshot *snapshot;
    struct redacted *redacted;
    struct gitdir_result git;
    bool hide_names;
    const char *format; /* of git objects */
    int content_fd, upper_fd, control;
    pid_t server;
    uint64_t upper_bytes_max; /* 0: 256 MiB */
    bool opens;
    bool ring;     /* FUSE over io_uring, or it cannot be tested */
    int lister_fd; /* 0: none */
    bool linked; /* nothing is mounted over the view: .git and build are links in it */
    const struct view_planted *planted;
    size_t planted_count;
    struct view *plain; /* the agent's files are ordinary ones in `mount` */
    int plain_fd, identity_fd, record_fd;
};

static const char *const fixture_environment[] = {"PATH=/usr/bin:/bin",
                                                  "HOME=/nonexistent",
                                                  "GIT_CONFIG_NOSYSTEM=1",
                                                  "GIT_AUTHOR_NAME=a",
                                                  "GIT_AUTHOR_EMAIL=a@b.c",
                                                  "GIT_COMMITTER_NAME=a",
                                                  "GIT_COMMITTER_EMAIL=a@b.c",
                                                  "GIT_AUTHOR_DATE=1700000000 +0000",
                                                  "GIT_COMMITTER_DATE=1700000000 +0000",
                                                  "LC_ALL=C",
                                                  NULL};

/* Runs a program in `folder`; its exit code. `ret_output` may be NULL. */
static inline int fixture_run(const char *folder, struct slice input, struct buf *ret_output,
                              const char *first, ...)
{
    const char *argv[32] = {first};
    struct spawn_program program = {.argv = argv,
                                    .environment = fixture_environment,
                                    .folder = folder,
                                    .in = -1,
                                    .out = -1,
                                    .err = -1};
    AUTO_BUF struct buf ignored = buf_with_limit(FIXTURE_OUTPUT_MAX);
    struct fault fault = {0};
    size_t count = 1;
    int status = -1;
    va_list args;

    va_start(args, first);
    while (count < COUNT(argv) - 1 && (argv[count] = va_arg(args, const char *)) != NULL)
        count++;
    va_end(args);
    if (!spawn_run(&program, input, ret_output == NULL ? &ignored : ret_output, &status,
                   &fault))
        (void)fprintf(stderr, "%s %s: %s\n", argv[0], argv[1] == NULL ? "" : argv[1],
                      fault.why);
    return status;
}

#define RUN(folder, output, ...)                                                              \
    fixture_run(folder, (struct slice){0}, output, __VA_ARGS__, (char *)NULL)

static inline void fixture_put(const char *folder, const char *name, const char *text)
{
    AUTO_FREE char *path = xformat("%s/%s", folder, name);
    AUTO_CLOSE int fd = -1;

    for (char *slash = strchr(path + strlen(folder) + 1, '/'); slash != NULL;
         slash = strchr(slash + 1, '/')) {
        *slash = 0;
        (void)mkdir(path, 0755);
        *slash = '/';
    }
    fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    if (fd < 0 || write(fd, text, strlen(text)) != (ssize_t)strlen(text))
        (void)fprintf(stderr, "write %s: %s\n", path, strerror(errno));
}

/* ---- rules ---- */

static inline enum verdict fixture_read_verdict(void *self, const char *path,
                                                const char **ret_rule)
{
    (void)self;
    *ret_rule = "paths.read.deny: **/*.pem";
    return slice_ends_with(slice_of(path), SLICE(".pem")) ? VERDICT_DENY : VERDICT_ALLOW;
}

static inline bool fixture_write_allowed(void *self, const char *path, bool in_new_folder,
                                         const char **ret_rule)
{
    (void)self;
    if (slice_ends_with(slice_of(path), SLICE(".gitignore")) && !in_new_folder)
        return false;
    *ret_rule = "paths.write.deny";
    return strcmp(path, "custody.yaml") != 0 &&
           !slice_starts_with(slice_of(path), SLICE("infra/"));
}

static inline size_t fixture_find(struct slice content, struct snapshot_finding *findings,
                                  size_t room)
{
    size_t count = 0, run = 0;

    for (size_t i = 0; i < content.len && count < room; i++) {
        run = isdigit(content.at[i]) ? run + 1 : 0;
        if (run == 16) {
            findings[count++] = (struct snapshot_finding){
                .start = (uint32_t)(i - 15), .end = (uint32_t)(i + 1), .class = CLASS_PAN};
            run = 0;
        }
    }
    return count;
}

static inline bool fixture_redact(void *self, struct slice path, struct slice original,
                                  const struct snapshot_finding *findings, size_t count,
                                  struct buf *ret_redacted, struct fault *fault)
{
    (void)self;
    (void)path;
    if (!buf_add(ret_redacted, original, fault))
        return false;
    for (size_t i = 0; i < count; i++)
        memset(ret_redacted->at + findings[i].start, '0', findings[i].end - findings[i].start);
    return true;
}

static const struct redactor fixture_redactor = {fixture_redact, NULL};

/* ---- repository, store, snapshot ---- */

static inline bool fixture_add_blob(struct fixture *fixture, struct snapshot_builder *builder,
                                    struct slice path, uint32_t mode, const uint8_t *oid,
                                    size_t oid_bytes, struct slice bytes, struct fault *fault)
{
    static struct snapshot_finding findings[4096];
    struct snapshot_entry entry = {.path = path,
                                   .mode = mode,
                                   .oid = oid,
                                   .size = bytes.len,
                                   .class_mask = CLASS_BIT(CLASS_CODE),
                                   .findings = findings};
    AUTO_FREE char *text = slice_dup(path);
    const char *rule;

    if (fixture_read_verdict(NULL, text, &rule) == VERDICT_DENY) {
        entry.verdict = VERDICT_DENY;
    } else if (mode != SNAPSHOT_MODE_GITLINK &&
               !content_add(fixture->content, oid, oid_bytes, bytes, &entry.content_at,
                            fault)) {
        return false;
    } else if (slice_ends_with(path, SLICE(".csv"))) {
        entry.finding_count = fixture_find(bytes, findings, COUNT(findings));
        entry.verdict = entry.finding_count > 0 ? VERDICT_REDACT : VERDICT_ALLOW;
        entry.class_mask =
            entry.finding_count > 0 ? CLASS_BIT(CLASS_PAN) : CLASS_BIT(CLASS_CODE);
        entry.rule = SLICE("data.pan.view");
    }
    return snapshot_builder_add(builder, &entry, fault);
}

/* "MODE TYPE OID\tPATH" as ls-tree has it, and its blob out of `cat-file --batch` output. */
static inline bool fixture_add_line(struct fixture *fixture, struct snapshot_builder *builder,
                                    struct slice line, struct slice *blobs,
                                    struct fault *fault)
{
    struct slice mode_text, type, oid_text, bytes = {0}, head;
    size_t oid_bytes = strcmp(fixture->format, "sha1") == 0 ? 20 : 32;
    uint8_t oid[SNAPSHOT_OID_MAX] = {0};
    uint32_t mode = 0;

    (void)slice_cut(&line, ' ', &mode_text);
    (void)slice_cut(&line, ' ', &type);
    (void)slice_cut(&line, '\t', &oid_text);
    for (size_t i = 0; i < mode_text.len; i++)
        mode = mode << 3 | (uint32_t)(mode_text.at[i] - '0');
    if (!hex_decode(oid_text, oid, oid_bytes))
        return fault_set(fault, FAULT_INVALID, "ls-tree");
    if (slice_equal(type, SLICE("blob"))) {
        size_t size = 0, at;

        (void)slice_cut(blobs, '\n', &head);
        for (at = head.len; at > 0 && isdigit(head.at[at - 1]); at--) {
        }
        for (; at < head.len; at++)
            size = size * 10 + (size_t)(head.at[at] - '0');
        bytes = slice_part(*blobs, 0, size);
        *blobs = slice_part(*blobs, size + 1, blobs->len);
    }
    return fixture_add_blob(fixture, builder, line, mode, oid, oid_bytes, bytes, fault);
}

static inline bool fixture_snapshot(struct fixture *fixture, struct fault *fault)
{
    struct snapshot_settings settings = {.oid_bytes =
                                             strcmp(fixture->format, "sha1") == 0 ? 20 : 32,
                                         .base_time_s = 1700000000,
                                         .hide_names = fixture->hide_names};
    AUTO_BUF struct buf lines = buf_with_limit(FIXTURE_OUTPUT_MAX);
    AUTO_BUF struct buf wanted = buf_with_limit(FIXTURE_OUTPUT_MAX);
    AUTO_BUF struct buf blobs = buf_with_limit(FIXTURE_OUTPUT_MAX);
    AUTO_CLOSE int cache = open(fixture->folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    AUTO_CLOSE int folder = -1;
    struct snapshot_builder *builder = NULL;
    struct slice rest, line, blob_rest;
    bool done = true;

    if (RUN(fixture->repo, &lines, "git", "ls-tree", "-r", "-z", "HEAD") != 0)
        return fault_set(fault, FAULT_IO, "git ls-tree");
    rest = buf_slice(&lines);
    while (slice_cut(&rest, 0, &line))
        if (slice_find(line, SLICE(" blob "), 0) != SIZE_MAX)
            done = done &&
                   buf_add(&wanted, slice_part(line, 12, slice_find_byte(line, '\t', 0)),
                           fault) &&
                   buf_add_byte(&wanted, '\n', fault);
    if (!done || fixture_run(fixture->repo, buf_slice(&wanted), &blobs, "git", "cat-file",
                             "--batch", (char *)NULL) != 0)
        return fault_set(fault, FAULT_IO, "git cat-file");
    if (!content_open(cache, &fixture->content, fault) ||
        !snapshot_builder_new(&settings, &builder, fault))
        return false;
    rest = buf_slice(&lines);
    blob_rest = buf_slice(&blobs);
    while (done && slice_cut(&rest, 0, &line))
        done = line.len == 0 || fixture_add_line(fixture, builder, line, &blob_rest, fault);
    done = done && content_commit(fixture->content, fault) &&
           snapshot_builder_finish(builder, cache, FIXTURE_KEY, content_fd(fixture->content),
                                   NULL, fault);
    snapshot_builder_free(builder);
    if (!done || (folder = openat(cache, FIXTURE_KEY, O_RDONLY | O_DIRECTORY | O_CLOEXEC)) < 0)
        return done ? fault_errno(fault, "open the snapshot") : false;
    fixture->content_fd = content_fd(fixture->content);
    return snapshot_open(folder, &fixture->snapshot, fault) &&
           redacted_make(fixture->snapshot, fixture->content_fd, &fixture_redactor,
                         &fixture->redacted, fault);
}

static inline void fixture_files(const char *repo)
{
    fixture_put(repo, "README.md", "# payments\n");
    fixture_put(repo, "custody.yaml", "version: 1\n");
    fixture_put(repo, "src/main.c", "int main(void)\n{\n    return 0;\n}\n");
    fixture_put(repo, "src/deep/er/x.txt", "x\n");
    fixture_put(repo, "src-old/a", "a\n");
    fixture_put(repo, "src.txt", "sorts between src and src-old\n");
    fixture_put(repo, "data/cards.csv",
                "name,card\nada,4111111111111111\nbob,5500000000000004\n");
    fixture_put(repo, "data/plain.csv", "a,b\n1,2\n");
    fixture_put(repo, "data/empty", "");
    fixture_put(repo, "secrets/server.pem", "not for agents\n");
    fixture_put(repo, "infra/net.tf", "net\n");
    fixture_put(repo, "run.sh", "#!/bin/sh\necho ran\n");
}

static inline bool fixture_repository(struct fixture *fixture, void (*files)(const char *repo),
                                      struct fault *fault)
{
    AUTO_FREE char *script = NULL;
    AUTO_FREE char *link_path = NULL;

    if (fixture->format == NULL)
        fixture->format = "sha1";
    if (fixture->upper_bytes_max == 0)
        fixture->upper_bytes_max = 256U << 20;
    (void)snprintf(fixture->folder, sizeof(fixture->folder), "/tmp/custody-view-XXXXXX");
    if (mkdtemp(fixture->folder) == NULL || chmod(fixture->folder, 0755) < 0)
        return fault_errno(fault, "make a folder");
    (void)snprintf(fixture->repo, sizeof(fixture->repo), "%s/repo", fixture->folder);
    (void)snprintf(fixture->mount, sizeof(fixture->mount), "%s/mount", fixture->folder);
    fixture->control = -1;
    fixture->upper_fd = -1;
    if (mkdir(fixture->repo, 0755) < 0 || mkdir(fixture->mount, 0755) < 0)
        return fault_errno(fault, "make a folder");
    files(fixture->repo);
    script = xformat("%s/run.sh", fixture->repo);
    link_path = xformat("%s/link", fixture->repo);
    (void)chmod(script, 0755);
    (void)symlink("src/main.c", link_path);
    script = (free(script), xformat("--object-format=%s", fixture->format));
    if (RUN(fixture->repo, NULL, "git", "init", "-q", "-b", "main", script) != 0 ||
        RUN(fixture->repo, NULL, "git", "add", "-A") != 0 ||
        RUN(fixture->repo, NULL, "git", "commit", "-q", "-m", "base") != 0)
        return fault_set(fault, FAULT_IO, "git commit");
    return fixture_snapshot(fixture, fault);
}

/* ---- serving ---- */

static inline bool fixture_record(void *self, const struct view_event *event, bool durable,
                                  struct fault *fault)
{
    AUTO_BUF struct buf line = buf_with_limit(16384);
    char before[9] = "", after[9] = "";
    int fd = *(int *)self;

    if (event->oid != NULL)
        hex_encode(slice_of_bytes(event->oid, 4), before);
    if (event->oid_after != NULL)
        hex_encode(slice_of_bytes(event->oid_after, 4), after);
    return buf_add_format(&line, fault,
                          "%s%s %s%s%s class=%u %s%s pid=%d exe=%s rule=%.*s blob=%s after=%s "
                          "first=%llu end=%llu\n",
                          event->refused ? "refused " : "",
                          view_operation_name(event->operation), event->path,
                          event->path_to == NULL ? "" : " -> ",
                          event->path_to == NULL ? "" : event->path_to, event->class_mask,
                          verdict_name(event->verdict), durable ? " durable" : "",
                          (int)event->pid, event->executable == NULL ? "" : event->executable,
                          SLICE_ARGS(event->rule), before, after,
                          (unsigned long long)event->first, (unsigned long long)event->end) &&
           file_write_all(fd, buf_slice(&line), fault);
}

struct fixture_listing {
    struct buf text;
    const struct fixture *fixture;
};

static inline bool fixture_list(void *self, const struct view_change *change,
                                struct fault *fault)
{
    static const char *const kinds[] = {"added", "modified", "deleted"};
    struct fixture_listing *listing = self;
    AUTO_BUF struct buf content = buf_with_limit(1 << 20);
    AUTO_BUF struct buf source = buf_with_limit(8192);

    if (change->content == VIEW_CONTENT_FD && !file_read_fd(change->fd, &content, fault))
        return false;
    if (change->content == VIEW_CONTENT_BYTES && !buf_add(&content, change->bytes, fault))
        return false;
    if (change->source != SNAPSHOT_NONE &&
        !snapshot_path(listing->fixture->snapshot, change->source, &source, fault))
        return false;
    return buf_add_format(
        &listing->text, fault, "%s %s %o size=%llu from=%s source=%s%s%s [%.*s]\n",
        kinds[change->kind], change->path, change->mode, (unsigned long long)change->size,
        change->renamed_from == NULL ? "" : change->renamed_from, buf_text(&source),
        change->content == VIEW_CONTENT_SOURCE ? " unchanged" : "",
        change->base_oid != NULL ? " base" : "", SLICE_ARGS(buf_slice(&content)));
}

/* A line a change in `changes`: kind, path, mode and blob. */
static inline bool fixture_write_change(void *self, const struct view_change *change,
                                        struct fault *fault)
{
    static const char *const kinds[] = {"added", "modified", "deleted"};
    const struct fixture *fixture = self;
    AUTO_FREE char *path = xformat("%s/changes", fixture->folder);
    AUTO_CLOSE int fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
    AUTO_BUF struct buf line = buf_with_limit(16384);
    AUTO_BUF struct buf content = buf_with_limit(16U << 20);
    uint8_t oid[SNAPSHOT_OID_MAX];
    char blob[GITDIR_HEX_BYTES] = "";
    struct hasher *hasher;

    if (!hasher_new(20, &hasher, fault) ||
        (change->content == VIEW_CONTENT_FD && !file_read_fd(change->fd, &content, fault)) ||
        (change->content == VIEW_CONTENT_BYTES && !buf_add(&content, change->bytes, fault)))
        return false;
    if (change->content == VIEW_CONTENT_SOURCE)
        memcpy(oid, snapshot_node(fixture->snapshot, change->source)->oid, sizeof(oid));
    else
        hasher_object(hasher, OBJECT_BLOB, buf_slice(&content), oid);
    hasher_free(hasher);
    if (change->content != VIEW_CONTENT_NONE)
        hex_encode(slice_of_bytes(oid, 20), blob);
    return buf_add_format(&line, fault, "%s %s %o %s\n", kinds[change->kind], change->path,
                          change->mode, blob) &&
           file_write_all(fd, buf_slice(&line), fault);
}

static inline void fixture_command(struct fixture *fixture, struct view *view, int control)
{
    struct fixture_listing listing = {.text = buf_with_limit(MESSAGE_BYTES_MAX),
                                      .fixture = fixture};
    struct fault fault = {0};
    char command = 0;
    bool done = false;

    if (read(control, &command, 1) != 1)
        _exit(0);
    if (command == 'D')
        done = view_disarm(view, &fault);
    else if (command == 'T')
        done = buf_add_text(&listing.text, view_transport(view), &fault);
    else if (command == 'C')
        done = view_changes(view, fixture_list, &listing, &fault);
    else if (command == 'F')
        done = view_changes(view, fixture_write_change, fixture, &fault);
    else if (command == 'N')
        done = buf_add_format(&listing.text, &fault, "%llu",
                              (unsigned long long)view_counts(view).requests);
    if ((!done || listing.text.len == 0) &&
        !buf_add_text(&listing.text, done ? "-" : fault.why, &fault))
        _exit(1);
    if (write(control, listing.text.at, listing.text.len) < 0)
        _exit(1);
    buf_free(&listing.text);
}

static inline struct view_settings fixture_settings(struct fixture *fixture, int *record_fd)
{
    static const char *const mount_points[] = {".git", "build"};

    return (struct view_settings){
        .snapshot = fixture->snapshot,
        .redacted = fixture->redacted,
        .content_fd = fixture->content_fd,
        .upper_fd = fixture->upper_fd,
        .lister_fd = fixture->lister_fd > 0 ? fixture->lister_fd : -1,
        .uid = FIXTURE_UID,
        .gid = FIXTURE_UID,
        .upper_bytes_max = fixture->upper_bytes_max,
        .opens = fixture->opens,
        .may_ring = fixture->ring,
        .mount_points = mount_points,
        .mount_point_count = COUNT(mount_points),
        .planted = fixture->planted,
        .planted_count = fixture->planted_count,
        .clock = &clock_real,
        .calls = {record_fd, fixture_record, fixture_read_verdict, fixture_write_allowed}};
}

static inline void fixture_serve(struct fixture *fixture, int fuse_fd, int control)
{
    AUTO_FREE char *records = xformat("%s/records", fixture->folder);
    AUTO_FREE char *git = xformat("%s/git", fixture->folder);
    const char *const links[] = {git, FIXTURE_LINK};
    int record_fd = open(records, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
    struct view_settings settings = fixture_settings(fixture, &record_fd);
    struct fault fault = {0};
    struct view *view;

    settings.mount_links = fixture->linked ? links : NULL;
    if (!view_new(&settings, &view, &fault) ||
        !view_attach(view, fuse_fd, open("/proc", O_PATH | O_DIRECTORY | O_CLOEXEC), &fault)) {
        (void)fprintf(stderr, "view: %s\n", fault.why);
        _exit(1);
    }
    for (;;) {
        bool asked, other;

        if (!view_wait(view, control, -1, &asked, &other, &fault))
            _exit(1);
        if (other)
            fixture_command(fixture, view, control);
    }
}

/* Real, effective: the agent's; saved: ours, to come back. */
static inline void fixture_as_agent(bool agent)
{
    if (getuid() == 0 && agent) {
        assert_int_equal(setresgid(FIXTURE_UID, FIXTURE_UID, 0), 0);
        assert_int_equal(setresuid(FIXTURE_UID, FIXTURE_UID, 0), 0);
    } else if (!agent) {
        (void)setresuid((uid_t)-1, 0, (uid_t)-1);
        (void)setresuid(0, 0, 0);
        (void)setresgid(0, 0, 0);
    }
}

static inline bool fixture_git_folder(struct fixture *fixture, struct fault *fault)
{
    static const char *const exclude[] = {"build"};
    AUTO_FREE char *alternates = xformat("%s/" FIXTURE_KEY "/objects", fixture->folder);
    AUTO_FREE char *path = xformat("%s/git", fixture->folder);
    AUTO_CLOSE int fd = -1;
    struct gitdir_settings settings = {.branch = "main",
                                       .user_name = "coder@x \"q\"",
                                       .user_email = "coder@run.invalid",
                                       .time_s = 1700000001,
                                       .message = "base\n",
                                       .alternates = alternates,
                                       .exclude = exclude,
                                       .exclude_count = 1};
    bool done;

    if (mkdir(path, 0755) < 0 || chown(path, FIXTURE_UID, FIXTURE_UID) < 0 ||
        (fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC)) < 0)
        return fault_errno(fault, "make a folder");
    fixture_as_agent(true);
    done = gitdir_write(fd, fixture->snapshot, fixture->redacted, &settings, &fixture->git,
                        fault);
    fixture_as_agent(false);
    return done;
}

/* A mount namespace of our own, once. */
static inline bool fixture_apart(void)
{
    static bool apart;

    if (!apart &&
        (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0))
        return false;
    apart = true;
    return true;
}

/* 'T' tells the transport, 'D' disarms, 'C' lists the changes, 'F' does so in the file `changes`, 'N' says how many requests came. */
static inline void fixture_ask(struct fixture *fixture, char command, struct buf *ret_answer)
{
    ssize_t got;
    struct fault fault = {0};

    buf_clear(ret_answer);
    assert_true(buf_reserve(ret_answer, MESSAGE_BYTES_MAX, &fault));
    assert_int_equal(write(fixture->control, &command, 1), 1);
    got = read(fixture->control, ret_answer->at, MESSAGE_BYTES_MAX);
    assert_true(got > 0);
    ret_answer->len = (size_t)got;
    (void)buf_text(ret_answer);
}

/*
 * FUSE over io_uring is switched on for the whole host: only from here to the end of the first
 * question to the mount (which may go on with it), by one test at a time. Gives why that cannot be, or NULL.
 */
struct fixture_switch {
    int fd;
    char was;
};

static inline const char *fixture_switch_on(struct fixture_switch *ret_switch)
{
    int fd = open("/sys/module/fuse/parameters/enable_uring", O_RDWR | O_CLOEXEC);

    if (fd < 0)
        return errno == ENOENT ? "the kernel has no FUSE over io_uring (6.14)"
                               : "fuse.enable_uring cannot be set here";
    if (flock(fd, LOCK_EX) < 0 || pread(fd, &ret_switch->was, 1, 0) != 1 ||
        pwrite(fd, "Y", 1, 0) != 1) {
        (void)close(fd);
        return "fuse.enable_uring cannot be set here";
    }
    ret_switch->fd = fd;
    return NULL;
}

static inline void fixture_switch_back(struct fixture_switch *taken)
{
    if (taken->fd >= 0) {
        assert_int_equal(pwrite(taken->fd, &taken->was, 1, 0), 1);
        (void)flock(taken->fd, LOCK_UN); /* the server that was forked has it, too */
    }
    scope_close(&taken->fd);
}

/* Mounts and starts to serve. Gives why it cannot be done here, or NULL. */
static inline const char *fixture_mount_here(struct fixture *fixture)
{
    AUTO_FREE char *upper = xformat("%s/upper", fixture->folder);
    AUTO_FREE char *git = xformat("%s/git", fixture->folder);
    AUTO_FREE char *git_at = xformat("%s/.git", fixture->mount);
    AUTO_CLOSE int fuse_fd = open("/dev/fuse", O_RDWR | O_CLOEXEC);
    struct fault fault = {0};
    char options[200];
    int ends[2];

    if (getuid() != 0)
        return "mounting needs root here";
    if (fuse_fd < 0)
        return "/dev/fuse cannot be opened";
    if (!fixture_apart())
        return "no mount namespace";
    (void)snprintf(options, sizeof(options),
                   "fd=%d,rootmode=40000,user_id=0,group_id=0,allow_other,default_permissions",
                   fuse_fd);
    if (mount("custody", fixture->mount, "fuse.custody", MS_NOSUID | MS_NODEV, options) < 0)
        return "FUSE cannot be mounted";
    assert_ok(fixture_git_folder(fixture, &fault), fault);
    assert_int_equal(mkdir(upper, 0700), 0);
    fixture->upper_fd = open(upper, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends), 0);
    fixture->server = fork();
    if (fixture->server == 0) {
        (void)close(ends[0]);
        fixture_serve(fixture, fcntl(fuse_fd, F_DUPFD_CLOEXEC, 3), ends[1]);
    }
    (void)close(ends[1]);
    fixture->control = ends[0];
    if (!fixture->linked)
        assert_int_equal(mount(git, git_at, NULL, MS_BIND, NULL), 0);
    fixture_as_agent(true);
    assert_int_equal(chdir(fixture->mount), 0);
    return NULL;
}

static inline const char *fixture_mount(struct fixture *fixture)
{
    const char *transport = getenv("CUSTODY_TEST_TRANSPORT");
    struct fixture_switch taken = {.fd = -1};
    const char *reason = NULL;

    fixture->ring = transport != NULL && strcmp(transport, "io_uring") == 0;
    if (fixture->ring)
        reason = fixture_switch_on(&taken);
    if (reason == NULL)
        reason = fixture_mount_here(fixture);
    fixture_switch_back(&taken);
    if (reason == NULL && fixture->ring) {
        AUTO_BUF struct buf text = buf_with_limit(64 + MESSAGE_BYTES_MAX);

        fixture_ask(fixture, 'T', &text);
        assert_string_equal((const char *)text.at, "io_uring");
    }
    return reason;
}

static inline int fixture_folder(const char *path)
{
    assert_true(mkdir(path, 0755) == 0 || errno == EEXIST);
    assert_int_equal(chown(path, FIXTURE_UID, FIXTURE_UID), 0);
    return open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

/* The agent's files as ordinary ones, without a mount. Gives why it cannot be done here, or
 * NULL. */
static inline const char *fixture_plain(struct fixture *fixture)
{
    AUTO_FREE char *upper = xformat("%s/upper", fixture->folder);
    AUTO_FREE char *git = xformat("%s/git", fixture->folder);
    AUTO_FREE char *git_at = xformat("%s/.git", fixture->mount);
    struct view_settings settings;
    struct fault fault = {0};
    uint64_t bytes = 0;

    if (getuid() != 0)
        return "another user's files need root here";
    if (!fixture_apart())
        return "no mount namespace";
    assert_ok(fixture_git_folder(fixture, &fault), fault);
    fixture->upper_fd = fixture_folder(upper);
    fixture->plain_fd = fixture_folder(fixture->mount);
    fixture->identity_fd = memfd_create("identities", MFD_CLOEXEC);
    fixture->record_fd = memfd_create("records", MFD_CLOEXEC);
    settings = fixture_settings(fixture, &fixture->record_fd);
    assert_ok(view_new(&settings, &fixture->plain, &fault), fault);
    fixture_as_agent(true);
    assert_ok(
        plain_write(fixture->plain, fixture->plain_fd, fixture->identity_fd, &bytes, &fault),
        fault);
    assert_true(bytes > 0);
    fixture_as_agent(false);
    assert_int_equal(mount(git, git_at, NULL, MS_BIND, NULL), 0);
    fixture_as_agent(true);
    assert_int_equal(chdir(fixture->mount), 0);
    return NULL;
}

/* The changes in those. */
static inline void fixture_plain_changes(struct fixture *fixture, struct buf *ret_answer)
{
    AUTO_FREE char *git_at = xformat("%s/.git", fixture->mount);
    struct fixture_listing listing = {.text = buf_with_limit(MESSAGE_BYTES_MAX),
                                      .fixture = fixture};
    struct fault fault = {0};

    fixture_as_agent(false);
    assert_int_equal(umount2(git_at, MNT_DETACH), 0);
    fixture_as_agent(true);
    assert_ok(plain_read(fixture->plain, fixture->plain_fd, fixture->identity_fd, &fault),
              fault);
    assert_ok(view_changes(fixture->plain, fixture_list, &listing, &fault), fault);
    buf_free(ret_answer);
    *ret_answer = take_buf(&listing.text);
    if (ret_answer->len == 0)
        assert_ok(buf_add_text(ret_answer, "-", &fault), fault);
    (void)buf_text(ret_answer);
}

static inline void fixture_end(struct fixture *fixture)
{
    AUTO_FREE char *git_at = xformat("%s/.git", fixture->mount);
    struct fault fault = {0};

    fixture_as_agent(false);
    (void)chdir("/");
    if (fixture->upper_fd >= 0) { /* it was mounted */
        (void)umount2(git_at, MNT_DETACH);
        (void)umount2(fixture->mount, MNT_DETACH);
    }
    if (fixture->server > 0) {
        (void)kill(fixture->server, SIGKILL);
        (void)waitpid(fixture->server, NULL, 0);
    }
    view_free(fixture->plain);
    if (fixture->plain != NULL) {
        scope_close(&fixture->plain_fd);
        scope_close(&fixture->identity_fd);
        scope_close(&fixture->record_fd);
    }
    scope_close(&fixture->control);
    scope_close(&fixture->upper_fd);
    redacted_free(fixture->redacted);
    snapshot_close(fixture->snapshot);
    content_close(fixture->content);
    if (!file_remove_tree(AT_FDCWD, fixture->folder, &fault))
        (void)fprintf(stderr, "%s\n", fault.why);
}

/*
 * How often the records have a line that begins with `head` and has the formatted text in it.
 */
static inline __attribute__((format(printf, 3, 4))) size_t
fixture_records_with(const struct fixture *fixture, const char *head, const char *format, ...)
{
    AUTO_FREE char *path = xformat("%s/records", fixture->folder);
    AUTO_BUF struct buf text = buf_with_limit(64U << 20);
    struct fault fault = {0};
    struct slice rest, line;
    size_t count = 0;
    char wanted[256];
    va_list args;

    va_start(args, format);
    (void)vsnprintf(wanted, sizeof(wanted), format, args);
    va_end(args);
    if (!file_read(AT_FDCWD, path, &text, &fault))
        return 0;
    rest = buf_slice(&text);
    while (slice_cut(&rest, '\n', &line))
        count += slice_starts_with(line, slice_of(head)) &&
                 (wanted[0] == 0 || slice_find(line, slice_of(wanted), 0) != SIZE_MAX);
    return count;
}

static inline size_t fixture_records(const struct fixture *fixture, const char *head)
{
    return fixture_records_with(fixture, head, "%s", "");
}

#endif
