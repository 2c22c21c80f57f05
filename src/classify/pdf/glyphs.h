/*
 * classify/pdf/glyphs.h - what the names of glyphs and the codes of the known encodings say
 * (ISO 32000-1, annex D; Adobe Glyph List).
 * Private to classify/pdf/ and roles/pdf/.
 */
#ifndef CUSTODY_CLASSIFY_PDF_GLYPHS_H
#define CUSTODY_CLASSIFY_PDF_GLYPHS_H

#include "base/bytes.h"

/* By the name that PDF gives the encoding; an unknown one is StandardEncoding. 0: no character. */
void pdf_encoding(struct slice name, uint32_t ret_points[256]);
/* "eacute", "uni00E9", "u1F600", "one.oldstyle". 0: the name says nothing. */
uint32_t pdf_glyph_point(struct slice name);

#endif
