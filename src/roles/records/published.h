/*
 * roles/records/published.h - before the records of a ledger are read that a daemon may be
 * writing.
 */
#ifndef CUSTODY_ROLES_PUBLISHED_H
#define CUSTODY_ROLES_PUBLISHED_H

#include <stdbool.h>

/*
 * Has what is on its way made public. False: no daemon runs (or it cannot, now), so that the
 * write-ahead log may have records that the tiles do not.
 */
bool ledger_is_published(int home_fd);

#endif
