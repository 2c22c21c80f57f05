#include "roles/core/terminal.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

#include "base/scope.h"

/* Process-wide, as standard input is. */
static struct termios before;
static bool changed;

bool core_terminal_open(int *ret_master, int *ret_slave, struct fault *fault)
{
    /* Who types more than the agent reads must not hold us up. */
    AUTO_CLOSE int master = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC | O_NONBLOCK);
    char name[64];
    int slave;

    if (master < 0 || grantpt(master) < 0 || unlockpt(master) < 0 ||
        ptsname_r(master, name, sizeof(name)) != 0)
        return fault_errno(fault, "open a terminal");
    slave = open(name, O_RDWR | O_NOCTTY | O_CLOEXEC);
    if (slave < 0)
        return fault_errno(fault, "open %s", name);
    *ret_master = take_fd(&master);
    *ret_slave = slave;
    return true;
}

void core_terminal_raw(void)
{
    struct termios now;

    if (!changed && tcgetattr(0, &before) < 0)
        return;
    now = before;
    cfmakeraw(&now);
    changed = tcsetattr(0, TCSANOW, &now) == 0 || changed;
}

void core_terminal_restore(void)
{
    pid_t foreground = tcgetpgrp(0);

    if (!changed)
        return;
    changed = false;
    /* In the background it is somebody else's now, and asking would stop us. */
    if (foreground >= 0 && foreground != getpgrp())
        return;
    (void)tcsetattr(0, TCSANOW, &before);
    (void)tcflush(0, TCIFLUSH);
}

void core_terminal_resize(int master)
{
    struct winsize size;

    if (ioctl(0, TIOCGWINSZ, &size) == 0)
        (void)ioctl(master, TIOCSWINSZ, &size);
}
