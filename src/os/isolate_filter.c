/*
 * Profiles of system calls, built with libseccomp from the table in isolate_calls.c: when custody
 * is built (src/make_filters.c), since that takes longer than a start can give.
 */
#include <errno.h>
#include <linux/netlink.h>
#include <linux/sched.h>
#include <netinet/in.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/personality.h>
#include <sys/resource.h>
#include <sys/socket.h>

#ifndef TIOCLINUX
#define TIOCLINUX 0x541c
#endif

#include "os/isolate.h"
#include "os/isolate_calls.h"

#define CLONE_NEW_ANY                                                                         \
    (CLONE_NEWNS | CLONE_NEWCGROUP | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWUSER |            \
     CLONE_NEWPID | CLONE_NEWNET | CLONE_NEWTIME)
/* unshare, unlike clone, has no exit signal in these bits, so CLONE_NEWTIME is seen here only.
 */
#define CLONE_NEW_BY_CLONE (CLONE_NEW_ANY & ~CLONE_NEWTIME)
#define SIOC_FIRST 0x8900U /* SIOCGIFCONF and kin: addresses and routes of whom they are */
#define TYPE_MASK 0xf      /* above it are flags */

static const char *const ruled_calls[] = {
    "mmap",       "mprotect", "clone",       "clone3",    "socket",
    "socketpair", "ioctl",    "personality", "prlimit64", "unshare",
};

bool calls_has_rule(const char *name)
{
    for (size_t i = 0; i < COUNT(ruled_calls); i++)
        if (strcmp(ruled_calls[i], name) == 0)
            return true;
    return false;
}

static bool add(scmp_filter_ctx filter, uint32_t action, const char *name, unsigned count,
                const struct scmp_arg_cmp *arguments, struct fault *fault)
{
    int number = calls_number(name);
    int failed;

    if (number < 0)
        return true; /* not a call of this architecture */
    failed = seccomp_rule_add_array(filter, action, number, count, arguments);
    if (failed == 0)
        return true;
    errno = -failed;
    return fault_errno(fault, "filter rule for %s", name);
}

static bool begin_one(uint32_t otherwise, scmp_filter_ctx *ret_filter, struct fault *fault)
{
    scmp_filter_ctx filter = seccomp_init(otherwise);

    if (filter == NULL)
        return fault_set(fault, FAULT_HOST, "libseccomp makes no filter");
    /* A foreign architecture, x32 among them, has other numbers: nothing it asks can be
     * judged. */
    if (seccomp_attr_set(filter, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_KILL_PROCESS) != 0 ||
        seccomp_attr_set(filter, SCMP_FLTATR_CTL_NNP, 1) != 0) {
        seccomp_release(filter);
        return fault_set(fault, FAULT_HOST, "libseccomp refuses the filter's attributes");
    }
    /* A binary tree; an old libseccomp without it works, only slower. */
    (void)seccomp_attr_set(filter, SCMP_FLTATR_CTL_OPTIMIZE, 2);
    *ret_filter = filter;
    return true;
}

bool calls_begin(int otherwise, struct calls_filter *ret_filter, struct fault *fault)
{
    struct calls_filter filter = {.otherwise = otherwise};

    if (!begin_one(SCMP_ACT_ERRNO((uint16_t)otherwise), &filter.allow, fault))
        return false;
    if (!begin_one(SCMP_ACT_ALLOW, &filter.refuse, fault)) {
        calls_end(&filter);
        return false;
    }
    *ret_filter = filter;
    return true;
}

void calls_end(struct calls_filter *filter)
{
    if (filter->allow != NULL)
        seccomp_release(filter->allow);
    if (filter->refuse != NULL)
        seccomp_release(filter->refuse);
    *filter = (struct calls_filter){0};
}

bool calls_allow(struct calls_filter *filter, unsigned groups, struct fault *fault)
{
    for (size_t i = 0; i < calls_count; i++)
        if ((calls_table[i].group & groups) != 0 && !calls_has_rule(calls_table[i].name) &&
            !add(filter->allow, SCMP_ACT_ALLOW, calls_table[i].name, 0, NULL, fault))
            return false;
    return true;
}

