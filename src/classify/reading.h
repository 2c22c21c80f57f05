/*
 * classify/reading.h - a content as it reads: decoded text, and where each byte of it stands
 * in the content. Private to classify/.
 *
 * A reader knows one format. It appends text to a reading (strings without their escapes,
 * fields, cells) and says of stretches of it what they are: an element with the name that the
 * format gives it ("ssn", a column's header) and, in formats that fix it, its position
 * ("PID-5"). Detectors see the text only; what they find is mapped back. Readings nest: the
 * text of one is the content of the next (base64 in JSON in UTF-16), up to READING_DEPTH_MAX.
 */
#ifndef CUSTODY_CLASSIFY_READING_H
#define CUSTODY_CLASSIFY_READING_H

#include "base/bytes.h"
#include "base/fault.h"
#include "classify/classify.h"

#define READING_DEPTH_MAX 4  /* of encodings and containers on top of one another */
#define READING_GROWTH_MAX 4 /* all text of a content is at most so many times as long */
#define READING_ELEMENTS_MAX (1U << 22)

enum format {
    FORMAT_PLAIN, /* prose, code: read as it stands */
    FORMAT_HL7V2,
    FORMAT_X12,
    FORMAT_FHIR,
    FORMAT_CCDA,
    FORMAT_DICOM,
    FORMAT_JSON, /* and one value a line */
    FORMAT_XML,
    FORMAT_TABLE, /* CSV, TSV */
    FORMAT_SQL,   /* INSERT and COPY by their column lists */
    FORMAT_KEYS,  /* .env, properties, ini, YAML: a key a line */
    FORMAT_NOTEBOOK,
    FORMAT_DOCUMENT, /* PDF, Office */
    FORMAT_ARCHIVE,
    FORMAT_COUNT,
};

/* A stretch of the text and of the content that it was made from. Pieces are in order and
 * cover the whole text; what lies between them in the content was markup. */
struct piece {
    size_t text_at;         /* up to the next piece's */
    size_t from, to;        /* in the content */
    enum finding_form form; /* FORM_PLAIN: byte for byte, to - from bytes */
};

struct element {
    size_t start, end; /* in the text */
    struct slice
        name; /* as the format spells it; of static or the reading's own storage, empty
                         * where it has none */
    struct slice position; /* as rules spell it ("PID-5.1", "Patient.name"); else empty */
};

struct reading {
    enum format format;
    struct slice text;  /* the content itself where `pieces` is NULL (one to one) */
    struct buf decoded; /* what text points into where it is not the content */
    struct piece *pieces;
    size_t piece_count, piece_room;
    struct element *elements; /* in order of start; may nest, an outer one first */
    size_t element_count, element_room;
    struct buf names; /* storage of names and positions; elements hold slices of it that are
                        * made when the reading is finished */
    size_t
        unexamined; /* bytes of the content that a limit kept out: the content is not clean */
};

void reading_free(struct reading *reading); /* overwrites the decoded text */

/* Maps a stretch of the text to the content: the smallest whole pieces or parts of plain
 * pieces that hold it. ret_form: of the pieces, FORM_MIXED where there are several. */
void reading_map(const struct reading *reading, size_t start, size_t end, size_t *ret_from,
                 size_t *ret_to, enum finding_form *ret_form);

#endif
