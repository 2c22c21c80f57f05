#include "ledger/witness_files.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include "base/scope.h"
#include "ledger/witness.h"
#include "os/file.h"

bool witness_files_open(int folder, struct witness_files *ret_files, struct fault *fault)
{
    AUTO_CLOSE int lock =
        openat(folder, "lock", O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);

    if (lock < 0)
        return fault_errno(fault, "open lock");
    if (flock(lock, LOCK_EX | LOCK_NB) < 0)
        return errno == EWOULDBLOCK
                   ? fault_set(fault, FAULT_CONFLICT, "another witness is at work here")
                   : fault_errno(fault, "lock");
    *ret_files = (struct witness_files){.folder = folder, .lock = take_fd(&lock)};
    return true;
}

void witness_files_close(struct witness_files *files)
{
    scope_close(&files->lock);
}

/* The folder of an origin, durable itself. */
static bool open_origin(const struct witness_files *files, struct slice origin,
                        int *ret_folder, struct fault *fault)
{
    char name[WITNESS_ORIGIN_TEXT_BYTES];

    witness_origin_text(origin, name);
    if (!file_open_folder(files->folder, name, 0755, ret_folder, fault))
        return false;
    if (fsync(files->folder) == 0)
        return true;
    scope_close(ret_folder);
    return fault_errno(fault, "sync the witness's folder");
}

static bool load(void *self, struct slice origin, struct buf *ret_note, struct fault *fault)
{
    const struct witness_files *files = self;
    char name[WITNESS_ORIGIN_TEXT_BYTES];
    AUTO_FREE char *path = NULL;

    witness_origin_text(origin, name);
    path = xformat("%s/checkpoint", name);
    return file_read(files->folder, path, ret_note, fault);
}

static bool save(void *self, struct slice origin, struct slice note, struct fault *fault)
{
    AUTO_CLOSE int folder = -1;

    return open_origin(self, origin, &folder, fault) &&
           file_replace_durably(folder, "checkpoint", note, 0644, fault);
}

static size_t count_names(int folder)
{
    int fd = openat(folder, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *dir = fd < 0 ? NULL : fdopendir(fd);
    size_t count = 0;

    if (dir == NULL) {
        scope_close(&fd);
        return 0;
    }
    while (readdir(dir) != NULL)
        count++;
    (void)closedir(dir);
    return count;
}

static bool keep(void *self, struct slice origin, struct slice note, struct fault *fault)
{
    char name[WITNESS_ORIGIN_TEXT_BYTES];
    AUTO_CLOSE int folder = -1;
    AUTO_CLOSE int refused = -1;

    if (!open_origin(self, origin, &folder, fault) ||
        !file_open_folder(folder, "refused", 0755, &refused, fault))
        return false;
    witness_origin_text(note, name); /* the same note has the same name */
    if (file_exists(refused, name) || count_names(refused) > WITNESS_REFUSED_MAX)
        return true;
    return file_replace_durably(refused, name, note, 0644, fault);
}

struct witness_store witness_files_store(struct witness_files *files)
{
    return (struct witness_store){.load = load, .save = save, .keep = keep, .self = files};
}
