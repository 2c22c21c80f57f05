/* Stand-ins that are made of letters of the same kinds: text, names, addresses, tokens, keys. */
#include "classify/ascii.h"
#include "classify/shape.h"
#include "classify/tokens.h"

static const struct alphabet consonant = {"bdfgklmnprstv", 0, 13, 3};
static const struct alphabet consonant_upper = {"BDFGKLMNPRSTV", 0, 13, 3};
static const struct alphabet vowel = {"aeiou", 0, 5, 2};
static const struct alphabet vowel_upper = {"AEIOU", 0, 5, 2};

static struct slice plain_of(const struct plan *plan)
{
    return slice_of_bytes(plan->value->plain, plan->value->count);
}

static bool all_hex(struct slice text)
{
    for (size_t i = 0; i < text.len; i++)
        if (is_letter(text.at[i]) && !((lower(text.at[i]) >= 'a' && lower(text.at[i]) <= 'f')))
            return false;
    return true;
}

/*
 * The first digit of a number: a number with a 0 in front is none in JSON and another one in C,
 * and one that fits into 32 or 64 bits is to fit with its stand-in.
 */
static void plan_first_digit(struct plan *plan, struct slice text)
{
    static const struct alphabet up_to[] = {
        {NULL, '1', 1, 0}, {NULL, '1', 1, 0}, {NULL, '1', 2, 1}, {NULL, '1', 3, 1},
        {NULL, '1', 4, 2}, {NULL, '1', 5, 2}, {NULL, '1', 6, 2}, {NULL, '1', 7, 2}};
    bool is_full = slice_is_digits(text) && (text.len == 10 || text.len == 19);

    if (text.len == 0 || !is_digit(text.at[0]))
        return;
    if (text.at[0] == '0' && text.len > 1 && is_digit(text.at[1]))
        plan_put(plan, 0, '0');
    else if (is_full && text.at[0] > '0')
        plan_free(plan, 0, text.at[0] == '1' ? &up_to[0] : &up_to[text.at[0] - '2']);
    else
        plan_free(plan, 0, &alphabet_nonzero);
}

/* C A AN N A AN N A A N N, the form of a Medicare beneficiary's number: all of them are valid
 * but those that begin with 0. */
static bool is_mbi(struct slice text)
{
    static const char form[] = "dasdasdaadd"; /* s: a letter or a digit */
    size_t at = 0;

    for (size_t i = 0; i < text.len; i++) {
        uint8_t byte = text.at[i];

        if (byte == '-' && (at == 4 || at == 7))
            continue;
        if (at == sizeof(form) - 1 ||
            !(form[at] == 'd' ? is_digit(byte) : form[at] == 'a' ? is_letter(byte) : is_alnum(byte)))
            return false;
        at++;
    }
    return at == sizeof(form) - 1;
}

bool shape_text(struct plan *plan)
{
    struct slice text = plain_of(plan);
    bool hex = all_hex(text);

    if (is_mbi(text))
        plan_put(plan, 0, '0');
    plan_first_digit(plan, text);
    for (size_t i = 0; i < plan->value->count; i++) {
        const struct letter *letter = &plan->value->at[i];
        const struct alphabet *alphabet = alphabet_of(letter->code, hex || letter->hex);

        if (alphabet != NULL)
            plan_free(plan, i, alphabet);
    }
    return true;
}

bool shape_secret(struct plan *plan)
{
    struct slice text = plain_of(plan);
    size_t from = secret_prefix(text);
    bool hex = all_hex(slice_part(text, from, text.len));

    for (size_t i = from; i < plan->value->count; i++) {
        const struct letter *letter = &plan->value->at[i];
        const struct alphabet *alphabet = alphabet_of(letter->code, hex || letter->hex);

        if (alphabet != NULL)
            plan_free(plan, i, alphabet);
    }
    return plan->free > 0;
}

/* The armour says what it is, and headers ("Version: 1") how to read it; the rest is free. */
bool shape_key_block(struct plan *plan)
{
    struct slice text = plain_of(plan);
    bool armour = false, seen = false;

    for (size_t i = 0; i < text.len; i++) {
        if (slice_starts_with(slice_part(text, i, text.len), SLICE("-----"))) {
            armour = !armour;
            seen = true;
            while (i < text.len && text.at[i] == '-')
                i++;
        }
        if (!armour && i < text.len)
            plan_same_kind(plan, i);
    }
    return seen && plan->free > 0;
}

/* ---- words ---- */

/* A word of the text from `at` on: where it ends. */
static size_t word_end(const struct letters *value, size_t at)
{
    while (at < value->count && is_letter((uint8_t)value->plain[at]))
        at++;
    return at;
}

/* Words that one could say and nobody is called: consonants and vowels take turns. */
static void plan_word(struct plan *plan, size_t from, size_t to)
{
    for (size_t i = from; i < to; i++) {
        bool is_upper = plan->value->plain[i] < 'a';

        plan_free(plan, i,
                  (i - from) % 2 == 1 ? (is_upper ? &vowel_upper : &vowel)
                                      : (is_upper ? &consonant_upper : &consonant));
    }
}

static bool is_among(struct slice word, const char *const *words, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (word.len == strlen(words[i]) && text_holds(word, slice_of(words[i])))
            return true;
    return false;
}

static bool plan_words(struct plan *plan, const char *const *kept, size_t kept_count)
{
    const struct letters *value = plan->value;

    for (size_t at = 0; at < value->count;) {
        size_t end = word_end(value, at);

        if (end == at)
            plan_same_kind(plan, at++);
        else if (!is_among(slice_part(plain_of(plan), at, end), kept, kept_count))
            plan_word(plan, at, end);
        at = end > at ? end : at;
    }
    return plan->free > 0;
}

bool shape_name(struct plan *plan)
{
    static const char *const titles[] = {"dr", "mr", "mrs", "ms", "prof", "jr", "sr", "md"};

    return plan_words(plan, titles, COUNT(titles));
}

bool shape_address(struct plan *plan)
{
    static const char *const kinds[] = {
        "st",  "street", "ave",  "avenue", "rd",  "road", "ln",    "lane",  "dr",
        "drive", "blvd", "ct",   "court",  "apt", "suite", "unit", "po",    "box",
        "way", "sq",     "hwy",  "pl",     "n",   "s",     "e",    "w"};

    if (is_digit((uint8_t)plan->value->plain[0]))
        plan_free(plan, 0, plan->value->plain[0] == '0' ? &alphabet_digit : &alphabet_nonzero);
    return plan_words(plan, kinds, COUNT(kinds));
}
