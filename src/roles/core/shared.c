/* A cell without namespaces is a place in the host's own tree: folders of the run take the
 * place of mounts, and the guard hands its connections to the door. */
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <unistd.h>

#include "base/scope.h"
#include "os/file.h"
#include "os/message.h"
#include "roles/core/parts.h"
#include "roles/core/shared.h"

bool core_real_path(int fd, char **ret_path, struct fault *fault)
{
    AUTO_FREE char *link = xformat("/proc/self/fd/%d", fd);
    char path[PATH_MAX];
    ssize_t len = readlink(link, path, sizeof(path) - 1);

    if (len < 0 || (size_t)len == sizeof(path) - 1)
        return fault_errno(fault, "find the folder of the run");
    path[len] = 0;
    *ret_path = xstrdup(path);
    return true;
}

static bool make_folder(struct run *run, const char *name, int *ret_fd, char **ret_path,
                        struct fault *fault)
{
    return file_open_folder(run->folder_fd, name, 0700, ret_fd, fault) &&
           core_real_path(*ret_fd, ret_path, fault);
}

bool core_shared_open(struct run *run, struct fault *fault)
{
    struct run_shared *shared = &run->shared;
    AUTO_CLOSE int view = -1;

    return (make_folder(run, "view", &view, &shared->view, fault) &&
            make_folder(run, "home", &shared->home_fd, &shared->home, fault) &&
            make_folder(run, "tmp", &shared->tmp_fd, &shared->tmp, fault) &&
            core_real_path(run->agent_fd, &shared->folder, fault) &&
            message_pair(shared->door, fault) && message_pair(shared->opener, fault)) ||
           run_because(run, "state-folder");
}

void core_shared_close(struct run *run)
{
    struct run_shared *shared = &run->shared;

    scope_close(&shared->home_fd);
    scope_close(&shared->tmp_fd);
    for (size_t i = 0; i < COUNT(shared->door); i++) {
        scope_close(&shared->door[i]);
        scope_close(&shared->opener[i]);
    }
    free(shared->folder);
    free(shared->view);
    free(shared->home);
    free(shared->tmp);
}

/* node looks for a package's neighbours beside what the link leads to, by its folder's name. */
char *core_shared_scratch(const struct run *run, size_t number)
{
    const char *path = run->policy->scratch[number];
    const char *name = strrchr(path, '/');

    return xformat("%s/scratch/%zu/%s", run->shared.folder, number,
                   name == NULL ? path : name + 1);
}

void core_shared_own(const struct run *run, char *ret_own[SHARED_OWN_MAX])
{
    struct fault unsaid = {0};
    size_t count = 0;

    ret_own[count++] = xstrdup(run->shared.view);
    ret_own[count++] = xstrdup(run->shared.home);
    ret_own[count++] = xstrdup(run->shared.tmp);
    ret_own[count++] = xformat("%s/git", run->shared.folder);
    ret_own[count++] = xformat("%s/scratch", run->shared.folder);
    if (run->build_cache.data_fd >= 0 &&
        core_real_path(run->build_cache.data_fd, &ret_own[count], &unsaid))
        count++;
    ret_own[count] = NULL;
}

void core_shared_links(const struct run *run, char *ret_links[SCRATCH_MAX + 1])
{
    ret_links[0] = xformat("%s/git", run->shared.folder);
    for (size_t i = 0; i < run->policy->scratch_count && i < SCRATCH_MAX; i++)
        ret_links[i + 1] = core_shared_scratch(run, i);
}
