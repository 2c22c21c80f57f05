/* Numbers that stand free in a text: payment cards and US social security numbers. */
#include "classify/detect.h"
#include "classify/validate/list.h"

#define CARD_DIGITS_MIN 12
#define CARD_DIGITS_MAX 19
#define CONTEXT_BYTES 64

static struct slice before(const struct detection *detection, size_t at)
{
    return slice_part(detection->content, at > CONTEXT_BYTES ? at - CONTEXT_BYTES : 0, at);
}

/* Where groups of digits from `start` on end, apart by one space or hyphen, always the same. */
struct groups {
    size_t ends[CARD_DIGITS_MAX], digits[CARD_DIGITS_MAX];
    size_t count;
};

static struct groups read_groups(struct slice content, size_t start)
{
    struct groups groups = {0};
    uint8_t separator = 0;
    size_t digits = 0;

    for (size_t at = start; at < content.len && digits <= CARD_DIGITS_MAX; at++) {
        uint8_t byte = content.at[at];
        bool last = at + 1 >= content.len || !is_digit(content.at[at + 1]);

        if (!is_digit(byte)) {
            if ((byte != ' ' && byte != '-') || last || (separator != 0 && byte != separator))
                break;
            separator = byte;
            continue;
        }
        digits++;
        if (!last || digits > CARD_DIGITS_MAX)
            continue;
        groups.ends[groups.count] = at + 1;
        groups.digits[groups.count++] = digits;
    }
    return groups;
}

/* The longest run of groups that is a card: behind it an expiry date may follow. */
static bool try_card(const struct detection *detection, size_t start, size_t *ret_end)
{
    struct groups groups = read_groups(detection->content, start);

    while (groups.count-- > 0) {
        size_t end = groups.ends[groups.count], digits = groups.digits[groups.count];

        if (digits < CARD_DIGITS_MIN)
            return false;
        if (!validate_card(slice_part(detection->content, start, end)) ||
            (end < detection->content.len && is_alnum(detection->content.at[end])))
            continue;
        /* Twelve to fourteen digits of the wide ranges are many other numbers, too: they need a
         * word. */
        if (digits < 15 && !holds_word(before(detection, start), "card") &&
            !holds_word(before(detection, start), "pan"))
            continue;
        detect_add(detection, start, end, RULE_CARD, CONFIDENCE_HIGH);
        *ret_end = end;
        return true;
    }
    return false;
}

static bool has_ssn_word(struct slice text)
{
    return holds_word(text, "ssn") || holds_word(text, "social sec") ||
           holds_word(text, "social_sec") || holds_word(text, "socialsec");
}

static bool try_ssn(const struct detection *detection, size_t start, size_t *ret_end)
{
    struct slice content = detection->content;
    uint8_t separator = start + 3 < content.len ? content.at[start + 3] : 0;
    size_t end = start + (separator == '-' || separator == ' ' ? 11 : 9);
    bool context;

    if (end > content.len || !validate_ssn(slice_part(content, start, end)) ||
        (end < content.len && (is_alnum(content.at[end]) || content.at[end] == '-')))
        return false;
    context = has_ssn_word(before(detection, start));
    if (!context && separator != '-')
        return false;
    detect_add(detection, start, end, RULE_SSN, context ? CONFIDENCE_HIGH : CONFIDENCE_MEDIUM);
    *ret_end = end;
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
