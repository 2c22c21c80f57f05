/* Numbers by which states of Europe know people. The British health service's is in health.c. */
#include "classify/validate/checksum.h"
#include "classify/validate/list.h"

#define FISCAL_LEN 16
#define LETTERS 26
#define NIR_DIGITS 13

/* United Kingdom, national insurance: letters that are in use, six digits, A to D. */
bool validate_nino(struct slice text)
{
    static const char unused[][3] = {"BG", "GB", "NK", "KN", "TN", "NT", "ZZ"};
    struct plain plain;

    if (!shape_take(text,
                    "@@######@|@@###### @|@@ ## ## ## @|@@ ###### @|@@-##-##-##-@|@@-######-@",
                    &plain) ||
        plain.at[8] > 'D' || strchr("DFIQUV", plain.at[0]) != NULL ||
        strchr("DFIOQUV", plain.at[1]) != NULL)
        return false;
    for (size_t i = 0; i < COUNT(unused); i++)
        if (memcmp(plain.at, unused[i], 2) == 0)
            return false;
    return true;
}

static bool has_letter_of(uint64_t number, uint8_t letter)
{
    return letter == (uint8_t) "TRWAGMYFPDXBNJZSQVHLCKE"[number % 23];
}

/* Spain: eight digits and a letter, which is their remainder by 23. */
bool validate_dni(struct slice text)
{
    struct plain plain;

    return shape_take(text,
                      "########@|########-@|######## @|##.###.###-@|##.###.###@|##.###.### @",
                      &plain) &&
           !all_same(plain.at, 8) && has_letter_of(plain_number(&plain, 0, 8), plain.at[8]);
}

/* Spain, foreigners: X, Y or Z count 0, 1, 2 in front of seven digits. */
bool validate_nie(struct slice text)
{
    struct plain plain;

    return shape_take(text,
                      "@#######@|@-#######-@|@#######-@|@-#######@|@ ####### @|@-#.###.###-@",
                      &plain) &&
           plain.at[0] >= 'X' &&
           has_letter_of((plain.at[0] - (uint64_t)'X') * 10000000 + plain_number(&plain, 1, 8),
                         plain.at[8]);
}

/* Digits of a codice fiscale may be letters where two people had the same. */
static int fiscal_digit(uint8_t byte)
{
    const char *place = strchr("LMNPQRSTUV", byte);

    if (is_digit(byte))
        return byte - '0';
    return place == NULL ? -1 : (int)(place - "LMNPQRSTUV");
}

/* Italy: names, birth (day of women plus 40), place, and a letter over all, by odd and even places. */
bool validate_codice_fiscale(struct slice text)
{
    static const uint8_t odd[LETTERS] = {1,  0,  5, 7, 9, 13, 15, 17, 19, 21, 2,  4,  18,
                                         20, 11, 3, 6, 8, 12, 14, 16, 10, 22, 25, 24, 23};
    struct plain plain;
    unsigned sum = 0;
    int day;

    if (!shape_take(text, "@@@@@@**@**@***@|@@@ @@@ **@** @***@", &plain) ||
        strchr("ABCDEHLMPRST", plain.at[8]) == NULL)
        return false;
    for (size_t i = 6; i < FISCAL_LEN - 1; i++)
        if (i != 8 && i != 11 && fiscal_digit(plain.at[i]) < 0)
            return false;
    day = fiscal_digit(plain.at[9]) * 10 + fiscal_digit(plain.at[10]);
    if (day < 1 || day > 71 || (day > 31 && day < 41))
        return false;
    for (size_t i = 0; i < FISCAL_LEN - 1; i++) {
        unsigned value =
            is_digit(plain.at[i]) ? plain.at[i] - (unsigned)'0' : plain.at[i] - (unsigned)'A';

        sum += i % 2 == 0 ? odd[value] : value;
    }
    return plain.at[FISCAL_LEN - 1] == 'A' + sum % LETTERS;
}

/* Of the first ten digits of a Steuer-ID one is there twice or three times, the others once at most (since 2016
 * three times, but not three in a row). */
static bool repeats_as_issued(const uint8_t *digits)
{
    unsigned counts[10] = {0};
    size_t twice = 0, thrice = 0;

    for (size_t i = 0; i < 10; i++)
        counts[digits[i] - '0']++;
    for (size_t i = 0; i < COUNT(counts); i++) {
        twice += counts[i] == 2;
        thrice += counts[i] == 3;
        if (counts[i] > 3)
            return false;
    }
    for (size_t i = 0; i + 2 < 10; i++)
        if (digits[i] == digits[i + 1] && digits[i] == digits[i + 2])
            return false;
    return twice + thrice == 1;
}

/* Germany: ISO 7064 mod 11,10. */
bool validate_steuer_id(struct slice text)
{
    struct plain number;
    unsigned product = 10;

    if (!shape_take(text, "###########|## ### ### ###", &number) || number.at[0] == '0' ||
        !repeats_as_issued(number.at))
        return false;
    for (size_t i = 0; i < 10; i++) {
        unsigned sum = (number.at[i] - (unsigned)'0' + product) % 10;

        product = (sum == 0 ? 10 : sum) * 2 % 11;
    }
    return (11 - product) % 10 == number.at[10] - (unsigned)'0';
}

/* France: sex, year, month (above 12: not known), department (2A and 2B: Corsica), town, number, key. */
bool validate_nir(struct slice text)
{
    struct plain plain;
    uint64_t month, corsica = 0;

    if (!shape_take(
            text,
            "###############|#####*#########|# ## ## ## ### ### ##|# ## ## #* ### ### ##|"
            "# ## ## #* ### ###-##|############# ##|#####*####### ##",
            &plain))
        return false;
    if (!is_digit(plain.at[6])) {
        if (plain.at[5] != '2' || (plain.at[6] != 'A' && plain.at[6] != 'B'))
            return false;
        corsica = plain.at[6] == 'A' ? 1000000 : 2000000;
        plain.at[6] = '0';
    }
    month = plain_number(&plain, 3, 5);
    return strchr("123478", plain.at[0]) != NULL && month >= 1 &&
           (month <= 12 || (month >= 20 && month <= 42) || month >= 50) &&
           97 - (plain_number(&plain, 0, NIR_DIGITS) - corsica) % 97 ==
               plain_number(&plain, NIR_DIGITS, NIR_DIGITS + 2);
}

/* The Netherlands: weights 9 to 2, the last digit counts -1, by 11. */
bool validate_bsn(struct slice text)
{
    static const uint8_t weights[] = {9, 8, 7, 6, 5, 4, 3, 2, 10};
    struct plain number;

    return shape_take(text, "#########|###.###.###|#### ## ###|####.##.###", &number) &&
           !all_same(number.at, 9) && plain_number(&number, 0, 2) != 0 &&
           weighted_sum(number.at, weights, 9) % 11 == 0;
}

/* Poland: date of birth, the month by century (+80, 0, +20, +40, +60), weights 1 3 7 9. */
bool validate_pesel(struct slice text)
{
    static const uint8_t weights[] = {1, 3, 7, 9, 1, 3, 7, 9, 1, 3, 1};
    static const uint8_t days[] = {31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    struct plain number;
    uint64_t month, day;

    if (!shape_take(text, "###########", &number))
        return false;
    month = plain_number(&number, 2, 4) % 20;
    day = plain_number(&number, 4, 6);
    return month >= 1 && month <= 12 && day >= 1 && day <= days[month - 1] &&
           weighted_sum(number.at, weights, 11) % 10 == 0;
}
