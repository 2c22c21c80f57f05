/*
 * change/listing.h - rows that git ends with NUL: of `ls-tree -z --long` and `diff-tree -z
 * --raw
 * --numstat`. Bytes in, calls out; no I/O. Private to src/change.
 */
#ifndef CUSTODY_CHANGE_LISTING_H
#define CUSTODY_CHANGE_LISTING_H

#include "base/bytes.h"
#include "base/fault.h"
#include "change/gitdoor.h"

/* One row without its NUL: "100644 blob OID     SIZE<tab>PATH". */
MUST_USE bool listing_tree_row(struct slice row, struct gitdoor_entry *ret_entry,
                               struct fault *fault);

/* Cuts a stream into rows. */
struct listing {
    struct buf row; /* what is left of the last piece; limit set by listing_new */
};

struct listing listing_new(void);
void listing_free(struct listing *listing);
MUST_USE bool listing_take(struct listing *listing, struct slice bytes,
                           bool (*row)(void *self, struct slice row, struct fault *fault),
                           void *self, struct fault *fault);
bool listing_is_whole(const struct listing *listing);

/*
 * The whole of `diff-tree -r -z --no-renames --raw --numstat`: first every raw row, then every
 * numstat row, in the same order. Paths borrow from `text`.
 */
MUST_USE bool listing_changes(struct slice text,
                              bool (*change)(void *self, const struct gitdoor_change *change,
                                             struct fault *fault),
                              void *self, struct gitdoor_numbers *ret_numbers,
                              struct fault *fault);

#endif
