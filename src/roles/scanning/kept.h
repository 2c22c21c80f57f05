/* roles/scanning/kept.h - where the verdicts of a scan are kept: cache/scan of the state folder,
 * else of the person's cache folder. */
#ifndef CUSTODY_ROLES_SCANNING_KEPT_H
#define CUSTODY_ROLES_SCANNING_KEPT_H

#include "roles/scanning/verdicts.h"

struct kept {
    int folder;
    char name[65];
    struct verdicts *verdicts;
};

/* The folder `name` of what may be made anew at any time: in the state folder's cache, else in
 * the person's. NULL: there is no place. The caller frees. */
char *kept_place(const char *name);
/* Is it ours, and nobody else's to write? */
bool kept_is_ours(int fd);

/* Of these paths, as they are named from the current folder. Nothing is kept (verdicts NULL)
 * where there is no place for it. */
void kept_open(const char *const *paths, size_t count, struct kept *ret_kept);
/* Writes them back where they have changed, and frees. What cannot be written is looked for
 * anew the next time. */
void kept_close(struct kept *kept);

#endif
