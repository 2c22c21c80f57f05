/*
 * classify/position.h - which rule lists the position of an element. Private to classify/.
 *
 * A position is a path and, in brackets, what else is known of the place:
 *
 *   HL7 v2  PID-5.1  PID-3.1[type=SS] (CX.5, OBX-2)  PID-11.1.2 (a subcomponent)
 *   X12     NM109[01=IL][08=MI]  N301[NM1=IL][NM102=1] (the loop's)  REF02[01=SY]
 *   FHIR    Patient.name.family  Patient.identifier.value[type=SS][system=...]
 *   C-CDA   recordTarget/patientRole/id@extension[root=2.16.840.1.113883.4.1]
 *   DICOM   0010,0010
 *
 * What a rule lists matches a position whose path is the same or begins with it ("PID-5"
 * lists "PID-5.1", "Patient.name" lists "Patient.name.family", "ZPD" a segment; of attributes
 * only @extension and @value; where it ends
 * with '$' it is that path only), in FHIR and C-CDA also where its first name is "*"
 * ("*.subject.display"), and which has each of the rule's brackets
 * with one of its values: "NM109[08=MI,II]". Of several the longest path wins, then the one
 * with the most brackets, then the first added.
 */
#ifndef CUSTODY_CLASSIFY_POSITION_H
#define CUSTODY_CLASSIFY_POSITION_H

#include "base/bytes.h"
#include "base/fault.h"
#include "classify/reading.h"

#define POSITION_BRACKETS_MAX 4

struct position_set;

/* The key of a format in a rule file ("hl7v2", "x12", "fhir", "ccda", "dicom"). False: it has
 * no positions. */
bool position_format(struct slice key, enum format *ret_format);

struct position_set *position_set_new(void);
void position_set_free(struct position_set *set);

/* FAULT_INVALID: not a position; why says so. The text is copied. */
MUST_USE bool position_add(struct position_set *set, enum format format, struct slice position,
                           uint16_t rule, struct fault *fault);

/* The rule that lists the position of an element; false where none does. Takes time in the
 * length of the position only. */
bool position_rule(const struct position_set *set, enum format format, struct slice position,
                   uint16_t *ret_rule);

#endif
