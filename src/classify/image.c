#include "classify/image.h"

#include <openssl/evp.h>

#define MAGIC "custody rules 2\n"
#define SUM_LEN 32

struct header {
    char magic[sizeof(MAGIC) - 1];
    uint8_t sum[SUM_LEN]; /* SHA-256 of all behind it */
    char digest[RULES_KEY_LEN];
};

#define SUMMED_FROM (sizeof(MAGIC) - 1 + SUM_LEN)

static bool sum_of(struct slice image, uint8_t ret_sum[SUM_LEN])
{
    return EVP_Digest(image.at + SUMMED_FROM, image.len - SUMMED_FROM, ret_sum, NULL,
                      EVP_sha256(), NULL) == 1;
}

bool image_write(struct slice packed, const char *digest, struct buf *ret_image,
                 struct fault *fault)
{
    struct header header = {0};

    memcpy(header.magic, MAGIC, sizeof(header.magic));
    memcpy(header.digest, digest, sizeof(header.digest));
    buf_clear(ret_image);
    if (!buf_add(ret_image, slice_of_bytes(&header, sizeof(header)), fault) ||
        !buf_add(ret_image, packed, fault))
        return false;
    return sum_of(buf_slice(ret_image), ret_image->at + sizeof(header.magic)) ||
           fault_set(fault, FAULT_IO, "SHA-256 failed");
}

bool image_read(struct slice bytes, const char *digest, struct slice *ret_packed,
                struct fault *fault)
{
    struct header header;
    uint8_t sum[SUM_LEN];

    if (bytes.len < sizeof(header))
        return fault_set(fault, FAULT_INVALID, "an image of rules of %zu bytes", bytes.len);
    memcpy(&header, bytes.at, sizeof(header));
    if (memcmp(header.magic, MAGIC, sizeof(header.magic)) != 0 ||
        memcmp(header.digest, digest, sizeof(header.digest)) != 0 || !sum_of(bytes, sum) ||
        memcmp(sum, header.sum, SUM_LEN) != 0)
        return fault_set(fault, FAULT_INVALID, "a damaged image of rules, or another one's");
    *ret_packed = slice_part(bytes, sizeof(header), bytes.len);
    return true;
}
