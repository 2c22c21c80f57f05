/* What the host's findings mean for the promises of custody. Pure. */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/bytes.h"
#include "cell/probe.h"

static const char *const status_names[] = {"enforced", "degraded", "missing"};

const char *promise_status_name(enum promise_status status)
{
    return status_names[status];
}

static void say(char *room, const char *format, ...) __attribute__((format(printf, 2, 3)));

static void say(char *room, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    (void)vsnprintf(room, PROBE_TEXT_MAX, format, args);
    va_end(args);
}

/* The command that lets this user have namespaces. The likeliest reason first. */
static void fix_namespaces(const struct probe_host *host, char *room)
{
    if (host->userns_max == 0)
        say(room, "sudo sysctl -w user.max_user_namespaces=15000");
    else if (host->userns_clone == 0)
        say(room, "sudo sysctl -w kernel.unprivileged_userns_clone=1");
    else if (host->apparmor_userns == 1)
        say(room, "sudo sysctl -w kernel.apparmor_restrict_unprivileged_userns=0");
    else if (!host->mount_setattr)
        say(room, "install a kernel of at least 5.12 (mount_setattr): sudo apt-get install "
                  "linux-image-amd64");
    else if (host->root)
        say(room,
            "docker run --privileged ... (root without CAP_SYS_ADMIN makes no namespaces)");
    else
        say(room, "sudo custody doctor (as root no user namespace is needed to mount)");
}

/* It holds in a degraded place, as far as docs/modes.md says. */
static void settle_for_less(const struct probe_host *host, struct promise *promise)
{
    const char *place = probe_place_degraded(host);

    if (place == NULL)
        return;
    promise->status = PROMISE_DEGRADED;
    say(promise->mechanism, "only in a degraded cell: %s, see docs/modes.md", place);
}

static void judge_cell(const struct probe_host *host, struct promise *promise, const char *by)
{
    if (host->cell && host->canaries_broken == 0 && host->seccomp_filter) {
        say(promise->mechanism, "%s", by);
        return;
    }
    promise->status = PROMISE_MISSING;
    if (host->canaries_broken > 0) {
        say(promise->mechanism, "%zu attacks got through a cell on this host",
            host->canaries_broken);
        say(promise->fix,
            "custody doctor --json (names them); do not run agents on this host");
        return;
    }
    say(promise->mechanism, "no cell can be made: %.150s", host->cell_why);
    fix_namespaces(host, promise->fix);
    settle_for_less(host, promise);
}

/* All of what was tried came out as it must, and something was tried. */
static bool holds(const struct probe_trial *trial)
{
    return trial->tried > 0 && trial->held == trial->tried;
}

/* For what custody itself does: when that fails, the program is broken or not ours. */
static void judge_trial(const struct probe_trial *trial, struct promise *promise,
                        const char *what)
{
    say(promise->mechanism, "%s: %zu of %zu tries came out as they must", what, trial->held,
        trial->tried);
    if (holds(trial))
        return;
    promise->status = PROMISE_MISSING;
    say(promise->fix, "install custody anew: this program does not do what it promises");
}

static void judge_record(const struct probe_host *host, struct promise *promise)
{
    say(promise->mechanism,
        "written and on the disk (fdatasync) before every act; tried in %.100s", host->state);
    say(promise->unprobed,
        "that a run stops when the ledger does; whether the disk tells the truth");
    if (!host->state_writable || host->state_sync != 0) {
        promise->status = PROMISE_MISSING;
        if (host->state_writable)
            say(promise->mechanism, "%.120s: %s", host->state, strerror(host->state_sync));
        else
            say(promise->mechanism, "%.150s is not writable", host->state);
        say(promise->fix, "export CUSTODY_HOME=\"$HOME/.local/state/custody\"");
    } else if (host->state_kind == DISK_REMOTE) {
        promise->status = PROMISE_MISSING;
        say(promise->mechanism,
            "%.120s is on %s: what is on disk after a sync there, nobody knows", host->state,
            host->state_filesystem);
        say(promise->fix, "export CUSTODY_HOME=/var/lib/custody, or ledger: { filesystem: "
                          "any } in policy.yaml");
    } else if (host->state_kind == DISK_VOLATILE) {
        promise->status = PROMISE_DEGRADED;
        say(promise->mechanism, "%.120s is on %s: records do not survive a crash of the host",
            host->state, host->state_filesystem);
        say(promise->fix, "export CUSTODY_HOME=/var/lib/custody");
    } else if (host->state_level >= DISK_WARN) {
        promise->status =
            host->state_level >= DISK_REFUSE ? PROMISE_MISSING : PROMISE_DEGRADED;
        say(promise->mechanism, "%.120s has little room left: %s", host->state,
            host->state_level >= DISK_REFUSE ? "no act is recorded, so none is done"
                                             : "below 5 % (256 MiB at most) acts are refused");
        say(promise->fix, "make room there, or export CUSTODY_HOME=/var/lib/custody");
    }
}

static void judge_evidence(const struct probe_host *host, struct promise *promise)
{
    judge_cell(
        host, promise,
        host->root
            ? "mount and pid namespaces; a user id of its own outside"
            : "mount and pid namespaces; no path, signal or socket leads to the ledger");
}

static void judge_way_out(const struct probe_host *host, struct promise *promise)
{
    judge_cell(host, promise,
               "a network namespace with loopback alone; descriptors closed; filter");
    say(promise->unprobed, "the door: the trial cell has none");
}

