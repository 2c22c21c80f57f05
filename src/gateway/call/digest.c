#include "gateway/call/digest.h"

#include <openssl/evp.h>

#include "base/hex.h"

bool digest_text(struct slice bytes, char ret_text[DIGEST_TEXT_BYTES])
{
    /* Fetched once: looking for it takes longer than a small digest. One loop, no threads. */
    static EVP_MD *algorithm;
    static EVP_MD_CTX *context;
    uint8_t sum[EVP_MAX_MD_SIZE];

    if (algorithm == NULL)
        algorithm = EVP_MD_fetch(NULL, "SHA256", NULL);
    if (context == NULL)
        context = EVP_MD_CTX_new();
    if (algorithm == NULL || context == NULL ||
        EVP_DigestInit_ex2(context, algorithm, NULL) != 1 ||
        EVP_DigestUpdate(context, bytes.at, bytes.len) != 1 ||
        EVP_DigestFinal_ex(context, sum, NULL) != 1)
        return false;
    hex_encode(slice_of_bytes(sum, 32), ret_text);
    return true;
}
