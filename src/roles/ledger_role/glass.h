/*
 * roles/ledger_role/glass.h - break-glass, as the ledger's daemon knows it: until when, by
 * whom.
 *
 * The signatures are checked by `custody breakglass`, before; here is what has been recorded.
 * state/breakglass keeps it over a restart. A new shard begins without it.
 */
#ifndef CUSTODY_ROLES_LEDGER_GLASS_H
#define CUSTODY_ROLES_LEDGER_GLASS_H

#include "base/clock.h"
#include "wire/record.h"

#define LEDGER_GLASS_HOURS_MAX 24

struct ledger_glass;

/* `folder` is ledger/; both are borrowed. */
struct ledger_glass *ledger_glass_new(int folder, const struct clock *clock);
void ledger_glass_free(struct ledger_glass *glass); /* NULL is fine */

bool ledger_glass_is_broken(const struct ledger_glass *glass);
/* FAULT_DENIED: it has expired, or is for too long, or one person is both. */
MUST_USE bool ledger_glass_check(const struct ledger_glass *glass, const struct record *record,
                                 struct fault *fault);
void ledger_glass_break(struct ledger_glass *glass, const struct record *record);
/* Was no act of this one's run flagged yet? */
bool ledger_glass_is_news(const struct ledger_glass *glass, const struct record *act);
/* The flag of its run: a breakglass record with outcome `used`. Texts borrow. */
void ledger_glass_flag(struct ledger_glass *glass, const struct record *act, const char *word,
                       struct record *ret_record);

#endif
