#include "roles/records/build_caches.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/scope.h"
#include "os/file.h"

#define NAME_BYTES_MAX 8192
#define DAY_US INT64_C(86400000000)

static bool write_name(int folder, const struct build_cache_name *name, struct fault *fault)
{
    AUTO_FREE char *text = xformat("%s\n%s\n", name->root, name->role);

    return file_exists(folder, "name") ||
           file_create(folder, "name", slice_of(text), 0600, fault);
}

bool build_cache_take(int home_fd, const struct build_cache_name *name, int *ret_folder,
                      int *ret_lock, bool *ret_is_taken, struct fault *fault)
{
    AUTO_CLOSE int all = -1, repository = -1, folder = -1, lock = -1;

    if (!file_open_folder(home_fd, BUILD_CACHES_FOLDER, 0700, &all, fault) ||
        !file_open_folder(all, name->repository, 0700, &repository, fault) ||
        !file_open_folder(repository, name->key, 0700, &folder, fault))
        return false;
    lock = openat(folder, "lock", O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (lock < 0)
        return fault_errno(fault, "open its lock");
    *ret_is_taken = flock(lock, LOCK_EX | LOCK_NB) < 0;
    if (*ret_is_taken)
        return errno == EWOULDBLOCK || fault_errno(fault, "lock it");
    if (futimens(lock, NULL) < 0)
        return fault_errno(fault, "say that it is used");
    if (!write_name(folder, name, fault))
        return false;
    *ret_folder = take_fd(&folder);
    *ret_lock = take_fd(&lock);
    return true;
}

/* ---- all of them ---- */

struct sweep {
    bool all;
    int64_t now_us;
    void (*tell)(void *self, const struct build_cache_seen *seen);
    void *self;
};

static bool each_folder(int parent,
                        bool (*visit)(void *self, int parent, const char *name,
                                      struct fault *fault),
                        void *self, struct fault *fault)
{
    int own = fcntl(parent, F_DUPFD_CLOEXEC, 3);
    DIR *listing = own < 0 ? NULL : fdopendir(own);
    bool ok = true;

    if (listing == NULL) {
        if (own >= 0)
            (void)close(own);
        return fault_errno(fault, "list the build caches");
    }
    for (const struct dirent *entry; ok && (entry = readdir(listing)) != NULL;)
        if (entry->d_name[0] != '.')
            ok = visit(self, parent, entry->d_name, fault);
    (void)closedir(listing);
    return ok;
}

static void tell(const struct sweep *sweep, int folder, struct build_cache_seen *seen)
{
    AUTO_BUF struct buf text = buf_with_limit(NAME_BYTES_MAX);
    struct fault missing = {0};
    struct slice rest, root = {0}, role = {0};
    AUTO_FREE char *repository = NULL, *of_role = NULL;

    if (file_read(folder, "name", &text, &missing)) {
        rest = buf_slice(&text);
        (void)(slice_cut(&rest, '\n', &root) && slice_cut(&rest, '\n', &role));
    }
    seen->repository = repository = slice_dup(root);
    seen->role = of_role = slice_dup(role);
    sweep->tell(sweep->self, seen);
}

static bool visit_cache(void *self, int repository, const char *name, struct fault *fault)
{
    const struct sweep *sweep = self;
    AUTO_CLOSE int folder =
        openat(repository, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
    AUTO_CLOSE int lock =
        folder < 0 ? -1 : openat(folder, "lock", O_RDWR | O_CLOEXEC | O_NOFOLLOW);
    struct build_cache_seen seen = {0};
    struct stat stat;

    if (lock < 0 || fstat(lock, &stat) < 0)
        return true; /* just being made, or going */
    seen.used_us = (int64_t)stat.st_mtim.tv_sec * 1000000;
    seen.is_held = flock(lock, LOCK_EX | LOCK_NB) < 0;
    seen.is_removed = !seen.is_held && (sweep->all || sweep->now_us - seen.used_us >
                                                          BUILD_CACHE_UNUSED_DAYS * DAY_US);
    tell(sweep, folder, &seen);
    return !seen.is_removed || file_remove_tree(repository, name, fault);
}

static bool visit_repository(void *self, int all, const char *name, struct fault *fault)
{
    AUTO_CLOSE int repository =
        openat(all, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
    bool ok = repository < 0 || each_folder(repository, visit_cache, self, fault);

    if (ok) /* the last one is gone */
        (void)unlinkat(all, name, AT_REMOVEDIR);
    return ok;
}

bool build_caches_sweep(int home_fd, bool all, int64_t now_us,
                        void (*tell_one)(void *self, const struct build_cache_seen *seen),
                        void *self, struct fault *fault)
{
    AUTO_CLOSE int folder =
        openat(home_fd, BUILD_CACHES_FOLDER, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
    struct sweep sweep = {all, now_us, tell_one, self};

    if (folder < 0)
        return errno == ENOENT || fault_errno(fault, "open the build caches");
    return each_folder(folder, visit_repository, &sweep, fault);
}
