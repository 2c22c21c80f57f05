/*
 * classify/names.h - people, places and addresses in prose. Pure: bytes in, spans out.
 *
 * A linear-chain conditional random field over words, their shape, word lists and what stands
 * around them; made by tools/train-names, compiled in, opens no file. What it is worth is in
 * docs/names.md. Linear in the length of the text; memory is one block of fixed size, and only
 * where there is prose.
 */
#ifndef CUSTODY_CLASSIFY_NAMES_H
#define CUSTODY_CLASSIFY_NAMES_H

#include "classify/classify.h"

enum name_label {
    NAME_PERSON,       /* without title: of "Dr. Jane Roe" it is "Jane Roe" */
    NAME_ADDRESS,      /* street, number, and the place and postal code that follow */
    NAME_LOCATION,     /* city, county, country on its own */
    NAME_ORGANISATION, /* for a reader who asks why it is no person; never a finding */
    NAME_LABEL_COUNT,
};

/* Where the text comes from decides what is looked at. */
enum names_source {
    NAMES_IN_PROSE, /* a letter, a note, a ticket, a prompt, narrative: all of it */
    NAMES_IN_CODE,  /* source, logs, settings: only lines that read like sentences and hold a
                       capitalised word that may be a name */
};

struct name_span {
    size_t start, end; /* byte offsets; start < end */
    enum name_label label;
    /* How far the best reading without it is behind. LOW as well where the line only says whose
     * work a file is ("Copyright", "@author", "Signed-off-by"): report, do not block. */
    enum confidence confidence;
};

/* Called in ascending order of spans that do not overlap. False: no more, please. */
typedef bool names_sink(void *self, const struct name_span *span);

/*
 * Finds names in `text` (UTF-8; a byte that is not is read as Latin-1; UTF-16 must have been
 * decoded). Says false only where the sink did.
 */
bool names_find(struct slice text, enum names_source source, names_sink *sink, void *self);

/* What a text looks like whose origin nobody knows: code where, of eight lines and more, half end
 * or begin as a program's do. */
enum names_source names_source_of(struct slice text);

const char *name_label_name(enum name_label label); /* person address location organisation */

#endif
