/* classify/names/tag.c - forward and backward with the maximum in place of the sum, so that each
 * label of each token has the score of the best reading that holds it. */
#include "classify/names/tag.h"

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

#define HALF (LABEL_ROOM / 2)

typedef int16_t eight_numbers __attribute__((vector_size(HALF * sizeof(int16_t))));

static inline eight_numbers larger(eight_numbers a, eight_numbers b)
{
    eight_numbers is_larger = a > b;

    return (a & is_larger) | (b & ~is_larger);
}

static inline int16_t largest(eight_numbers low, eight_numbers high)
{
    eight_numbers best = larger(low, high);

    best = larger(best, __builtin_shufflevector(best, best, 4, 5, 6, 7, 0, 1, 2, 3));
    best = larger(best, __builtin_shufflevector(best, best, 2, 3, 0, 1, 6, 7, 4, 5));
    best = larger(best, __builtin_shufflevector(best, best, 1, 0, 3, 2, 5, 4, 7, 6));
    return best[0];
}

/* label_sort of each label; what is behind the last one is none. */
static const struct scores sorts = {
    .of = {LABEL_O, LABEL_B_PERSON, LABEL_B_PERSON, LABEL_B_ADDRESS, LABEL_B_ADDRESS,
           LABEL_B_LOCATION, LABEL_B_LOCATION, LABEL_B_ORGANISATION, LABEL_B_ORGANISATION,
           LABEL_TITLE, LABEL_DATE, LABEL_NATION, LABEL_AGE, -1, -1, -1}};
_Static_assert(LABEL_COUNT == 13, "each label has its sort");

/* The largest of the scores of labels but those of one sort; -1: of all. */
static inline int16_t largest_but(const struct scores *scores, int16_t sort)
{
    eight_numbers least = (eight_numbers){0} + INT16_MIN, of[2], sort_of[2];

    memcpy(of, scores->of, sizeof(of));
    memcpy(sort_of, sorts.of, sizeof(sort_of));
    for (size_t i = 0; i < 2; i++) {
        eight_numbers is_out = (sort_of[i] < 0) | (sort_of[i] == sort);

        of[i] = (of[i] & ~is_out) | (least & is_out);
    }
    return largest(of[0], of[1]);
}

static void choose(const struct scores *sum, uint8_t *ret_label, int16_t *ret_margin)
{
    int16_t most = largest_but(sum, -1);
    unsigned best = 0;
    int margin;

    while (sum->of[best] != most)
        best++;
    margin = most - largest_but(sum, sorts.of[best]);
    *ret_label = (uint8_t)best;
    *ret_margin = (int16_t)(margin < INT16_MAX ? margin : INT16_MAX);
}

/* In steps over a few tokens, so that memory is on its way before it is needed. */
static void emissions(const struct model *model, const struct window *window, size_t begin,
                      size_t end, struct tags *tags)
{
    size_t counts[TAGS_BATCH];

    for (size_t from = begin; from < end; from += TAGS_BATCH) {
        size_t count = end - from < TAGS_BATCH ? end - from : TAGS_BATCH;

        for (size_t i = 0; i < count; i++) {
            counts[i] = window_features(window, from + i, tags->features[i]);
            counts[i] = model_expect(model, tags->features[i], counts[i]);
        }
        for (size_t i = 0; i < count; i++)
            counts[i] = model_find(model, tags->features[i], counts[i], tags->rows[i]);
        for (size_t i = 0; i < count; i++)
            model_sum(tags->rows[i], counts[i], tags->emit[from + i].of);
    }
}

void tags_find(const struct model *model, const struct window *window, struct zone zone,
               struct zone known, struct tags *tags)
{
    int16_t back[LABEL_ROOM][LABEL_ROOM];
    struct scores after = {0};

    for (size_t from = 0; from < LABEL_ROOM; from++)
        for (size_t to = 0; to < LABEL_ROOM; to++)
            back[to][from] = model->head.step[from][to];
    if (known.from == known.to)
        known.from = known.to = zone.to;
    emissions(model, window, zone.from, known.from, tags);
    emissions(model, window, known.to, zone.to, tags);
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
        choose(&sum, &tags->label[i], &tags->margin[i]);
        add(&through, &tags->emit[i]);
        best_of_rows(back, &through, &after);
        settle(&after);
    }
}
