#include "ledger/witness_keeper.h"

#include <stdlib.h>

#include "base/scope.h"
#include "ledger/cosignature.h"
#include "ledger/note_parts.h"

struct witness_keeper {
    const struct note_signer *signer;
    const struct witness_store *store;
    const struct clock *clock;
    struct cosignature_key *own; /* what a note in the store must be signed by */
    struct note_key *logs[WITNESS_LOGS_MAX];
    size_t log_count;
};

bool witness_keeper_new(const struct note_signer *signer, const struct witness_store *store,
                        const struct clock *clock, struct witness_keeper **ret_keeper,
                        struct fault *fault)
{
    AUTO_BUF struct buf vkey = buf_with_limit(1024);
    struct cosignature_key *own;
    struct witness_keeper *keeper;

    if (!cosignature_vkey(signer, &vkey, fault) ||
        !cosignature_key_parse(buf_slice(&vkey), &own, fault))
        return false;
    keeper = xalloc(sizeof(*keeper));
    *keeper =
        (struct witness_keeper){.signer = signer, .store = store, .clock = clock, .own = own};
    *ret_keeper = keeper;
    return true;
}

void witness_keeper_free(struct witness_keeper *keeper)
{
    if (keeper == NULL)
        return;
    cosignature_key_free(keeper->own);
    for (size_t i = 0; i < keeper->log_count; i++)
        note_key_free(keeper->logs[i]);
    free(keeper);
}

bool witness_keeper_add_log(struct witness_keeper *keeper, struct slice vkey,
                            struct fault *fault)
{
    struct note_key *key;

    if (keeper->log_count == WITNESS_LOGS_MAX)
        return fault_set(fault, FAULT_LIMIT, "more than %d logs", WITNESS_LOGS_MAX);
    if (!note_key_parse(vkey, &key, fault))
        return false;
    if (memcmp(note_key_public(key), cosignature_key_public(keeper->own), NOTE_PUBLIC_BYTES) ==
        0) {
        note_key_free(key);
        return fault_set(fault, FAULT_INVALID,
                         "a log's key is the witness's own: it would vouch for itself");
    }
    keeper->logs[keeper->log_count++] = key;
    return true;
}

bool witness_follows(uint64_t old_size, const struct tree_hash *old_root, uint64_t size,
                     const struct tree_hash *root, const struct tree_proof *proof,
                     struct fault *fault)
{
    const struct tree_hash empty = tree_root(&(struct tree_range){0});

    if (size == 0 && !tree_hash_equal(root, &empty))
        return fault_set(fault, FAULT_INVALID, "an empty tree with another root");
    if (old_size == 0)
        return proof->count == 0 ||
               fault_set(fault, FAULT_INVALID, "a proof where none is needed");
    return tree_check_consistency(old_size, size, old_root, root, proof, fault);
}

bool witness_promise_read(struct slice note_bytes, const struct cosignature_key *own,
                          struct slice origin, struct checkpoint *ret_checkpoint,
                          struct fault *fault)
{
    struct slice extensions;
    struct note note;

    if (!note_parse(note_bytes, &note, fault) ||
        !cosignature_verify(&note, own, NULL, fault) ||
        !checkpoint_parse_foreign(note.text, ret_checkpoint, &extensions, fault))
        return fault_in(fault, "what was promised last");
    return slice_equal(ret_checkpoint->origin, origin) ||
           fault_set(fault, FAULT_INVALID, "what was promised last is of another origin");
}

static bool log_of(const struct witness_keeper *keeper, size_t log, struct slice *ret_origin,
                   struct fault *fault)
{
    if (log >= keeper->log_count)
        return fault_set(fault, FAULT_INVALID, "log %zu of %zu", log, keeper->log_count);
    *ret_origin = slice_of(note_key_name(keeper->logs[log]));
    return true;
}

static bool keeping_load(void *self, size_t log, struct buf *ret_note, struct fault *fault)
{
    const struct witness_keeper *keeper = self;
    struct slice origin;

    return log_of(keeper, log, &origin, fault) &&
           keeper->store->load(keeper->store->self, origin, ret_note, fault);
}

static bool keeping_keep(void *self, size_t log, struct slice note, struct fault *fault)
{
    const struct witness_keeper *keeper = self;
    struct slice origin;

    return log_of(keeper, log, &origin, fault) &&
           keeper->store->keep(keeper->store->self, origin, note, fault);
}

/* The text says what it is said to say: written again, not parsed. */
static bool is_signed(const struct witness_keeper *keeper,
                      const struct witness_promise *promise, struct slice origin,
                      struct fault *fault)
{
    AUTO_BUF struct buf head = buf_with_limit(1024);
    struct checkpoint checkpoint = {
        .origin = origin, .size = promise->size, .root = promise->root};

    if (!checkpoint_format(&checkpoint, &head, fault))
        return false;
    if (!slice_starts_with(promise->text, buf_slice(&head)) ||
        promise->text.at[promise->text.len - 1] != '\n')
        return fault_set(fault, FAULT_INVALID, "the text is not of that checkpoint");
    return note_key_check(keeper->logs[promise->log], promise->text, promise->signature) ||
           fault_set(fault, FAULT_DENIED, "the log has not signed it");
}

static bool leads_on(const struct witness_keeper *keeper,
                     const struct witness_promise *promise, struct slice origin,
                     struct fault *fault)
{
    AUTO_BUF struct buf bytes = buf_with_limit(NOTE_BYTES_MAX);
    struct checkpoint last = {.size = 0};

    if (keeper->store->load(keeper->store->self, origin, &bytes, fault)) {
        if (!witness_promise_read(buf_slice(&bytes), keeper->own, origin, &last, fault))
            return false;
    } else if (fault->kind != FAULT_MISSING) {
        return false;
    }
    if (promise->old_size != last.size)
        return fault_set(fault, FAULT_CONFLICT, "the last promise is of %llu records",
                         (unsigned long long)last.size);
    return witness_follows(last.size, &last.root, promise->size, &promise->root,
                           &promise->proof, fault);
}

static bool keeping_promise(void *self, const struct witness_promise *promise,
                            struct buf *ret_line, struct fault *fault)
{
    const struct witness_keeper *keeper = self;
    AUTO_BUF struct buf line = buf_with_limit(1024);
    AUTO_BUF struct buf note = buf_with_limit(NOTE_BYTES_MAX);
    struct slice origin;

    if (!log_of(keeper, promise->log, &origin, fault) ||
        !is_signed(keeper, promise, origin, fault) ||
        !leads_on(keeper, promise, origin, fault) ||
        !cosignature_sign(keeper->signer, promise->text,
                          (uint64_t)(clock_now_us(keeper->clock) / 1000000), &line, fault))
        return false;
    return buf_add(&note, promise->text, fault) && buf_add_byte(&note, '\n', fault) &&
           note_key_line(keeper->logs[promise->log], promise->signature, &note, fault) &&
           buf_add(&note, buf_slice(&line), fault) &&
           keeper->store->save(keeper->store->self, origin, buf_slice(&note), fault) &&
           buf_add(ret_line, buf_slice(&line), fault);
}

struct witness_keeping witness_keeper_keeping(struct witness_keeper *keeper)
{
    return (struct witness_keeping){.load = keeping_load,
                                    .keep = keeping_keep,
                                    .promise = keeping_promise,
                                    .self = keeper};
}
