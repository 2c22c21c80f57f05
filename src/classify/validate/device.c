/* Vehicles, telephones, and identifiers of things. */
#include "classify/validate/checksum.h"
#include "classify/validate/list.h"

#define VIN_LEN 17
#define VIN_CHECK 8 /* where its check digit stands */

/* What a letter counts; 0: it is not used (I, O, Q). */
static const uint8_t vin_letters[26] = {
    1, 2, 3, 4, 5, 6, 7, 8, 0, 1, 2, 3, 4, 5, 0, 7, 0, 9, 2, 3, 4, 5, 6, 7, 8, 9,
};

/* 49 CFR 565.15, ISO 3779. Makers outside of North America need not compute the check digit. */
bool validate_vin(struct slice text)
{
    static const uint8_t weights[VIN_LEN] = {8, 7, 6, 5, 4, 3, 2, 10, 0,
                                             9, 8, 7, 6, 5, 4, 3, 2};
    struct plain plain;
    unsigned sum = 0, check;
    bool letters = false;

    if (text.len != VIN_LEN || !plain_of(text, "", &plain))
        return false;
    for (size_t i = 0; i < VIN_LEN; i++) {
        unsigned value = plain.at[i] - (unsigned)'0';

        if (is_letter(plain.at[i])) {
            value = vin_letters[plain.at[i] - 'A'];
            letters = letters || i != VIN_CHECK;
            if (value == 0)
                return false;
        }
        sum += value * weights[i];
    }
    check = sum % 11;
    return letters && plain.at[VIN_CHECK] == (check == 10 ? 'X' : (uint8_t)('0' + check));
}

/* Bodies that give out type allocation codes (GSMA TS.06). */
static bool is_reporting_body(uint64_t body)
{
    static const uint8_t bodies[] = {1,  10, 30, 33, 35, 44, 45, 49, 50,
                                     51, 52, 53, 54, 86, 91, 98, 99};

    for (size_t i = 0; i < COUNT(bodies); i++)
        if (bodies[i] == body)
            return true;
    return false;
}

bool validate_imei(struct slice text)
{
    struct plain number;

    return shape_take(text,
                      "###############|##-######-######-#|## ###### ###### #|"
                      "######-##-######-#",
                      &number) &&
           is_reporting_body(plain_number(&number, 0, 2)) && !all_same(number.at, 15) &&
           luhn_holds(number.at, 15);
}

/* RFC 9562; in braces, too. All zeros and all ones name nothing. */
bool validate_uuid(struct slice text)
{
    bool letters = false;

    if (text.len == 38 && text.at[0] == '{' && text.at[37] == '}')
        text = slice_part(text, 1, 37);
    if (!shape_fits(text, "********-****-****-****-************"))
        return false;
    for (size_t i = 0; i < text.len; i++)
        if (lower(text.at[i]) > 'f')
            return false;
        else
            letters = letters || (text.at[i] != text.at[0] && text.at[i] != '-');
    return letters;
}
