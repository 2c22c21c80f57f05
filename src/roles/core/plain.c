/* Where there is no FUSE the agent's files are ordinary ones, in a folder of the run, and the
 * guard opens them. */
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "base/scope.h"
#include "os/file.h"
#include "policy/policy.h"
#include "roles/core/plain.h"

bool core_plain_open(struct run *run, struct fault *fault)
{
    if (!file_open_folder(run->agent_fd, "plain", 0755, &run->plain_fd, fault))
        return false;
    if (geteuid() == 0 && fchown(run->plain_fd, run->uid, run->uid) < 0)
        return fault_errno(fault, "give the agent's files to their user");
    run->identity_fd =
        openat(run->folder_fd, "identity", O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    return run->identity_fd >= 0 || fault_errno(fault, "make the list of the agent's files");
}

/* The guard needs names and verdicts, not content: it is in the files. */
void core_plain_planted(const struct run *run, const char *card, const char *denied,
                        struct view_planted ret_planted[2])
{
    ret_planted[0] = (struct view_planted){
        .name = card,
        .class_mask = CLASS_BIT(CLASS_PAN),
        .verdict = policy_class_verdict(run->policy, CLASS_PAN, POLICY_VIEW)};
    ret_planted[1] = (struct view_planted){.name = denied, .verdict = VERDICT_DENY};
}

void core_plain_mount_points(const struct run *run, const char **ret_points)
{
    ret_points[0] = ".git";
    for (size_t i = 0; i < run->policy->scratch_count; i++)
        ret_points[i + 1] = run->policy->scratch[i];
}
