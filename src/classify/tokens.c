#include "classify/tokens.h"

#include "base/sixteen.h"
#include "classify/ascii.h"

static bool is_word(uint8_t byte)
{
    return is_letter(byte) || byte >= 0x80;
}

/* Does a word begin at `at`, within letters or digits? */
static bool begins(struct slice text, size_t at)
{
    uint8_t before = text.at[at - 1], byte = text.at[at];

    if (is_digit(byte) != is_digit(before))
        return true;
    return is_upper(byte) &&
           (!is_upper(before) ||
            (at + 1 < text.len && is_letter(text.at[at + 1]) && !is_upper(text.at[at + 1])));
}

static void add(struct tokens *tokens, struct slice token)
{
    if (tokens->count == TOKENS_MAX) {
        memmove(tokens->at, tokens->at + 1, (TOKENS_MAX - 1) * sizeof(tokens->at[0]));
        memmove(tokens->firsts, tokens->firsts + 1, TOKENS_MAX - 1);
        tokens->count--;
    }
    tokens->firsts[tokens->count] = lower(token.at[0]);
    tokens->at[tokens->count++] = token;
}

void tokens_of(struct slice text, struct tokens *ret_tokens)
{
    size_t start = SIZE_MAX;

    ret_tokens->count = 0;
    memset(ret_tokens->firsts, 0, sizeof(ret_tokens->firsts));
    for (size_t at = 0; at < text.len; at++) {
        bool inside = is_word(text.at[at]) || is_digit(text.at[at]);

        if (start != SIZE_MAX && (!inside || begins(text, at))) {
            add(ret_tokens, slice_part(text, start, at));
            start = SIZE_MAX;
        }
        if (inside && start == SIZE_MAX)
            start = at;
    }
    if (start != SIZE_MAX)
        add(ret_tokens, slice_part(text, start, text.len));
}

/* Takes the token off the front of the phrase. False: it is not there. */
static bool take(struct slice *phrase, struct slice token)
{
    size_t at = 0;

    for (size_t i = 0; i < token.len; i++, at++) {
        while (at < phrase->len && !is_word(phrase->at[at]) && !is_digit(phrase->at[at]))
            at++;
        if (at == phrase->len || lower(phrase->at[at]) != lower(token.at[i]))
            return false;
    }
    *phrase = slice_part(*phrase, at, phrase->len);
    return true;
}

/* A bit for each token that begins as the phrase does. */
static uint32_t where_it_may_begin(const struct tokens *tokens, struct slice phrase)
{
    uint32_t bits = 0;
    size_t at = 0;
    uint8_t first;

    while (at < phrase.len && !is_word(phrase.at[at]) && !is_digit(phrase.at[at]))
        at++;
    if (at == phrase.len)
        return 0;
    first = lower(phrase.at[at]);
    for (size_t i = 0; i < TOKENS_MAX; i += SIXTEEN)
        bits |= (uint32_t)sixteen_bits(sixteen_is(sixteen_load(tokens->firsts + i), first))
                << i;
    return bits;
}

bool token_is(struct slice token, struct slice word)
{
    return token.len > 0 && take(&word, token) && word.len == 0;
}

bool tokens_hold(const struct tokens *tokens, struct slice phrase, size_t *ret_last)
{
    uint32_t bits = where_it_may_begin(tokens, phrase);

    while (bits != 0) {
        unsigned first = 31U - (unsigned)__builtin_clz(bits);
        struct slice rest = phrase;

        bits ^= UINT32_C(1) << first;
        for (size_t at = first; at < tokens->count && take(&rest, tokens->at[at]); at++)
            if (rest.len == 0) {
                *ret_last = at;
                return true;
            }
    }
    return false;
}

uint64_t tokens_joined_hash(struct slice text)
{
    uint64_t hash = UINT64_C(14695981039346656037); /* FNV-1a */

    for (size_t i = 0; i < text.len; i++)
        if (is_word(text.at[i]) || is_digit(text.at[i]))
            hash = (hash ^ lower(text.at[i])) * UINT64_C(1099511628211);
    return hash;
}

bool text_holds(struct slice text, struct slice word)
{
    uint8_t first = word.len > 0 ? lower(word.at[0]) : 0;

    for (size_t at = 0; at + word.len <= text.len; at++) {
        size_t same = 0;

        if (word.len > 0 && lower(text.at[at]) != first)
            continue;
        while (same < word.len && lower(text.at[at + same]) == lower(word.at[same]))
            same++;
        if (same == word.len)
            return true;
    }
    return false;
}
