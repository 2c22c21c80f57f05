#include "cell/root.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/scope.h"
#include "cell/mounting.h"
#include "cell/plan.h"
#include "os/file.h"

#define GIB (1ULL << 30)
#define MIB (1ULL << 20)
#define INODES_MIN 16384
#define BLANK "/run/.blank"
#define BLANK_FOLDER "/run/.blanks"

/* What /proc shows of the whole machine: files that are laid over with an empty one. */
static const char *const proc_hidden[] = {
    "/proc/sysrq-trigger", "/proc/kcore",       "/proc/keys",        "/proc/key-users",
    "/proc/kmsg",          "/proc/timer_list",  "/proc/sched_debug", "/proc/latency_stats",
    "/proc/kallsyms",      "/proc/vmallocinfo", "/proc/slabinfo",    "/proc/pagetypeinfo",
    "/proc/kpagecount",    "/proc/kpageflags",  "/proc/kpagecgroup", "/proc/interrupts",
    "/proc/modules",       "/proc/iomem",       "/proc/ioports",     "/proc/config.gz",
    "/proc/cmdline",       "/proc/mdstat",      "/proc/timer_stats", "/proc/mtrr",
    "/proc/locks",         "/proc/softirqs",    "/proc/allocinfo",   "/proc/profile",
};
/* Folders of hardware, which are empty for the cell. */
static const char *const proc_emptied[] = {"/proc/acpi", "/proc/asound", "/proc/scsi"};
/* Folders that become read-only. */
static const char *const proc_fixed[] = {"/proc/sys",     "/proc/bus",    "/proc/fs",
                                         "/proc/irq",     "/proc/driver", "/proc/tty",
                                         "/proc/pressure"};
static const char *const devices[] = {"null", "zero", "full", "random", "urandom", "tty"};
static const struct device_link {
    const char *name, *text;
} device_links[] = {
    {"ptmx", "pts/ptmx"},          {"fd", "/proc/self/fd"},       {"stdin", "/proc/self/fd/0"},
    {"stdout", "/proc/self/fd/1"}, {"stderr", "/proc/self/fd/2"},
};
/* Folders of the host that can be covered while we build: any of them will do. */
static const char *const bases[] = {"/tmp", "/mnt", "/run", "/var/tmp"};

static bool copy_mounts(struct root *root, struct fault *fault)
{
    const struct cell_mounts *mounts = &root->plan->mounts;

    root->mounts = xalloc_array(mounts->count + 1, sizeof(root->mounts[0]));
    for (size_t i = 0; i < mounts->count; i++) {
        const struct cell_mount *mount = &mounts->at[i];
        unsigned flags = mount->writable ? MOUNTING_WRITABLE : 0;

        root->mounts[i] = -1;
        if (mount->kind != CELL_BIND || (mount->optional && access(mount->source, F_OK) < 0))
            continue;
        if (!mounting_copy(mount->source, flags, &root->mounts[i], fault))
            return false;
    }
    return true;
}

static bool copy_optional(int fd, unsigned flags, int *ret_tree, struct fault *fault)
{
    return fd < 0 || mounting_copy_fd(fd, flags, ret_tree, fault);
}

bool root_sources(const struct cell_plan *plan, struct root *ret_root, struct fault *fault)
{
    struct root *root = ret_root;

    *root = (struct root){.plan = plan,
                          .git = -1,
                          .objects = -1,
                          .engine = -1,
                          .plain = -1,
                          .root = -1,
                          .blank = -1};
    /* Nothing that happens here reaches the host's mounts, and nothing of theirs comes in. */
    if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
        return fault_errno(fault, "make mounts private");
    if (!copy_mounts(root, fault))
        return false;
    root->scratch = xalloc_array(plan->scratch_count + 1, sizeof(root->scratch[0]));
    for (size_t i = 0; i < plan->scratch_count; i++)
        if (!mounting_copy_fd(plan->scratch[i].fd, MOUNTING_WRITABLE, &root->scratch[i],
                              fault))
            return fault_in(fault, "scratch %s", plan->scratch[i].path);
    if (!plan->view && !mounting_copy(plan->plain, MOUNTING_WRITABLE, &root->plain, fault))
        return false;
    return copy_optional(plan->git_fd, MOUNTING_WRITABLE, &root->git, fault) &&
           copy_optional(plan->objects_fd, 0, &root->objects, fault) &&
           copy_optional(plan->engine_fd, 0, &root->engine, fault);
}

/* Attaches and closes a detached tree at a path of the new root. */
static bool attach_at(struct root *root, int *tree, const char *path, bool file,
                      struct fault *fault)
{
    AUTO_CLOSE int target = -1;

