#include "commands/ledger.h"

#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#include "base/scope.h"
#include "ledger/archive_place.h"
#include "ledger/verify_files.h"
#include "os/file.h"
#include "roles/ledger_role/ledger.h"

static bool open_own(int *ret_folder, struct fault *fault)
{
    struct home home;
    int folder;

    if (!home_open(false, &home, fault))
        return false;
    folder = openat(home.fd, "ledger", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (folder < 0)
        (void)fault_errno(fault, "open %s/ledger", home.path);
    home_close(&home);
    *ret_folder = folder;
    return folder >= 0;
}

bool ledger_open(const char *word, int *ret_folder, struct fault *fault)
{
    int folder;

    if (word == NULL)
        return open_own(ret_folder, fault);
    folder = open(word, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (folder < 0)
        return fault_errno(fault, "open %s", word);
    *ret_folder = folder;
    return true;
}

bool ledger_key(const char *word, int folder, struct buf *ret_key, struct fault *fault)
{
    if (word != NULL)
        return verify_files_key(word, ret_key, fault);
    return file_read(folder, "../keys/ledger.vkey", ret_key, fault) ||
           fault_in(fault, "no keys/ledger.vkey lies beside that folder, so name the public key "
                           "with --key");
}

char *ledger_person(struct session *session)
{
    const struct policy_settings *organisation;
    struct policy *policy = NULL;
    struct fault ignored = {0};
    char *person = NULL;

    if (session_organisation(session, &organisation, &ignored) &&
        policy_build(organisation, NULL, &policy, &ignored) &&
        session_requester(policy, NULL, &person, &ignored)) {
        policy_free(policy);
        return person;
    }
    policy_free(policy);
    return xformat("uid-%u", (unsigned)getuid());
}

static bool add_running(void *self, const struct store_run *run, struct fault *fault)
{
    if (run->ended_us != 0 || run->pid <= 0 || kill((pid_t)run->pid, 0) < 0)
        return true;
    return buf_add_format(self, fault, " %s", run->id);
}

bool ledger_take_idle(struct session *session, int *ret_folder, int *ret_lock,
                      struct fault *fault)
{
    AUTO_BUF struct buf runs = buf_with_limit(256);
    struct fault ignored = {0};
    struct store *store;

    if (ledger_take(session->home.fd, ret_folder, ret_lock, fault))
        return true;
    if (fault->kind != FAULT_CONFLICT)
        return false;
    if (session_store(session, &store, &ignored) &&
        store_runs(store, NULL, add_running, &runs, NULL, &ignored) && runs.len > 0)
        return fault_set(fault, FAULT_CONFLICT,
                         "these runs are under way:%s; wait for them, or `custody stop` them",
                         buf_text(&runs));
    return fault_in(fault, "the ledger is at work; try again when nothing is under way");
}

bool ledger_archive(const char *word, int folder, bool is_own,
                    struct archive_folder *ret_archive, struct fault *fault)
{
    *ret_archive = (struct archive_folder){.archive = NULL};
    if (word != NULL)
        return archive_place_open_at(word, folder, ret_archive, fault);
    if (is_own)
        archive_place_open(folder, ret_archive);
    return true;
}
