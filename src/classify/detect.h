/* classify/detect.h - what the detectors share. Private to classify/. */
#ifndef CUSTODY_CLASSIFY_DETECT_H
#define CUSTODY_CLASSIFY_DETECT_H

#include "classify/ascii.h"
#include "classify/classify.h"

enum rule {
    RULE_CARD,
    RULE_SSN,
    RULE_PRIVATE_KEY,
    RULE_AWS_KEY_ID,
    RULE_AWS_SECRET,
    RULE_GITHUB,
    RULE_GITLAB,
    RULE_SLACK,
    RULE_STRIPE,
    RULE_GOOGLE,
    RULE_MODEL_KEY,
    RULE_NPM,
    RULE_JWT,
    RULE_ASSIGNED,
    RULE_CONNECTION,
    RULE_HL7_PATIENT,
    RULE_FHIR_PATIENT,
    RULE_COUNT,
};

struct findings {
    struct finding *at;
    size_t count, room;
    bool too_many;
};

struct detection {
    struct slice content;
    struct slice path;
    struct findings *findings;
};

void detect_add(const struct detection *detection, size_t start, size_t end, enum rule rule,
                enum confidence confidence);

/* Each adds what it finds; order and overlaps do not matter. */
void detect_numbers(const struct detection *detection); /* cards, social security numbers */
void detect_tokens(const struct detection *detection);  /* formats with a public prefix */
void detect_assignments(
    const struct detection *detection); /* KEY = value, scheme://user:password@ */
void detect_hl7(const struct detection *detection);
void detect_fhir(const struct detection *detection);

enum data_class rule_class(enum rule rule);

/* Is `word` (lower case) in `text`, whatever the case there? */
bool holds_word(struct slice text, const char *word);

#endif
