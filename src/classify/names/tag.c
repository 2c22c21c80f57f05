/* classify/names/tag.c - forward and backward with the maximum in place of the sum, so that each
 * label of each token has the score of the best reading that holds it. */
#include "classify/names/tag.h"

#include <limits.h>

/* What a step adds to any label, at most, either way. Readings of one token that differ in its
 * label are at most two of them apart, so that two such differences and a step fit. */
#define STEP_MOST (FEATURES_MAX * 127 + MODEL_STEP_MAX)
_Static_assert(4 * STEP_MOST <= INT16_MAX, "scores and their sums fit");

typedef int16_t numbers[LABEL_ROOM];

/* The best of 13 rows, each with a score of its own added. Loops of a fixed length, so that compilers make
 * vectors of them. */
static inline void best_of_rows(const int16_t rows[LABEL_ROOM][LABEL_ROOM],
                                const struct scores *scores, struct scores *ret_best)
{
    numbers best;

    for (size_t to = 0; to < LABEL_ROOM; to++)
        best[to] = (int16_t)(rows[0][to] + scores->of[0]);
    for (size_t i = 1; i < LABEL_COUNT; i++)
        for (size_t to = 0; to < LABEL_ROOM; to++) {
            int16_t sum = (int16_t)(rows[i][to] + scores->of[i]);

            best[to] = sum > best[to] ? sum : best[to];
        }
    memcpy(ret_best->of, best, sizeof(best));
}

static inline void add(struct scores *sum, const struct scores *more)
{
    for (size_t i = 0; i < LABEL_ROOM; i++)
        sum->of[i] = (int16_t)(sum->of[i] + more->of[i]);
}

/* Scores are counted from that of the first label. */
static inline void settle(struct scores *a)
{
    int16_t first = a->of[0];

    for (size_t i = 0; i < LABEL_ROOM; i++)
        a->of[i] = (int16_t)(a->of[i] - first);
}

static void choose(const int16_t *sum, uint8_t *ret_label, int16_t *ret_margin)
{
    unsigned best = 0;
    int other = INT_MIN, margin;

    for (unsigned i = 1; i < LABEL_COUNT; i++)
        if (sum[i] > sum[best])
            best = i;
    for (unsigned i = 0; i < LABEL_COUNT; i++)
        if (label_sort(i) != label_sort(best) && sum[i] > other)
            other = sum[i];
    margin = sum[best] - other;
    *ret_label = (uint8_t)best;
    *ret_margin = (int16_t)(margin < INT16_MAX ? margin : INT16_MAX);
}

#define BATCH 8U

/* In steps over a few tokens, so that memory is on its way before it is needed. */
static void emissions(const struct model *model, const struct window *window, struct zone zone,
                      struct tags *tags)
{
    uint32_t features[BATCH][FEATURES_MAX];
    size_t counts[BATCH], found_counts[BATCH];
    const uint8_t *found[BATCH][FEATURES_MAX];

    for (size_t from = zone.from; from < zone.to; from += BATCH) {
        size_t count = zone.to - from < BATCH ? zone.to - from : BATCH;

        for (size_t i = 0; i < count; i++) {
            counts[i] = window_features(window, from + i, features[i]);
            model_expect(model, features[i], counts[i]);
        }
        for (size_t i = 0; i < count; i++)
            found_counts[i] = model_find(model, features[i], counts[i], found[i]);
        for (size_t i = 0; i < count; i++)
            model_sum(found[i], found_counts[i], tags->emit[from + i].of);
    }
}

void tags_find(const struct model *model, const struct window *window, struct zone zone,
               struct tags *tags)
{
    int16_t back[LABEL_ROOM][LABEL_ROOM];
    struct scores after = {0};

    for (size_t from = 0; from < LABEL_ROOM; from++)
        for (size_t to = 0; to < LABEL_ROOM; to++)
            back[to][from] = model->head.step[from][to];
    emissions(model, window, zone, tags);
    for (size_t i = zone.from; i < zone.to; i++) {
        struct scores *best = &tags->forward[i];

        if (i > zone.from)
            best_of_rows(model->head.step, &tags->forward[i - 1], best);
        else
            memcpy(best->of, i > 0 ? model->head.step[LABEL_O] : model->head.first,
                   sizeof(best->of));
        add(best, &tags->emit[i]);
        settle(best);
    }
    if (zone.to < window->count)
        memcpy(after.of, back[LABEL_O], sizeof(after.of));
    for (size_t i = zone.to; i-- > zone.from;) {
        struct scores through = after, sum = after;

        add(&sum, &tags->forward[i]);
        choose(sum.of, &tags->label[i], &tags->margin[i]);
        add(&through, &tags->emit[i]);
        best_of_rows(back, &through, &after);
        settle(&after);
    }
}
