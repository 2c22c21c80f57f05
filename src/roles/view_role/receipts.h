/*
 * roles/view_role/receipts.h - what was replaced in a file, one by one, for its records.
 *
 *   rule class first+length #ordinal=commitment; ...
 *
 * The ordinal tells the values of a class apart (in the run, from 1); the commitment is keyed
 * (ledger/commitment.h, COMMITMENT_REDACTION): who has the value and the run's key can show that
 * it is the one, and nobody else can try. Up to RECEIPTS_FILE_MAX of a file are told; all of
 * them are in the digest.
 */
#ifndef CUSTODY_ROLES_VIEW_RECEIPTS_H
#define CUSTODY_ROLES_VIEW_RECEIPTS_H

#include "classify/surrogate.h"
#include "ledger/commitment.h"

#define RECEIPTS_FILE_MAX 16384

struct receipts;

struct receipts *receipts_new(const uint8_t key[COMMITMENT_KEY_BYTES]);
void receipts_free(struct receipts *receipts); /* NULL is fine */
void receipts_forget_key(struct receipts *receipts);

/* Those of file `number`, once, in ascending order of numbers. `findings` are the replaced ones,
 * of `content`. */
MUST_USE bool receipts_add(struct receipts *receipts, uint32_t number, struct slice content,
                           const struct finding *findings, size_t count, struct fault *fault);

/* How many of a file there are in all, and their digest (SHA-256, 64 digits and a NUL). */
size_t receipts_count(const struct receipts *receipts, uint32_t number, char ret_digest[65]);
/* Appends those from `at` (0 at first) on that one record has room for, and moves it behind them.
 * False: there are none left. */
bool receipts_text(const struct receipts *receipts, uint32_t number, size_t *at,
                   struct buf *ret_text);

#endif
