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
#include "gateway/dialect/said.h"
#include "gateway/gateway.h"

#define LEAVES_LEVELS_MAX 3

/* A leaf that something was found in. */
struct leaf_found {
    uint64_t leaf; /* counted from 0 */
    unsigned classes, guesses;
};

struct leaves {
    const struct door_scan *scan;
    /* The same document before it was edited: leaves that nothing was found in then, and that
     * are the same, are not looked at again, but for where they meet others. May be NULL. */
    const struct leaves *before;
    struct references *references;      /* looks at each leaf, too; or NULL */
    const struct door_lineage *lineage; /* sees each text, too; or NULL */
    struct said *said;                  /* gets what the members at the top say; or NULL */
    bool has_signed; /* some of it only the provider can read that has made it */
    unsigned classes;                   /* found so far */
    unsigned guesses;                   /* what was found with less certainty */
    const char *rules[CLASS_COUNT];     /* the first rule that found it */
    uint64_t count;
    uint64_t seen_bytes;           /* of decoded leaves, as the walk counts them */
    uint64_t scanned_bytes;        /* as the scan was given them; must be equal */
    uint8_t tail[DOOR_SEAM_BYTES]; /* how the texts before this one end */
    size_t tail_len;
    struct leaf_found *found; /* in the document's order; leaves_free */
    size_t found_count, found_room;
    unsigned leaf_classes, leaf_guesses; /* of the leaf that is looked at */
    size_t before_at;
};

/* FAULT_INVALID: not JSON as json.h wants it. */
MUST_USE bool leaves_walk(struct leaves *leaves, struct slice document, struct fault *fault);
/* A text that is not JSON: a header, a path. */
void leaves_text(struct leaves *leaves, struct slice text);
void leaves_free(struct leaves *leaves);

#endif