bool calls_refuse(struct calls_filter *filter, const char *name, int error,
                  struct fault *fault)
{
    /* libseccomp refuses a rule that says what happens anyway. */
    return error == filter->otherwise ||
           add(filter->allow, SCMP_ACT_ERRNO((uint16_t)error), name, 0, NULL, fault);
}

bool calls_forbid(struct calls_filter *filter, const char *name, int error,
                  struct fault *fault)
{
    return add(filter->refuse, SCMP_ACT_ERRNO((uint16_t)error), name, 0, NULL, fault);
}

/*
 * One allowed form of a call. The kernel reads these arguments as 32 bits: what stands in the
 * upper half must not hide them, so every comparison is masked.
 */
struct form {
    unsigned rule;
    const char *call;
    unsigned argument;
    uint32_t mask, value;
};

static const struct form allowed_forms[] = {
    {CALLS_RULE_MEMORY, "mmap", 2, PROT_EXEC, 0},
    {CALLS_RULE_MEMORY, "mprotect", 2, PROT_EXEC, 0},
    {CALLS_RULE_EXEC_MEMORY, "mmap", 2, 0, 0},
    {CALLS_RULE_EXEC_MEMORY, "mprotect", 2, 0, 0},
    {CALLS_RULE_THREADS, "clone", 0, CLONE_NEW_BY_CLONE | CLONE_THREAD, CLONE_THREAD},
    {CALLS_RULE_PROCESSES, "clone", 0, CLONE_NEW_BY_CLONE, 0},
    {CALLS_RULE_SOCKET_UNIX | CALLS_RULE_SOCKET_NET, "socket", 0, UINT32_MAX, AF_UNIX},
    {CALLS_RULE_SOCKET_UNIX | CALLS_RULE_SOCKET_NET | CALLS_RULE_SOCKET_TCP |
         CALLS_RULE_SOCKET_PAIR,
     "socketpair", 0, UINT32_MAX, AF_UNIX},
    {CALLS_RULE_PERSONALITY, "personality", 0, UINT32_MAX, PER_LINUX},
    {CALLS_RULE_PERSONALITY, "personality", 0, UINT32_MAX, UINT32_MAX},
    {CALLS_RULE_PERSONALITY, "personality", 0, UINT32_MAX, ADDR_NO_RANDOMIZE},
    {CALLS_RULE_OWN_LIMITS, "prlimit64", 0, UINT32_MAX, 0},
    {CALLS_RULE_LIMITS, "prlimit64", 0, 0, 0},
    {CALLS_RULE_UNSHARE, "unshare", 0, CLONE_NEW_ANY, 0},
    {CALLS_RULE_TERMINAL, "ioctl", 0, 0, 0},
};

