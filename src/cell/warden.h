/*
 * cell/warden.h - what stands around a cell without namespaces of its own.
 *
 *   core ─▶ warden ─▶ sweeper ─▶ first process (init.h) ─▶ agent
 *
 *   warden   outside the cell's domain, may still gain rights: mounts the view by fusermount3,
 *            and takes the mount away when the sweeper has ended, however that came
 *   sweeper  in the cell's domain: kills all that is in it when the first process has ended,
 *            when it is told to, or when the warden is gone
 *
 * Each has SIGTERM from its parent's death, so core killed, warden killed or sweeper killed
 * ends the cell all the same; the first process sweeps where the sweeper is gone.
 */
#ifndef CUSTODY_CELL_WARDEN_H
#define CUSTODY_CELL_WARDEN_H

#include "cell/init.h"

/*
 * For a fresh child of core. SIGTERM ends the cell. Returns its exit code when nothing of the
 * cell is left.
 */
int warden_serve(struct init *init);

#endif
