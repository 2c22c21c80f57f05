#include "classify/validate/checksum.h"

bool luhn_holds(const uint8_t *digits, size_t count)
{
    unsigned sum = 0;

    for (size_t left = count; left > 0; left -= left == 1 ? 1 : 2) {
        sum += digits[left - 1] - (unsigned)'0';
        if (left > 1) {
            unsigned digit = digits[left - 2] - (unsigned)'0';

            sum += 2 * digit - (digit > 4 ? 9 : 0);
        }
    }
    return sum % 10 == 0;
}

unsigned weighted_sum(const uint8_t *digits, const uint8_t *weights, size_t count)
{
    unsigned sum = 0;

    for (size_t i = 0; i < count; i++)
        sum += (digits[i] - (unsigned)'0') * weights[i];
    return sum;
}

/* The product of two elements of the dihedral group of order ten. */
static const uint8_t dihedral[10][10] = {
    {0, 1, 2, 3, 4, 5, 6, 7, 8, 9}, {1, 2, 3, 4, 0, 6, 7, 8, 9, 5},
    {2, 3, 4, 0, 1, 7, 8, 9, 5, 6}, {3, 4, 0, 1, 2, 8, 9, 5, 6, 7},
    {4, 0, 1, 2, 3, 9, 5, 6, 7, 8}, {5, 9, 8, 7, 6, 0, 4, 3, 2, 1},
    {6, 5, 9, 8, 7, 1, 0, 4, 3, 2}, {7, 6, 5, 9, 8, 2, 1, 0, 4, 3},
    {8, 7, 6, 5, 9, 3, 2, 1, 0, 4}, {9, 8, 7, 6, 5, 4, 3, 2, 1, 0}};

bool verhoeff_holds(const uint8_t *digits, size_t count)
{
    static const uint8_t permuted[8][10] = {
        {0, 1, 2, 3, 4, 5, 6, 7, 8, 9}, {1, 5, 7, 6, 2, 8, 3, 0, 9, 4},
        {5, 8, 0, 3, 7, 9, 6, 1, 4, 2}, {8, 9, 1, 6, 0, 4, 3, 5, 2, 7},
        {9, 4, 5, 3, 1, 2, 6, 8, 7, 0}, {4, 2, 8, 6, 5, 7, 3, 9, 0, 1},
        {2, 7, 9, 3, 8, 0, 6, 4, 1, 5}, {7, 0, 4, 6, 9, 1, 3, 2, 5, 8},
    };
    unsigned check = 0;

    for (size_t i = 0; i < count; i++)
        check = dihedral[check][permuted[i % 8][digits[count - 1 - i] - '0']];
    return check == 0;
}

unsigned remainder_97(const uint8_t *plain, size_t len, unsigned before)
{
    uint64_t number = before;

    for (size_t i = 0; i < len; i++) {
        if (number > UINT64_MAX / 200) /* rarely, since a division takes its time */
            number %= 97;
        number = is_digit(plain[i]) ? number * 10 + (plain[i] - (uint64_t)'0')
                                    : number * 100 + (plain[i] - (uint64_t)'A') + 10;
    }
    return (unsigned)(number % 97);
}

bool gs1_holds(const uint8_t *digits, size_t count)
{
    unsigned sum = 0;

    for (size_t i = 0; i < count; i++)
        sum += (digits[count - 1 - i] - (unsigned)'0') * (i % 2 == 1 ? 3 : 1);
    return sum % 10 == 0;
}

bool all_same(const uint8_t *digits, size_t count)
{
    for (size_t i = 1; i < count; i++)
        if (digits[i] != digits[0])
            return false;
    return true;
}
