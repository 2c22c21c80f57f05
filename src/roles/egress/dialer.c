#include <sys/prctl.h>

#include "gateway/egress/dialer.h"
#include "os/clock_real.h"
#include "os/isolate.h"
#include "os/spawn.h"
#include "roles/egress/egress.h"
#include "roles/resolver.h"

/* It opens no file: names are asked for in a process beside it (roles/resolver.h). */
static bool give_up_privileges(const struct dialer_role_config *config, struct fault *fault)
{
    (void)prctl(PR_SET_DUMPABLE, 0);
    spawn_raise_descriptors();
    return (!config->drop_user || isolate_user(config->uid, config->gid, 0, fault)) &&
           isolate_files(NULL, 0, ISOLATE_ABI_KERNEL, NULL, fault) &&
           isolate_syscalls(ISOLATE_GATEWAY, fault);
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
    int socket = -1;
    bool ok =
        resolver_role_start(config->drop_user, config->uid, config->gid, &socket, &fault) &&
        loop_new(&loop, &fault) &&
        resolver_new(loop, &clock_real, socket, &dialing.resolver, &fault) &&
        dialer_new(loop, &dialing, &dialer, &fault) && give_up_privileges(config, &fault) &&
        loop_run(loop, &fault);

    dialer_free(dialer);
    resolver_free(dialing.resolver);
    loop_free(loop);
    return ok ? 0 : 2;
}
