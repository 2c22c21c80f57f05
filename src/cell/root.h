/*
 * cell/root.h - builds the cell's file system, in pid 1, before it gives its privileges up.
 *
 * Order: root_sources, root_build, root_enter, root_leave; when the view serves, root_finish.
 */
#ifndef CUSTODY_CELL_ROOT_H
#define CUSTODY_CELL_ROOT_H

#include "cell/cell.h"

/* Detached copies of what will be mounted, taken while the host's tree is still in sight. */
struct root {
    const struct cell_plan *plan;
    const char *base; /* where the new root is being built, on the host */
    int *mounts;      /* one per plan->mounts; -1 where nothing is to be bound */
    int *scratch;     /* one per plan->scratch */
    int git, objects, engine, plain;
    int root;  /* the new root */
    int blank; /* an empty file in it, to lay over files */
};

MUST_USE bool root_sources(const struct cell_plan *plan, struct root *ret_root,
                           struct fault *fault);
/*
 * Mounts everything but what goes over the view.
 *   ret_fuse  -1 without a view
 *   ret_proc  the cell's /proc, O_PATH
 */
MUST_USE bool root_build(struct root *root, int *ret_fuse, int *ret_proc, struct fault *fault);
/* pivot_root: every absolute path is one of the cell. */
MUST_USE bool root_enter(struct root *root, struct fault *fault);
/* The host's tree is gone. The kernel waits some ms there, so others can be told to go on. */
MUST_USE bool root_leave(struct fault *fault);
/* Scratch folders and .git over the view, which serves by now. Closes all that is left open.
 */
MUST_USE bool root_finish(struct root *root, struct fault *fault);

#endif
