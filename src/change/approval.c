#include "change/approval.h"

#include <openssl/sha.h>
#include <stddef.h>

#include "base/hex.h"
#include "base/scope.h"
#include "base/utf8.h"
#include "wire/jcs.h"

#define STATEMENT_TYPE "custody-approval/v1"

/* In the order of RFC 8785; `type` closes it. */
static const struct statement_row {
    const char *key;
    size_t at;
} rows[] = {
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

static const char **member(const void *statement, const struct statement_row *row)
{
    return (const char **)((uintptr_t)statement + row->at);
}

bool approval_encode(const struct approval_statement *statement, struct buf *ret_text,
                     struct fault *fault)
{
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct slice value = slice_of(*member(statement, &rows[i]));

        if (!utf8_is_printable(value))
            return fault_set(fault, FAULT_INVALID, "%s is not plain text", rows[i].key);
        if (!buf_add_format(ret_text, fault, "%c\"%s\":", i == 0 ? '{' : ',', rows[i].key) ||
            !jcs_add_text(ret_text, value, fault))
            return false;
    }
    return buf_add_text(ret_text, ",\"type\":\"" STATEMENT_TYPE "\"}", fault);
}

static bool take_word(struct jcs_reader *reader, const char *expected, struct buf *arena,
                      struct fault *fault)
{
    struct slice word;

    return jcs_take_text(reader, arena, &word, fault) && slice_equal(word, slice_of(expected));
}

bool approval_decode(struct slice text, struct buf *arena,
                     struct approval_statement *ret_statement, struct fault *fault)
{
    struct jcs_reader reader = {.text = text};
    struct approval_statement statement = {0};
    AUTO_BUF struct buf again = buf_with_limit(APPROVAL_STATEMENT_BYTES_MAX);
    struct slice value;

    if (text.len > APPROVAL_STATEMENT_BYTES_MAX ||
        !buf_reserve(arena, 2 * text.len + COUNT(rows) + 64, fault))
        return fault_set(fault, FAULT_LIMIT, "an approval statement is at most %d bytes",
                         APPROVAL_STATEMENT_BYTES_MAX);
    for (size_t i = 0; i < COUNT(rows); i++) {
        if (!jcs_take(&reader, i == 0 ? '{' : ',') ||
            !take_word(&reader, rows[i].key, arena, fault) || !jcs_take(&reader, ':') ||
            !jcs_take_text(&reader, arena, &value, fault) || !buf_add_byte(arena, 0, fault))
            return fault_set(fault, FAULT_INVALID, "not an approval statement: %s",
                             rows[i].key);
        *member(&statement, &rows[i]) = (const char *)value.at;
    }
    if (!approval_encode(&statement, &again, fault) || !slice_equal(buf_slice(&again), text))
        return fault_set(fault, FAULT_INVALID, "not a canonical approval statement");
    *ret_statement = statement;
    return true;
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
        return fault_set(fault, FAULT_DENIED, "%s is not in the policy's people", approver);
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
