/*
 * gateway/door/answer/lane.h - one text of an answer, which may come in pieces: stand-ins in it
 * become what they stand for, where that may be.
 *
 * Held back is only what may be the beginning of a stand-in (at most STAND_IN_BYTES_MAX), and,
 * for a shell, what follows one until the command is whole: what it reaches decides. Wherever
 * the text is cut, the result is the same.
 */
#ifndef CUSTODY_GATEWAY_LANE_H
#define CUSTODY_GATEWAY_LANE_H

#include "gateway/door/answer/sink.h"
#include "gateway/door/answer/stand_ins.h"

#define LANE_HELD_BYTES_MAX (64U * 1024) /* of a command; a longer one gets nothing back */

/* A value that is put back: places in the lane's whole text. `with` is the set's. */
struct lane_edit {
    uint64_t from, to;
    struct slice with;
};

/* What the characters so far say of the next one. */
struct lane_context {
    uint64_t recent;     /* the last eight, small letters, the newest in the lowest byte */
    bool escape;         /* a backslash of JSON has come, and not what it escapes */
    bool second_escape;  /* what was escaped was a backslash itself */
    bool in_word;        /* the last character is of a word */
    bool in_url, has_query, in_link, in_attribute;
    uint8_t quote; /* that ends the attribute */
};

struct lane {
    const struct stand_in_set *set;
    struct sink sink;
    struct buf text;     /* that is not decided yet, and for a shell all of it */
    size_t at;           /* in `text`: decided up to here */
    uint64_t before;     /* of the whole text, no longer in `text` */
    bool is_plain;       /* it has got too long: nothing is put back any more */
    struct lane_context context;
    struct lane_edit *edits;
    size_t edit_count, edit_room;
};

void lane_begin(struct lane *lane, const struct stand_in_set *set, struct sink sink);
void lane_free(struct lane *lane);
/* `more` of the text has come; `end`: nothing more will. */
void lane_feed(struct lane *lane, struct slice more, bool end);
/* How much of the whole text is decided: its edits are there. */
uint64_t lane_decided(const struct lane *lane);
/* Edits that end before `place` are not asked for again. */
void lane_forget(struct lane *lane, uint64_t place);

#endif
