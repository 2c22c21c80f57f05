/*
 * classify/pdf/lexer.h - the words of a PDF's content streams and CMaps (ISO 32000-1, 7.2 and 7.3).
 * Private to classify/pdf/ and roles/pdf/.
 *
 * It refuses nothing: what is no word is passed over, as viewers do. A string that is not closed
 * ends with the text.
 */
#ifndef CUSTODY_CLASSIFY_PDF_LEXER_H
#define CUSTODY_CLASSIFY_PDF_LEXER_H

#include "base/bytes.h"

enum pdf_word_kind {
    PDF_END,
    PDF_NUMBER,
    PDF_NAME,   /* without its slash, #41 taken off */
    PDF_STRING, /* escapes or hexadecimal digits taken off */
    PDF_OPERATOR,
    PDF_ARRAY,
    PDF_ARRAY_END,
    PDF_DICTIONARY,
    PDF_DICTIONARY_END,
};

struct pdf_word {
    enum pdf_word_kind kind;
    double number;      /* within 10^9 of 0 */
    struct slice bytes; /* until the next word is taken */
};

struct pdf_lexer {
    struct slice text;
    size_t at;
    struct buf bytes;
};

void pdf_lexer_begin(struct pdf_lexer *ret_lexer, struct slice text);
void pdf_lexer_end(struct pdf_lexer *lexer); /* overwrites what it held */
/* False: the text has ended. */
bool pdf_lexer_next(struct pdf_lexer *lexer, struct pdf_word *ret_word);
/* Passes over an inline image, behind its ID. Gives how many bytes it has. */
size_t pdf_lexer_skip_image(struct pdf_lexer *lexer);

#endif
