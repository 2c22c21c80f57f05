#include "ledger/sha256.h"

#include <openssl/evp.h>
#include <openssl/provider.h>
#include <stdlib.h>

#include "ledger/sha256_lanes.h"

#define SHORT_BYTES_MAX 4096 /* of a message that is copied behind its prefix */
#define PADDED_BYTES_MAX (SHORT_BYTES_MAX + 2 * SHA256_BLOCK_BYTES)

static struct {
    bool is_known;
    enum sha256_way way;
} chosen;

/* One context for the process: it has no threads, and making one costs more than a hash. */
static EVP_MD_CTX *evp_begin(bool *ret_is_default)
{
    static EVP_MD_CTX *context;
    static bool is_default;

    if (context == NULL) {
        EVP_MD *sha256 = EVP_MD_fetch(NULL, "SHA256", NULL);

        context = EVP_MD_CTX_new();
        if (context == NULL || sha256 == NULL ||
            EVP_DigestInit_ex2(context, sha256, NULL) != 1)
            abort(); /* a library without SHA-256 can keep no ledger */
        is_default =
            strcmp(OSSL_PROVIDER_get0_name(EVP_MD_get0_provider(sha256)), "default") == 0;
        EVP_MD_free(sha256);                                   /* the context holds it */
    } else if (EVP_DigestInit_ex2(context, NULL, NULL) != 1) { /* NULL: the algorithm it has */
        abort();
    }
    if (ret_is_default != NULL)
        *ret_is_default = is_default;
    return context;
}

static void by_evp(uint8_t prefix, struct slice message, uint8_t *ret_hash)
{
    EVP_MD_CTX *context = evp_begin(NULL);

    if (EVP_DigestUpdate(context, &prefix, sizeof(prefix)) != 1 ||
        (message.len > 0 && EVP_DigestUpdate(context, message.at, message.len) != 1) ||
        EVP_DigestFinal_ex(context, ret_hash, NULL) != 1)
        abort();
}

static bool is_there(enum sha256_way way)
{
    switch (way) {
    case SHA256_EVP:
        return true;
    case SHA256_SHA_NI:
        return sha256_ni_is_there();
    case SHA256_AVX512: /* what is left over is hashed one by one */
        return sha256_ni_is_there() && sha256_avx512_is_there();
    }
    return false;
}

bool sha256_use(enum sha256_way way)
{
    if (!is_there(way))
        return false;
    chosen.way = way;
    chosen.is_known = true;
    return true;
}

enum sha256_way sha256_way(void)
{
    bool is_default;

    if (chosen.is_known)
        return chosen.way;
    (void)evp_begin(&is_default);
    if (!is_default || (!sha256_use(SHA256_AVX512) && !sha256_use(SHA256_SHA_NI)))
        (void)sha256_use(SHA256_EVP);
    return chosen.way;
}

static struct sha256_padded pad(uint8_t prefix, struct slice message, uint8_t *room)
{
    size_t len = 1 + message.len;
    size_t blocks = (len + 8) / SHA256_BLOCK_BYTES + 1;
    uint64_t bits = 8 * (uint64_t)len;
    uint8_t *end = room + blocks * SHA256_BLOCK_BYTES;

    room[0] = prefix;
    if (message.len > 0)
        memcpy(room + 1, message.at, message.len);
    room[len] = 0x80;
    memset(room + len + 1, 0, (size_t)(end - room) - len - 1);
    for (int i = 1; i <= 8; i++, bits >>= 8)
        end[-i] = (uint8_t)bits;
    return (struct sha256_padded){.at = room, .blocks = blocks};
}

/* Fewer than this are hashed one after the other: sixteen lanes cost what seven messages do.
 */
#define LANES_MIN 7

struct lanes {
    struct sha256_padded padded[SHA256_LANES];
    uint8_t *hashes[SHA256_LANES];
    size_t count;
};

static void hash_lanes(struct lanes *lanes)
{
    if (chosen.way == SHA256_AVX512 && lanes->count >= LANES_MIN)
        sha256_avx512(lanes->padded, lanes->count, lanes->hashes);
    else
        for (size_t i = 0; i < lanes->count; i++)
            sha256_ni(&lanes->padded[i], lanes->hashes[i]);
    lanes->count = 0;
}

static void by_lanes(uint8_t prefix, const struct slice *messages, size_t count,
                     uint8_t *ret_hashes)
{
    static uint8_t rooms[SHA256_LANES][PADDED_BYTES_MAX];
    struct lanes lanes __attribute__((uninitialized));

    lanes.count = 0;
    for (size_t i = 0; i < count; i++) {
        uint8_t *hash = ret_hashes + i * SHA256_BYTES;

        if (messages[i].len > SHORT_BYTES_MAX) {
            by_evp(prefix, messages[i], hash);
            continue;
        }
        lanes.padded[lanes.count] = pad(prefix, messages[i], rooms[lanes.count]);
        lanes.hashes[lanes.count++] = hash;
        if (lanes.count == SHA256_LANES)
            hash_lanes(&lanes);
    }
    hash_lanes(&lanes);
}

void sha256_prefixed(uint8_t prefix, const struct slice *messages, size_t count,
                     uint8_t *ret_hashes)
{
    if (sha256_way() != SHA256_EVP) {
        by_lanes(prefix, messages, count, ret_hashes);
        return;
    }
    for (size_t i = 0; i < count; i++)
        by_evp(prefix, messages[i], ret_hashes + i * SHA256_BYTES);
}
