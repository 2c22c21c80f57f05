#include "roles/session.h"

#include <fcntl.h>
#include <pwd.h>
#include <unistd.h>

#include "base/scope.h"
#include "os/file.h"
#include "roles/ledger_role/ledger.h"

#define POLICY_FILE_BYTES_MAX (256UL * 1024)

bool session_open(struct session *ret_session, struct fault *fault)
{
    *ret_session = (struct session){.home.fd = -1};
    return home_open(false, &ret_session->home, fault);
}

void session_close(struct session *session)
{
    ledger_client_free(session->ledger);
    store_close(session->store);
    policy_settings_free(session->organisation);
    home_close(&session->home);
    *session = (struct session){.home.fd = -1};
}

bool session_ledger(struct session *session, struct ledger_client **ret_ledger,
                    struct fault *fault)
{
    int socket;

    if (session->ledger == NULL) {
        if (!ledger_connect(session->home.path, session->home.fd, &socket, fault))
            return fault_in(fault, "reach the ledger");
        session->ledger = ledger_client_new(socket);
    }
    *ret_ledger = session->ledger;
    return true;
}

bool session_store(struct session *session, struct store **ret_store, struct fault *fault)
{
    if (session->store == NULL) {
        AUTO_FREE char *path = xformat("%s/store.db", session->home.path);

        if (!store_open(path, &session->store, fault))
            return fault_in(fault, "open the store");
    }
    *ret_store = session->store;
    return true;
}

bool session_organisation(struct session *session, const struct policy_settings **ret_settings,
                          struct fault *fault)
{
    if (session->organisation == NULL) {
        AUTO_BUF struct buf text = buf_with_limit(POLICY_FILE_BYTES_MAX);
        bool own = file_exists(session->home.fd, "policy.yaml");

        if (!file_read(own ? session->home.fd : AT_FDCWD,
                       own ? "policy.yaml" : "/etc/custody/policy.yaml", &text, fault)) {
            if (fault->kind == FAULT_MISSING)
                return fault_set(
                    fault, FAULT_INVALID,
                    "no policy.yaml in %s or /etc/custody: run `custody init` first",
                    session->home.path);
            return false;
        }
        if (!policy_read(buf_slice(&text), "policy.yaml", &session->organisation, fault))
            return false;
    }
    *ret_settings = session->organisation;
    return true;
}

static bool is_person(const struct policy *policy, const char *id)
{
    for (size_t i = 0; i < policy->people_count; i++)
        if (strcmp(policy->people[i].id, id) == 0)
            return true;
    return false;
}

bool session_requester(const struct policy *policy, const char *named, char **ret_id,
                       struct fault *fault)
{
    const struct passwd *login = getpwuid(getuid());

    if (named != NULL && !is_person(policy, named))
        return fault_set(
            fault, FAULT_INVALID,
            "%s is not in the policy's people: `people` in policy.yaml names who is", named);
    if (named != NULL)
        *ret_id = xstrdup(named);
    else if (login != NULL && is_person(policy, login->pw_name))
        *ret_id = xstrdup(login->pw_name);
    else
        *ret_id = xformat("uid-%u", (unsigned)getuid());
    return true;
}
