/*
 * roles/ledger_role/writer.h - records in, log entries out: who writes what, numbered and
 * linked.
 *
 * A producer's `src` is NAME~OPENED.N: OPENED is the index of this daemon's ledger.opened, N
 * counts the producers since. So (src, seq) never comes twice, with nothing to remember
 * between daemons.
 */
#ifndef CUSTODY_ROLES_LEDGER_WRITER_H
#define CUSTODY_ROLES_LEDGER_WRITER_H

#include "base/clock.h"
#include "ledger/log.h"
#include "roles/ledger_role/gate.h"
#include "wire/record.h"

struct ledger_writer;
struct ledger_source; /* one producer's sequence */

/* Every type but those that only the ledger itself writes. */
uint64_t ledger_writer_types(void);

/*
 * Opens the log and makes `ledger.opened` durable.
 *   signer, clock  borrowed
 */
MUST_USE bool ledger_writer_open(int folder, const struct note_signer *signer,
                                 const struct clock *clock, struct ledger_writer **ret_writer,
                                 struct fault *fault);
/* The same without a record: for whoever begins or ends a shard. */
MUST_USE bool ledger_writer_load(int folder, const struct note_signer *signer,
                                 const struct clock *clock, struct ledger_writer **ret_writer,
                                 struct fault *fault);
/* What stands before the records of others. Both may be NULL. */
struct ledger_writer_guard {
    struct ledger_gate *gate; /* that acts have to pass; borrowed */
    const char *mechanism;    /* file system that it is on, for ledger.opened */
};

/* As ledger_writer_open. A full disk gives up its reserve first. */
MUST_USE bool ledger_writer_open_guarded(const struct ledger_writer_guard *guard, int folder,
                                         const struct note_signer *signer,
                                         const struct clock *clock,
                                         struct ledger_writer **ret_writer,
                                         struct fault *fault);
/* To commit in steps; its memo is ours. */
struct log *ledger_writer_log(struct ledger_writer *writer);
void ledger_writer_free(struct ledger_writer *writer);           /* NULL is fine */
uint64_t ledger_writer_size(const struct ledger_writer *writer); /* records appended */

/*
 * The sequence of `name`: where it ended, if its last user has released it, else a new one.
 * FAULT_INVALID: not [A-Za-z0-9./_-], or longer than LEDGER_NAME_BYTES_MAX.
 */
MUST_USE bool ledger_writer_source(struct ledger_writer *writer, struct slice name,
                                   struct ledger_source **ret_source, struct fault *fault);
void ledger_writer_release(struct ledger_source *source);
uint64_t ledger_source_next(const struct ledger_source *source); /* seq of its next record */
const char *ledger_source_name(const struct ledger_source *source); /* its `src` */

/*
 * Appends a record in the producer's form; it is not durable before ledger_writer_commit.
 *   durably  somebody waits for it. An act that is refused without that makes the source's
 *            next act that somebody waits for refused, too: they were announced together.
 * FAULT_INVALID: not a record, or of a type outside `types`; nothing was written.
 * FAULT_DENIED: an act that the gate refuses; only the refusal was written. Any other failure
 * is final.
 */
MUST_USE bool ledger_writer_append(struct ledger_writer *writer, struct ledger_source *source,
                                   uint64_t types, struct slice text, bool durably,
                                   struct fault *fault);
/* The ledger's own records; `record` is any of them. */
MUST_USE bool ledger_writer_own(struct ledger_writer *writer, const struct record *record,
                                struct fault *fault);
MUST_USE bool ledger_writer_heartbeat(struct ledger_writer *writer, struct fault *fault);
/* disk.state and quorum.state, where they are others than the last that were recorded. */
MUST_USE bool ledger_writer_look(struct ledger_writer *writer, struct fault *fault);
MUST_USE bool ledger_writer_refused(struct ledger_writer *writer, const char *reason,
                                    struct fault *fault);

MUST_USE bool ledger_writer_commit(struct ledger_writer *writer, struct fault *fault);
/* As log_checkpoint; a full disk gives up its reserve first. */
MUST_USE bool ledger_writer_checkpoint(struct ledger_writer *writer, struct fault *fault);
/* The same in steps: log_checkpoint_begin, of all that was appended, and log_work. */
MUST_USE bool ledger_writer_checkpoint_begin(struct ledger_writer *writer,
                                             struct fault *fault);
MUST_USE bool ledger_writer_work(struct ledger_writer *writer, enum log_work *ret_work,
                                 struct fault *fault);
MUST_USE bool ledger_writer_close(struct ledger_writer *writer, struct fault *fault);
/* The same with ledger.closed before it. `reason`: a word, why it ends. */
MUST_USE bool ledger_writer_end(struct ledger_writer *writer, const char *reason,
                                struct fault *fault);
bool ledger_writer_has_unpublished(const struct ledger_writer *writer);
size_t ledger_writer_batch_bytes(const struct ledger_writer *writer);

#endif
