#include "roles/ledger_role/reserve.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/scope.h"
#include "os/file.h"

#define NAME "reserve"
#define PIECE_BYTES (256 * 1024)

bool ledger_reserve_is_there(int folder)
{
    struct stat stat;

    return fstatat(folder, NAME, &stat, AT_SYMLINK_NOFOLLOW) == 0 && S_ISREG(stat.st_mode) &&
           stat.st_size == LEDGER_RESERVE_BYTES;
}

/* Where blocks cannot be allocated without writing to them. */
static bool write_all(int fd, struct fault *fault)
{
    AUTO_FREE uint8_t *zeros = xalloc(PIECE_BYTES);

    for (size_t at = 0; at < LEDGER_RESERVE_BYTES; at += PIECE_BYTES)
        if (!file_write_all(fd, slice_of_bytes(zeros, PIECE_BYTES), fault))
            return false;
    return true;
}

bool ledger_reserve_make(int folder, struct fault *fault)
{
    AUTO_CLOSE int fd =
        openat(folder, NAME, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
    bool ok;

    if (fd < 0)
        return fault_errno(fault, "make the reserve");
    ok = fallocate(fd, 0, 0, LEDGER_RESERVE_BYTES) == 0;
    if (!ok && errno != EOPNOTSUPP)
        (void)fault_errno(fault, "make the reserve");
    else
        ok = ok || write_all(fd, fault);
    if (!ok)
        (void)unlinkat(folder, NAME, 0);
    return ok;
}

bool ledger_reserve_give_up(int folder)
{
    return unlinkat(folder, NAME, 0) == 0;
}
