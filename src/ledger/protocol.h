/*
 * ledger/protocol.h - packets between the ledger and its producers. Numbers are big-endian.
 *
 * The first packet on a socket is LEDGER_HELLO, from the ledger. `tag` is the asker's, and
 * comes back with the answer, so that a late answer is not taken for another's. `taken` is for
 * records what `tag` is for questions: how many came by this socket up to the one that is
 * answered.
 */
#ifndef CUSTODY_LEDGER_PROTOCOL_H
#define CUSTODY_LEDGER_PROTOCOL_H

#include "base/bytes.h"

enum ledger_packet {
    LEDGER_RECORD = 'r',         /* record, canonical, without header */
    LEDGER_RECORD_DURABLY = 'd', /* the same; LEDGER_ACK is wanted */
    LEDGER_CHECKPOINT = 'c',     /* u64 tag */
    LEDGER_PRODUCER = 'p',       /* u64 tag, u64 types, name; of core only */
    LEDGER_END = 'e',            /* u64 tag; of core only, when nobody else is connected */
    LEDGER_HELLO = 'h',          /* u64 next seq, u64 types that it may write, src */
    LEDGER_ACK = 'a',            /* u64 taken, u64 next seq: all before it are on disk */
    LEDGER_REFUSED = 'n', /* u64 taken, u64 next seq, u8 enum fault_kind, why: not written */
    LEDGER_DONE = 'o',    /* u64 tag; with LEDGER_PRODUCER's socket */
    LEDGER_FAILED = 'f',  /* u64 tag, u8 enum fault_kind, why */
};

#define LEDGER_NAME_BYTES_MAX 96
#define LEDGER_SRC_BYTES_MAX 160 /* a name and what the ledger adds to it */

static inline void ledger_put_u64(uint8_t *at, uint64_t value)
{
    for (int i = 0; i < 8; i++)
        at[i] = (uint8_t)(value >> (56 - 8 * i));
}

static inline uint64_t ledger_get_u64(const uint8_t *at)
{
    uint64_t value = 0;

    for (int i = 0; i < 8; i++)
        value = value << 8 | at[i];
    return value;
}

#endif
