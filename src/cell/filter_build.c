/* The tables of the cell's filter, and the filter that libseccomp makes of them. */
#include <errno.h>

#include "base/bytes.h"
#include "cell/filter.h"

#define GROUPS                                                                                \
    (CALLS_BASE | CALLS_SERVE | CALLS_FILE | CALLS_SOCKET | CALLS_THREAD | CALLS_PROGRAM |    \
     CALLS_AGENT)
#define RULES                                                                                 \
    (CALLS_RULE_EXEC_MEMORY | CALLS_RULE_PROCESSES | CALLS_RULE_TERMINAL |                    \
     CALLS_RULE_PERSONALITY | CALLS_RULE_OWN_LIMITS | CALLS_RULE_UNSHARE | CALLS_RULE_CORE |  \
     CALLS_RULE_IPC_SIZES)

const unsigned filter_rules[CELL_PLACE_COUNT] = {
    [CELL_NAMESPACES] = RULES | CALLS_RULE_SOCKET_NET,
    [CELL_LANDLOCK] = RULES | CALLS_RULE_SOCKET_TCP | CALLS_RULE_SHARED_HOST,
};

const struct filter_row filter_refused[] = {
    {"mount", EPERM, "mounts"},
    {"umount2", EPERM, "mounts"},
    {"move_mount", EPERM, "mounts"},
    {"open_tree", EPERM, "mounts"},
    {"open_tree_attr", EPERM, "mounts"},
    {"fsopen", EPERM, "mounts"},
    {"fsconfig", EPERM, "mounts"},
    {"fsmount", EPERM, "mounts"},
    {"fspick", EPERM, "mounts"},
    {"mount_setattr", EPERM, "mounts"},
    {"pivot_root", EPERM, "mounts"},
    {"chroot", EPERM, "mounts"},
    {"setns", EPERM, "namespaces"},
    {"io_uring_setup", EPERM, "acts past a filter"},
    {"io_uring_enter", EPERM, "acts past a filter"},
    {"io_uring_register", EPERM, "acts past a filter"},
    {"ptrace", EPERM, "other processes"},
    {"process_vm_readv", EPERM, "other processes"},
    {"process_vm_writev", EPERM, "other processes"},
    {"process_madvise", EPERM, "other processes"},
    {"pidfd_getfd", EPERM, "other processes"},
    {"kcmp", EPERM, "other processes"},
    {"migrate_pages", EPERM, "other processes"},
    {"move_pages", EPERM, "other processes"},
    {"open_by_handle_at", EPERM, "files past their names"},
    {"name_to_handle_at", EPERM, "files past their names"},
    {"lookup_dcookie", EPERM, "files past their names"},
    {"bpf", EPERM, "kernel attack surface"},
    {"userfaultfd", EPERM, "kernel attack surface"},
    {"perf_event_open", EPERM, "kernel attack surface"},
    {"add_key", EPERM, "keyrings know no namespaces"},
    {"request_key", EPERM, "keyrings know no namespaces"},
    {"keyctl", EPERM, "keyrings know no namespaces"},
    {"fanotify_init", EPERM, "watches"},
    {"fanotify_mark", EPERM, "watches"},
    {"modify_ldt", EPERM, "kernel attack surface"},
    {"iopl", EPERM, "hardware"},
    {"ioperm", EPERM, "hardware"},
    {"memfd_secret", ENOSYS, "memory no supervisor can look into"},
    {"init_module", EPERM, "the machine"},
    {"finit_module", EPERM, "the machine"},
    {"delete_module", EPERM, "the machine"},
    {"kexec_load", EPERM, "the machine"},
    {"kexec_file_load", EPERM, "the machine"},
    {"reboot", EPERM, "the machine"},
    {"swapon", EPERM, "the machine"},
    {"swapoff", EPERM, "the machine"},
    {"acct", EPERM, "the machine"},
    {"syslog", EPERM, "the machine"},
    {"quotactl", EPERM, "the machine"},
    {"quotactl_fd", EPERM, "the machine"},
    {"sethostname", EPERM, "the machine"},
    {"setdomainname", EPERM, "the machine"},
    {"settimeofday", EPERM, "the machine"},
    {"clock_settime", EPERM, "the machine"},
    {"vhangup", EPERM, "the machine"},
    {"nfsservctl", EPERM, "the machine"},
    {"uselib", EPERM, "obsolete"},
    {"ustat", EPERM, "obsolete"},
    {"sysfs", EPERM, "obsolete"},
};
const size_t filter_refused_count = COUNT(filter_refused);

