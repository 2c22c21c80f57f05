/* Numbers that stand free in a text: payment cards and US social security numbers. */
#include "classify/detect.h"

#define CARD_DIGITS_MIN 12
#define CARD_DIGITS_MAX 19
#define CONTEXT_BYTES 64

bool luhn_holds(const uint8_t *digits, size_t count)
{
    unsigned sum = 0;

    for (size_t i = 0; i < count; i++) {
        unsigned digit = digits[count - 1 - i] - (unsigned)'0';

        if (i % 2 == 1)
            digit = digit * 2 > 9 ? digit * 2 - 9 : digit * 2;
        sum += digit;
    }
    return sum % 10 == 0;
}

/* Issuer ranges by their first six digits, and the lengths they use. */
static const struct issuer {
    unsigned from, to; /* of the first six digits */
    unsigned lengths;  /* bit n: n digits */
} issuers[] = {
#define LENGTH(n) (1U << (n))
    {400000, 499999, LENGTH(13) | LENGTH(16) | LENGTH(19)},
    {510000, 559999, LENGTH(16)},
    {222100, 272099, LENGTH(16)},
    {340000, 349999, LENGTH(15)},
    {370000, 379999, LENGTH(15)},
    {300000, 305999,
     LENGTH(14) | LENGTH(15) | LENGTH(16) | LENGTH(17) | LENGTH(18) | LENGTH(19)},
    {309500, 309599, LENGTH(14) | LENGTH(16) | LENGTH(19)},
    {360000, 369999,
     LENGTH(14) | LENGTH(15) | LENGTH(16) | LENGTH(17) | LENGTH(18) | LENGTH(19)},
    {380000, 399999,
     LENGTH(14) | LENGTH(15) | LENGTH(16) | LENGTH(17) | LENGTH(18) | LENGTH(19)},
    {601100, 601199, LENGTH(16) | LENGTH(19)},
    {644000, 659999, LENGTH(16) | LENGTH(19)},
    {622126, 622925, LENGTH(16) | LENGTH(17) | LENGTH(18) | LENGTH(19)},
    {352800, 358999, LENGTH(16) | LENGTH(17) | LENGTH(18) | LENGTH(19)},
    {213100, 213199, LENGTH(15)},
    {180000, 180099, LENGTH(15)},
    {620000, 629999, LENGTH(16) | LENGTH(17) | LENGTH(18) | LENGTH(19)},
    {810000, 817199, LENGTH(16) | LENGTH(17) | LENGTH(18) | LENGTH(19)},
    {220000, 220499, LENGTH(16) | LENGTH(17) | LENGTH(18) | LENGTH(19)},
    {500000, 509999,
     LENGTH(12) | LENGTH(13) | LENGTH(14) | LENGTH(15) | LENGTH(16) | LENGTH(17) | LENGTH(18) |
         LENGTH(19)},
    {560000, 589999,
     LENGTH(12) | LENGTH(13) | LENGTH(14) | LENGTH(15) | LENGTH(16) | LENGTH(17) | LENGTH(18) |
         LENGTH(19)},
    {630000, 639999,
     LENGTH(12) | LENGTH(13) | LENGTH(14) | LENGTH(15) | LENGTH(16) | LENGTH(17) | LENGTH(18) |
         LENGTH(19)},
    {670000, 679999,
     LENGTH(12) | LENGTH(13) | LENGTH(14) | LENGTH(15) | LENGTH(16) | LENGTH(17) | LENGTH(18) |
         LENGTH(19)},
#undef LENGTH
};

static bool is_issued(const uint8_t *digits, size_t count)
{
    unsigned head = 0;

    for (size_t i = 0; i < 6; i++)
        head = head * 10 + (digits[i] - (unsigned)'0');
    for (size_t i = 0; i < COUNT(issuers); i++)
        if (head >= issuers[i].from && head <= issuers[i].to &&
            (issuers[i].lengths & (1U << count)) != 0)
            return true;
    return false;
}

static bool all_same(const uint8_t *digits, size_t count)
{
    for (size_t i = 1; i < count; i++)
        if (digits[i] != digits[0])
            return false;
    return true;
}

static struct slice before(const struct detection *detection, size_t at)
{
    return slice_part(detection->content, at > CONTEXT_BYTES ? at - CONTEXT_BYTES : 0, at);
}

