/*
 * roles/ledger_role/gate.h - what the ledger takes while it is in trouble: no record, no
 * action.
 *
 * Trouble is a disk that gets full, or witnesses that are silent for too long. Then acts are
 * refused: records that announce something new (ledger_gate_is_act). What says how something
 * ended, what was refused or what was read already is taken as long as there is room, and the
 * reserve, a file of its own, is given up so that there is room for the stop itself.
 *
 * Break-glass (two people, a time limit) lets acts pass that are refused for low space or for
 * missing witnesses. It makes no room: on a full disk nothing goes on, with or without it.
 */
#ifndef CUSTODY_ROLES_LEDGER_GATE_H
#define CUSTODY_ROLES_LEDGER_GATE_H

#include "base/clock.h"
#include "os/disk.h"
#include "roles/ledger_role/quorum.h"
#include "wire/record.h"

struct ledger_gate;

struct ledger_gate_config {
    int folder;                   /* ledger/; borrowed */
    struct disk disk;             /* NULL space: that of `folder` */
    const struct clock *clock;    /* borrowed */
    struct ledger_quorum *quorum; /* borrowed; NULL: policy asks for no witnesses */
};

/* Makes the reserve where there is room for it. */
MUST_USE bool ledger_gate_open(const struct ledger_gate_config *config,
                               struct ledger_gate **ret_gate, struct fault *fault);
void ledger_gate_free(struct ledger_gate *gate); /* NULL is fine; the reserve stays */

/* Does this record announce an act, which must not be without it? */
bool ledger_gate_is_act(const struct record *record);

enum ledger_gate_verdict {
    LEDGER_GATE_ADMIT,
    LEDGER_GATE_FLAG, /* under break-glass: first ledger_gate_flag is to be recorded */
    LEDGER_GATE_REFUSE,
};

/*
 * May this act be recorded now? Looks at the disk where the last look is old.
 *   ret_word  with FLAG and REFUSE: what the trouble is, for a record
 *   ret_why   with REFUSE: for people
 */
enum ledger_gate_verdict ledger_gate_judge(struct ledger_gate *gate, const struct record *act,
                                           const char **ret_word, struct fault *ret_why);

/* That this act's run goes on under break-glass; once a run. Texts borrow. */
void ledger_gate_flag(struct ledger_gate *gate, const struct record *act, const char *word,
                      struct record *ret_record);

/* May this breakglass record be written? FAULT_DENIED: for too long, or for one person. */
MUST_USE bool ledger_gate_check_glass(const struct ledger_gate *gate,
                                      const struct record *record, struct fault *fault);
/* It is written: from now on, and after a restart, acts pass until it expires. */
void ledger_gate_break_glass(struct ledger_gate *gate, const struct record *record);

/*
 * Looks at the disk. True: its level is another one than what ledger_gate_disk_record said
 * last, so that is to be recorded now.
 */
bool ledger_gate_look(struct ledger_gate *gate);
/* A write failed for want of room: gives up the reserve. True: now there is more room. */
bool ledger_gate_disk_is_full(struct ledger_gate *gate);
/* What the last disk.state says; of a ledger without one, that all is well. */
enum disk_level ledger_gate_recorded(const struct ledger_gate *gate);
void ledger_gate_recorded_before(struct ledger_gate *gate, enum disk_level level);
/* What was handed in. */
struct ledger_quorum *ledger_gate_quorum(const struct ledger_gate *gate);
/* disk.state, as it is now. */
void ledger_gate_disk_record(struct ledger_gate *gate, struct record *ret_record);

#endif
