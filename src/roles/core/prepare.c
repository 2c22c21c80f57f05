/* Base, policy and snapshot: everything before a cell is worth making. */
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/scope.h"
#include "flow/run_folder.h"
#include "os/clock_real.h"
#include "os/file.h"
#include "roles/core/parts.h"

#define SERVICE_UID_FIRST 61184 /* systemd's range for dynamic users: nobody's by name */
#define SERVICE_UID_COUNT 4000
#define ROLE_BYTES_MAX 32
#define LARGE_INDEX_BYTES (256 * 1024) /* some 2,500 files */

/* As root each run gets a uid of its own, for as long as it lives. */
static bool take_uid(struct run *run, struct fault *fault)
{
    AUTO_CLOSE int folder = -1;

    run->uid = geteuid();
    if (run->uid != 0)
        return true;
    if (!file_open_folder(run->session->home.fd, "runs", 0711, &folder, fault))
        return false;
    for (unsigned slot = 0; slot < SERVICE_UID_COUNT; slot++) {
        AUTO_FREE char *name = xformat(".uid-%u", SERVICE_UID_FIRST + slot);
        AUTO_CLOSE int lock = openat(folder, name, O_RDWR | O_CREAT | O_CLOEXEC, 0600);

        if (lock < 0)
            return fault_errno(fault, "open %s", name);
        if (flock(lock, LOCK_EX | LOCK_NB) < 0)
            continue;
        run->uid = SERVICE_UID_FIRST + slot;
        run->uid_lock = take_fd(&lock);
        return true;
    }
    return fault_set(fault, FAULT_LIMIT, "%d runs are under way already", SERVICE_UID_COUNT);
}

static bool own_folder(int parent, const char *name, uid_t uid, int *ret_fd,
                       struct fault *fault)
{
    AUTO_CLOSE int fd = -1;

    if (!file_open_folder(parent, name, 0700, &fd, fault))
        return false;
    if (geteuid() == 0 && fchown(fd, uid, uid) < 0)
        return errno == EINVAL || errno == EPERM
                   ? fault_set(fault, FAULT_HOST,
                               "give %s to user %u: this root has no other users (a user "
                               "namespace of one id?)",
                               name, (unsigned)uid)
                   : fault_errno(fault, "give %s to its user", name);
    *ret_fd = take_fd(&fd);
    return true;
}

static bool make_folder(struct run *run, struct fault *fault)
{
    AUTO_CLOSE int runs = -1;

    if (!file_open_folder(run->session->home.fd, "runs", 0711, &runs, fault) ||
        !run_folder_make(runs, run->result->run, &run->folder_fd, &run->lock, fault))
        return false;
    run->folder = xformat("%s/runs/%s", run->session->home.path, run->result->run);
    /* The cell has its folders by descriptors. By name they are closed: the modes of what is
     * in there are the agent's choice, set-user-id programs among them. */
    return file_open_folder(run->folder_fd, CORE_AGENT_FOLDER, 0700, &run->agent_fd, fault) &&
           own_folder(run->folder_fd, "upper", run->uid, &run->upper_fd, fault) &&
           own_folder(run->agent_fd, "git", run->uid, &run->git_fd, fault);
}

static bool start_collect(struct run *run, struct fault *fault)
{
    AUTO_FREE char *scratch = xformat("%s/collect", run->folder);
    AUTO_FREE char *cache = NULL;
    AUTO_CLOSE int cache_parent = -1;
    AUTO_CLOSE int scratch_fd = -1;
    const struct policy_settings *organisation;
    struct stat owner;

    if (!session_organisation(run->session, &organisation, fault))
        return run_because(run, "policy");
    if (stat(run->request->repository, &owner) < 0)
        return fault_errno(fault, "find repository %s", run->request->repository) ||
               run_because(run, "repository");
    if (!collect_cache_name(run->request->repository, run->cache, fault))
        return run_because(run, "repository");
    cache = xformat("%s/cache/%s", run->session->home.path, run->cache);
    if (!own_folder(run->folder_fd, "collect", owner.st_uid, &scratch_fd, fault) ||
        !file_open_folder(run->session->home.fd, "cache", 0711, &cache_parent, fault) ||
        !file_open_folder(cache_parent, run->cache, 0700, &run->cache_fd, fault))
        return false;
    if (geteuid() == 0 && fchown(run->cache_fd, owner.st_uid, owner.st_gid) < 0)
        return fault_errno(fault, "give the cache to the repository's owner");
    return collect_spawn(&(struct collect_config){.repository = run->request->repository,
                                                  .scratch = scratch,
                                                  .cache = cache,
                                                  .organisation = organisation,
                                                  .resolves = true,
                                                  .base = run->request->base},
                         &run->collect, fault) ||
           run_because(run, "repository");
}

