#include "view/folder.h"

#include <assert.h>
#include <stdlib.h>

#define COMPACT_FROM 64

struct folder *folder_new(uint64_t first_cookie)
{
    struct folder *folder = xalloc(sizeof(*folder));

    folder->next_cookie = first_cookie;
    return folder;
}

static void free_name(struct folder_entry *entry)
{
    if (entry->owned)
        free((void *)(uintptr_t)entry->name);
    entry->name = NULL;
}

void folder_free(struct folder *folder)
{
    if (folder == NULL)
        return;
    for (size_t i = 0; i < folder->count; i++)
        free_name(&folder->entries[i]);
    free(folder->entries);
    free(folder->slots);
    free(folder);
}

static size_t first_slot(const struct folder *folder, struct slice name)
{
    uint64_t hash = 0xcbf29ce484222325; /* FNV-1a */

    for (size_t i = 0; i < name.len; i++)
        hash = (hash ^ name.at[i]) * 0x100000001b3;
    return (size_t)(hash ^ hash >> 32) & (folder->slot_room - 1);
}

static struct slice name_of(const struct folder_entry *entry)
{
    return slice_of_bytes(entry->name, entry->len);
}

/* Removed entries keep their slot until the next rehash: a search must go past them. */
struct folder_entry *folder_find(const struct folder *folder, struct slice name)
{
    if (folder->live == 0)
        return NULL;
    for (size_t slot = first_slot(folder, name); folder->slots[slot] != 0;
         slot = (slot + 1) & (folder->slot_room - 1)) {
        struct folder_entry *entry = &folder->entries[folder->slots[slot] - 1];

        if (entry->name != NULL && slice_equal(name_of(entry), name))
            return entry;
    }
    return NULL;
}

static void place(struct folder *folder, uint32_t entry)
{
    size_t slot = first_slot(folder, name_of(&folder->entries[entry]));

    while (folder->slots[slot] != 0)
        slot = (slot + 1) & (folder->slot_room - 1);
    folder->slots[slot] = entry + 1;
}

/* Drops what was removed and gives the rest new slots. Order and cookies stay. */
static void rehash(struct folder *folder, size_t slot_room)
{
    size_t kept = 0;

    for (size_t i = 0; i < folder->count; i++)
        if (folder->entries[i].name != NULL)
            folder->entries[kept++] = folder->entries[i];
    folder->count = kept;
    assert(kept == folder->live);
    free(folder->slots);
    folder->slot_room = slot_room;
    folder->slots = xalloc_array(slot_room, sizeof(*folder->slots));
    for (size_t i = 0; i < kept; i++)
        place(folder, (uint32_t)i);
}

void folder_add(struct folder *folder, struct slice name, uint32_t node, bool borrow)
{
    if (folder->count * 2 >= folder->slot_room) {
        size_t room = COMPACT_FROM;

        while (room < folder->live * 4)
            room *= 2;
        rehash(folder, room);
    }
    folder->entries =
        xgrow(folder->entries, &folder->room, folder->count + 1, sizeof(*folder->entries));
    folder->entries[folder->count] = (struct folder_entry){
        .name = borrow ? (const char *)name.at : slice_dup(name),
        .len = (uint32_t)name.len,
        .node = node,
        .cookie = folder->next_cookie++,
        .owned = !borrow,
    };
    place(folder, (uint32_t)folder->count++);
    folder->live++;
}

void folder_remove(struct folder *folder, struct folder_entry *entry)
{
    free_name(entry);
    folder->live--;
    if (folder->count > COMPACT_FROM && folder->live * 4 < folder->count)
        rehash(folder, folder->slot_room);
}

const struct folder_entry *folder_after(const struct folder *folder, uint64_t cookie)
{
    size_t low = 0, high = folder->count;

    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (folder->entries[middle].cookie > cookie)
            high = middle;
        else
            low = middle + 1;
    }
    while (low < folder->count && folder->entries[low].name == NULL)
        low++;
    return low < folder->count ? &folder->entries[low] : NULL;
}