    if (!mounting_place(root->root, path, file, &target, fault))
        return false;
    if (!mounting_attach(*tree, target, fault))
        return fault_in(fault, "%s", path);
    (void)close(take_fd(tree));
    return true;
}

static bool mount_tmpfs(struct root *root, const char *path, uint64_t bytes, const char *owner,
                        struct fault *fault)
{
    AUTO_CLOSE int place = -1;
    AUTO_FREE char *target = xformat("%s%s", root->base, path);
    AUTO_FREE char *options = xformat(
        "size=%llu,nr_inodes=%llu,%s", (unsigned long long)bytes,
        (unsigned long long)(bytes / 4096 > INODES_MIN ? bytes / 4096 : INODES_MIN), owner);

    if (!mounting_place(root->root, path, false, &place, fault))
        return false;
    if (mount("tmpfs", target, "tmpfs", MS_NOSUID | MS_NODEV, options) < 0)
        return fault_errno(fault, "mount a tmpfs at %s", path);
    return true;
}

/* Makes one entry that is no bind: a link, a text, a folder. */
static bool make_entry(struct root *root, const struct cell_mount *mount, struct fault *fault)
{
    AUTO_CLOSE int folder = -1, made = -1;
    const char *name = strrchr(mount->target, '/') + 1;
    AUTO_FREE char *above =
        slice_dup(slice_of_bytes(mount->target, (size_t)(name - mount->target) - 1));

    if (mount->kind == CELL_FOLDER)
        return mounting_place(root->root, mount->target, false, &made, fault);
    if (!mounting_place(root->root, above, false, &folder, fault))
        return false;
    if (mount->kind == CELL_SYMLINK && symlinkat(mount->source, folder, name) < 0)
        return fault_errno(fault, "make the link %s", mount->target);
    if (mount->kind == CELL_TEXT)
        return file_create(folder, name, slice_of(mount->source), 0644, fault);
    return true;
}

/* The folders between HOME and what is mounted below it are the agent's, like all of HOME. */
static bool own_parents(struct root *root, const char *target, struct fault *fault)
{
    size_t home = strlen(CELL_HOME);
    const char *slash = target + home;

    if (!plan_is_privileged(root->plan) || strncmp(target, CELL_HOME "/", home + 1) != 0)
        return true;
    while ((slash = strchr(slash + 1, '/')) != NULL) {
        AUTO_FREE char *path = slice_dup(slice_of_bytes(target, (size_t)(slash - target)));
        AUTO_CLOSE int folder = -1;

        if (!mounting_place(root->root, path, false, &folder, fault))
            return false;
        if (fchownat(folder, "", root->plan->uid, root->plan->gid, AT_EMPTY_PATH) < 0)
            return fault_errno(fault, "give %s to the agent", path);
    }
    return true;
}

static bool place_mounts(struct root *root, struct fault *fault)
{
    for (size_t i = 0; i < root->plan->mounts.count; i++) {
        const struct cell_mount *mount = &root->plan->mounts.at[i];
        struct stat stat;

        if (mount->kind != CELL_BIND) {
            if (!make_entry(root, mount, fault))
                return false;
            continue;
        }
        if (root->mounts[i] < 0)
            continue;
        if (fstat(root->mounts[i], &stat) < 0)
            return fault_errno(fault, "look at %s", mount->source);
        if (!attach_at(root, &root->mounts[i], mount->target, !S_ISDIR(stat.st_mode), fault) ||
            !own_parents(root, mount->target, fault))
            return false;
    }
    return true;
}

static bool make_devices(struct root *root, struct fault *fault)
{
    AUTO_FREE char *pts = xformat("%s/dev/pts", root->base);
    AUTO_CLOSE int folder = -1, place = -1;

    if (!mounting_place(root->root, "/dev", false, &folder, fault) ||
        !mounting_place(root->root, "/dev/pts", false, &place, fault))
        return false;
    for (size_t i = 0; i < COUNT(device_links); i++)
        if (symlinkat(device_links[i].text, folder, device_links[i].name) < 0)
            return fault_errno(fault, "make /dev/%s", device_links[i].name);
    if (mount("devpts", pts, "devpts", MS_NOSUID | MS_NOEXEC,
              "newinstance,ptmxmode=0666,mode=0620") < 0)
        return fault_errno(fault, "mount /dev/pts");
    return true;
}

/* The host's nodes: a user namespace may not make device nodes of its own. */
static bool bind_devices(struct root *root, const int *trees, struct fault *fault)
{
    for (size_t i = 0; i < COUNT(devices); i++) {
        AUTO_FREE char *path = xformat("/dev/%s", devices[i]);
        int tree = trees[i];

        if (!attach_at(root, &tree, path, true, fault))
            return false;
    }
    return true;
}

