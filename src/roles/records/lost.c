#include "roles/records/lost.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "base/scope.h"
#include "cell/cell.h"
#include "flow/flow.h"
#include "flow/run_folder.h"
#include "os/clock_real.h"
#include "os/file.h"
#include "roles/records/holds.h"

struct lost {
    struct store *store;
    struct ledger_client *ledger;
    bool found;
};

static bool record_end(struct lost *lost, const struct store_run *run, struct fault *fault)
{
    struct record record;

    record_begin(&record, RECORD_RUN_ENDED);
    record_word(&record, RECORD_RUN, run->id);
    if (run->agent[0] != 0)
        record_word(&record, RECORD_AGENT, run->agent);
    record_word(&record, RECORD_OUTCOME, run_state_name(RUN_FAILED));
    record_word(&record, RECORD_REASON, "killed");
    return ledger_record_durably(lost->ledger, &record, NULL, fault) ||
           fault_in(fault, "record the end of run %s", run->id);
}

static bool is_over(const char *state)
{
    for (unsigned i = 0; i < RUN_STATE_COUNT; i++)
        if (strcmp(run_state_name((enum run_state)i), state) == 0)
            return run_state_is_final((enum run_state)i);
    return false;
}

static bool end_row(void *self, const struct store_run *run, struct fault *fault)
{
    struct lost *lost = self;
    struct store_run ended = *run;

    lost->found = true;
    if (is_over(run->state))
        return true;
    ended.state = run_state_name(RUN_FAILED);
    ended.reasons = "killed";
    ended.ended_us = clock_now_us(&clock_real);
    return record_end(lost, run, fault) && store_put_run(lost->store, &ended, fault);
}

static bool end_run(struct lost *lost, struct session *session, const char *run,
                    struct fault *fault)
{
    const struct store_run unknown = {.id = run, .agent = ""};

    lost->found = false;
    if (!session_store(session, &lost->store, fault) ||
        !session_ledger(session, &lost->ledger, fault) ||
        !store_runs(lost->store, run, end_row, lost, NULL, fault))
        return false;
    /* Killed before its row was there: the ledger may have its beginning. */
    return lost->found || record_end(lost, &unknown, fault);
}

/* Killed with its whole cell, warden and all: the mount is still there. */
static bool unmount_view(const struct session *session, const char *run, struct fault *fault)
{
    AUTO_FREE char *path = xformat("%s/runs/%s/view", session->home.path, run);

    return access(path, F_OK) < 0 && errno == ENOENT ? true : cell_unmount(path, fault);
}

bool lost_sweep(struct session *session, size_t *ret_removed, struct fault *fault)
{
    AUTO_CLOSE int runs = -1;
    struct lost lost = {0};
    DIR *dir;
    bool ok = true;
    int own;

    *ret_removed = 0;
    if (!file_open_folder(session->home.fd, "runs", 0711, &runs, fault))
        return false;
    own = openat(runs, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    dir = own < 0 ? NULL : fdopendir(own);
    if (dir == NULL) {
        scope_close(&own);
        return fault_errno(fault, "list the runs");
    }
    for (struct dirent *entry; ok && (entry = readdir(dir)) != NULL;) {
        AUTO_CLOSE int lock = -1;

        if (entry->d_name[0] == '.') {
            ok = run_folder_tidy(runs, entry->d_name, fault);
            continue;
        }
        lock = run_folder_take_dead(runs, entry->d_name);
        if (lock < 0)
            continue;
        if (!cell_sweep(entry->d_name)) /* its folder stays: the next sweep finds it */
            continue;
        ok = end_run(&lost, session, entry->d_name, fault);
        if (ok && !holds_allow_removal(session->home.fd, entry->d_name, fault)) {
            ok = fault->kind == FAULT_DENIED; /* what is under a legal hold stays */
            continue;
        }
        ok = ok && unmount_view(session, entry->d_name, fault);
        ok = ok && run_folder_remove(runs, entry->d_name, fault);
        *ret_removed += ok;
    }
    (void)closedir(dir);
    return ok;
}
