/* Numbers that the United States give to people: social security, tax, post, driving. */
#include "classify/validate/checksum.h"
#include "classify/validate/list.h"

#define NINE_DIGITS "###-##-####|### ## ####|###.##.####|#########"

/* Area not 000, 666 or 9xx, group not 00, serial not 0000 (since 2011 nothing else is known). */
static bool is_issued_ssn(const struct plain *number)
{
    uint64_t area = plain_number(number, 0, 3);

    return area != 0 && area != 666 && area < 900 && plain_number(number, 3, 5) != 0 &&
           plain_number(number, 5, 9) != 0;
}

bool validate_ssn(struct slice text)
{
    struct plain number;

    return shape_take(text, NINE_DIGITS, &number) && is_issued_ssn(&number);
}

/* 9xx, and in the middle 50-65, 70-88, 90-92 or 94-99. */
bool validate_itin(struct slice text)
{
    struct plain number;
    uint64_t middle;

    if (!shape_take(text, NINE_DIGITS, &number) || number.at[0] != '9')
        return false;
    middle = plain_number(&number, 3, 5);
    return middle >= 50 && middle != 89 && middle != 93 && (middle <= 65 || middle >= 70);
}

/* The social security number of who earned the claim, and what the holder is to them. */
bool validate_hicn(struct slice text)
{
    /* A few letters may be followed by a digit or letter. */
    static const struct {
        char letter;
        const char *followers;
    } suffixes[] = {
        {'A', ""},
        {'B', "123456789ADGHJKLNPQRTWY"},
        {'C', "123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"},
        {'D', "123456789ACDGHJKLMNPQRSTVWXYZ"},
        {'E', "123456789ABCDFGHJKM"},
        {'F', "12345678"},
        {'H', "ABC"},
        {'J', "1234"},
        {'K', "123456789ABCDEFGHJLMNPQRSTUVW"},
        {'M', "1"},
        {'T', "ABCDEFGHJKLMNPQRSTUVWXYZ2"},
        {'W', "123456789BCFGJRT"},
    };
    struct plain number;

    if (!shape_take(text,
                    "###-##-####@|###-##-####@*|###-##-####-@|###-##-####-@*|"
                    "#########@|#########@*|### ## #### @|### ## #### @*",
                    &number) ||
        !is_issued_ssn(&number))
        return false;
    for (size_t i = 0; i < COUNT(suffixes); i++)
        if (number.at[9] == (uint8_t)suffixes[i].letter)
            return number.len == 10 || strchr(suffixes[i].followers, number.at[10]) != NULL;
    return false;
}

/* Sectional centres that no post office has. */
static bool is_zip_free(uint64_t centre)
{
    static const uint16_t free_centres[] = {
        213, 269, 343, 345, 348, 353, 419, 428, 429, 517, 518, 519, 529, 533, 536, 552,
        568, 578, 579, 589, 621, 632, 642, 643, 659, 663, 682, 694, 695, 696, 697, 698,
        699, 702, 709, 715, 732, 742, 771, 817, 818, 819, 839, 848, 849, 854, 858, 861,
        862, 866, 867, 868, 869, 876, 886, 887, 888, 892, 896, 899, 909, 929, 987};

    if (centre < 5)
        return true;
    for (size_t i = 0; i < COUNT(free_centres) && free_centres[i] <= centre; i++)
        if (free_centres[i] == centre)
            return true;
    return false;
}

bool validate_zip(struct slice text)
{
    struct plain number;

    return shape_take(text, "#####|#####-####", &number) &&
           !is_zip_free(plain_number(&number, 0, 3));
}
