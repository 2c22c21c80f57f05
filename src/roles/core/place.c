/* Which cell this run gets. */
#include "roles/core/parts.h"
#include "roles/core/shared.h"

bool core_choose_cell(struct run *run, struct fault *fault)
{
    if (!cell_mode_choose(&run->host, run->policy->degraded, run->request->cell, &run->mode,
                          fault))
        return run_because(run, fault->kind == FAULT_HOST ? "host" : "containment");
    run->result->cell = cell_mode_name(run->mode);
    run->result->degraded = cell_mode_is_degraded(run->mode);
    if (run->result->degraded)
        run_say(
            run, "warning: this cell is degraded (%s): content is redacted as always, but %s",
            run->result->cell,
            run_is_shared(run)
                ? "the host's file names and process numbers are not hidden (docs/modes.md)"
                : "less is recorded (docs/injected.md)");
    return !run_is_shared(run) || core_shared_open(run, fault);
}
