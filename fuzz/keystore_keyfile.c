/* Key files: what parses is written again as it was; no secret opens what was not sealed. */
#include <stdlib.h>

#include "base/scope.h"
#include "keystore/pkcs11_uri.h"
#include "keystore/sealed.h"
#include "keystore/tpm.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char random_key[SEALED_RANDOM_BYTES + 1] =
    "\x01\xff 30 bytes that nobody knows...";

static void open_it(const struct keyfile *file)
{
    uint8_t seed[SEALED_SEED_BYTES];
    struct pkcs11_uri uri;
    struct fault fault = {0};

    /* A passphrase takes half a second, whatever the file says: not here. */
    if (file->kind == KEYFILE_SEALED && !sealed_has_passphrase(file) &&
        sealed_open(file, slice_of_bytes(random_key, SEALED_RANDOM_BYTES), seed, &fault))
        abort();
    if (file->kind == KEYFILE_PKCS11 &&
        pkcs11_uri_parse(file->line[KEYFILE_URI], &uri, &fault) &&
        (uri.module_path[0] != '/' || uri.pin_source[0] == 0 ||
         (uri.object[0] == 0 && uri.id_len == 0)))
        abort();
    if (file->kind == KEYFILE_TPM2 && !tpm_pcrs_check(file->line[KEYFILE_PCRS], &fault) &&
        fault.kind == FAULT_NONE)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    AUTO_BUF struct buf again = buf_with_limit(KEYFILE_BYTES_MAX);
    struct slice text = slice_of_bytes(data, size);
    struct fault fault = {0};
    struct keyfile file;

    if (!keyfile_parse(text, &file, &fault))
        return 0;
    open_it(&file);
    if (file.kind != KEYFILE_PLAIN && (!keyfile_write(&file, false, &again, &fault) ||
                                       !slice_equal(buf_slice(&again), text)))
        abort();
    return 0;
}
