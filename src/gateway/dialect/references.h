/*
 * gateway/dialect/references.h - what a request would have a provider bring in by itself: what
 * it keeps, files, addresses, tools that it runs. Nobody here has looked at that.
 */
#ifndef CUSTODY_GATEWAY_REFERENCES_H
#define CUSTODY_GATEWAY_REFERENCES_H

#include "gateway/dialect/operation.h"
#include "wire/json.h"

struct references {
    enum dialect dialect;            /* the client's; set before the first leaf */
    unsigned reach;                  /* REACH_BIT of what was found */
    const char *where[REACH_COUNT];  /* the member or tool that was found first; static text */
};

/* Looks at one leaf of a walk over the request. */
void references_see(struct references *references, const struct json_leaf *leaf);
/* Why `found` is refused, a sentence for people, and the word for the record. */
const char *references_say(enum reach reach);
const char *references_reason(enum reach reach);

#endif
