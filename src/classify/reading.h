/*
 * classify/reading.h - a content as it reads: decoded text, and where each byte of it stands
 * in the content. Private to classify/.
 *
 * A reader knows one format. It appends text to a reading (strings without their escapes,
 * fields, cells) and says of stretches of it what they are: an element with the name that the
 * format gives it ("ssn", a column's header) and, in formats that fix it, its position
 * ("PID-5.1"; position.h says which rule lists it). Detectors see the text only; what they
 * find is mapped back. Readings nest: the text of one is the content of the next (base64 in
 * JSON in UTF-16), up to READING_DEPTH_MAX.
 */
#ifndef CUSTODY_CLASSIFY_READING_H
#define CUSTODY_CLASSIFY_READING_H

#include "base/bytes.h"
#include "base/fault.h"
#include "classify/classify.h"

#define READING_DEPTH_MAX 4  /* of encodings and containers on top of one another */
#define READING_GROWTH_MAX 4 /* all text of a content is at most so many times as long */
#define READING_ELEMENTS_MAX (1U << 22)
#define READING_PIECES_MAX (1U << 21) /* what comes behind them maps to the last one */
#define READING_SLACK 32              /* bytes behind the text that may have been written to */
#define READING_NAME_MAX 256          /* a longer name or position is none */
#define READING_NAMES_MAX (16U << 20) /* bytes of all names and positions of a reading */

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
    uint32_t text_at;  /* up to the next piece's */
    uint32_t from, to; /* in the content; empty: the text was added (a line's end) */
    uint8_t
        form; /* enum finding_form; FORM_PLAIN of another length than its text: what stays when the
                             * letters and digits around it are replaced (a doubled quote) */
    /* So many bytes of text are so many of the content: parts of the piece can be mapped. 0:
     * only the whole of it can. */
    uint8_t text_unit, content_unit;
};

struct element {
    size_t start, end;     /* in the text */
    struct slice name;     /* as the format spells it; empty where it has none */
    struct slice position; /* as rules spell it, see position.h; else empty */
    uint32_t column;       /* of a table, from 1; 0: it is in none */
    bool is_prose;         /* free text: names and addresses are looked for in it */
};

/* A stretch of the text that one page shows (from 1; 0: no page). */
struct page_mark {
    size_t text_to; /* from the one before on */
    uint32_t page;
};

struct reading_names; /* storage of names and positions */

struct reading {
    enum format format;
    struct slice content;
    struct slice text;  /* the content itself where `pieces` is NULL (one to one) */
    struct buf decoded; /* what text points into where it is not the content */
    struct piece *pieces;
    size_t piece_count, piece_room;
    struct element *elements; /* in order of start; may nest, an outer one first */
    size_t element_count, element_room;
    struct page_mark *pages; /* of a PDF file; else none */
    size_t page_count, page_room;
    struct reading_names *names; /* elements hold slices of it */
    size_t
        unexamined; /* bytes of the content that a limit kept out: the content is not clean */
    bool is_opaque; /* no text: only values that show themselves in any bytes are in it */
    bool is_sorted; /* elements were added in order */
};

/* `content` is borrowed as long as the reading lives. `ret_reading` is overwritten. */
void reading_begin(struct reading *ret_reading, enum format format, struct slice content);
void reading_free(struct reading *reading); /* overwrites the decoded text */

/* Where the next text will stand. */
size_t reading_at(const struct reading *reading);

/*
 * Appends bytes [from, to) of the content as they are. Nothing is copied as long as the text
 * is the content from its beginning on. FAULT_LIMIT: more text than READING_GROWTH_MAX.
 */
MUST_USE bool reading_add_plain(struct reading *reading, size_t from, size_t to,
                                struct fault *fault);
/* Appends text that [from, to) of the content was decoded to; from never goes back. */
MUST_USE bool reading_add_piece(struct reading *reading, struct slice text, size_t from,
                                size_t to, enum finding_form form, struct fault *fault);
/* reading_add_plain of [from, to), then reading_add_piece of [to, end): at once, as strings with many escapes
 * are read. */
MUST_USE bool reading_add_replaced(struct reading *reading, size_t from, size_t to,
                                   struct slice with, size_t end, enum finding_form form,
                                   struct fault *fault);
/* reading_add_piece where each character of the text has `text_unit` bytes and is written in
 * `content_unit` ones: parts of it can be mapped. */
MUST_USE bool reading_add_units(struct reading *reading, struct slice text, size_t from,
                                size_t to, enum finding_form form, uint8_t text_unit,
                                uint8_t content_unit, struct fault *fault);
/* Appends text that is not in the content, where `at` is: it keeps values apart. */
MUST_USE bool reading_add_break(struct reading *reading, struct slice text, size_t at,
                                struct fault *fault);

/*
 * Says what a stretch of the text is. Name and position are copied; may be empty. They may be
 * added in any order. Beyond READING_ELEMENTS_MAX and READING_NAMES_MAX the stretch counts as
 * unexamined: it is still in the text.
 */
void reading_element(struct reading *reading, size_t start, size_t end, struct slice name,
                     struct slice position);
/* The same; what is in it is prose. */
void reading_prose(struct reading *reading, size_t start, size_t end, struct slice name,
                   struct slice position);

/* The same of a table's cell; `column` counts from 1. Cells of one column say of one another
 * what they are. */
void reading_cell(struct reading *reading, size_t start, size_t end, struct slice name,
                  size_t column);

/* The elements of a finished reading whose text was added `shift` bytes into this one. */
void reading_add_elements(struct reading *reading, const struct reading *inner, size_t shift);

/*
 * Appends all that a finished reading says, which was made from something that [from, to) of
 * the content was decoded to, as one piece; with its elements.
 */
MUST_USE bool reading_add_whole(struct reading *reading, const struct reading *inner,
                                size_t from, size_t to, enum finding_form form,
                                struct fault *fault);

/* All that was added since the last mark is on this page. */
void reading_mark_page(struct reading *reading, uint32_t page);
/* The page that byte `at` of the text is on; 0: on none. */
uint32_t reading_page(const struct reading *reading, size_t at);

/* Sets `text`, sorts the elements. Once, after everything was added. */
void reading_finish(struct reading *reading);

/*
 * Maps a stretch of the text to the content: the smallest whole pieces, or parts of
 * pieces that have units, that hold it. ret_form: of the pieces but plain ones; FORM_MIXED where they differ or
 * do not adjoin in the content.
 */
void reading_map(const struct reading *reading, size_t start, size_t end, size_t *ret_from,
                 size_t *ret_to, enum finding_form *ret_form);

/* The piece that holds byte `at` of the text, which has pieces. */
size_t reading_piece(const struct reading *reading, size_t at);

/* How a value is written whose form is `inner` in a text, where that is in a content in the
 * form `outer`. */
enum finding_form form_over(enum finding_form inner, enum finding_form outer);

/*
 * What a content says: finds out its format, by its bytes first and its path (may be empty)
 * second, and reads it. FAULT_LIMIT: longer than CLASSIFY_BYTES_MAX, or it would read longer
 * than READING_GROWTH_MAX allows; ret_reading is empty then.
 */
MUST_USE bool reading_make(struct slice content, struct slice path,
                           struct reading *ret_reading, struct fault *fault);

#endif
