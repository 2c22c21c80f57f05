/*
 * view/folder.h - the names in one folder that the agent has changed: found by name, listed in
 * order.
 */
#ifndef CUSTODY_VIEW_FOLDER_H
#define CUSTODY_VIEW_FOLDER_H

#include "base/bytes.h"

struct folder_entry {
    const char *name; /* NULL: removed */
    uint32_t len;
    uint32_t node;
    uint64_t
        cookie; /* ascending; stays with the entry, so that a listing can go on where it was */
    bool owned; /* the name is ours to free; else it is a snapshot's */
};

struct folder {
    struct folder_entry *entries; /* ascending by cookie */
    size_t count, room, live;
    uint64_t next_cookie;
    uint32_t *slots; /* entry + 1, by name */
    size_t slot_room;
};

struct folder *folder_new(uint64_t first_cookie);
void folder_free(struct folder *folder); /* NULL is fine */
/* NULL where there is none. Valid until the next change of the folder. */
struct folder_entry *folder_find(const struct folder *folder, struct slice name);
/* The name must not be there. `borrow`: the name's bytes outlive the folder. */
void folder_add(struct folder *folder, struct slice name, uint32_t node, bool borrow);
void folder_remove(struct folder *folder, struct folder_entry *entry);
/* The first entry whose cookie is larger, or NULL. */
const struct folder_entry *folder_after(const struct folder *folder, uint64_t cookie);

#endif
