/*
 * gateway/dialect/target.h - where at a provider a call goes, and how its key is shown: a table
 * of services.
 */
#ifndef CUSTODY_GATEWAY_TARGET_H
#define CUSTODY_GATEWAY_TARGET_H

#include "gateway/dialect/operation.h"

/* Checks what of an entry belongs to its service. FAULT_INVALID. */
MUST_USE bool target_check(const struct gateway_model *model, struct fault *fault);
/*
 * Appends path and query of a call ("/v1/chat/completions"), the base URL's own included.
 *   stream  the client wants a stream
 * FAULT_INVALID: the model's name cannot stand in a path. FAULT_MISSING: this service has no
 * such call.
 */
MUST_USE bool target_path(const struct gateway_model *model, enum operation operation,
                          bool stream, struct buf *ret_target, struct fault *fault);
/* "Authorization: Bearer ", "x-api-key: ", ...; what comes before a plain key. */
const char *target_key_header(const struct gateway_model *model);

/* What the provider calls the model. */
const char *target_model(const struct gateway_model *model);

#endif
