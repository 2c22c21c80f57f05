/* roles/view_role/parts.h - what the files of the view role share. Private to roles/view*.c. */
#ifndef CUSTODY_ROLES_VIEW_PARTS_H
#define CUSTODY_ROLES_VIEW_PARTS_H

#include "roles/view_role/view.h"

enum view_packet {
    VIEW_PACKET_READY = 1, /* view: head, tree, cpu_us */
    VIEW_PACKET_FAILED,    /* view: kind, why; it ends */
    VIEW_PACKET_MOUNTED,   /* core: descriptors {fuse[, proc]} */
    VIEW_PACKET_DISARM,    /* core */
    VIEW_PACKET_DISARMED,  /* view */
    VIEW_PACKET_COLLECT,   /* core */
    VIEW_PACKET_CHANGE,    /* view: as struct view_told; descriptor {content} */
    VIEW_PACKET_DONE,      /* view: counts */
};

void view_oid_text(const struct snapshot *snapshot, const uint8_t *oid,
                   char ret_text[GITDIR_HEX_BYTES]);

/* Events of the view as records of the ledger. */
struct view_records;

/* Takes config->ledger_fd, borrows the rest. */
struct view_records *view_records_new(struct view_config *config,
                                      const struct snapshot *snapshot);
void view_records_free(struct view_records *records); /* NULL is fine */
MUST_USE bool view_records_add(struct view_records *records, const struct view_event *event,
                               bool durable, struct fault *fault);

#endif
