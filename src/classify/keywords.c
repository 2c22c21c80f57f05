/* Of literals: the table that they are looked for by. */
#include "classify/keywords.h"

#include <assert.h>
#include <stdlib.h>

#include "classify/keywords_parts.h"

/* What literals of a length are found by. The last row is for all that are longer. */
static const struct kind {
    size_t len;        /* at least */
    size_t span;       /* bytes of it that count */
    size_t seen;       /* of them the windows of one place see */
    int other_shift;   /* from its one place to its other one */
    uint8_t bit, other_bit;
} kinds[] = {
    {3, 3, 3, -1, KEYWORD_SHORT, KEYWORD_SHORT_2ND},
    {4, 4, 3, -1, KEYWORD_MIDDLE, KEYWORD_MIDDLE_2ND},
    {6, 6, 5, 1, KEYWORD_LONG, KEYWORD_LONG},
};

/* How rare bytes and pairs of bytes are, by their low five bits: bits of information each as a digit of base 36. Of 60 MB of
 * source. By this it is chosen which of its bytes a literal is found by, and nothing else. */
static const char rare_bytes[] = "34555466545755455744467777768786";
static const char *const rare_pairs[] = {
    "47778888888a88888a8779a9cbb898bc",
    "9da99dcadadb898cac887bbdcacbfcec",
    "9aabb9bbc97c9bbaacabb9ddebcccddd",
    "99cac9dd8ab99ac8ceac8bdgedaedeeb",
    "79bca8ccb8beabbaccbacadecdccecda",
    "69a88a9baaad897b9a778dab9bbbcbc9",
    "8addcb9ec8afacc9dfabbbefedfeedfb",
    "8bbcd8ecb8bfbbabdfb9bbdfgfcdddeb",
    "98aab7bcb9bdbbb9ccaabbdeefddeedb",
    "8aa98999c7ac8a79ad987dbebfa9dbed",
    "6ba9cadcd77dc8cacecbbccefgfcdbge",
    "acdedaedcbdcdcccddeccdfgggedfdgc",
    "79bca7ccc8ad8cb9cdd9a9ddfacdeceb",
    "98bbb8acc9cdb7b99bb8bbddeceeee9d",
    "799888a8b99bab98bcb989bdecccccdb",
    "8b999c9bca9ba87a9e7a99baefeedeec",
    "a8cdc9ddbace9cc99b9b99dcbccbcaab",
    "acbdeeeeeccebecdbdcddadedeececge",
    "78bab7dab8bba999bd999abdeaccecdb",
    "7aaab7d898bcaaaaadc979dcebbcccda",
    "78bab7cc77adaaa8bd79a9dccacbdcd9",
    "baaacabceade9a9dac999ededeegffhf",
    "caeef9fffbdgdddbdeddceeefefdgegd",
    "abefebfgbadgddcbcebcdeeeeefggfhd",
    "addcecefebdfccdeacedbeeedeeefefc",
    "9dceedfecccfbcbbbedbcdeeedeefefc",
    "9ddedaedfdbgeeedccdcddeefdcgeeie",
    "aedccdedfc7fdcdecccddfffgeg9dcgg",
    "bdbdddeeeecfddabbfdddeggdgegcegf",
    "8gbfdefefc9fcecfbeffeghhggfcd9ee",
    "accddcdeedbfddcdbddddefggifeccch",
    "dbbababccbeebbbbadbaacdcfgfggfgd",
};

static unsigned rarity(char digit)
{
    return (unsigned)(digit <= '9' ? digit - '0' : digit - 'a' + 10);
}

static unsigned bits_of(const uint8_t *at, size_t len)
{
    unsigned bits = 0;

    for (size_t i = 0; i + 1 < len; i++) {
        bits += rarity(rare_pairs[at[i] & 31][at[i + 1] & 31]);
        if (i > 0)
            bits -= rarity(rare_bytes[at[i] & 31]);
    }
    return bits < 62 ? bits : 62;
}

/* Where the bytes are rarest at both places. */
static int best_shift(struct slice text, const struct kind *kind)
{
    uint64_t least = UINT64_MAX;
    size_t best = 0;

    for (size_t shift = 0; shift + kind->span <= text.len; shift++) {
        uint64_t often = (UINT64_C(1) << (62 - bits_of(text.at + shift, kind->seen))) +
                         (UINT64_C(1) << (62 - bits_of(text.at + shift + kind->span - kind->seen,
                                                       kind->seen)));

        if (often < least) {
            least = often;
            best = shift;
        }
    }
    return (int)best;
}

