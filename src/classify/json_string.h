/* classify/json_string.h - a string of JSON into a reading. Private to classify/. */
#ifndef CUSTODY_CLASSIFY_JSON_STRING_H
#define CUSTODY_CLASSIFY_JSON_STRING_H

#include "classify/rewrite.h"

struct json_string {
    size_t end;       /* of the content: its closing quote, the end of its line, or the content's */
    bool is_plain;    /* nothing in it was escaped, nor taken over so far; else all of it is in the text */
    bool is_line;     /* it ends with an escaped line's end */
};

/* From behind its opening quote. Bodies have an escape every fifteen bytes: this is the quick way of rewrite_escape_json for each of
 * them. */
MUST_USE bool json_string_read(struct rewrite *rewrite, struct slice content, size_t at,
                               struct json_string *ret_string, struct fault *fault);

#endif
