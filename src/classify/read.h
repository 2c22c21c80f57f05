/*
 * classify/read.h - the readers of general formats, and what they share. Private to classify/.
 *
 * A reader fills a reading that was begun with its format, and does not finish it. It never
 * refuses a content: what it does not understand it takes over as it stands. False is a limit
 * (FAULT_LIMIT): the rest of the content is not in the text.
 */
#ifndef CUSTODY_CLASSIFY_READ_H
#define CUSTODY_CLASSIFY_READ_H

#include "classify/reading.h"

typedef bool reader(struct reading *reading, struct slice path, struct fault *fault);

reader read_json, read_table, read_sql, read_keys;

/* reading_make, of something that is encoded or packed `depth` times. */
MUST_USE bool read_content(struct slice content, struct slice path, unsigned depth,
                           struct reading *ret_reading, struct fault *fault);
MUST_USE bool read_archive(struct reading *reading, unsigned depth, struct fault *fault);
MUST_USE bool read_pdf(struct reading *reading, unsigned depth, struct fault *fault);

/* ---- what formats share ---- */

bool read_looks_like_json(struct slice content);
/* Reads bytes [from, to) of the reading's content, which may be in its middle. */
MUST_USE bool read_json_part(struct reading *reading, size_t from, size_t to,
                             struct fault *fault);

/* What separates a table's cells; 0: nothing does. `is_strict`: in each of at least three
 * rows, as often. */
uint8_t read_table_separator(struct slice content, bool is_strict);

/* A name that says nothing of its value ("value", "text"): the one around it does. */
bool read_is_generic_name(struct slice name);
/* A name whose value says what the value beside it is: {"name": "ssn", "value": ...}. */
bool read_is_label_name(struct slice name);

/*
 * The escape at `at`, a backslash, in JSON: writes what it stands for and gives how long it is
 * written. 0: it is none.
 */
size_t read_escape_json(struct slice text, size_t at, uint8_t ret_bytes[4], size_t *ret_len);
/* The same in C, Python, JavaScript, YAML: \x41 \101 \u0041 \U00000041 \u{41} \n \' too. */
size_t read_escape_c(struct slice text, size_t at, uint8_t ret_bytes[4], size_t *ret_len);

/* The entity of HTML or XML at `at`, an ampersand. */
size_t read_entity(struct slice text, size_t at, uint8_t ret_bytes[4], size_t *ret_len);

#endif
