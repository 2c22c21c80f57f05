/*
 * names-train - trains the field of classify/names.
 *
 * Usage: names-train LISTS CORPUS MODEL [EPOCHS]
 *
 * Log-likelihood of a linear-chain conditional random field, by stochastic gradients with a step
 * of its own for each weight (AdaGrad) and a pull towards 0 that leaves few weights (L1). Texts are
 * taken in an order that a fixed seed gives, exp is computed here, and no sum is reordered: the
 * same input gives the same bytes.
 */
#include <math.h>
#include <stdlib.h>

#include "tools/names/corpus.h"

#define RATE 0.25F
#define PULL 0.15F      /* L1, by sample */
#define COUNT_MIN 3     /* rarer features are left out */
#define DROP 25         /* percent of features that a sample is learnt without, so that none is
                           relied on alone */
#define FEATURE_BITS 17 /* twice as many places as features, or more */
#define UNIT 24.0F      /* quantised weights: so many are 1.0 */
#define WEIGHT_MIN 0.27F /* a feature whose largest weight is less is left out of the model */

struct weights {
    float w[LABEL_ROOM], squares[LABEL_ROOM];
};

struct field {
    uint32_t *keys; /* of features, open addressing */
    uint32_t *index; /* of `at` */
    size_t slots, count;
    struct weights *at;
    struct weights step[LABEL_ROOM], first;
};

/* exp for x <= 0, to 1e-7: no two C libraries differ in it. */
static float exp_of(float x)
{
    double y = (double)x / 64, e;

    if (x < -60)
        return 0;
    e = 1 + y * (1 + y / 2 * (1 + y / 3 * (1 + y / 4 * (1 + y / 5 * (1 + y / 6)))));
    for (int i = 0; i < 6; i++)
        e *= e;
    return (float)e;
}

static size_t slot_of(const struct field *field, uint32_t key)
{
    size_t slot = key * UINT64_C(0x9e3779b97f4a7c15) >> 40 & (field->slots - 1);

    while (field->keys[slot] != 0 && field->keys[slot] != key)
        slot = (slot + 1) & (field->slots - 1);
    return slot;
}

/* Counts features, then puts in place of each hash its index in `at`, UINT32_MAX: left out. */
static void field_make(struct field *field, struct samples *samples)
{
    field->slots = (size_t)1 << 24;
    field->keys = xalloc_array(field->slots, sizeof(uint32_t));
    field->index = xalloc_array(field->slots, sizeof(uint32_t));
    for (size_t round = 0; round < 2; round++) {
        for (size_t s = 0; s < samples->count; s++) {
            struct sample *sample = &samples->at[s];
            size_t at = 0;

            for (size_t i = 0; i < sample->count; i++)
                for (size_t f = 0; f < sample->feature_count[i]; f++, at++) {
                    size_t slot = slot_of(field, sample->features[at]);

                    field->keys[slot] = sample->features[at];
                    if (round == 0)
                        field->index[slot]++;
                    else
                        sample->features[at] = field->index[slot];
                }
        }
        for (size_t slot = 0; round == 0 && slot < field->slots; slot++)
            field->index[slot] =
                field->index[slot] >= COUNT_MIN ? (uint32_t)field->count++ : UINT32_MAX;
    }
    field->at = xalloc_array(field->count, sizeof(struct weights));
}

static void nudge(struct weights *weights, size_t label, float gradient)
{
    float square = weights->squares[label] + gradient * gradient, rate, w;

    weights->squares[label] = square;
    rate = RATE / sqrtf(square + 0.01F);
    w = weights->w[label] + rate * gradient;
    /* Rare features are touched by few samples; the pull is by touch and by size of the rate. */
    w = w > 0 ? fmaxf(0, w - rate * PULL * 0.01F) : fminf(0, w + rate * PULL * 0.01F);
    weights->w[label] = w;
}

struct lattice {
    float emit[WINDOW_TOKENS][LABEL_ROOM], forward[WINDOW_TOKENS][LABEL_ROOM];
    float back[WINDOW_TOKENS][LABEL_ROOM];
    uint32_t seed; /* which features are left out this time */
};

/* exp(x - largest), and makes them sum to 1. */
static void normalise(float *x)
{
    float largest = x[0], sum = 0;

    for (size_t i = 1; i < LABEL_COUNT; i++)
        largest = fmaxf(largest, x[i]);
    for (size_t i = 0; i < LABEL_COUNT; i++)
        sum += x[i] = exp_of(x[i] - largest);
    for (size_t i = 0; i < LABEL_COUNT; i++)
        x[i] /= sum;
}

static void scale(float *x)
{
    float sum = 0;

    for (size_t i = 0; i < LABEL_COUNT; i++)
        sum += x[i];
    for (size_t i = 0; i < LABEL_COUNT; i++)
        x[i] /= sum;
}

