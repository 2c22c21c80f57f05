/*
 * custody breakglass - two people let the ledger's own refusals be passed over, for some
 * hours. First it is signed by both, then it is a record, then it counts.
 */
#include <fcntl.h>
#include <stdio.h>

#include "base/scope.h"
#include "change/sshsig.h"
#include "commands/breakglass.h"
#include "commands/change.h"
#include "commands/table.h"
#include "ledger/note.h"
#include "os/clock_real.h"
#include "os/file.h"
#include "roles/ledger_role/glass.h"

#define VKEY_BYTES_MAX 4096

struct breaking {
    struct session session;
    struct policy *policy;
    struct note_key *key; /* the ledger's: its name is the origin */
    char time[CLOCK_TEXT_BYTES], expires[CLOCK_TEXT_BYTES];
    int64_t expires_us;
    struct breakglass_statement statement;
    struct buf text, signatures[2];
    char digest[65];
};

bool breakglass_person(const struct policy *policy, const char *id,
                       struct approval_person *ret_person, struct fault *fault)
{
    for (size_t i = 0; i < policy->people_count; i++) {
        if (strcmp(policy->people[i].id, id) != 0)
            continue;
        *ret_person = person_who_signs(&policy->people[i]);
        return ret_person->ssh_count > 0 ||
               fault_set(fault, FAULT_DENIED, "%s has no SSH key in the policy", id);
    }
    return fault_set(fault, FAULT_INVALID,
                     "%s is not in the policy's people: `people` in policy.yaml names who is",
                     id);
}

bool breakglass_check(const struct policy *policy,
                      const struct breakglass_statement *statement, struct slice text,
                      const struct slice signatures[2], const char *scratch,
                      struct fault *fault)
{
    struct approval_person people[2];
    struct fault other = {0};

    if (strcmp(statement->first, statement->second) == 0)
        return fault_set(fault, FAULT_DENIED, "break-glass takes two people, not %s twice",
                         statement->first);
    if (!breakglass_person(policy, statement->first, &people[0], fault) ||
        !breakglass_person(policy, statement->second, &people[1], fault))
        return false;
    for (size_t i = 0; i < 2; i++)
        if (!sshsig_verify(BREAKGLASS_NAMESPACE, &people[i], text, signatures[i], scratch,
                           fault))
            return false;
    /* One key under two names is one person. */
    for (size_t i = 0; i < 2; i++)
        if (sshsig_verify(BREAKGLASS_NAMESPACE, &people[i], text, signatures[1 - i], scratch,
                          &other))
            return fault_set(fault, FAULT_DENIED, "%s and %s have signed with one key",
                             statement->first, statement->second);
    return true;
}

static const struct option_rule options[] = {
    {"reason", "WORD", "why, a word for the record: patient-care, incident-4711"},
    {"as", "PERSON", "who asks: one of the policy's people"},
    {"key", "FILE", "their private SSH key"},
    {"second", "PERSON", "who agrees: another one"},
    {"second-key", "FILE", "theirs"},
    {"for", "TIME", "how long: 30m, 4h; at most 24h"},
    {NULL, NULL, NULL},
};

static bool check_use(const struct invocation *invocation, struct fault *fault)
{
    const char *reason = invocation_option(invocation, "reason");

    return command_word("reason", reason, fault);
}

static bool begin(const struct invocation *invocation, struct breaking *breaking,
                  struct fault *fault)
{
    AUTO_BUF struct buf vkey = buf_with_limit(VKEY_BYTES_MAX);
    const struct policy_settings *organisation;
    int64_t span_us, now_us = clock_now_us(&clock_real);

    if (!command_span("for", invocation_option(invocation, "for"), &span_us, fault))
        return false;
    if (span_us < 60 * INT64_C(1000000) ||
        span_us > LEDGER_GLASS_HOURS_MAX * INT64_C(3600000000))
        return fault_set(fault, FAULT_INVALID, "--for %s: between 1m and %dh",
                         invocation_option(invocation, "for"), LEDGER_GLASS_HOURS_MAX);
    breaking->expires_us = (now_us + span_us) / 1000000 * 1000000;
    clock_text(now_us, breaking->time);
    clock_text(breaking->expires_us, breaking->expires);
    if (!session_organisation(&breaking->session, &organisation, fault) ||
        !policy_build(organisation, NULL, &breaking->policy, fault) ||
        !file_read(breaking->session.home.fd, "keys/ledger.vkey", &vkey, fault) ||
        !note_key_parse(slice_trim(buf_slice(&vkey)), &breaking->key, fault))
        return false;
    breaking->statement =
        (struct breakglass_statement){.first = invocation_option(invocation, "as"),
                                      .second = invocation_option(invocation, "second"),
                                      .reason = invocation_option(invocation, "reason"),
                                      .ledger = note_key_name(breaking->key),
                                      .time = breaking->time,
                                      .expires = breaking->expires};
    return true;
}

