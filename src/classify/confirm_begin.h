/* classify/confirm_begin.h - where a match of a pattern may begin, told by two bytes. Private to classify/. */
#ifndef CUSTODY_CLASSIFY_CONFIRM_BEGIN_H
#define CUSTODY_CLASSIFY_CONFIRM_BEGIN_H

#include "classify/rule.h"

/* What a byte may be to a match. */
enum confirm_byte {
    CONFIRM_FIRST = 1,      /* a match may begin with it */
    CONFIRM_NOT_BEFORE = 2, /* and never stands behind it */
};

/*
 * Sets CONFIRM_NOT_BEFORE of the bytes that a pattern in PCRE2's syntax forbids in front of each match, by lookbehinds
 * that it, or each of its alternatives, begins with: (?<![A-Za-z0-9_]). What is not understood forbids nothing.
 */
void confirm_not_before(struct slice pattern, uint8_t bytes[256]);

/* Does each match begin with one of the rule's keywords, as these are looked for? False: that is not known. */
bool confirm_begins_with_keyword(const struct rule *rule);

#endif
