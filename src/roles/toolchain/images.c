#include "roles/toolchain/images.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/scope.h"
#include "os/file.h"

#define DAY_US INT64_C(86400000000)

bool image_hold(int folder, int *ret_hold, struct fault *fault)
{
    AUTO_CLOSE int hold = openat(folder, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    if (hold < 0)
        return fault_errno(fault, "hold the unpacked image");
    if (flock(hold, LOCK_SH | LOCK_NB) < 0)
        return fault_set(fault, FAULT_CONFLICT,
                         "the unpacked image is being removed: try again");
    if (futimens(hold, NULL) < 0)
        return fault_errno(fault, "note that the image is used");
    *ret_hold = take_fd(&hold);
    return true;
}

/* Under another name first: nobody finds half of one. */
static bool remove_image(int images, const char *name, struct fault *fault)
{
    AUTO_FREE char *going = xformat(".removed-%s", name);

    return (renameat(images, name, images, going) == 0 ||
            fault_errno(fault, "remove an unpacked image")) &&
           file_remove_tree(images, going, fault);
}

static bool sweep_one(int images, const char *name, bool all, int64_t now_us,
                      size_t *ret_removed, struct fault *fault)
{
    AUTO_CLOSE int folder =
        openat(images, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
    struct stat stat;

    if (folder < 0 || fstat(folder, &stat) < 0 || flock(folder, LOCK_EX | LOCK_NB) < 0)
        return true; /* no folder, or a run holds it */
    if (!all && now_us - (int64_t)stat.st_mtim.tv_sec * 1000000 <= IMAGES_UNUSED_DAYS * DAY_US)
        return true;
    ++*ret_removed;
    return remove_image(images, name, fault);
}

bool images_sweep(int home_fd, bool all, int64_t now_us, size_t *ret_removed,
                  struct fault *fault)
{
    int images = openat(home_fd, "cache/" IMAGES_FOLDER,
                        O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
    DIR *listing = images < 0 ? NULL : fdopendir(images);
    bool ok = true;

    if (listing == NULL) {
        if (images < 0 && errno == ENOENT)
            return true;
        if (images >= 0)
            (void)close(images);
        return fault_errno(fault, "list the unpacked images");
    }
    for (const struct dirent *entry; ok && (entry = readdir(listing)) != NULL;)
        if (entry->d_name[0] != '.' && strcmp(entry->d_name, "lock") != 0)
            ok = sweep_one(images, entry->d_name, all, now_us, ret_removed, fault);
    (void)closedir(listing);
    return ok;
}
