/* Values that an agent is shown as they are, though its model is not to see them. */
#include <sys/mman.h>
#include <unistd.h>

#include "base/scope.h"
#include "classify/classify.h"
#include "classify/known.h"
#include "os/file.h"
#include "policy/policy.h"
#include "roles/view_role/parts.h"

#define VALUE_BYTES_MAX (64UL * 1024) /* of a longer one the beginning */

/* What is opaque is a file and no value, and code is anybody's. */
static unsigned shown_classes(const struct policy *policy)
{
    unsigned shown = 0;

    for (unsigned class = 0; class < CLASS_COUNT; class ++)
        if (class != CLASS_OPAQUE && class != CLASS_CODE &&
            policy_class_verdict(policy, (enum data_class) class, POLICY_VIEW) ==
                VERDICT_ALLOW)
            shown |= CLASS_BIT(class);
    return shown;
}

static bool add_value(struct known *known, int content_fd, const struct snapshot_node *node,
                      const struct snapshot_finding *finding, struct fault *fault)
{
    AUTO_BUF_SECRET struct buf value = buf_with_limit(VALUE_BYTES_MAX);
    size_t len = finding->end - finding->start;
    ssize_t got;

    if (len > VALUE_BYTES_MAX)
        len = VALUE_BYTES_MAX;
    if (!buf_reserve(&value, len, fault))
        return false;
    got = pread(content_fd, value.at, len, (off_t)(node->content_at + finding->start));
    if (got < 0 || (size_t)got != len)
        return fault_errno(fault, "read a value that the agent may read");
    value.len = len;
    return known_add(known, buf_slice(&value), (enum data_class)finding->class, fault);
}

/* What the classifier is not sure of does not end a run, at the door either. */
static bool add_all(struct known *known, unsigned shown, const struct snapshot *snapshot,
                    int content_fd, struct fault *fault)
{
    for (uint32_t number = 0; number < snapshot_node_count(snapshot); number++) {
        const struct snapshot_node *node = snapshot_node(snapshot, number);
        const struct snapshot_finding *findings = snapshot_findings(snapshot, number);

        if (node->verdict == VERDICT_DENY)
            continue;
        for (uint32_t i = 0; i < node->finding_count; i++)
            if ((shown & (CLASS_BIT(findings[i].class) | findings[i].also)) != 0 &&
                findings[i].confidence >= CONFIDENCE_MEDIUM &&
                !add_value(known, content_fd, node, &findings[i], fault))
                return false;
    }
    return true;
}

static bool hold(const struct known *known, int *ret_fd, struct fault *fault)
{
    AUTO_BUF_SECRET struct buf packet = buf_with_limit(KNOWN_PACKET_BYTES_MAX);
    AUTO_CLOSE int fd = memfd_create("known", MFD_CLOEXEC);

    if (fd < 0)
        return fault_errno(fault, "hold the values for the door");
    if (!known_encode(known, &packet, fault) || !file_write_all(fd, buf_slice(&packet), fault))
        return fault_in(fault, "hold the values for the door");
    if (lseek(fd, 0, SEEK_SET) < 0)
        return fault_errno(fault, "hold the values for the door");
    *ret_fd = take_fd(&fd);
    return true;
}

bool view_known(const struct view_config *config, const struct snapshot *snapshot, int *ret_fd,
                size_t *ret_count, struct fault *fault)
{
    unsigned shown = shown_classes(config->policy);
    struct known *known;
    bool ok;

    *ret_fd = -1;
    if (shown == 0)
        return true;
    known = known_new();
    ok = add_all(known, shown, snapshot, config->content_fd, fault);
    *ret_count = known_count(known);
    ok = ok && (*ret_count == 0 || hold(known, ret_fd, fault));
    known_free(known);
    return ok;
}
