/*
 * ledger/cold.h - where archived bundles lie: a store of whole, immutable files with flat
 * names.
 *
 * One struct of functions, so that object storage can be a second one: its put would set an
 * Object Lock, and its remove would be refused until that has run out. Nothing read from a
 * store is believed: archive.h compares it with the ledger's own hash tiles.
 */
#ifndef CUSTODY_LEDGER_COLD_H
#define CUSTODY_LEDGER_COLD_H

#include "base/bytes.h"
#include "base/fault.h"

#define COLD_NAME_BYTES 96

struct cold {
    /* Durable when it returns, whole or not at all. FAULT_CONFLICT: the name is taken. */
    bool (*put)(void *self, const char *name, struct slice bytes, struct fault *fault);
    /* Appends `len` bytes from `offset`. FAULT_MISSING: no such file; FAULT_INVALID: shorter.
     */
    bool (*read)(void *self, const char *name, uint64_t offset, size_t len,
                 struct buf *ret_bytes, struct fault *fault);
    bool (*size)(void *self, const char *name, uint64_t *ret_size, struct fault *fault);
    /* Every name there is, in any order. */
    bool (*list)(void *self, void (*each)(void *to, const char *name), void *to,
                 struct fault *fault);
    /* Durable when it returns; a file that is not there is removed already. */
    bool (*remove)(void *self, const char *name, struct fault *fault);
    void *self;
};

/*
 * Files in PATH/ORIGIN/, '/' written '+' (an origin that is no plain name: its SHA-256, hex).
 *   make  whether that folder is made, durably, where it is missing
 * FAULT_MISSING: it is not there.
 */
MUST_USE bool cold_folder_open(const char *path, const char *origin, bool make,
                               struct cold *ret_cold, struct fault *fault);
void cold_folder_close(struct cold *cold); /* also one of zeros */
/* Its descriptor, for a look at which file system it is on. */
int cold_folder_fd(const struct cold *cold);

#endif
