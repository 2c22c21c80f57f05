/*
 * ledger/reader.h - the records of a ledger on disk, in order.
 *
 * Reads; verifies nothing beyond form. Whether the bytes are what was written is verify.h's
 * matter.
 */
#ifndef CUSTODY_LEDGER_READER_H
#define CUSTODY_LEDGER_READER_H

#include "ledger/absent.h"
#include "ledger/archive.h"

struct reader_options {
    uint64_t from;      /* index of the first record wanted */
    uint64_t to;        /* index behind the last one wanted; 0: to the end */
    uint64_t size;      /* sealed records, where the caller knows; 0: the checkpoint says */
    bool with_unsealed; /* also what is in the write-ahead log only; for a ledger nobody writes
                           to */
    /*
     * Where bundles that are nowhere are noted; the reading goes on behind them. The caller
     * has it see the records and judges afterwards. NULL: the first one is a fault. Borrowed.
     */
    struct absent *absent;
    struct archive *archive; /* for bundles that are not in the folder; NULL: none; borrowed */
};

/*
 * Calls `on_leaf` for each record; its false ends the reading with that fault.
 *   ret_next  index behind the last one, for the next call
 * A folder without a checkpoint has no records; that is no fault.
 */
MUST_USE bool reader_each(int folder, const struct reader_options *options,
                          bool (*on_leaf)(void *self, uint64_t index, struct slice leaf,
                                          struct fault *fault),
                          void *self, uint64_t *ret_next, struct fault *fault);

#endif
