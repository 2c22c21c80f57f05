/* classify/names/model.c - two hash tables that are read where they lie. */
#include "classify/names/model.h"

#include <endian.h>

static uint32_t number_at(const uint8_t *table, uint32_t slot)
{
    uint32_t number;

    memcpy(&number, table + (size_t)slot * sizeof(number), sizeof(number));
    return le32toh(number);
}

static bool steps_are_small(const struct model_head *head)
{
    bool small = true;

    for (size_t from = 0; from < LABEL_ROOM; from++)
        for (size_t to = 0; to < LABEL_ROOM; to++)
            small = small && head->step[from][to] >= -MODEL_STEP_MAX &&
                    head->step[from][to] <= MODEL_STEP_MAX;
    for (size_t to = 0; to < LABEL_ROOM; to++)
        small = small && head->first[to] >= -MODEL_STEP_MAX &&
                head->first[to] <= MODEL_STEP_MAX;
    return small;
}

bool model_open(struct slice file, struct model *ret_model)
{
    struct model model;
    size_t words, keys;

    if (__BYTE_ORDER != __LITTLE_ENDIAN || file.len < sizeof(model.head))
        return false;
    memcpy(&model.head, file.at, sizeof(model.head));
    if (model.head.magic != MODEL_MAGIC || model.head.word_slots == 0 ||
        model.head.feature_bits > 20 || model.head.features > MODEL_FEATURES_MAX ||
        model.head.unit == 0 || !steps_are_small(&model.head))
        return false;
    words = (size_t)model.head.word_slots * sizeof(uint32_t);
    keys = sizeof(struct model_key) << model.head.feature_bits;
    if (file.len != sizeof(model.head) + words + keys + (size_t)model.head.features * LABEL_ROOM)
        return false;
    model.sift = NULL;
    model.words = file.at + sizeof(model.head);
    model.keys = model.words + words;
    model.weights = model.keys + keys;
    *ret_model = model;
    return true;
}

static struct model_key key_at(const struct model *model, uint32_t slot)
{
    struct model_key key;

    memcpy(&key, model->keys + (size_t)slot * sizeof(key), sizeof(key));
    return key;
}

#define SIFT_MASK ((1U << MODEL_SIFT_BITS) - 1)
#define HIGH_SHIFT 16U /* model_key.high is what of a hash is above these bits */

/* Of a feature whose key is in `slot` the low bits are the place where the search for it began: that slot,
 * or one in front of it with no gap between. */
static void sift_add(const struct model *model, struct model_sift *sift, uint32_t slot)
{
    uint32_t bits = model->head.feature_bits, mask = (1U << bits) - 1;
    uint32_t high = (uint32_t)key_at(model, slot).high << HIGH_SHIFT;

    for (uint32_t home = slot, tried = 0; tried <= mask && key_at(model, home).at != 0;
         home = (home - 1) & mask, tried++) {
        uint32_t feature = (home | high) & SIFT_MASK;

        if (((home ^ high) & mask) >> HIGH_SHIFT == 0)
            sift->bits[feature / 64] |= UINT64_C(1) << feature % 64;
    }
}

void model_use_sift(struct model *model, struct model_sift *sift)
{
    uint32_t slots = 1U << model->head.feature_bits;

    if (model->head.feature_bits < HIGH_SHIFT || model->head.feature_bits > MODEL_SIFT_BITS)
        return; /* bits of a hash would be in neither */
    memset(sift, 0, sizeof(*sift));
    for (uint32_t slot = 0; slot < slots; slot++)
        if (key_at(model, slot).at != 0)
            sift_add(model, sift, slot);
    model->sift = sift;
}

void model_expect_word(const struct model *model, uint32_t word)
{
    __builtin_prefetch(model->words +
                       (size_t)model_slot(word, model->head.word_slots) * sizeof(uint32_t));
}

unsigned model_word(const struct model *model, uint32_t word)
{
    uint32_t slots = model->head.word_slots;
    uint32_t slot = model_slot(word, slots);

    for (uint32_t tried = 0; tried < slots; tried++) {
        uint32_t entry = number_at(model->words, slot);

        if (entry == 0)
            return 0;
        if (((entry ^ word) & 0xffffff00U) == 0)
            return entry & 0xff;
        slot = slot + 1 < slots ? slot + 1 : 0;
    }
    return 0;
}

