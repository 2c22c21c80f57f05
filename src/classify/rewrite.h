/*
 * classify/rewrite.h - a reading of a content that reads as it stands but for some stretches:
 * escapes, doubled quotes, markup that is left out. Private to classify/.
 */
#ifndef CUSTODY_CLASSIFY_REWRITE_H
#define CUSTODY_CLASSIFY_REWRITE_H

#include "classify/read.h"
#include "classify/reading.h"

struct rewrite {
    struct reading *reading;
    size_t done; /* of the content: what comes before it is in the text, or was left out */
};

/* What comes before `to` and is not in the text yet is taken over. */
MUST_USE static inline bool rewrite_keep(struct rewrite *rewrite, size_t to,
                                         struct fault *fault)
{
    bool ok = reading_add_plain(rewrite->reading, rewrite->done, to, fault);

    rewrite->done = to;
    return ok;
}

/* Bytes [from, to) of the content read as `with` (nothing: they are left out); what comes
 * before them is taken over. */
MUST_USE static inline bool rewrite_as(struct rewrite *rewrite, size_t from, size_t to,
                                       struct slice with, enum finding_form form,
                                       struct fault *fault)
{
    if (!reading_add_replaced(rewrite->reading, rewrite->done, from, with, to, form, fault))
        return false;
    rewrite->done = to;
    return true;
}

/* An escape of JSON at the backslash `*at` reads as its character; `*at` goes behind it, and
 * *ret_is_plain becomes false. A backslash that begins none stays. */
MUST_USE static inline bool rewrite_escape_json(struct rewrite *rewrite, struct slice content,
                                                size_t *at, bool *ret_is_plain,
                                                struct fault *fault)
{
    uint8_t bytes[4];
    size_t len, from = *at, written = read_escape_json(content, from, bytes, &len);

    if (written == 0) {
        *at = from + 1;
        return true;
    }
    *at = from + written;
    *ret_is_plain = false;
    return rewrite_as(rewrite, from, *at, slice_of_bytes(bytes, len), FORM_BACKSLASH, fault);
}

/* Where the text has, or will have, this byte of the content, which is not below `done`. */
static inline size_t rewrite_place(const struct rewrite *rewrite, size_t at)
{
    return reading_at(rewrite->reading) + (at - rewrite->done);
}

/* A stretch of the text so far, valid until more is added: all of it is in the text already,
 * or nothing. */
static inline struct slice rewrite_text(const struct rewrite *rewrite, size_t start,
                                        size_t end)
{
    const struct reading *reading = rewrite->reading;
    size_t at = reading_at(reading);

    if (start >= at)
        return slice_part(reading->content, rewrite->done + (start - at),
                          rewrite->done + (end - at));
    return slice_part(reading->decoded.len > 0 ? buf_slice(&reading->decoded)
                                               : reading->content,
                      start, end);
}

#endif