/* Sets a bit at all windows that there may be at `at`, which may be one byte in front of the literal or one too far. */
static void set_window(struct keywords *keywords, struct slice text, int at, uint8_t bit)
{
    bool is_first_any = at < 0, is_last_any = at + 2 >= (int)text.len;

    for (uint32_t first = 0; first < (is_first_any ? 32 : 1); first++)
        for (uint32_t last = 0; last < (is_last_any ? 64 : 1); last++) {
            const uint8_t bytes[] = {
                is_first_any ? (uint8_t)first : text.at[at], text.at[at + 1],
                is_last_any ? (uint8_t)((last & 31) | (last & 32) << 1) : text.at[at + 2]};

            keywords->windows[keyword_window(bytes)] |= bit;
        }
}

static void add_place(struct keywords *keywords, size_t number, int shift, uint8_t bit)
{
    struct slice text = keywords->all[number].text;
    uint8_t place[8] = {0}; /* what may be there, from the literal on */
    uint64_t mask = text.len >= 8 ? ~UINT64_C(0) : (UINT64_C(1) << 8 * text.len) - 1;
    uint32_t key;

    set_window(keywords, text, shift, bit);
    if ((bit & KEYWORD_TWO) != 0)
        set_window(keywords, text, shift + 2, (uint8_t)(bit << 1));
    for (int i = 0; i < (int)sizeof(place); i++)
        if (shift + i >= 0 && shift + i < (int)text.len)
            place[i] = text.at[shift + i];
    key = keyword_key(place, bit);
    keywords->keys[key / 8] |= (uint8_t)(1U << key % 8);
    keywords->entries[keywords->entry_count++] = (struct keyword_entry){
        .head = (keyword_head(text.at, text.len) | KEYWORD_CASE) & mask,
        .mask = mask,
        .keyword = (uint32_t)number,
        .shift = (int8_t)shift,
        .bit = bit,
        .bucket = (uint16_t)keyword_bucket(key)};
}

static void add(struct keywords *keywords, const struct keyword *keyword)
{
    const struct kind *kind = &kinds[COUNT(kinds) - 1];
    size_t number = keywords->count++;
    int shift;

    assert(keyword->text.len >= KEYWORD_BYTES_MIN && keyword->text.len <= KEYWORD_BYTES_MAX);
    while (kind->len > keyword->text.len)
        kind--;
    shift = best_shift(keyword->text, kind);
    keywords->all[number] = *keyword;
    add_place(keywords, number, shift, kind->bit);
    add_place(keywords, number, shift + kind->other_shift, kind->other_bit);
}

static int by_bucket(const void *a, const void *b)
{
    const struct keyword_entry *x = a, *y = b;

    if (x->bucket != y->bucket)
        return x->bucket < y->bucket ? -1 : 1;
    return (x->keyword > y->keyword) - (x->keyword < y->keyword);
}

static void index_entries(struct keywords *keywords)
{
    size_t at = 0;

    if (keywords->entry_count > 0)
        qsort(keywords->entries, keywords->entry_count, sizeof(*keywords->entries), by_bucket);
    for (size_t bucket = 0; bucket < KEYWORD_BUCKETS; bucket++) {
        keywords->first[bucket] = (uint32_t)at;
        while (at < keywords->entry_count && keywords->entries[at].bucket == bucket)
            at++;
    }
    keywords->first[KEYWORD_BUCKETS] = (uint32_t)at;
}

struct keywords *keywords_new(const struct keyword *all, size_t count)
{
    struct keywords *keywords = xalloc(sizeof(*keywords));

    keywords->all = xalloc_array(count + 1, sizeof(*keywords->all));
    keywords->entries = xalloc_array(2 * count + 1, sizeof(*keywords->entries));
    for (size_t i = 0; i < count; i++)
        add(keywords, &all[i]);
    index_entries(keywords);
    return keywords;
}

void keywords_free(struct keywords *keywords)
{
    if (keywords == NULL)
        return;
    free(keywords->all);
    free(keywords->entries);
    free(keywords->hits);
    free(keywords);
}
