#include "ledger/crc32c.h"

#define POLYNOMIAL 0x82f63b78U

uint32_t crc32c_by_table(uint32_t crc, struct slice bytes)
{
    static uint32_t table[256];

    if (table[1] == 0)
        for (uint32_t i = 0; i < 256; i++) {
            uint32_t value = i;

            for (int bit = 0; bit < 8; bit++)
                value = (value >> 1) ^ ((value & 1) != 0 ? POLYNOMIAL : 0);
            table[i] = value;
        }
    crc = ~crc;
    for (size_t i = 0; i < bytes.len; i++)
        crc = (crc >> 8) ^ table[(crc ^ bytes.at[i]) & 0xff];
    return ~crc;
}

#if defined(__x86_64__)

__attribute__((target("sse4.2"))) static uint32_t by_instruction(uint32_t before,
                                                                 struct slice bytes)
{
    uint64_t crc = ~before;
    size_t at = 0;

    for (; at + sizeof(uint64_t) <= bytes.len; at += sizeof(uint64_t)) {
        uint64_t word;

        memcpy(&word, bytes.at + at, sizeof(word));
        crc = __builtin_ia32_crc32di(crc, word);
    }
    for (; at < bytes.len; at++)
        crc = __builtin_ia32_crc32qi((uint32_t)crc, bytes.at[at]);
    return ~(uint32_t)crc;
}

uint32_t crc32c(uint32_t crc, struct slice bytes)
{
    return __builtin_cpu_supports("sse4.2") ? by_instruction(crc, bytes)
                                            : crc32c_by_table(crc, bytes);
}

#else

uint32_t crc32c(uint32_t crc, struct slice bytes)
{
    return crc32c_by_table(crc, bytes);
}

#endif
