/*
 * classify/pdfs.h - how PDF files are opened. The library that does it is another part's, so it is
 * handed in, as that of archives is (archives.h); a process that has none takes them for opaque.
 */
#ifndef CUSTODY_CLASSIFY_PDFS_H
#define CUSTODY_CLASSIFY_PDFS_H

#include "base/bytes.h"

/* Where something stands: bytes [from, to) of the file, of a page (from 1; 0: of none). */
struct pdf_place {
    size_t from, to;
    uint32_t page;
};

struct pdf_sink {
    /* What a page, or a drawing that no page is known for, shows. */
    void (*text)(void *self, struct pdf_place place, struct slice text);
    /* A string that the file holds elsewhere: the key or the form's field it belongs to. */
    void (*field)(void *self, struct pdf_place place, struct slice name, struct slice text);
    /* A file within: an attachment, metadata, a script. */
    void (*file)(void *self, struct pdf_place place, struct slice name, struct slice bytes);
    /* So much was not looked at; at least 1. */
    void (*left_out)(void *self, size_t bytes);
    void *self;
};

struct pdf_opener {
    /* False: it is no PDF file, it is broken, or a password is needed. */
    bool (*walk)(struct slice pdf, const struct pdf_sink *sink);
};

/* From now on, in this process. */
void classify_use_pdfs(const struct pdf_opener *opener);

/* May there be a PDF file in it, as it is, packed, or in base64? What is hidden deeper is not
 * seen, and opaque where it is met by a process without an opener. */
bool classify_may_hold_pdf(struct slice content);

#endif
