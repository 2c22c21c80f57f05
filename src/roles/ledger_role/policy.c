#include "roles/ledger_role/policy.h"

#include <fcntl.h>

#include "base/scope.h"
#include "os/file.h"

bool ledger_policy(int home_fd, struct policy **ret_policy, struct fault *fault)
{
    AUTO_BUF struct buf text = buf_with_limit(POLICY_YAML_BYTES_MAX);
    struct policy_settings *settings = NULL;
    bool own = file_exists(home_fd, "policy.yaml"), ok;

    if (!file_read(own ? home_fd : AT_FDCWD, own ? "policy.yaml" : "/etc/custody/policy.yaml",
                   &text, fault) ||
        !policy_read(buf_slice(&text), "policy.yaml", &settings, fault))
        return false;
    ok = policy_build(settings, NULL, ret_policy, fault);
    policy_settings_free(settings);
    return ok;
}
