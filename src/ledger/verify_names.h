/* ledger/verify_names.h - which files lie below a ledger's tile/. Private to ledger/. */
#ifndef CUSTODY_LEDGER_VERIFY_NAMES_H
#define CUSTODY_LEDGER_VERIFY_NAMES_H

#include "ledger/archive.h"
#include "ledger/verify.h"

/*
 * Every name below tile/ of `folder`, told to the report: what no checkpoint asked for does not
 * belong there, and a partial file of an earlier tree must be the beginning of what is there
 * now. report->size is the tree's.
 *   archive  where bundles may be that are not in the folder; NULL: nowhere
 */
void verify_names(int folder, struct archive *archive, struct verify_report *report);

#endif
