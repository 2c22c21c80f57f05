/* classify/names/tag.c - forward and backward with the maximum in place of the sum, so that each
 * label of each token has the score of the best reading that holds it. Sixteen labels side by
 * side. */
#include "classify/names/tag.h"

#include <limits.h>

/* What a step adds to any label, at most, either way. Readings of one token that differ in its
 * label are at most two of them apart, so that two such differences and a step fit. */
#define STEP_MOST (FEATURES_MAX * 127 + MODEL_STEP_MAX)
_Static_assert(4 * STEP_MOST <= INT16_MAX, "scores and their sums fit");
_Static_assert(FEATURES_MAX <= MODEL_SUM_MAX, "all features are counted");

#define HALF (LABEL_ROOM / 2)
typedef int16_t half __attribute__((vector_size(HALF * sizeof(int16_t))));

static inline half load(const int16_t *at)
{
    half ret;

    memcpy(&ret, at, sizeof(ret));
    return ret;
}

/* The best of 13 rows, each with a score of its own added. */
static inline void best_of_rows(const int16_t rows[LABEL_ROOM][LABEL_ROOM],
                                const struct scores *scores, struct scores *ret_best)
{
    for (size_t part = 0; part < LABEL_ROOM; part += HALF) {
        half best = load(rows[0] + part) + scores->of[0];

        for (size_t i = 1; i < LABEL_COUNT; i++) {
            half sum = load(rows[i] + part) + scores->of[i], larger = (half)(sum > best);

            best = (sum & larger) | (best & ~larger);
        }
        memcpy(ret_best->of + part, &best, sizeof(best));
    }
}

static inline void add(struct scores *sum, const struct scores *more)
{
    for (size_t part = 0; part < LABEL_ROOM; part += HALF) {
        half both = load(sum->of + part) + load(more->of + part);

        memcpy(sum->of + part, &both, sizeof(both));
    }
}

/* Scores are counted from that of the first label. */
static inline void settle(struct scores *a)
{
    int16_t first = a->of[0];

    for (size_t part = 0; part < LABEL_ROOM; part += HALF) {
        half rest = load(a->of + part) - first;

        memcpy(a->of + part, &rest, sizeof(rest));
    }
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

static void emission(const struct model *model, const struct window *window, size_t at,
                     struct scores *ret_sum)
{
    uint32_t features[FEATURES_MAX];
    size_t count = window_features(window, at, features);

    model_sum(model, features, count, ret_sum->of);
}

void tags_find(const struct model *model, const struct window *window, struct tags *tags)
{
    int16_t back[LABEL_ROOM][LABEL_ROOM];
    struct scores after = {0};

    for (size_t from = 0; from < LABEL_ROOM; from++)
        for (size_t to = 0; to < LABEL_ROOM; to++)
            back[to][from] = model->head.step[from][to];
    for (size_t i = 0; i < window->count; i++) {
        struct scores *best = &tags->forward[i];

        emission(model, window, i, &tags->emit[i]);
        if (i > 0)
            best_of_rows(model->head.step, &tags->forward[i - 1], best);
        else
            memcpy(best->of, model->head.first, sizeof(best->of));
        add(best, &tags->emit[i]);
        settle(best);
    }
    for (size_t i = window->count; i-- > 0;) {
        struct scores through = after, sum = after;

        add(&sum, &tags->forward[i]);
        choose(sum.of, &tags->label[i], &tags->margin[i]);
        add(&through, &tags->emit[i]);
        best_of_rows(back, &through, &after);
        settle(&after);
    }
}
