/* roles/view_role/parts.h - what the files of the view role share. Private to roles/view*.c. */
#ifndef CUSTODY_ROLES_VIEW_PARTS_H
#define CUSTODY_ROLES_VIEW_PARTS_H

#include "roles/view_role/view.h"
#include "wire/record.h"

enum view_packet {
    VIEW_PACKET_READY = 1, /* view: head, tree, cpu_us */
    VIEW_PACKET_FAILED,    /* view: kind, why; it ends */
    VIEW_PACKET_MOUNTED,   /* core: descriptors {fuse[, proc]} */
    VIEW_PACKET_DISARM,    /* core */
    VIEW_PACKET_DISARMED,  /* view */
    VIEW_PACKET_COLLECT,   /* core */
    VIEW_PACKET_CHANGE,    /* view: as struct view_told; descriptor {content} */
    VIEW_PACKET_DONE,      /* view: counts; descriptor {view_crossed} */
};

void view_oid_text(const struct snapshot *snapshot, const uint8_t *oid,
                   char ret_text[GITDIR_HEX_BYTES]);

/*
 * Who asks, as the guard has seen it start: a thread and a child that has started no program
 * of its own are what their process or parent is.
 */
struct view_identity;

MUST_USE bool view_identity_new(int seen_fd, struct view_identity **ret_identity,
                                struct fault *fault);
void view_identity_free(struct view_identity *identity); /* NULL is fine */
/* The cell's /proc; taken. Without it nobody is found but processes themselves. */
void view_identity_proc(struct view_identity *identity, int proc_fd);
/* Process, parent, digest and command of `pid`, which runs `executable`; borrowed until the
 * next call. */
void view_identity_add(struct view_identity *identity, pid_t pid, const char *executable,
                       struct record *record);

/* Events of the view as records of the ledger. */
struct view_records;

/* Takes config->ledger_fd, borrows the rest. */
struct view_records *view_records_new(struct view_config *config,
                                      const struct snapshot *snapshot,
                                      struct view_identity *identity);
void view_records_free(struct view_records *records); /* NULL is fine */
MUST_USE bool view_records_add(struct view_records *records, const struct view_event *event,
                               bool durable, struct fault *fault);

#endif