static bool sign(const struct invocation *invocation, struct breaking *breaking,
                 struct fault *fault)
{
    static const char *const keys[] = {"key", "second-key"};
    char scratch[] = "/tmp/custody-breakglass-XXXXXX";
    struct slice signatures[2];
    struct fault left = {0};
    bool ok;

    if (!breakglass_encode(&breaking->statement, &breaking->text, fault))
        return false;
    for (size_t i = 0; i < COUNT(keys); i++) {
        if (!sshsig_sign(BREAKGLASS_NAMESPACE, invocation_option(invocation, keys[i]),
                         buf_slice(&breaking->text), &breaking->signatures[i], fault))
            return false;
        signatures[i] = buf_slice(&breaking->signatures[i]);
    }
    if (mkdtemp(scratch) == NULL)
        return fault_errno(fault, "make a folder in /tmp");
    ok = breakglass_check(breaking->policy, &breaking->statement, buf_slice(&breaking->text),
                          signatures, scratch, fault);
    if (!file_remove_tree(AT_FDCWD, scratch, &left))
        (void)fprintf(stderr, "custody: warning: %s\n", left.why);
    return ok;
}

static bool keep(struct breaking *breaking, struct fault *fault)
{
    const struct {
        const char *name;
        const struct buf *bytes;
    } files[] = {{"json", &breaking->text},
                 {"first.sig", &breaking->signatures[0]},
                 {"second.sig", &breaking->signatures[1]}};
    AUTO_CLOSE int folder = -1;

    approval_digest(buf_slice(&breaking->text), breaking->digest);
    if (!file_open_folder(breaking->session.home.fd, BREAKGLASS_FOLDER, 0700, &folder, fault))
        return false;
    for (size_t i = 0; i < COUNT(files); i++) {
        AUTO_FREE char *name = xformat("%s.%s", breaking->digest, files[i].name);

        if (!file_replace_durably(folder, name, buf_slice(files[i].bytes), 0600, fault))
            return fault_in(fault, "keep the signed statement");
    }
    return true;
}

static bool record(struct breaking *breaking, struct fault *fault)
{
    struct ledger_client *ledger;
    struct record record;

    record_begin(&record, RECORD_BREAKGLASS);
    record_word(&record, RECORD_PERSON, breaking->statement.first);
    record_word(&record, RECORD_SECOND, breaking->statement.second);
    record_word(&record, RECORD_REASON, breaking->statement.reason);
    record_number(&record, RECORD_EXPIRES, breaking->expires_us / 1000000);
    record_word(&record, RECORD_DIGEST, breaking->digest);
    record_word(&record, RECORD_OUTCOME, "ok");
    return session_ledger(&breaking->session, &ledger, fault) &&
           ledger_record_durably(ledger, &record, NULL, fault);
}

static int run(const struct invocation *invocation)
{
    struct breaking breaking = {
        .session.home.fd = -1,
        .text = buf_with_limit(BREAKGLASS_STATEMENT_BYTES_MAX),
        .signatures = {buf_with_limit(SSHSIG_BYTES_MAX), buf_with_limit(SSHSIG_BYTES_MAX)}};
    struct fault fault = {0};
    bool ok = check_use(invocation, &fault) && session_open(&breaking.session, &fault) &&
              begin(invocation, &breaking, &fault) && sign(invocation, &breaking, &fault) &&
              keep(&breaking, &fault) && record(&breaking, &fault);

    if (ok && invocation->json)
        command_print_json(json_pack("{s:s,s:s,s:s,s:s,s:s}", "digest", breaking.digest,
                                     "first", breaking.statement.first, "second",
                                     breaking.statement.second, "reason",
                                     breaking.statement.reason, "expires", breaking.expires));
    else if (ok)
        (void)printf(
            "until %s acts are recorded that the ledger would refuse for low space or "
            "missing witnesses\n",
            breaking.expires);
    policy_free(breaking.policy);
    note_key_free(breaking.key);
    session_close(&breaking.session);
    buf_free(&breaking.text);
    buf_free(&breaking.signatures[0]);
    buf_free(&breaking.signatures[1]);
    return ok ? EXIT_YES : command_fail(invocation, &fault);
}

const struct command command_breakglass = {
    .name = "breakglass",
    .arguments = "",
    .prints_json = true,
    .summary = "Two people let the ledger's refusals be passed over for some hours",
    .text =
        "What passes: acts that the ledger refuses because its disk has little room left, or "
        "because too\nfew witnesses have signed for too long. Nothing goes unrecorded: on a "
        "full disk all is refused.\nBoth people of the policy sign a statement (SSHSIG, "
        "namespace custody-breakglass); it is kept\nin $CUSTODY_HOME/breakglass, and its "
        "digest is in the record. Each run that goes on under it is\nflagged by a record of "
        "its own. It ends by itself, at most 24 hours later, and with the shard.",
    .options = options,
    .needs = "reason as key second second-key for",
    .run = run,
};