static const char *repository_name(const struct run *run)
{
    const char *root = collect_root(run->collect);
    const char *last = strrchr(root, '/');

    if (run->policy->repository != NULL && run->policy->repository[0] != 0)
        return run->policy->repository;
    return last == NULL || last[1] == 0 ? "repository" : last + 1;
}

static void count_note(void *self, const char *file, unsigned line, unsigned column,
                       const char *key)
{
    (void)file;
    (void)line;
    (void)column;
    (void)key;
    ++*(size_t *)self;
}

/* One line: `policy check` names each. */
static void say_notes(const struct run *run, const struct policy_settings *organisation)
{
    size_t count = 0;

    policy_notes(organisation, count_note, &count);
    policy_notes(run->narrowing, count_note, &count);
    if (count > 0)
        run_say(run,
                "warning: %zu key%s of the policy %s known, and not enforced by this version: "
                "custody policy check",
                count, count == 1 ? "" : "s", count == 1 ? "is" : "are");
}

static bool apply_policy(struct run *run, struct fault *fault)
{
    const struct policy_settings *organisation;

    if (!session_organisation(run->session, &organisation, fault))
        return run_because(run, "policy");
    if (run->base.has_policy &&
        !policy_settings_decode(buf_slice(&run->base.settings), &run->narrowing, fault))
        return run_because(run, "policy");
    if (!policy_build(organisation, run->narrowing, &run->policy, fault))
        return run_because(run, "policy");
    if (!policy_plan_writes(run->policy, run->request->write, run->request->write_count,
                            fault))
        return run_because(run, "use");
    if (!policy_role_check(run->policy, run->request->role, fault))
        return run_because(run, "use");
    if (!run->base.has_policy)
        run_say(run, "the commit has no custody.yaml: the organisation's policy alone applies "
                     "(`custody init --commit` adds one)");
    say_notes(run, organisation);
    if (!session_requester(run->policy, run->request->requester, &run->requester, fault))
        return run_because(run, "requester");
    run->responsible = run->policy->owner != NULL && run->policy->owner[0] != 0
                           ? run->policy->owner
                           : run->requester;
    (void)snprintf(run->agent, sizeof(run->agent), "%s@%s#%s", run->request->role,
                   repository_name(run), run->result->run);
    return true;
}

/* Names what is dirty; `run->reason` becomes "dirty". */
static bool end_dirty_check(struct run *run, struct fault *fault)
{
    AUTO_BUF struct buf paths = buf_with_limit(64UL * 1024);
    struct slice rest;
    struct slice path = {0};
    bool dirty = false;

    if (!collect_dirty_end(run->collect, &dirty, &paths, fault))
        return fault_in(fault, "look for uncommitted changes") ||
               run_because(run, "repository");
    if (!dirty)
        return true;
    rest = buf_slice(&paths);
    (void)slice_cut(&rest, 0, &path);
    (void)fault_set(
        fault, FAULT_DENIED,
        "the repository has uncommitted changes (%.*s%s); commit them, or run from the "
        "last commit with --ignore-dirty",
        SLICE_ARGS(path), rest.len > 1 ? ", ..." : "");
    return run_because(run, "dirty");
}

/* Looking at each file of a work tree takes 2 us: those of a small one are waited for. */
static bool is_large_tree(const struct run *run)
{
    AUTO_FREE char *index = xformat("%s/.git/index", collect_root(run->collect));
    struct stat stat;

    return lstat(index, &stat) == 0 && stat.st_size > LARGE_INDEX_BYTES;
}

bool core_dirty_checked(struct run *run, struct fault *fault)
{
    if (!run->dirty_pending || run->dirty_late)
        return true;
    run->dirty_pending = false;
    return end_dirty_check(run, fault);
}

bool core_dirty_begin(struct run *run, struct fault *fault)
{
    run->dirty_late = false;
    return !run->dirty_pending || collect_dirty_begin(run->collect, fault) ||
           run_because(run, "repository");
}

static void show_progress(void *self, size_t done, size_t total)
{
    struct run *run = self;

    if (run_is_stopped(run))
        collect_kill(run->collect); /* what it is doing fails, and the run ends */
    if (run->request->progress != NULL)
        run->request->progress(run->request->self, "reading the repository", done, total);
}

