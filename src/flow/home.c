#include "flow/home.h"

#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/scope.h"
#include "os/file.h"

char *home_path(void)
{
    const char *named = getenv("CUSTODY_HOME");
    const char *state = getenv("XDG_STATE_HOME");
    const char *person = getenv("HOME");

    if (named != NULL && named[0] != 0)
        return xstrdup(named);
    if (geteuid() == 0)
        return xstrdup("/var/lib/custody");
    if (state != NULL && state[0] == '/')
        return xformat("%s/custody", state);
    return person == NULL || person[0] != '/' ? NULL
                                              : xformat("%s/.local/state/custody", person);
}

static bool open_home(bool make, struct home *ret_home, struct fault *fault)
{
    AUTO_FREE char *path = home_path();
    AUTO_CLOSE int fd = -1;
    AUTO_FREE char *whole = NULL;

    if (path == NULL)
        return fault_set(fault, FAULT_INVALID, "no state folder: set CUSTODY_HOME or HOME");
    if (make && !file_make_folders(path, 0711, fault))
        return fault_in(
            fault, "make the state folder %s (set CUSTODY_HOME to have it elsewhere)", path);
    fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) {
        (void)fault_errno(fault, "open the state folder %s", path);
        if (fault->kind == FAULT_MISSING)
            return fault_set(fault, FAULT_MISSING,
                             "there is no state folder %s yet: run `custody init` first",
                             path);
        if (fault->kind == FAULT_DENIED)
            return fault_set(fault, FAULT_INVALID,
                             "open the state folder %s: it is another user's: be that user "
                             "(sudo), or set CUSTODY_HOME",
                             path);
        return false;
    }
    whole = realpath(path, NULL);
    if (whole == NULL)
        return fault_errno(fault, "resolve %s", path);
    ret_home->path = take_pointer(&whole);
    ret_home->fd = take_fd(&fd);
    return true;
}

/* What an agent starts finds neither the ledger nor a way to confine anything. */
static bool is_outside_cells(struct fault *fault)
{
    const char *run = getenv(HOME_RUN_VARIABLE);

    return run == NULL ||
           fault_set(fault, FAULT_HOST,
                     "this is the cell of run %.64s (%s is set): custody works outside of "
                     "cells only, docs/containers.md",
                     run, HOME_RUN_VARIABLE);
}

bool home_open(bool make, struct home *ret_home, struct fault *fault)
{
    if (!is_outside_cells(fault) || !open_home(make, ret_home, fault))
        return false;
    if (!file_exists(ret_home->fd, HOME_RESTORING))
        return true;
    (void)fault_set(fault, FAULT_CONFLICT,
                    "%s: a restore was cut off; do it again with `custody restore`",
                    ret_home->path);
    home_close(ret_home);
    return false;
}

bool home_open_to_restore(struct home *ret_home, struct fault *fault)
{
    return open_home(true, ret_home, fault);
}

void home_close(struct home *home)
{
    scope_free(&home->path);
    home->path = NULL;
    scope_close(&home->fd);
}