static bool is_used(const struct lattice *l, uint32_t feature, size_t at)
{
    return feature != UINT32_MAX && names_mix((uint32_t)at, l->seed) % 100 >= DROP;
}

static void emissions(const struct field *field, const struct sample *sample, struct lattice *l)
{
    size_t at = 0;

    for (size_t i = 0; i < sample->count; i++) {
        memset(l->emit[i], 0, sizeof(l->emit[i]));
        for (size_t f = 0; f < sample->feature_count[i]; f++, at++) {
            if (!is_used(l, sample->features[at], at))
                continue;
            for (size_t y = 0; y < LABEL_COUNT; y++)
                l->emit[i][y] += field->at[sample->features[at]].w[y];
        }
        if (i == 0)
            for (size_t y = 0; y < LABEL_COUNT; y++)
                l->emit[i][y] += field->first.w[y];
        normalise(l->emit[i]); /* a factor of each place cancels out */
    }
}

static void forward_backward(const struct sample *sample,
                             float (*step)[LABEL_ROOM], struct lattice *l)
{
    size_t last = sample->count - 1;

    memcpy(l->forward[0], l->emit[0], sizeof(l->emit[0]));
    for (size_t i = 1; i <= last; i++) {
        memset(l->forward[i], 0, sizeof(l->forward[i]));
        for (size_t from = 0; from < LABEL_COUNT; from++)
            for (size_t to = 0; to < LABEL_COUNT; to++)
                l->forward[i][to] += l->forward[i - 1][from] * step[from][to];
        for (size_t to = 0; to < LABEL_COUNT; to++)
            l->forward[i][to] = l->forward[i][to] * l->emit[i][to] + 1e-30F;
        scale(l->forward[i]);
    }
    for (size_t to = 0; to < LABEL_COUNT; to++)
        l->back[last][to] = 1;
    for (size_t i = last; i-- > 0;) {
        for (size_t from = 0; from < LABEL_COUNT; from++) {
            l->back[i][from] = 0;
            for (size_t to = 0; to < LABEL_COUNT; to++)
                l->back[i][from] +=
                    step[from][to] * l->emit[i + 1][to] * l->back[i + 1][to];
            l->back[i][from] += 1e-30F;
        }
        scale(l->back[i]);
    }
}

/* What is, less what is expected, goes to each weight. */
static void learn_steps(struct field *field, const struct sample *sample,
                        float (*step)[LABEL_ROOM], const struct lattice *l)
{
    float gradient[LABEL_ROOM][LABEL_ROOM] = {0};

    for (size_t i = 1; i < sample->count; i++) {
        float pair[LABEL_ROOM][LABEL_ROOM], sum = 1e-30F;

        for (size_t from = 0; from < LABEL_COUNT; from++)
            for (size_t to = 0; to < LABEL_COUNT; to++)
                sum += pair[from][to] = l->forward[i - 1][from] * step[from][to] *
                                        l->emit[i][to] * l->back[i][to];
        for (size_t from = 0; from < LABEL_COUNT; from++)
            for (size_t to = 0; to < LABEL_COUNT; to++)
                gradient[from][to] -= pair[from][to] / sum;
        gradient[sample->labels[i - 1]][sample->labels[i]] += 1;
    }
    for (size_t from = 0; from < LABEL_COUNT; from++)
        for (size_t to = 0; to < LABEL_COUNT; to++)
            nudge(&field->step[from], to, gradient[from][to]);
}

static void learn(struct field *field, const struct sample *sample, struct lattice *l)
{
    float step[LABEL_ROOM][LABEL_ROOM];
    size_t at = 0;

    for (size_t from = 0; from < LABEL_COUNT; from++)
        for (size_t to = 0; to < LABEL_COUNT; to++)
            step[from][to] = exp_of(field->step[from].w[to] - 8) * 2980.958F; /* e^8 */
    emissions(field, sample, l);
    forward_backward(sample, step, l);
    learn_steps(field, sample, step, l);
    for (size_t i = 0; i < sample->count; i++) {
        float gradient[LABEL_ROOM] = {0};

        for (size_t y = 0; y < LABEL_COUNT; y++)
            gradient[y] = l->forward[i][y] * l->back[i][y];
        scale(gradient);
        for (size_t y = 0; y < LABEL_COUNT; y++)
            gradient[y] = (float)(y == sample->labels[i]) - gradient[y];
        for (size_t f = 0; f < sample->feature_count[i]; f++, at++)
            for (size_t y = 0; is_used(l, sample->features[at], at) && y < LABEL_COUNT; y++)
                if (gradient[y] > 1e-4F || gradient[y] < -1e-4F)
                    nudge(&field->at[sample->features[at]], y, gradient[y]);
        if (i == 0)
            for (size_t y = 0; y < LABEL_COUNT; y++)
                nudge(&field->first, y, gradient[y]);
    }
}