/* The number of a feature's row, from 1 on; 0: the model does not have it. */
static uint32_t row_slowly(const struct model *model, uint32_t feature)
{
    uint32_t mask = (1U << model->head.feature_bits) - 1, slot = feature & mask;

    for (uint32_t tried = 0; tried <= mask; tried++) {
        struct model_key key = key_at(model, slot);

        if (key.at == 0)
            return 0;
        if (key.high == feature >> HIGH_SHIFT)
            return key.at;
        slot = (slot + 1) & mask;
    }
    return 0;
}

#define PLACES 4

typedef uint32_t places __attribute__((vector_size(PLACES * sizeof(uint32_t))));
typedef int32_t ranks __attribute__((vector_size(PLACES * sizeof(int32_t))));

static inline ranks least_of(ranks a, ranks b)
{
    ranks less = a < b;

    return (a & less) | (b & ~less);
}

/* The same: whether a feature is there cannot be foreseen, so its first places are looked at side
 * by side, without a branch. Nearly all searches end in them. */
static inline uint32_t row_of(const struct model *model, uint32_t feature)
{
    static const ranks order = {0, 1 << 16, 2 << 16, 3 << 16};
    static const ranks none = {INT32_MAX, INT32_MAX, INT32_MAX, INT32_MAX};
    uint32_t mask = (1U << model->head.feature_bits) - 1, slot = feature & mask;
    places keys, rows;
    ranks ends, rank;

    if (slot + PLACES > mask)
        return row_slowly(model, feature);
    memcpy(&keys, model->keys + (size_t)slot * sizeof(struct model_key), sizeof(keys));
    rows = keys >> 16;
    ends = (ranks)(rows == 0) | (ranks)((keys & 0xffff) == feature >> 16);
    rank = (((ranks)rows | order) & ends) | (none & ~ends);
    rank = least_of(rank, __builtin_shufflevector(rank, rank, 2, 3, 0, 1));
    rank = least_of(rank, __builtin_shufflevector(rank, rank, 1, 0, 3, 2));
    return rank[0] == INT32_MAX ? row_slowly(model, feature) : (uint32_t)rank[0] & 0xffff;
}

#define SIFTED_MAX 64U

/* At most SIFTED_MAX features. Whether one is there cannot be foreseen: all are looked for, without a
 * branch, before any is passed over. */
static size_t sift(const struct model_sift *sift, uint32_t *features, size_t count)
{
    uint64_t there = 0;
    size_t left = 0;

    for (size_t i = 0; i < count; i++)
        there |= (sift->bits[(features[i] & SIFT_MASK) / 64] >> features[i] % 64 & 1) << i;
    for (; there != 0; there &= there - 1)
        features[left++] = features[__builtin_ctzll(there)];
    return left;
}

size_t model_expect(const struct model *model, uint32_t *features, size_t count)
{
    uint32_t mask = (1U << model->head.feature_bits) - 1;

    if (model->sift != NULL && count <= SIFTED_MAX)
        count = sift(model->sift, features, count);
    for (size_t i = 0; i < count; i++)
        __builtin_prefetch(model->keys + (size_t)(features[i] & mask) * sizeof(struct model_key));
    return count;
}

size_t model_find(const struct model *model, const uint32_t *features, size_t count,
                  const uint8_t **ret_found)
{
    size_t found = 0;

    for (size_t i = 0; i < count; i++) {
        uint32_t row = row_of(model, features[i]) - 1; /* none: wraps */

        ret_found[found] = model->weights + (size_t)row * LABEL_ROOM;
        __builtin_prefetch(ret_found[found]);
        found += row < model->head.features;
    }
    return found;
}

void model_sum(const uint8_t *const *found, size_t count, int16_t ret_sum[LABEL_ROOM])
{
    typedef int8_t bytes __attribute__((vector_size(LABEL_ROOM / 2)));
    typedef int16_t numbers __attribute__((vector_size(LABEL_ROOM)));
    numbers low = {0}, high = {0};

    for (size_t i = 0; i < count; i++) {
        bytes a, b;

        memcpy(&a, found[i], sizeof(a));
        memcpy(&b, found[i] + sizeof(a), sizeof(b));
        low += __builtin_convertvector(a, numbers);
        high += __builtin_convertvector(b, numbers);
    }
    memcpy(ret_sum, &low, sizeof(low));
    memcpy(ret_sum + LABEL_ROOM / 2, &high, sizeof(high));
}
