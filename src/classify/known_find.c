/*
 * Known values in a text. Windows slide over it: five bytes in small letters, at every second place;
 * seven digits of base64 (42 bits, so that each alignment of a value has one); twelve digits of
 * hexadecimal. Each value has the windows that its beginning makes, in a filter of bits and behind
 * that in a table, so that nothing is decoded to look for it. What is written in another way is
 * decoded first (decode.h).
 */
#include <endian.h>
#include <stdlib.h>

#include "base/hex.h"
#include "base/scope.h"
#include "classify/ascii.h"
#include "classify/decode.h"
#include "classify/hex_runs.h"
#include "classify/known_parts.h"
#include "wire/base64.h"

#define LEVELS 2 /* encodings on top of one another that are taken off */
#define WORK_PER_BYTE 64
#define WORK_LEAST (UINT64_C(1) << 20)
#define TEXT_BYTES_MAX (64UL * 1024 * 1024)
#define MIX UINT64_C(0x9e3779b97f4a7c15)
#define FILTER_BITS_MIN 15
#define FILTER_BITS_MAX 25
#define FILTER_PER_NEEDLE 32 /* bits, of which each sets two: one window in 60 is looked up in vain */
#define MIX_AGAIN UINT64_C(0xc2b2ae3d27d4eb4f)
#define HASH_SHIFT (64 - FILTER_BITS_MAX)
#define CHUNK 4096U
#define WINDOW (KNOWN_BYTES_MIN - 1U) /* bytes: at one of two places that follow one another */
#define PHASES 2U
#define DIGITS 7U /* of base64 */
#define BYTES_MASK(count) ((UINT64_C(1) << 8 * (count)) - 1)

enum tag { TAG_BYTES, TAG_BASE64, TAG_HEX, TAG_COUNT };

/* A window that a value makes. */
struct needle {
    uint64_t key;   /* the tag is in its highest bits */
    uint32_t piece;
    uint32_t after; /* 1 + the next of the same slot; 0: none */
    uint8_t skip;   /* of the value in front of the window: bytes, or bits where it is of digits */
    bool is_backwards;
};

/* Which windows may be of a value: of a few, small enough for the fastest cache. */
struct filter {
    uint64_t *bits;
    uint64_t mask; /* how many bits there are, less one */
};

struct known_index {
    struct needle *needles;
    size_t count, room;
    uint32_t *slots;
    size_t slot_count;
    struct filter filters[TAG_COUNT];
};

/* A search through one text. */
struct search {
    const struct known *known;
    const struct known_index *index;
    unsigned found;
    uint64_t work, work_max;
};

/* ---- digits ---- */

#define BETWEEN (-1) /* may stand between two digits */
#define BREAK (-2)

struct alphabet {
    enum tag tag;
    unsigned bits, window, room; /* of a digit; digits of a window; bits of one in a window */
};

static const struct alphabet base64 = {TAG_BASE64, 6, DIGITS, 8};
static const struct alphabet hexadecimal = {TAG_HEX, 4, 12, 4};

static const int8_t *digits_of(enum tag tag)
{
    static int8_t tables[2][256];
    static bool is_ready;

    for (unsigned byte = 0; !is_ready && byte < 256; byte++) {
        int digit64 = base64_digit((uint8_t)byte), digit16 = hex_digit((uint8_t)byte);
        bool ends = byte == '\r' || byte == '\n';

        tables[0][byte] = (int8_t)(digit64 >= 0 ? digit64 : ends ? BETWEEN : BREAK);
        tables[1][byte] = (int8_t)(digit16 >= 0 ? digit16
                                   : ends || (byte != 0 && strchr(" \t:,-\\xX", (int)byte) != NULL)
                                       ? BETWEEN
                                       : BREAK);
    }
    is_ready = true;
    return tables[tag == TAG_HEX];
}

/* The 0 of "0x41" is none. */
static bool is_prefix(struct slice text, size_t at)
{
    return text.at[at] == '0' && at + 1 < text.len && lower(text.at[at + 1]) == 'x';
}

static int digit_at(const struct alphabet *alphabet, struct slice text, size_t at)
{
    if (alphabet->tag == TAG_HEX && is_prefix(text, at))
        return BETWEEN;
    return digits_of(alphabet->tag)[text.at[at]];
}

