/* classify/detect.h - what is found by a format's own reader, and not by the engine. Private to
 * classify/. */
#ifndef CUSTODY_CLASSIFY_DETECT_H
#define CUSTODY_CLASSIFY_DETECT_H

#include "classify/ascii.h"
#include "classify/findings.h"

struct detection {
    struct slice content;
    struct slice path;
    struct findings *findings;
};

/* `rule`: its id. */
void detect_add(const struct detection *detection, size_t start, size_t end, const char *rule,
                enum confidence confidence);

/* Each adds what it finds; order and overlaps do not matter. */
void detect_hl7(const struct detection *detection);
void detect_fhir(const struct detection *detection);

#endif
