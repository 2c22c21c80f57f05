/* Telephone numbers: North America's plan, and E.164 with a country code. */
#include "classify/validate/checksum.h"
#include "classify/validate/list.h"

#define PHONE_BYTES_MAX 40
#define E164_DIGITS_MAX 15
#define LOOSE_DIGITS_MIN 6
#define COUNTRY_CODES 1000
#define GROUP_SEPARATORS_MAX 3 /* ") (" and " - " are the longest */

/* Digits that a number of this country code may have behind it (ITU-T E.164; numbering plans of 2023). Codes
 * are free of each other's prefixes. 1 is the plan below. */
static const struct country {
    uint8_t least, most; /* 0: no such code */
} countries[COUNTRY_CODES] = {
    [7] = {10, 14},   [20] = {8, 10},  [27] = {5, 10},  [30] = {10, 12},  [31] = {5, 11},
    [32] = {8, 9},    [33] = {9, 9},   [34] = {9, 9},   [36] = {8, 9},    [39] = {6, 11},
    [40] = {6, 9},    [41] = {9, 9},   [43] = {4, 13},  [44] = {7, 10},   [45] = {8, 8},
    [46] = {6, 10},   [47] = {5, 8},   [48] = {7, 10},  [49] = {5, 13},   [51] = {8, 9},
    [52] = {10, 11},  [53] = {6, 10},  [54] = {10, 11}, [55] = {8, 11},   [56] = {9, 11},
    [57] = {10, 11},  [58] = {10, 10}, [60] = {8, 10},  [61] = {6, 12},   [62] = {7, 13},
    [63] = {6, 13},   [64] = {5, 10},  [65] = {8, 11},  [66] = {8, 13},   [81] = {8, 13},
    [82] = {5, 13},   [84] = {7, 10},  [86] = {7, 12},  [90] = {7, 13},   [91] = {8, 13},
    [92] = {8, 12},   [93] = {9, 9},   [94] = {9, 9},   [95] = {6, 10},   [98] = {4, 10},
    [211] = {9, 9},   [212] = {9, 9},  [213] = {8, 9},  [216] = {8, 8},   [218] = {9, 9},
    [220] = {7, 7},   [221] = {9, 9},  [222] = {8, 8},  [223] = {8, 8},   [224] = {8, 9},
    [225] = {10, 10}, [226] = {8, 8},  [227] = {8, 8},  [228] = {8, 8},   [229] = {8, 8},
    [230] = {7, 10},  [231] = {7, 9},  [232] = {8, 8},  [233] = {8, 9},   [234] = {7, 12},
    [235] = {8, 8},   [236] = {8, 8},  [237] = {8, 9},  [238] = {7, 7},   [239] = {7, 7},
    [240] = {9, 9},   [241] = {7, 8},  [242] = {9, 9},  [243] = {7, 9},   [244] = {9, 9},
    [245] = {7, 9},   [246] = {7, 7},  [247] = {5, 6},  [248] = {7, 7},   [249] = {9, 9},
    [250] = {8, 9},   [251] = {9, 9},  [252] = {6, 9},  [253] = {8, 8},   [254] = {7, 10},
    [255] = {9, 9},   [256] = {9, 9},  [257] = {8, 8},  [258] = {8, 9},   [260] = {9, 9},
    [261] = {9, 9},   [262] = {9, 9},  [263] = {5, 10}, [264] = {8, 9},   [265] = {7, 9},
    [266] = {8, 8},   [267] = {7, 10}, [268] = {8, 9},  [269] = {7, 7},   [290] = {4, 5},
    [291] = {7, 7},   [297] = {7, 7},  [298] = {6, 6},  [299] = {6, 6},   [350] = {8, 8},
    [351] = {9, 9},   [352] = {4, 11}, [353] = {7, 10}, [354] = {7, 9},   [355] = {6, 9},
    [356] = {8, 8},   [357] = {8, 8},  [358] = {5, 12}, [359] = {6, 9},   [370] = {8, 8},
    [371] = {8, 8},   [372] = {7, 10}, [373] = {8, 8},  [374] = {8, 8},   [375] = {6, 11},
    [376] = {6, 9},   [377] = {8, 9},  [378] = {8, 10}, [380] = {9, 10},  [381] = {6, 12},
    [382] = {8, 9},   [383] = {8, 9},  [385] = {6, 9},  [386] = {5, 8},   [387] = {8, 9},
    [389] = {8, 8},   [420] = {9, 9},  [421] = {6, 9},  [423] = {7, 9},   [500] = {5, 5},
    [501] = {7, 11},  [502] = {8, 11}, [503] = {7, 11}, [504] = {8, 11},  [505] = {8, 8},
    [506] = {8, 10},  [507] = {7, 11}, [508] = {6, 9},  [509] = {8, 8},   [590] = {9, 9},
    [591] = {8, 9},   [592] = {7, 7},  [593] = {8, 11}, [594] = {9, 9},   [595] = {6, 11},
    [596] = {9, 9},   [597] = {6, 7},  [598] = {7, 10}, [599] = {7, 8},   [670] = {7, 8},
    [672] = {6, 6},   [673] = {7, 7},  [674] = {7, 7},  [675] = {7, 8},   [676] = {5, 7},
    [677] = {5, 7},   [678] = {5, 7},  [679] = {7, 11}, [680] = {7, 7},   [681] = {6, 9},
    [682] = {5, 5},   [683] = {4, 7},  [685] = {5, 10}, [686] = {5, 8},   [687] = {6, 6},
    [688] = {5, 7},   [689] = {6, 9},  [690] = {4, 7},  [691] = {7, 7},   [692] = {7, 7},
    [800] = {8, 8},   [808] = {8, 8},  [850] = {8, 10}, [852] = {5, 11},  [853] = {7, 8},
    [855] = {8, 10},  [856] = {8, 10}, [870] = {9, 12}, [878] = {12, 12}, [880] = {6, 10},
    [881] = {9, 9},   [882] = {7, 12}, [883] = {9, 12}, [886] = {7, 11},  [888] = {11, 11},
    [960] = {7, 10},  [961] = {7, 8},  [962] = {8, 9},  [963] = {8, 9},   [964] = {8, 10},
    [965] = {7, 8},   [966] = {9, 10}, [967] = {7, 9},  [968] = {7, 9},   [970] = {8, 10},
    [971] = {5, 12},  [972] = {7, 12}, [973] = {8, 8},  [974] = {7, 9},   [975] = {7, 8},
    [976] = {8, 10},  [977] = {8, 11}, [979] = {9, 9},  [992] = {9, 9},   [993] = {8, 8},
    [994] = {9, 9},   [995] = {9, 9},  [996] = {9, 10}, [998] = {9, 9},
};

