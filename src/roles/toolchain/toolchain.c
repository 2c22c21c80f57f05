#include "roles/toolchain/toolchain.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/scope.h"
#include "os/file.h"
#include "os/message.h"
#include "os/spawn.h"
#include "roles/toolchain/fingerprint.h"
#include "roles/toolchain/images.h"
#include "roles/toolchain/unpacker.h"

#define ROOT "root"
#define ENVIRONMENT "environment"
#define UNDER_WAY ".new"
#define LOOK_MS 200
#define UNPACK_LOOKS (30 * 60 * 1000 / LOOK_MS)
#define LOCK_PAUSE_US 200000

void toolchain_free(struct toolchain *toolchain)
{
    free(toolchain->root);
    scope_close(&toolchain->hold);
    buf_free(&toolchain->environment);
    *toolchain = (struct toolchain){.hold = -1};
}

/* Something that programs can be run from. */
static bool check_root(int root, const char *path, struct fault *fault)
{
    return file_exists(root, "usr") || file_exists(root, "bin") ||
           fault_set(fault, FAULT_INVALID,
                     "%.150s has neither usr nor bin: no root file system", path);
}

static bool open_root(const struct toolchain_request *request, struct toolchain *toolchain,
                      struct fault *fault)
{
    const char *path = request->policy->toolchain.root;
    AUTO_CLOSE int root = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    if (root < 0)
        return fault_errno(fault, "open %.150s", path);
    toolchain->kind = TOOLCHAIN_ROOT;
    toolchain->root = realpath(path, NULL);
    return (toolchain->root != NULL || fault_errno(fault, "find %.150s", path)) &&
           check_root(root, path, fault) &&
           (fingerprint_of(root, toolchain->digest, fault) || fault_in(fault, "%.150s", path));
}

/* ---- the process that reads an image ---- */

static bool hear(const struct toolchain_request *request, int control,
                 struct unpacker_answer *answer, struct fault *fault)
{
    for (unsigned i = 0; i < UNPACK_LOOKS; i++) {
        bool is_there = false;

        if (request->is_stopped(request->self))
            return fault_set(fault, FAULT_IO, "stopped while the image was unpacked");
        if (!unpacker_hear(control, LOOK_MS, &is_there, answer, fault))
            return false;
        if (is_there)
            return true;
    }
    return fault_set(fault, FAULT_LIMIT, "the image was not unpacked in 30 minutes");
}

/* root: -1 only asks which image it is. */
static bool ask(const struct toolchain_request *request, int layout, int root,
                struct unpacker_answer *ret_answer, struct fault *fault)
{
    const struct policy_toolchain *wanted = &request->policy->toolchain;
    struct process process;
    int control[2];
    struct unpacker_config config = {.layout = layout,
                                     .root = root,
                                     .wish = image_wish_here(wanted->tag),
                                     .pinned = wanted->digest,
                                     .drop_user = geteuid() == 0,
                                     .uid = request->uid};
    bool ok;

    *ret_answer =
        (struct unpacker_answer){.environment = buf_with_limit(IMAGE_ENVIRONMENT_BYTES_MAX)};
    if (!message_pair(control, fault))
        return false;
    config.control = control[1];
    ok = spawn_role("unpack", unpacker_role, &config, (const int[]){control[1], layout, root},
                    root < 0 ? 2 : 3, &process, fault);
    (void)close(control[1]);
    if (ok) {
        ok = hear(request, control[0], ret_answer, fault);
        process_kill(&process);
    }
    (void)close(control[0]);
    return ok || fault_in(fault, "image %.120s", wanted->image);
}

/* ---- the cache ---- */

static bool read_environment(int folder, struct toolchain *toolchain, struct fault *fault)
{
    toolchain->environment = buf_with_limit(IMAGE_ENVIRONMENT_BYTES_MAX);
    return file_read(folder, ENVIRONMENT, &toolchain->environment, fault);
}

/* Is it there already, whole? */
static bool look_up(const struct toolchain_request *request, int cache, const char *digest,
                    struct toolchain *toolchain, bool *ret_is_there, struct fault *fault)
{
    AUTO_CLOSE int folder =
        openat(cache, digest, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);

    *ret_is_there = folder >= 0;
    if (folder < 0)
        return errno == ENOENT || fault_errno(fault, "open the unpacked image");
    toolchain->kind = TOOLCHAIN_IMAGE;
    toolchain->root = xformat("%s/cache/" IMAGES_FOLDER "/%s/" ROOT, request->home, digest);
    (void)snprintf(toolchain->digest, sizeof(toolchain->digest), "%s", digest);
    return image_hold(folder, &toolchain->hold, fault) &&
           read_environment(folder, toolchain, fault);
}

