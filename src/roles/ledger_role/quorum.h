/*
 * roles/ledger_role/quorum.h - since when records wait for the witnesses that policy asks for.
 *
 * `ledger.require` witnesses must have cosigned a record within `ledger.quorum_seconds`. Once
 * one waits longer, no act is recorded (roles/ledger_role/gate.h) until they have signed.
 * Whether they are silent, or the relay that asks them has ended, is the same.
 *
 * A ledger that is asked for this the first time, or for others' signatures, has the whole
 * limit from then on: state/quorum says since when. So has a new shard.
 */
#ifndef CUSTODY_ROLES_LEDGER_QUORUM_H
#define CUSTODY_ROLES_LEDGER_QUORUM_H

#include "base/clock.h"
#include "roles/witness/report.h"
#include "wire/record.h"

struct ledger_quorum;

#define LEDGER_QUORUM_NAME_BYTES 64

/* What policy asks for, and where things stand. */
struct ledger_quorum_standing {
    int64_t required; /* 0: of nobody; then nothing else here is set */
    int64_t limit_us;
    uint64_t size, cosigned; /* records that are published; that enough have cosigned */
    int64_t waits_since_us;  /* since 1970: the oldest that is not; 0: there is none */
    size_t count;
    struct {
        char name[LEDGER_QUORUM_NAME_BYTES];
        int64_t last_us; /* as in a report */
    } witness[WITNESS_REPORT_MAX];
};

/*
 * Reads policy, checkpoints and, where one waits, that record. A policy that cannot be read
 * asks for nothing: nothing is begun under such a one.
 *   folder  ledger/
 */
MUST_USE bool ledger_quorum_find(int home_fd, int folder, const struct clock *clock,
                                 struct ledger_quorum_standing *ret_standing,
                                 struct fault *fault);
/* Remembers since when this is asked for. */
MUST_USE bool ledger_quorum_begin(int home_fd, int folder, const struct clock *clock,
                                  struct fault *fault);

enum ledger_quorum_level {
    LEDGER_QUORUM_OK,
    LEDGER_QUORUM_LATE,    /* somebody should look: five minutes, or half of a short limit */
    LEDGER_QUORUM_MISSING, /* the limit is over */
};

/* "ok", "late", "missing" */
const char *ledger_quorum_level_name(enum ledger_quorum_level level);
enum ledger_quorum_level ledger_quorum_level_of(const struct ledger_quorum_standing *standing,
                                                int64_t waited_us);

/* NULL where nothing is asked for; every function takes that. `clock` is borrowed. */
struct ledger_quorum *ledger_quorum_new(const struct ledger_quorum_standing *standing,
                                        const struct clock *clock);
void ledger_quorum_free(struct ledger_quorum *quorum);

/* Record `index` was appended at `monotonic_us`. */
void ledger_quorum_wrote(struct ledger_quorum *quorum, uint64_t index, int64_t monotonic_us);
/* The same by a daemon before this one, at `t_us` since 1970. */
void ledger_quorum_recovered(struct ledger_quorum *quorum, uint64_t index, int64_t t_us);
void ledger_quorum_report(struct ledger_quorum *quorum, const struct witness_report *report);
/* Nobody asks the witnesses any more. */
void ledger_quorum_relay_ended(struct ledger_quorum *quorum);

enum ledger_quorum_level ledger_quorum_level(const struct ledger_quorum *quorum);
/* FAULT_DENIED, for people: since when, who is silent, what to do. */
void ledger_quorum_say(const struct ledger_quorum *quorum, struct fault *ret_why);

/* Is it at another level than what was recorded last? Then ledger_quorum_record says how. */
bool ledger_quorum_is_news(const struct ledger_quorum *quorum);
void ledger_quorum_record(struct ledger_quorum *quorum, struct record *ret_record);
enum ledger_quorum_level ledger_quorum_recorded(const struct ledger_quorum *quorum);
void ledger_quorum_recorded_before(struct ledger_quorum *quorum,
                                   enum ledger_quorum_level level);

#endif
