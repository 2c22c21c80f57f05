/*
 * ledger/witness.h - the C2SP witness protocol (c2sp.org/tlog-witness v1.0.0), both of its
 * sides.
 *
 * Pure: the text of a request in, an answer out; who signs is handed in (witness_keeper.h). A
 * promise is durable before the answer that carries it exists, and requests are judged one at
 * a time, so that the size of an origin never goes back.
 */
#ifndef CUSTODY_LEDGER_WITNESS_H
#define CUSTODY_LEDGER_WITNESS_H

#include "ledger/witness_keeper.h"

#define WITNESS_PROOF_LINES_MAX 63
#define WITNESS_BODY_BYTES_MAX (64 * 1024)
#define WITNESS_SIZE_TYPE "text/x.tlog.size"

/* The body of add-checkpoint, taken apart; borrows. */
struct witness_request {
    uint64_t old_size;
    struct tree_proof proof;
    struct slice checkpoint; /* a signed note */
};

/* FAULT_INVALID: a body that does not parse. */
MUST_USE bool witness_request_parse(struct slice body, struct witness_request *ret_request,
                                    struct fault *fault);
/* Appends what witness_request_parse takes. */
MUST_USE bool witness_request_write(const struct witness_request *request,
                                    struct buf *ret_body, struct fault *fault);

struct witness;

/*
 * Reads requests and judges them; holds no key.
 *   vkey     its own, of type 04: what a promise must be signed by
 *   keeping  who holds the key and the promises; borrowed for the witness's life. It knows the
 *            same logs in the same order.
 */
MUST_USE bool witness_new(struct slice vkey, const struct witness_keeping *keeping,
                          struct witness **ret_witness, struct fault *fault);
void witness_free(struct witness *witness); /* NULL is fine */
/* A log to watch; its origin is the key's name. Several keys of one origin may be known. */
MUST_USE bool witness_add_log(struct witness *witness, struct slice vkey, struct fault *fault);
size_t witness_log_count(const struct witness *witness);

struct witness_answer {
    int status;
    const char *type; /* of the body */
    struct buf body;  /* the caller frees it */
};

/* Judges POST add-checkpoint. What fails on our side is an answer too: 500, and no promise. */
void witness_add_checkpoint(struct witness *witness, struct slice body,
                            struct witness_answer *ret_answer);
/* GET /<lower-case hex SHA-256(origin)>/checkpoint. */
void witness_get_checkpoint(struct witness *witness, struct slice path,
                            struct witness_answer *ret_answer);
void witness_answer_free(struct witness_answer *answer);

#define WITNESS_ORIGIN_TEXT_BYTES 65
/* Lower-case hex SHA-256 of an origin, NUL included. */
void witness_origin_text(struct slice origin, char ret_text[WITNESS_ORIGIN_TEXT_BYTES]);

#endif
