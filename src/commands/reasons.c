/* Why a run did not end in a change that is ready: for people. The words themselves are for
 * programs. */
#include "commands/reasons.h"

#include <stddef.h>
#include <string.h>

#include "base/bytes.h"

static const struct reason {
    const char *word;
    const char *text;
} table[] = {
    {"agent-failed",
     "the agent did not end with exit code 0; see its output, then run it again"},
    {"agent-start", "the program could not be started in the cell; name one that is installed "
                    "on this host, by "
                    "its full path or on $PATH, or choose one of `custody engine list`"},
    {"budget", "wait for tomorrow (UTC), or raise the budget that is named in the policy"},
    {"canary", "something that must not work in a cell worked, so no agent was started; see "
               "`custody doctor`"},
    {"cell", "the cell could not be made or ended too early; see `custody doctor`"},
    {"collect", "what the agent wrote could not be read back; nothing was kept, run it again"},
    {"containment", "leave --cell out, or have the organisation's policy say `containment: "
                    "degraded`; docs/modes.md says what is lost"},
    {"dialer", "the process that connects to what policy's `egress` lists ended, so the cell was "
               "killed; run it again"},
    {"dirty",
     "commit what is not committed, or leave it out with --ignore-dirty; no filter of "
     "yours is run here, so files that git converts (LFS, line ends) look changed"},
    {"disk-full",
     "the host's disk was nearly full, so the cell was killed; make room below $CUSTODY_HOME"},
    {"toolchain",
     "the root file system or image that policy names (toolchain) cannot be used"},
    {"disk-limit",
     "the agent filled more disk than `resources: disk` allows, so the cell was killed"},
    {"disk-watch",
     "the free space could not be watched, so the cell was killed; run it again"},
    {"door",
     "the process between agent and models ended, so the cell was killed; run it again"},
    {"egress", "the process that carries what policy's `egress` lists failed, so the cell was "
               "killed; `custody log --run RUN --type egress` has what it did last"},
    {"engine", "the agent program cannot be used here; see `custody engine list` and `custody "
               "engine show NAME`"},
    {"expired",
     "the contract of the model has ended: renew models[].expires in policy.yaml, or "
     "name another model"},
    {"file-too-large", "a file is larger than policy lets a change hold"},
    {"gateway",
     "the process that calls the models ended, so the cell was killed; run it again"},
    {"guard", "the process that records which programs are started ended, so the cell was "
              "killed; run it again"},
    {"host", "this host cannot enforce what a cell promises; `custody doctor` says what is "
             "missing and how to get it"},
    {"ledger", "a record could not be written, and without a record nothing goes on; look at "
               "the free space below $CUSTODY_HOME and at the witnesses (`custody doctor`), "
               "then at `custody verify`"},
    {"link-leaves-tree", "a symbolic link points out of the repository"},
    {"memory-limit",
     "the agent used more memory than `resources: memory` allows, so it was killed"},
    {"memory-watch", "the cell's memory could not be watched, so it was killed; run it again"},
    {"no-change", "the agent changed nothing that could be collected; scratch folders and "
                  "ignored files never are"},
    {"observer",
     "the process that compares reads with the kernel's account ended, so the cell "
     "was killed; run it again"},
    {"path-absolute", "a name that is no path in a repository; it was left out of the change"},
    {"path-control",
     "a name with control characters or a backslash; it was left out of the change"},
    {"path-empty", "a name that is no path in a repository; it was left out of the change"},
    {"path-encoding", "a name that is not UTF-8; it was left out of the change"},
    {"path-git",
     "a name that git or some file system takes for .git; it was left out of the change"},
    {"path-too-long",
     "a name longer than git takes everywhere; it was left out of the change"},
    {"path-traversal",
     "a name that is no path in a repository; it was left out of the change"},
    {"policy", "correct the policy at the place that is named; `custody policy check` tries "
               "it without a run"},
    {"read-denied",
     "policy denies reading a path that the change writes; see `custody policy explain PATH`"},
    {"record-missing",
     "the end of the run could not be recorded; look at the free space below $CUSTODY_HOME"},
    {"repository", "name a git repository with at least one commit by --repo DIR, and a "
                   "commit of it by --base REF"},
    {"requester", "name a person of the policy's `people` by --requester ID"},
    {"state-folder", "the state folder could not be used; look at its owner and at the free "
                     "space below $CUSTODY_HOME"},
    {"stopped", "a person or a signal ended the run; what the agent wrote was thrown away"},
    {"store", "the change is in the ledger and on its branch, and not in the store; look at "
              "the free space below "
              "$CUSTODY_HOME"},
    {"surrogate-moved",
     "a stand-in for a sensitive value was written where its original may not go"},
    {"surrogate-unsure",
     "a stand-in that may be there by chance; look at the file and make the change yourself"},
    {"ticket", "name a readable file of UTF-8 text, at most 48 KiB, by --ticket FILE"},
    {"time-limit", "the run's minutes were over, so the cell was killed; see `budgets: run: "
                   "minutes` in the policy"},
    {"too-many-files",
     "the change holds more files than `limits: files` allows; ask for less at once"},
    {"too-many-lines",
     "the change holds more lines than `limits: lines` allows; ask for less at once"},
    {"use", "see `custody run --help`"},
    {"view", "the process that shows the files ended, so the cell was killed; run it again"},
    {"write-denied",
     "policy denies writing a path that the change writes; see `custody policy explain PATH`"},
};

const char *reason_text(const char *reason)
{
    for (size_t i = 0; i < COUNT(table); i++)
        if (strcmp(table[i].word, reason) == 0)
            return table[i].text;
    return NULL;
}
