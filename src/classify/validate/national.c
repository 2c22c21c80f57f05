/* Numbers by which states outside of Europe know people. Those of the United States are in us.c. */
#include "classify/validate/checksum.h"
#include "classify/validate/list.h"

/* India: twelve digits, the first 2 to 9, Verhoeff. */
bool validate_aadhaar(struct slice text)
{
    struct plain number;

    return shape_take(text, "############|#### #### ####|####-####-####", &number) &&
           number.at[0] >= '2' && !all_same(number.at, 12) && verhoeff_holds(number.at, 12);
}

bool validate_verhoeff(struct slice text)
{
    struct plain number;

    return plain_digits(text, " -", &number) && number.len >= 2 &&
           verhoeff_holds(number.at, number.len);
}

/* India's permanent account number: the fourth letter is what kind of holder. Its check is not published. */
bool validate_pan_india(struct slice text)
{
    return shape_fits(text, "^^^^^####^|^^^^^-####-^") &&
           memchr("ABCEFGHJKLPT", text.at[3], 12) != NULL;
}

/* Canada, social insurance: Luhn. Numbers with 0 or 8 in front are not given to people. */
bool validate_sin(struct slice text)
{
    struct plain number;

    return shape_take(text, "#########|### ### ###|###-###-###", &number) &&
           number.at[0] != '0' && number.at[0] != '8' && !all_same(number.at, 9) &&
           luhn_holds(number.at, 9);
}

/* Brazil: two check digits, each over all that stands before it; 10 is written 0. */
bool validate_cpf(struct slice text)
{
    static const uint8_t weights[] = {11, 10, 9, 8, 7, 6, 5, 4, 3, 2};
    struct plain number;

    if (!shape_take(text, "###########|###.###.###-##", &number) || all_same(number.at, 11))
        return false;
    for (size_t checked = 9; checked < 11; checked++) {
        unsigned sum = weighted_sum(number.at, weights + 10 - checked, checked);

        if (sum * 10 % 11 % 10 != number.at[checked] - (unsigned)'0')
            return false;
    }
    return true;
}

/* Australia, tax file number. (Old ones of eight digits are left out.) */
bool validate_tfn(struct slice text)
{
    static const uint8_t weights[] = {1, 4, 3, 7, 5, 8, 6, 9, 10};
    struct plain number;

    return shape_take(text, "#########|### ### ###|###-###-###", &number) &&
           !all_same(number.at, 9) && weighted_sum(number.at, weights, 9) % 11 == 0;
}

/* Australia, Medicare: eight digits, their check, the issue; who on the card may follow. */
bool validate_medicare_au(struct slice text)
{
    static const uint8_t weights[] = {1, 3, 7, 9, 1, 3, 7, 9};
    struct plain number;

    return shape_take(text,
                      "##########|#### ##### #|####-#####-#|###########|##########/#|"
                      "#### ##### # #|#### ##### #/#|##########-#",
                      &number) &&
           number.at[0] >= '2' && number.at[0] <= '6' &&
           weighted_sum(number.at, weights, 8) % 10 == number.at[8] - (unsigned)'0';
}
