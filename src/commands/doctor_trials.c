#include "commands/doctor_trials.h"

#include <fcntl.h>
#include <stdlib.h>

#include "base/scope.h"
#include "change/approval.h"
#include "change/sshsig.h"
#include "os/file.h"
#include "os/spawn.h"
#include "policy/policy.h"
#include "roles/session.h"
#include "wire/record.h"

/* The first must be taken and every other refused: a parser that refuses all proves nothing.
 */
static const char *const policies[] = {
    "version: 1\n",
    "",
    "version: 2\n",
    "version: 1\nversion: 1\n",
    "version: 1\nunheard_of: true\n",
    "version: 1\nmodels: [\n",
    "version: 1\ndata: { pan: { view: perhaps } }\n",
    "version: 1\ndata: &all { pan: { view: allow } }\n",
};

static bool takes_policy(const char *text)
{
    struct policy_settings *settings = NULL;
    struct policy *policy = NULL;
    struct fault fault = {0};
    bool taken = policy_read(slice_of(text), "policy.yaml", &settings, &fault) &&
                 policy_build(settings, NULL, &policy, &fault);

    policy_free(policy);
    policy_settings_free(settings);
    return taken;
}

/* The first must be taken; each of the others is something that no record may say. */
static const struct record_case {
    enum record_type type;
    enum record_field field;
    const char *text;
} records[] = {
    {RECORD_REFUSED, RECORD_REASON, "method"},
    {RECORD_REFUSED, RECORD_REASON, "a sentence, in somebody's words"},
    {RECORD_REFUSED, RECORD_REASON, ""},
    {RECORD_FILE_READ, RECORD_TICKET, "a field of another type"},
    {RECORD_FILE_READ, RECORD_PATH, "a\nb"},
    {RECORD_FILE_READ, RECORD_PATH, "\x1b[2J"},
    {RECORD_FILE_READ, RECORD_CLASS, "no-class"},
    {RECORD_FILE_READ, RECORD_DIGEST, "no digest"},
};

static bool takes_record(const struct record_case *one)
{
    AUTO_BUF struct buf text = buf_with_limit(RECORD_BYTES_MAX);
    struct fault fault = {0};
    struct record record;

    record_begin(&record, one->type);
    if (one->type != RECORD_REFUSED) {
        record_word(&record, RECORD_RUN, "doctor");
        record_word(&record, RECORD_PATH, "a");
    }
    record_text(&record, one->field, slice_of(one->text));
    return record_encode(&record, NULL, &text, &fault);
}

static bool make_key(const char *key, struct buf *ret_public, struct fault *fault)
{
    AUTO_FREE char *public = xformat("%s.pub", key);
    const char *const argv[] = {"ssh-keygen", "-q", "-t", "ed25519", "-N",
                                "",           "-f", key,  NULL};
    const char *const environment[] = {"PATH=/usr/bin:/bin", NULL};
    struct spawn_program program = {.argv = argv, .environment = environment};
    AUTO_BUF struct buf said = buf_with_limit(4096);
    int status = 1;

    if (!spawn_run(&program, slice_of(""), &said, &status, fault))
        return false;
    if (status != 0)
        return fault_set(fault, FAULT_HOST, "ssh-keygen made no key");
    return file_read(AT_FDCWD, public, ret_public, fault);
}

/* A key of the moment: what it signed is taken, other bytes under the same signature are not.
 */
static bool try_approval(const char *folder, struct fault *fault)
{
    AUTO_FREE char *key = xformat("%s/key", folder);
    AUTO_BUF struct buf public = buf_with_limit(4096);
    AUTO_BUF struct buf signature = buf_with_limit(SSHSIG_BYTES_MAX);
    const char *line;
    struct approval_person person = {.id = "doctor", .ssh = &line, .ssh_count = 1};
    struct fault refused = {0};

    if (!make_key(key, &public, fault))
        return false;
    line = buf_text(&public);
    if (!sshsig_sign(APPROVAL_NAMESPACE, key, SLICE("this tree"), &signature, fault) ||
        !sshsig_verify(APPROVAL_NAMESPACE, &person, SLICE("this tree"), buf_slice(&signature),
                       folder, fault))
        return false;
    if (sshsig_verify(APPROVAL_NAMESPACE, &person, SLICE("that tree"), buf_slice(&signature),
                      folder, &refused))
        return fault_set(fault, FAULT_HOST, "a signature held for bytes that it is not of");
    return refused.kind == FAULT_DENIED ||
           fault_set(fault, FAULT_HOST, "a wrong signature is not refused: %.100s",
                     refused.why);
}

void doctor_try_ours(struct probe_host *host)
{
    char folder[] = "/tmp/custody-doctor-XXXXXX";
    struct fault fault = {0}, ignored = {0};

    for (size_t i = 0; i < COUNT(policies); i++)
        host->policy.held += takes_policy(policies[i]) == (i == 0);
    host->policy.tried = COUNT(policies);
    for (size_t i = 0; i < COUNT(records); i++)
        host->records.held += takes_record(&records[i]) == (i == 0);
    host->records.tried = COUNT(records);
    host->approval.tried = 1;
    if (mkdtemp(folder) == NULL) {
        (void)snprintf(host->approval_why, sizeof(host->approval_why),
                       "no folder can be made in /tmp");
        return;
    }
    if (try_approval(folder, &fault))
        host->approval.held = 1;
    else
        (void)snprintf(host->approval_why, sizeof(host->approval_why), "%.199s", fault.why);
    (void)!file_remove_tree(AT_FDCWD, folder, &ignored);
}

bool doctor_takes_degraded(void)
{
    const struct policy_settings *settings;
    struct policy *policy = NULL;
    struct fault unsaid = {0};
    struct session session;
    bool taken;

    if (!session_open(&session, &unsaid))
        return false;
    taken = session_organisation(&session, &settings, &unsaid) &&
            policy_build(settings, NULL, &policy, &unsaid) && policy->degraded;
    policy_free(policy);
    session_close(&session);
    return taken;
}
