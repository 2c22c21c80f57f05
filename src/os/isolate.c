/* Users, capabilities and Landlock. Profiles of system calls are in isolate_filter.c. */
#include "os/isolate.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <linux/landlock.h>
#include <linux/securebits.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/scope.h"

/* Headers of older systems lack these; the kernel is asked at run time. */
#define FS_ABI_1 ((1ULL << 13) - 1) /* execute ... make_sym */
#define FS_REFER (1ULL << 13)       /* ABI 2 */
#define FS_TRUNCATE (1ULL << 14)    /* ABI 3 */
#define FS_IOCTL_DEV (1ULL << 15)   /* ABI 5 */
#define ABI_PORTS 4
#define NET_TCP 3ULL             /* ABI 4: bind, connect */
#define SCOPE_ABSTRACT_UNIX 1ULL /* ABI 6 */
#define SCOPE_SIGNAL 2ULL        /* ABI 6 */

struct ruleset { /* struct landlock_ruleset_attr of ABI 6 */
    uint64_t files;
    uint64_t net;
    uint64_t scopes;
};

bool isolate_no_new_privs(struct fault *fault)
{
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
        return fault_errno(fault, "set no_new_privs");
    return true;
}

static bool set_capabilities(uint64_t mask, struct fault *fault)
{
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct data[2] = {
        {.effective = (uint32_t)mask, .permitted = (uint32_t)mask},
        {.effective = (uint32_t)(mask >> 32), .permitted = (uint32_t)(mask >> 32)},
    };

    if (syscall(SYS_capset, &header, data) == 0)
        return true;
    (void)fault_errno(fault, "keep capabilities %#llx (this root has fewer)",
                      (unsigned long long)mask);
    fault->kind = FAULT_HOST;
    return false;
}

static bool has_capability(unsigned number)
{
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct data[2] = {0};

    return syscall(SYS_capget, &header, data) == 0 &&
           (data[number / 32].effective >> (number % 32) & 1) != 0;
}

/* The bounding set: what no exec can ever give. Needs CAP_SETPCAP. */
static bool bound_capabilities(uint64_t keep, struct fault *fault)
{
    for (unsigned number = 0; number < 64; number++) {
        if ((keep >> number & 1) != 0)
            continue;
        if (prctl(PR_CAPBSET_READ, number, 0, 0, 0) == 1 &&
            prctl(PR_CAPBSET_DROP, number, 0, 0, 0) < 0)
            return fault_errno(fault, "drop capability %u from the bounding set", number);
    }
    return true;
}

bool isolate_capabilities(uint64_t keep, struct fault *fault)
{
    const unsigned long locked = SECBIT_NOROOT | SECBIT_NOROOT_LOCKED |
                                 SECBIT_NO_SETUID_FIXUP | SECBIT_NO_SETUID_FIXUP_LOCKED |
                                 SECBIT_KEEP_CAPS_LOCKED | SECBIT_NO_CAP_AMBIENT_RAISE |
                                 SECBIT_NO_CAP_AMBIENT_RAISE_LOCKED;

    if (has_capability(CAP_SETPCAP)) {
        if (!bound_capabilities(keep, fault))
            return false;
        if (prctl(PR_SET_SECUREBITS, locked, 0, 0, 0) < 0)
            return fault_errno(fault, "lock the secure bits");
    }
    (void)prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
    return set_capabilities(keep, fault);
}

/* Changes to ids that differ from the caller's, as root. */
static bool change_ids(uid_t uid, gid_t gid, uint64_t keep, struct fault *fault)
{
    if (setgroups(0, NULL) < 0)
        return fault_errno(fault, "drop supplementary groups");
    if (setresgid(gid, gid, gid) < 0)
        return fault_errno(fault, "become group %u", gid);
    if (!bound_capabilities(keep, fault))
        return false;
    if (keep != 0 && prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0) < 0)
        return fault_errno(fault, "keep capabilities");
    if (setresuid(uid, uid, uid) < 0)
        return fault_errno(fault, "become user %u", uid);
    return true;
}

