/*
 * wire/yamltext.h - what libfyaml 0.7 must not see. At a byte that is not UTF-8 it ends the
 * stream without an error (rules below it would be lost), and in a directive it may never
 * return.
 */
#ifndef CUSTODY_WIRE_YAMLTEXT_H
#define CUSTODY_WIRE_YAMLTEXT_H

#include "base/bytes.h"
#include "base/fault.h"

/*
 * Refuses what is not UTF-8, directives, byte order marks, control characters but tab, and a
 * CR that no LF follows. FAULT_INVALID says "WHERE:LINE:COLUMN: why", the column in bytes
 * from 1.
 */
MUST_USE bool yamltext_check(struct slice text, const char *where, struct fault *fault);

#endif
