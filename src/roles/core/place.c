/* Which cell this run gets. */
#include "roles/core/parts.h"

bool core_choose_cell(struct run *run, struct fault *fault)
{
    struct cell_host host;

    cell_host_look(&host);
    if (!cell_mode_choose(&host, run->policy->degraded, run->request->cell, &run->mode, fault))
        return run_because(run, fault->kind == FAULT_HOST ? "host" : "containment");
    run->result->cell = cell_mode_name(run->mode);
    run->result->degraded = cell_mode_is_degraded(run->mode);
    if (run->result->degraded)
        run_say(run,
                "warning: this cell is degraded (%s): content is redacted as always, but "
                "less is recorded (docs/injected.md)",
                run->result->cell);
    return true;
}