static bool copy_devices(int *ret_trees, struct fault *fault)
{
    for (size_t i = 0; i < COUNT(devices); i++) {
        AUTO_FREE char *path = xformat("/dev/%s", devices[i]);

        if (!mounting_copy(path, MOUNTING_DEVICES | MOUNTING_WRITABLE, &ret_trees[i], fault))
            return false;
    }
    return true;
}

/* Lays `source` (a path on the host) over `path` of the new root, where that exists. */
static bool cover(struct root *root, const char *source, const char *path, struct fault *fault)
{
    AUTO_CLOSE int target = openat(root->root, path + 1, O_PATH | O_CLOEXEC | O_NOFOLLOW);
    AUTO_CLOSE int tree = -1;

    if (target < 0)
        return errno == ENOENT || fault_errno(fault, "open %s", path);
    return mounting_copy(source, 0, &tree, fault) && mounting_attach(tree, target, fault);
}

/* Lays an empty file or folder over what is there of the list. */
static bool hide(struct root *root, const char *blank, const char *const *paths, size_t count,
                 struct fault *fault)
{
    AUTO_FREE char *source = xformat("%s%s", root->base, blank);

    for (size_t i = 0; i < count; i++)
        if (!cover(root, source, paths[i], fault))
            return fault_in(fault, "hide %s", paths[i]);
    return true;
}

