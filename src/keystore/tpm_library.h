/*
 * keystore/tpm_library.h - what is used of tpm2-tss, loaded when a TPM is first asked for.
 *
 * Its libraries take milliseconds to load: a start without a TPM pays nothing (dlopen).
 */
#ifndef CUSTODY_KEYSTORE_TPM_LIBRARY_H
#define CUSTODY_KEYSTORE_TPM_LIBRARY_H

#include <tss2/tss2_esys.h>
#include <tss2/tss2_mu.h>
#include <tss2/tss2_tctildr.h>

#include "base/fault.h"

struct tpm_library {
    __typeof__(Tss2_TctiLdr_Initialize) *tcti_initialize;
    __typeof__(Tss2_TctiLdr_Finalize) *tcti_finalize;
    __typeof__(Esys_Initialize) *initialize;
    __typeof__(Esys_Finalize) *finalize;
    __typeof__(Esys_CreatePrimary) *create_primary;
    __typeof__(Esys_Create) *create;
    __typeof__(Esys_Load) *load;
    __typeof__(Esys_Unseal) *unseal;
    __typeof__(Esys_StartAuthSession) *start_session;
    __typeof__(Esys_TRSess_SetAttributes) *set_attributes;
    __typeof__(Esys_PolicyPCR) *policy_pcr;
    __typeof__(Esys_PolicyGetDigest) *policy_digest;
    __typeof__(Esys_FlushContext) *flush;
    __typeof__(Esys_Free) *free;
    __typeof__(Tss2_MU_TPM2B_PUBLIC_Marshal) *put_public;
    __typeof__(Tss2_MU_TPM2B_PUBLIC_Unmarshal) *get_public;
    __typeof__(Tss2_MU_TPM2B_PRIVATE_Marshal) *put_private;
    __typeof__(Tss2_MU_TPM2B_PRIVATE_Unmarshal) *get_private;
};

/* FAULT_HOST: they are not installed. */
MUST_USE bool tpm_library_load(const struct tpm_library **ret_library, struct fault *fault);

#endif