static const struct form refused_forms[] = {
    {CALLS_RULE_TERMINAL, "ioctl", 1, UINT32_MAX, TIOCSTI},
    {CALLS_RULE_TERMINAL, "ioctl", 1, UINT32_MAX, TIOCLINUX},
    {CALLS_RULE_TERMINAL, "ioctl", 1, UINT32_MAX, TIOCSETD},
    {CALLS_RULE_TERMINAL, "ioctl", 1, UINT32_MAX, TIOCCONS},
    /* The allow-list has these already; here they get their errno. */
    {CALLS_RULE_PROCESSES, "clone", 0, CLONE_NEWUSER, CLONE_NEWUSER},
    {CALLS_RULE_PROCESSES, "clone", 0, CLONE_NEWNS, CLONE_NEWNS},
    {CALLS_RULE_PROCESSES, "clone", 0, CLONE_NEWPID, CLONE_NEWPID},
    {CALLS_RULE_PROCESSES, "clone", 0, CLONE_NEWNET, CLONE_NEWNET},
    {CALLS_RULE_UNSHARE, "unshare", 0, CLONE_NEWUSER, CLONE_NEWUSER},
    {CALLS_RULE_UNSHARE, "unshare", 0, CLONE_NEWNS, CLONE_NEWNS},
    {CALLS_RULE_UNSHARE, "unshare", 0, CLONE_NEWPID, CLONE_NEWPID},
    {CALLS_RULE_UNSHARE, "unshare", 0, CLONE_NEWNET, CLONE_NEWNET},
    {CALLS_RULE_SHARED_HOST, "sendto", 3, MSG_FASTOPEN, MSG_FASTOPEN},
    {CALLS_RULE_SHARED_HOST, "ioctl", 1, 0xffffff00U, SIOC_FIRST},
    {CALLS_RULE_SHARED_HOST, "sendmsg", 2, MSG_FASTOPEN, MSG_FASTOPEN},
    {CALLS_RULE_SHARED_HOST, "sendmmsg", 3, MSG_FASTOPEN, MSG_FASTOPEN},
    /* An end of these sends, and gives descriptors, to any socket that has a name. */
    {CALLS_RULE_SHARED_HOST, "socketpair", 1, TYPE_MASK, SOCK_DGRAM},
    {CALLS_RULE_SHARED_HOST, "socketpair", 1, TYPE_MASK, SOCK_RAW}, /* is SOCK_DGRAM */
};

/* A process's number that must be 0: oneself. Compared whole, so no upper half hides it. */
static const struct own_form {
    const char *call;
    unsigned argument;
    uint64_t value;
} own_forms[] = {
    {"sched_setaffinity", 0, 0},
    {"sched_setscheduler", 0, 0},
    {"sched_setparam", 0, 0},
    {"sched_setattr", 0, 0},
    {"setpriority", 0, PRIO_PROCESS},
    {"setpriority", 1, 0},
    {"ioprio_set", 0, 1 /* IOPRIO_WHO_PROCESS */},
    {"ioprio_set", 1, 0},
};

/*
 * What CALLS_RULE_SOCKET_NET allows besides AF_UNIX. Type and protocol count: any other would
 * have the kernel load a module that nobody has use for, at a word of whoever asks.
 */
static const struct net_form {
    unsigned rule;
    int family, type, protocol;
} net_forms[] = {
    {CALLS_RULE_SOCKET_NET | CALLS_RULE_SOCKET_TCP, AF_INET, SOCK_STREAM, 0},
    {CALLS_RULE_SOCKET_NET | CALLS_RULE_SOCKET_TCP, AF_INET, SOCK_STREAM, IPPROTO_TCP},
    {CALLS_RULE_SOCKET_NET, AF_INET, SOCK_DGRAM, 0},
    {CALLS_RULE_SOCKET_NET, AF_INET, SOCK_DGRAM, IPPROTO_UDP},
    {CALLS_RULE_SOCKET_NET, AF_INET6, SOCK_STREAM, 0},
    {CALLS_RULE_SOCKET_NET, AF_INET6, SOCK_STREAM, IPPROTO_TCP},
    {CALLS_RULE_SOCKET_NET, AF_INET6, SOCK_DGRAM, 0},
    {CALLS_RULE_SOCKET_NET, AF_INET6, SOCK_DGRAM, IPPROTO_UDP},
    {CALLS_RULE_SOCKET_NET, AF_NETLINK, SOCK_RAW, NETLINK_ROUTE},
    {CALLS_RULE_SOCKET_NET, AF_NETLINK, SOCK_DGRAM, NETLINK_ROUTE},
};

static bool add_net_forms(scmp_filter_ctx filter, unsigned rules, struct fault *fault)
{
    for (size_t i = 0; i < COUNT(net_forms); i++) {
        const struct net_form *form = &net_forms[i];
        const struct scmp_arg_cmp wanted[] = {
            {.arg = 0,
             .op = SCMP_CMP_MASKED_EQ,
             .datum_a = UINT32_MAX,
             .datum_b = (uint64_t)form->family},
            {.arg = 1,
             .op = SCMP_CMP_MASKED_EQ,
             .datum_a = TYPE_MASK,
             .datum_b = (uint64_t)form->type},
            {.arg = 2,
             .op = SCMP_CMP_MASKED_EQ,
             .datum_a = UINT32_MAX,
             .datum_b = (uint64_t)form->protocol},
        };

        if ((form->rule & rules) != 0 &&
            !add(filter, SCMP_ACT_ALLOW, "socket", COUNT(wanted), wanted, fault))
            return false;
    }
    return true;
}