/* ---- the index ---- */

static uint64_t tagged(uint64_t window, enum tag tag)
{
    return window | (uint64_t)tag << 56;
}

static enum tag tag_of(uint64_t key)
{
    return (enum tag)(key >> 56);
}

static inline bool has_bit(struct filter filter, uint64_t key, uint64_t mix)
{
    uint64_t bit = key * mix >> HASH_SHIFT & filter.mask;

    return (filter.bits[bit / 64] >> bit % 64 & 1) != 0;
}

static inline bool is_hit(struct filter filter, uint64_t key)
{
    return has_bit(filter, key, MIX) && has_bit(filter, key, MIX_AGAIN);
}

static void set_bit(struct filter filter, uint64_t key, uint64_t mix)
{
    uint64_t bit = key * mix >> HASH_SHIFT & filter.mask;

    filter.bits[bit / 64] |= UINT64_C(1) << bit % 64;
}

static size_t slot_of(const struct known_index *index, uint64_t key)
{
    return (size_t)(key * MIX >> 16) & (index->slot_count - 1);
}

void known_index_free(struct known_index *index)
{
    if (index == NULL)
        return;
    if (index->needles != NULL)
        explicit_bzero(index->needles, index->room * sizeof(*index->needles));
    free(index->needles);
    free(index->slots);
    for (unsigned tag = 0; tag < TAG_COUNT; tag++)
        free(index->filters[tag].bits);
    free(index);
}

static void add_needle(struct known_index *index, struct needle needle)
{
    index->needles =
        xgrow(index->needles, &index->room, index->count + 1, sizeof(*index->needles));
    index->needles[index->count++] = needle;
}

static uint8_t same(uint8_t byte)
{
    return byte;
}

/* Windows are as a processor of small end loads them: the first byte is the lowest. */
static uint64_t append(uint64_t window, unsigned bits, unsigned count, unsigned part)
{
    return window >> bits | (uint64_t)part << bits * (count - 1);
}

/* The digits of a value from its bit `skip` on, each of its bytes as `as` has it. In base64 each
 * takes a byte of the window. */
static uint64_t digits_window(const struct known_piece *piece, unsigned skip,
                              const struct alphabet *alphabet, uint8_t (*as)(uint8_t byte))
{
    uint64_t window = 0;

    for (unsigned i = 0, bit = skip; i < alphabet->window; i++) {
        unsigned digit = 0;

        for (unsigned end = bit + alphabet->bits; bit < end; bit++)
            digit = digit << 1 | (as(piece->at[bit / 8]) >> (7 - bit % 8) & 1U);
        window = append(window, alphabet->room, alphabet->window, digit);
    }
    return window;
}

/* In digits a letter's case makes another window: it is known as it is, small, and large. */
static void add_encoded(struct known_index *index, const struct known_piece *piece, uint32_t number)
{
    static uint8_t (*const cases[])(uint8_t byte) = {same, lower, upper};
    static const struct {
        const struct alphabet *alphabet;
        uint8_t skip;
    } ways[] = {{&base64, 0}, {&base64, 4}, {&base64, 2}, {&hexadecimal, 0}};

    for (size_t w = 0; w < COUNT(ways); w++) {
        const struct alphabet *alphabet = ways[w].alphabet;
        uint64_t keys[COUNT(cases)];

        for (size_t c = 0; c < COUNT(cases); c++) {
            bool is_new = true;

            keys[c] = tagged(digits_window(piece, ways[w].skip, alphabet, cases[c]),
                             alphabet->tag);
            for (size_t i = 0; i < c; i++)
                is_new = is_new && keys[i] != keys[c];
            if (is_new)
                add_needle(index, (struct needle){
                                      .key = keys[c], .piece = number, .skip = ways[w].skip});
        }
    }
}

static uint64_t bytes_window(const struct known_piece *piece, unsigned skip, bool is_backwards)
{
    uint64_t window = 0;

    for (unsigned i = skip; i < skip + WINDOW; i++)
        window = append(window, 8, WINDOW,
                        lower(piece->at[is_backwards ? piece->len - 1U - i : i]));
    return window;
}

