/* base/utf8.h - UTF-8 (RFC 3629): no overlong forms, no surrogates, nothing above U+10FFFF. */
#ifndef CUSTODY_BASE_UTF8_H
#define CUSTODY_BASE_UTF8_H

#include "base/bytes.h"

/* Length of the character at `at`, or 0: not one. ret_char may be NULL. */
size_t utf8_next(struct slice text, size_t at, uint32_t *ret_char);
/* Bytes at the start that are printable ASCII and neither '"' nor '\\': JSON takes them as
 * they are. */
size_t utf8_plain_run(struct slice text);
bool utf8_is_valid(struct slice text);
/* Appends the character; a number that is none as the same scheme would have it. */
MUST_USE bool utf8_add(struct buf *out, uint32_t point, struct fault *fault);
/* The same, and without control characters (C0, DEL). */
bool utf8_is_printable(struct slice text);
/*
 * Does this character steer what a reader or a terminal shows without being seen itself? C0
 * and C1 controls but tab and what ends a line, zero-width, direction controls, tag
 * characters.
 */
bool utf8_is_hidden(uint32_t c);
/*
 * Appends `text` so that a terminal shows all of it and obeys none of it: a control byte as
 * ^X, a hidden character as <U+202E>, a byte that is not UTF-8 as <FF>. Tabs and line ends
 * stay.
 */
MUST_USE bool utf8_add_visible(struct buf *out, struct slice text, struct fault *fault);
/*
 * The same in place, for one line: each byte of what would not show, of controls and line
 * ends, and of what is not UTF-8 becomes '?'. Agents choose names that people's terminals are
 * shown.
 */
void utf8_tame(char *line);

#endif
