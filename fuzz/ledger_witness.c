/* add-checkpoint: what parses is written back the same; whatever comes, an answer goes out. */
#include <stdlib.h>

#include "base/scope.h"
#include "ledger/cosignature.h"
#include "ledger/witness.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool load(void *self, struct slice origin, struct buf *ret_note, struct fault *fault)
{
    (void)self, (void)origin, (void)ret_note;
    return fault_set(fault, FAULT_MISSING, "none");
}

static bool save(void *self, struct slice origin, struct slice note, struct fault *fault)
{
    (void)self, (void)origin, (void)fault;
    return note.len > 0;
}

static int64_t now(void *self)
{
    (void)self;
    return INT64_C(1790000000000000);
}

#define LOG "example.com/log/testdata+33d7b496+AeHTu4Q3hEIMHNqc6fASMsq3rKNx280NI+oO5xCFkkSx"

static struct witness *make(void)
{
    static const struct witness_store store = {.load = load, .save = save, .keep = save};
    static const struct clock clock = {.now_us = now};
    AUTO_BUF struct buf skey = buf_with_limit(1024);
    AUTO_BUF struct buf plain = buf_with_limit(1024);
    AUTO_BUF struct buf vkey = buf_with_limit(1024);
    static struct note_signer *signer;
    static struct witness_keeper *keeper;
    static struct witness_keeping keeping;
    uint8_t seed[NOTE_SEED_BYTES] = {1};
    struct witness *witness;
    struct fault fault = {0};

    if (!note_key_texts(SLICE("w"), seed, &skey, &plain, &fault) ||
        !note_signer_parse(buf_slice(&skey), &signer, &fault) ||
        !cosignature_vkey(signer, &vkey, &fault) ||
        !witness_keeper_new(signer, &store, &clock, &keeper, &fault) ||
        !witness_keeper_add_log(keeper, SLICE(LOG), &fault))
        abort();
    keeping = witness_keeper_keeping(keeper);
    if (!witness_new(buf_slice(&vkey), &keeping, &witness, &fault) ||
        !witness_add_log(witness, SLICE(LOG), &fault))
        abort();
    return witness;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct witness *witness;
    AUTO_BUF struct buf again = buf_with_limit(1 << 20);
    struct slice body = slice_of_bytes(data, size);
    struct witness_request request;
    struct witness_answer answer;
    struct fault fault = {0};

    if (witness == NULL)
        witness = make();
    if (witness_request_parse(body, &request, &fault) &&
        (!witness_request_write(&request, &again, &fault) ||
         !slice_equal(buf_slice(&again), body)))
        abort();
    witness_add_checkpoint(witness, body, &answer);
    if (answer.status < 200 || answer.status >= 500 || answer.body.len == 0)
        abort();
    witness_answer_free(&answer);
    return 0;
}