static bool open_snapshot(struct run *run, const char *key, struct fault *fault)
{
    AUTO_CLOSE int snapshots =
        openat(run->cache_fd, "snapshots", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    if (snapshots < 0)
        return fault_errno(fault, "open the snapshots");
    run->snapshot_fd = openat(snapshots, key, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
    if (run->snapshot_fd < 0)
        return fault_errno(fault, "open the snapshot");
    run->content_fd = openat(run->cache_fd, "content", O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (run->content_fd < 0)
        return fault_errno(fault, "open the cached content");
    run->objects_fd = openat(run->snapshot_fd, "objects", O_PATH | O_DIRECTORY | O_CLOEXEC);
    return run->objects_fd >= 0 ? true : fault_errno(fault, "open the snapshot's objects");
}

void core_put_begun(struct run *run)
{
    struct fault unsaid = {0};
    const struct store_run row = {.id = run->result->run,
                                  .repository = collect_root(run->collect),
                                  .base = run->base.commit,
                                  .branch = run->base.branch,
                                  .state = run_state_name(run->result->state),
                                  .started_us = run->begun_wall_us,
                                  .requester = run->requester,
                                  .agent = run->agent,
                                  .policy = run->policy->digest,
                                  .reasons = "",
                                  .pid = getpid()};

    /* The store is an index for people: the ledger has the truth, so a run does not stop for
     * it. */
    if (!store_put_run(run->store, &row, &unsaid))
        run_say(run, "warning: %s", unsaid.why);
}

/* A role is half of a principal's name, so it is a plain word. */
static bool check_role(struct run *run, struct fault *fault)
{
    const char *role = run->request->role;
    size_t len = strspn(role, "abcdefghijklmnopqrstuvwxyz0123456789-_");

    if (len > 0 && len <= ROLE_BYTES_MAX && role[len] == 0)
        return true;
    return fault_set(fault, FAULT_INVALID, "role \"%.60s\": up to %d of a-z, 0-9, - and _",
                     role, ROLE_BYTES_MAX) ||
           run_because(run, "use");
}

/*
 * The warm start looks for uncommitted changes while it opens the snapshot and goes on; a cold
 * one has to ask collect for the snapshot first.
 */
static bool take_snapshot(struct run *run, struct fault *fault)
{
    struct fault missing = {0};
    char key[65];

    run->dirty_pending = !run->request->ignore_dirty;
    run->dirty_late = run->dirty_pending && is_large_tree(run);
    collect_snapshot_key(run->base.tree, run->policy->digest, run->request->role, key);
    if (!run->dirty_late && !core_dirty_begin(run, fault))
        return false;
    if (open_snapshot(run, key, &missing))
        return true;
    run->result->cold = true;
    core_put_begun(run);
    if ((run->dirty_late && !core_dirty_begin(run, fault)) || !core_dirty_checked(run, fault))
        return false;
    if (!collect_snapshot(run->collect,
                          &(struct collect_snapshot){.commit = run->base.commit,
                                                     .role = run->request->role,
                                                     .key = key},
                          show_progress, run, fault))
        return fault_in(fault, "read the repository") || run_because(run, "repository");
    return open_snapshot(run, key, fault);
}

static bool asked_to_stop(void *self)
{
    return run_is_stopped(self);
}

static void say_line(void *self, const char *line)
{
    run_say(self, "%s", line);
}

static bool take_toolchain(struct run *run, struct fault *fault)
{
    const struct toolchain_request request = {.policy = run->policy,
                                              .home_fd = run->session->home.fd,
                                              .home = run->session->home.path,
                                              .uid = run->uid,
                                              .is_stopped = asked_to_stop,
                                              .say = say_line,
                                              .self = run};

    if (run_is_shared(run) &&
        (run->policy->toolchain.root != NULL || run->policy->toolchain.image != NULL))
        return fault_set(fault, FAULT_HOST,
                         "a toolchain of its own is mounted, and this host gives no cell that "
                         "has mounts (custody doctor)") ||
               run_because(run, "toolchain");
    return toolchain_open(&request, &run->toolchain, fault) || fault_in(fault, "toolchain") ||
           run_because(run, "toolchain");
}

void core_prepare_early(struct run *run)
{
    struct fault *fault = &run->early;

    if (!take_uid(run, fault) || !make_folder(run, fault) || !start_collect(run, fault))
        assert(fault->kind != FAULT_NONE);
}

static bool await_collect(struct run *run, struct fault *fault)
{
    if (run->early.kind != FAULT_NONE) {
        *fault = run->early;
        return run->result->reason_count > 0
                   ? false
                   : run_because(run, fault->kind == FAULT_HOST ? "host" : "state-folder");
    }
    if (collect_await(run->collect, fault))
        return true;
    collect_stop(run->collect);
    run->collect = NULL;
    return run_because(run, "repository");
}

/* Of what a base can be refused for, only its custody.yaml is a matter of policy. */
static bool is_about_policy(const struct fault *fault)
{
    return slice_starts_with(slice_of(fault->why), SLICE(GIT_POLICY_FILE));
}

bool core_prepare(struct run *run, struct fault *fault)
{
    cell_host_look(&run->host); /* while collect gets ready */
    if (!check_role(run, fault) || !await_collect(run, fault))
        return false;
    if (!collect_resolved(run->collect, &run->base, fault))
        return run_because(run, is_about_policy(fault) ? "policy" : "repository");
    if (!apply_policy(run, fault) || !core_choose_cell(run, fault) ||
        !core_budget(run, fault) || !core_models(run, fault) || !core_agent(run, fault) ||
        !core_record_started(run, fault))
        return false;
    return take_toolchain(run, fault) && take_snapshot(run, fault);
}
