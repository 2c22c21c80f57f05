/*
 * classify/xml.h - what XML and HTML are made of, with byte offsets. Private to classify/.
 *
 * Lenient and linear: what is malformed is text, or is passed over. No entity is expanded but
 * those of single characters; nothing is ever loaded: a DOCTYPE is passed over.
 */
#ifndef CUSTODY_CLASSIFY_XML_H
#define CUSTODY_CLASSIFY_XML_H

#include "classify/reading.h"
#include "classify/rewrite.h"

#define XML_LEVELS_MAX 128 /* deeper elements have no name */

enum xml_token { XML_END, XML_OPEN, XML_CLOSE, XML_TEXT, XML_CDATA };

struct xml_scan {
    struct slice content;
    size_t at;
    size_t from, to;   /* of a text; of a tag what is behind its name */
    struct slice name; /* of a tag, without a prefix */
    bool is_empty;     /* <br/> */
};

/* The next one; comments, instructions and declarations are passed over. */
enum xml_token xml_next(struct xml_scan *scan);

struct xml_attribute {
    struct slice name; /* without a prefix */
    size_t from, to;   /* of its value, without quotes */
};

/* The attribute at or behind *at, which begins as scan->from of a tag. False: there is no
 * more. */
bool xml_attribute_next(const struct xml_scan *scan, size_t *at,
                        struct xml_attribute *ret_attribute);

/* ---- a walk that makes a reading ---- */

/* The text is the content with character references resolved. */
struct xml_visitor {
    void (*open)(void *self, const struct xml_scan *scan);
    void (*close)(void *self, struct slice name);
    /* A text or an attribute's value (name: which; of a text empty), without white space
     * around it; not empty. */
    void (*value)(void *self, struct slice attribute, size_t start, size_t end,
                  struct slice raw);
    void *self;
};

MUST_USE bool xml_walk(struct reading *reading, const struct xml_visitor *visitor,
                       struct fault *fault);

#endif
