/*
 * gateway/door/leaves.h - looks at every string, key and number of a JSON document.
 *
 * Known or unknown member, tool argument or message text: nothing is chosen, everything is
 * looked at. JSON inside of a string and base64 that fills a string are opened, a few levels
 * deep. Texts that follow one another are looked at together where they meet, too: an agent
 * cuts what it sends as it likes.
 */
#ifndef CUSTODY_GATEWAY_LEAVES_H
#define CUSTODY_GATEWAY_LEAVES_H

#include "gateway/dialect/references.h"
#include "gateway/gateway.h"

struct leaves {
    const struct door_scan *scan;
    struct references *references;  /* looks at each leaf, too; or NULL */
    unsigned classes;               /* found so far */
    const char *rules[CLASS_COUNT]; /* the first rule that found it */
    uint64_t count;
    uint64_t seen_bytes;           /* of decoded leaves, as the walk counts them */
    uint64_t scanned_bytes;        /* as the scan was given them; must be equal */
    uint8_t tail[DOOR_SEAM_BYTES]; /* how the texts before this one end */
    size_t tail_len;
};

/* FAULT_INVALID: not JSON as json.h wants it. */
MUST_USE bool leaves_walk(struct leaves *leaves, struct slice document, struct fault *fault);
/* A text that is not JSON: a header, a path. */
void leaves_text(struct leaves *leaves, struct slice text);

#endif
