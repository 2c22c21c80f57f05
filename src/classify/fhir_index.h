/*
 * classify/fhir_index.h - what the objects of a FHIR document say of the values beside it: of
 * which resource they are, an identifier's type and system, whom a reference names. These may
 * stand behind the value that they qualify, so they are gathered before it is read.
 * Private to classify/.
 */
#ifndef CUSTODY_CLASSIFY_FHIR_INDEX_H
#define CUSTODY_CLASSIFY_FHIR_INDEX_H

#include "base/bytes.h"

#define FHIR_LEVELS_MAX 128         /* members of deeper ones have no position */
#define FHIR_OBJECTS_MAX (1U << 20) /* of later ones nothing is known */
#define FHIR_KEY_MAX 64             /* a longer one is none */
#define FHIR_WORD_MAX 96            /* of what is said; a longer one is none */

/* ---- what JSON is made of ---- */

enum fhir_token {
    FHIR_END,
    FHIR_OPEN_OBJECT,
    FHIR_OPEN_ARRAY,
    FHIR_CLOSE,
    FHIR_KEY,
    FHIR_STRING,
    FHIR_NUMBER,
    FHIR_COMMA
};

struct fhir_scan {
    struct slice content;
    size_t at;
    size_t from, to; /* of the token, without quotes */
};

/* The next one; what is none is passed over. A string ends with its line. */
enum fhir_token fhir_next(struct fhir_scan *scan);

/* A string without its escapes, written to `ret_bytes`; empty where it is longer than `room`.
 */
struct slice fhir_plain(struct slice content, size_t from, size_t to, uint8_t *ret_bytes,
                        size_t room);

/* ---- what is known of an object ---- */

enum fhir_word {
    FHIR_RESOURCE,
    FHIR_TYPE,
    FHIR_SYSTEM,
    FHIR_URL,
    FHIR_TARGET,
    FHIR_WORD_COUNT
};

struct fhir_index;

struct fhir_index *fhir_index_new(struct slice content);
void fhir_index_free(struct fhir_index *index);

/* Of the object that is opened as the n-th, from 0; empty: it says none. */
struct slice fhir_index_word(const struct fhir_index *index, size_t object,
                             enum fhir_word word, uint8_t ret_bytes[FHIR_WORD_MAX]);

#endif
