/* The name of an effective policy. */
#include <stdlib.h>

#include <openssl/evp.h>

#include "base/hex.h"
#include "base/scope.h"
#include "policy/builder.h"

static int by_path(const void *a, const void *b)
{
    return strcmp((*(const struct setting *const *)a)->path,
                  (*(const struct setting *const *)b)->path);
}

static bool digest_file(EVP_MD_CTX *hash, const struct policy_settings *settings)
{
    const struct setting **sorted;
    AUTO_FREE void *owner = NULL;
    bool ok = true;

    if (settings == NULL)
        return EVP_DigestUpdate(hash, "-", 1) == 1;
    sorted = xalloc_array(settings->count, sizeof(*sorted));
    owner = sorted;
    for (size_t i = 0; i < settings->count; i++)
        sorted[i] = &settings->at[i];
    qsort(sorted, settings->count, sizeof(*sorted), by_path);
    for (size_t i = 0; ok && i < settings->count; i++)
        ok = EVP_DigestUpdate(hash, sorted[i]->path, strlen(sorted[i]->path) + 1) == 1 &&
             EVP_DigestUpdate(hash, sorted[i]->value, strlen(sorted[i]->value) + 1) == 1;
    return ok && EVP_DigestUpdate(hash, "\n", 1) == 1;
}

/* Goes up when built-in rules or defaults change: what was prepared under the old ones is made
 * anew. */
#define DIGEST_VERSION "custody-policy/2"

/* Over both files' settings, sorted: order of keys, comments and spelling of the YAML do not
 * count. */
bool build_digest(struct builder *builder)
{
    EVP_MD_CTX *hash = EVP_MD_CTX_new();
    uint8_t bytes[EVP_MAX_MD_SIZE];
    bool ok = hash != NULL && EVP_DigestInit_ex(hash, EVP_sha256(), NULL) == 1 &&
              EVP_DigestUpdate(hash, DIGEST_VERSION, sizeof(DIGEST_VERSION)) == 1 &&
              digest_file(hash, builder->organisation) &&
              digest_file(hash, builder->repository) &&
              EVP_DigestFinal_ex(hash, bytes, NULL) == 1;

    EVP_MD_CTX_free(hash);
    if (!ok)
        return fault_set(builder->fault, FAULT_IO, "digest the policy");
    hex_encode(slice_of_bytes(bytes, 32), builder->policy->digest);
    return true;
}
