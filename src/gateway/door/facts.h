/*
 * gateway/door/facts.h - what the objects of a JSON document say of themselves: type, name and
 * indices. A string's meaning hangs on them, and they may stand behind it.
 */
#ifndef CUSTODY_GATEWAY_FACTS_H
#define CUSTODY_GATEWAY_FACTS_H

#include "wire/json.h"

#define FACT_INDICES 4
#define FACT_TEXT_BYTES 64

enum fact_text { FACT_TYPE, FACT_NAME, FACT_TEXTS };
enum fact_index { FACT_INDEX, FACT_OUTPUT_INDEX, FACT_CONTENT_INDEX, FACT_SUMMARY_INDEX };

/* One object. Texts are NUL-terminated, cut where they do not fit. */
struct fact {
    uint64_t object; /* which one; see fact_object */
    char text[FACT_TEXTS][FACT_TEXT_BYTES];
    uint32_t index[FACT_INDICES];
    uint8_t has_index; /* a bit each */
};

struct facts {
    struct slice document;
    struct fact *at;
    size_t count, room;
    uint32_t *slots; /* by object, 0: empty, else number + 1 */
    size_t mask;
};

/* Of a document that has been checked; free it in any case. */
MUST_USE bool facts_read(struct slice document, struct facts *ret_facts, struct fault *fault);
void facts_free(struct facts *facts);

/* Is it one of those leaves that say something of their object? */
bool facts_take(const struct json_leaf *leaf);

/* The object that the first `depth` steps of the path lead into, or NULL: it says nothing. */
const struct fact *facts_of(const struct facts *facts, const struct json_leaf *leaf,
                            size_t depth);

/* Is the leaf in something signed, or that only the provider can read? It must stay as it is. */
bool facts_signed(const struct facts *facts, const struct json_leaf *leaf);

/* Is it a word of the protocol (a role, an id), and not within what a tool is given or has
 * answered? */
bool facts_protocol(const struct json_leaf *leaf);

#endif
