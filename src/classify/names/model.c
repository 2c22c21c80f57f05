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
    size_t words, features;

    if (__BYTE_ORDER != __LITTLE_ENDIAN || file.len < sizeof(model.head))
        return false;
    memcpy(&model.head, file.at, sizeof(model.head));
    words = (size_t)model.head.word_slots * sizeof(uint32_t);
    features = model.head.feature_slots;
    if (model.head.magic != MODEL_MAGIC || words == 0 || features == 0 || model.head.unit == 0 ||
        !steps_are_small(&model.head) ||
        file.len != sizeof(model.head) + words + features * (sizeof(uint32_t) + LABEL_ROOM))
        return false;
    model.words = file.at + sizeof(model.head);
    model.keys = model.words + words;
    model.weights = model.keys + features * sizeof(uint32_t);
    *ret_model = model;
    return true;
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

const int8_t *model_weights(const struct model *model, uint32_t feature)
{
    uint32_t slots = model->head.feature_slots;
    uint32_t slot = model_slot(feature, slots);

    for (uint32_t tried = 0; tried < slots; tried++) {
        uint32_t key = number_at(model->keys, slot);

        if (key == feature)
            return (const int8_t *)model->weights + (size_t)slot * LABEL_ROOM;
        if (key == 0)
            return NULL;
        slot = slot + 1 < slots ? slot + 1 : 0;
    }
    return NULL;
}
