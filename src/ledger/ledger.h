/*
 * ledger/ledger.h - what other processes use of the ledger: a client on a socket.
 *
 * One socket is one producer: its name and the record types that it may write were fixed by
 * the ledger when the socket was made, so nobody can speak for another.
 */
#ifndef CUSTODY_LEDGER_LEDGER_H
#define CUSTODY_LEDGER_LEDGER_H

#include <stdint.h>

#include "base/bytes.h"
#include "base/fault.h"
#include "wire/record.h"

#define LEDGER_ACK_MS 2000 /* no acknowledgement by then: no action */

struct ledger_client;

/* Takes `socket`. */
struct ledger_client *ledger_client_new(int socket);
void ledger_client_free(struct ledger_client *client); /* NULL is fine */
/* For a loop that waits for its end (EPOLLRDHUP): then the ledger is gone. Not to be read. */
int ledger_client_socket(const struct ledger_client *client);

/*
 * Queues a record. Blocks while the ledger is behind (back-pressure), never drops.
 *   ret_seq   the producer's sequence number that it gets; may be NULL
 * FAULT_IO: the ledger is gone; FAULT_INVALID: record.c's table refuses it.
 */
MUST_USE bool ledger_record(struct ledger_client *client, const struct record *record,
                            uint64_t *ret_seq, struct fault *fault);
/*
 * The same, and returns only when this record and all queued before it are on disk.
 * FAULT_LIMIT after LEDGER_ACK_MS: the caller must not act. FAULT_DENIED: the ledger refuses
 * acts now, and says why; this one, and those queued before it, are not to be done.
 */
MUST_USE bool ledger_record_durably(struct ledger_client *client, const struct record *record,
                                    uint64_t *ret_seq, struct fault *fault);
/*
 * Who writes, and the number of what it will write next: for what must be bound to a record
 * before there is one. `src` is the client's.
 */
MUST_USE bool ledger_next(struct ledger_client *client, const char **ret_src,
                          uint64_t *ret_seq, struct fault *fault);
/*
 * Returns when all that was queued is on disk and covered by a published, signed checkpoint.
 */
MUST_USE bool ledger_checkpoint(struct ledger_client *client, struct fault *fault);

/*
 * Asks the ledger to end in order (core's socket only): what was acknowledged is published,
 * and its lock is free soon. FAULT_CONFLICT: others are connected; it goes on.
 */
MUST_USE bool ledger_end(struct ledger_client *client, struct fault *fault);

/*
 * Asks for a further producer (core's socket only).
 *   name        "view/01J..." ; [a-z0-9./_-], at most 96 bytes; its sequence goes on where it
 *               ended
 *   types       mask of 1 << record type that it may write
 *   ret_socket  close-on-exec; hand it to the process that will write
 */
MUST_USE bool ledger_producer(struct ledger_client *client, const char *name, uint64_t types,
                              int *ret_socket, struct fault *fault);

#endif
