/* roles/archives.h - libarchive for the classifier. */
#ifndef CUSTODY_ROLES_ARCHIVES_H
#define CUSTODY_ROLES_ARCHIVES_H

#include "base/fault.h"

/* Loads it, and hands it to the classifier of this process: before the process seals itself.
 * FAULT_HOST: it is not installed; archives stay opaque. */
MUST_USE bool archives_use(struct fault *fault);

#endif
