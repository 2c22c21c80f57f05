/*
 * classify/sieve/blocks.h - the sieve over blocks of 64 bytes, by what each way makes of one block: a bit for each
 * byte. Included once by each way, in whose functions all of it is inlined. Private to classify/.
 *
 * A chunk of blocks goes through three loops without branches that depend on the text: what its bytes are, which of
 * them are triggers, and a list of these. Only then each trigger is looked at. The block behind the chunk is looked
 * at, too, so that what begins in the chunk is known up to SIEVE_CERTAIN bytes; longer ones are read by byte.
 */
#ifndef CUSTODY_CLASSIFY_SIEVE_BLOCKS_H
#define CUSTODY_CLASSIFY_SIEVE_BLOCKS_H

#include "classify/sieve/found.h"

#define SIEVE_BLOCK 64
#define SIEVE_CHUNK 32 /* blocks */
#define SIEVE_BYTES ((SIEVE_CHUNK + 1) * SIEVE_BLOCK)
#define SIEVE_AHEAD                                                                           \
    (3 * SIEVE_BYTES)    /* what is fetched; nearer is too late, it was measured */
#define SIEVE_CERTAIN 60 /* bytes from any of a block's, within which joints are known */
/* Triggers of a block that are listed without a look at how many there are. */
#define SIEVE_AT_ONCE 4
#define SIEVE_INLINED __attribute__((always_inline)) static inline

#define SIEVE_LANES 8 /* blocks whose bits are worked on together */
#define SIEVE_MASKS (SIEVE_CHUNK + 2 + SIEVE_LANES)

/*
 * A bit for each byte. Index 0 is the block in front of the chunk, then come those of the chunk, the one behind it, and
 * one without a bit. Those of kinds that nobody asked for are not set.
 */
struct sieve_chunk {
    uint64_t digit[SIEVE_MASKS], joint[SIEVE_MASKS], parenthesis[SIEVE_MASKS];
    uint64_t pair[SIEVE_MASKS]; /* the first of two joints */
    uint64_t run[SIEVE_MASKS];  /* digits and what joins them */
    uint64_t at[SIEVE_MASKS], colon[SIEVE_MASKS];
    uint64_t capital[SIEVE_MASKS], letter[SIEVE_MASKS], word[SIEVE_MASKS];
};

/* A bit for each byte that something is found by. */
struct sieve_triggers {
    uint64_t number[SIEVE_MASKS], colon[SIEVE_MASKS], word[SIEVE_MASKS];
    uint16_t list[SIEVE_CHUNK * SIEVE_BLOCK + SIEVE_AT_ONCE]; /* of all kinds, in order */
    size_t count;
};

struct sieve_state {
    struct slice text;
    unsigned kinds;
    size_t colon_done;
    uint8_t padded[SIEVE_BYTES]; /* the end of the text */
};

/* Sets the bits of one kind for `blocks` blocks from `at` on, from index 1 on, and none in the next. */
typedef void sieve_look(const uint8_t *at, size_t blocks, struct sieve_chunk *ret_chunk);

/* What a way brings. */
struct sieve_eyes {
    sieve_look *numbers, *mails, *colons, *words;
};

/* Masks of as many blocks, with the compiler's own operators on vectors. */
typedef uint64_t sieve_lanes
    __attribute__((vector_size(SIEVE_LANES * 8), aligned(8), may_alias));

#define SIEVE_LOAD(masks, i) (*(const sieve_lanes *)&(masks)[i])
#define SIEVE_STORE(masks, i) (*(sieve_lanes *)&(masks)[i])
/* Bits of the bytes `count` behind, or one in front of, those of a block. */
#define SIEVE_BEHIND(masks, i, count)                                                         \
    (SIEVE_LOAD(masks, i) >> (count) | SIEVE_LOAD(masks, (i) + 1) << (SIEVE_BLOCK - (count)))
#define SIEVE_BEFORE(masks, i)                                                                \
    (SIEVE_LOAD(masks, i) << 1 | SIEVE_LOAD(masks, (i)-1) >> (SIEVE_BLOCK - 1))

/* The 64 bits from `bit` of a block on. */
SIEVE_INLINED uint64_t sieve_window(const uint64_t *masks, size_t i, unsigned bit)
{
    return masks[i] >> bit | masks[i + 1] << 1 << (SIEVE_BLOCK - 1 - bit);
}

/*
 * Where runs of four or more digits and joints begin. In the block behind the chunk the last two bytes may miss a
 * joint, which is what SIEVE_CERTAIN allows for.
 */
