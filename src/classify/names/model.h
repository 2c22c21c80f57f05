/*
 * classify/names/model.h - word lists and weights, as tools/train-names writes them. Private.
 *
 * All numbers are little-endian; the file is ours, compiled in, and checked once all the same.
 *
 *   struct model_head
 *   uint32_t words[word_slots]        open addressing: 24 bits of the hash, 8 of word_class
 *   struct model_key keys[1 << feature_bits]  open addressing
 *   int8_t   weights[features][LABEL_ROOM]
 */
#ifndef CUSTODY_CLASSIFY_NAMES_MODEL_H
#define CUSTODY_CLASSIFY_NAMES_MODEL_H

#include "base/bytes.h"

/* What the field is over. B begins a span, I goes on in it. */
enum label {
    LABEL_O,
    LABEL_B_PERSON,
    LABEL_I_PERSON,
    LABEL_B_ADDRESS,
    LABEL_I_ADDRESS,
    LABEL_B_LOCATION,
    LABEL_I_LOCATION,
    LABEL_B_ORGANISATION,
    LABEL_I_ORGANISATION,
    LABEL_TITLE,
    LABEL_DATE,
    LABEL_NATION, /* Dutch, Catholic */
    LABEL_AGE,
    LABEL_COUNT,
};

#define LABEL_ROOM 16 /* a vector of bytes */

/* What the lists say of a word. */
enum word_class {
    WORD_GIVEN = 1,
    WORD_FAMILY = 2,
    WORD_PLACE = 4,
    WORD_COMMON = 8,   /* an ordinary English or clinical word */
    WORD_STREET = 16,  /* Street, Ave, Suite */
    WORD_COMPANY = 32, /* Inc, Hospital, University */
    WORD_TITLE = 64,   /* Mr, Dr, Nurse */
    WORD_NATION = 128, /* Dutch, Kenya */
};

#define MODEL_STEP_MAX 1000 /* of step and first, either way */
#define MODEL_MAGIC 0x316d616eU /* "nam1" */

#define MODEL_FEATURES_MAX 0xffffU

struct model_key {
    uint16_t high; /* of the feature's hash, what its place does not say */
    uint16_t at;   /* its weights, + 1; 0: no feature */
};

struct model_head {
    uint32_t magic;
    uint32_t word_slots, feature_bits, features;
    int16_t step[LABEL_ROOM][LABEL_ROOM]; /* from the label before to this one */
    int16_t first[LABEL_ROOM];
    uint32_t unit; /* of weights: so many are 1.0 */
};

/* A bit for each value of a feature's hash in so many bits: most features the model does not have, and
 * these bits, unlike its keys, fit in a processor's second cache. */
#define MODEL_SIFT_BITS 20U

struct model_sift {
    uint64_t bits[(1UL << MODEL_SIFT_BITS) / 64];
};

struct model {
    struct model_head head;
    const uint8_t *words, *keys, *weights;
    const struct model_sift *sift; /* NULL: every feature is looked for */
};

/* The part of the file that compiling in gives a name. */
struct names_file {
    const char *name;
    const uint8_t *at;
    size_t len;
};
extern const struct names_file names_embedded[];
extern const size_t names_embedded_count;

/* Looks at the head and the sizes. */
bool model_open(struct slice file, struct model *ret_model);
/* Fills `sift` from the model's keys, and uses it from now on. It is borrowed. */
void model_use_sift(struct model *model, struct model_sift *sift);

/* word_class of a folded word's hash; 0: in no list. */
unsigned model_word(const struct model *model, uint32_t word);
/* Asks for the memory that model_word of it will read. */
void model_expect_word(const struct model *model, uint32_t word);

/*
 * Weights of features, in three steps, each asking for memory that the next one reads: their places
 * (how many are left in `features`: those that the model may have), then the rows of those that the model has (how many; ret_found has room for all), then the sum of rows.
 * Of features that the model does not have, one in some 65,000 is taken for another.
 */
size_t model_expect(const struct model *model, uint32_t *features, size_t count);
size_t model_find(const struct model *model, const uint32_t *features, size_t count,
                  const uint8_t **ret_found);
void model_sum(const uint8_t *const *found, size_t count, int16_t ret_sum[LABEL_ROOM]);

/* The slot at which a search in a table of `slots` begins. */
static inline uint32_t model_slot(uint32_t hash, uint32_t slots)
{
    return (uint32_t)((uint64_t)(hash * 0x9e3779b1U) * slots >> 32);
}

#endif
