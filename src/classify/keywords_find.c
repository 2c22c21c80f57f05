/* Literals in a text: places by the table, then which of them it is. */
#include "classify/ascii.h"
#include "classify/keywords_parts.h"

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

#define CHUNK KEYWORD_CHUNK
#define LANES KEYWORD_LANES
#define BEHIND KEYWORD_BEHIND
#define AHEAD KEYWORD_AHEAD
#define AT_ONCE KEYWORD_AT_ONCE
#define CACHE_LINE 64
#define JUDGED 32 /* places that are judged together */
#define INLINED __attribute__((always_inline)) static inline

typedef uint16_t lanes __attribute__((vector_size(2 * LANES)));
typedef uint16_t lanes_at __attribute__((vector_size(2 * LANES), aligned(1), may_alias));
typedef uint8_t judged __attribute__((vector_size(JUDGED)));
typedef uint8_t judged_at __attribute__((vector_size(JUDGED), aligned(1), may_alias));

/* The next chunk is fetched while this one is worked on. */
INLINED void fetch(struct slice text, size_t from)
{
    for (size_t at = from; at < from + CHUNK && at < text.len; at += CACHE_LINE)
        __builtin_prefetch(text.at + at);
}

/* Windows of every second byte. A lane holds two bytes, the first one low. */
INLINED void name_windows(const uint8_t *at, size_t places, uint16_t *ret_windows)
{
    for (size_t i = 0; i < places; i += LANES) {
        lanes two = *(const lanes_at *)(const void *)(at + 2 * i);
        lanes third = *(const lanes_at *)(const void *)(at + 2 * i + 2);

        *(lanes_at *)(void *)(ret_windows + i) =
            (two & 31) | (two >> 3 & 31 << 5) | (third & 31) << 10 | (third & 64) << 9;
    }
}

INLINED void look_up(const uint8_t *table, const uint16_t *windows, size_t places,
                     uint8_t *ret_bits)
{
    for (size_t i = 0; i < places; i += 8, windows += 8) { /* one store for eight: stores would be the limit */
        uint32_t low = ((uint32_t)table[windows[0]] | (uint32_t)table[windows[1]] << 8 |
                                  (uint32_t)table[windows[2]] << 16 | (uint32_t)table[windows[3]] << 24);
        uint32_t high = ((uint32_t)table[windows[4]] | (uint32_t)table[windows[5]] << 8 |
                                   (uint32_t)table[windows[6]] << 16 | (uint32_t)table[windows[7]] << 24);
        uint64_t eight = (uint64_t)high << 32 | low;

        memcpy(ret_bits + i, &eight, sizeof(eight));
    }
}

/* A bit for each place whose byte is not zero. */
INLINED uint32_t places_of(const judged *bytes)
{
    uint32_t places = 0;

#if defined(__SSE2__)
    for (unsigned i = 0; i < JUDGED; i += sizeof(__m128i)) {
        __m128i part;

        memcpy(&part, (const uint8_t *)bytes + i, sizeof(part));
        places |= (~(uint32_t)_mm_movemask_epi8(_mm_cmpeq_epi8(part, _mm_setzero_si128())) & 0xffff) << i;
    }
#else
    for (unsigned i = 0; i < JUDGED; i++)
        places |= (uint32_t)((*bytes)[i] != 0) << i;
#endif
    return places;
}

/* Which of the places have first bits that stay when the window behind is looked at? Its bits lie beside them; what is left is
 * put in their place. */
INLINED uint32_t judge(uint8_t *bits)
{
    const uint8_t two = KEYWORD_TWO;
    judged second = *(const judged_at *)(const void *)(bits + 1) >> 1;
    judged left = *(const judged_at *)(const void *)bits & KEYWORD_FIRST & (second | (uint8_t)~two);

    *(judged_at *)(void *)bits = left;
    return places_of(&left);
}

INLINED size_t list_places(uint8_t *bits, size_t places, uint16_t *ret_list)
{
    uint16_t *next = ret_list;

    for (size_t i = 0; i < places; i += JUDGED) {
        uint32_t left = judge(bits + i);
        uint16_t *end = next + __builtin_popcount(left);

        /* A wrong guess of how many there are costs more than to write some in vain. */
        for (unsigned n = 0; n < AT_ONCE; n++, left &= left - 1)
            next[n] = (uint16_t)(i + (unsigned)__builtin_ctz(left | 1U << 31));
        for (next += AT_ONCE; next < end; left &= left - 1)
            *next++ = (uint16_t)(i + (unsigned)__builtin_ctz(left));
        next = end;
    }
    return (size_t)(next - ret_list);
}

/* Those whose bytes together some literal has, which is more than that it has each three of them. */
INLINED size_t sift_places(const struct keywords *keywords, const uint8_t *at, const uint8_t *bits,
                           uint16_t *list, size_t count)
{
    size_t kept = 0;

    for (size_t i = 0; i < count; i++) {
        uint32_t left = bits[list[i]], key = keyword_key(at + 2 * (size_t)list[i], left);
        uint32_t is_more = (left & (left - 1)) != 0; /* rare: each is looked at */

        list[kept] = list[i];
        kept += is_more | keyword_has_key(keywords, key);
    }
    return kept;
}

