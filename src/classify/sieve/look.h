/*
 * classify/sieve/look.h - what blocks of bytes hold, by a way's own `block`, load, within, equal, high and small_of, which
 * stand in front of this. Private to classify/.
 */
WITH_VECTOR SIEVE_INLINED void look_for_numbers(const uint8_t *at, size_t blocks,
                                                struct sieve_chunk *ret_chunk)
{
    for (size_t i = 1; i <= blocks; i++) {
        block bytes = load(at + (i - 1) * SIEVE_BLOCK);
        uint64_t parenthesis = within(bytes, '(', ')');

        ret_chunk->digit[i] = within(bytes, '0', '9');
        ret_chunk->parenthesis[i] = parenthesis;
        ret_chunk->joint[i] = parenthesis | within(bytes, '-', '/') | equal(bytes, ' ');
    }
    ret_chunk->digit[blocks + 1] = ret_chunk->parenthesis[blocks + 1] =
        ret_chunk->joint[blocks + 1] = 0;
}

WITH_VECTOR SIEVE_INLINED void look_for_mails(const uint8_t *at, size_t blocks,
                                              struct sieve_chunk *ret_chunk)
{
    for (size_t i = 1; i <= blocks; i++)
        ret_chunk->at[i] = equal(load(at + (i - 1) * SIEVE_BLOCK), '@');
}

WITH_VECTOR SIEVE_INLINED void look_for_colons(const uint8_t *at, size_t blocks,
                                               struct sieve_chunk *ret_chunk)
{
    for (size_t i = 1; i <= blocks; i++)
        ret_chunk->colon[i] = equal(load(at + (i - 1) * SIEVE_BLOCK), ':');
}

WITH_VECTOR SIEVE_INLINED void look_for_words(const uint8_t *at, size_t blocks,
                                              struct sieve_chunk *ret_chunk)
{
    for (size_t i = 1; i <= blocks; i++) {
        block bytes = load(at + (i - 1) * SIEVE_BLOCK);
        uint64_t letter = within(small_of(bytes), 'a', 'z') | high(bytes);

        ret_chunk->letter[i] = letter;
        ret_chunk->word[i] = letter | within(bytes, '0', '9') | equal(bytes, '_');
        ret_chunk->capital[i] =
            within(bytes, 'A', 'Z') | within(bytes, (char)0xc3, (char)0xc5);
    }
}

static const struct sieve_eyes eyes = {look_for_numbers, look_for_mails, look_for_colons,
                                       look_for_words};
