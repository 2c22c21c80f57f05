/* index/postings.h - ascending ordinals as differences: LEB128, seven bits a byte. */
#ifndef CUSTODY_INDEX_POSTINGS_H
#define CUSTODY_INDEX_POSTINGS_H

#include "base/bytes.h"

#define POSTINGS_DIFFERENCE_BYTES_MAX 10

/* Writes one difference; gives its length. */
size_t postings_write(uint64_t difference, uint8_t ret_bytes[POSTINGS_DIFFERENCE_BYTES_MAX]);
/* Takes one off `rest`. False at its end, or where it is cut or too large. */
bool postings_take(struct slice *rest, uint64_t *ret_difference);
/*
 * Sets the bits (bit 0 is `from`) of the ordinals in [from, to) of a block that begins with
 * `first`. False: the bytes are no differences.
 */
bool postings_mark(uint64_t first, struct slice bytes, uint64_t from, uint64_t to,
                   uint64_t *bits);

#endif
