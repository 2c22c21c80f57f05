#include "cell/terminal.h"

#include <fcntl.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/scope.h"
#include "cell/plan.h"

bool cell_terminal_make(const struct cell_plan *plan, int *ret_master, int *ret_slave,
                        struct fault *fault)
{
    AUTO_CLOSE int master = open("/dev/pts/ptmx", O_RDWR | O_NOCTTY | O_CLOEXEC | O_NONBLOCK);
    AUTO_CLOSE int slave = -1;
    const int unlocked = 0;

    if (master < 0 || ioctl(master, TIOCSPTLCK, &unlocked) < 0)
        return fault_errno(fault, "make the agent's terminal");
    slave = ioctl(master, TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC);
    if (slave < 0)
        return fault_errno(fault, "open the agent's terminal");
    if (plan_is_privileged(plan) && fchown(slave, plan->uid, plan->gid) < 0)
        return fault_errno(fault, "give the agent its terminal");
    *ret_master = take_fd(&master);
    *ret_slave = take_fd(&slave);
    return true;
}
