/*
 * roles/packet.h - fields of a packet between two of our processes: numbers of 8 bytes, texts
 * with their length in 4, both little-endian. Reading is strict and borrows.
 */
#ifndef CUSTODY_ROLES_PACKET_H
#define CUSTODY_ROLES_PACKET_H

#include "base/bytes.h"
#include "base/fault.h"

/* The buffer's limit must be MESSAGE_BYTES_MAX. */
MUST_USE bool packet_put_number(struct buf *packet, uint64_t number, struct fault *fault);
MUST_USE bool packet_put_text(struct buf *packet, struct slice text, struct fault *fault);
MUST_USE bool packet_put_word(struct buf *packet, const char *word,
                              struct fault *fault); /* NULL: "" */

struct packet_reader {
    struct slice rest;
    bool failed; /* once set, every further field is empty */
};

uint64_t packet_number(struct packet_reader *reader);
struct slice packet_text(struct packet_reader *reader);
/* A text without NUL that fits in `size` bytes with its NUL; else failed, and empty. */
void packet_word(struct packet_reader *reader, char *ret_word, size_t size);
/* FAULT_INVALID unless everything was read and nothing is left. */
MUST_USE bool packet_end(const struct packet_reader *reader, struct fault *fault);

#endif
