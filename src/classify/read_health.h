/*
 * classify/read_health.h - readers of health formats: what stands where says what it is.
 * Private to classify/.
 *
 * Each fills a reading that was begun with its format and does not finish it. None refuses a
 * content: what it does not understand stays in the text as it stands, so that nothing is lost
 * where a content only looked like the format. False is FAULT_LIMIT: more text than
 * READING_GROWTH_MAX. All take time in the length of the content, whatever it is.
 *
 *   HL7 v2  segments, fields, repetitions, components, subcomponents with their escapes; the
 *           separators of each MSH, FHS or BHS. Z segments and lines that are no segment are
 *           prose.
 *   X12     segments, elements, components; separators of each ISA
 *   FHIR    JSON, one resource or one a line, Bundles, contained ones
 *   C-CDA   XML; positions begin at the innermost role ("recordTarget", "author")
 *   XML     and HTML: names only (read_xml)
 *   DICOM   part 10: data elements of any depth. Values are lines of the text, pixel data and
 *           other bulk are `unexamined`.
 */
#ifndef CUSTODY_CLASSIFY_READ_HEALTH_H
#define CUSTODY_CLASSIFY_READ_HEALTH_H

#include "classify/reading.h"

/* Does it begin as that format? A guess by its first bytes; FHIR, C-CDA: by a word in it. */
bool read_is_hl7(struct slice content);
bool read_is_x12(struct slice content);
bool read_is_fhir(struct slice content);
bool read_is_ccda(struct slice content);
bool read_is_dicom(struct slice content);

MUST_USE bool read_hl7(struct reading *reading, struct slice path, struct fault *fault);
MUST_USE bool read_x12(struct reading *reading, struct slice path, struct fault *fault);
MUST_USE bool read_fhir(struct reading *reading, struct slice path, struct fault *fault);
MUST_USE bool read_ccda(struct reading *reading, struct slice path, struct fault *fault);
MUST_USE bool read_xml(struct reading *reading, struct slice path, struct fault *fault);
MUST_USE bool read_dicom(struct reading *reading, struct slice path, struct fault *fault);

/* The reader of a content's format, which is set then; NULL: it is of none of these. */
typedef bool health_reader(struct reading *reading, struct slice path, struct fault *fault);
health_reader *read_health_find(struct slice content, enum format *format);

#endif
