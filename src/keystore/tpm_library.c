#include "keystore/tpm_library.h"

#include <stddef.h>
#include <stdlib.h>

#include "os/library.h"

#define PACKAGES "libtss2-esys-3.0.2-0 libtss2-tctildr0 libtss2-mu0 libtss2-tcti-device0"

static const struct library_symbol tcti_symbols[] = {
    {"Tss2_TctiLdr_Initialize", offsetof(struct tpm_library, tcti_initialize)},
    {"Tss2_TctiLdr_Finalize", offsetof(struct tpm_library, tcti_finalize)},
};

static const struct library_symbol esys_symbols[] = {
    {"Esys_Initialize", offsetof(struct tpm_library, initialize)},
    {"Esys_Finalize", offsetof(struct tpm_library, finalize)},
    {"Esys_CreatePrimary", offsetof(struct tpm_library, create_primary)},
    {"Esys_Create", offsetof(struct tpm_library, create)},
    {"Esys_Load", offsetof(struct tpm_library, load)},
    {"Esys_Unseal", offsetof(struct tpm_library, unseal)},
    {"Esys_StartAuthSession", offsetof(struct tpm_library, start_session)},
    {"Esys_TRSess_SetAttributes", offsetof(struct tpm_library, set_attributes)},
    {"Esys_PolicyPCR", offsetof(struct tpm_library, policy_pcr)},
    {"Esys_PolicyGetDigest", offsetof(struct tpm_library, policy_digest)},
    {"Esys_FlushContext", offsetof(struct tpm_library, flush)},
    {"Esys_Free", offsetof(struct tpm_library, free)},
};

static const struct library_symbol mu_symbols[] = {
    {"Tss2_MU_TPM2B_PUBLIC_Marshal", offsetof(struct tpm_library, put_public)},
    {"Tss2_MU_TPM2B_PUBLIC_Unmarshal", offsetof(struct tpm_library, get_public)},
    {"Tss2_MU_TPM2B_PRIVATE_Marshal", offsetof(struct tpm_library, put_private)},
    {"Tss2_MU_TPM2B_PRIVATE_Unmarshal", offsetof(struct tpm_library, get_private)},
};

static const struct part {
    const char *file;
    const struct library_symbol *symbols;
    size_t count;
} parts[] = {
    {"libtss2-tctildr.so.0", tcti_symbols, COUNT(tcti_symbols)},
    {"libtss2-esys.so.0", esys_symbols, COUNT(esys_symbols)},
    {"libtss2-mu.so.0", mu_symbols, COUNT(mu_symbols)},
};

bool tpm_library_load(const struct tpm_library **ret_library, struct fault *fault)
{
    static struct tpm_library library;

    (void)setenv("TSS2_LOG", "all+none", 0); /* what failed, we say ourselves */
    for (size_t i = 0; i < COUNT(parts); i++)
        if (!library_load(parts[i].file, PACKAGES, parts[i].symbols, parts[i].count, &library,
                          fault))
            return false;
    *ret_library = &library;
    return true;
}
