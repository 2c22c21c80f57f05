/* roles/door_texts.h - what the door makes of a text: what it holds, and what stands for it. */
#ifndef CUSTODY_ROLES_DOOR_TEXTS_H
#define CUSTODY_ROLES_DOOR_TEXTS_H

#include "classify/known.h"
#include "classify/leafcache.h"
#include "classify/surrogate.h"
#include "gateway/gateway.h"

struct door_texts {
    struct known *known; /* NULL: there are none */
    struct leafcache *cache; /* NULL: each text is looked through each time */
    bool has_key;        /* else nothing is replaced */
    struct surrogate_key key;
    uint8_t commitment_key[DOOR_COMMITMENT_BYTES];
};

/* Borrows `texts`; its members may be set later. */
struct door_scan door_texts_scan(struct door_texts *texts);

#endif
