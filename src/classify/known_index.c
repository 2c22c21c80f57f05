/* The windows that known values make: a filter of bits for each kind, and a table behind that. */
#include <stdlib.h>

#include "base/scope.h"
#include "classify/ascii.h"
#include "classify/known_parts.h"

#define FILTER_BITS_MIN 15
#define FILTER_PER_NEEDLE                                                                     \
    32 /* bits, of which each sets two: few windows are looked up in vain */

static enum known_tag tag_of(uint64_t key)
{
    return (enum known_tag)(key >> 56);
}

static void set_bit(struct known_filter filter, uint64_t key, uint64_t mix)
{
    uint64_t bit = key * mix >> (64 - KNOWN_HASH_BITS) & filter.mask;

    filter.bits[bit / 64] |= UINT64_C(1) << bit % 64;
}

void known_index_free(struct known_index *index)
{
    if (index == NULL)
        return;
    if (index->needles != NULL)
        explicit_bzero(index->needles, index->room * sizeof(*index->needles));
    free(index->needles);
    free(index->slots);
    for (unsigned tag = 0; tag < TAG_COUNT; tag++)
        free(index->filters[tag].bits);
    free(index);
}

static void add_needle(struct known_index *index, struct known_needle needle)
{
    index->needles =
        xgrow(index->needles, &index->room, index->count + 1, sizeof(*index->needles));
    index->needles[index->count++] = needle;
}

static uint8_t same(uint8_t byte)
{
    return byte;
}

/* The digits of a value from its bit `skip` on, each of its bytes as `as` has it. In known_base64 each
 * takes a byte of the window. */
static uint64_t digits_window(const struct known_piece *piece, unsigned skip,
                              const struct known_alphabet *alphabet,
                              uint8_t (*as)(uint8_t byte))
{
    uint64_t window = 0;

    for (unsigned i = 0, bit = skip; i < alphabet->window; i++) {
        unsigned digit = 0;

        for (unsigned end = bit + alphabet->bits; bit < end; bit++)
            digit = digit << 1 | ((unsigned)as(piece->at[bit / 8]) >> (7 - bit % 8) & 1U);
        window = known_append(window, alphabet->room, alphabet->window, digit);
    }
    return window;
}

/* In digits a letter's case makes another window: it is known as it is, small, and large. */
static void add_encoded(struct known_index *index, const struct known_piece *piece,
                        uint32_t number)
{
    static uint8_t (*const cases[])(uint8_t byte) = {same, lower, upper};
    static const struct {
        const struct known_alphabet *alphabet;
        uint8_t skip;
    } ways[] = {
        {&known_base64, 0}, {&known_base64, 4}, {&known_base64, 2}, {&known_hexadecimal, 0}};

    for (size_t w = 0; w < COUNT(ways); w++) {
        const struct known_alphabet *alphabet = ways[w].alphabet;
        uint64_t keys[COUNT(cases)];

        for (size_t c = 0; c < COUNT(cases); c++) {
            bool is_new = true;

            keys[c] = known_key(digits_window(piece, ways[w].skip, alphabet, cases[c]),
                                alphabet->tag);
            for (size_t i = 0; i < c; i++)
                is_new = is_new && keys[i] != keys[c];
            if (is_new)
                add_needle(index, (struct known_needle){
                                      .key = keys[c], .piece = number, .skip = ways[w].skip});
        }
    }
}

static uint64_t bytes_window(const struct known_piece *piece, unsigned skip, bool is_backwards)
{
    uint64_t window = 0;

    for (unsigned i = skip; i < skip + KNOWN_WINDOW; i++)
        window = known_append(window, 8, KNOWN_WINDOW,
                              lower(piece->at[is_backwards ? piece->len - 1U - i : i]));
    return window;
}

static void add_bytes(struct known_index *index, const struct known_piece *piece,
                      uint32_t number)
{
    for (unsigned way = 0; way < 2 * KNOWN_PHASES; way++) {
        uint8_t skip = (uint8_t)(way % KNOWN_PHASES);
        bool is_backwards = way >= KNOWN_PHASES;

        add_needle(index,
                   (struct known_needle){
                       .key = known_key(bytes_window(piece, skip, is_backwards), TAG_BYTES),
                       .piece = number,
                       .skip = skip,
                       .is_backwards = is_backwards});
    }
}

static void make_filter(struct known_filter *filter, size_t needles)
{
    unsigned bits = FILTER_BITS_MIN;

    while (bits < KNOWN_HASH_BITS &&
           UINT64_C(1) << bits < (uint64_t)needles * FILTER_PER_NEEDLE)
        bits++;
    filter->bits = xalloc_array((UINT64_C(1) << bits) / 64, sizeof(*filter->bits));
    filter->mask = (UINT64_C(1) << bits) - 1;
}

static void index_all(struct known_index *index)
{
    size_t counts[TAG_COUNT] = {0};

    for (index->slot_count = 64; index->slot_count < index->count; index->slot_count *= 2)
        ;
    index->slots = xalloc_array(index->slot_count, sizeof(*index->slots));
    for (size_t i = 0; i < index->count; i++)
        counts[tag_of(index->needles[i].key)]++;
    for (unsigned tag = 0; tag < TAG_COUNT; tag++)
        make_filter(&index->filters[tag], counts[tag]);
    for (size_t i = 0; i < index->count; i++) {
        struct known_needle *needle = &index->needles[i];
        size_t slot = known_slot(index, needle->key);

        set_bit(index->filters[tag_of(needle->key)], needle->key, KNOWN_MIX);
        set_bit(index->filters[tag_of(needle->key)], needle->key, KNOWN_MIX_AGAIN);
        needle->after = index->slots[slot];
        index->slots[slot] = (uint32_t)i + 1;
    }
}

const struct known_index *known_index_of(struct known *known)
{
    struct known_index *index;

    if (known->index != NULL && known->indexed == known->count)
        return known->index;
    known_index_free(known->index);
    index = xalloc(sizeof(*index));
    for (size_t i = 0; i < known->count; i++) {
        add_bytes(index, &known->pieces[i], (uint32_t)i);
        add_encoded(index, &known->pieces[i], (uint32_t)i);
    }
    index_all(index);
    known->index = index;
    known->indexed = known->count;
    return index;
}
