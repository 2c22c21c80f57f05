#include "cell/place.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static const struct mode_row {
    struct cell_mode mode;
    const char *name;
    bool is_built;
    const char *loses, *costs;
} rows[CELL_MODE_COUNT] = {
    {{CELL_NAMESPACES, CELL_FUSE},
     "namespaces/fuse",
     true,
     "nothing",
     "30 to 85 us for the first read of a file, 1 us an open after it"},
    {{CELL_LANDLOCK, CELL_FUSE},
     "landlock/fuse",
     true,
     "names, sizes and times of the host's files and numbers of its processes are not hidden; "
     "no local servers, no shared memory, no /proc/self",
     "15 to 20 ms a start and up to 1 us an open more than namespaces/fuse"},
    {{CELL_NAMESPACES, CELL_INJECTED},
     "namespaces/injected",
     true,
     "acts by path alone (rename, chmod, unlink) are not recorded; writes are judged when the "
     "change is collected",
     "10 to 50 us an open, and a copy of the tree at the start"},
    {{CELL_LANDLOCK, CELL_INJECTED}, "landlock/injected", false, "all of the above", "-"},
};

const struct cell_mode cell_modes[CELL_MODE_COUNT] = {
    {CELL_NAMESPACES, CELL_FUSE},
    {CELL_LANDLOCK, CELL_FUSE},
    {CELL_NAMESPACES, CELL_INJECTED},
    {CELL_LANDLOCK, CELL_INJECTED},
};

bool cell_mode_same(struct cell_mode one, struct cell_mode other)
{
    return one.place == other.place && one.files == other.files;
}

static const struct mode_row *row_of(struct cell_mode mode)
{
    size_t at = 0;

    while (!cell_mode_same(rows[at].mode, mode))
        at++;
    return &rows[at];
}

const char *cell_mode_loses(struct cell_mode mode)
{
    return row_of(mode)->loses;
}

const char *cell_mode_costs(struct cell_mode mode)
{
    return row_of(mode)->costs;
}

const char *cell_mode_name(struct cell_mode mode)
{
    return row_of(mode)->name;
}

bool cell_mode_parse(struct slice text, struct cell_mode *ret_mode)
{
    for (size_t i = 0; i < COUNT(rows); i++)
        if (slice_equal(text, slice_of(rows[i].name))) {
            *ret_mode = rows[i].mode;
            return true;
        }
    return false;
}

bool cell_mode_is_degraded(struct cell_mode mode)
{
    return mode.files == CELL_INJECTED || mode.place == CELL_LANDLOCK;
}

/* One thing that a mode needs. `why` is told with the errno; what to do follows it. */
struct need {
    bool is_there;
    int error;
    const char *why, *fix;
};

static bool tell_first(const struct need *needs, size_t count, char why[CELL_WHY_BYTES])
{
    for (size_t i = 0; i < count; i++) {
        if (needs[i].is_there)
            continue;
        (void)snprintf(why, CELL_WHY_BYTES, "%s%s%s (%s)", needs[i].why,
                       needs[i].error == 0 ? "" : ": ",
                       needs[i].error == 0 ? "" : strerror(needs[i].error), needs[i].fix);
        return false;
    }
    return true;
}

static bool offers_place(const struct cell_host *host, enum cell_place place,
                         char why[CELL_WHY_BYTES])
{
    const struct need namespaces[] = {
        {host->namespaces == 0, host->namespaces, "no namespaces for this user",
         "custody doctor names the setting"},
    };
    const struct need landlock[] = {
        {!host->root, 0, "root needs no such place", "run it as an ordinary user"},
        {host->landlock_abi >= CELL_LANDLOCK_ABI_MIN, 0,
         host->landlock_abi == 0 ? "no Landlock"
                                 : "a Landlock too old to keep signals and sockets inside",
         "a kernel of at least 6.12 with landlock in lsm="},
        {host->notification == 0, host->notification, "no user notification of system calls",
         "a kernel of at least 5.9"},
        {host->ptrace_scope <= 1, 0,
         "kernel.yama.ptrace_scope keeps the guard from its callers",
         "sudo sysctl -w kernel.yama.ptrace_scope=1"},
    };

    return place == CELL_NAMESPACES ? tell_first(namespaces, COUNT(namespaces), why)
                                    : tell_first(landlock, COUNT(landlock), why);
}

