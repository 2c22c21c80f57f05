/* roles/pdf/pdfs.h - qpdf for the classifier. */
#ifndef CUSTODY_ROLES_PDF_PDFS_H
#define CUSTODY_ROLES_PDF_PDFS_H

#include "base/fault.h"

/* Loads it, and hands it to the classifier of this process: before the process seals itself. What
 * the process may allocate from then on is bounded. FAULT_HOST: it is not installed; PDF files stay
 * opaque. */
MUST_USE bool pdfs_use(struct fault *fault);

#endif
