#include "view/ahead.h"

#define ENTRIES_MIN 8         /* fewer are asked for one by one */
#define ASKED_MIN 2           /* one alone is no search */
#define ENTRIES_A_QUESTION 48 /* that can be listed in the time of a question */
#define PATIENCE 512          /* questions, until a listing that never came is given up */

bool ahead_is_due(struct ahead *ahead, uint32_t folder, size_t entries)
{
    uint32_t slot = folder % AHEAD_FOLDERS;

    if (ahead->patience > 0)
        ahead->patience--;
    if (entries < ENTRIES_MIN)
        return false;
    if (ahead->at[slot].folder != folder) {
        ahead->at[slot].folder = folder;
        ahead->at[slot].asked = 0;
    }
    ahead->at[slot].asked++;
    if (ahead->patience > 0 ||
        ahead->at[slot].asked < ASKED_MIN + entries / ENTRIES_A_QUESTION)
        return false;
    ahead->at[slot].asked = 0;
    ahead->listing = folder;
    ahead->patience = PATIENCE;
    return true;
}

void ahead_listed(struct ahead *ahead, uint32_t folder)
{
    if (ahead->patience == 0 || ahead->listing != folder)
        return;
    ahead->patience = 0;
    ahead->at[folder % AHEAD_FOLDERS].asked = 0;
}