SIEVE_INLINED void sieve_find_numbers(size_t blocks, struct sieve_chunk *chunk,
                                      struct sieve_triggers *ret_triggers)
{
    for (size_t i = 1; i <= blocks + 1; i += SIEVE_LANES) {
        sieve_lanes digit = SIEVE_LOAD(chunk->digit, i);
        sieve_lanes after = SIEVE_LOAD(chunk->joint, i) & SIEVE_BEFORE(chunk->digit, i);
        sieve_lanes either =
            SIEVE_LOAD(chunk->parenthesis, i) | SIEVE_BEHIND(chunk->parenthesis, i, 1);
        sieve_lanes pair = after & SIEVE_BEHIND(chunk->joint, i, 1) & either &
                           SIEVE_BEHIND(chunk->digit, i, 2);

        SIEVE_STORE(chunk->pair, i) = pair;
        SIEVE_STORE(chunk->run, i) = digit | (after & SIEVE_BEHIND(chunk->digit, i, 1)) | pair;
    }
    for (size_t i = 1; i <= blocks + 1; i += SIEVE_LANES)
        SIEVE_STORE(chunk->run, i) = SIEVE_LOAD(chunk->run, i) | SIEVE_BEFORE(chunk->pair, i);
    for (size_t i = 1; i <= blocks; i += SIEVE_LANES)
        SIEVE_STORE(ret_triggers->number, i) =
            SIEVE_LOAD(chunk->run, i) & ~SIEVE_BEFORE(chunk->run, i) &
            SIEVE_BEHIND(chunk->run, i, 1) & SIEVE_BEHIND(chunk->run, i, 2) &
            SIEVE_BEHIND(chunk->run, i, 3);
    chunk->digit[0] = chunk->digit[blocks];
    chunk->pair[0] = chunk->pair[blocks];
    chunk->run[0] = chunk->run[blocks];
}

/* ':' with another one close behind. */
SIEVE_INLINED void sieve_find_colons(size_t blocks, const struct sieve_chunk *chunk,
                                     struct sieve_triggers *ret_triggers)
{
    for (size_t i = 1; i <= blocks; i += SIEVE_LANES)
        SIEVE_STORE(ret_triggers->colon, i) =
            SIEVE_LOAD(chunk->colon, i) &
            (SIEVE_BEHIND(chunk->colon, i, 1) | SIEVE_BEHIND(chunk->colon, i, 2) |
             SIEVE_BEHIND(chunk->colon, i, 3) | SIEVE_BEHIND(chunk->colon, i, 4) |
             SIEVE_BEHIND(chunk->colon, i, SIEVE_COLON_GAP));
}

/* Capitals between what is no letter, digit or '_', and a letter. */
SIEVE_INLINED void sieve_find_words(size_t blocks, struct sieve_chunk *chunk,
                                    struct sieve_triggers *ret_triggers)
{
    for (size_t i = 1; i <= blocks; i += SIEVE_LANES)
        SIEVE_STORE(ret_triggers->word, i) = SIEVE_LOAD(chunk->capital, i) &
                                             ~SIEVE_BEFORE(chunk->word, i) &
                                             SIEVE_BEHIND(chunk->letter, i, 1);
    chunk->word[0] = chunk->word[blocks];
}

SIEVE_INLINED void sieve_list(size_t blocks, const struct sieve_chunk *chunk, unsigned kinds,
                              struct sieve_triggers *triggers)
{
    uint16_t *next = triggers->list;

    for (size_t i = 1; i <= blocks; i++) {
        uint64_t all = ((kinds & SIEVE_MAIL) != 0 ? chunk->at[i] : 0) |
                       ((kinds & SIEVE_NUMBER) != 0 ? triggers->number[i] : 0) |
                       ((kinds & SIEVE_COLON) != 0 ? triggers->colon[i] : 0) |
                       ((kinds & SIEVE_WORD) != 0 ? triggers->word[i] : 0);
        uint16_t *end = next + __builtin_popcountll(all);
        unsigned base = (unsigned)(i - 1) * SIEVE_BLOCK;

        if ((kinds & SIEVE_WORD) == 0 && all == 0)
            continue; /* most are; with words it could not be foreseen */
        /* The first few without asking whether they are there: a wrong guess costs more. */
        for (unsigned n = 0; n < SIEVE_AT_ONCE; n++, all &= all - 1)
            next[n] = (uint16_t)(base + (unsigned)__builtin_ctzll(all | UINT64_C(1) << 63));
        for (next += SIEVE_AT_ONCE; next < end; all &= all - 1)
            *next++ = (uint16_t)(base + (unsigned)__builtin_ctzll(all));
        next = end;
    }
    triggers->count = (size_t)(next - triggers->list);
}

/* The run that starts at `bit` of a block, which is at `base` of the text. */
SIEVE_INLINED bool sieve_number_in(struct slice text, const struct sieve_chunk *chunk,
                                   size_t at, size_t block, unsigned bit,
                                   struct sieve_candidate *ret_candidate)
{
    uint64_t rest = ~sieve_window(chunk->run, block, bit);
    unsigned len = rest == 0 ? SIEVE_BLOCK : (unsigned)__builtin_ctzll(rest);

    if (len < SIEVE_CERTAIN) {
        uint64_t digits = sieve_window(chunk->digit, block, bit) & ((UINT64_C(1) << len) - 1);

        ret_candidate->kind = SIEVE_NUMBER;
        ret_candidate->start = at;
        ret_candidate->end = at + len;
        ret_candidate->digits = (size_t)__builtin_popcountll(digits);
    } else {
        sieve_number_at(text, at, ret_candidate);
    }
    if (ret_candidate->digits < SIEVE_DIGITS_MIN)
        return false;
    sieve_number_front(text, ret_candidate);
    return true;
}

