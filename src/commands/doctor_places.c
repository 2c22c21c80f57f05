#include "commands/doctor_places.h"

#include <stdio.h>

json_t *doctor_places_json(const struct probe_host *host)
{
    struct probe_place places[CELL_MODE_COUNT];
    json_t *list = json_array();

    probe_places(host, places);
    for (size_t i = 0; i < CELL_MODE_COUNT; i++)
        (void)json_array_append_new(list, json_pack("{s:s, s:b, s:b, s:s, s:s, s:s}", "name",
                                                    cell_mode_name(places[i].mode), "works",
                                                    places[i].works, "degraded",
                                                    places[i].degraded, "why", places[i].why,
                                                    "loses", cell_mode_loses(places[i].mode),
                                                    "costs", cell_mode_costs(places[i].mode)));
    return list;
}

/* Settings of the kernel that keep an ordinary user from namespaces or the guard from its
 * callers. */
static void print_settings(const struct probe_host *host)
{
    const struct {
        const char *name;
        int64_t value;
    } rows[] = {
        {"user.max_user_namespaces", host->userns_max},
        {"kernel.unprivileged_userns_clone", host->userns_clone},
        {"kernel.apparmor_restrict_unprivileged_userns", host->apparmor_userns},
        {"kernel.yama.ptrace_scope", host->yama},
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        if (rows[i].value < 0)
            (void)printf("  %-46s not in this kernel\n", rows[i].name);
        else
            (void)printf("  %-46s %lld\n", rows[i].name, (long long)rows[i].value);
    }
    if (host->fuse_mode < 0)
        (void)printf("  %-46s not there\n", "/dev/fuse");
    else
        (void)printf(
            "  %-46s %04o%s\n", "/dev/fuse", (unsigned)host->fuse_mode,
            (host->fuse_mode & 0006) == 0006
                ? ""
                : ": root's only (a Debian with udev has 0666); fusermount3 opens it");
}

void doctor_places_print(const struct probe_host *host)
{
    struct probe_place places[CELL_MODE_COUNT];

    probe_places(host, places);
    (void)printf("places for a cell, the strongest first (docs/modes.md)\n");
    for (size_t i = 0; i < CELL_MODE_COUNT; i++) {
        (void)printf("  %-20s %s%s\n", cell_mode_name(places[i].mode),
                     places[i].works ? "works" : "no", places[i].degraded ? ", degraded" : "");
        if (!places[i].works)
            (void)printf("    why   %s\n", places[i].why);
        (void)printf("    loses %s\n    costs %s\n", cell_mode_loses(places[i].mode),
                     cell_mode_costs(places[i].mode));
    }
    print_settings(host);
}

void doctor_verdict_print(const struct probe_host *host)
{
    const char *taken = probe_place_taken(host);
    const char *degraded = probe_place_degraded(host);

    if (taken != NULL && degraded == NULL)
        (void)printf("A cell can be enforced here: %s.\n", taken);
    else if (taken != NULL)
        (void)printf("Only a degraded cell can be had here, and policy takes it: %s.\n",
                     taken);
    else if (degraded != NULL)
        (void)printf(
            "A cell cannot be enforced here, but a degraded one: %s, where policy.yaml "
            "says `containment: degraded`.\n",
            degraded);
    else
        (void)printf("A cell cannot be enforced here.\n");
}
