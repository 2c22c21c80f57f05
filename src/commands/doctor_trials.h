/* commands/doctor_trials.h - tries of doctor that need more than the cell: policy, records,
 * approvals. */
#ifndef CUSTODY_COMMANDS_DOCTOR_TRIALS_H
#define CUSTODY_COMMANDS_DOCTOR_TRIALS_H

#include "cell/probe.h"

/* Fills policy, records and approval of what is known of the host. */
void doctor_try_ours(struct probe_host *host);
/* Does the organisation's policy take a degraded cell? No, where there is none or it is broken. */
bool doctor_takes_degraded(void);

#endif
