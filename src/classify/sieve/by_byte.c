/* The sieve byte by byte: what it means, and what runs where no wider way is there. */
#include "classify/sieve/found.h"

struct state {
    struct slice text;
    unsigned kinds;
    size_t number_done, colon_done;
};

static bool is_number_trigger(const struct state *state, size_t at)
{
    return (state->kinds & SIEVE_NUMBER) != 0 && at >= state->number_done;
}

/* Is there another ':' close behind the one at `at`? */
static bool is_colon_trigger(const struct state *state, size_t at)
{
    return (state->kinds & SIEVE_COLON) != 0 && at >= state->colon_done &&
           slice_find_byte(slice_part(state->text, at + 1, at + 1 + SIEVE_COLON_GAP), ':',
                           0) != SIZE_MAX;
}

static bool is_word_trigger(const struct state *state, size_t at)
{
    uint8_t before = at > 0 ? state->text.at[at - 1] : 0;

    return (state->kinds & SIEVE_WORD) != 0 && !is_digit(before) && before != '_' &&
           !sieve_is_letter(before);
}

static bool find_at(struct state *state, size_t at, struct sieve_candidate *ret_candidate)
{
    struct slice text = state->text;
    uint8_t byte = text.at[at];

    if (is_digit(byte) && is_number_trigger(state, at)) {
        sieve_number_at(text, at, ret_candidate);
        state->number_done = ret_candidate->end;
        if (ret_candidate->digits < SIEVE_DIGITS_MIN)
            return false;
        sieve_number_front(text, ret_candidate);
        return true;
    }
    if (byte == '@')
        return (state->kinds & SIEVE_MAIL) != 0 && sieve_mail_at(text, at, ret_candidate);
    if (byte == ':')
        return is_colon_trigger(state, at) &&
               sieve_colon_at(text, at, &state->colon_done, ret_candidate);
    return sieve_is_letter(byte) && is_word_trigger(state, at) &&
           sieve_word_at(text, at, ret_candidate);
}

bool sieve_by_byte(struct slice text, unsigned kinds, sieve_sink *sink, void *self)
{
    struct state state = {.text = text, .kinds = kinds};
    struct sieve_candidate candidate;

    for (size_t at = 0; at < text.len; at++)
        if (find_at(&state, at, &candidate) && !sink(self, &candidate))
            return false;
    return true;
}