static void judge_verdicts(const struct probe_host *host, struct promise *promise)
{
    judge_cell(host, promise, "FUSE view in the cell's own mount namespace");
    say(promise->unprobed,
        "redaction and denial: the trial cell has no view; every run's canaries try both");
    if (promise->status != PROMISE_ENFORCED || (host->fuse_open == 0 && host->fuse_mount == 0))
        return;
    promise->status = PROMISE_MISSING;
    if (host->fuse_open != 0) {
        say(promise->mechanism, "/dev/fuse: %s", strerror(host->fuse_open));
        say(promise->fix, "%s",
            host->fuse_open == ENOENT || host->fuse_open == ENODEV
                ? "sudo modprobe fuse"
                : "sudo chmod 0666 /dev/fuse");
    } else {
        say(promise->mechanism, "mounting FUSE: %s", strerror(host->fuse_mount));
        fix_namespaces(host, promise->fix);
    }
    settle_for_less(host, promise);
}

static void judge_canaries(const struct probe_host *host, struct promise *promise)
{
    char by[PROBE_TEXT_MAX];

    say(by, "%zu canaries held in a trial cell just now; every run tries them again",
        host->canaries_held);
    judge_cell(host, promise, by);
    say(promise->unprobed, "%zu canaries that need a view or a newer kernel",
        host->canaries_not_tried);
    if (promise->status != PROMISE_ENFORCED || host->landlock_abi >= 6)
        return;
    promise->status = PROMISE_DEGRADED;
    say(promise->mechanism,
        "canaries held, but Landlock ABI %d has no scopes: one layer against "
        "signals and abstract sockets instead of two",
        host->landlock_abi);
    say(promise->fix,
        "install a kernel of at least 6.12 with lsm=landlock,... on its command line");
}

static void judge_credentials(const struct probe_host *host, struct promise *promise)
{
    judge_verdicts(host, promise);
    say(promise->unprobed, "the one-commit .git: the trial cell has none");
    if (promise->status != PROMISE_ENFORCED)
        return;
    say(promise->mechanism,
        "environment and descriptors of the trial cell held nothing; keys are the gateway's");
    if (host->git[0] == '\0') {
        promise->status = PROMISE_MISSING;
        say(promise->mechanism, "no git to read the repository with");
        say(promise->fix, "sudo apt-get install git");
    }
}

static void judge_approval(const struct probe_host *host, struct promise *promise)
{
    say(promise->mechanism,
        "SSHSIG: a signature held for its own bytes and not for others (git %s)", host->git);
    say(promise->unprobed, "a whole approval: doctor has no change to approve");
    if (host->git[0] != '\0' && holds(&host->approval))
        return;
    promise->status = PROMISE_MISSING;
    if (host->git[0] == '\0') {
        say(promise->mechanism, "no git");
        say(promise->fix, "sudo apt-get install git");
        return;
    }
    say(promise->mechanism, "signatures: %.150s", host->approval_why);
    say(promise->fix, "sudo apt-get install openssh-client");
}

static void judge_shipped(const struct probe_host *host, struct promise *promise)
{
    (void)host;
    promise->status = PROMISE_DEGRADED;
    say(promise->mechanism,
        "landing refuses a tree other than the approved one; commits that went "
        "around custody are not reconciled by this version");
    say(promise->unprobed, "all of it: the verdict is of this version, not of this host");
    say(promise->fix, "custody verify; git log --first-parent (compare by hand)");
}

static void judge_validators(const struct probe_host *host, struct promise *promise)
{
    (void)host;
    promise->status = PROMISE_MISSING;
    say(promise->mechanism,
        "this version runs no validators, so no clean result of one is claimed");
    say(promise->unprobed, "all of it: the verdict is of this version, not of this host");
    say(promise->fix, "custody change diff ID (read it before you approve)");
}

static void judge_policy(const struct probe_host *host, struct promise *promise)
{
    judge_trial(&host->policy, promise,
                "strict parser, one table; policies that are in doubt are refused");
    say(promise->unprobed, "the policy files of this host: custody policy check");
}

static void judge_log(const struct probe_host *host, struct promise *promise)
{
    judge_trial(&host->records, promise,
                "closed table of record fields; free text is refused");
    say(promise->unprobed, "paths and names, which a record may have as they are");
}

static void judge_egress(const struct probe_host *host, struct promise *promise)
{
    say(promise->mechanism,
        "filters: %zu of %zu roles got no internet socket; the gateway alone may, "
        "to the policy's hosts",
        host->roles.held, host->roles.tried);
    say(promise->unprobed, "the gateway's hosts: doctor makes no connection");
    if (holds(&host->roles))
        return;
    promise->status = PROMISE_DEGRADED;
    say(promise->fix, "install a kernel with CONFIG_SECCOMP_FILTER=y");
}

static const struct promise_row {
    const char *name;
    void (*judge)(const struct probe_host *host, struct promise *promise);
} rows[PROMISE_COUNT] = {
    {"No record, no action", judge_record},
    {"The agent writes no evidence", judge_evidence},
    {"Only one way out", judge_way_out},
    {"Two verdicts per file", judge_verdicts},
    {"Policy fails closed", judge_policy},
    {"Proof of enforcement", judge_canaries},
    {"A check that saw nothing fails", judge_validators},
    {"Approval binds the tree", judge_approval},
    {"What was approved is what shipped", judge_shipped},
    {"Nothing sensitive in the log", judge_log},
    {"Zero unsolicited egress", judge_egress},
    {"Credentials stay out of cells", judge_credentials},
};

void probe_promises(const struct probe_host *host, struct promise ret_promises[PROMISE_COUNT])
{
    for (int i = 0; i < PROMISE_COUNT; i++) {
        ret_promises[i] = (struct promise){.id = i + 1, .name = rows[i].name};
        rows[i].judge(host, &ret_promises[i]);
    }
}
