#include "commands/ledger.h"

#include <fcntl.h>

#include "base/scope.h"
#include "flow/home.h"
#include "ledger/verify_files.h"
#include "os/file.h"

static bool open_own(int *ret_folder, struct fault *fault)
{
    struct home home;
    int folder;

    if (!home_open(false, &home, fault))
        return false;
    folder = openat(home.fd, "ledger", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (folder < 0)
        (void)fault_errno(fault, "open %s/ledger", home.path);
    home_close(&home);
    *ret_folder = folder;
    return folder >= 0;
}

bool ledger_open(const char *word, int *ret_folder, struct fault *fault)
{
    int folder;

    if (word == NULL)
        return open_own(ret_folder, fault);
    folder = open(word, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (folder < 0)
        return fault_errno(fault, "open %s", word);
    *ret_folder = folder;
    return true;
}

bool ledger_key(const char *word, int folder, struct buf *ret_key, struct fault *fault)
{
    return word == NULL ? file_read(folder, "../keys/ledger.vkey", ret_key, fault)
                        : verify_files_key(word, ret_key, fault);
}
