/*
 * Known values in a text. Windows slide over it (known_windows.c); each value has the windows that
 * its beginning makes (known_index.c), so that nothing is decoded to look for it. What is written in
 * another way is decoded first (decode.h).
 */
#include "base/hex.h"
#include "base/scope.h"
#include "classify/ascii.h"
#include "classify/decode.h"
#include "classify/known_parts.h"
#include "wire/base64.h"

#define LEVELS 2 /* encodings on top of one another that are taken off */
#define WORK_PER_BYTE 64
#define WORK_LEAST (UINT64_C(1) << 20)
#define TEXT_BYTES_MAX (64UL * 1024 * 1024)

const struct known_alphabet known_base64 = {TAG_BASE64, 6, KNOWN_DIGITS, 8};
const struct known_alphabet known_hexadecimal = {TAG_HEX, 4, 12, 4};

/* ---- digits ---- */

const int8_t *known_digits(enum known_tag tag)
{
    static int8_t tables[2][256];
    static bool is_ready;

    for (unsigned byte = 0; !is_ready && byte < 256; byte++) {
        int digit64 = base64_digit((uint8_t)byte), digit16 = hex_digit((uint8_t)byte);
        bool ends = byte == '\r' || byte == '\n';

        tables[0][byte] = (int8_t)(digit64 >= 0 ? digit64
                                   : ends       ? KNOWN_BETWEEN
                                                : KNOWN_BREAK);
        tables[1][byte] =
            (int8_t)(digit16 >= 0 ? digit16
                     : ends || (byte != 0 && strchr(" \t:,-\\xX", (int)byte) != NULL)
                         ? KNOWN_BETWEEN
                         : KNOWN_BREAK);
    }
    is_ready = true;
    return tables[tag == TAG_HEX];
}

bool known_is_prefix(struct slice text, size_t at)
{
    return text.at[at] == '0' && at + 1 < text.len && lower(text.at[at + 1]) == 'x';
}

int known_digit_at(const struct known_alphabet *alphabet, struct slice text, size_t at)
{
    if (alphabet->tag == TAG_HEX && known_is_prefix(text, at))
        return KNOWN_BETWEEN;
    return known_digits(alphabet->tag)[text.at[at]];
}

size_t known_next_digit(struct known_search *search, const struct known_alphabet *alphabet,
                        struct slice text, size_t at, bool is_back)
{
    while (is_back ? at > 0 : at + 1 < text.len) {
        int digit;

        at = is_back ? at - 1 : at + 1;
        search->work++;
        digit = known_digit_at(alphabet, text, at);
        if (digit != KNOWN_BETWEEN)
            return digit == KNOWN_BREAK ? SIZE_MAX : at;
    }
    return SIZE_MAX;
}

/* ---- from a window to a value ---- */

static bool is_part_of_number(const struct known_piece *piece, int before, int behind)
{
    return piece->is_number && ((before >= 0 && is_digit((uint8_t)before)) ||
                                (behind >= 0 && is_digit((uint8_t)behind)));
}

static bool stands_at(const struct known_needle *needle, const struct known_piece *piece,
                      struct slice text, size_t at)
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

/* Bytes of a run of digits, from the digit `at` on. */
struct unpacking {
    const struct known_alphabet *alphabet;
    struct slice text;
    size_t at; /* SIZE_MAX: used up */
    uint32_t waiting;
    unsigned count;
};

static void feed(struct known_search *search, struct unpacking *run)
{
    int digit = known_digit_at(run->alphabet, run->text, run->at);

    run->waiting = run->waiting << run->alphabet->bits | (uint32_t)digit;
    run->count += run->alphabet->bits;
    run->at = known_next_digit(search, run->alphabet, run->text, run->at, false);
}

/* -1: there is no more. */
static int next_byte(struct known_search *search, struct unpacking *run)
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
static bool is_encoded_at(struct known_search *search, const struct known_needle *needle,
                          const struct known_piece *piece,
                          const struct known_alphabet *alphabet, struct slice text,
                          size_t last)
{
    struct unpacking run = {.alphabet = alphabet, .text = text, .at = last};
    unsigned have = 1, front, drop;
    int before = -1;

    for (size_t at = last; have < alphabet->window + 2 && at != SIZE_MAX;) {
        at = known_next_digit(search, alphabet, text, at, true);
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

void known_look_at(struct known_search *search, uint64_t key,
                   const struct known_alphabet *alphabet, struct slice text, size_t at)
{
    const struct known_index *index = search->index;

    for (uint32_t next = index->slots[known_slot(index, key)];
         next != 0 && search->work <= search->work_max;) {
        const struct known_needle *needle = &index->needles[next - 1];
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

/* ---- encodings ---- */

/* The text, and what is under its encodings. */
static void look_deep(struct known_search *search, const struct reading *outer, unsigned depth)
{
    struct reading inner;
    struct fault fault = {0};

    known_look(search, outer->text);
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

static void look_through(struct known_search *search, struct slice text)
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
static void look_without_nul(struct known_search *search, struct slice text)
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
    struct known_search search = {.known = known,
                                  .work_max = (uint64_t)text.len * WORK_PER_BYTE + WORK_LEAST};

    if (known->count == 0)
        return 0;
    if (text.len > TEXT_BYTES_MAX)
        return CLASS_BIT(CLASS_OPAQUE);
    search.index = known_index_of(known);
    look_through(&search, text);
    if (slice_find_byte(text, 0, 0) != SIZE_MAX)
        look_without_nul(&search, text);
    return search.found | (search.work > search.work_max ? CLASS_BIT(CLASS_OPAQUE) : 0);
}
