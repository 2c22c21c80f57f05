#include "roles/ledger_role/relay.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/bytes.h"
#include "os/spawn.h"
#include "roles/witness/relay.h"

#define FIRST_ROUND_MS                                                                        \
    15000 /* a witness takes 5 s to be silent; whoever starts us waits 30 s */

/* Ends after the daemon. */
static void become_relay(int home_fd, int daemon)
{
    struct witness_relay relay = {.home_fd = home_fd, .daemon = daemon};
    const int keep[] = {home_fd, daemon};

    spawn_close_others(keep, COUNT(keep));
    (void)prctl(PR_SET_NAME, "custody-relay");
    _exit(witness_relay_serve(&relay));
}

void ledger_relay_start(int home_fd, int *ret_socket)
{
    int ends[2];
    pid_t pid;

    *ret_socket = -1;
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) < 0)
        return;
    (void)signal(SIGCHLD, SIG_IGN); /* nobody waits for it */
    pid = fork();
    if (pid == 0)
        become_relay(home_fd, ends[1]);
    (void)close(ends[1]);
    *ret_socket = ends[0];
}

bool ledger_relay_take(int socket, struct ledger_quorum *quorum)
{
    for (;;) {
        struct witness_report report;
        ssize_t got = recv(socket, &report, sizeof(report), MSG_DONTWAIT | MSG_TRUNC);

        if (got == (ssize_t)sizeof(report)) {
            ledger_quorum_report(quorum, &report);
        } else if (got >= 0 || (errno != EINTR && errno != EAGAIN)) {
            ledger_quorum_relay_ended(quorum);
            return false;
        } else if (errno == EAGAIN) {
            return true;
        }
    }
}

void ledger_relay_catch_up(int socket, struct ledger_quorum *quorum)
{
    struct pollfd ready = {.fd = socket, .events = POLLIN};

    if (ledger_quorum_level(quorum) != LEDGER_QUORUM_MISSING)
        return;
    if (socket < 0)
        ledger_quorum_relay_ended(quorum);
    else if (poll(&ready, 1, FIRST_ROUND_MS) > 0)
        (void)ledger_relay_take(socket, quorum);
}