static void add_bytes(struct known_index *index, const struct known_piece *piece, uint32_t number)
{
    for (unsigned way = 0; way < 2 * PHASES; way++) {
        uint8_t skip = (uint8_t)(way % PHASES);
        bool is_backwards = way >= PHASES;

        add_needle(index,
                   (struct needle){.key = tagged(bytes_window(piece, skip, is_backwards), TAG_BYTES),
                                   .piece = number,
                                   .skip = skip,
                                   .is_backwards = is_backwards});
    }
}

static void make_filter(struct filter *filter, size_t needles)
{
    unsigned bits = FILTER_BITS_MIN;

    while (bits < FILTER_BITS_MAX && UINT64_C(1) << bits < (uint64_t)needles * FILTER_PER_NEEDLE)
        bits++;
    filter->bits = xalloc_array((UINT64_C(1) << bits) / 64, sizeof(*filter->bits));
    filter->mask = (UINT64_C(1) << bits) - 1;
}

static void index_all(struct known_index *index)
{
    size_t counts[TAG_COUNT] = {0};

    for (index->slot_count = 64; index->slot_count < index->count; index->slot_count *= 2)
        ;
    index->slots = xalloc_array(index->slot_count, sizeof(*index->slots));
    for (size_t i = 0; i < index->count; i++)
        counts[tag_of(index->needles[i].key)]++;
    for (unsigned tag = 0; tag < TAG_COUNT; tag++)
        make_filter(&index->filters[tag], counts[tag]);
    for (size_t i = 0; i < index->count; i++) {
        struct needle *needle = &index->needles[i];
        size_t slot = slot_of(index, needle->key);

        set_bit(index->filters[tag_of(needle->key)], needle->key, MIX);
        set_bit(index->filters[tag_of(needle->key)], needle->key, MIX_AGAIN);
        needle->after = index->slots[slot];
        index->slots[slot] = (uint32_t)i + 1;
    }
}

static const struct known_index *index_of(struct known *known)
{
    struct known_index *index;

    if (known->index != NULL && known->indexed == known->count)
        return known->index;
    known_index_free(known->index);
    index = xalloc(sizeof(*index));
    for (size_t i = 0; i < known->count; i++) {
        add_bytes(index, &known->pieces[i], (uint32_t)i);
        add_encoded(index, &known->pieces[i], (uint32_t)i);
    }
    index_all(index);
    known->index = index;
    known->indexed = known->count;
    return index;
}

/* ---- from a window to a value ---- */

static bool is_part_of_number(const struct known_piece *piece, int before, int behind)
{
    return piece->is_number && ((before >= 0 && is_digit((uint8_t)before)) ||
                                (behind >= 0 && is_digit((uint8_t)behind)));
}

static bool stands_at(const struct needle *needle, const struct known_piece *piece, struct slice text,
                      size_t at)
{
    size_t end;

    if (at < needle->skip || piece->len > text.len - (at - needle->skip))
        return false;
    at -= needle->skip;
    end = at + piece->len;
    for (size_t i = 0; i < piece->len; i++)
        if (lower(text.at[needle->is_backwards ? end - 1 - i : at + i]) != lower(piece->at[i]))
            return false;
    return !is_part_of_number(piece, at == 0 ? -1 : text.at[at - 1],
                              end == text.len ? -1 : text.at[end]);
}

/* The digit before or behind a place; SIZE_MAX: something else comes first. */
static size_t next_digit(struct search *search, const struct alphabet *alphabet,
                         struct slice text, size_t at, bool is_back)
{
    while (is_back ? at > 0 : at + 1 < text.len) {
        int digit;

        at = is_back ? at - 1 : at + 1;
        search->work++;
        digit = digit_at(alphabet, text, at);
        if (digit != BETWEEN)
            return digit == BREAK ? SIZE_MAX : at;
    }
    return SIZE_MAX;
}

/* Bytes of a run of digits, from the digit `at` on. */
struct unpacking {
    const struct alphabet *alphabet;
    struct slice text;
    size_t at; /* SIZE_MAX: used up */
    uint32_t waiting;
    unsigned count;
};

static void feed(struct search *search, struct unpacking *run)
{
    int digit = digit_at(run->alphabet, run->text, run->at);

    run->waiting = run->waiting << run->alphabet->bits | (uint32_t)digit;
    run->count += run->alphabet->bits;
    run->at = next_digit(search, run->alphabet, run->text, run->at, false);
}

