#include "change/approval.h"

#include <openssl/sha.h>

#include "base/hex.h"
#include "change/statement.h"

static const struct statement_row rows[] = {
    {"approver", offsetof(struct approval_statement, approver)},
    {"base", offsetof(struct approval_statement, base)},
    {"change", offsetof(struct approval_statement, change)},
    {"diff", offsetof(struct approval_statement, diff)},
    {"head", offsetof(struct approval_statement, head)},
    {"into", offsetof(struct approval_statement, into)},
    {"policy", offsetof(struct approval_statement, policy)},
    {"repository", offsetof(struct approval_statement, repository)},
    {"requester", offsetof(struct approval_statement, requester)},
    {"time", offsetof(struct approval_statement, time)},
    {"tree", offsetof(struct approval_statement, tree)},
};

static const struct statement_form form = {"custody-approval/v1", rows, COUNT(rows)};

bool approval_encode(const struct approval_statement *statement, struct buf *ret_text,
                     struct fault *fault)
{
    return statement_encode(&form, statement, ret_text, fault);
}

bool approval_decode(struct slice text, struct buf *arena,
                     struct approval_statement *ret_statement, struct fault *fault)
{
    return statement_decode(&form, text, arena, ret_statement, fault);
}

void approval_digest(struct slice statement, char ret_digest[65])
{
    uint8_t digest[SHA256_DIGEST_LENGTH];

    (void)SHA256(statement.at, statement.len, digest);
    hex_encode(slice_of_bytes(digest, sizeof(digest)), ret_digest);
}

static const struct approval_person *find_person(const struct approval_rules *rules,
                                                 const char *id)
{
    for (size_t i = 0; i < rules->people_count; i++)
        if (strcmp(rules->people[i].id, id) == 0)
            return &rules->people[i];
    return NULL;
}

static bool in_groups(const struct approval_rules *rules, const struct approval_person *person)
{
    for (size_t i = 0; i < rules->from_count; i++)
        for (size_t j = 0; j < person->group_count; j++)
            if (strcmp(rules->from[i], person->groups[j]) == 0)
                return true;
    return rules->from_count == 0;
}

bool approval_may(const struct approval_rules *rules, const char *approver,
                  const char *requester, const struct approval_person **ret_person,
                  struct fault *fault)
{
    const struct approval_person *person = find_person(rules, approver);

    if (person == NULL)
        return fault_set(
            fault, FAULT_DENIED,
            "%s is not in the policy's people: `people` in policy.yaml names who is",
            approver);
    if (requester[0] == 0 || find_person(rules, requester) == NULL)
        return fault_set(fault, FAULT_DENIED,
                         "nobody knows who asked for this change (%s is not in the policy's "
                         "people), so nobody can be somebody else",
                         requester[0] == 0 ? "-" : requester);
    if (strcmp(approver, requester) == 0)
        return fault_set(fault, FAULT_DENIED,
                         "%s asked for this change; another person approves it", approver);
    if (!in_groups(rules, person))
        return fault_set(fault, FAULT_DENIED, "%s is in none of the groups that may approve",
                         approver);
    if (person->ssh_count == 0)
        return fault_set(fault, FAULT_DENIED, "%s has no SSH key in the policy", approver);
    *ret_person = person;
    return true;
}