static bool add_form(scmp_filter_ctx filter, uint32_t action, const struct form *form,
                     struct fault *fault)
{
    struct scmp_arg_cmp wanted = {.arg = form->argument,
                                  .op = SCMP_CMP_MASKED_EQ,
                                  .datum_a = form->mask,
                                  .datum_b = form->value};

    return add(filter, action, form->call, form->mask == 0 ? 0 : 1, &wanted, fault);
}

/*
 * A limit of 1 is the only one that keeps the kernel from handing a core to a program of the
 * host, as core_pattern may say; a lower one would not. Programs that ask for none get what
 * they want.
 */
static bool keep_core_limit(scmp_filter_ctx filter, struct fault *fault)
{
    const struct scmp_arg_cmp set[] = {
        {.arg = 0, .op = SCMP_CMP_MASKED_EQ, .datum_a = UINT32_MAX, .datum_b = RLIMIT_CORE},
    };
    const struct scmp_arg_cmp own[] = {
        {.arg = 1, .op = SCMP_CMP_MASKED_EQ, .datum_a = UINT32_MAX, .datum_b = RLIMIT_CORE},
        {.arg = 2, .op = SCMP_CMP_NE, .datum_a = 0},
    };

    return add(filter, SCMP_ACT_ERRNO(0), "setrlimit", COUNT(set), set, fault) &&
           add(filter, SCMP_ACT_ERRNO(0), "prlimit64", COUNT(own), own, fault);
}

/*
 * System V objects outlive who makes them, and no limit of a process counts them. There are
 * 4096 segments and 32000 sets in a namespace: with these sizes 1 GiB and 512 MiB, not
 * everything.
 */
static const struct size_form {
    const char *call;
    unsigned argument;
    uint64_t most;
} ipc_sizes[] = {
    {"shmget", 1, 256 * 1024},
    {"semget", 1, 250},
};

/* What a kernel with such limits would say. */
static bool bound_ipc(scmp_filter_ctx filter, struct fault *fault)
{
    for (size_t i = 0; i < COUNT(ipc_sizes); i++) {
        const struct scmp_arg_cmp more = {
            .arg = ipc_sizes[i].argument, .op = SCMP_CMP_GT, .datum_a = ipc_sizes[i].most};

        if (!add(filter, SCMP_ACT_ERRNO(EINVAL), ipc_sizes[i].call, 1, &more, fault))
            return false;
    }
    return true;
}

static bool share_host(scmp_filter_ctx filter, struct fault *fault)
{
    const struct scmp_arg_cmp tcp[] = {
        {.arg = 1, .op = SCMP_CMP_MASKED_EQ, .datum_a = UINT32_MAX, .datum_b = IPPROTO_TCP},
    };

    for (size_t i = 0; i < COUNT(own_forms); i++) {
        const struct scmp_arg_cmp other[] = {
            {.arg = own_forms[i].argument, .op = SCMP_CMP_NE, .datum_a = own_forms[i].value}};

        if (!add(filter, SCMP_ACT_ERRNO(EPERM), own_forms[i].call, COUNT(other), other, fault))
            return false;
    }
    return add(filter, SCMP_ACT_ERRNO(0), "setsockopt", COUNT(tcp), tcp, fault);
}