/* -1: there is no more. */
static int next_byte(struct search *search, struct unpacking *run)
{
    while (run->count < 8 && run->at != SIZE_MAX)
        feed(search, run);
    if (run->count < 8)
        return -1;
    run->count -= 8;
    return (int)(run->waiting >> run->count & 0xff);
}

/* Is the window whose last digit is at `last` of that value, written in digits? Two digits in front
 * of it hold what is missing of the first byte, and the byte before that. */
static bool is_encoded_at(struct search *search, const struct needle *needle,
                          const struct known_piece *piece, const struct alphabet *alphabet,
                          struct slice text, size_t last)
{
    struct unpacking run = {.alphabet = alphabet, .text = text, .at = last};
    unsigned have = 1, front, drop;
    int before = -1;

    for (size_t at = last; have < alphabet->window + 2 && at != SIZE_MAX;) {
        at = next_digit(search, alphabet, text, at, true);
        if (at != SIZE_MAX) {
            run.at = at;
            have++;
        }
    }
    front = have < alphabet->window ? 0 : (have - alphabet->window) * alphabet->bits;
    if (have < alphabet->window || front < needle->skip)
        return false;
    front -= needle->skip; /* bits in front of the value */
    drop = front % 8;
    while (run.count < drop)
        feed(search, &run);
    run.count -= drop;
    if (front >= 8)
        before = next_byte(search, &run);
    for (size_t i = 0; i < piece->len; i++) {
        int byte = next_byte(search, &run);

        if (byte < 0 || lower((uint8_t)byte) != lower(piece->at[i]))
            return false;
    }
    return !is_part_of_number(piece, before, next_byte(search, &run));
}

/* The values that make this window. `alphabet` NULL: it begins at `at`; else its last digit is
 * there. */
static __attribute__((noinline)) void look_at(struct search *search, uint64_t key,
                                              const struct alphabet *alphabet,
                                              struct slice text, size_t at)
{
    const struct known_index *index = search->index;

    for (uint32_t next = index->slots[slot_of(index, key)];
         next != 0 && search->work <= search->work_max;) {
        const struct needle *needle = &index->needles[next - 1];
        const struct known_piece *piece = &search->known->pieces[needle->piece];

        search->work++;
        next = needle->after;
        if (needle->key != key || (search->found & CLASS_BIT(piece->class)) != 0)
            continue;
        search->work += piece->len;
        if (alphabet == NULL ? stands_at(needle, piece, text, at)
                             : is_encoded_at(search, needle, piece, alphabet, text, at))
            search->found |= CLASS_BIT(piece->class);
    }
}

/* ---- windows of bytes ---- */

static inline sixteen to_small(sixteen bytes)
{
    return bytes | (sixteen_within(bytes, 'A', 'Z') & 0x20);
}

/* CHUNK bytes and what the window of the last one reaches, in small letters. */
struct chunk {
    uint8_t bytes[CHUNK + SIXTEEN];
};

static void fill(struct chunk *chunk, struct slice text, size_t from)
{
    size_t len = text.len - from < sizeof(chunk->bytes) ? text.len - from : sizeof(chunk->bytes);
    size_t at = 0;

    for (; len - at >= SIXTEEN; at += SIXTEEN) {
        sixteen small = to_small(sixteen_load(text.at + from + at));

        memcpy(chunk->bytes + at, &small, sizeof(small));
    }
    for (; at < len; at++)
        chunk->bytes[at] = lower(text.at[from + at]);
}

static inline uint64_t window_at(const struct chunk *chunk, size_t at)
{
    uint64_t window;

    memcpy(&window, chunk->bytes + at, sizeof(window));
    return le64toh(window) & BYTES_MASK(WINDOW);
}

static __attribute__((noinline)) void look_as_bytes(struct search *search, struct slice text)
{
    const struct filter filter = search->index->filters[TAG_BYTES];
    struct chunk chunk;

    for (size_t from = 0; from + WINDOW <= text.len && search->work <= search->work_max;
         from += CHUNK) {
        size_t count = text.len - from - WINDOW + 1;

        fill(&chunk, text, from);
        count = count < CHUNK ? count : CHUNK;
        for (size_t i = 0; i < count; i += PHASES) {
            uint64_t key = tagged(window_at(&chunk, i), TAG_BYTES);

            if (is_hit(filter, key))
                look_at(search, key, NULL, text, from + i);
        }
    }
}

