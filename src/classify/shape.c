#include "classify/shape.h"

#include "classify/ascii.h"

const struct alphabet alphabet_digit = {NULL, '0', 10, 3};
const struct alphabet alphabet_nonzero = {NULL, '1', 9, 3};
const struct alphabet alphabet_lower = {NULL, 'a', 26, 4};
const struct alphabet alphabet_upper = {NULL, 'A', 26, 4};
const struct alphabet alphabet_hex = {"0123456789abcdef", 0, 16, 4};
const struct alphabet alphabet_hex_upper = {"0123456789ABCDEF", 0, 16, 4};
static const struct alphabet hex_lower_letter = {NULL, 'a', 6, 2};
static const struct alphabet hex_upper_letter = {NULL, 'A', 6, 2};
static const struct alphabet eight_or_nine = {NULL, '8', 2, 1};

/*
 * Letters outside of ASCII become ones of the same script and case, as long in UTF-8. What is
 * in no row stays: punctuation, symbols, marks that combine.
 */
static const struct script {
    uint32_t from, to;
    struct alphabet alphabet;
} scripts[] = {
    {0x00c0, 0x00d6, {NULL, 0x00c0, 23, 4}},   /* Latin */
    {0x00d8, 0x00de, {NULL, 0x00c0, 23, 4}},
    {0x00df, 0x00f6, {NULL, 0x00e0, 23, 4}},
    {0x00f8, 0x00ff, {NULL, 0x00e0, 23, 4}},
    {0x0370, 0x03ac, {NULL, 0x0391, 17, 4}},   /* Greek */
    {0x03ad, 0x03ff, {NULL, 0x03b1, 25, 4}},
    {0x0400, 0x042f, {NULL, 0x0410, 32, 4}},   /* Cyrillic */
    {0x0430, 0x052f, {NULL, 0x0430, 32, 4}},
    {0x05d0, 0x05f4, {NULL, 0x05d0, 27, 4}},   /* Hebrew */
    {0x0620, 0x064a, {NULL, 0x0627, 20, 4}},   /* Arabic */
    {0x0660, 0x0669, {NULL, 0x0660, 10, 3}},
    {0x0671, 0x06d3, {NULL, 0x0627, 20, 4}},
    {0x0100, 0x02af, {NULL, 0x0100, 128, 7}},
    {0x0531, 0x0587, {NULL, 0x0561, 38, 5}},   /* Armenian */
    {0x0700, 0x07ff, {NULL, 0x0100, 128, 7}},
    {0x0904, 0x0939, {NULL, 0x0905, 53, 5}},   /* Devanagari */
    {0x0e01, 0x0e30, {NULL, 0x0e01, 46, 5}},   /* Thai */
    {0x3041, 0x3096, {NULL, 0x3042, 80, 6}},   /* Hiragana */
    {0x30a1, 0x30fa, {NULL, 0x30a2, 80, 6}},   /* Katakana */
    {0x3400, 0x4dbf, {NULL, 0x4e00, 20000, 14}},
    {0x4e00, 0x9fff, {NULL, 0x4e00, 20000, 14}}, /* Han */
    {0xac00, 0xd7a3, {NULL, 0xac00, 11172, 13}}, /* Hangul */
    {0xff10, 0xff19, {NULL, 0xff10, 10, 3}},   /* full-width */
    {0xff21, 0xff3a, {NULL, 0xff21, 26, 4}},
    {0xff41, 0xff5a, {NULL, 0xff41, 26, 4}},
    {0x1e00, 0x1fff, {NULL, 0x1e00, 144, 7}},
    {0x0980, 0x0dff, {NULL, 0x1e00, 144, 7}}, /* scripts of South and East Asia */
    {0x0e81, 0x1cff, {NULL, 0x1e00, 144, 7}},
    {0xa000, 0xabff, {NULL, 0x1e00, 144, 7}},
    {0x20000, 0x3ffff, {NULL, 0x20000, 40000, 15}},
    {LETTER_BYTE + 0xc0, LETTER_BYTE + 0xd6, {NULL, LETTER_BYTE + 0xc0, 23, 4}}, /* Latin-1 */
    {LETTER_BYTE + 0xd8, LETTER_BYTE + 0xde, {NULL, LETTER_BYTE + 0xc0, 23, 4}},
    {LETTER_BYTE + 0xdf, LETTER_BYTE + 0xf6, {NULL, LETTER_BYTE + 0xe0, 23, 4}},
    {LETTER_BYTE + 0xf8, LETTER_BYTE + 0xff, {NULL, LETTER_BYTE + 0xe0, 23, 4}},
};

