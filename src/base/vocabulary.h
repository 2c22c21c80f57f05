/*
 * base/vocabulary.h - the few words that every part shares: data classes and verdicts.
 * The names are those of the policy file, the command line and the ledger.
 */
#ifndef CUSTODY_BASE_VOCABULARY_H
#define CUSTODY_BASE_VOCABULARY_H

#include "base/bytes.h"

enum data_class {
    CLASS_PHI,
    CLASS_PAN,
    CLASS_SECRET,
    CLASS_PII,
    CLASS_OPAQUE, /* could not be looked into */
    CLASS_CODE,   /* nothing found */
    CLASS_COUNT,
};

/* A set of classes is a mask of 1 << class. */
#define CLASS_BIT(class) (1U << (unsigned)(class))

enum verdict {
    VERDICT_ALLOW,
    VERDICT_REDACT,
    VERDICT_DENY, /* ordered: the larger is the stricter */
    VERDICT_COUNT,
};

const char *class_name(enum data_class class);
MUST_USE bool class_parse(struct slice name, enum data_class *ret_class);
/* The one class that stands for a mask in a record: the first of phi, pan, secret, pii,
 * opaque, code. */
enum data_class class_of_mask(unsigned mask);
const char *verdict_name(enum verdict verdict);
MUST_USE bool verdict_parse(struct slice name, enum verdict *ret_verdict);

#endif
