/*
 * wire/jcs.h - the pieces of canonical JSON (RFC 8785) that rec/v1 needs: strings and
 * integers.
 *
 * The reader takes what the writer writes and nothing else; it allocates nothing.
 */
#ifndef CUSTODY_WIRE_JCS_H
#define CUSTODY_WIRE_JCS_H

#include "base/bytes.h"

#define JCS_NUMBER_MAX ((int64_t)9007199254740991) /* 2^53 - 1 */

/* Appends `text` as a JSON string (section 3.2.2.2). FAULT_INVALID: not UTF-8. */
MUST_USE bool jcs_add_text(struct buf *buf, struct slice text, struct fault *fault);
/* FAULT_INVALID beyond JCS_NUMBER_MAX either way. */
MUST_USE bool jcs_add_number(struct buf *buf, int64_t number, struct fault *fault);

struct jcs_reader {
    struct slice text;
    size_t at;
};

/* Takes `byte` if it is next. */
static inline bool jcs_take(struct jcs_reader *reader, uint8_t byte)
{
    if (reader->at >= reader->text.len || reader->text.at[reader->at] != byte)
        return false;
    reader->at++;
    return true;
}

/*
 * Takes a string of printable characters; only \" and \\ may be escaped, as a canonical string
 * without control characters has no other escape. Its value is appended to `arena`, which must
 * have the room already (so that earlier values do not move).
 */
MUST_USE bool jcs_take_text(struct jcs_reader *reader, struct buf *arena,
                            struct slice *ret_text, struct fault *fault);
/* Takes a string without escapes and beyond ASCII nothing, as names are; borrows from the
 * text. */
MUST_USE bool jcs_take_name(struct jcs_reader *reader, struct slice *ret_name,
                            struct fault *fault);
MUST_USE bool jcs_take_number(struct jcs_reader *reader, int64_t *ret_number,
                              struct fault *fault);

#endif