static bool make_proc(struct root *root, int *ret_proc, struct fault *fault)
{
    AUTO_FREE char *target = xformat("%s/proc", root->base);
    AUTO_CLOSE int place = -1, proc = -1, empty = -1;

    if (!mounting_place(root->root, "/proc", false, &place, fault) ||
        !mounting_place(root->root, BLANK_FOLDER, false, &empty, fault))
        return false;
    /* hidepid: pid 1, which is ours and not dumpable, is not even listed. */
    if (mount("proc", target, "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, "hidepid=2") < 0)
        return fault_errno(fault, "mount /proc");
    if (!hide(root, BLANK, proc_hidden, COUNT(proc_hidden), fault) ||
        !hide(root, BLANK_FOLDER, proc_emptied, COUNT(proc_emptied), fault))
        return false;
    for (size_t i = 0; i < COUNT(proc_fixed); i++) {
        AUTO_FREE char *path = xformat("%s%s", root->base, proc_fixed[i]);

        if (!cover(root, path, proc_fixed[i], fault))
            return fault_in(fault, "fix %s", proc_fixed[i]);
    }
    proc = open(target, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (proc < 0)
        return fault_errno(fault, "open the cell's /proc");
    *ret_proc = take_fd(&proc);
    return true;
}

static bool mount_view(struct root *root, int *ret_fuse, struct fault *fault)
{
    const struct cell_plan *plan = root->plan;
    AUTO_FREE char *target = xformat("%s%s", root->base, plan->repository);
    AUTO_FREE char *options = NULL;
    AUTO_CLOSE int place = -1, fuse = -1;

    if (!mounting_place(root->root, plan->repository, false, &place, fault))
        return false;
    /* Opened here: the kernel wants opener and mounter in one user namespace. */
    fuse = open("/dev/fuse", O_RDWR | O_CLOEXEC);
    if (fuse < 0) {
        (void)fault_errno(fault, "open /dev/fuse");
        fault->kind = FAULT_HOST;
        return false;
    }
    options =
        xformat("fd=%d,rootmode=40000,user_id=%u,group_id=%u,allow_other,default_permissions",
                fuse, cell_view_uid(plan), cell_view_gid(plan));
    if (mount("custody", target, "fuse.custody", MS_NOSUID | MS_NODEV, options) < 0) {
        (void)fault_errno(fault, "mount the view at %.200s", plan->repository);
        fault->kind = FAULT_HOST;
        return false;
    }
    *ret_fuse = take_fd(&fuse);
    return true;
}

static bool write_home(struct root *root, struct fault *fault)
{
    const struct cell_plan *plan = root->plan;
    AUTO_CLOSE int home = -1;

    if (!mounting_place(root->root, CELL_HOME, false, &home, fault))
        return false;
    for (size_t i = 0; i < plan->file_count; i++) {
        const struct cell_file *file = &plan->files[i];
        struct slice rest = slice_of(file->path);
        AUTO_CLOSE int at = fcntl(home, F_DUPFD_CLOEXEC, 3);
        struct slice part;

        while (slice_cut(&rest, '/', &part)) {
            AUTO_FREE char *name = slice_dup(part);
            bool leaf = rest.at == NULL;
            int next = -1;

            if (leaf && !file_create(at, name, file->content, file->mode, fault))
                return fault_in(fault, "file in HOME");
            if (!leaf && !mounting_place(at, name, false, &next, fault))
                return false;
            if (plan_is_privileged(plan) &&
                fchownat(at, name, plan->uid, plan->gid, AT_SYMLINK_NOFOLLOW) < 0)
                return fault_errno(fault, "give %s to the agent", file->path);
            (void)close(at);
            at = next;
        }
    }
    return true;
}

static bool start_root(struct root *root, struct fault *fault)
{
    for (size_t i = 0; i < COUNT(bases); i++) {
        struct stat stat;

        if (lstat(bases[i], &stat) < 0 || !S_ISDIR(stat.st_mode))
            continue;
        if (mount("cell", bases[i], "tmpfs", MS_NOSUID | MS_NODEV, "mode=0755,size=16m") < 0)
            return fault_errno(fault, "mount the root at %s", bases[i]);
        root->base = bases[i];
        root->root = open(bases[i], O_PATH | O_DIRECTORY | O_CLOEXEC);
        return root->root >= 0 || fault_errno(fault, "open the root");
    }
    return fault_set(fault, FAULT_HOST, "no folder of the host to build a root on");
}

static bool mount_memory(struct root *root, struct fault *fault)
{
    const struct cell_plan *plan = root->plan;
    AUTO_FREE char *own =
        xformat("mode=0700,uid=%u,gid=%u", cell_view_uid(plan), cell_view_gid(plan));

    return mount_tmpfs(root, "/tmp", plan->tmp_bytes == 0 ? GIB : plan->tmp_bytes, "mode=1777",
                       fault) &&
           mount_tmpfs(root, CELL_HOME, plan->home_bytes == 0 ? GIB : plan->home_bytes, own,
                       fault) &&
           mount_tmpfs(root, "/dev/shm", plan->shm_bytes == 0 ? 64 * MIB : plan->shm_bytes,
                       "mode=1777", fault);
}

static bool place_optional(struct root *root, int *tree, const char *path, struct fault *fault)
{
    return *tree < 0 || attach_at(root, tree, path, false, fault);
}

bool root_build(struct root *root, int *ret_fuse, int *ret_proc, struct fault *fault)
{
    AUTO_CLOSE int fuse = -1;
    int trees[COUNT(devices)];

    (void)umask(0);
    if (!copy_devices(trees, fault) || !start_root(root, fault) ||
        !mounting_place(root->root, BLANK, true, &root->blank, fault))
        return false;
    if (!make_devices(root, fault) || !bind_devices(root, trees, fault) ||
        !mount_memory(root, fault) || !place_mounts(root, fault) ||
        !place_optional(root, &root->objects, CELL_OBJECTS, fault) ||
        !place_optional(root, &root->engine, CELL_ENGINE, fault) || !write_home(root, fault))
        return false;
    if (root->plan->view
            ? !mount_view(root, &fuse, fault)
            : !attach_at(root, &root->plain, root->plan->repository, false, fault))
        return false;
    if (!make_proc(root, ret_proc, fault) || !mounting_seal(root->root, fault))
        return false;
    *ret_fuse = take_fd(&fuse);
    return true;
}

bool root_enter(struct root *root, struct fault *fault)
{
    /* The old root lands on top of the new one and is taken off it: no folder needed for it.
     */
    if (fchdir(root->root) < 0 || syscall(SYS_pivot_root, ".", ".") < 0)
        return fault_errno(fault, "change the root");
    return true;
}

bool root_leave(struct fault *fault)
{
    if (umount2(".", MNT_DETACH) < 0 || chdir("/") < 0)
        return fault_errno(fault, "leave the old root");
    return true;
}

/* A repository's own links must not lead a mount of ours elsewhere. */
static bool attach_over_view(int repository, int *tree, const char *path, struct fault *fault)
{
    struct open_how how = {.flags = O_PATH | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW,
                           .resolve =
                               RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS};
    AUTO_CLOSE int target = (int)syscall(SYS_openat2, repository, path, &how, sizeof(how));

    if (target < 0)
        return fault_errno(fault, "open %s in the view", path);
    if (!mounting_attach(*tree, target, fault))
        return fault_in(fault, "%s", path);
    (void)close(take_fd(tree));
    return true;
}

bool root_finish(struct root *root, struct fault *fault)
{
    const struct cell_plan *plan = root->plan;
    AUTO_CLOSE int repository = open(plan->repository, O_PATH | O_DIRECTORY | O_CLOEXEC);

    if (repository < 0)
        return fault_errno(fault, "open the view");
    for (size_t i = 0; i < plan->scratch_count; i++)
        if (!attach_over_view(repository, &root->scratch[i], plan->scratch[i].path, fault))
            return false;
    if (root->git >= 0 && !attach_over_view(repository, &root->git, ".git", fault))
        return false;
    free(root->mounts);
    free(root->scratch);
    (void)close(take_fd(&root->blank));
    (void)close(take_fd(&root->root));
    return true;
}
