#include <sys/prctl.h>

#include "gateway/egress/dialer.h"
#include "os/isolate.h"
#include "os/spawn.h"
#include "roles/egress/egress.h"

/* What looking names up reads. */
static bool confine_files(struct fault *fault)
{
    static const struct isolate_path paths[] = {
        {.path = "/etc", .access = ISOLATE_READ},
        {.path = "/usr", .access = ISOLATE_READ | ISOLATE_EXECUTE},
        {.path = "/lib", .access = ISOLATE_READ | ISOLATE_EXECUTE, .optional = true},
        {.path = "/lib64", .access = ISOLATE_READ | ISOLATE_EXECUTE, .optional = true},
        {.path = "/run/systemd/resolve", .access = ISOLATE_READ, .optional = true},
        {.path = "/run/resolvconf", .access = ISOLATE_READ, .optional = true},
    };

    return isolate_files(paths, COUNT(paths), ISOLATE_ABI_KERNEL, NULL, fault);
}

static bool give_up_privileges(const struct dialer_role_config *config, struct fault *fault)
{
    (void)prctl(PR_SET_DUMPABLE, 0);
    spawn_raise_descriptors();
    return (!config->drop_user || isolate_user(config->uid, config->gid, 0, fault)) &&
           confine_files(fault) && isolate_syscalls(ISOLATE_GATEWAY, fault);
}

int dialer_role(void *self)
{
    const struct dialer_role_config *config = self;
    struct dialer_config dialing = {.entries = config->entries,
                                    .entry_count = config->entry_count,
                                    .socket = config->socket};
    struct dialer *dialer = NULL;
    struct loop *loop = NULL;
    struct fault fault = {0};
    bool ok = loop_new(&loop, &fault) && dialer_new(loop, &dialing, &dialer, &fault) &&
              give_up_privileges(config, &fault) && loop_run(loop, &fault);

    dialer_free(dialer);
    loop_free(loop);
    return ok ? 0 : 2;
}
