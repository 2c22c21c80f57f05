/*
 * roles/view_role/shown.h - tells the door, by shared memory, which lines of which files the agent
 * was shown (lineage/served.h).
 */
#ifndef CUSTODY_ROLES_VIEW_SHOWN_H
#define CUSTODY_ROLES_VIEW_SHOWN_H

#include "roles/view_role/view.h"
#include "view/serve.h"

struct shown;

/* fd -1: nobody wants to know; ret_shown is NULL then, which the others take. */
MUST_USE bool shown_open(const struct view_config *config, const struct snapshot *snapshot,
                         const struct redacted *redacted, struct shown **ret_shown,
                         struct fault *fault);
void shown_free(struct shown *shown);
/* A file of the snapshot is read for the first time. What cannot be read is noted as not told. */
void shown_add(struct shown *shown, const struct view_event *event);

#endif