bool calls_rules(struct calls_filter *filter, unsigned rules, struct fault *fault)
{
    for (size_t i = 0; i < COUNT(allowed_forms); i++)
        if ((allowed_forms[i].rule & rules) != 0 &&
            !add_form(filter->allow, SCMP_ACT_ALLOW, &allowed_forms[i], fault))
            return false;
    for (size_t i = 0; i < COUNT(refused_forms); i++)
        if ((refused_forms[i].rule & rules) != 0 &&
            !add_form(filter->refuse, SCMP_ACT_ERRNO(EPERM), &refused_forms[i], fault))
            return false;
    if (!add_net_forms(filter->allow, rules, fault))
        return false;
    if ((rules & CALLS_RULE_SHARED_HOST) != 0 && !share_host(filter->refuse, fault))
        return false;
    if ((rules & CALLS_RULE_IPC_SIZES) != 0 && !bound_ipc(filter->refuse, fault))
        return false;
    if ((rules & CALLS_RULE_CORE) != 0 && !keep_core_limit(filter->refuse, fault))
        return false;
    /* Its flags are in memory, where a filter cannot look; libc falls back to clone. */
    if ((rules & (CALLS_RULE_THREADS | CALLS_RULE_PROCESSES)) != 0)
        return calls_refuse(filter, "clone3", ENOSYS, fault);
    return true;
}

static const struct profile {
    unsigned groups;
    unsigned rules;
} profiles[ISOLATE_PROFILE_COUNT] = {
    [ISOLATE_SCAN] = {CALLS_BASE, CALLS_RULE_MEMORY | CALLS_RULE_OWN_LIMITS},
    [ISOLATE_VIEW] = {CALLS_BASE | CALLS_FILE | CALLS_RING,
                      CALLS_RULE_MEMORY | CALLS_RULE_OWN_LIMITS | CALLS_RULE_TERMINAL},
    [ISOLATE_GUARD] = {CALLS_BASE | CALLS_FILE, CALLS_RULE_MEMORY | CALLS_RULE_OWN_LIMITS |
                                                    CALLS_RULE_TERMINAL |
                                                    CALLS_RULE_SOCKET_PAIR},
    [ISOLATE_DOOR] = {CALLS_BASE | CALLS_SERVE, CALLS_RULE_MEMORY | CALLS_RULE_OWN_LIMITS},
    [ISOLATE_GATEWAY] = {CALLS_BASE | CALLS_SERVE | CALLS_FILE | CALLS_SOCKET | CALLS_THREAD,
                         CALLS_RULE_EXEC_MEMORY | CALLS_RULE_THREADS | CALLS_RULE_SOCKET_NET |
                             CALLS_RULE_OWN_LIMITS | CALLS_RULE_TERMINAL},
    [ISOLATE_COLLECT] = {CALLS_BASE | CALLS_SERVE | CALLS_FILE | CALLS_SOCKET | CALLS_THREAD |
                             CALLS_PROGRAM,
                         CALLS_RULE_EXEC_MEMORY | CALLS_RULE_PROCESSES |
                             CALLS_RULE_SOCKET_UNIX | CALLS_RULE_LIMITS | CALLS_RULE_TERMINAL},
    [ISOLATE_LEDGER] = {CALLS_BASE | CALLS_SERVE | CALLS_FILE | CALLS_SOCKET | CALLS_RING,
                        CALLS_RULE_EXEC_MEMORY | CALLS_RULE_SOCKET_UNIX |
                            CALLS_RULE_OWN_LIMITS | CALLS_RULE_TERMINAL},
    [ISOLATE_UNPACK] = {CALLS_BASE | CALLS_FILE, CALLS_RULE_MEMORY | CALLS_RULE_OWN_LIMITS},
    [ISOLATE_OBSERVER] = {CALLS_BASE | CALLS_FILE | CALLS_WATCH,
                          CALLS_RULE_MEMORY | CALLS_RULE_OWN_LIMITS},
};

bool calls_of_profile(enum isolate_profile profile, struct calls_filter *ret_filter,
                      struct fault *fault)
{
    struct calls_filter filter = {0};

    if (!calls_begin(EPERM, &filter, fault))
        return false;
    if (!calls_allow(&filter, profiles[profile].groups, fault) ||
        !calls_rules(&filter, profiles[profile].rules, fault)) {
        calls_end(&filter);
        return false;
    }
    *ret_filter = filter;
    return true;
}
