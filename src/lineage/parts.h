/* lineage/parts.h - what the files of lineage/ share. Private to lineage/. */
#ifndef CUSTODY_LINEAGE_PARTS_H
#define CUSTODY_LINEAGE_PARTS_H

#include "lineage/lineage.h"

#define PLACES_OF_ONE_MAX 4 /* so many places of one line are kept */
#define PLACES_MAX (8U << 20)

struct place {
    uint32_t file, piece;
};

/* Where pieces stand: a hash table. */
struct places {
    struct slot {
        uint64_t hash; /* 0: free */
        struct place place;
    } * slots;
    size_t count, room; /* room is a power of two */
    bool is_full;       /* some are not in it */
};

void places_add(struct places *places, uint64_t hash, struct place place);
/* How many places are known; they go to `ret_places` unless that is NULL. */
size_t places_find(const struct places *places, uint64_t hash,
                   struct place ret_places[PLACES_OF_ONE_MAX]);
void places_free(struct places *places);

struct lineage_file {
    struct served_file served;
    uint8_t *marks; /* a bit a piece that was found; NULL: none was */
};

struct piece {
    uint64_t hash;
    uint32_t len;
};

struct lineage {
    struct served *served;
    struct lines_key key;
    struct places places;
    struct lineage_file *files;
    size_t file_count, file_room;
    uint32_t *touched; /* files with marks */
    size_t touched_count, touched_room;
    struct piece *pieces; /* of the text that is looked at */
    size_t piece_count, piece_room;
    struct buf tools;
    size_t tool_count;
};

#endif
