/* In which places a cell can be had on this host. Pure. */
#include <stdio.h>
#include <string.h>

#include "base/bytes.h"
#include "cell/probe.h"

/* What was tried counts more than what the parts promise. */
static bool tried_well(const struct probe_host *host, struct cell_mode mode,
                       char why[CELL_WHY_BYTES])
{
    bool namespaced = mode.place == CELL_NAMESPACES;
    bool mounted = namespaced && mode.files == CELL_FUSE;
    const struct {
        bool is_lacking;
        const char *what, *more;
    } rows[] = {
        {!host->seccomp_filter, "no filter of system calls",
         " (a kernel with CONFIG_SECCOMP_FILTER=y)"},
        {!host->seccomp_notification, "no user notification of system calls",
         " (a kernel of at least 5.9)"},
        {namespaced && !host->cell, "the trial cell was not made: ", host->cell_why},
        {namespaced && host->canaries_broken > 0, "attacks got through the trial cell",
         " (do not run agents here)"},
        {mounted && host->fuse_open != 0, "/dev/fuse: ", strerrordesc_np(host->fuse_open)},
        {mounted && host->fuse_mount != 0,
         "mounting FUSE: ", strerrordesc_np(host->fuse_mount)},
        {!namespaced && host->fusermount_why[0] != '\0', "", host->fusermount_why},
    };

    for (size_t i = 0; i < COUNT(rows); i++) {
        if (!rows[i].is_lacking)
            continue;
        (void)snprintf(why, CELL_WHY_BYTES, "%s%.180s", rows[i].what,
                       rows[i].more == NULL ? "" : rows[i].more);
        return false;
    }
    return true;
}

void probe_places(const struct probe_host *host,
                  struct probe_place ret_places[CELL_MODE_COUNT])
{
    for (size_t i = 0; i < CELL_MODE_COUNT; i++) {
        struct probe_place *place = &ret_places[i];

        *place = (struct probe_place){.mode = cell_modes[i],
                                      .degraded = cell_mode_is_degraded(cell_modes[i])};
        place->works = cell_host_offers(&host->offers, place->mode, place->why) &&
                       tried_well(host, place->mode, place->why);
    }
}

/* The first that works and that `degraded` takes; CELL_MODE_COUNT: none. */
static size_t first_place(const struct probe_host *host, bool degraded)
{
    struct probe_place places[CELL_MODE_COUNT];
    size_t at = 0;

    probe_places(host, places);
    while (at < CELL_MODE_COUNT && (!places[at].works || (places[at].degraded && !degraded)))
        at++;
    return at;
}

const char *probe_place_taken(const struct probe_host *host)
{
    size_t at = first_place(host, host->degraded_taken);

    return at == CELL_MODE_COUNT ? NULL : cell_mode_name(cell_modes[at]);
}

const char *probe_place_degraded(const struct probe_host *host)
{
    size_t at = first_place(host, true);

    return at == CELL_MODE_COUNT || !cell_mode_is_degraded(cell_modes[at])
               ? NULL
               : cell_mode_name(cell_modes[at]);
}

bool probe_enforceable(const struct probe_host *host)
{
    return probe_place_taken(host) != NULL;
}
