/* How random is a value that is assigned to a name? */
#include "classify/ascii.h"
#include "classify/engine.h"

#define VALUE_MIN 8
#define VALUE_MAX 2048
#define RANDOM_MIN 20 /* so long a value is judged by its entropy */
#define HEX_MIN 16
#define HEX_LONG_MIN 24
#define BARE_MIN 16
#define MIXED_MIN 10
#define PASSWORD_MAX                                                                          \
    16 /* of letters and digits alone: longer ones are names, or plainly random */
#define PASSWORD_MARKED_MAX 64
#define LETTERS_MIN 12
#define MIXES_MIN 4  /* changes between letters and digits: words with a number have fewer */
#define DIGITS_MIN 4 /* else so many */
#define ENTROPY_HEX 3.0
#define ENTROPY_HEX_LONG 2.5
#define ENTROPY_LETTERS 4.6
#define ENTROPY_RANDOM 3.5
#define ENTROPY_WORD 2.5

/* Letters, digits and what joins words: such a text says something rather than hides it. */
static unsigned kinds_of(struct slice value, bool *ret_is_hex)
{
    unsigned kinds = 0;

    *ret_is_hex = true;
    for (size_t i = 0; i < value.len; i++) {
        uint8_t byte = value.at[i];

        if (byte <= ' ')
            return 0;
        kinds |= is_digit(byte) ? 1U : is_upper(byte) ? 2U : is_letter(byte) ? 4U : 0;
        if (!is_alnum(byte) && strchr("-_./:+", byte) == NULL)
            kinds |= 8;
        if (!is_digit(byte) && (!is_letter(byte) || lower(byte) > 'f'))
            *ret_is_hex = false;
    }
    return kinds;
}

/* Letters of both cases without a digit: words have more vowels, and begin with their capitals.
 * Nor does a word have most letters there are. */
static bool is_no_words(struct slice value)
{
    size_t letters = 0, vowels = 0, changes = 0;

    for (size_t i = 0; i < value.len; i++) {
        uint8_t byte = value.at[i];

        letters += is_letter(byte);
        vowels += strchr("aeiouy", lower(byte)) != NULL;
        changes += i > 0 && is_letter(byte) && is_letter(value.at[i - 1]) &&
                   is_upper(byte) != is_upper(value.at[i - 1]);
    }
    if (text_entropy(value) >= ENTROPY_LETTERS)
        return true;
    return letters >= LETTERS_MIN && letters + 4 >= value.len && vowels * 3 < letters &&
           changes * 3 > letters && text_entropy(value) >= ENTROPY_RANDOM - 0.4;
}

bool engine_is_random_enough(struct slice value)
{
    bool is_hex;
    unsigned kinds = kinds_of(value, &is_hex);
    double entropy = text_entropy(value);

    if (value.len < VALUE_MIN || value.len > VALUE_MAX || (kinds & 6U) == 0)
        return false; /* a number, or words with spaces between */
    if (is_hex && value.len >= HEX_MIN)
        return entropy >= ENTROPY_HEX;
    if ((kinds & 9U) == 0)
        return kinds == 6 && is_no_words(value);
    return entropy >= (value.len >= RANDOM_MIN ? ENTROPY_RANDOM : ENTROPY_WORD);
}

bool engine_is_plainly_random(struct slice value)
{
    bool is_hex;
    size_t digits = 0, hyphens = 0, others = 0, mixes = 0, hex = 0, hex_longest = 0;
    double entropy;

    if (value.len < BARE_MIN || value.len > VALUE_MAX || kinds_of(value, &is_hex) == 0)
        return false;
    for (size_t i = 0; i < value.len; i++) {
        uint8_t byte = value.at[i];

        digits += is_digit(byte);
        hyphens += byte == '-';
        others += !is_alnum(byte);
        if (!is_alnum(byte) && strchr("-_+/=.", byte) == NULL)
            return false;
        mixes += i > 0 && is_alnum(byte) && is_alnum(value.at[i - 1]) &&
                 is_digit(byte) != is_digit(value.at[i - 1]);
        hex = is_digit(byte) || (is_letter(byte) && lower(byte) <= 'f') ? hex + 1 : 0;
        hex_longest = hex > hex_longest ? hex : hex_longest;
    }
    if (hyphens == 4 && others == 4 && value.len == 36) /* a UUID */
        return digits > 4;
    entropy = text_entropy(value);
    if (hex_longest >= HEX_LONG_MIN) /* all of it, or behind a prefix */
        return entropy >= ENTROPY_HEX_LONG;
    if (entropy >= ENTROPY_LETTERS && (digits > 0 || others == 0))
        return true;
    if (digits < 3 || digits + others + 2 >= value.len)
        return false;
    if (others > 0 ? mixes < MIXES_MIN
                   : mixes < MIXES_MIN && digits < DIGITS_MIN && !is_no_words(value))
        return false;
    return entropy >= (is_hex ? ENTROPY_HEX : ENTROPY_RANDOM - 0.2);
}

bool engine_is_mixed(struct slice value)
{
    size_t digits = 0, letters = 0;

    for (size_t i = 0; i < value.len; i++) {
        if (!is_alnum(value.at[i]) && strchr("-_!$%#+=", value.at[i]) == NULL)
            return false;
        digits += is_digit(value.at[i]);
        letters += is_letter(value.at[i]);
    }
    return value.len >= MIXED_MIN && digits > 0 && letters > 1 &&
           text_entropy(value) >= ENTROPY_WORD;
}

bool engine_is_password(struct slice value)
{
    bool is_hex;
    size_t digits = 0, marks = 0;

    for (size_t i = 0; i < value.len; i++) {
        digits += is_digit(value.at[i]);
        marks += strchr("!$%#@&*^?~", value.at[i]) != NULL;
        if (strchr("./:\\|=", value.at[i]) != NULL)
            return false; /* a name with its path, a pair */
    }
    return value.len >= VALUE_MIN &&
           value.len <= (marks > 0 ? PASSWORD_MARKED_MAX : PASSWORD_MAX) &&
           (kinds_of(value, &is_hex) & 7U) == 7 && digits + marks >= 2 &&
           text_entropy(value) >= ENTROPY_WORD;
}