bool isolate_user(uid_t uid, gid_t gid, uint64_t keep, struct fault *fault)
{
    pid_t parent = getppid();
    int death = 0;

    if (uid == 0)
        return fault_set(fault, FAULT_INVALID, "isolate_user: user 0 gives nothing up");
    if (prctl(PR_GET_PDEATHSIG, &death, 0, 0, 0) < 0)
        return fault_errno(fault, "read the parent-death signal");
    if ((geteuid() != uid || getegid() != gid) && !change_ids(uid, gid, keep, fault))
        return false;
    if (!set_capabilities(keep, fault))
        return false;
    (void)prctl(PR_SET_KEEPCAPS, 0, 0, 0, 0);
    (void)prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
    if (death != 0 && (prctl(PR_SET_PDEATHSIG, death, 0, 0, 0) < 0 || getppid() != parent))
        return fault_set(fault, FAULT_IO, "the parent ended meanwhile");
    return true;
}

int isolate_landlock_abi(void)
{
    long abi = syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);

    return abi < 0 ? 0 : (int)abi;
}

static struct ruleset ruleset_of(int abi)
{
    struct ruleset ruleset = {.files = FS_ABI_1};

    if (abi >= 2)
        ruleset.files |= FS_REFER;
    if (abi >= 3)
        ruleset.files |= FS_TRUNCATE;
    if (abi >= 5)
        ruleset.files |= FS_IOCTL_DEV;
    if (abi >= 6)
        ruleset.scopes = SCOPE_ABSTRACT_UNIX | SCOPE_SIGNAL;
    return ruleset;
}

/* Bytes of the attribute that an ABI knows; a longer one with set bits is E2BIG. */
static size_t ruleset_size(int abi)
{
    return abi >= 6 ? 24 : abi >= 4 ? 16 : 8;
}

static uint64_t access_of(unsigned access, bool folder, uint64_t handled)
{
    const uint64_t of_files = LANDLOCK_ACCESS_FS_EXECUTE | LANDLOCK_ACCESS_FS_WRITE_FILE |
                              LANDLOCK_ACCESS_FS_READ_FILE | FS_TRUNCATE | FS_IOCTL_DEV;
    uint64_t mask = 0;

    if ((access & ISOLATE_READ) != 0)
        mask |= LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR;
    if ((access & ISOLATE_EXECUTE) != 0)
        mask |= LANDLOCK_ACCESS_FS_EXECUTE;
    if ((access & ISOLATE_WRITE) != 0)
        mask |=
            FS_ABI_1 & ~(uint64_t)(LANDLOCK_ACCESS_FS_EXECUTE | LANDLOCK_ACCESS_FS_READ_FILE |
                                   LANDLOCK_ACCESS_FS_READ_DIR | LANDLOCK_ACCESS_FS_MAKE_CHAR |
                                   LANDLOCK_ACCESS_FS_MAKE_BLOCK);
    if ((access & ISOLATE_WRITE) != 0)
        mask |= FS_REFER | FS_TRUNCATE;
    if ((access & (ISOLATE_READ | ISOLATE_WRITE)) != 0)
        mask |= FS_IOCTL_DEV;
    return mask & handled & (folder ? UINT64_MAX : of_files);
}

static bool allow_path(int ruleset, const struct isolate_path *path, uint64_t handled,
                       struct fault *fault)
{
    struct landlock_path_beneath_attr rule = {0};
    AUTO_CLOSE int opened = -1;
    struct stat stat;

