#include "roles/core/terminal.h"

#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

#include "base/scope.h"
#include "os/clock_real.h"
#include "roles/core/terminal_keeper.h"

#define ANSWER_MS 300

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

static struct termios raw_of(struct termios modes)
{
    cfmakeraw(&modes);
    return modes;
}

bool core_terminal_give(int out, struct fault *fault)
{
    struct termios raw;

    if (tcgetattr(0, &before) < 0)
        return fault_errno(fault, "look at the terminal");
    raw = raw_of(before);
    if (!terminal_keeper_start(&before, &raw, out, fault))
        return false;
    core_terminal_raw();
    return true;
}

void core_terminal_raw(void)
{
    struct termios raw = raw_of(before);

    changed = tcsetattr(0, TCSANOW, &raw) == 0 || changed;
}

/*
 * Answers come in the order of the questions. The one that only custody asks is the last:
 * "are you well?" (DSR 5), and "yes" is CSI 0 n.
 */
static void await_answers(int terminal)
{
    static const char question[] = "\x1b[5n", answer[] = "\x1b[0n";
    int64_t until_us = clock_monotonic_us(&clock_real) + ANSWER_MS * 1000;
    struct pollfd room = {.fd = terminal, .events = POLLOUT};
    struct pollfd ready = {.fd = 0, .events = POLLIN};
    size_t matched = 0;
    char byte;

    if (poll(&room, 1, 0) <= 0 || write(terminal, question, strlen(question)) < 0)
        return;
    while (answer[matched] != '\0') {
        int64_t left_us = until_us - clock_monotonic_us(&clock_real);

        if (left_us <= 0 || poll(&ready, 1, (int)(left_us / 1000) + 1) <= 0 ||
            read(0, &byte, 1) != 1)
            return;
        matched = byte == answer[matched] ? matched + 1 : byte == answer[0];
    }
}

static void restore(int asked)
{
    pid_t foreground = tcgetpgrp(0);

    if (!changed)
        return;
    changed = false;
    /* In the background it is somebody else's now, and asking would stop us. */
    if (foreground >= 0 && foreground != getpgrp())
        return;
    if (asked >= 0)
        await_answers(asked);
    (void)tcsetattr(0, TCSANOW, &before);
    (void)tcflush(0, TCIFLUSH);
}

void core_terminal_restore(int asked)
{
    restore(asked);
    terminal_keeper_end();
}

void core_terminal_resize(int master)
{
    struct winsize size;

    if (ioctl(0, TIOCGWINSZ, &size) == 0)
        (void)ioctl(master, TIOCSWINSZ, &size);
}
