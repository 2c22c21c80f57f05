/* Examples are written as templates, so that no file holds a value that looks live. */
#include "classify/rule.h"

#define ALPHABET_MAX 256
#define COUNT_MAX 4096

/* "A-Za-z0-9_-": ranges, and a hyphen that is first or last. False: none. */
static bool read_alphabet(struct slice text, uint8_t *ret_bytes, size_t *ret_count)
{
    size_t count = 0;

    for (size_t i = 0; i < text.len; i++) {
        bool is_range = i + 2 < text.len && text.at[i + 1] == '-';
        unsigned last = is_range ? text.at[i + 2] : text.at[i];

        if (last < text.at[i])
            return false;
        for (unsigned byte = text.at[i]; byte <= last && count < ALPHABET_MAX; byte++)
            ret_bytes[count++] = (uint8_t)byte;
        i += is_range ? 2 : 0;
    }
    *ret_count = count;
    return count > 0;
}

/* A linear congruence (Knuth's MMIX): no secret, the same everywhere. */
static size_t pick(uint64_t *state, size_t count)
{
    *state = *state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (size_t)(*state >> 33) % count;
}

/* None of the letters comes again before each has come: a short text has entropy, too. */
static void shuffle(uint64_t *state, uint8_t *alphabet, size_t count)
{
    for (size_t i = count - 1; i > 0; i--) {
        size_t other = pick(state, i + 1);
        uint8_t byte = alphabet[i];

        alphabet[i] = alphabet[other];
        alphabet[other] = byte;
    }
}

static bool add_random(struct slice inside, uint64_t *state, struct buf *text,
                       struct fault *fault)
{
    uint8_t alphabet[ALPHABET_MAX];
    size_t colon = slice_find_byte(inside, ':', 0), number = 0, letters = 0;

    if (colon == SIZE_MAX || colon == 0 || colon > 4 ||
        !read_alphabet(slice_part(inside, colon + 1, inside.len), alphabet, &letters))
        return fault_set(fault, FAULT_INVALID, "not of the form {{n:alphabet}}");
    for (size_t i = 0; i < colon; i++) {
        if (inside.at[i] < '0' || inside.at[i] > '9')
            return fault_set(fault, FAULT_INVALID, "not of the form {{n:alphabet}}");
        number = number * 10 + (inside.at[i] - (unsigned)'0');
    }
    if (number == 0 || number > COUNT_MAX)
        return fault_set(fault, FAULT_INVALID, "{{n:...}} of 1 to %d", COUNT_MAX);
    for (size_t i = 0; i < number; i++) {
        if (i % letters == 0)
            shuffle(state, alphabet, letters);
        if (!buf_add_byte(text, alphabet[i % letters], fault))
            return false;
    }
    return true;
}

bool rule_expand(struct slice template, struct buf *ret_text, struct fault *fault)
{
    uint64_t state = UINT64_C(0x2545f4914f6cdd1d);

    for (size_t at = 0; at < template.len;) {
        size_t open = slice_find(template, SLICE("{{"), at);
        size_t close = open == SIZE_MAX ? SIZE_MAX : slice_find(template, SLICE("}}"), open);

        if (close == SIZE_MAX)
            return buf_add(ret_text, slice_part(template, at, template.len), fault);
        if (!buf_add(ret_text, slice_part(template, at, open), fault) ||
            !add_random(slice_part(template, open + 2, close), &state, ret_text, fault))
            return false;
        at = close + 2;
    }
    return true;
}
