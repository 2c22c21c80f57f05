/*
 * view/crossed.h - which files of the snapshot have reached the agent, as the view has
 * recorded it: to be compared with what somebody else has seen.
 */
#ifndef CUSTODY_VIEW_CROSSED_H
#define CUSTODY_VIEW_CROSSED_H

#include "view/serve.h"

/* A byte for each node of the snapshot, in the order of their numbers. */
enum view_crossed {
    VIEW_CROSSED_FILE = 1,    /* a regular file there is something to read in */
    VIEW_CROSSED_READ = 2,    /* a first read was recorded */
    VIEW_CROSSED_WRITTEN = 4, /* its content is the agent's own now */
};

/* A file of memory, from its start; close-on-exec. */
MUST_USE bool view_crossed(const struct view *view, int *ret_fd, struct fault *fault);

#endif
