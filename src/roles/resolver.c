#include "roles/resolver.h"

#include "base/scope.h"
#include "gateway/upstream/resolver.h"
#include "os/isolate.h"
#include "os/message.h"
#include "os/spawn.h"

struct resolver_config {
    int socket;
    bool drop_user;
    uid_t uid;
    gid_t gid;
};

static bool confine(const struct resolver_config *config, struct fault *fault)
{
    static const struct isolate_path paths[] = {
        {.path = "/etc", .access = ISOLATE_READ},
        {.path = "/usr", .access = ISOLATE_READ | ISOLATE_EXECUTE},
        {.path = "/lib", .access = ISOLATE_READ | ISOLATE_EXECUTE, .optional = true},
        {.path = "/lib64", .access = ISOLATE_READ | ISOLATE_EXECUTE, .optional = true},
        {.path = "/run/systemd/resolve", .access = ISOLATE_READ, .optional = true},
        {.path = "/run/resolvconf", .access = ISOLATE_READ, .optional = true},
        {.path = "/dev/urandom", .access = ISOLATE_READ, .optional = true},
    };

    return (!config->drop_user || isolate_user(config->uid, config->gid, 0, fault)) &&
           isolate_files(paths, COUNT(paths), ISOLATE_ABI_KERNEL, NULL, fault) &&
           isolate_syscalls(ISOLATE_GATEWAY, fault);
}

static int serve(void *self)
{
    const struct resolver_config *config = self;
    struct fault fault = {0};

    if (!confine(config, &fault))
        return 2;
    resolver_serve(config->socket);
    return 0;
}

bool resolver_role_start(bool drop_user, uid_t uid, gid_t gid, int *ret_socket,
                         struct fault *fault)
{
    struct resolver_config config = {.drop_user = drop_user, .uid = uid, .gid = gid};
    struct process process = {.pidfd = -1};
    int ends[2];
    bool ok;

    if (!message_pair(ends, fault))
        return false;
    config.socket = ends[1];
    ok = spawn_role("resolver", serve, &config, &config.socket, 1, &process, fault);
    (void)close(ends[1]);
    scope_close(&process.pidfd);
    if (!ok) {
        (void)close(ends[0]);
        return false;
    }
    *ret_socket = ends[0];
    return true;
}
