/*
 * gateway/door/answer/mould.h - events of a stream are alike: the same bytes, but for a piece of
 * text and a few ids and numbers. A mould is made of an event that was read; of another one that
 * fits it, it is known without reading it again what it is and where its leaves are.
 *
 * It fits where everything is the same, byte for byte, but for leaves on which nothing else
 * hangs; those are checked as json_walk does. Private to door/answer.
 */
#ifndef CUSTODY_GATEWAY_MOULD_H
#define CUSTODY_GATEWAY_MOULD_H

#include "wire/json.h"

#define MOULD_LEAVES_MAX 24
#define MOULD_BYTES_MAX 4096

enum mould_kind {
    MOULD_PIECE,    /* of a lane's text */
    MOULD_TEXT,     /* looked at, and never edited */
    MOULD_NUMBER,   /* says nothing */
    MOULD_SEQUENCE, /* the event's number */
};

struct mould_leaf {
    enum mould_kind kind;
    bool is_fixed;
    uint32_t from, len; /* in the event's data */
    void *voice;        /* of a piece: the caller's */
};

/* While an event is read. */
struct mould_making {
    bool is_spoilt; /* its leaves mean something else in another event */
    uint32_t count;
    struct mould_leaf leaves[MOULD_LEAVES_MAX];
};

struct mould;

/* `leaf` may differ in an event that is alike, unless it is_fixed; leaves come in their order. */
void mould_note(struct mould_making *making, struct slice document,
                const struct json_leaf *leaf, bool is_fixed, enum mould_kind kind,
                void *voice);
/* NULL: of this event no mould can be made. */
struct mould *mould_make(const struct mould_making *making, struct slice document);
void mould_free(struct mould *mould); /* NULL is fine */

uint32_t mould_count(const struct mould *mould);
const struct mould_leaf *mould_leaf(const struct mould *mould, uint32_t number);

/* ret_raw: each leaf's bytes in `document`. ret_same: a bit for each that is as it was. */
bool mould_fits(const struct mould *mould, struct slice document,
                struct slice ret_raw[MOULD_LEAVES_MAX], uint32_t *ret_same);

#endif
