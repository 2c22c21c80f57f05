/*
 * classify/archives.h - how archives are opened. The library that does it is another part's, so
 * it is handed in; a process that has none takes archives for opaque.
 */
#ifndef CUSTODY_CLASSIFY_ARCHIVES_H
#define CUSTODY_CLASSIFY_ARCHIVES_H

#include "base/bytes.h"

struct archive_sink {
    /* The next member; false ends the walk. */
    bool (*member)(void *self, struct slice name);
    /* More of its bytes; false: no more of this member. */
    bool (*bytes)(void *self, struct slice bytes);
    void *self;
};

struct archive_opener {
    /* Regular files, in order, of an archive or of one compressed file (whose name is empty).
     * False: it is no archive, is broken or locked from some place on. */
    bool (*walk)(struct slice archive, const struct archive_sink *sink);
};

/* From now on, in this process; it may not run later than the process' seal allows. */
void classify_use_archives(const struct archive_opener *opener);

/* Does it begin as an archive or a document that only an opener can look into? */
bool classify_is_packed(struct slice content);

#endif
