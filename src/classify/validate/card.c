/* Payment cards: numbers, and what a magnetic stripe holds. */
#include "classify/validate/checksum.h"
#include "classify/validate/list.h"

#define CARD_DIGITS_MIN 12
#define CARD_DIGITS_MAX 19
#define CARD_GROUPS_MAX 6
#define GROUP_MIN 4 /* digits */
#define HEAD_DIGITS 6
#define TRACK_BYTES_MAX 128

/* Lengths from `a` to `b`, as a mask. */
#define LENGTHS(a, b) ((2U << (b)) - (1U << (a)))
#define LENGTH(a) (1U << (a))

/* Issuer ranges by their first six digits, and the lengths they use (classifier reference, section 3). */
static const struct issuer {
    unsigned from, to; /* of the first six digits */
    unsigned lengths;  /* bit n: n digits */
} issuers[] = {
    {400000, 499999, LENGTH(13) | LENGTH(16) | LENGTH(19)}, /* Visa */
    {510000, 559999, LENGTH(16)},                           /* Mastercard */
    {222100, 272099, LENGTH(16)},
    {340000, 349999, LENGTH(15)}, /* American Express */
    {370000, 379999, LENGTH(15)},
    {300000, 305999, LENGTHS(14, 19)}, /* Diners Club */
    {309000, 309999, LENGTHS(14, 19)},
    {360000, 369999, LENGTHS(14, 19)},
    {380000, 399999, LENGTHS(14, 19)},
    {352800, 358999, LENGTHS(16, 19)}, /* JCB */
    {213100, 213199, LENGTH(15)},
    {180000, 180099, LENGTH(15)},
    {810000, 819999, LENGTHS(16, 19)}, /* UnionPay */
    {220000, 220499, LENGTH(16)},      /* Mir */
    {500000, 509999, LENGTHS(12, 19)}, /* Maestro */
    {560000, 589999, LENGTHS(12, 19)},
    {600000, 699999, LENGTHS(12, 19)}, /* Maestro, Discover, UnionPay, RuPay, Elo */
};

static bool is_issued(const struct plain *number)
{
    unsigned head = (unsigned)plain_number(number, 0, HEAD_DIGITS);

    for (size_t i = 0; i < COUNT(issuers); i++)
        if (head >= issuers[i].from && head <= issuers[i].to)
            return (issuers[i].lengths & LENGTH(number->len)) != 0;
    return false;
}

/* Groups as cards print them: all of one size, or as these issuers do. */
static bool is_regular(const size_t *groups, size_t count)
{
    static const size_t printed[][CARD_GROUPS_MAX] = {
        {4, 6, 5}, {4, 6, 4}, {4, 3, 3, 3}, {4, 4, 4, 4, 3}, {6, 13}};

    for (size_t i = 0; i < COUNT(printed); i++)
        if (memcmp(groups, printed[i], sizeof(printed[i])) == 0)
            return true;
    for (size_t i = 1; i < count; i++)
        if (groups[i] != groups[0])
            return false;
    return groups[0] >= GROUP_MIN;
}

static bool has_regular_groups(struct slice text)
{
    size_t groups[CARD_GROUPS_MAX] = {0};
    size_t count = 0;

    for (size_t i = 0; i < text.len; i++)
        if (is_digit(text.at[i]))
            groups[count]++;
        else if (++count == CARD_GROUPS_MAX)
            return false;
    return count == 0 || is_regular(groups, count + 1);
}

static bool card_holds(struct slice text, struct plain *ret_number)
{
    return plain_digits(text, " -", ret_number) && ret_number->len >= CARD_DIGITS_MIN &&
           ret_number->len <= CARD_DIGITS_MAX && luhn_holds(ret_number->at, ret_number->len) &&
           is_issued(ret_number) && !all_same(ret_number->at, ret_number->len) &&
           has_regular_groups(text);
}

bool validate_card(struct slice text)
{
    struct plain number;

    return card_holds(text, &number);
}

/* Two digits or more: a single 0 would pass. */
bool validate_luhn(struct slice text)
{
    struct plain number;

    return plain_digits(text, " -", &number) && number.len >= 2 &&
           luhn_holds(number.at, number.len);
}

/* Three digits, four on American Express. */
bool validate_cvv(struct slice text)
{
    return shape_fits(text, "###|####");
}

/* YYMM and three digits of a service code, both of which a track may leave out ('^', '='), then anything. */
static bool has_expiry(struct slice rest)
{
    if (rest.len > 0 && (rest.at[0] == '^' || rest.at[0] == '='))
        return true;
    return shape_fits(slice_part(rest, 0, 4), "##0#|##10|##11|##12") &&
           !(rest.at[2] == '0' && rest.at[3] == '0');
}

/* The end sentinel and a check character may be missing, but nothing follows them. */
static bool ends_as_track(struct slice rest)
{
    size_t end = slice_find_byte(rest, '?', 0);

    return end == SIZE_MAX || rest.len - end <= 2;
}

/* ISO 7813: %B4...^SURNAME/GIVEN^YYMM... */
bool validate_track1(struct slice text)
{
    struct plain number;
    size_t first, second;

    if (text.len > TRACK_BYTES_MAX || !slice_starts_with(text, SLICE("%B")))
        return false;
    first = slice_find_byte(text, '^', 0);
    second = first == SIZE_MAX ? SIZE_MAX : slice_find_byte(text, '^', first + 1);
    return second != SIZE_MAX && second - first >= 3 && second - first <= 27 &&
           card_holds(slice_part(text, 2, first), &number) &&
           has_expiry(slice_part(text, second + 1, text.len)) &&
           ends_as_track(slice_part(text, second + 1, text.len));
}

/* ISO 7813: ;4...=YYMM... */
bool validate_track2(struct slice text)
{
    struct plain number;
    struct slice rest;
    size_t sign, digits = 0;

    if (text.len > TRACK_BYTES_MAX || !slice_starts_with(text, SLICE(";")))
        return false;
    sign = slice_find_byte(text, '=', 0);
    if (sign == SIZE_MAX || !card_holds(slice_part(text, 1, sign), &number))
        return false;
    rest = slice_part(text, sign + 1, text.len);
    while (digits < rest.len && (is_digit(rest.at[digits]) || rest.at[digits] == '='))
        digits++;
    return has_expiry(rest) && (digits == rest.len || rest.at[digits] == '?') &&
           ends_as_track(rest);
}