/* ---- windows of base64 ---- */

/* 0xff: none. */
static inline sixteen to_digits(sixteen bytes)
{
    sixteen large = sixteen_within(bytes, 'A', 'Z'), small = sixteen_within(bytes, 'a', 'z');
    sixteen number = sixteen_within(bytes, '0', '9');
    sixteen plus = sixteen_is(bytes, '+') | sixteen_is(bytes, '-');
    sixteen slash = sixteen_is(bytes, '/') | sixteen_is(bytes, '_');

    return (large & (bytes - 'A')) | (small & (bytes - 'a' + 26)) | (number & (bytes - '0' + 52)) |
           (plus & 62) | (slash & 63) | ~(large | small | number | plus | slash);
}

#define BLOCK 64U
#define BLOCK_READS (BLOCK + 2 * SIXTEEN) /* bytes that a block's windows lie in */

static inline uint64_t digit_bits(const uint8_t *at)
{
    sixteen bytes = sixteen_load(at), small = bytes | 0x20;

    return sixteen_bits(sixteen_within(small, 'a', 'z') | sixteen_within(bytes, '/', '9') |
                        sixteen_is(bytes, '+') | sixteen_is(bytes, '-') | sixteen_is(bytes, '_'));
}

/* Which of 64 places eight digits in a row begin at. */
static inline uint64_t eights_in(const uint8_t *at)
{
    uint64_t low = 0, high = digit_bits(at + BLOCK);

    for (unsigned i = 0; i < BLOCK / SIXTEEN; i++)
        low |= digit_bits(at + i * SIXTEEN) << i * SIXTEEN;
    for (unsigned step = 1; step <= DIGITS / 2 + 1; step *= 2) {
        low &= low >> step | high << (BLOCK - step);
        high &= high >> step;
    }
    return low;
}

/*
 * A value of six bytes is in eight digits: in a row of eight, the first seven or the last seven are
 * its window. Words are shorter, most of them.
 */
static __attribute__((noinline)) void look_as_base64(struct search *search, struct slice text)
{
    const struct filter filter = search->index->filters[TAG_BASE64];
    uint8_t last[BLOCK_READS];
    uint64_t carried = 0;

    for (size_t at = 0; at < text.len && search->work <= search->work_max; at += BLOCK) {
        const uint8_t *bytes = text.at + at;
        uint64_t eights, windows;

        if (text.len - at < BLOCK_READS) {
            memset(last, 0, sizeof(last));
            memcpy(last, bytes, text.len - at);
            bytes = last;
        }
        eights = eights_in(bytes);
        windows = eights | eights << 1 | carried;
        carried = eights >> (BLOCK - 1);
        for (; windows != 0; windows &= windows - 1) {
            size_t i = (size_t)__builtin_ctzll(windows);
            uint64_t digits = sixteen_half(to_digits(sixteen_load(bytes + i)), 0);
            uint64_t key = tagged(digits & BYTES_MASK(DIGITS), TAG_BASE64);

            if (is_hit(filter, key))
                look_at(search, key, &base64, text, at + i + DIGITS - 1);
        }
    }
}

/* The windows that a line's end divides, and those beside it that are of no eight in a row. */
static void look_across(struct search *search, struct slice text, size_t end)
{
    const struct filter filter = search->index->filters[TAG_BASE64];
    size_t first = next_digit(search, &base64, text, end, true);
    size_t left = next_digit(search, &base64, text, end, false) == SIZE_MAX ? 0 : DIGITS;
    uint64_t window = 0;
    unsigned count = 1;

    if (first == SIZE_MAX || left == 0)
        return;
    for (size_t at = first; count < DIGITS && at != SIZE_MAX; count += at != SIZE_MAX) {
        at = next_digit(search, &base64, text, at, true);
        first = at == SIZE_MAX ? first : at;
    }
    for (size_t at = first, seen = 1; at != SIZE_MAX && seen <= count + left; seen++) {
        window = append(window, 8, DIGITS, (unsigned)digit_at(&base64, text, at));
        if (seen >= DIGITS && is_hit(filter, tagged(window, TAG_BASE64)))
            look_at(search, tagged(window, TAG_BASE64), &base64, text, at);
        at = next_digit(search, &base64, text, at, false);
    }
}

