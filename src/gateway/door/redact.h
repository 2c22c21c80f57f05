/*
 * gateway/door/redact.h - a request with what its model may not see replaced, in place.
 *
 * Values become stand-ins where they stand, at whatever depth: in a string, in JSON within a
 * string, in base64 that fills one. All other bytes stay. Never edited: keys, words of the
 * protocol, what is signed or sealed by a provider.
 */
#ifndef CUSTODY_GATEWAY_REDACT_H
#define CUSTODY_GATEWAY_REDACT_H

#include "gateway/door/leaves.h"

#define REDACTION_VALUES_MAX (1U << 16)

struct redacted_value {
    size_t at, len; /* in the document, as it was */
    enum data_class class;
    const char *rule;
    bool is_telling;
    uint8_t commitment[DOOR_COMMITMENT_BYTES];
    struct slice original, stand_in; /* owned */
};

struct redaction {
    const struct door_scan *scan;
    unsigned classes;
    struct redacted_value *values;
    size_t count, room;
};

/*
 * Appends the document with the leaves of `found` redacted. What cannot be replaced stays:
 * look at the result again.
 */
MUST_USE bool redact_document(struct redaction *redaction, struct slice document,
                              const struct leaves *found, struct buf *ret_document,
                              struct fault *fault);
void redaction_free(struct redaction *redaction); /* overwrites the originals */

#endif
