/*
 * wire/record_table.h - the table behind wire/record.h: every type of record, every field, and
 * which may go with which. Code, docs/records.md and the labels that people see come from it.
 */
#ifndef CUSTODY_WIRE_RECORD_TABLE_H
#define CUSTODY_WIRE_RECORD_TABLE_H

#include "wire/record.h"

enum record_kind {
    RECORD_KIND_NUMBER,
    RECORD_KIND_TEXT,
    RECORD_KIND_LIST, /* a longer text */
    RECORD_KIND_PATH,
    RECORD_KIND_WORD,   /* [a-z0-9_.-], of a closed set */
    RECORD_KIND_OBJECT, /* a git object id: 40 or 64 lower-case hexadecimal digits */
    RECORD_KIND_DIGEST, /* SHA-256: 64 of them */
    RECORD_KIND_CLASS,  /* base/vocabulary.h */
    RECORD_KIND_VERDICT,
};

/* What the ledger adds has its own places, behind the fields. */
enum record_header_place {
    RECORD_HEADER_PREV = RECORD_FIELD_COUNT,
    RECORD_HEADER_SALT,
    RECORD_HEADER_SEQ,
    RECORD_HEADER_SRC,
    RECORD_HEADER_TIME,
    RECORD_HEADER_TYPE,
    RECORD_HEADER_VERSION,
};

#define RECORD_HEADER_COUNT 6 /* all but the type, which every record has */

/* A bit for each enum record_field. */
typedef unsigned __int128 record_set;
#define RECORD_BIT(field) ((record_set)1 << (field))

struct record_type_row {
    char name[24];
    const char *text; /* what has happened; a sentence without its end */
    record_set required;
    record_set allowed; /* besides the required ones */
    bool is_own;        /* only the ledger itself writes it */
};

struct record_place {
    char object[8];  /* "" at the top */
    char member[24]; /* ended by a NUL; both are arrays, so that a name is compared without its length */
    unsigned what;   /* an enum record_field or record_header_place */
    enum record_kind kind;
    const char *text; /* what the value is */
};

extern const struct record_type_row record_types[RECORD_TYPE_COUNT];
/* Sorted as RFC 8785 sorts. */
extern const struct record_place record_places[];
extern const size_t record_place_count;

#endif