/*
 * A run of digits that begins at `start`, separators all the same (none, space or hyphen, or
 * one line wrap) and in groups of three or more. ret_ends[n]: where the first n digits end.
 */
static size_t read_digits(struct slice content, size_t start, uint8_t digits[CARD_DIGITS_MAX],
                          size_t *ret_end)
{
    uint8_t separator = 0;
    size_t count = 0, group = 0, at = start;

    for (; at < content.len; at++) {
        uint8_t byte = content.at[at];

        if (is_digit(byte)) {
            if (count == CARD_DIGITS_MAX)
                return 0; /* longer than any card: not one */
            digits[count++] = byte;
            group++;
            continue;
        }
        if ((byte != ' ' && byte != '-') || at + 1 >= content.len ||
            !is_digit(content.at[at + 1]) || group < 3 ||
            (separator != 0 ? byte != separator : group != count))
            break;
        separator = byte;
        group = 0;
    }
    *ret_end = at;
    return count;
}

static bool try_card(const struct detection *detection, size_t start, size_t *ret_end)
{
    uint8_t digits[CARD_DIGITS_MAX];
    size_t end;
    size_t count = read_digits(detection->content, start, digits, &end);

    if (count < CARD_DIGITS_MIN || all_same(digits, count) || !luhn_holds(digits, count) ||
        !is_issued(digits, count))
        return false;
    if (end < detection->content.len && is_alnum(detection->content.at[end]))
        return false;
    /* Twelve to fifteen digits of the wide ranges are many other numbers, too: they need a
     * word. */
    if (count < 15 && !holds_word(before(detection, start), "card") &&
        !holds_word(before(detection, start), "pan"))
        return false;
    detect_add(detection, start, end, RULE_CARD, CONFIDENCE_HIGH);
    *ret_end = end;
    return true;
}

/* SSN rules: area not 000, 666, 9xx; group not 00; serial not 0000. */
static bool is_ssn(const uint8_t d[9])
{
    bool bad_area = (d[0] == '0' && d[1] == '0' && d[2] == '0') ||
                    (d[0] == '6' && d[1] == '6' && d[2] == '6') || d[0] == '9';

    return !bad_area && !(d[3] == '0' && d[4] == '0') &&
           !(d[5] == '0' && d[6] == '0' && d[7] == '0' && d[8] == '0');
}

static bool has_ssn_word(struct slice text)
{
    return holds_word(text, "ssn") || holds_word(text, "social sec") ||
           holds_word(text, "social_sec") || holds_word(text, "socialsec");
}

static bool try_ssn(const struct detection *detection, size_t start, size_t *ret_end)
{
    struct slice text = slice_part(detection->content, start, start + 11);
    uint8_t digits[9];
    size_t count = 0, at = 0;
    uint8_t separator = 0;
    bool context;

    for (; at < text.len && count < 9; at++) {
        if (is_digit(text.at[at]))
            digits[count++] = text.at[at];
        else if ((text.at[at] == '-' || text.at[at] == ' ') && (count == 3 || count == 5) &&
                 (separator == 0 ? count == 3 : text.at[at] == separator))
            separator = text.at[at];
        else
            break;
    }
    if (count != 9 || (separator != 0 && at != 11) || (separator == 0 && at != 9) ||
        !is_ssn(digits))
        return false;
    if (start + at < detection->content.len && (is_alnum(detection->content.at[start + at]) ||
                                                detection->content.at[start + at] == '-'))
        return false;
    context = has_ssn_word(before(detection, start));
    if (!context && separator != '-')
        return false;
    detect_add(detection, start, start + at, RULE_SSN,
               context ? CONFIDENCE_HIGH : CONFIDENCE_MEDIUM);
    *ret_end = start + at;
    return true;
}

void detect_numbers(const struct detection *detection)
{
    struct slice content = detection->content;

    for (size_t at = 0; at < content.len;) {
        size_t end = at;

        if (!is_digit(content.at[at])) {
            at++;
            continue;
        }
        /* A number starts here: not in the middle of a word, of a decimal or of a longer
         * number. */
        if (at == 0 || !(is_alnum(content.at[at - 1]) || content.at[at - 1] == '.' ||
                         content.at[at - 1] == '_')) {
            if (try_card(detection, at, &end) || try_ssn(detection, at, &end)) {
                at = end;
                continue;
            }
        }
        while (at < content.len && is_digit(content.at[at]))
            at++;
    }
}