static bool offers_files(const struct cell_host *host, struct cell_mode mode,
                         char why[CELL_WHY_BYTES])
{
    const struct need mounted[] = {
        {host->fuse == 0, host->fuse, "/dev/fuse",
         host->fuse == ENOENT || host->fuse == ENODEV ? "sudo modprobe fuse"
                                                      : "sudo chmod 0666 /dev/fuse"},
    };
    const struct need helped[] = {
        {host->fusermount != EACCES, 0, "no_new_privs is set, so fusermount3 gains no rights",
         "start it outside of a service with NoNewPrivileges="},
        {host->fusermount != ESRCH, 0, "fusermount3 takes no user without a name",
         "a line for this user in /etc/passwd"},
        {host->fusermount == 0, host->fusermount, "fusermount3",
         "sudo apt-get install fuse3: it must be set-user-id root"},
        {host->fuse != ENOENT && host->fuse != ENODEV, host->fuse, "/dev/fuse",
         "sudo modprobe fuse"},
    };
    const struct need injected[] = {
        {host->notification == 0, host->notification, "no user notification of system calls",
         "a kernel of at least 5.9"},
    };

    if (mode.files == CELL_INJECTED)
        return tell_first(injected, COUNT(injected), why);
    return mode.place == CELL_NAMESPACES ? tell_first(mounted, COUNT(mounted), why)
                                         : tell_first(helped, COUNT(helped), why);
}

bool cell_host_offers(const struct cell_host *host, struct cell_mode mode,
                      char ret_why[CELL_WHY_BYTES])
{
    ret_why[0] = '\0';
    if (!row_of(mode)->is_built) {
        (void)snprintf(ret_why, CELL_WHY_BYTES,
                       "not in this version: with the host's own root and no view, renames and "
                       "removals in the run's copy would be judged by nobody (docs/modes.md)");
        return false;
    }
    return offers_place(host, mode.place, ret_why) && offers_files(host, mode, ret_why);
}

/* The strongest; CELL_MODE_COUNT: none. */
static size_t strongest(const struct cell_host *host, bool degraded)
{
    char why[CELL_WHY_BYTES];
    size_t at = 0;

    while (at < CELL_MODE_COUNT && ((cell_mode_is_degraded(cell_modes[at]) && !degraded) ||
                                    !cell_host_offers(host, cell_modes[at], why)))
        at++;
    return at;
}

static bool tell_none(const struct cell_host *host, bool degraded, struct fault *fault)
{
    char full[CELL_WHY_BYTES], other[CELL_WHY_BYTES];
    size_t at = strongest(host, true);

    if (!degraded && at < CELL_MODE_COUNT)
        return fault_set(fault, FAULT_HOST,
                         "this host has only a degraded cell (%s), and the organisation's "
                         "policy does not say `containment: degraded`",
                         cell_mode_name(cell_modes[at]));
    (void)cell_host_offers(host, cell_modes[0], full);
    (void)cell_host_offers(host, cell_modes[1], other);
    return fault_set(fault, FAULT_HOST, "no cell can be made here: %s: %.140s; %s: %.140s",
                     cell_mode_name(cell_modes[0]), full, cell_mode_name(cell_modes[1]),
                     other);
}

bool cell_mode_choose(const struct cell_host *host, bool degraded,
                      const struct cell_mode *wanted, struct cell_mode *ret_mode,
                      struct fault *fault)
{
    size_t at = strongest(host, degraded);
    char why[CELL_WHY_BYTES];

    if (at == CELL_MODE_COUNT)
        return tell_none(host, degraded, fault);
    if (wanted == NULL || cell_mode_same(*wanted, cell_modes[at])) {
        *ret_mode = cell_modes[at];
        return true;
    }
    if (!cell_host_offers(host, *wanted, why))
        return fault_set(fault, FAULT_HOST, "a cell in %s: %s", cell_mode_name(*wanted), why);
    if (!degraded)
        return fault_set(fault, FAULT_DENIED,
                         "this host has a stronger cell than %s (%s), and the organisation's "
                         "policy does not say `containment: degraded`",
                         cell_mode_name(*wanted), cell_mode_name(cell_modes[at]));
    *ret_mode = *wanted;
    return true;
}