static void train(struct field *field, struct samples *samples, int epochs)
{
    static struct lattice lattice;
    uint64_t random = 88172645463325252U;

    for (int epoch = 0; epoch < epochs; epoch++) {
        for (size_t left = samples->count; left > 1; left--) {
            size_t other;
            struct sample swap = samples->at[left - 1];

            random ^= random << 13;
            random ^= random >> 7;
            random ^= random << 17;
            other = (size_t)(random % left);
            samples->at[left - 1] = samples->at[other];
            samples->at[other] = swap;
        }
        for (size_t i = 0; i < samples->count; i++, lattice.seed++)
            learn(field, &samples->at[i], &lattice);
    }
}

static int quantised(float weight, int most)
{
    float scaled = weight * UNIT;
    int number = (int)(scaled + (scaled < 0 ? -0.5F : 0.5F));

    return number > most ? most : number < -most ? -most : number;
}

static bool is_kept(const struct weights *weights)
{
    for (size_t y = 0; y < LABEL_COUNT; y++)
        if (weights->w[y] > WEIGHT_MIN || weights->w[y] < -WEIGHT_MIN)
            return true;
    return false;
}

static void weights_table(const struct field *field, struct model_key *keys, uint32_t mask,
                          int8_t *weights)
{
    uint16_t kept = 0;

    for (size_t from = 0; from < field->slots; from++) {
        uint32_t feature = field->keys[from], slot = feature & mask;
        bool learnt = feature != 0 && field->index[from] != UINT32_MAX;
        const struct weights *w = learnt ? &field->at[field->index[from]] : NULL;

        if (!learnt || !is_kept(w))
            continue;
        while (keys[slot].at != 0)
            slot = (slot + 1) & mask;
        for (size_t y = 0; y < LABEL_COUNT; y++)
            weights[(size_t)kept * LABEL_ROOM + y] = (int8_t)quantised(w->w[y], 127);
        keys[slot] = (struct model_key){.high = (uint16_t)(feature >> 16), .at = ++kept};
    }
}

static bool model_write(const char *path, const struct field *field, const struct model *lists)
{
    struct model_head head = {.magic = MODEL_MAGIC, .word_slots = lists->head.word_slots,
                              .unit = (uint32_t)UNIT};
    size_t kept = 0;
    FILE *file = fopen(path, "wb");
    struct model_key *keys;
    int8_t *weights;
    bool ok;

    for (size_t i = 0; i < field->count; i++)
        kept += is_kept(&field->at[i]);
    if (kept > MODEL_FEATURES_MAX) {
        (void)fprintf(stderr, "names-train: %zu features are too many\n", kept);
        return false;
    }
    head.features = (uint32_t)kept;
    head.feature_bits = FEATURE_BITS;
    for (size_t from = 0; from < LABEL_COUNT; from++)
        for (size_t to = 0; to < LABEL_COUNT; to++)
            head.step[from][to] = (int16_t)quantised(field->step[from].w[to], MODEL_STEP_MAX);
    for (size_t to = 0; to < LABEL_COUNT; to++)
        head.first[to] = (int16_t)quantised(field->first.w[to], MODEL_STEP_MAX);
    keys = xalloc_array((size_t)1 << FEATURE_BITS, sizeof(*keys));
    weights = xalloc_array(kept + 1, LABEL_ROOM);
    weights_table(field, keys, (1U << FEATURE_BITS) - 1, weights);
    ok = file != NULL && fwrite(&head, sizeof(head), 1, file) == 1 &&
         fwrite(lists->words, sizeof(uint32_t), head.word_slots, file) == head.word_slots &&
         fwrite(keys, sizeof(*keys) << FEATURE_BITS, 1, file) == 1 &&
         fwrite(weights, LABEL_ROOM, kept, file) == kept;
    ok = file != NULL && fclose(file) == 0 && ok;
    (void)printf("%zu features seen %d times or more, %zu kept\n", field->count, COUNT_MIN, kept);
    free(keys);
    free(weights);
    return ok;
}

int main(int argc, char **argv)
{
    static struct field field;
    struct samples samples = {0};
    struct model lists;
    FILE *list_file = argc >= 4 ? fopen(argv[1], "r") : NULL;
    FILE *corpus = argc >= 4 ? fopen(argv[2], "rb") : NULL;

    if (list_file == NULL || corpus == NULL) {
        (void)fprintf(stderr, "usage: names-train LISTS CORPUS MODEL [EPOCHS]\n");
        return 3;
    }
    lists_read(list_file, &lists);
    samples_read(corpus, &lists, &samples);
    field_make(&field, &samples);
    train(&field, &samples, argc > 4 ? (int)strtol(argv[4], NULL, 10) : 4);
    return model_write(argv[3], &field, &lists) ? 0 : 1;
}
