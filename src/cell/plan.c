#include "cell/plan.h"

#include <errno.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/scope.h"

#define RUN_BYTES_MAX 64
#define PATH_BYTES_MAX 4000
#define SCRATCH_MAX 48

/* Below these nothing may be covered by a repository, and none of them may be one. */
static const char *const reserved[] = {"/proc",        "/dev",      "/sys",    "/etc",
                                       "/run/custody", CELL_ENGINE, "/var/tmp"};
/* These may hold a repository but not be one. */
static const char *const roots[] = {"/",    "/usr", "/bin", "/sbin", "/lib", "/lib64",
                                    "/tmp", "/var", "/run", "/home", "/opt", CELL_HOME};

bool plan_is_privileged(const struct cell_plan *plan)
{
    return plan->uid != (uid_t)-1;
}

uid_t cell_view_uid(const struct cell_plan *plan)
{
    return plan_is_privileged(plan)            ? plan->uid
           : plan->mode.place == CELL_LANDLOCK ? geteuid()
                                               : CELL_UID;
}

gid_t cell_view_gid(const struct cell_plan *plan)
{
    return plan_is_privileged(plan)            ? plan->gid
           : plan->mode.place == CELL_LANDLOCK ? getegid()
                                               : CELL_UID;
}

/* "a/b", "a": words between single slashes, none of them "." or "..". */
static bool is_below(const char *path)
{
    struct slice rest = slice_of(path);
    struct slice part;

    if (rest.len == 0 || rest.len > PATH_BYTES_MAX || slice_ends_with(rest, SLICE("/")))
        return false;
    while (slice_cut(&rest, '/', &part))
        if (part.len == 0 || slice_equal(part, SLICE(".")) || slice_equal(part, SLICE("..")))
            return false;
    return true;
}

static bool is_absolute(const char *path)
{
    return path[0] == '/' && is_below(path + 1);
}

static bool starts_path(const char *path, const char *head)
{
    size_t len = strlen(head);

    return strncmp(path, head, len) == 0 && (path[len] == '\0' || path[len] == '/');
}

static bool check_shared(const struct cell_plan *plan, struct fault *fault)
{
    if (!plan->view || !plan->guard)
        return fault_set(fault, FAULT_INVALID,
                         "plan: without namespaces there must be a view and a guard");
    if (plan->home == NULL || !is_absolute(plan->home) || plan->tmp == NULL ||
        !is_absolute(plan->tmp))
        return fault_set(fault, FAULT_INVALID, "plan: no folders for HOME and /tmp");
    return plan->door_port == 0 ||
           fault_set(fault, FAULT_INVALID, "plan: no loopback for a door to listen on");
}

static bool check_repository(const struct cell_plan *plan, struct fault *fault)
{
    const char *path = plan->repository;

    if (path == NULL || !is_absolute(path))
        return fault_set(fault, FAULT_INVALID,
                         "plan: the repository's path is not absolute and plain");
    if (plan->mode.place == CELL_LANDLOCK) /* covers nothing: the run's own folder */
        return check_shared(plan, fault);
    for (size_t i = 0; i < COUNT(reserved); i++)
        if (starts_path(path, reserved[i]))
            return fault_set(fault, FAULT_INVALID, "plan: no repository below %s",
                             reserved[i]);
    for (size_t i = 0; i < COUNT(roots); i++)
        if (strcmp(path, roots[i]) == 0)
            return fault_set(fault, FAULT_INVALID, "plan: %s cannot be a repository", path);
    if (!plan->view && plan->plain == NULL)
        return fault_set(fault, FAULT_INVALID, "plan: neither a view nor a plain folder");
    return true;
}

