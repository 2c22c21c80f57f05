/*
 * roles/collect/parts.h - what the files of the collect role share. Private to
 * roles/collect*.c.
 */
#ifndef CUSTODY_ROLES_COLLECT_PARTS_H
#define CUSTODY_ROLES_COLLECT_PARTS_H

#include "os/message.h"
#include "roles/collect/collect.h"
#include "roles/packet.h"
#include "roles/scan.h"
#include "view/content.h"

#define COLLECT_KEY_BYTES 32
#define COLLECT_PROGRESS_US 100000

enum collect_request {
    COLLECT_RESOLVE = 1,
    COLLECT_DIRTY,
    COLLECT_SNAPSHOT,
    COLLECT_COMMIT_BEGIN,
    COLLECT_COMMIT_FILE,
    COLLECT_COMMIT_END,
    COLLECT_DIFF,
    COLLECT_FILES,
    COLLECT_LANDING,
    COLLECT_LAND,
    COLLECT_LOOK,
    COLLECT_REQUEST_COUNT,
};

enum collect_reply {
    COLLECT_DONE = 1,
    COLLECT_FAULT,
    COLLECT_PROGRESS,
    COLLECT_ROW,
};

/* The role's own state. */
struct collecting {
    const struct collect_config *config;
    int socket;
    char *scratch; /* our private folder */
    struct gitdoor *door;
    struct policy_settings *narrowing; /* of the last resolve; NULL: none */
    struct policy *policy;             /* built when first asked for */
    int cache;                         /* folder, or -1 */
    struct content *content;
    struct scan_pool *pool;
    struct committing *committing;
};

/* A request that is being answered. */
struct asked {
    struct packet_reader reader;
    struct message_fds *fds;
    struct buf *answer;      /* begins with COLLECT_DONE; fields are added */
    struct message_fds give; /* descriptors that go with it; closed after sending */
};

typedef bool collect_handler(struct collecting *collecting, struct asked *asked,
                             struct fault *fault);

collect_handler collect_on_snapshot, collect_on_look;
collect_handler collect_on_commit_begin, collect_on_commit_file, collect_on_commit_end;
collect_handler collect_on_landing, collect_on_land, collect_on_diff, collect_on_files;

/* The effective policy; FAULT_INVALID where collect was started without the organisation's. */
MUST_USE bool collecting_policy(struct collecting *collecting,
                                const struct policy **ret_policy, struct fault *fault);
/* The cache's content store, opened when first asked for; FAULT_INVALID without a cache. */
MUST_USE bool collecting_content(struct collecting *collecting, struct content **ret_content,
                                 struct fault *fault);
MUST_USE bool collecting_pool(struct collecting *collecting, struct scan_pool **ret_pool,
                              struct fault *fault);
void committing_free(struct committing *committing);

/* A row of a file list, on its way to core. */
MUST_USE bool collecting_send_row(struct collecting *collecting,
                                  const struct collect_file *file, struct fault *fault);
MUST_USE bool collecting_send_progress(struct collecting *collecting, size_t done,
                                       size_t total, struct fault *fault);

/* The role; `self` points at a struct collecting. */
int collect_role(void *self);

#endif
