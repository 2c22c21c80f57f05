/* roles/view_role/records.h - what agents do to files, as records of the ledger. */
#ifndef CUSTODY_ROLES_VIEW_RECORDS_H
#define CUSTODY_ROLES_VIEW_RECORDS_H

#include "roles/view_role/receipts.h"
#include "view/serve.h"
#include "wire/record.h"

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

struct view_records_settings {
    int ledger_fd; /* producer socket; taken */
    const char *run, *agent, *on_behalf_of;
    const char *policy;    /* its digest */
    const char *mechanism; /* what saw it: "view" */
    const struct snapshot *snapshot;
    struct view_identity *identity;
    const struct receipts *receipts; /* of redacted files; NULL: none */
};

struct view_records;

/* Borrows all but the socket. */
struct view_records *view_records_new(const struct view_records_settings *settings);
void view_records_free(struct view_records *records); /* NULL is fine */
MUST_USE bool view_records_add(struct view_records *records, const struct view_event *event,
                               bool durable, struct fault *fault);
/* So many paths were told of; returns when that, and all before it, is on disk. */
MUST_USE bool view_records_collected(struct view_records *records, uint64_t count,
                                     struct fault *fault);

#endif
