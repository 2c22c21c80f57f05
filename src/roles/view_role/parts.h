/*
 * roles/view_role/parts.h - what the files of the view role share. Private to roles/view_role/.
 */
#ifndef CUSTODY_ROLES_VIEW_PARTS_H
#define CUSTODY_ROLES_VIEW_PARTS_H

#include "roles/view_role/records.h"
#include "roles/view_role/view.h"

enum view_packet {
    VIEW_PACKET_READY =
        1,               /* view: cpu_us, plain_bytes, classes, known; descriptor {known} */
    VIEW_PACKET_FAILED,  /* view: kind, why; it ends */
    VIEW_PACKET_MOUNTED, /* core: descriptors {fuse[, proc]} */
    VIEW_PACKET_DISARM,  /* core */
    VIEW_PACKET_DISARMED, /* view */
    VIEW_PACKET_COLLECT,  /* core */
    VIEW_PACKET_CHANGE,   /* view: as struct view_told; descriptor {content} */
    VIEW_PACKET_DONE,     /* view: counts; descriptor {view_crossed} */
};

/*
 * The values that policy lets the agent read as they are, in classes that are not to be seen
 * by every model, for the door (classify/known.h).
 *   ret_fd     a file of memory at its beginning; -1: there are none
 *   ret_count  how many
 */
MUST_USE bool view_known(const struct view_config *config, const struct snapshot *snapshot,
                         int *ret_fd, size_t *ret_count, struct fault *fault);

/*
 * Begins to make the cell's .git; config->git_fd is closed here. The answer comes on ret_answer.
 */
MUST_USE bool view_writer_start(struct view_config *config, const struct snapshot *snapshot,
                                const struct redacted *redacted, int *ret_answer,
                                struct fault *fault);
/* Waits until it is there; the descriptor is taken, and -1 was waited for before. */
MUST_USE bool view_writer_await(int *answer, struct fault *fault);

void view_oid_text(const struct snapshot *snapshot, const uint8_t *oid,
                   char ret_text[GITDIR_HEX_BYTES]);

#endif
