/*
 * cell/lister.h - pid 1 lists a folder when the view asks for it, so that the kernel knows the attributes
 * of all that is in it (view/ahead.h).
 *
 * What is listed is thrown away; pid 1 sees no more than the agent does.
 */
#ifndef CUSTODY_CELL_LISTER_H
#define CUSTODY_CELL_LISTER_H

#include <stdbool.h>

/*
 * Takes one packet from `asked`, the path of a folder below `repository` (a descriptor), and lists it. What
 * cannot be listed is left out. False: the view is gone, and asks no more.
 */
bool lister_take(int asked, int repository);

#endif
