#include "cell/lister.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/openat2.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/scope.h"

#define LISTING_BYTES (128 * 1024) /* the kernel asks the view for as much at a time */

bool lister_take(int asked, int repository)
{
    static uint8_t room[LISTING_BYTES];
    /* The agent may have put a link in the place of any folder since, to pid 1's own /proc. */
    const struct open_how how = {.flags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC,
                                 .resolve =
                                     RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_XDEV};
    char path[PATH_MAX];
    AUTO_CLOSE int folder = -1;
    ssize_t len = recv(asked, path, sizeof(path) - 1, MSG_DONTWAIT);

    if (len <= 0)
        return len < 0 && (errno == EAGAIN || errno == EINTR);
    path[len] = '\0';
    folder = (int)syscall(SYS_openat2, repository, path, &how, sizeof(how));
    while (folder >= 0 && syscall(SYS_getdents64, folder, room, sizeof(room)) > 0)
        continue;
    return true;
}
