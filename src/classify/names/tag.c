/* classify/names/tag.c - forward and backward with the maximum in place of the sum, so that each
 * label of each token has the score of the best reading that holds it. Sixteen labels side by
 * side. Scores stay near 0, since the best of each step is taken off. */
#include "classify/names/tag.h"

/* Of a step: at most FEATURES_MAX weights of 127 and one of MODEL_STEP_MAX, so that no sum of
 * two ends of a reading and a step leaves 16 bits. */
#define SCORE_NEVER (-16000)
_Static_assert(FEATURES_MAX * 127 + MODEL_STEP_MAX < 16000, "scores fit");

/* best = max(best, row + score), label by label. */
static inline void raise_to(struct scores *best, const int16_t *row, int16_t score)
{
    for (size_t i = 0; i < LABEL_ROOM; i++) {
        int16_t sum = (int16_t)(row[i] + score);

        best->of[i] = best->of[i] > sum ? best->of[i] : sum;
    }
}

static inline void add(struct scores *sum, const struct scores *more)
{
    for (size_t i = 0; i < LABEL_ROOM; i++)
        sum->of[i] = (int16_t)(sum->of[i] + more->of[i]);
}

/* Takes off the best; none is further below it than SCORE_NEVER. */
static void settle(struct scores *a)
{
    int16_t best = a->of[0], least;

    for (size_t i = 1; i < LABEL_COUNT; i++)
        best = a->of[i] > best ? a->of[i] : best;
    least = (int16_t)(best + SCORE_NEVER);
    for (size_t i = 0; i < LABEL_ROOM; i++)
        a->of[i] = (int16_t)((a->of[i] > least ? a->of[i] : least) - best);
}

static void emission(const struct model *model, const struct window *window, size_t at,
                     struct scores *ret_sum)
{
    uint32_t features[FEATURES_MAX];
    size_t count = window_features(window, at, features);
    struct scores sum = {0};

    for (size_t i = 0; i < count; i++) {
        const int8_t *weights = model_weights(model, features[i]);

        for (size_t y = 0; weights != NULL && y < LABEL_ROOM; y++)
            sum.of[y] = (int16_t)(sum.of[y] + weights[y]);
    }
    *ret_sum = sum;
}

static void choose(const int16_t *sum, uint8_t *ret_label, int16_t *ret_margin)
{
    unsigned best = 0;
    int16_t other = INT16_MIN;

    for (unsigned i = 1; i < LABEL_COUNT; i++)
        if (sum[i] > sum[best])
            best = i;
    for (unsigned i = 0; i < LABEL_COUNT; i++)
        if (label_sort(i) != label_sort(best) && sum[i] > other)
            other = sum[i];
    *ret_label = (uint8_t)best;
    *ret_margin = (int16_t)(sum[best] - other);
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
        for (size_t to = 0; to < LABEL_ROOM; to++)
            best->of[to] = i > 0 ? 2 * SCORE_NEVER : model->head.first[to];
        for (size_t from = 0; i > 0 && from < LABEL_COUNT; from++)
            raise_to(best, model->head.step[from], tags->forward[i - 1].of[from]);
        add(best, &tags->emit[i]);
        settle(best);
    }
    for (size_t i = window->count; i-- > 0;) {
        struct scores through = after, sum = after;

        add(&sum, &tags->forward[i]);
        choose(sum.of, &tags->label[i], &tags->margin[i]);
        add(&through, &tags->emit[i]);
        for (size_t from = 0; from < LABEL_ROOM; from++)
            after.of[from] = 2 * SCORE_NEVER;
        for (size_t to = 0; to < LABEL_COUNT; to++)
            raise_to(&after, back[to], through.of[to]);
        settle(&after);
    }
}