INLINED size_t find_places(const struct keywords *keywords, const uint8_t *at, size_t places,
                           struct keyword_chunk *chunk)
{
    name_windows(at, places + BEHIND, chunk->windows);
    look_up(keywords->windows, chunk->windows, places + BEHIND, chunk->bits);
    return sift_places(keywords, at, chunk->bits, chunk->list,
                       list_places(chunk->bits, places, chunk->list));
}

typedef size_t find_way(const struct keywords *keywords, const uint8_t *at, size_t places,
                        struct keyword_chunk *chunk);

static size_t find_plainly(const struct keywords *keywords, const uint8_t *at, size_t places,
                           struct keyword_chunk *chunk)
{
    return find_places(keywords, at, places, chunk);
}

#if defined(__x86_64__)
__attribute__((target("avx2,popcnt,bmi,bmi2"))) static size_t
find_widely(const struct keywords *keywords, const uint8_t *at, size_t places,
            struct keyword_chunk *chunk)
{
    return find_places(keywords, at, places, chunk);
}
#endif

static find_way *way_here(void)
{
#if defined(__x86_64__)
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("popcnt") &&
        __builtin_cpu_supports("bmi") && __builtin_cpu_supports("bmi2"))
        return find_widely;
#endif
    return find_plainly;
}

static bool is_same(const struct keyword *keyword, const uint8_t *at)
{
    if (keyword->is_cased)
        return memcmp(at, keyword->text.at, keyword->text.len) == 0;
    for (size_t i = 0; i < keyword->text.len; i++)
        if (lower(at[i]) != lower(keyword->text.at[i]))
            return false;
    return true;
}

/* Later places have later ends, but for the length of a literal: the way up is short. */
static void add_hit(struct keywords *keywords, size_t keyword, size_t end)
{
    size_t at = keywords->hit_count++;
    struct keyword_hit *hits;

    keywords->hits = hits =
        xgrow(keywords->hits, &keywords->hit_room, keywords->hit_count, sizeof(*hits));
    for (; at > 0 && (hits[at - 1].end > end ||
                      (hits[at - 1].end == end && hits[at - 1].keyword > keyword));
         at--)
        hits[at] = hits[at - 1];
    hits[at] = (struct keyword_hit){end, keyword};
}

/* Which literals are at a place of the text, of those with this first bit? */
static void compare(struct keywords *keywords, struct slice text, const uint8_t *at, size_t place,
                    uint32_t bit)
{
    uint32_t bucket = keyword_bucket(keyword_key(at, bit));

    for (uint32_t i = keywords->first[bucket]; i < keywords->first[bucket + 1]; i++) {
        const struct keyword_entry *entry = &keywords->entries[i];
        const struct keyword *keyword = &keywords->all[entry->keyword];
        size_t start = place - (size_t)(ptrdiff_t)entry->shift;

        if (entry->bit != bit || (ptrdiff_t)place < entry->shift || start >= text.len ||
            ((keyword_head(text.at + start, text.len - start) | KEYWORD_CASE) & entry->mask) !=
                entry->head)
            continue;
        if (keyword->text.len <= text.len - start && is_same(keyword, text.at + start))
            add_hit(keywords, entry->keyword, start + keyword->text.len);
    }
}

/* Tells those that end up to `end`: what is found later ends later. */
static bool tell(struct keywords *keywords, size_t end, keywords_sink *sink, void *self)
{
    size_t told = 0;

    while (told < keywords->hit_count && keywords->hits[told].end <= end) {
        const struct keyword_hit *hit = &keywords->hits[told++];

        if (!sink(self, hit->keyword, hit->end)) {
            keywords->hit_count = 0;
            return false;
        }
    }
    keywords->hit_count -= told;
    if (told > 0 && keywords->hit_count > 0)
        memmove(keywords->hits, keywords->hits + told,
                keywords->hit_count * sizeof(*keywords->hits));
    return true;
}

static bool find_by(find_way *find, struct keywords *keywords, struct slice text,
                    keywords_sink *sink, void *self)
{
    struct keyword_chunk *chunk = &keywords->chunk;

    for (size_t base = 0; base < text.len; base += CHUNK) {
        size_t left = text.len - base, len = left < CHUNK ? left : CHUNK, count;
        size_t places = (len + 2 * JUDGED - 1) / (2 * JUDGED) * JUDGED;
        const uint8_t *at = text.at + base;

        if (left < 2 * places + AHEAD) {
            memcpy(chunk->padded, at, left);
            memset(chunk->padded + left, 0, 2 * places + AHEAD - left);
            at = chunk->padded;
        }
        fetch(text, base + CHUNK);
        count = find(keywords, at, places, chunk);
        for (size_t i = 0; i < count; i++) {
            size_t place = 2 * (size_t)chunk->list[i];

            uint32_t bits = chunk->bits[chunk->list[i]];

            for (; bits != 0; bits &= bits - 1)
                compare(keywords, text, at + place, base + place, bits & -bits);
        }
        if (!tell(keywords, base + len, sink, self))
            return false;
    }
    return true;
}

bool keywords_find(struct keywords *keywords, struct slice text, keywords_sink *sink,
                   void *self)
{
    return find_by(way_here(), keywords, text, sink, self);
}

bool keywords_find_plainly(struct keywords *keywords, struct slice text, keywords_sink *sink,
                           void *self)
{
    return find_by(find_plainly, keywords, text, sink, self);
}
