/* custody doctor - what this host can enforce, what is missing and how to get it. */
#include <stdio.h>
#include <string.h>

#include "base/scope.h"
#include "cell/probe.h"
#include "commands/doctor_places.h"
#include "commands/doctor_trials.h"
#include "commands/key.h"
#include "commands/ledger_standing.h"
#include "commands/table.h"
#include "flow/home.h"
#include "os/clock_real.h"

/* An errno as a word of the JSON: "ok", "EACCES". */
static json_t *json_of_errno(int error)
{
    const char *name = strerrorname_np(error);

    return json_string(error == 0 ? "ok" : name == NULL ? "unknown" : name);
}

/* A setting of the kernel that may not be there. */
static json_t *json_of_setting(int64_t value)
{
    return value < 0 ? json_null() : json_pack("I", (json_int_t)value);
}

static json_t *json_of_promises(const struct promise *promises)
{
    json_t *list = json_array();

    for (size_t i = 0; i < PROMISE_COUNT; i++)
        (void)json_array_append_new(
            list,
            json_pack("{s:i, s:s, s:s, s:s, s:s, s:s}", "id", promises[i].id, "name",
                      promises[i].name, "status", promise_status_name(promises[i].status),
                      "mechanism", promises[i].mechanism, "unprobed", promises[i].unprobed,
                      "fix", promises[i].fix));
    return list;
}

static json_t *json_of_host(const struct probe_host *host)
{
    json_t *cell =
        json_pack("{s:b, s:s, s:I, s:I, s:I, s:I}", "sealed", host->cell, "why",
                  host->cell_why, "canaries_held", (json_int_t)host->canaries_held,
                  "canaries_broken", (json_int_t)host->canaries_broken, "canaries_not_tried",
                  (json_int_t)host->canaries_not_tried, "start_us", (json_int_t)host->cell_us);
    json_t *settings = json_pack(
        "{s:o, s:o, s:o, s:o, s:o}", "dev.tty.legacy_tiocsti", json_of_setting(host->tiocsti),
        "kernel.yama.ptrace_scope", json_of_setting(host->yama),
        "kernel.apparmor_restrict_unprivileged_userns", json_of_setting(host->apparmor_userns),
        "kernel.unprivileged_userns_clone", json_of_setting(host->userns_clone),
        "user.max_user_namespaces", json_of_setting(host->userns_max));
    char mode[12] = "";
    json_t *fuse;
    json_t *limits = json_pack("{s:i}", "cgroup_version", host->cgroup_version);

    if (host->fuse_mode >= 0)
        (void)snprintf(mode, sizeof(mode), "%04o", (unsigned)host->fuse_mode);
    fuse = json_pack("{s:s, s:o, s:o, s:o, s:b, s:b}", "mode", mode, "open",
                     json_of_errno(host->fuse_open), "mount", json_of_errno(host->fuse_mount),
                     "fusermount", json_of_errno(host->offers.fusermount), "passthrough",
                     host->fuse_passthrough, "io_uring", host->fuse_io_uring);
    for (unsigned i = 0; i < CELL_LIMIT_COUNT; i++) {
        AUTO_FREE char *version = xformat("%s_version", cell_limit_name((enum cell_limit)i));

        (void)json_object_set_new(limits, cell_limit_name((enum cell_limit)i),
                                  json_boolean(host->limit[i]));
        (void)json_object_set_new(limits, version, json_integer(host->limit_version[i]));
    }
    return json_pack("{s:s, s:s, s:b, s:o, s:o, s:i, s:b, s:b, s:o, s:o, s:b, s:b, s:o, s:o, "
                     "s:o, s:s, s:s, s:s, s:s, s:I}",
                     "kernel", host->kernel, "machine", host->machine, "root", host->root,
                     "user_namespaces", json_of_errno(host->user_namespaces), "fuse", fuse,
                     "landlock_abi", host->landlock_abi, "seccomp_filter",
                     host->seccomp_filter, "seccomp_notification", host->seccomp_notification,
                     "fanotify_permission", json_of_errno(host->fanotify_permission),
                     "overlayfs", json_of_errno(host->overlayfs), "pidfd", host->pidfd,
                     "mount_setattr", host->mount_setattr, "limits", limits, "settings",
                     settings, "cell", cell, "git", host->git, "state", host->state,
                     "state_filesystem", host->state_filesystem, "state_level",
                     disk_level_name(host->state_level), "state_free_bytes",
                     (json_int_t)host->state_free_bytes);
}

static const char *yes_or(bool yes, const char *no)
{
    return yes ? "yes" : no;
}

static const char *errno_or_yes(int error)
{
    return error == 0 ? "yes" : strerror(error);
}

/* Kinds may be mixed: a hybrid host has some controllers in v1, some in v2. */
static void print_limits(const struct probe_host *host)
{
    static const char *const instead[CELL_LIMIT_COUNT] = {[CELL_LIMIT_MEMORY] = "watched",
                                                          [CELL_LIMIT_PIDS] = "by rlimit",
                                                          [CELL_LIMIT_CPU] = "no",
                                                          [CELL_LIMIT_IO] = "no"};

    (void)printf("  control groups        ");
    for (unsigned i = 0; i < CELL_LIMIT_COUNT; i++) {
        (void)printf("%s%s ", i == 0 ? "" : ", ", cell_limit_name((enum cell_limit)i));
        if (host->limit[i])
            (void)printf("v%d", host->limit_version[i]);
        else
            (void)printf("%s", instead[i]);
    }
    (void)printf("\n");
}

