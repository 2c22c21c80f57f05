/* gateway/dialect/models.h - the models that policy allows, in each API's form. */
#ifndef CUSTODY_GATEWAY_MODELS_H
#define CUSTODY_GATEWAY_MODELS_H

#include "gateway/gateway.h"

MUST_USE bool models_list(enum dialect dialect, const struct gateway_model *models,
                          size_t count, struct buf *out, struct fault *fault);
/* FAULT_MISSING: none of them has that name. */
MUST_USE bool models_one(enum dialect dialect, const struct gateway_model *models,
                         size_t count, struct slice name, struct buf *out,
                         struct fault *fault);

#endif
