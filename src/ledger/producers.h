/*
 * ledger/producers.h - follows every producer's sequence through a log.
 *
 * A Merkle tree shows that nothing was altered, not that nothing was left out: for that each
 * producer counts its records without a gap and names the hash of its previous one.
 */
#ifndef CUSTODY_LEDGER_PRODUCERS_H
#define CUSTODY_LEDGER_PRODUCERS_H

#include "ledger/tree.h"
#include "wire/record.h"

struct producers;

enum producers_finding {
    PRODUCERS_GAP,    /* records are missing */
    PRODUCERS_BROKEN, /* not a record, out of order, or not linked to the one before */
    PRODUCERS_SILENT, /* the ledger itself wrote nothing for longer than it may */
};

/* The ledger's own producer writes a heartbeat each minute; two may be late, not missing. */
#define PRODUCERS_OWN "ledger"
#define PRODUCERS_SILENT_US 125000000

/* `find` is called with what is wrong with record `index`. */
struct producers *producers_new(void (*find)(void *self, enum producers_finding finding,
                                             uint64_t index, const char *why),
                                void *self);
void producers_free(struct producers *producers); /* NULL is fine */
/* Has `see` called with each record of the types in the mask. */
void producers_watch(struct producers *producers, uint64_t types,
                     void (*see)(void *self, uint64_t index, const struct record *record,
                                 int64_t t_us),
                     void *self);
/* The next leaf of the log. */
void producers_leaf(struct producers *producers, uint64_t index, struct slice leaf,
                    const struct tree_hash *leaf_hash);
/* Leaves could not be read here: what each producer wrote among them is not known. */
void producers_skip(struct producers *producers);
/* Time of the last record that could be read; 0 before the first. */
int64_t producers_time(const struct producers *producers);
uint64_t producers_count(const struct producers *producers);
/* Acts that were announced and that no record of the same producer answers. */
uint64_t producers_open_intents(const struct producers *producers);

#endif
