/*
 * view/ahead.h - which folder to list before the rest of it is asked for name by name.
 *
 * A tree is searched file by file: each name is asked for once, and where writes are gathered the kernel
 * forgets at each close how many blocks a file has, and asks again (fuse_flush). A listing
 * (READDIRPLUS) answers for a whole folder at once. Somebody in the cell makes one (cell/lister.h)
 * when enough files of a folder were asked for.
 */
#ifndef CUSTODY_VIEW_AHEAD_H
#define CUSTODY_VIEW_AHEAD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define AHEAD_FOLDERS 256 /* that are counted at a time */

struct ahead {
    struct {
        uint32_t folder;
        uint32_t asked;
    } at[AHEAD_FOLDERS];
    uint32_t listing; /* while patience > 0 */
    unsigned patience;
};

/*
 * Counts that a file in `folder`, of `entries` names, was asked for. True: have it listed now. One listing
 * at a time, else whoever lists would be ever further behind whoever asks. Never for fewer names than
 * a listing is worth; a large folder is listed only after so many questions that all
 * listings together cost no more than the questions did.
 */
bool ahead_is_due(struct ahead *ahead, uint32_t folder, size_t entries);
/* The end of a listing of the folder was answered. */
void ahead_listed(struct ahead *ahead, uint32_t folder);

#endif