static void print_host(const struct probe_host *host)
{
    (void)printf("host\n  kernel                %s %s, as %s\n", host->kernel, host->machine,
                 host->root ? "root" : "an ordinary user");
    (void)printf("  trial cell            ");
    if (host->cell)
        (void)printf("sealed in %.1f ms; %zu attacks held, %zu got through, %zu not tried\n",
                     (double)host->cell_us / 1000, host->canaries_held, host->canaries_broken,
                     host->canaries_not_tried);
    else
        (void)printf("no: %s\n", host->cell_why);
    (void)printf("  user namespaces       %s\n", errno_or_yes(host->user_namespaces));
    (void)printf("  /dev/fuse, mounting   %s, %s\n", errno_or_yes(host->fuse_open),
                 errno_or_yes(host->fuse_mount));
    (void)printf("  FUSE transport        %s\n",
                 host->fuse_io_uring
                     ? "io_uring"
                     : "/dev/fuse (by io_uring first reads are quicker: kernel 6.14, "
                       "fuse.enable_uring=1)");
    (void)printf("  Landlock ABI          %d%s\n", host->landlock_abi,
                 host->landlock_abi >= 6 ? "" : " (scopes need 6)");
    (void)printf("  system call filter    %s, notification %s\n",
                 yes_or(host->seccomp_filter, "no"), yes_or(host->seccomp_notification, "no"));
    (void)printf("  fanotify permission   %s: %s\n", errno_or_yes(host->fanotify_permission),
                 host->fanotify_permission == 0
                     ? "reads are accounted for twice"
                     : "the view's account of reads is the only one");
    (void)printf("  overlayfs             %s\n", errno_or_yes(host->overlayfs));
    print_limits(host);
    if (!host->limit[CELL_LIMIT_MEMORY] && !host->root)
        (void)printf("                        to have them: systemd-run --user --scope "
                     "-p Delegate=yes custody run ...\n");
    (void)printf("  git                   %s\n", host->git[0] == '\0' ? "none" : host->git);
    (void)printf("  state                 %s, on %s, %.1f GiB free (%s)%s\n", host->state,
                 host->state_filesystem, (double)host->state_free_bytes / (1 << 30),
                 disk_level_name(host->state_level),
                 host->state_writable ? "" : ", not writable");
}

static void print_promises(const struct promise *promises)
{
    (void)printf("promises\n");
    for (size_t i = 0; i < PROMISE_COUNT; i++) {
        (void)printf("  %2d %-8s %s\n              %s\n", promises[i].id,
                     promise_status_name(promises[i].status), promises[i].name,
                     promises[i].mechanism);
        if (promises[i].unprobed[0] != '\0')
            (void)printf("              not probed: %s\n", promises[i].unprobed);
        if (promises[i].fix[0] != '\0')
            (void)printf("              fix: %s\n", promises[i].fix);
    }
}

/* Where there is a ledger. */
static void find_ledger(struct key_standing *ret_key, struct ledger_standing *ret_standing)
{
    struct fault unsaid = {0};
    struct home home;

    *ret_key = (struct key_standing){.kind = "none", .protects = ""};
    *ret_standing = (struct ledger_standing){0};
    if (!home_open(false, &home, &unsaid))
        return;
    key_standing_of(home.fd, ret_key);
    ledger_standing_of(home.fd, ret_standing);
    home_close(&home);
}

static void print_key(const struct key_standing *key)
{
    (void)printf("  signing key           %s%s%s\n", key->kind,
                 key->where[0] == '\0' ? "" : ": ", key->where);
    if (key->fix[0] != '\0')
        (void)printf("                        better: %s\n", key->fix);
}

static int run(const struct invocation *invocation)
{
    AUTO_FREE char *state = home_path();
    AUTO_FREE struct probe_host *host = xalloc(sizeof(*host));
    struct promise promises[PROMISE_COUNT];
    struct ledger_standing ledger;
    struct key_standing key;
    bool enforceable;

    find_ledger(&key, &ledger);
    probe_host(state == NULL ? "/" : state, &clock_real, host);
    doctor_try_ours(host);
    host->degraded_taken = doctor_takes_degraded();
    probe_promises(host, promises);
    enforceable = probe_enforceable(host);
    if (invocation->json) {
        command_print_json(json_pack(
            "{s:b, s:s?, s:b, s:o, s:o, s:o, s:o, s:o}", "enforceable", enforceable, "place",
            probe_place_taken(host), "degraded", probe_place_degraded(host) != NULL, "places",
            doctor_places_json(host), "promises", json_of_promises(promises), "host",
            json_of_host(host), "key", key_standing_json(&key), "witnesses",
            ledger_standing_json(&ledger)));
    } else {
        print_promises(promises);
        doctor_places_print(host);
        print_host(host);
        print_key(&key);
        ledger_standing_print(&ledger);
        doctor_verdict_print(host);
    }
    return enforceable ? EXIT_YES : EXIT_HOST;
}

const struct command command_doctor = {
    .name = "doctor",
    .arguments = "",
    .prints_json = true,
    .summary = "What this host can enforce, what is missing and how to get it",
    .text =
        "Tries, in children that leave nothing behind: a whole cell with its canaries, user "
        "namespaces, FUSE, Landlock, filters of system calls, fanotify, overlayfs, control "
        "groups, what each role of custody may call, refusals of policies, records and "
        "signatures. Says in which places a cell can be here, what each lacks, loses and "
        "costs; "
        "and for each promise whether it is enforced here, by what, what was not "
        "probed, and where it is not enforced, the command that helps.\n\n"
        "Exit: 0 a cell can be enforced, or a degraded one where policy.yaml says "
        "`containment: "
        "degraded`; 4 it cannot.",
    .run = run,
};