/* Ranges that regulators keep for drama, behind the plus. */
static const char *const fiction[] = {
    "442079460", "441632960", "441134960", "441144960", "441154960", "441164960",
    "441174960", "441184960", "441214960", "441314960", "441414960", "441514960",
    "441614960", "447700900", "61491570",  "6125550",   "6127010",   "6135550",
    "6137010",   "6175550",   "6177010",   "6185550",   "6187010"};

/* Where it starts with "+" or 00 or 011, the international prefix: how many bytes that takes. */
static size_t prefix_of(struct slice text)
{
    static const char *const prefixes[] = {"+", "00", "011", "(+"};

    for (size_t i = 0; i < COUNT(prefixes); i++)
        if (slice_starts_with(text, slice_of(prefixes[i])))
            return strlen(prefixes[i]);
    return 0;
}

/* " x123", " ext. 123", "#123" behind a number is taken off. */
static struct slice without_extension(struct slice text)
{
    static const char *const words[] = {" extension ", " ext. ", " ext.", " ext ",
                                        "ext.",        " ext",   " x",    "x",
                                        " #",          "#",      ";ext="};
    size_t end = text.len;

    while (end > 0 && is_digit(text.at[end - 1]))
        end--;
    if (text.len - end < 1 || text.len - end > 6 || end < 2 ||
        (strchr(" -.", text.at[end - 1]) != NULL && is_digit(text.at[end - 2])))
        return text;
    for (size_t i = 0; i < COUNT(words); i++)
        if (slice_ends_with(slice_part(text, 0, end), slice_of(words[i])))
            return slice_part(text, 0, end - strlen(words[i]));
    return text;
}

