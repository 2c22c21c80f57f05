/*
 * classify/import/pattern_reader.h - what the files that read a pattern share: where they are in
 * it, the parts and the text that it becomes. Private to classify/import/pattern*.c.
 */
#ifndef CUSTODY_CLASSIFY_IMPORT_PATTERN_READER_H
#define CUSTODY_CLASSIFY_IMPORT_PATTERN_READER_H

#include "classify/import/pattern.h"

struct pattern_flags {
    bool any_case, dot_is_all;
};

struct pattern_reader {
    struct slice text;
    size_t at;
    struct pattern *pattern;
    struct fault *fault;
    unsigned depth;
};

/* False, with the place. */
bool pattern_refuse(const struct pattern_reader *in, const char *why);

int pattern_peek(const struct pattern_reader *in); /* -1: the end */
bool pattern_take(struct pattern_reader *in, const char *word);

/* ---- what the pattern is for PCRE2 ---- */

bool pattern_emit(struct pattern_reader *in, const char *text);
/* The pattern's own text, from there to where the reader is. */
bool pattern_emit_from(struct pattern_reader *in, size_t from);
/* A byte that stands for itself. */
bool pattern_emit_byte(struct pattern_reader *in, uint8_t byte);

/* ---- what it is made of; PART_NONE: too many parts ---- */

uint32_t pattern_part(struct pattern_reader *in, enum part_kind kind);
void pattern_adopt(struct pattern_reader *in, uint32_t parent, uint32_t child);
uint32_t pattern_add_set(struct pattern_reader *in, const struct byte_set *set, uint8_t written,
                         const struct pattern_flags *flags);
uint32_t pattern_add_byte(struct pattern_reader *in, uint8_t byte,
                          const struct pattern_flags *flags);

/* ---- sets of bytes (pattern_class.c) ---- */

void byte_set_add(struct byte_set *set, unsigned from, unsigned to);
void byte_set_invert(struct byte_set *set);
void byte_set_fold(struct byte_set *set); /* both cases of each letter */

/* \d \w \s and their opposites. */
bool pattern_perl_class(uint8_t letter, struct byte_set *ret_set);
/* What stands for one byte, behind the backslash. */
bool pattern_escaped_byte(struct pattern_reader *in, uint8_t *ret_byte);
/* [...], from its bracket on. */
uint32_t pattern_class(struct pattern_reader *in, const struct pattern_flags *flags);

#endif