    if (path->path != NULL) {
        opened = open(path->path, O_PATH | O_CLOEXEC);
        if (opened < 0 && errno == ENOENT && path->optional)
            return true;
        if (opened < 0)
            return fault_errno(fault, "open %s", path->path);
    }
    rule.parent_fd = path->path != NULL ? opened : path->fd;
    if (fstat(rule.parent_fd, &stat) < 0)
        return fault_errno(fault, "stat a path to allow");
    rule.allowed_access = access_of(path->access, S_ISDIR(stat.st_mode), handled);
    if (rule.allowed_access == 0)
        return true;
    if (syscall(SYS_landlock_add_rule, ruleset, LANDLOCK_RULE_PATH_BENEATH, &rule, 0) < 0)
        return fault_errno(fault, "allow %s",
                           path->path != NULL ? path->path : "a descriptor");
    return true;
}

static bool restrict_to(struct ruleset wanted, const struct isolate_path *paths, size_t count,
                        int abi, struct isolate_enforced *ret_enforced, struct fault *fault)
{
    AUTO_CLOSE int ruleset =
        (int)syscall(SYS_landlock_create_ruleset, &wanted, ruleset_size(abi), 0);

    if (ruleset < 0)
        return fault_errno(fault, "make a Landlock rule set of ABI %d", abi);
    for (size_t i = 0; i < count; i++)
        if (!allow_path(ruleset, &paths[i], wanted.files, fault))
            return false;
    if (!isolate_no_new_privs(fault))
        return false;
    if (syscall(SYS_landlock_restrict_self, ruleset, 0) < 0)
        return fault_errno(fault, "enforce a Landlock rule set");
    if (ret_enforced != NULL)
        *ret_enforced = (struct isolate_enforced){
            .abi = abi, .files = wanted.files, .net = wanted.net, .scopes = wanted.scopes};
    return true;
}

static int usable_abi(int abi)
{
    int kernel = isolate_landlock_abi();

    return abi < kernel ? abi : kernel;
}

static bool isolate_paths(const struct isolate_path *paths, size_t count, int abi,
                          uint64_t net, struct isolate_enforced *ret_enforced,
                          struct fault *fault)
{
    int usable = usable_abi(abi);
    struct ruleset ruleset = ruleset_of(usable);

    if (usable <= 0) {
        if (ret_enforced != NULL)
            *ret_enforced = (struct isolate_enforced){0};
        return true;
    }
    ruleset.net = usable >= ABI_PORTS ? net : 0;
    return restrict_to(ruleset, paths, count, usable, ret_enforced, fault);
}

bool isolate_files(const struct isolate_path *paths, size_t count, int abi,
                   struct isolate_enforced *ret_enforced, struct fault *fault)
{
    return isolate_paths(paths, count, abi, 0, ret_enforced, fault);
}

bool isolate_files_and_ports(const struct isolate_path *paths, size_t count, int abi,
                             struct isolate_enforced *ret_enforced, struct fault *fault)
{
    return isolate_paths(paths, count, abi, NET_TCP, ret_enforced, fault);
}

bool isolate_scopes_before_files(int abi, struct isolate_enforced *ret_enforced,
                                 struct fault *fault)
{
    const struct isolate_path everywhere = {.path = "/", .access = ISOLATE_WRITE};
    int usable = usable_abi(abi);
    struct ruleset ruleset = ruleset_of(usable);

    if (ruleset.scopes == 0)
        return isolate_scopes(abi, ret_enforced, fault);
    ruleset.files = FS_REFER;
    return restrict_to(ruleset, &everywhere, 1, usable, ret_enforced, fault);
}

bool isolate_scopes(int abi, struct isolate_enforced *ret_enforced, struct fault *fault)
{
    int usable = usable_abi(abi);
    struct ruleset ruleset = ruleset_of(usable);

    ruleset.files = 0;
    if (ruleset.scopes == 0) { /* nothing to scope with: an empty rule set is ENOMSG */
        if (ret_enforced != NULL)
            *ret_enforced = (struct isolate_enforced){.abi = usable};
        return true;
    }
    return restrict_to(ruleset, NULL, 0, usable, ret_enforced, fault);
}