SIEVE_INLINED bool sieve_word_in(struct slice text, const struct sieve_chunk *chunk, size_t at,
                                 size_t block, unsigned bit,
                                 struct sieve_candidate *ret_candidate)
{
    uint64_t rest = ~sieve_window(chunk->letter, block, bit);
    unsigned len = rest == 0 ? SIEVE_BLOCK : (unsigned)__builtin_ctzll(rest);

    if (len == SIEVE_BLOCK || text.at[at] >= 0x80)
        return sieve_word_at(text, at, ret_candidate);
    ret_candidate->kind = SIEVE_WORD;
    ret_candidate->start = at;
    ret_candidate->end = at + len;
    ret_candidate->digits = 0;
    return (sieve_window(chunk->word, block, bit) >> len & 1) == 0;
}

SIEVE_INLINED bool sieve_found(struct sieve_state *state, const struct sieve_chunk *chunk,
                               const struct sieve_triggers *triggers, size_t base,
                               size_t place, struct sieve_candidate *ret_candidate)
{
    size_t block = 1 + place / SIEVE_BLOCK, at = base + place;
    unsigned bit = place % SIEVE_BLOCK;

    if ((state->kinds & SIEVE_WORD) != 0 && (triggers->word[block] >> bit & 1) != 0)
        return sieve_word_in(state->text, chunk, at, block, bit, ret_candidate);
    if ((state->kinds & SIEVE_NUMBER) != 0 && (triggers->number[block] >> bit & 1) != 0)
        return sieve_number_in(state->text, chunk, at, block, bit, ret_candidate);
    if ((state->kinds & SIEVE_MAIL) != 0 && (chunk->at[block] >> bit & 1) != 0)
        return sieve_mail_at(state->text, at, ret_candidate);
    return at >= state->colon_done &&
           sieve_colon_at(state->text, at, &state->colon_done, ret_candidate);
}

/* Whole blocks of what is left of the text; behind it there are zeros, which are of no kind. */
SIEVE_INLINED const uint8_t *sieve_padded(struct slice rest, size_t blocks,
                                          uint8_t padded[SIEVE_BYTES])
{
    if (rest.len >= blocks * SIEVE_BLOCK)
        return rest.at;
    memcpy(padded, rest.at, rest.len);
    memset(padded + rest.len, 0, blocks * SIEVE_BLOCK - rest.len);
    return padded;
}

/* What a later chunk will need is fetched while this one is worked on. */
SIEVE_INLINED void sieve_fetch(struct slice rest)
{
    for (size_t at = SIEVE_AHEAD; at < SIEVE_AHEAD + SIEVE_BYTES && at < rest.len;
         at += SIEVE_BLOCK)
        __builtin_prefetch(rest.at + at);
}

SIEVE_INLINED void sieve_look_at(struct slice rest, size_t blocks, struct sieve_state *state,
                                 const struct sieve_eyes *eyes, struct sieve_chunk *ret_chunk,
                                 struct sieve_triggers *ret_triggers)
{
    const uint8_t *at = sieve_padded(rest, blocks + 1, state->padded);

    sieve_fetch(rest);
    if ((state->kinds & SIEVE_MAIL) != 0)
        eyes->mails(at, blocks, ret_chunk);
    if ((state->kinds & SIEVE_NUMBER) != 0) {
        eyes->numbers(at, blocks + 1, ret_chunk);
        sieve_find_numbers(blocks, ret_chunk, ret_triggers);
    }
    if ((state->kinds & SIEVE_COLON) != 0) {
        eyes->colons(at, blocks + 1, ret_chunk);
        sieve_find_colons(blocks, ret_chunk, ret_triggers);
    }
    if ((state->kinds & SIEVE_WORD) != 0) {
        eyes->words(at, blocks + 1, ret_chunk);
        sieve_find_words(blocks, ret_chunk, ret_triggers);
    }
    sieve_list(blocks, ret_chunk, state->kinds, ret_triggers);
}

SIEVE_INLINED bool sieve_blocks(struct slice text, unsigned kinds, sieve_sink *sink,
                                void *self, const struct sieve_eyes *eyes)
{
    struct sieve_state state = {.text = text, .kinds = kinds};
    struct sieve_chunk chunk = {0};
    struct sieve_triggers triggers;
    struct sieve_candidate candidate;

    for (size_t base = 0; base < text.len; base += SIEVE_CHUNK * SIEVE_BLOCK) {
        struct slice rest = slice_of_bytes(text.at + base, text.len - base);
        size_t blocks = rest.len < SIEVE_CHUNK * SIEVE_BLOCK
                            ? (rest.len + SIEVE_BLOCK - 1) / SIEVE_BLOCK
                            : SIEVE_CHUNK;

        sieve_look_at(rest, blocks, &state, eyes, &chunk, &triggers);
        for (size_t i = 0; i < triggers.count; i++) {
            if (sieve_found(&state, &chunk, &triggers, base, triggers.list[i], &candidate) &&
                !sink(self, &candidate))
                return false;
        }
    }
    return true;
}

#endif
