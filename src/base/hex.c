#include "base/hex.h"

int hex_digit(uint8_t byte)
{
    if (byte >= '0' && byte <= '9')
        return byte - '0';
    if (byte >= 'a' && byte <= 'f')
        return byte - 'a' + 10;
    if (byte >= 'A' && byte <= 'F')
        return byte - 'A' + 10;
    return -1;
}

void hex_encode(struct slice bytes, char *ret_text)
{
    static const char digits[] = "0123456789abcdef";

    for (size_t i = 0; i < bytes.len; i++) {
        ret_text[2 * i] = digits[bytes.at[i] >> 4];
        ret_text[2 * i + 1] = digits[bytes.at[i] & 15];
    }
    ret_text[2 * bytes.len] = 0;
}

bool hex_decode(struct slice text, uint8_t *ret_bytes, size_t len)
{
    if (text.len != 2 * len)
        return false;
    for (size_t i = 0; i < text.len; i++)
        if (hex_digit(text.at[i]) < 0 || (text.at[i] >= 'A' && text.at[i] <= 'F'))
            return false;
    for (size_t i = 0; i < len; i++)
        ret_bytes[i] = (uint8_t)((unsigned)hex_digit(text.at[2 * i]) << 4 |
                                 (unsigned)hex_digit(text.at[2 * i + 1]));
    return true;
}
