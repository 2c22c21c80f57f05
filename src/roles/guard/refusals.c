#include "roles/guard/refusals.h"

#include <stdlib.h>

#include "base/scope.h"
#include "view/folder.h"

struct refusals {
    struct folder *counts; /* "reason NUL object"; the node is how many */
};

struct refusals *refusals_new(void)
{
    struct refusals *refusals = xalloc(sizeof(*refusals));

    refusals->counts = folder_new(1);
    return refusals;
}

void refusals_free(struct refusals *refusals)
{
    if (refusals == NULL)
        return;
    folder_free(refusals->counts);
    free(refusals);
}

/* NULL: it is not counted, and there is no room. */
static struct folder_entry *entry_of(struct refusals *refusals, struct slice key, bool make)
{
    struct folder_entry *entry = folder_find(refusals->counts, key);

    if (entry != NULL || !make)
        return entry;
    folder_add(refusals->counts, key, 0, false);
    return folder_find(refusals->counts, key);
}

uint32_t refusals_add(struct refusals *refusals, const char *reason, struct slice object,
                      bool *ret_is_known)
{
    AUTO_BUF struct buf key = buf_with_limit(64 + REFUSALS_OBJECT_BYTES_MAX);
    struct fault too_long = {0};
    struct folder_entry *entry = NULL;

    if (buf_add_text(&key, reason, &too_long) && buf_add_byte(&key, 0, &too_long) &&
        buf_add(&key, object, &too_long))
        entry =
            entry_of(refusals, buf_slice(&key), refusals->counts->live < REFUSALS_OBJECTS_MAX);
    *ret_is_known = entry != NULL;
    if (entry == NULL) /* the reasons are few */
        entry = entry_of(refusals, slice_of(reason), true);
    if (entry->node < UINT32_MAX)
        entry->node++;
    return (entry->node & (entry->node - 1)) == 0 ? entry->node : 0;
}
