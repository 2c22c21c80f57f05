/* classify/ascii.h - kinds of bytes, whatever the locale. Private to classify/. */
#ifndef CUSTODY_CLASSIFY_ASCII_H
#define CUSTODY_CLASSIFY_ASCII_H

#include <stdbool.h>
#include <stdint.h>

static inline bool is_digit(uint8_t byte)
{
    return byte >= '0' && byte <= '9';
}

static inline bool is_upper(uint8_t byte)
{
    return byte >= 'A' && byte <= 'Z';
}

static inline bool is_letter(uint8_t byte)
{
    return (byte >= 'a' && byte <= 'z') || is_upper(byte);
}

static inline bool is_alnum(uint8_t byte)
{
    return is_digit(byte) || is_letter(byte);
}

static inline uint8_t lower(uint8_t byte)
{
    return is_upper(byte) ? (uint8_t)(byte + 32) : byte;
}

static inline uint8_t upper(uint8_t byte)
{
    return byte >= 'a' && byte <= 'z' ? (uint8_t)(byte - 32) : byte;
}

#endif
