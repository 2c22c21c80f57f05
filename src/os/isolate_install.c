/* Filters of system calls, as they were built with the program. */
#include <errno.h>
#include <linux/seccomp.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "os/isolate.h"
#include "os/isolate_calls.h"

bool calls_install(const struct calls_program *program, struct fault *fault)
{
    const struct sock_fprog filter = {.len = program->count,
                                      .filter = (struct sock_filter *)(uintptr_t)program->at};

    if (syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &filter) == 0)
        return true;
    (void)fault_errno(fault, "load a filter of system calls");
    fault->kind = FAULT_HOST;
    return false;
}

bool isolate_syscalls(enum isolate_profile profile, struct fault *fault)
{
    const struct calls_programs *programs = &isolate_programs[profile];

    /* The allow-list goes last: it refuses the call that loads a filter. */
    return isolate_no_new_privs(fault) && calls_install(&programs->refuse, fault) &&
           calls_install(&programs->allow, fault);
}
