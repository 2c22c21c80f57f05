#include "keystore/tpm_library.h"

#include <dlfcn.h>
#include <stddef.h>
#include <stdlib.h>

#include "base/bytes.h"

#define TCTI "libtss2-tctildr.so.0"
#define ESYS "libtss2-esys.so.0"
#define MU "libtss2-mu.so.0"

static const struct symbol {
    const char *library, *name;
    size_t offset;
} symbols[] = {
    {TCTI, "Tss2_TctiLdr_Initialize", offsetof(struct tpm_library, tcti_initialize)},
    {TCTI, "Tss2_TctiLdr_Finalize", offsetof(struct tpm_library, tcti_finalize)},
    {ESYS, "Esys_Initialize", offsetof(struct tpm_library, initialize)},
    {ESYS, "Esys_Finalize", offsetof(struct tpm_library, finalize)},
    {ESYS, "Esys_CreatePrimary", offsetof(struct tpm_library, create_primary)},
    {ESYS, "Esys_Create", offsetof(struct tpm_library, create)},
    {ESYS, "Esys_Load", offsetof(struct tpm_library, load)},
    {ESYS, "Esys_Unseal", offsetof(struct tpm_library, unseal)},
    {ESYS, "Esys_StartAuthSession", offsetof(struct tpm_library, start_session)},
    {ESYS, "Esys_TRSess_SetAttributes", offsetof(struct tpm_library, set_attributes)},
    {ESYS, "Esys_PolicyPCR", offsetof(struct tpm_library, policy_pcr)},
    {ESYS, "Esys_PolicyGetDigest", offsetof(struct tpm_library, policy_digest)},
    {ESYS, "Esys_FlushContext", offsetof(struct tpm_library, flush)},
    {ESYS, "Esys_Free", offsetof(struct tpm_library, free)},
    {MU, "Tss2_MU_TPM2B_PUBLIC_Marshal", offsetof(struct tpm_library, put_public)},
    {MU, "Tss2_MU_TPM2B_PUBLIC_Unmarshal", offsetof(struct tpm_library, get_public)},
    {MU, "Tss2_MU_TPM2B_PRIVATE_Marshal", offsetof(struct tpm_library, put_private)},
    {MU, "Tss2_MU_TPM2B_PRIVATE_Unmarshal", offsetof(struct tpm_library, get_private)},
};

/* dlopen of a library that is open already only counts it once more. */
static bool find(const struct symbol *symbol, void **ret_found, struct fault *fault)
{
    void *library = dlopen(symbol->library, RTLD_NOW | RTLD_LOCAL);

    if (library == NULL)
        return fault_set(fault, FAULT_HOST,
                         "load %s: %s; apt-get install libtss2-esys-3.0.2-0 libtss2-tctildr0 "
                         "libtss2-mu0 libtss2-tcti-device0",
                         symbol->library, dlerror());
    *ret_found = dlsym(library, symbol->name);
    return *ret_found != NULL ||
           fault_set(fault, FAULT_HOST, "%s has no %s", symbol->library, symbol->name);
}

bool tpm_library_load(const struct tpm_library **ret_library, struct fault *fault)
{
    static struct tpm_library library;

    (void)setenv("TSS2_LOG", "all+none", 0); /* what failed, we say ourselves */
    for (size_t i = 0; i < COUNT(symbols); i++) {
        void *found;

        if (!find(&symbols[i], &found, fault))
            return false;
        memcpy((char *)&library + symbols[i].offset, &found, sizeof(found));
    }
    *ret_library = &library;
    return true;
}
