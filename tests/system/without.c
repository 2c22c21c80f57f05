/*
 * without MECHANISM... -- COMMAND...: runs a command as on a kernel that lacks something, for
 * without_test.py. A lacking system call answers ENOSYS, as it would there; control groups are
 * covered by an empty folder. As root.
 */
#include <errno.h>
#include <sched.h>
#include <seccomp.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <unistd.h>

static const struct {
    const char *mechanism;
    const char *calls[3];
} lacking[] = {
    {"landlock", {"landlock_create_ruleset", "landlock_add_rule", "landlock_restrict_self"}},
    {"fanotify", {"fanotify_init", "fanotify_mark"}},
    {"io_uring", {"io_uring_setup", "io_uring_enter", "io_uring_register"}},
};

static bool refuse(scmp_filter_ctx filter, const char *name)
{
    int call = seccomp_syscall_resolve_name(name);

    return call != __NR_SCMP_ERROR &&
           seccomp_rule_add(filter, SCMP_ACT_ERRNO(ENOSYS), call, 0) == 0;
}

/* The call itself stays: filters are no option. Only whoever wants to be asked is refused. */
static bool refuse_listeners(scmp_filter_ctx filter)
{
    return seccomp_rule_add(filter, SCMP_ACT_ERRNO(EINVAL), SCMP_SYS(seccomp), 1,
                            SCMP_A1(SCMP_CMP_MASKED_EQ, 1U << 3, 1U << 3)) == 0;
}

static bool cover_control_groups(void)
{
    return unshare(CLONE_NEWNS) == 0 &&
           mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0 &&
           mount("none", "/sys/fs/cgroup", "tmpfs", MS_RDONLY, NULL) == 0;
}

static bool take_away(scmp_filter_ctx filter, const char *mechanism)
{
    if (strcmp(mechanism, "cgroup") == 0)
        return cover_control_groups();
    if (strcmp(mechanism, "listener") == 0)
        return refuse_listeners(filter);
    for (size_t i = 0; i < sizeof(lacking) / sizeof(lacking[0]); i++) {
        if (strcmp(lacking[i].mechanism, mechanism) != 0)
            continue;
        for (size_t c = 0; c < 3 && lacking[i].calls[c] != NULL; c++)
            if (!refuse(filter, lacking[i].calls[c]))
                return false;
        return true;
    }
    errno = EINVAL;
    return false;
}

int main(int argc, char **argv)
{
    scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ALLOW);
    int at = 1;

    if (filter == NULL || seccomp_attr_set(filter, SCMP_FLTATR_CTL_NNP, 0) != 0)
        return 125; /* no_new_privs would take set-user-id programs away as well */
    for (; at < argc && strcmp(argv[at], "--") != 0; at++)
        if (!take_away(filter, argv[at])) {
            fprintf(stderr, "without %s: %s\n", argv[at], strerror(errno));
            return 125;
        }
    if (at + 1 >= argc || seccomp_load(filter) != 0) {
        fprintf(stderr, "without MECHANISM... -- COMMAND...: %s\n", strerror(errno));
        return 125;
    }
    seccomp_release(filter);
    execvp(argv[at + 1], argv + at + 1);
    fprintf(stderr, "%s: %s\n", argv[at + 1], strerror(errno));
    return 127;
}
