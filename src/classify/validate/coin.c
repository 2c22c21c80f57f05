/* Addresses of crypto currencies. */
#include <openssl/evp.h>

#include "base/hex.h"
#include "classify/ascii.h"
#include "classify/validate/list.h"

#define BASE58_BYTES 25 /* version, 20 of a hash, 4 of a checksum */
#define BECH32_LEN_MAX 90
#define BECH32_CHECK 6
#define BECH32_CONSTANT 1U
#define BECH32M_CONSTANT 0x2bc830a3U

static int digit_in(const char *alphabet, uint8_t byte)
{
    const char *place = byte == 0 ? NULL : strchr(alphabet, byte);

    return place == NULL ? -1 : (int)(place - alphabet);
}

/* A big number of base 58 into exactly BASE58_BYTES. */
static bool decode_base58(struct slice text, uint8_t ret_bytes[BASE58_BYTES])
{
    memset(ret_bytes, 0, BASE58_BYTES);
    for (size_t i = 0; i < text.len; i++) {
        int digit =
            digit_in("123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz", text.at[i]);
        unsigned carry = (unsigned)digit;

        if (digit < 0)
            return false;
        for (size_t at = BASE58_BYTES; at-- > 0;) {
            carry += ret_bytes[at] * 58U;
            ret_bytes[at] = (uint8_t)carry;
            carry >>= 8;
        }
        if (carry != 0)
            return false;
    }
    return true;
}

static bool sha256(const void *bytes, size_t len, uint8_t ret_hash[EVP_MAX_MD_SIZE])
{
    return EVP_Digest(bytes, len, ret_hash, NULL, EVP_sha256(), NULL) == 1;
}

/* Bitcoin's first two kinds of addresses: version 0 or 5, checksum SHA-256 twice. */
bool validate_btc(struct slice text)
{
    uint8_t bytes[BASE58_BYTES], hash[EVP_MAX_MD_SIZE];

    return text.len >= 26 && text.len <= 35 && (text.at[0] == '1' || text.at[0] == '3') &&
           decode_base58(text, bytes) && (bytes[0] == 0 || bytes[0] == 5) &&
           sha256(bytes, BASE58_BYTES - 4, hash) && sha256(hash, 32, hash) &&
           memcmp(hash, bytes + BASE58_BYTES - 4, 4) == 0;
}

static uint32_t polymod(uint32_t check, uint32_t value)
{
    static const uint32_t generator[] = {0x3b6a57b2, 0x26508e6d, 0x1ea119fa, 0x3d4233dd,
                                         0x2a1462b3};
    uint32_t top = check >> 25;

    check = (check & 0x1ffffff) << 5 ^ value;
    for (unsigned i = 0; i < COUNT(generator); i++)
        if (top >> i & 1)
            check ^= generator[i];
    return check;
}

/* BIP 173 and 350: Bitcoin and Litecoin, main and test networks; in one case. */
bool validate_bech32(struct slice text)
{
    static const char *const heads[] = {"bc1", "tb1", "ltc1"};
    size_t head = 0;
    uint32_t check = 1;
    bool lowers = false, uppers = false;

    for (size_t i = 0; i < COUNT(heads) && head == 0; i++) {
        size_t len = strlen(heads[i]), at = 0;

        while (at < len && at < text.len && lower(text.at[at]) == (uint8_t)heads[i][at])
            at++;
        head = at == len ? len - 1 : 0; /* without the 1 */
    }
    if (head == 0 || text.len > BECH32_LEN_MAX || text.len < head + 1 + BECH32_CHECK + 8)
        return false;
    for (size_t i = 0; i < head; i++)
        check = polymod(check, lower(text.at[i]) >> 5);
    check = polymod(check, 0);
    for (size_t i = 0; i < head; i++)
        check = polymod(check, lower(text.at[i]) & 31);
    for (size_t i = 0; i < text.len; i++) {
        int digit = digit_in("qpzry9x8gf2tvdw0s3jn54khce6mua7l", lower(text.at[i]));

        uppers = uppers || is_upper(text.at[i]);
        lowers = lowers || (is_letter(text.at[i]) && !is_upper(text.at[i]));
        if (i <= head)
            continue;
        if (digit < 0)
            return false;
        check = polymod(check, (uint32_t)digit);
    }
    return !(lowers && uppers) && (check == BECH32_CONSTANT || check == BECH32M_CONSTANT);
}

/* Ethereum: twenty bytes, not all the same digit. (Its checksum by case needs Keccak.) */
bool validate_eth(struct slice text)
{
    bool varies = false;

    if (text.len != 42 || text.at[0] != '0' || text.at[1] != 'x')
        return false;
    for (size_t i = 2; i < text.len; i++) {
        if (hex_digit(text.at[i]) < 0)
            return false;
        varies = varies || text.at[i] != text.at[2];
    }
    return varies;
}