/* One at a time: the others wait for what the first one makes. */
static bool lock_cache(const struct toolchain_request *request, int cache, int *ret_lock,
                       struct fault *fault)
{
    AUTO_CLOSE int lock =
        openat(cache, "lock", O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);

    if (lock < 0)
        return fault_errno(fault, "lock the unpacked images");
    while (flock(lock, LOCK_EX | LOCK_NB) < 0) {
        if (errno != EWOULDBLOCK && errno != EINTR)
            return fault_errno(fault, "lock the unpacked images");
        if (request->is_stopped(request->self))
            return fault_set(fault, FAULT_IO, "stopped while another run unpacks an image");
        (void)usleep(LOCK_PAUSE_US);
    }
    *ret_lock = take_fd(&lock);
    return true;
}

/* As root what was unpacked becomes root's: no agent's user owns a toolchain. */
static bool finish(int cache, int folder, int root, const struct unpacker_answer *answer,
                   struct fault *fault)
{
    if (geteuid() == 0 && !file_give_tree(root, 0, fault))
        return false;
    if (!check_root(root, "the image", fault) ||
        !file_create(folder, ENVIRONMENT, buf_slice(&answer->environment), 0600, fault))
        return false;
    if (syncfs(folder) < 0)
        return fault_errno(fault, "sync the unpacked image");
    return renameat(cache, UNDER_WAY, cache, answer->digest) == 0 ||
           fault_errno(fault, "keep the unpacked image");
}

static bool unpack(const struct toolchain_request *request, int cache, int layout,
                   const char *digest, struct fault *fault)
{
    struct unpacker_answer answer = {0};
    AUTO_CLOSE int folder = -1, root = -1;
    bool ok;

    if (!file_remove_tree(cache, UNDER_WAY, fault) ||
        !file_open_folder(cache, UNDER_WAY, 0700, &folder, fault) ||
        !file_open_folder(folder, ROOT, 0755, &root, fault))
        return false;
    if (fchmod(root, 0755) < 0 ||
        (geteuid() == 0 && fchown(root, request->uid, request->uid) < 0))
        return fault_errno(fault, "give a folder to the unpacker");
    request->say(request->self, "unpacking the toolchain's image, once");
    ok = ask(request, layout, root, &answer, fault) &&
         (strcmp(answer.digest, digest) == 0 ||
          fault_set(fault, FAULT_CONFLICT, "the image was exchanged meanwhile")) &&
         finish(cache, folder, root, &answer, fault);
    buf_free(&answer.environment);
    if (!ok) {
        struct fault unsaid = {0};

        (void)!file_remove_tree(cache, UNDER_WAY, &unsaid);
    }
    return ok;
}

static bool find_or_unpack(const struct toolchain_request *request, int cache, int layout,
                           const char *digest, struct toolchain *toolchain,
                           struct fault *fault)
{
    AUTO_CLOSE int lock = -1;
    bool is_there = false;

    if (!look_up(request, cache, digest, toolchain, &is_there, fault))
        return false;
    if (is_there)
        return true;
    if (!lock_cache(request, cache, &lock, fault) ||
        !look_up(request, cache, digest, toolchain, &is_there, fault))
        return false;
    return is_there ||
           (unpack(request, cache, layout, digest, fault) &&
            look_up(request, cache, digest, toolchain, &is_there, fault) &&
            (is_there || fault_set(fault, FAULT_IO, "the unpacked image is gone")));
}

static bool open_image(const struct toolchain_request *request, struct toolchain *toolchain,
                       struct fault *fault)
{
    const char *path = request->policy->toolchain.image;
    AUTO_CLOSE int layout = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    AUTO_CLOSE int parent = -1, cache = -1;
    struct unpacker_answer answer = {0};
    bool ok;

    if (layout < 0)
        return fault_errno(fault, "open the image layout %.150s", path);
    if (!file_open_folder(request->home_fd, "cache", 0711, &parent, fault) ||
        !file_open_folder(parent, IMAGES_FOLDER, 0700, &cache, fault))
        return false;
    /* Asked each time: the layout may hold another image by now. */
    ok = ask(request, layout, -1, &answer, fault) &&
         find_or_unpack(request, cache, layout, answer.digest, toolchain, fault);
    buf_free(&answer.environment);
    return ok;
}

bool toolchain_open(const struct toolchain_request *request, struct toolchain *ret_toolchain,
                    struct fault *fault)
{
    *ret_toolchain = (struct toolchain){.hold = -1};
    if (request->policy->toolchain.root != NULL)
        return open_root(request, ret_toolchain, fault);
    if (request->policy->toolchain.image != NULL)
        return open_image(request, ret_toolchain, fault);
    return true;
}