const struct alphabet *alphabet_of(uint32_t code, bool hex)
{
    if (code < 0x80 && is_digit((uint8_t)code))
        return &alphabet_digit;
    if (code >= 'a' && code <= 'z')
        return hex ? &hex_lower_letter : &alphabet_lower;
    if (code >= 'A' && code <= 'Z')
        return hex ? &hex_upper_letter : &alphabet_upper;
    for (size_t i = 0; code >= 0xc0 && i < COUNT(scripts); i++)
        if (code >= scripts[i].from && code <= scripts[i].to)
            return &scripts[i].alphabet;
    return NULL;
}

static uint32_t largest(const struct alphabet *alphabet)
{
    return alphabet->letters != NULL ? (uint8_t)alphabet->letters[alphabet->count - 1]
                                     : alphabet->first + alphabet->count - 1;
}

/* Is there room for a character that may become any of the alphabet? */
static bool has_room(const struct letter *letter, const struct alphabet *alphabet)
{
    return largest(alphabet) <= letter->most;
}

void plan_free(struct plan *plan, size_t at, const struct alphabet *alphabet)
{
    /* three decimal digits hold any letter, two only these */
    static const struct alphabet few = {NULL, 'a', 3, 1};
    struct slot *slot = &plan->slots[at];
    const struct letter *letter = &plan->value->at[at];

    if (!has_room(letter, alphabet) && alphabet->first == 'a')
        alphabet = &few;
    if (slot->role != SLOT_KEPT || !has_room(letter, alphabet))
        return;
    *slot = (struct slot){.role = SLOT_FREE, .alphabet = alphabet};
    plan->free++;
    plan->bits += alphabet->bits;
}

void plan_put(struct plan *plan, size_t at, char code)
{
    struct slot *slot = &plan->slots[at];

    if (slot->role != SLOT_KEPT || plan->value->at[at].most < (uint8_t)code)
        return;
    *slot = (struct slot){.role = SLOT_PUT, .code = (uint8_t)code};
    if (is_alnum((uint8_t)code)) {
        plan->put++;
        plan->bits += 3;
    }
}

void plan_luhn(struct plan *plan, size_t at)
{
    plan->slots[at] = (struct slot){.role = SLOT_LUHN, .alphabet = &alphabet_digit};
}

void plan_same_kind(struct plan *plan, size_t at)
{
    const struct letter *letter = &plan->value->at[at];
    const struct alphabet *alphabet = alphabet_of(letter->code, letter->hex);

    if (alphabet != NULL)
        plan_free(plan, at, alphabet);
}

void plan_picture(struct plan *plan, size_t at, const char *picture)
{
    static const struct {
        char sign;
        const struct alphabet *alphabet;
    } rows[] = {{'d', &alphabet_digit}, {'n', &alphabet_nonzero}, {'h', &alphabet_hex},
                {'H', &alphabet_hex_upper}, {'l', &alphabet_lower}, {'e', &eight_or_nine}};

    for (; *picture != 0; picture++, at++) {
        size_t row = 0;

        while (row < COUNT(rows) && rows[row].sign != *picture)
            row++;
        if (row < COUNT(rows))
            plan_free(plan, at, rows[row].alphabet);
        else
            plan_put(plan, at, *picture == '%' ? *++picture : *picture);
    }
}
