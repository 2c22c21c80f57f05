/* classify/names/find.h - the parts of names/find.c that the trainer's tests use, too. Private. */
#ifndef CUSTODY_CLASSIFY_NAMES_FIND_H
#define CUSTODY_CLASSIFY_NAMES_FIND_H

#include "classify/names.h"
#include "classify/names/model.h"

/* names_find with a model of the caller's. */
bool names_find_with(const struct model *model, struct slice text, enum names_source source,
                     names_sink *sink, void *self);

/*
 * The next line of code, from `from` on, that may name somebody: it reads like a sentence and
 * holds a capitalised word that is a name in a list. False: there is none.
 *   ret_context  where the line before it begins, that one being no such line
 */
bool prose_next(const struct model *model, struct slice text, size_t from, size_t *ret_context,
                struct slice *ret_line);

#endif
