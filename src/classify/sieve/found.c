#include "classify/sieve/found.h"

#define LOCAL_BYTES_MAX 64
#define DOMAIN_BYTES_MAX 255
#define COLON_BYTES_MAX 128
#define WORD_BYTES_MIN 2

/* How many bytes at `at` join the digit before them to one behind them, or 0. */
static size_t joint_at(struct slice text, size_t at)
{
    uint8_t first, second;

    if (at + 1 >= text.len || !sieve_is_joint(text.at[at]))
        return 0;
    first = text.at[at];
    second = text.at[at + 1];
    if (is_digit(second))
        return 1;
    return sieve_is_joint(second) &&
                   (first == '(' || first == ')' || second == '(' || second == ')') &&
                   at + 2 < text.len && is_digit(text.at[at + 2])
               ? 2
               : 0;
}

void sieve_number_at(struct slice text, size_t at, struct sieve_candidate *ret_candidate)
{
    size_t end = at, joint;

    *ret_candidate = (struct sieve_candidate){.kind = SIEVE_NUMBER, .start = at};
    do {
        for (; end < text.len && is_digit(text.at[end]); end++)
            ret_candidate->digits++;
        joint = joint_at(text, end);
        end += joint;
    } while (joint > 0);
    ret_candidate->end = end;
}

void sieve_number_front(struct slice text, struct sieve_candidate *candidate)
{
    size_t start = candidate->start;

    if (start > 0 && text.at[start - 1] == '(' &&
        memchr(text.at + start, ')', candidate->end - start) != NULL)
        start--;
    if (start > 0 && text.at[start - 1] == '+')
        start--;
    candidate->start = start;
}

static bool is_local(uint8_t byte)
{
    return is_alnum(byte) || (byte != 0 && strchr("._%+-'&~", byte) != NULL);
}

bool sieve_mail_at(struct slice text, size_t at, struct sieve_candidate *ret_candidate)
{
    size_t start = at, end = at + 1;

    while (start > 0 && at - start < LOCAL_BYTES_MAX && is_local(text.at[start - 1]))
        start--;
    while (start < at && !is_alnum(text.at[start]) && text.at[start] != '_')
        start++;
    if (start == at)
        return false;
    while (end < text.len && end - at <= DOMAIN_BYTES_MAX &&
           (is_alnum(text.at[end]) || text.at[end] == '.' || text.at[end] == '-'))
        end++;
    while (!is_alnum(text.at[end - 1]) && end > at + 1)
        end--;
    *ret_candidate = (struct sieve_candidate){.kind = SIEVE_MAIL, .start = start, .end = end};
    return end > at + 1 && memchr(text.at + at + 1, '.', end - at - 1) != NULL;
}

static bool is_hex_run(uint8_t byte)
{
    return is_digit(byte) || (lower(byte) >= 'a' && lower(byte) <= 'f') || byte == ':' ||
           byte == '.';
}

static bool is_word(uint8_t byte)
{
    return is_alnum(byte) || byte == '_' || byte >= 0x80;
}

bool sieve_colon_at(struct slice text, size_t at, size_t *done,
                    struct sieve_candidate *ret_candidate)
{
    size_t start = at, end = at + 1;

    while (start > *done && is_hex_run(text.at[start - 1]))
        start--;
    while (end < text.len && is_hex_run(text.at[end]))
        end++;
    *done = end;
    *ret_candidate = (struct sieve_candidate){.kind = SIEVE_COLON, .start = start, .end = end};
    return end - start <= COLON_BYTES_MAX &&
           memchr(text.at + at + 1, ':', end - at - 1) != NULL &&
           (start == 0 || !is_word(text.at[start - 1])) &&
           (end == text.len || !is_word(text.at[end]));
}

/* A-Z, or the first two bytes of a letter of Latin that may be a capital. */
static bool is_capital(struct slice text, size_t at)
{
    uint8_t first = text.at[at], second = at + 1 < text.len ? text.at[at + 1] : 0;

    if (is_upper(first))
        return true;
    return first == 0xc3 ? second >= 0x80 && second <= 0x9e
                         : (first == 0xc4 || first == 0xc5) && second >= 0x80;
}

bool sieve_word_at(struct slice text, size_t at, struct sieve_candidate *ret_candidate)
{
    size_t end = at;

    if (!is_capital(text, at))
        return false;
    while (end < text.len && sieve_is_letter(text.at[end]))
        end++;
    *ret_candidate = (struct sieve_candidate){.kind = SIEVE_WORD, .start = at, .end = end};
    return end - at >= WORD_BYTES_MIN &&
           (end == text.len || !(is_digit(text.at[end]) || text.at[end] == '_'));
}
