#include <stdlib.h>

#include "lineage/parts.h"

#define ROOM_FIRST 4096U

static void grow(struct places *places)
{
    struct places larger = {.room = places->room == 0 ? ROOM_FIRST : places->room * 2};

    larger.slots = xalloc(larger.room * sizeof(*larger.slots));
    for (size_t i = 0; i < places->room; i++)
        if (places->slots[i].hash != 0)
            places_add(&larger, places->slots[i].hash, places->slots[i].place);
    free(places->slots);
    larger.is_full = places->is_full;
    *places = larger;
}

void places_add(struct places *places, uint64_t hash, struct place place)
{
    size_t alike = 0, at;

    if (places->count >= PLACES_MAX) {
        places->is_full = true;
        return;
    }
    if (places->count * 2 >= places->room)
        grow(places);
    for (at = hash & (places->room - 1); places->slots[at].hash != 0;
         at = (at + 1) & (places->room - 1)) {
        alike += places->slots[at].hash == hash;
        if (alike == PLACES_OF_ONE_MAX)
            return; /* a line as common as that tells nothing alone */
    }
    places->slots[at] = (struct slot){hash, place};
    places->count++;
}

size_t places_find(const struct places *places, uint64_t hash,
                   struct place ret_places[PLACES_OF_ONE_MAX])
{
    size_t count = 0;

    if (!lines_tells(hash) || places->room == 0)
        return 0;
    for (size_t at = hash & (places->room - 1);
         places->slots[at].hash != 0 && count < PLACES_OF_ONE_MAX;
         at = (at + 1) & (places->room - 1))
        if (places->slots[at].hash == hash) {
            if (ret_places != NULL)
                ret_places[count] = places->slots[at].place;
            count++;
        }
    return count;
}

void places_free(struct places *places)
{
    free(places->slots);
    *places = (struct places){0};
}
