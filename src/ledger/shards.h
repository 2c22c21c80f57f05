/*
 * ledger/shards.h - the shards of one state folder: what was closed, and what is written to.
 *
 *   shards/0001/ ...   closed ones, as each ledger/ was when it ended; their keys as `vkey`
 *   ledger/            the current one; its key is keys/ledger.vkey
 *
 * A closed shard is never written to again. Nothing here is verified: see
 * verify_chain.h.
 */
#ifndef CUSTODY_LEDGER_SHARDS_H
#define CUSTODY_LEDGER_SHARDS_H

#include "ledger/absent.h"
#include "ledger/archive.h"
#include "ledger/note.h"

#define SHARDS_MAX 9999
#define SHARD_NAME_BYTES 24

struct shard {
    unsigned number; /* from 1; the current one has the highest */
    bool is_current;
    int folder;                           /* with `checkpoint` and `tile/` */
    char origin[NOTE_NAME_BYTES_MAX + 1]; /* as its checkpoint says; "" without one */
    uint64_t size;                        /* records under it */
    struct archive_folder archive;        /* of older records; for reader_options */
    struct absent *absent;                /* the same: what could not be read */
};

struct shard_list {
    struct shard *at; /* oldest first; the current one is last */
    size_t count;
    struct absent_says *says;
};

/* "shards/0001" */
void shard_name(unsigned number, char ret_name[SHARD_NAME_BYTES]);
/*
 * Opens all of them. A shard that is closed meanwhile is in the list once. FAULT_MISSING:
 * there is no ledger/.
 */
MUST_USE bool shards_open(int home_fd, struct shard_list *ret_list, struct fault *fault);
/*
 * The same for whoever looks for damage: a checkpoint that cannot be read counts as none, and
 * a closed shard that is no folder as one that is not there.
 */
MUST_USE bool shards_open_as_found(int home_fd, struct shard_list *ret_list,
                                   struct fault *fault);
/* The archive in `path` instead of what each shard says; NULL changes nothing. */
MUST_USE bool shards_use_archive(struct shard_list *list, const char *path,
                                 struct fault *fault);
void shards_close(struct shard_list *list); /* also one of zeros */
/*
 * Was all read that there should be? What the log says has expired need not be. FAULT_MISSING
 * names the first range; the records of absent_types() were told to absent_see.
 */
MUST_USE bool shards_all_read(const struct shard_list *list, struct fault *fault);

#endif
