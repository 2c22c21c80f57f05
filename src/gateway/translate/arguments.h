/*
 * gateway/translate/arguments.h - what a tool is given: JSON that a model writes, in pieces cut
 * anywhere.
 */
#ifndef CUSTODY_GATEWAY_TRANSLATE_ARGUMENTS_H
#define CUSTODY_GATEWAY_TRANSLATE_ARGUMENTS_H

#include "base/bytes.h"
#include "base/fault.h"

/* Is the object whole? Tells brackets and strings apart, and checks no more. */
struct arguments {
    uint32_t depth;
    bool in_string, escape, whole;
};

/* False: something other than space stands behind the whole object. */
bool arguments_feed(struct arguments *arguments, struct slice text);

/* Takes the text out of {"input": "..."}. */
enum free_state {
    FREE_BEFORE,  /* the head is coming */
    FREE_WITHIN,  /* the text is */
    FREE_AFTER,   /* it is whole */
    FREE_OTHER,   /* it is no such object: all of it is the text */
};
struct free_text {
    enum free_state state;
    uint8_t step;
    uint8_t held[64]; /* an escape that is not whole; of FREE_BEFORE the head so far */
    size_t held_len;
};

/* Appends, as between the quotes of a JSON string, what of the text has come. */
MUST_USE bool free_text_feed(struct free_text *free_text, struct slice text, struct buf *out,
                             struct fault *fault);
/* Nothing more will come. */
MUST_USE bool free_text_end(struct free_text *free_text, struct buf *out, struct fault *fault);

/* Appends arguments as an object: as they are; where they are none, as the member `arguments`
 * of one; where there are none, an empty one. */
MUST_USE bool arguments_object(struct slice text, struct buf *out, struct fault *fault);
/* The action of a call of the local shell as arguments, and the other way round. FAULT_INVALID:
 * it is none. */
MUST_USE bool arguments_of_action(struct slice action, struct buf *out, struct fault *fault);
MUST_USE bool arguments_to_action(struct slice text, struct buf *out, struct fault *fault);

#endif
