/* classify/names/token.h - words, numbers and marks of a text, for names/find.c. Private. */
#ifndef CUSTODY_CLASSIFY_NAMES_TOKEN_H
#define CUSTODY_CLASSIFY_NAMES_TOKEN_H

#include "base/bytes.h"

enum token_shape {
    SHAPE_LOWER = 1,
    SHAPE_CAPITAL,  /* Capital */
    SHAPE_UPPER,    /* UPPER, two letters or more */
    SHAPE_INITIAL,  /* one upper-case letter */
    SHAPE_MIXED,    /* camelCase, McDonald */
    SHAPE_CASELESS, /* a script without case */
    SHAPE_IDENTIFIER, /* snake_case, b12 */
    SHAPE_LONG,     /* longer than any name */
    SHAPE_LINK,     /* e-mail address, URL, path */
    SHAPE_MARK,     /* one character that is none of these; SHAPE_DIGITS must stay the last */
    SHAPE_DIGITS,   /* + the number of digits, at most 6 */
};

#define TOKEN_LETTERS_MAX 40U

struct token {
    uint32_t start, end;     /* in the text */
    uint32_t word;           /* hash of the folded letters, or of the mark */
    uint32_t head2, head3;   /* hashes of the first two and three letters */
    uint32_t last[4];        /* the last letters, folded, the very last first; 0: there are not so many */
    uint8_t shape;           /* enum token_shape */
    uint8_t breaks;          /* line ends before it: 0, 1, 2 or more */
    bool spaced;             /* something white before it */
    bool is_headed;          /* a word whose first letter is upper-case */
};

struct token_reader {
    struct slice text;
    size_t at;       /* where the next token is looked for */
    bool is_plain;   /* no links are looked for */
    size_t mail, scheme; /* the next '@' and "://", where that is not behind us */
};

/* The next token; false at the end of the text. Text of 4 GiB and more is an error of use. */
bool token_next(struct token_reader *reader, struct token *ret_token);

static inline uint32_t names_mix(uint32_t a, uint32_t b)
{
    uint32_t h = (a ^ (b * 0x9e3779b1U)) * 0x85ebca6bU;

    return h ^ h >> 15;
}

#endif
