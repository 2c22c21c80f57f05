/*
 * gateway/door/translated.h - a request for a model that speaks another dialect than its client:
 * which one, and its body as that model's provider has it.
 */
#ifndef CUSTODY_GATEWAY_TRANSLATED_H
#define CUSTODY_GATEWAY_TRANSLATED_H

#include "gateway/door/leaves.h"
#include "gateway/door/plan.h"

/*
 * The policy's entry that `asked` names, by its own or its provider's word; the run's own where it
 * is empty, and where policy says so (routing.other_names) for any other name; and as what it is asked: the operation itself, where its dialect serves that, else its
 * counterpart, where policy has it translated. FAULT_MISSING: there is none of that name; another
 * one: it does not serve that.
 */
MUST_USE bool translated_pick(const struct door_config *config, enum operation operation,
                              const char *asked, uint32_t *ret_model, enum operation *ret_sent,
                              struct fault *why);
/*
 * Puts plan->body as plan->sent wants it, and looks at it again: `leaves` and `said` are what it
 * holds and says then. Headers of the client's dialect stay here.
 * FAULT_INVALID: something has no counterpart. FAULT_DENIED: the new body holds what the model
 * may not see.
 */
MUST_USE bool translated_body(const struct gateway_model *model, struct plan *plan,
                              struct leaves *leaves, struct said *said, struct fault *fault);

#endif