static void look_across_lines(struct search *search, struct slice text)
{
    for (size_t end = slice_find_byte(text, '\n', 0);
         end != SIZE_MAX && search->work <= search->work_max;
         end = slice_find_byte(text, '\n', end + 1)) {
        size_t last = end > 0 && text.at[end - 1] == '\r' ? end - 1 : end;

        if (last > 0 && base64_digit(text.at[last - 1]) >= 0) /* the first of several */
            look_across(search, text, end);
    }
}

/* ---- windows of hexadecimal ---- */

/* All windows of the run from `at` on; gives its end. */
static size_t look_at_run(struct search *search, struct slice text, size_t at)
{
    const struct filter filter = search->index->filters[TAG_HEX];
    const int8_t *table = digits_of(TAG_HEX);
    uint64_t window = 0;
    unsigned count = 0;

    for (; at < text.len && table[text.at[at]] != BREAK; at++) {
        int digit = table[text.at[at]];

        if (digit < 0 || (digit == 0 && is_prefix(text, at)))
            continue;
        window = append(window, 4, hexadecimal.window, (unsigned)digit);
        if (++count >= hexadecimal.window && is_hit(filter, tagged(window, TAG_HEX)))
            look_at(search, tagged(window, TAG_HEX), &hexadecimal, text, at);
    }
    return at;
}

static __attribute__((noinline)) void look_as_hex(struct search *search, struct slice text)
{
    const int8_t *table = digits_of(TAG_HEX);

    for (size_t done = 0; text.len - done >= hexadecimal.window && search->work <= search->work_max;) {
        size_t at = hex_find(text, done);

        while (at > done && table[text.at[at - 1]] != BREAK)
            at--;
        done = look_at_run(search, text, at);
        done += done < text.len; /* what broke it */
    }
}

static void look(struct search *search, struct slice text)
{
    look_as_bytes(search, text);
    look_as_base64(search, text);
    look_across_lines(search, text);
    look_as_hex(search, text);
}

/* ---- encodings ---- */

/* The text, and what is under its encodings. */
static void look_deep(struct search *search, const struct reading *outer, unsigned depth)
{
    struct reading inner;
    struct fault fault = {0};

    look(search, outer->text);
    if (depth == LEVELS || outer->text.len < KNOWN_BYTES_MIN)
        return;
    if (!reading_decode(outer, depth, &inner, &fault)) {
        search->found |= CLASS_BIT(CLASS_OPAQUE);
        return;
    }
    if (inner.unexamined > 0)
        search->found |= CLASS_BIT(CLASS_OPAQUE);
    if (inner.text.len > 0)
        look_deep(search, &inner, depth + 1);
    reading_free(&inner);
}

static void look_through(struct search *search, struct slice text)
{
    struct reading reading;
    struct fault fault = {0};

    reading_begin(&reading, FORMAT_PLAIN, text);
    if (!reading_add_plain(&reading, 0, text.len, &fault))
        search->found |= CLASS_BIT(CLASS_OPAQUE);
    reading_finish(&reading);
    look_deep(search, &reading, 0);
    reading_free(&reading);
}

/* Whatever it is that puts NULs between characters. */
static void look_without_nul(struct search *search, struct slice text)
{
    AUTO_BUF_SECRET struct buf joined = buf_with_limit(text.len);
    struct slice rest = text, part;
    struct fault fault = {0};

    while (slice_cut(&rest, 0, &part))
        if (!buf_add(&joined, part, &fault))
            search->found |= CLASS_BIT(CLASS_OPAQUE);
    look_through(search, buf_slice(&joined));
}

unsigned known_find(struct known *known, struct slice text)
{
    struct search search = {.known = known,
                            .work_max = (uint64_t)text.len * WORK_PER_BYTE + WORK_LEAST};

    if (known->count == 0)
        return 0;
    if (text.len > TEXT_BYTES_MAX)
        return CLASS_BIT(CLASS_OPAQUE);
    search.index = index_of(known);
    look_through(&search, text);
    if (slice_find_byte(text, 0, 0) != SIZE_MAX)
        look_without_nul(&search, text);
    return search.found | (search.work > search.work_max ? CLASS_BIT(CLASS_OPAQUE) : 0);
}
