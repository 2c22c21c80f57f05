/*
 * classify/classify.h - is this sensitive, where, and why? Bytes in, findings out; pure.
 *
 * Rules are data (data/rules, docs/rules.md); a process gets them by rules.h before it
 * classifies.
 */
#ifndef CUSTODY_CLASSIFY_CLASSIFY_H
#define CUSTODY_CLASSIFY_CLASSIFY_H

#include "base/bytes.h"
#include "base/fault.h"
#include "base/vocabulary.h"

#define CLASSIFY_BYTES_MAX (64UL * 1024 * 1024)
#define CLASSIFY_FINDINGS_MAX (1UL << 20)

enum confidence { CONFIDENCE_LOW, CONFIDENCE_MEDIUM, CONFIDENCE_HIGH };

/* How a value is written where it was found: a stand-in must be written the same way. */
enum finding_form {
    FORM_PLAIN,
    FORM_BACKSLASH, /* with escapes of JSON or C in it */
    FORM_PERCENT,
    FORM_ENTITY, /* of XML or HTML */
    FORM_WIDE,   /* UTF-16: every second byte is 0 */
    FORM_BASE64, /* both alphabets; the whole run is the value's */
    FORM_HEX,
    FORM_SEALED, /* within something that cannot be rewritten in place (an archive, a PDF) */
    FORM_MIXED,  /* several of these on top of one another: cannot be rewritten, either */
    FORM_COUNT,
};

/* What a stand-in looks like; a rule names it. */
enum surrogate_shape {
    SHAPE_TEXT,      /* letters become letters, digits digits */
    SHAPE_SECRET,    /* the same, a public prefix stays */
    SHAPE_KEY_BLOCK, /* PEM: the lines that say what it is stay */
    SHAPE_CARD,
    SHAPE_SSN,
    SHAPE_DATE,
    SHAPE_NAME,
    SHAPE_EMAIL,
    SHAPE_PHONE,
    SHAPE_URL,
    SHAPE_IPV4,
    SHAPE_IPV6,
    SHAPE_MAC,
    SHAPE_ADDRESS,
    SHAPE_IBAN,
    SHAPE_COUNT,
};

struct finding {
    size_t start, end; /* byte offsets; start < end */
    enum data_class class;
    uint16_t rule;      /* for classify_rule_id */
    uint8_t confidence; /* enum confidence */
    uint8_t form;       /* enum finding_form */
    uint16_t page;      /* of a PDF file, from 1; 0: on none, or no such file */
    uint8_t also;       /* CLASS_BIT of what else is in it: what is encoded is one place, whatever it holds */
};

/* A place is as sensitive as the strictest of these. */
static inline unsigned finding_classes(const struct finding *finding)
{
    return CLASS_BIT(finding->class) | finding->also;
}

/*
 * Finds what is sensitive. Findings are sorted and do not overlap; the caller frees them (NULL
 * where there are none).
 *   path            a hint for formats (".env", ".hl7"); may be empty
 *   ret_class_mask  CLASS_BIT of each class found with more than CONFIDENCE_LOW, which is for
 *                   reports only; CLASS_OPAQUE, too, where the content is no
 *                   text: then only values that show themselves in any bytes were looked for
 *                   (cards, keys, tokens, social security numbers beside their name);
 *                   0: nothing found
 * UTF-16 is text. A value in it is found with the NULs between its characters, so that
 * replacing its letters and digits keeps encoding and length.
 * FAULT_LIMIT: longer than CLASSIFY_BYTES_MAX, or more than CLASSIFY_FINDINGS_MAX.
 */
MUST_USE bool classify_scan(struct slice content, struct slice path,
                            struct finding **ret_findings, size_t *ret_count,
                            unsigned *ret_class_mask, struct fault *fault);

const char *classify_rule_id(uint16_t rule);   /* "pan.card" */
const char *classify_rule_text(uint16_t rule); /* one line, for SARIF and people */
enum surrogate_shape classify_rule_shape(uint16_t rule);
size_t classify_rule_count(void);
bool classify_rule_find(const char *id, uint16_t *ret_rule); /* false: there is none */
const char *confidence_name(uint8_t confidence); /* high medium low */

/* SHA-256, hex, over the rules and the version of the code: a verdict is valid for one digest.
 */
const char *classify_digest(void);

#endif