/* Digits of `text` in groups, apart by few of " -./()" and with parentheses in pairs. */
static bool take_digits(struct slice text, struct plain *ret_digits)
{
    size_t between = 0, open = 0, len = 0;

    if (text.len == 0 || text.len > PHONE_BYTES_MAX || !is_digit(text.at[text.len - 1]))
        return false;
    for (size_t i = 0; i < text.len; i++) {
        uint8_t byte = text.at[i];

        if (is_digit(byte)) {
            ret_digits->at[len++] = byte;
            between = 0;
            continue;
        }
        if (byte == 0 || strchr(" -./()", byte) == NULL || ++between > GROUP_SEPARATORS_MAX ||
            (byte == '(' && open++ != 0) || (byte == ')' && open-- != 1))
            return false;
    }
    ret_digits->len = len;
    return open == 0;
}

/* Area and exchange do not begin with 0 or 1 and are no N11; no area has a 9 in its middle; 555-01xx is kept
 * for fiction. */
static bool is_nanp(const uint8_t *digits)
{
    const uint8_t *area = digits, *exchange = digits + 3;
    bool fictitious = memcmp(exchange, "55501", 5) == 0;

    return area[0] >= '2' && area[1] != '9' && !(area[1] == '1' && area[2] == '1') &&
           exchange[0] >= '2' && !(exchange[1] == '1' && exchange[2] == '1') && !fictitious;
}

static bool is_fiction(const struct plain *digits)
{
    for (size_t i = 0; i < COUNT(fiction); i++)
        if (slice_starts_with(slice_of_bytes(digits->at, digits->len), slice_of(fiction[i])))
            return true;
    return false;
}

/* Country code and number, without "+". */
static bool is_e164(const struct plain *digits)
{
    if (digits->len > E164_DIGITS_MAX || digits->len < 2 || digits->at[0] == '0')
        return false;
    if (digits->at[0] == '1')
        return digits->len == 11 && is_nanp(digits->at + 1);
    for (size_t len = 2; len <= 3 && len < digits->len + 1; len++) {
        const struct country *country = &countries[plain_number(digits, 0, len)];

        if (country->most != 0)
            return digits->len - len >= country->least && digits->len - len <= country->most;
    }
    return countries[digits->at[0] - '0'].most != 0 && digits->len == 11; /* 7: ten digits */
}

/* "+44 (0)20 ...": the zero is dialled inside of the country only. */
static bool take_international(struct slice text, struct plain *ret_digits)
{
    size_t zero = slice_find(text, SLICE("(0)"), 0);
    struct plain rest;

    if (zero == SIZE_MAX)
        return take_digits(text, ret_digits);
    if (zero == 0 || zero > 4 || !take_digits(slice_part(text, zero + 3, text.len), &rest))
        return false;
    while (zero > 0 && text.at[zero - 1] == ' ')
        zero--;
    if (!take_digits(slice_part(text, 0, zero), ret_digits))
        return false;
    memcpy(ret_digits->at + ret_digits->len, rest.at, rest.len);
    ret_digits->len += rest.len;
    return true;
}

bool validate_phone(struct slice text)
{
    struct slice number = without_extension(text);
    size_t prefix = prefix_of(number);
    struct plain digits;

    if (text.len > PHONE_BYTES_MAX)
        return false;
    if (prefix > 0) {
        struct slice rest = slice_part(number, prefix, number.len);

        return take_international(rest, &digits) && is_e164(&digits) && !is_fiction(&digits);
    }
    if (!take_digits(number, &digits))
        return false;
    if (digits.len == 11 && digits.at[0] == '1')
        return is_nanp(digits.at + 1);
    return digits.len == 10 && is_nanp(digits.at);
}

bool validate_phone_loose(struct slice text)
{
    struct slice number = without_extension(text);
    struct plain digits;

    if (text.len > PHONE_BYTES_MAX)
        return false;
    if (validate_phone(text))
        return true;
    return take_digits(number, &digits) && digits.len >= LOOSE_DIGITS_MIN &&
           digits.len <= E164_DIGITS_MAX && !all_same(digits.at, digits.len) &&
           !(digits.len >= 10 && memcmp(digits.at + digits.len - 7, "55501", 5) == 0) &&
           !(digits.len == 7 && memcmp(digits.at, "55501", 5) == 0);
}