/* Landlock judges neither of these. By descriptor or by the guard (listener.c) the same is to
 * be had for the cell's own files. */
const struct filter_row filter_shared[] = {
    {"bind", EACCES, "ports are the host's"},
    {"listen", EACCES, "ports are the host's"},
    {"chown", EPERM, "owners of the host's files"},
    {"fchown", EPERM, "owners of the host's files"},
    {"lchown", EPERM, "owners of the host's files"},
    {"fchownat", EPERM, "owners of the host's files"},
    {"utime", ENOSYS, "times of the host's files"},
    {"utimes", ENOSYS, "times of the host's files"},
    {"futimesat", ENOSYS, "times of the host's files"},
    {"setxattr", EOPNOTSUPP, "attributes of the host's files"},
    {"lsetxattr", EOPNOTSUPP, "attributes of the host's files"},
    {"fsetxattr", EOPNOTSUPP, "attributes of the host's files"},
    {"removexattr", EOPNOTSUPP, "attributes of the host's files"},
    {"lremovexattr", EOPNOTSUPP, "attributes of the host's files"},
    {"fremovexattr", EOPNOTSUPP, "attributes of the host's files"},
    {"setxattrat", EOPNOTSUPP, "attributes of the host's files"},
    {"removexattrat", EOPNOTSUPP, "attributes of the host's files"},
    {"inotify_add_watch", EPERM, "what happens in the host's folders"},
    {"shmget", ENOSYS, "no IPC namespace"},
    {"shmat", ENOSYS, "no IPC namespace"},
    {"shmctl", ENOSYS, "no IPC namespace"},
    {"semget", ENOSYS, "no IPC namespace"},
    {"semop", ENOSYS, "no IPC namespace"},
    {"semctl", ENOSYS, "no IPC namespace"},
    {"semtimedop", ENOSYS, "no IPC namespace"},
    {"msgget", ENOSYS, "no IPC namespace"},
    {"msgsnd", ENOSYS, "no IPC namespace"},
    {"msgrcv", ENOSYS, "no IPC namespace"},
    {"msgctl", ENOSYS, "no IPC namespace"},
    {"mq_open", ENOSYS, "no IPC namespace"},
    {"mq_unlink", ENOSYS, "no IPC namespace"},
    {"process_mrelease", EPERM, "other processes"},
};
const size_t filter_shared_count = COUNT(filter_shared);

static bool forbid_shared(struct calls_filter *filter, struct fault *fault)
{
    for (size_t i = 0; i < filter_shared_count; i++)
        if (!calls_forbid(filter, filter_shared[i].call, filter_shared[i].error, fault))
            return false;
    return true;
}

bool filter_build(enum cell_place place, struct calls_filter *ret_filter, struct fault *fault)
{
    struct calls_filter filter = {0};
    /* ENOSYS for what nobody has judged: libraries then take the older way. */
    bool ok = calls_begin(ENOSYS, &filter, fault) && calls_allow(&filter, GROUPS, fault) &&
              calls_rules(&filter, filter_rules[place], fault) &&
              (place != CELL_LANDLOCK || forbid_shared(&filter, fault));

    for (size_t i = 0; ok && i < COUNT(filter_refused); i++)
        ok = calls_refuse(&filter, filter_refused[i].call, filter_refused[i].error, fault);
    if (!ok) {
        calls_end(&filter);
        return false;
    }
    *ret_filter = filter;
    return true;
}
