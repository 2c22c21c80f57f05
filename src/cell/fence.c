#include "cell/fence.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/scope.h"
#include "os/file.h"
#include "os/isolate.h"

#define READ (ISOLATE_READ | ISOLATE_EXECUTE)
#define OWN (ISOLATE_READ | ISOLATE_WRITE | ISOLATE_EXECUTE)

/*
 * Of /dev what programs write to and read from and is nobody's. Of /proc what says something of
 * the machine: the rest of it is other processes, and has no names that a rule could tell apart.
 */
static const struct system_file {
    const char *path;
    unsigned access;
} system_files[] = {
    {"/dev/null", ISOLATE_READ | ISOLATE_WRITE},
    {"/dev/zero", ISOLATE_READ | ISOLATE_WRITE},
    {"/dev/full", ISOLATE_READ | ISOLATE_WRITE},
    {"/dev/random", ISOLATE_READ | ISOLATE_WRITE},
    {"/dev/urandom", ISOLATE_READ | ISOLATE_WRITE},
    {"/dev/tty", ISOLATE_READ | ISOLATE_WRITE},
    {"/proc/meminfo", ISOLATE_READ},
    {"/proc/cpuinfo", ISOLATE_READ},
    {"/proc/stat", ISOLATE_READ},
    {"/proc/uptime", ISOLATE_READ},
    {"/proc/loadavg", ISOLATE_READ},
    {"/proc/version", ISOLATE_READ},
    {"/proc/filesystems", ISOLATE_READ},
    {"/proc/sys/kernel/osrelease", ISOLATE_READ},
    {"/proc/sys/kernel/ostype", ISOLATE_READ},
    {"/proc/sys/kernel/pid_max", ISOLATE_READ},
    {"/proc/sys/kernel/cap_last_cap", ISOLATE_READ},
    {"/proc/sys/vm/overcommit_memory", ISOLATE_READ},
};

/* ---- HOME ---- */

/* The folder that `path`, below HOME, is in; made where it is missing. */
static bool open_parent(const char *home, const char *path, int *ret_folder,
                        const char **ret_name, struct fault *fault)
{
    const char *name = strrchr(path, '/');
    struct slice rest = slice_of_bytes(path, name == NULL ? 0 : (size_t)(name - path));
    AUTO_CLOSE int at = open(home, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
    struct slice part;

    if (at < 0)
        return fault_errno(fault, "open HOME");
    while (rest.len > 0 && slice_cut(&rest, '/', &part)) {
        AUTO_FREE char *below = slice_dup(part);
        int next = -1;

        if (!file_open_folder(at, below, 0700, &next, fault))
            return false;
        (void)close(at);
        at = next;
    }
    *ret_name = name == NULL ? path : name + 1;
    *ret_folder = take_fd(&at);
    return true;
}

static bool make_file(const char *home, const struct cell_file *file, struct fault *fault)
{
    AUTO_CLOSE int folder = -1;
    const char *name;

    return open_parent(home, file->path, &folder, &name, fault) &&
           file_create(folder, name, file->content, file->mode, fault);
}

/* What namespaces would mount there is a link to where it is. */
static bool make_link(const char *home, const struct cell_mount *mount, struct fault *fault)
{
    AUTO_CLOSE int folder = -1;
    const char *name;

    if (!open_parent(home, mount->target + strlen(home) + 1, &folder, &name, fault))
        return false;
    return symlinkat(mount->source, folder, name) == 0 ||
           fault_errno(fault, "link %.200s", mount->target);
}

static bool is_in_home(const char *home, const struct cell_mount *mount)
{
    size_t len = strlen(home);

    return mount->kind == CELL_BIND && strncmp(mount->target, home, len) == 0 &&
           mount->target[len] == '/';
}

bool fence_furnish(const struct cell_plan *plan, struct fault *fault)
{
    for (size_t i = 0; i < plan->file_count; i++)
        if (!make_file(plan->home, &plan->files[i], fault))
            return fault_in(fault, "file in HOME");
    for (size_t i = 0; i < plan->mounts.count; i++)
        if (is_in_home(plan->home, &plan->mounts.at[i]) &&
            !make_link(plan->home, &plan->mounts.at[i], fault))
            return fault_in(fault, "HOME");
    return true;
}

/* ---- rules ---- */

struct rules {
    struct isolate_path *at;
    size_t count, room;
};

static void add(struct rules *rules, struct isolate_path rule)
{
    rules->at = xgrow(rules->at, &rules->room, rules->count + 1, sizeof(rules->at[0]));
    rules->at[rules->count++] = rule;
}

static void add_path(struct rules *rules, const char *path, unsigned access, bool optional)
{
    add(rules, (struct isolate_path){.path = path, .access = access, .optional = optional});
}

static void add_fd(struct rules *rules, int fd, unsigned access)
{
    if (fd >= 0)
        add(rules, (struct isolate_path){.fd = fd, .access = access});
}

static void add_all(struct rules *rules, const struct cell_plan *plan)
{
    for (size_t i = 0; i < COUNT(system_files); i++)
        add_path(rules, system_files[i].path, system_files[i].access, true);
    for (size_t i = 0; i < plan->mounts.count; i++) {
        const struct cell_mount *mount = &plan->mounts.at[i];

        if (mount->kind == CELL_BIND)
            add_path(rules, mount->source, mount->writable ? OWN : READ, mount->optional);
    }
    add_path(rules, plan->repository, OWN, false);
    add_path(rules, plan->home, OWN, false);
    add_path(rules, plan->tmp, OWN, false);
    add_fd(rules, plan->git_fd, OWN);
    for (size_t i = 0; i < plan->scratch_count; i++)
        add_fd(rules, plan->scratch[i].fd, OWN);
    add_fd(rules, plan->objects_fd, ISOLATE_READ);
    add_fd(rules, plan->engine_fd, READ);
    if (plan->terminal)
        add_fd(rules, plan->in, ISOLATE_READ | ISOLATE_WRITE);
}

bool fence_agent(const struct cell_plan *plan, struct fault *fault)
{
    struct isolate_enforced enforced = {0};
    struct rules rules = {0};
    bool ok;

    add_all(&rules, plan);
    ok = isolate_files_and_ports(rules.at, rules.count, ISOLATE_ABI_KERNEL, &enforced, fault);
    free(rules.at);
    if (!ok)
        return false;
    return (enforced.files != 0 && enforced.net != 0 && enforced.scopes != 0) ||
           fault_set(fault, FAULT_HOST, "Landlock ABI %d keeps too little; %d is needed",
                     enforced.abi, CELL_LANDLOCK_ABI_MIN);
}
