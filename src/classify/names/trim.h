/* classify/names/trim.h - where a name begins and ends, beyond what the field says. Private. */
#ifndef CUSTODY_CLASSIFY_NAMES_TRIM_H
#define CUSTODY_CLASSIFY_NAMES_TRIM_H

#include "classify/names.h"
#include "classify/names/model.h"

#define NAME_PIECES_MAX 4U

/*
 * What is left of a person's span: without ordinary words and marks at its ends ("than early Roe" is "Roe"), not beyond
 * the end of a sentence, in pieces where it is a list ("Roe, Poe" before "and Doe"), nothing where it is a program's. At most NAME_PIECES_MAX spans, in order,
 * each a part of `span`; returns how many, 0 where nothing of a name is left.
 */
size_t names_trim(const struct model *model, struct slice text, const struct name_span *span,
                  struct name_span ret_pieces[NAME_PIECES_MAX]);

#endif
