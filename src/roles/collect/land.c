/* Collect's part of landing: what was approved is computed again, and only that is moved in.
 */
#include "base/scope.h"
#include "roles/collect/parts.h"

#define LANDER "custody"
#define LANDER_EMAIL "landing@run.custody.invalid"

bool collect_on_landing(struct collecting *collecting, struct asked *asked,
                        struct fault *fault)
{
    char branch[GIT_REF_BYTES_MAX + 1], head[GIT_OID_TEXT];
    struct gitdoor_landing landing;

    packet_word(&asked->reader, branch, sizeof(branch));
    packet_word(&asked->reader, head, sizeof(head));
    return packet_end(&asked->reader, fault) &&
           gitdoor_landing(collecting->door, branch, head, &landing, fault) &&
           packet_put_number(asked->answer, landing.kind, fault) &&
           packet_put_word(asked->answer, landing.into, fault) &&
           packet_put_word(asked->answer, landing.merge_base, fault) &&
           packet_put_word(asked->answer, landing.tree, fault) &&
           packet_put_number(asked->answer, landing.checked_out ? 1 : 0, fault);
}

static bool merge(struct collecting *collecting, const struct gitdoor_landing *landing,
                  const char *head, const char *message, int64_t time,
                  char ret_commit[GIT_OID_TEXT], struct fault *fault)
{
    const struct gitdoor_commit commit = {.parent = landing->into,
                                          .merged = head,
                                          .tree = landing->tree,
                                          .author = {LANDER, LANDER_EMAIL},
                                          .committer = {LANDER, LANDER_EMAIL},
                                          .time = time,
                                          .message = slice_of(message)};
    struct gitdoor_draft *draft = NULL;
    char tree[GIT_OID_TEXT];
    bool ok;

    if (!gitdoor_draft_new(collecting->door, &draft, fault))
        return false;
    ok = gitdoor_draft_commit(draft, &commit, ret_commit, tree, fault) &&
         (strcmp(tree, landing->tree) == 0 ||
          fault_set(fault, FAULT_IO, "the merge commit holds another tree than was merged")) &&
         gitdoor_import(collecting->door, ret_commit, landing->into, fault);
    gitdoor_draft_free(draft);
    return ok;
}

bool collect_on_land(struct collecting *collecting, struct asked *asked, struct fault *fault)
{
    char branch[GIT_REF_BYTES_MAX + 1], head[GIT_OID_TEXT], tree[GIT_OID_TEXT],
        into[GIT_OID_TEXT];
    char message[2048], commit[GIT_OID_TEXT];
    struct gitdoor_landing landing;
    int64_t time;

    packet_word(&asked->reader, branch, sizeof(branch));
    packet_word(&asked->reader, head, sizeof(head));
    packet_word(&asked->reader, tree, sizeof(tree));
    packet_word(&asked->reader, into, sizeof(into));
    packet_word(&asked->reader, message, sizeof(message));
    time = (int64_t)packet_number(&asked->reader);
    if (!packet_end(&asked->reader, fault))
        return false;
    if (!collecting->config->lands)
        return fault_set(fault, FAULT_INVALID, "started without the right to land");
    if (!gitdoor_landing(collecting->door, branch, head, &landing, fault))
        return false;
    if (landing.kind == LANDING_NOTHING)
        return fault_set(fault, FAULT_CONFLICT, "the change is in %s already", branch);
    if (strcmp(landing.into, into) != 0 || strcmp(landing.tree, tree) != 0)
        return fault_set(fault, FAULT_CONFLICT,
                         "branch %s moved: another tree than the approved one "
                         "would land",
                         branch);
    memcpy(commit, head, sizeof(commit));
    if (landing.kind == LANDING_MERGE &&
        !merge(collecting, &landing, head, message, time, commit, fault))
        return false;
    return gitdoor_land(collecting->door, branch, into, commit, fault) &&
           packet_put_word(asked->answer, commit, fault);
}
