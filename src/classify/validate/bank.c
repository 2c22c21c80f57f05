/* Bank accounts: IBAN, BIC, US routing numbers. */
#include "classify/validate/checksum.h"
#include "classify/validate/list.h"

#define IBAN_LEN_MIN 15
#define IBAN_LEN_MAX 34

/* Lengths of the IBAN registry. */
static const struct iban {
    char country[3];
    uint8_t len;
} ibans[] = {
    {"AD", 24}, {"AE", 23}, {"AL", 28}, {"AT", 20}, {"AZ", 28}, {"BA", 20}, {"BE", 16},
    {"BG", 22}, {"BH", 22}, {"BI", 27}, {"BR", 29}, {"BY", 28}, {"CH", 21}, {"CR", 22},
    {"CY", 28}, {"CZ", 24}, {"DE", 22}, {"DJ", 27}, {"DK", 18}, {"DO", 28}, {"EE", 20},
    {"EG", 29}, {"ES", 24}, {"FI", 18}, {"FK", 18}, {"FO", 18}, {"FR", 27}, {"GB", 22},
    {"GE", 22}, {"GI", 23}, {"GL", 18}, {"GR", 27}, {"GT", 28}, {"HR", 21}, {"HU", 28},
    {"IE", 22}, {"IL", 23}, {"IQ", 23}, {"IS", 26}, {"IT", 27}, {"JO", 30}, {"KW", 30},
    {"KZ", 20}, {"LB", 28}, {"LC", 32}, {"LI", 21}, {"LT", 20}, {"LU", 20}, {"LV", 21},
    {"LY", 25}, {"MC", 27}, {"MD", 24}, {"ME", 22}, {"MK", 19}, {"MN", 20}, {"MR", 27},
    {"MT", 31}, {"MU", 30}, {"NI", 28}, {"NL", 18}, {"NO", 15}, {"OM", 23}, {"PK", 24},
    {"PL", 28}, {"PS", 29}, {"PT", 25}, {"QA", 29}, {"RO", 24}, {"RS", 22}, {"RU", 33},
    {"SA", 24}, {"SC", 31}, {"SD", 18}, {"SE", 24}, {"SI", 19}, {"SK", 24}, {"SM", 27},
    {"SO", 23}, {"ST", 25}, {"SV", 28}, {"TL", 23}, {"TN", 24}, {"TR", 26}, {"UA", 29},
    {"VA", 22}, {"VG", 24}, {"XK", 20},
};

/* ISO 3166, and XK. */
static const char countries[] = "AD AE AF AG AI AL AM AO AQ AR AS AT AU AW AX AZ BA BB BD BE "
                                "BF BG BH BI BJ BL BM BN BO BQ "
                                "BR BS BT BV BW BY BZ CA CC CD CF CG CH CI CK CL CM CN CO CR "
                                "CU CV CW CX CY CZ DE DJ DK DM "
                                "DO DZ EC EE EG EH ER ES ET FI FJ FK FM FO FR GA GB GD GE GF "
                                "GG GH GI GL GM GN GP GQ GR GS "
                                "GT GU GW GY HK HM HN HR HT HU ID IE IL IM IN IO IQ IR IS IT "
                                "JE JM JO JP KE KG KH KI KM KN "
                                "KP KR KW KY KZ LA LB LC LI LK LR LS LT LU LV LY MA MC MD ME "
                                "MF MG MH MK ML MM MN MO MP MQ "
                                "MR MS MT MU MV MW MX MY MZ NA NC NE NF NG NI NL NO NP NR NU "
                                "NZ OM PA PE PF PG PH PK PL PM "
                                "PN PR PS PT PW PY QA RE RO RS RU RW SA SB SC SD SE SG SH SI "
                                "SJ SK SL SM SN SO SR SS ST SV "
                                "SX SY SZ TC TD TF TG TH TJ TK TL TM TN TO TR TT TV TW TZ UA "
                                "UG UM US UY UZ VA VC VE VG VI "
                                "VN VU WF WS XK YE YT ZA ZM ZW ";

static size_t iban_len(const uint8_t *country)
{
    for (size_t i = 0; i < COUNT(ibans); i++)
        if (ibans[i].country[0] == (char)country[0] && ibans[i].country[1] == (char)country[1])
            return ibans[i].len;
    return 0;
}

/* ISO 13616: the first four go to the end, and the remainder by 97 is 1. Nobody computes the check digits
 * 00, 01 and 99, which are as good as 97, 98 and 02. */
bool validate_iban(struct slice text)
{
    struct plain plain;
    uint64_t check;

    if (text.len < IBAN_LEN_MIN || !plain_of(text, " -", &plain) || plain.len < IBAN_LEN_MIN ||
        plain.len > IBAN_LEN_MAX || !is_digit(plain.at[2]) || !is_digit(plain.at[3]) ||
        plain.len != iban_len(plain.at))
        return false;
    check = plain_number(&plain, 2, 4);
    return check >= 2 && check <= 98 &&
           remainder_97(plain.at, 4, remainder_97(plain.at + 4, plain.len - 4, 0)) == 1;
}

/* ISO 9362: bank, country, place, branch. A place that ends in 0 is of a bank's tests. */
bool validate_bic(struct slice text)
{
    if (!shape_fits(text, "^^^^^^**|^^^^^^*****") || text.at[7] == '0')
        return false;
    for (size_t i = 6; i < text.len; i++)
        if (!is_digit(text.at[i]) && !is_upper(text.at[i]))
            return false;
    for (size_t i = 0; i + 1 < sizeof(countries); i += 3)
        if (memcmp(countries + i, text.at + 4, 2) == 0)
            return true;
    return false;
}

/* Routing number of the American Bankers Association: Federal Reserve district, weights 3 7 1. */
bool validate_aba(struct slice text)
{
    static const uint8_t weights[] = {3, 7, 1, 3, 7, 1, 3, 7, 1};
    struct plain number;
    uint64_t district;

    if (!shape_take(text, "#########|####-####-#", &number))
        return false;
    district = plain_number(&number, 0, 2);
    return (district <= 12 || (district >= 21 && district <= 32) ||
            (district >= 61 && district <= 72) || district == 80) &&
           !all_same(number.at, 9) && weighted_sum(number.at, weights, 9) % 10 == 0;
}
