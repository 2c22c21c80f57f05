#include "view/serve_caller.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/scope.h"

#define BY_FLAGS(argument) (-1 - (argument)) /* an open: its flags are that argument */
#define ARGUMENTS 6

/*
 * Not openat2: its flags are in memory that another thread may change, so what it says is
 * never believed. What is not here is unknown.
 */
static const struct {
    long number;
    int act;
} acts[] = {
#ifdef SYS_open
    {SYS_open, BY_FLAGS(1)},          {SYS_creat, CALLER_WRITES},
    {SYS_stat, CALLER_ASKS},          {SYS_lstat, CALLER_ASKS},
    {SYS_access, CALLER_ASKS},
#endif
    {SYS_openat, BY_FLAGS(2)},        {SYS_truncate, CALLER_WRITES},
    {SYS_setxattr, CALLER_WRITES},    {SYS_lsetxattr, CALLER_WRITES},
    {SYS_removexattr, CALLER_WRITES}, {SYS_lremovexattr, CALLER_WRITES},
    {SYS_execve, CALLER_READS},       {SYS_execveat, CALLER_READS},
    {SYS_fstat, CALLER_ASKS},         {SYS_newfstatat, CALLER_ASKS},
    {SYS_statx, CALLER_ASKS},         {SYS_faccessat, CALLER_ASKS},
#ifdef SYS_faccessat2
    {SYS_faccessat2, CALLER_ASKS},
#endif
    {SYS_chdir, CALLER_ASKS},         {SYS_getxattr, CALLER_ASKS},
    {SYS_lgetxattr, CALLER_ASKS},     {SYS_fgetxattr, CALLER_ASKS},
    {SYS_listxattr, CALLER_ASKS},     {SYS_llistxattr, CALLER_ASKS},
    {SYS_flistxattr, CALLER_ASKS},
};

static enum caller_act act_of_flags(unsigned long flags)
{
    bool writes = (flags & O_ACCMODE) != O_RDONLY || (flags & O_TRUNC) != 0;

    return (flags & O_PATH) != 0 ? CALLER_ASKS : writes ? CALLER_WRITES : CALLER_READS;
}

/* "257 0xffffff9c 0x7ffd... 0x80241 ...": number and arguments. "-1 ..." is no system call (a
 * page fault), "running" is nobody who waits for us. */
enum caller_act caller_act_of(struct slice text)
{
    unsigned long words[1 + ARGUMENTS] = {0};
    struct slice rest = text, word;
    size_t count = 0;

    while (count < COUNT(words) && slice_cut(&rest, ' ', &word)) {
        AUTO_FREE char *copy = slice_dup(word);
        char *end;

        words[count++] = strtoul(copy, &end, 0);
        if (end == copy || *copy == '-')
            return CALLER_UNKNOWN;
    }
    for (size_t i = 0; i < COUNT(acts); i++) {
        if (acts[i].number != (long)words[0])
            continue;
        if (acts[i].act >= 0)
            return (enum caller_act)acts[i].act;
        return count == COUNT(words) ? act_of_flags(words[-acts[i].act]) : CALLER_UNKNOWN;
    }
    return CALLER_UNKNOWN;
}

enum caller_act caller_act(int proc_fd, pid_t pid)
{
    AUTO_CLOSE int fd = -1;
    char name[32], text[256];
    ssize_t got;

    if (pid <= 0 || proc_fd < 0)
        return CALLER_UNKNOWN;
    (void)snprintf(name, sizeof(name), "%d/syscall", (int)pid);
    fd = openat(proc_fd, name, O_RDONLY | O_CLOEXEC);
    got = fd < 0 ? -1 : read(fd, text, sizeof(text));
    return got <= 0 ? CALLER_UNKNOWN : caller_act_of(slice_of_bytes(text, (size_t)got));
}
