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
/* Its memory will be looked at soon. */
static inline void places_expect(const struct places *places, uint64_t hash)
{
    if (places->room > 0)
        __builtin_prefetch(&places->slots[hash & (places->room - 1)]);
}

/* Pieces of a file, one after another. */
struct stretch {
    struct place from;
    uint32_t count;
};

/*
 * What was found in the texts that were looked at since a file was learnt: an agent sends what it sent before
 * once more with each turn. A text is known by XXH3's 128 bits under the key of the lines.
 */
#define KEPT_TEXTS 4096U /* a power of two; each may have one place only */
#define KEPT_STRETCHES_MAX 64
#define KEPT_BYTES_MIN 128 /* a shorter one is looked at as quickly */

struct kept {
    struct kept_text {
        uint64_t tag[2];
        uint64_t age; /* kept.age when it was added; another: forgotten */
        struct stretch *stretches;
        size_t count, room;
    } * texts;
    uint64_t age; /* from 1 */
    struct kept_text now; /* that is looked at */
    bool is_whole;        /* all of it is noted */
};

/* Finds the text, or begins to note what is found in it. `ret_stretches` holds until kept_add. */
bool kept_find(struct kept *kept, const struct lines_key *key, struct slice text,
               const struct stretch **ret_stretches, size_t *ret_count);
void kept_note(struct kept *kept, const struct stretch *stretch);
void kept_add(struct kept *kept);
void kept_forget(struct kept *kept); /* all of it: another file might be found now */
void kept_free(struct kept *kept);

struct lineage_file {
    struct served_file served;
    uint8_t *marks; /* a bit a piece that was found; NULL: none was */
};

struct piece {
    uint64_t hash;
    uint32_t len;
    uint32_t place_count; /* as places_find has it */
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
    struct kept kept;
    struct buf tools;
    size_t tool_count;
};

/* pieces.c: fills `pieces` with those of the text. */
void pieces_of(struct lineage *lineage, struct slice text);

#endif
