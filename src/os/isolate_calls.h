/*
 * os/isolate_calls.h - every system call that something of ours may make, in groups.
 *
 * A profile is a set of groups; the cell's filter is all of them but for its own refusals. A
 * call that is in no group is refused everywhere, so a new kernel's new call is refused until
 * it is judged here.
 */
#ifndef CUSTODY_OS_ISOLATE_CALLS_H
#define CUSTODY_OS_ISOLATE_CALLS_H

#include <linux/filter.h>
#include <seccomp.h>
#include <stddef.h>

#include "base/fault.h"
#include "os/isolate.h"

enum calls_group {
    CALLS_BASE = 1,     /* descriptors one has, memory, time, waiting, ending */
    CALLS_SERVE = 2,    /* accept and answer on sockets one has */
    CALLS_FILE = 4,     /* files by name */
    CALLS_SOCKET = 8,   /* sockets of one's own; families by argument rule */
    CALLS_THREAD = 16,  /* threads, not processes */
    CALLS_PROGRAM = 32, /* processes and programs */
    CALLS_AGENT = 64,   /* what only third-party programs use */
    CALLS_WATCH = 256,  /* marks of fanotify, in a group that was made before */
    CALLS_RING = 128,   /* an io_uring that was made, and bound to a few operations, before */
};

struct calls_row {
    const char *name;
    unsigned group; /* one of enum calls_group */
};

extern const struct calls_row calls_table[];
extern const size_t calls_count;

/* The call's number here, or -1: this architecture (or this libseccomp) does not know it. */
int calls_number(const char *name);

/*
 * Two filters, both installed: an allow-list, and refusals of single argument values, which an
 * allow-list cannot say (libseccomp drops a refusal below a broader permission).
 */
struct calls_filter {
    scmp_filter_ctx allow;  /* what no rule names answers an errno */
    scmp_filter_ctx refuse; /* what no rule names is allowed */
    int otherwise;          /* the errno of what is not allowed */
};

/* `otherwise`: the errno of a call that is not allowed. Free with calls_end. */
MUST_USE bool calls_begin(int otherwise, struct calls_filter *ret_filter, struct fault *fault);
void calls_end(struct calls_filter *filter);
/* Allows the calls of `groups` that need no rule about arguments (see calls_has_rule). */
MUST_USE bool calls_allow(struct calls_filter *filter, unsigned groups, struct fault *fault);
/* Answers `error` to one call, whatever its arguments. Unknown names are passed over. */
MUST_USE bool calls_refuse(struct calls_filter *filter, const char *name, int error,
                           struct fault *fault);

/* The same to a call that calls_allow allows: the refusal counts more. */
MUST_USE bool calls_forbid(struct calls_filter *filter, const char *name, int error,
                           struct fault *fault);

/* Each allows calls for certain arguments only; a ruled call without its rule is refused. */
enum calls_rule {
    CALLS_RULE_MEMORY = 1,          /* mmap, mprotect without PROT_EXEC */
    CALLS_RULE_EXEC_MEMORY = 2,     /* mmap, mprotect of any kind */
    CALLS_RULE_THREADS = 4,         /* clone with CLONE_THREAD only; clone3 answers ENOSYS */
    CALLS_RULE_PROCESSES = 8,       /* clone without CLONE_NEW*; clone3 answers ENOSYS */
    CALLS_RULE_SOCKET_UNIX = 16,    /* socket, socketpair: AF_UNIX only */
    CALLS_RULE_SOCKET_NET = 32,     /* socket: also TCP, UDP, AF_NETLINK route */
    CALLS_RULE_TERMINAL = 64,       /* ioctl without TIOCSTI, TIOCLINUX, TIOCSETD, TIOCCONS */
    CALLS_RULE_PERSONALITY = 128,   /* personality: asking, PER_LINUX, ADDR_NO_RANDOMIZE */
    CALLS_RULE_OWN_LIMITS = 256,    /* prlimit64 of oneself only */
    CALLS_RULE_LIMITS = 512,        /* prlimit64 */
    CALLS_RULE_UNSHARE = 1024,      /* unshare of descriptors and folders, no namespace */
    CALLS_RULE_IPC_SIZES = 4096,    /* shmget, semget: small ones, as few programs need them */
    CALLS_RULE_SOCKET_TCP = 8192,   /* socket: TCP over IPv4 only; socketpair: AF_UNIX */
    CALLS_RULE_SOCKET_PAIR = 16384, /* socketpair: AF_UNIX */
    /*
     * For a process that shares the host's namespaces: priorities and processors of oneself
     * only; no data along with a connection's first packet, which would name an address that
     * nobody has judged; no pairs of datagram sockets, which send to any that has a path;
     * options of TCP are taken, and do nothing; no ioctl of interfaces.
     */
    CALLS_RULE_SHARED_HOST = 32768,
    CALLS_RULE_CORE = 2048, /* setting the limit of core dumps is taken, and does nothing */
};
MUST_USE bool calls_rules(struct calls_filter *filter, unsigned rules, struct fault *fault);
/* The calls whose permission depends on rules, so that calls_allow leaves them out. */
bool calls_has_rule(const char *name);

/* Builds a profile's; free with calls_end. */
MUST_USE bool calls_of_profile(enum isolate_profile profile, struct calls_filter *ret_filter,
                               struct fault *fault);

/* A filter as the kernel takes it; made from a struct calls_filter when custody is built. */
struct calls_program {
    const struct sock_filter *at;
    unsigned short count;
};
struct calls_programs {
    struct calls_program allow, refuse;
};
extern const struct calls_programs isolate_programs[ISOLATE_PROFILE_COUNT];

/* For the calling process and what it starts. no_new_privs must be set. */
MUST_USE bool calls_install(const struct calls_program *program, struct fault *fault);

#endif
