/*
 * lineage/lineage.h - what of the files that an agent was shown is in what it sends.
 *
 * Lines are known again one by one and in runs: with the numbers that tools write before them,
 * trimmed, cut, in any order, anywhere in a text. A line that stands in many files counts only in
 * a run of three, or beside one that stands in one. Not known: what was written anew in other
 * words, lines of fewer than LINES_SHORT_BYTES, half a line that is no piece (LINES_PIECE_BYTES).
 * That tells where text came from; it is no proof that nothing else of a file was sent.
 */
#ifndef CUSTODY_LINEAGE_LINEAGE_H
#define CUSTODY_LINEAGE_LINEAGE_H

#include "base/fault.h"
#include "lineage/served.h"

#define LINEAGE_LIST_BYTES_MAX 16000
#define LINEAGE_TEXT_BYTES_MAX (32UL << 20)

struct lineage;

/* Takes `served`. */
struct lineage *lineage_new(struct served *served, const struct lines_key *key);
void lineage_free(struct lineage *lineage); /* NULL is fine */

/* A request begins: what the last one held is forgotten, what was shown since is learnt. */
void lineage_begin(struct lineage *lineage);
/* One of its texts, decoded. */
void lineage_look(struct lineage *lineage, struct slice text);
/* It holds what a tool has answered to the call of this name. */
void lineage_tool(struct lineage *lineage, struct slice call);

/*
 * Appends what was found, at most LINEAGE_LIST_BYTES_MAX: "src/a.c BLOB 1-40,55;tool CALL;+3".
 * In a path control bytes, '%', ' ', ',' and ';' are %XX (and the first of one that would be "tool" or "+"). "+N": N more did not fit; "+": something
 * that was shown could not be known again. Empty: nothing was found.
 */
MUST_USE bool lineage_list(const struct lineage *lineage, struct buf *ret_list,
                           struct fault *fault);

/* Appends a path as such a list has it. */
MUST_USE bool lineage_path(struct slice path, struct buf *out, struct fault *fault);

/* One entry of such a list. */
struct lineage_entry {
    struct slice path, blob, lines; /* path empty: `tool` or `more` */
    struct slice tool;
    bool more; /* other files may have been in it, too */
};
/* Takes the next entry off the front; false: there is none. A list that is none gives nothing. */
bool lineage_entry_next(struct slice *list, struct lineage_entry *ret_entry);

#endif
