/*
 * change/batch.h - what `git cat-file --batch` prints, taken in pieces of any size. Bytes in,
 * calls out; no I/O. Private to src/change.
 */
#ifndef CUSTODY_CHANGE_BATCH_H
#define CUSTODY_CHANGE_BATCH_H

#include "base/bytes.h"
#include "base/fault.h"
#include "change/gitdoor.h"

#define BATCH_LINE_BYTES_MAX 1024

enum batch_type { BATCH_MISSING, BATCH_COMMIT, BATCH_TREE, BATCH_BLOB, BATCH_TAG };

struct batch_object {
    enum batch_type type;
    uint8_t oid[GIT_OID_BYTES]; /* not set for BATCH_MISSING */
    uint64_t size;
};

struct batch_sink {
    /* Then `part` until the size is reached: at least once, also for an empty object. */
    bool (*object)(void *self, const struct batch_object *object, struct fault *fault);
    bool (*part)(void *self, struct slice piece, struct fault *fault);
    void *self;
};

struct batch {
    enum { BATCH_AT_LINE, BATCH_AT_CONTENT, BATCH_AT_END } at;
    uint8_t line[BATCH_LINE_BYTES_MAX];
    size_t line_len;
    uint64_t left;
};

/* FAULT_INVALID: not what git prints. */
MUST_USE bool batch_take(struct batch *batch, struct slice bytes,
                         const struct batch_sink *sink, struct fault *fault);
/* Did it end between two objects? */
bool batch_is_whole(const struct batch *batch);

#endif
