/* classify/read_document.h - the text of Office and OpenDocument files, which are archives of
 * XML. Private to classify/. */
#ifndef CUSTODY_CLASSIFY_READ_DOCUMENT_H
#define CUSTODY_CLASSIFY_READ_DOCUMENT_H

#include "base/bytes.h"

/* Does a member of that name say that the archive is a document? */
bool document_is_member(struct slice name);

/* The text of a member: without tags, a line a paragraph or row. False: it is no XML of a
 * document, and is read as what it is. */
bool document_text(struct slice name, struct slice member, struct buf *ret_text);

#endif
