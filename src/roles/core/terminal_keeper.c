#include "roles/core/terminal_keeper.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/scope.h"
#include "os/spawn.h"
#include "roles/core/stream.h"

#define CANCEL "\x18" /* whatever sequence was cut off */
#define DONE 'd'
#define WRITE_S 2

/* Shared. Core may be killed at any moment: what is being written is not what is read. */
struct noted {
    _Atomic unsigned which;
    struct {
        size_t len;
        uint8_t text[CORE_UNDO_BYTES];
    } undo[2];
};

/* Process-wide, as standard input is. */
static struct {
    pid_t pid;
    int pipe;
    struct noted *noted;
} keeper = {.pid = -1, .pipe = -1};

static bool are_equal(const struct termios *a, const struct termios *b)
{
    return a->c_iflag == b->c_iflag && a->c_oflag == b->c_oflag && a->c_cflag == b->c_cflag &&
           a->c_lflag == b->c_lflag && memcmp(a->c_cc, b->c_cc, sizeof(a->c_cc)) == 0;
}

static void put_back(const struct termios *before, const struct termios *raw, int out,
                     pid_t group, const struct noted *noted)
{
    unsigned which = atomic_load(&noted->which);
    struct termios now;
    bool is_raw = tcgetattr(0, &now) == 0 && are_equal(&now, raw);

    if (!is_raw && tcgetpgrp(0) != group)
        return;
    if (is_raw) {
        (void)tcsetattr(0, TCSANOW, before);
        (void)tcflush(0, TCIFLUSH);
    }
    /* Nobody may be reading, and the descriptor's modes are others', too. */
    (void)signal(SIGALRM, SIG_DFL);
    (void)alarm(WRITE_S);
    (void)!write(out, CANCEL, strlen(CANCEL));
    (void)!write(out, noted->undo[which].text, noted->undo[which].len);
}

/* In a process group of its own: what is sent to core's does not end it. */
static void keep(const struct termios *before, const struct termios *raw, int out, int pipe,
                 pid_t group, const struct noted *noted)
{
    char byte = 0;
    ssize_t got;

    for (int number = 1; number < 32; number++)
        (void)signal(number, SIG_IGN); /* SIGTTOU, too: it may set modes from the background */
    (void)setpgid(0, 0);
    (void)prctl(PR_SET_NAME, "custody-keeper");
    spawn_close_others((const int[]){out, pipe}, 2);
    do
        got = read(pipe, &byte, 1);
    while (got < 0 && errno == EINTR);
    if (got <= 0 || byte != DONE)
        put_back(before, raw, out, group, noted);
    _exit(0);
}

bool terminal_keeper_start(const struct termios *before, const struct termios *raw, int out,
                           struct fault *fault)
{
    int ends[2];
    pid_t group = getpgrp();

    keeper.noted = mmap(NULL, sizeof(*keeper.noted), PROT_READ | PROT_WRITE,
                        MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (keeper.noted == MAP_FAILED) {
        keeper.noted = NULL;
        return fault_errno(fault, "share a page with the terminal's keeper");
    }
    if (pipe2(ends, O_CLOEXEC) < 0)
        return fault_errno(fault, "make a pipe for the terminal's keeper");
    keeper.pid = fork();
    if (keeper.pid == 0) {
        (void)close(ends[1]);
        keep(before, raw, out, ends[0], group, keeper.noted);
    }
    (void)close(ends[0]);
    keeper.pipe = ends[1];
    return keeper.pid > 0 || fault_errno(fault, "start the terminal's keeper");
}

void terminal_keeper_note(struct slice undo)
{
    unsigned next;

    if (keeper.noted == NULL || undo.len > CORE_UNDO_BYTES)
        return;
    next = 1 - atomic_load(&keeper.noted->which);
    keeper.noted->undo[next].len = undo.len;
    if (undo.len > 0)
        memcpy(keeper.noted->undo[next].text, undo.at, undo.len);
    atomic_store(&keeper.noted->which, next);
}

void terminal_keeper_end(void)
{
    const char done = DONE;

    if (keeper.pipe >= 0)
        (void)!write(keeper.pipe, &done, 1);
    scope_close(&keeper.pipe);
    if (keeper.pid > 0)
        while (waitpid(keeper.pid, NULL, 0) < 0 && errno == EINTR)
            continue;
    keeper.pid = -1;
    if (keeper.noted != NULL)
        (void)munmap(keeper.noted, sizeof(*keeper.noted));
    keeper.noted = NULL;
}
