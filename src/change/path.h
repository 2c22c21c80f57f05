/*
 * change/path.h - may a file of that name be in a commit of ours?
 *
 * Stricter than git: the name must be harmless on Linux, and on the file systems of those who
 * fetch it (HFS+ ignores some code points, NTFS has short names and streams).
 */
#ifndef CUSTODY_CHANGE_PATH_H
#define CUSTODY_CHANGE_PATH_H

#include "base/bytes.h"

/*
 * NULL when it is fine; else a word for reasons[]: "path-empty" "path-too-long"
 * "path-absolute" "path-traversal" "path-git" (.git or an alias of it, at any depth)
 * "path-encoding" (not UTF-8) "path-control" (control characters, backslash).
 */
const char *change_path_problem(struct slice path);

/*
 * Does a symbolic link at `path` with `target` stay below the root of the tree, and out of
 * .git?
 */
bool change_link_stays(struct slice path, struct slice target);

#endif