static bool check_mounts(const struct cell_plan *plan, struct fault *fault)
{
    for (size_t i = 0; i < plan->mounts.count; i++) {
        const char *target = plan->mounts.at[i].target;

        if (!is_absolute(target) || starts_path(target, plan->repository) ||
            starts_path(target, "/proc") || starts_path(target, "/dev"))
            return fault_set(fault, FAULT_INVALID, "plan: nothing is mounted at %.200s",
                             target);
    }
    if (plan->scratch_count > SCRATCH_MAX)
        return fault_set(fault, FAULT_LIMIT, "plan: more than %d scratch folders",
                         SCRATCH_MAX);
    for (size_t i = 0; i < plan->scratch_count; i++)
        if (!is_below(plan->scratch[i].path))
            return fault_set(fault, FAULT_INVALID,
                             "plan: scratch folder %.200s leaves the repository",
                             plan->scratch[i].path);
    for (size_t i = 0; i < plan->file_count; i++)
        if (!is_below(plan->files[i].path))
            return fault_set(fault, FAULT_INVALID, "plan: file %.200s leaves HOME",
                             plan->files[i].path);
    return true;
}

/*
 * Through /proc/self/fd an agent can open again whatever it holds, with other rights: a folder
 * leads out, a file shows what else is in it. Pipes and devices do not.
 */
static bool check_stdio(const struct cell_plan *plan, struct fault *fault)
{
    const int fds[] = {plan->in, plan->out, plan->err};

    for (size_t i = 0; i < COUNT(fds); i++) {
        struct stat stat;

        if (fds[i] < 0)
            continue;
        if (fstat(fds[i], &stat) < 0)
            return fault_errno(fault, "plan: standard stream %zu", i);
        if (!S_ISFIFO(stat.st_mode) && !S_ISCHR(stat.st_mode))
            return fault_set(fault, FAULT_INVALID,
                             "plan: standard stream %zu is neither a pipe nor a device", i);
    }
    if (plan->terminal &&
        (plan->in < 0 ? plan->mode.place == CELL_LANDLOCK : isatty(plan->in) == 0))
        return fault_set(fault, FAULT_INVALID, "plan: standard input is not a terminal");
    return true;
}

static bool check_canaries(const struct cell_canary_plan *canary, struct fault *fault)
{
    const char *const paths[] = {canary->card_path, canary->denied_path,
                                 canary->forbidden_path};

    for (size_t i = 0; i < COUNT(paths); i++)
        if (paths[i] != NULL && !is_below(paths[i]))
            return fault_set(fault, FAULT_INVALID,
                             "plan: a canary's path leaves the repository");
    if ((canary->card_path == NULL) != (canary->card_number == NULL))
        return fault_set(fault, FAULT_INVALID,
                         "plan: a card canary needs a path and a number");
    return true;
}

static bool check_user(const struct cell_plan *plan, struct fault *fault)
{
    bool root = geteuid() == 0;

    if (root && (!plan_is_privileged(plan) || plan->uid == 0 || plan->gid == 0))
        return fault_set(fault, FAULT_INVALID,
                         "plan: root must give the cell a user of its own");
    if (root && plan->mode.place == CELL_LANDLOCK)
        return fault_set(fault, FAULT_INVALID, "plan: root makes namespaces");
    if (!root && plan_is_privileged(plan))
        return fault_set(fault, FAULT_INVALID,
                         "plan: only root can give the cell a user of its own");
    return true;
}

bool plan_check(const struct cell_plan *plan, struct fault *fault)
{
    struct slice run = slice_of(plan->run == NULL ? "" : plan->run);

    if (run.len == 0 || run.len > RUN_BYTES_MAX || run.at[0] == '.')
        return fault_set(fault, FAULT_INVALID, "plan: run id of %zu bytes", run.len);
    for (size_t i = 0; i < run.len; i++)
        if (strchr("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-",
                   run.at[i]) == NULL)
            return fault_set(fault, FAULT_INVALID, "plan: run id with byte 0x%02x", run.at[i]);
    if (plan->argv == NULL || plan->argv[0] == NULL || plan->environment == NULL)
        return fault_set(fault, FAULT_INVALID, "plan: no program or no environment");
    if (plan->folder != NULL && !is_absolute(plan->folder))
        return fault_set(fault, FAULT_INVALID, "plan: working directory is not absolute");
    return check_user(plan, fault) && check_repository(plan, fault) &&
           check_mounts(plan, fault) && check_stdio(plan, fault) &&
           check_canaries(&plan->canary, fault);
}
